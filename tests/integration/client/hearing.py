"""Reading a client's events with a deadline."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from ringline.client.client import Client
from ringline.client.events import Event, MessageReceived

E = TypeVar("E")
DEADLINE_S = 8.0


async def hear(
    client: Client,
    kind: type[E],
    test: Callable[[E], bool] = lambda _: True,
    timeout_s: float = DEADLINE_S,
) -> E:
    """The next event of this kind; others are passed over."""
    async with asyncio.timeout(timeout_s):
        async for event in client.events():
            await client.confirm()
            if isinstance(event, kind) and test(event):
                return event
    raise AssertionError("the client ended")


async def texts(client: Client, count: int, timeout_s: float = DEADLINE_S) -> list[str | None]:
    found: list[str | None] = []
    while len(found) < count:
        found.append((await hear(client, MessageReceived, timeout_s=timeout_s)).content.text)
    return found


async def quiet(client: Client, kind: type[Event], seconds: float) -> bool:
    """Whether no such event comes in that time."""
    try:
        await hear(client, kind, timeout_s=seconds)
    except TimeoutError:
        return True
    return False
