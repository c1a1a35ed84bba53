"""The page's ways, as a person with a mouse goes them."""

import json

from tests.e2e.web.browser import Visit
from tests.e2e.web.stand_in import CODE, CREATOR, StandIn, token

NUMBER = "+15550100"


async def sign_in(visit: Visit, url: str, number: str = NUMBER) -> None:
    page = visit.page
    await page.goto(url)
    await page.fill("#number", number)
    await page.click("#send-code")
    await page.fill("#code", CODE)
    await page.click("#register")


async def reach_lobby(visit: Visit, server: StandIn, name: str = "Ann Example") -> None:
    """As somebody who signed in before."""
    kept = {"account": str(CREATOR), "device": 1, "number": NUMBER, "credential": token()}
    keep = f"localStorage.setItem('ringline.device', JSON.stringify({json.dumps(kept)}))"
    await visit.page.add_init_script(keep)
    await visit.page.goto(server.url)
    await visit.page.click("#start-call")
    await visit.page.fill("#name", name)


async def reach_call(visit: Visit, server: StandIn, name: str = "Ann Example") -> None:
    await reach_lobby(visit, server, name)
    await visit.until("document.querySelector('#preview').videoWidth > 0")
    await visit.page.click("#join")
    await phase(visit, "connected")


async def phase(visit: Visit, name: str) -> None:
    await visit.page.wait_for_selector(f'#screen-call[data-phase="{name}"]')


async def screen(visit: Visit, name: str) -> None:
    await visit.page.wait_for_selector(f'body[data-screen="{name}"]')
