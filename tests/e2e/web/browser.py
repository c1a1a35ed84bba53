"""Headless Chromium, and a page in it that complains about everything that goes wrong."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

ROOT: Final = Path(__file__).resolve().parents[3]
AXE: Final = ROOT / "clients" / "web" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM: Final = "/usr/bin/chromium"
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-device-for-media-stream=fps=30",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""A camera that shows a moving clock and a microphone that beeps; no question before either."""
WITHOUT_DEVICES: Final = tuple(flag for flag in FLAGS if "fake-device" not in flag)
PHONE: Final = {"width": 360, "height": 740}
DESKTOP: Final = {"width": 1280, "height": 800}
DEADLINE_MS: Final = 20_000


@asynccontextmanager
async def chromium(flags: tuple[str, ...] = FLAGS) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(flags))
        try:
            yield browser
        finally:
            await browser.close()


class Visit:
    """One page, in a context of its own (storage and all). `complaints` must stay empty."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.set_default_timeout(DEADLINE_MS)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def expect_refusal(self, status: int) -> None:
        """Chromium writes each refused request to the console; take out what a test made happen."""
        told = f"the server responded with a status of {status}"
        assert any(told in line for line in self.complaints), self.complaints
        self.complaints = [line for line in self.complaints if told not in line]

    async def until(self, expression: str) -> None:
        """Playwright's own way evaluates text inside the page, which its policy forbids."""
        async with asyncio.timeout(DEADLINE_MS / 1000):
            while not await self.page.evaluate(expression):  # noqa: ASYNC110 - in another process
                await asyncio.sleep(0.05)

    async def violations(self) -> list[str]:
        """What axe finds (WCAG 2.2 A and AA, and good practice)."""
        await self.page.evaluate(AXE.read_text())
        found: dict[str, Any] = await self.page.evaluate("axe.run(document)")
        return [
            f"{violation['id']}: {json.dumps([node['html'] for node in violation['nodes']])}"
            for violation in found["violations"]
        ]


@asynccontextmanager
async def visit(browser: Browser, **options: Any) -> AsyncIterator[Visit]:
    context = await browser.new_context(**{"viewport": DESKTOP, **options})
    try:
        yield Visit(context, await context.new_page())
    finally:
        await context.close()
