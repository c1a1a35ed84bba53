"""Waiting until something answers, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp

POLL_S: Final = 0.05
ANSWER_DEADLINE_S: Final = 3.0

Check = Callable[[], Awaitable[bool]]


async def until(check: Check, deadline_s: float) -> bool:
    """Ask again and again: whether it became true in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    while not await check():
        if loop.time() >= end:
            return False
        await asyncio.sleep(POLL_S)
    return True


async def is_ready(admin_url: str) -> bool:
    """Whether the node's /readyz says yes."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_DEADLINE_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{admin_url}/readyz") as answer,
        ):
            return answer.status == 200
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False
