"""A private stack of real processes, and people on it who use the SDK in this process."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import aiohttp

from ringline.client.client import Client
from ringline.client.events import CallReceived, MessageReceived
from ringline.client.net.call import IncomingCall
from ringline.client.store_memory import MemoryStore
from ringlined.demo.stage import private_stack
from ringlined.status import Status, read_status

CODE: Final = "000000"
"""Of every number of a development server's test prefix."""
DEADLINE_S: Final = 20.0
HOSTS: Final = ("127.0.0.1",)


@asynccontextmanager
async def stack(directory: Path) -> AsyncIterator[Status]:
    async with private_stack(directory):
        status = read_status(directory / "stack")
        assert status is not None
        yield status


@asynccontextmanager
async def person(server: str, number: str) -> AsyncIterator[Client]:
    async with await Client.open(MemoryStore(), server=server) as client:
        await client.register(number, CODE)
        await client.ready(DEADLINE_S)
        yield client


async def acquaint(caller: Client, callee: Client) -> None:
    """From now on the caller's calls ring."""
    await caller.send(callee.account, "May I call?")
    async with asyncio.timeout(DEADLINE_S):
        async for event in callee.events():
            if isinstance(event, MessageReceived):
                break
    await callee.confirm()
    await callee.accept(caller.account)


async def ringing(client: Client) -> IncomingCall:
    async with asyncio.timeout(DEADLINE_S):
        async for event in client.events():
            if isinstance(event, CallReceived):
                return event.call
    raise AssertionError("the client ended")


async def metrics(admin_url: str) -> dict[str, float]:
    """The node's page, by name and labels as Prometheus writes them."""
    async with aiohttp.ClientSession() as http, http.get(f"{admin_url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


@contextmanager
def hung(process: int) -> Iterator[None]:
    """It is there, and says nothing."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)
