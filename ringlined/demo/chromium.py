"""A headless Chromium with a camera and a microphone that are made up, driven over its own DevTools
protocol: as much of it as filling in a page takes. No library of the browser's makers is needed.
"""

import asyncio
import itertools
import os
import shutil
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from ringlined import lifeline
from ringlined.readiness import until
from ringlined.trial.program import StepFailed

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS: Final = (
    "--headless=new",
    "--disable-gpu",
    "--use-fake-device-for-media-stream=fps=30",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)
"""Nothing of it goes anywhere but to the page that is opened."""
START_TIMEOUT_S: Final = 20.0
ANSWER_TIMEOUT_S: Final = 15.0
STOP_TIMEOUT_S: Final = 5.0
POLL_S: Final = 0.1
MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
PORT_FILE: Final = "DevToolsActivePort"


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Tab:
    """One page, made by `tab`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def open(self, url: str) -> None:
        await self._ask("Page.navigate", url=url)

    async def evaluate(self, expression: str) -> Any:
        """The value of JavaScript in the page. Raises StepFailed."""
        answer = await self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise StepFailed(f"the page: {answer['exceptionDetails'].get('text')}: {expression}")
        return answer["result"].get("value")

    async def until(self, what: str, expression: str, timeout_s: float) -> None:
        """Until that is true in the page. Raises StepFailed."""

        async def holds() -> bool:
            return bool(await self.evaluate(expression))

        if not await until(holds, timeout_s):
            shown = await self.evaluate("document.body.innerText.slice(0, 300)")
            raise StepFailed(f"the page: no {what} within {timeout_s:.0f} s; it shows: {shown}")

    async def fill(self, field: str, text: str) -> None:
        """By the element's id, as typing does."""
        value = msgspec.json.encode(text).decode()
        await self.evaluate(
            f"(field => {{ field.value = {value};"
            "field.dispatchEvent(new Event('input', {bubbles: true})); })"
            f"(document.getElementById('{field}'))"
        )

    async def click(self, element: str) -> None:
        await self.evaluate(f"document.getElementById('{element}').click()")

    async def _ask(self, method: str, **parameters: object) -> dict[str, Any]:
        number = next(self._numbers)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._socket.send_json({"id": number, "method": method, "params": parameters})
                while (answer := await self._socket.receive_json()).get("id") != number:
                    pass  # an event, which nobody asked for
        except (TimeoutError, TypeError, aiohttp.ClientError) as error:
            raise StepFailed(f"Chromium does not answer {method}: {error}") from None
        if "error" in answer:
            raise StepFailed(f"Chromium refuses {method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result


@asynccontextmanager
async def tab(program: str, directory: Path) -> AsyncIterator[Tab]:
    """A page in a browser of its own, which is gone afterwards. Raises StepFailed."""
    process = await _start(program, directory)
    try:
        async with aiohttp.ClientSession() as http:
            url = await _page_url(http, process, directory / PORT_FILE)
            async with http.ws_connect(url, max_msg_size=MESSAGE_BYTES_MAX) as socket:
                yield Tab(socket)
    except aiohttp.ClientError as error:
        raise StepFailed(f"Chromium: {error}") from None
    finally:
        await _stop(process)


async def _start(program: str, directory: Path) -> Process:
    words = [sys.executable, "-I", "-S", lifeline.__file__, str(os.getpid()), program, *FLAGS]
    if os.geteuid() == 0:
        words.append("--no-sandbox")  # it refuses to run as root otherwise
    return await asyncio.create_subprocess_exec(
        *words,
        f"--user-data-dir={directory}",
        "about:blank",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


async def _page_url(http: aiohttp.ClientSession, process: Process, port_file: Path) -> str:
    """Of the first page's DevTools. Raises StepFailed."""

    async def is_there() -> bool:
        return process.returncode is not None or (
            port_file.exists() and port_file.read_text().count("\n") > 0
        )

    if not await until(is_there, START_TIMEOUT_S) or process.returncode is not None:
        raise StepFailed(f"Chromium did not start (exit code {process.returncode})")
    port = port_file.read_text().splitlines()[0]
    async with http.get(f"http://127.0.0.1:{port}/json/list") as answer:
        pages = [each for each in await answer.json() if each["type"] == "page"]
    if not pages:
        raise StepFailed("Chromium shows no page")
    return str(pages[0]["webSocketDebuggerUrl"])


async def _stop(process: Process) -> None:
    """With its helper processes, which may outlive it for a moment and write on."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
