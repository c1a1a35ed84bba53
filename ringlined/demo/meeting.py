"""The demo's group call: two headless clients and a browser, or a third one where none is installed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from ringlined.demo.browser_guest import BrowserGuest
from ringlined.demo.chromium import find_chromium, tab
from ringlined.trial.device import SHORT_TIMEOUT_S, Device, of_kind
from ringlined.trial.program import Event, Run, StepFailed
from ringlined.trial.step import WARNING, Figures

CLEO_NUMBER: Final = "+15550100133"
TEST_CODE: Final = "000000"
ANN, BOB, CLEO = "Ann", "Bob", "Cleo"
MEETING_S_MAX: Final = 60
"""Ann and Bob are asked to go long before."""
CLEO_S: Final = 4
FRAMES_MIN: Final = 20
SOUND_S_MIN: Final = 1.0
PAGE_TIMEOUT_S: Final = 5.0


class Meeting:
    def __init__(self, ann: Device, bob: Device, cleo: Device) -> None:
        self._ann = ann
        self._bob = bob
        self._cleo = cleo

    async def hold(self) -> Figures:
        """Everybody sees and hears everybody. Raises StepFailed."""
        program = find_chromium()
        missing = await self._without_browser(program)
        if missing or program is None:
            return {**await self._headless(), "third": "headless", WARNING: missing}
        async with tab(program, self._place()) as page, self._started() as (ann, bob, link):
            cleo = BrowserGuest(page, CLEO_NUMBER, TEST_CODE, CLEO)
            await cleo.sign_in(link)
            await cleo.join()
            shown = await cleo.sees((ANN, BOB), FRAMES_MIN)
            await _have_seen(ann, bob)
            figures = await _goodbye(ann, bob)
            await cleo.leave()
        return {**figures, "cleo_sees": list(shown.values()), "third": "in Chromium"}

    def _place(self) -> Path:
        return self._cleo.profile.with_name("chromium")

    async def _without_browser(self, program: str | None) -> str:
        """Why no browser comes; empty: one does."""
        if program is None:
            return "no Chromium is installed: the third person is a headless client"
        server = urlsplit(self._ann.server)
        if server.scheme == "http" and server.hostname not in ("127.0.0.1", "localhost", "::1"):
            return "a browser gives no camera to a page over plain http: a headless client instead"
        if not await _has_page(self._ann.server):
            return "the web page is not built (make setup, with Node.js): a headless client instead"
        return ""

    async def _headless(self) -> Figures:
        await self._cleo.do("register", CLEO_NUMBER, "--code", TEST_CODE, "--name", "cleo")
        async with self._started() as (ann, bob, link):
            words = ("join", link, "--name", CLEO, "--video", "test", "--duration", str(CLEO_S))
            said = await self._cleo.do(*words, timeout_s=MEETING_S_MAX)
            figures = await _goodbye(ann, bob)
        return {**figures, "cleo_sees": seen(CLEO, said)}

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[tuple[Run, Run, str]]:
        """Ann makes the call; Bob comes by its link."""
        words = ("--video", "test", "--duration", str(MEETING_S_MAX))
        ann = await self._ann.start("join", "--name", ANN, *words)
        [made] = await ann.wait_for(
            "link", lambda events: of_kind(events, "group-call"), SHORT_TIMEOUT_S
        )
        bob = await self._bob.start("join", made["link"], "--name", BOB, *words)
        yield ann, bob, made["link"]


async def _have_seen(*runs: Run) -> None:
    """Cleo's picture and sound, for a moment."""
    for run in runs:
        await run.wait_for(CLEO, _has_tracks, SHORT_TIMEOUT_S)
    await asyncio.sleep(CLEO_S / 2)


def _has_tracks(events: list[Event]) -> bool:
    tracks = [event for event in of_kind(events, "track-published") if event["name"] == CLEO]
    return len(tracks) >= 2


async def _goodbye(ann: Run, bob: Run) -> Figures:
    await asyncio.gather(ann.finish(), bob.finish())
    return {"ann_sees": seen(ANN, ann.events), "bob_sees": seen(BOB, bob.events)}


def seen(name: str, events: list[Event]) -> list[int]:
    """Pictures of the two others. Raises StepFailed."""
    [ended] = of_kind(events, "group-call-ended")
    others = ended["participants"]
    enough = [
        other
        for other in others
        if other["frames_decoded"] >= FRAMES_MIN and other["audio_seconds"] >= SOUND_S_MIN
    ]
    if len(enough) < 2:
        told = ", ".join(
            f"{o['frames_decoded']} pictures and {o['audio_seconds']:.1f} s of {o['name']}"
            for o in others
        )
        raise StepFailed(f"{name} received {told or 'nothing'}. Is the machine busy?")
    return [other["frames_decoded"] for other in enough]


async def _has_page(server: str) -> bool:
    timeout = aiohttp.ClientTimeout(total=PAGE_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(server, headers={"Accept": "text/html"}) as answer,
        ):
            return answer.status == 200 and "screen-lobby" in await answer.text()
    except (aiohttp.ClientError, TimeoutError):
        return False
