import pytest

from backplane.registry.ports import Node, NodeRegistry, Registry
from tests.contract.registry.conftest import Ground

LIFE_MS = 60_000
GATEWAY = Node("g-1", "gateway", "10.0.0.1:8080", 0.25)
SFU = Node("s-1", "sfu", "10.0.0.2:9000", 0.5)


@pytest.fixture
def nodes(registry: Registry) -> NodeRegistry:
    return registry.nodes


async def test_nodes_are_listed_by_role(nodes: NodeRegistry) -> None:
    other = Node("g-0", "gateway", "10.0.0.3:8080", 1.0)
    for node in (GATEWAY, SFU, other):
        await nodes.announce(node, LIFE_MS)
    assert await nodes.nodes("gateway") == [other, GATEWAY]
    assert await nodes.nodes("sfu") == [SFU]
    assert await nodes.nodes("turn") == []


async def test_a_node_announces_itself_anew(nodes: NodeRegistry) -> None:
    busy = Node("g-1", "gateway", "10.0.0.1:8080", 0.9)
    await nodes.announce(GATEWAY, LIFE_MS)
    await nodes.announce(busy, LIFE_MS)
    assert await nodes.nodes("gateway") == [busy]


async def test_a_node_withdraws(nodes: NodeRegistry) -> None:
    await nodes.announce(GATEWAY, LIFE_MS)
    await nodes.withdraw("g-1")
    await nodes.withdraw("g-1")
    assert await nodes.nodes("gateway") == []


async def test_a_silent_node_ends_while_others_stay(ground: Ground, nodes: NodeRegistry) -> None:
    await nodes.announce(SFU, LIFE_MS)
    await nodes.announce(GATEWAY, 80)
    await ground.pass_ms(100)
    assert await nodes.nodes("gateway") == []
    assert await nodes.nodes("sfu") == [SFU]
