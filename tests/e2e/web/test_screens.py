"""Every screen, small and large, light and dark: nothing that axe finds, nothing out of the picture."""

from pathlib import Path

import pytest
from playwright.async_api import Browser

from ringline.protocol import sfu
from tests.e2e.web.browser import DESKTOP, PHONE, Visit, visit
from tests.e2e.web.stand_in import Bea, StandIn
from tests.e2e.web.walk import phase, screen

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOOKS = [(size, scheme) for size in (DESKTOP, PHONE) for scheme in ("light", "dark")]


class Gallery:
    def __init__(self, visit: Visit, folder: Path) -> None:
        self._visit = visit
        self._folder = folder
        self.found: dict[str, list[str]] = {}

    async def look(self, name: str) -> None:
        """In all looks: a picture of it, what axe finds, and whether it fits in."""
        page = self._visit.page
        for size, scheme in LOOKS:
            label = f"{name}-{size['width']}-{scheme}"
            await page.set_viewport_size(size)  # type: ignore[arg-type]  # a TypedDict by shape
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a Literal
            wrong = await self._visit.violations()
            overflow = (
                "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"
            )
            if await page.evaluate(overflow):
                wrong.append("wider than the window")
            if wrong:
                self.found[label] = wrong
            await page.screenshot(path=self._folder / f"{label}.png", animations="disabled")


async def test_every_screen(browser: Browser, stand_in: StandIn, tmp_path: Path) -> None:
    async with visit(browser, reduced_motion="reduce") as tab:
        page, gallery = tab.page, Gallery(tab, tmp_path)
        await page.goto(stand_in.url)
        await screen(tab, "register")
        await gallery.look("register")
        await page.fill("#number", "0176 123")
        await page.click("#send-code")
        await gallery.look("register-error")
        await page.fill("#number", "+15550100")
        await page.click("#send-code")
        await page.wait_for_selector("#code")
        await gallery.look("code")
        await page.fill("#code", "000000")
        await page.click("#register")
        await screen(tab, "start")
        await gallery.look("start")
        await page.click("#start-call")
        await page.fill("#name", "Ann Example")
        await tab.until("document.querySelector('#preview').videoWidth > 0")
        await gallery.look("lobby")
        assert await fits(tab, "#join"), "one should not have to scroll to join, on a phone"
        await page.click("#join")
        await phase(tab, "connected")
        await gallery.look("alone")
        await stand_in.bring(Bea())
        await page.wait_for_selector('[data-participant="bea"][data-frames]')
        silent = Bea(participant="carl", name="Carl Gustav von Langname-Mustermann")
        await stand_in.bring(silent)
        for track in silent.tracks():
            await stand_in.tell(sfu.TrackMuted(participant="carl", track=track.track, muted=True))
        await page.click("#mute")
        await page.wait_for_selector('[data-participant="carl"][data-video="off"]')
        await gallery.look("call")
        await page.click("#leave")
        await screen(tab, "ended")
        await gallery.look("ended")
        assert gallery.found == {}
        assert tab.complaints == []
        assert len(list(tmp_path.glob("*.png"))) == 8 * len(LOOKS)


async def fits(tab: Visit, selector: str) -> bool:
    await tab.page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    box = await tab.page.locator(selector).bounding_box()
    return box is not None and box["y"] + box["height"] <= PHONE["height"]


async def test_axe_would_say(browser: Browser, stand_in: StandIn) -> None:
    """The check above sees something: a picture without words, a field without label."""
    async with visit(browser) as tab:
        await tab.page.goto(stand_in.url)
        await tab.page.evaluate(
            "for (const kind of ['img', 'input'])"
            " document.querySelector('#number-form').append(document.createElement(kind))"
        )
        found = " ".join(await tab.violations())
        assert "image-alt" in found
        assert "label" in found


@pytest.mark.parametrize("source", ["inline", "foreign", "markup"])
async def test_what_the_policy_forbids_is_stopped_and_noticed(
    browser: Browser, stand_in: StandIn, source: str
) -> None:
    """Even if somebody found a way to put it into the page."""
    async with visit(browser) as tab:
        await tab.page.goto(stand_in.url)
        await tab.page.evaluate(
            """source => {
                const script = document.createElement('script');
                try {
                    if (source === 'inline') script.textContent = 'window.stolen = true';
                    else if (source === 'foreign') script.src = 'http://127.0.0.1:9/x.js';
                    else document.body.innerHTML = '<img src=x onerror="window.stolen = true">';
                    document.head.append(script);
                } catch { /* Trusted Types refuse the assignment itself. */ }
            }""",
            source,
        )
        assert await tab.page.evaluate("window.stolen") is None
        assert any(
            "Content Security Policy" in line or "TrustedHTML" in line or "TrustedScript" in line
            for line in tab.complaints
        ), tab.complaints
