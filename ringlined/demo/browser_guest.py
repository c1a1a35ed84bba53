"""Somebody who joins a group call by its link, in a browser: the page's elements, by their ids."""

from typing import Any, Final

from ringlined.demo.chromium import Tab

STEP_TIMEOUT_S: Final = 20.0
FRAMES: Final = """
    [...document.querySelectorAll('#tiles .tile')].map(tile => [
        tile.querySelector('.name').textContent,
        tile.querySelector('video').getVideoPlaybackQuality().totalVideoFrames,
    ])
"""


class BrowserGuest:
    def __init__(self, tab: Tab, number: str, code: str, name: str) -> None:
        self._tab = tab
        self._number = number
        self._code = code
        self._name = name

    async def sign_in(self, link: str) -> None:
        """To the lobby of the call. Raises StepFailed."""
        tab = self._tab
        await tab.open(link)
        await tab.until("form to sign in", _screen("register"), STEP_TIMEOUT_S)
        await tab.fill("number", self._number)
        await tab.click("send-code")
        await tab.until(
            "field for the code",
            "!document.getElementById('code-form').hidden",
            STEP_TIMEOUT_S,
        )
        await tab.fill("code", self._code)
        await tab.click("register")
        await tab.until("lobby", _screen("lobby"), STEP_TIMEOUT_S)

    async def join(self) -> None:
        """Raises StepFailed."""
        tab = self._tab
        camera = "document.getElementById('preview').videoWidth > 0"
        await tab.until("picture of the camera", camera, STEP_TIMEOUT_S)
        await tab.fill("name", self._name)
        await tab.click("join")
        connected = "document.getElementById('screen-call').dataset.phase === 'connected'"
        await tab.until("call", connected, STEP_TIMEOUT_S)

    async def sees(self, names: tuple[str, ...], frames: int) -> dict[str, int]:
        """So many pictures of each: what was shown. Raises StepFailed."""
        wanted = f"{list(names)!r}.every(name => Object.fromEntries({FRAMES})[name] >= {frames})"
        await self._tab.until(f"pictures of {' and '.join(names)}", wanted, STEP_TIMEOUT_S)
        shown: list[list[Any]] = await self._tab.evaluate(FRAMES)
        return {name: count for name, count in shown if name in names}

    async def leave(self) -> None:
        await self._tab.click("leave")


def _screen(name: str) -> str:
    return f"document.readyState === 'complete' && document.body.dataset.screen === '{name}'"
