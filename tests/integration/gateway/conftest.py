from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ringline.protocol.codec import JSON, MSGPACK, Codec
from tests.integration.gateway.stage import Ground, Node, Person

StartNode = Callable[..., Awaitable[Node]]


@pytest.fixture(params=[MSGPACK, JSON], ids=["msgpack", "json"])
def chosen(request: pytest.FixtureRequest) -> Codec:
    encoding: Codec = request.param
    return encoding


@pytest.fixture
def ground() -> Ground:
    """On the memory twins."""
    return Ground()


@pytest.fixture
def durable_ground(tmp_path: Path, empty_redis_url: str) -> Ground:
    """On SQLite and Redis."""
    return Ground(directory=tmp_path / "store", redis_url=empty_redis_url)


@pytest.fixture
async def start_node() -> AsyncIterator[StartNode]:
    """Starts nodes; stops them all at the end."""
    nodes: list[Node] = []

    async def start(ground: Ground, *arguments: Any) -> Node:
        nodes.append(await Node.start(ground, *arguments))
        return nodes[-1]

    yield start
    for node in nodes:
        await node.stop()


@pytest.fixture
async def node(start_node: StartNode, ground: Ground) -> Node:
    return await start_node(ground)


@pytest.fixture
async def ann(node: Node) -> Person:
    return await node.register("+447911100001")


@pytest.fixture
async def bob(node: Node) -> Person:
    return await node.register("+447911100002")
