"""A real gateway on loopback, and clients of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from ringline.client.client import Client
from ringline.client.store_memory import MemoryStore
from tests.integration.gateway.stage import TEST_CODE, TEST_PREFIX, Ground, Node

StartClient = Callable[..., Awaitable[Client]]


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    """On the memory twins."""
    node = await Node.start(Ground())
    yield node
    await node.stop()


@pytest.fixture
async def open_client(node: Node) -> AsyncIterator[StartClient]:
    """Opens clients of the node; closes them all at the end."""
    clients: list[Client] = []

    async def start(profile: Any = None, **options: Any) -> Client:
        store = MemoryStore() if profile is None else profile
        client = await Client.open(store, **{"server": node.url, **options})
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.close()


async def registered(open_client: StartClient, last: int, profile: Any = None) -> Client:
    client = await open_client(profile)
    await client.register(number(last), TEST_CODE, "phone")
    await client.ready(5)
    return client


def number(last: int) -> str:
    return f"{TEST_PREFIX}{last:05d}"


@pytest.fixture
async def ann(open_client: StartClient) -> Client:
    return await registered(open_client, 1)


@pytest.fixture
async def bob(open_client: StartClient) -> Client:
    return await registered(open_client, 2)
