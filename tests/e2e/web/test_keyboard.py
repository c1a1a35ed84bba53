"""From the first screen to the last without a mouse."""

import pytest
from playwright.async_api import Browser

from tests.e2e.web.browser import Visit, visit
from tests.e2e.web.stand_in import StandIn
from tests.e2e.web.walk import phase, screen

pytestmark = pytest.mark.asyncio(loop_scope="module")

STOPS_MAX = 20
FOCUSED = """() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    return [element.id, seen && box.width > 0 && box.height > 0];
}"""


async def tab_to(tab: Visit, wanted: str) -> None:
    """Press Tab until it is there; every stop on the way must be seen."""
    for _ in range(STOPS_MAX):
        await tab.page.keyboard.press("Tab")
        name, seen = await tab.page.evaluate(FOCUSED)
        assert seen, f"the focus on {name!r} is not seen"
        if name == wanted:
            return
    raise AssertionError(f"no way to #{wanted}")


async def test_from_open_to_leave(browser: Browser, stand_in: StandIn) -> None:
    async with visit(browser) as tab:
        keys = tab.page.keyboard
        await tab.page.goto(stand_in.url)
        await screen(tab, "register")
        await tab_to(tab, "number")
        await keys.type("+15550100")
        await keys.press("Enter")
        await tab.page.wait_for_selector("#code:focus")
        await keys.type("000000")
        await keys.press("Enter")
        await screen(tab, "start")
        await tab_to(tab, "start-call")
        await keys.press("Enter")
        await screen(tab, "lobby")
        await tab.until("document.querySelector('#preview').videoWidth > 0")
        await tab_to(tab, "preview-mute")
        await keys.press("Space")
        await tab_to(tab, "name")
        await keys.type("Ann")
        await tab_to(tab, "join")
        await keys.press("Enter")
        await phase(tab, "connected")
        await tab_to(tab, "mute")
        assert await tab.page.inner_text("#mute .label") == "Unmute microphone"
        await keys.press("Space")
        await tab.page.wait_for_selector('[data-participant="self"][data-audio="on"]')
        await tab_to(tab, "camera")
        await keys.press("Enter")
        await tab.page.wait_for_selector('[data-participant="self"][data-video="off"]')
        await tab_to(tab, "leave")
        await keys.press("Enter")
        await screen(tab, "ended")
        await tab_to(tab, "home")
        await keys.press("Enter")
        await screen(tab, "start")
        assert tab.complaints == []
