"""The nodes of one process."""

from collections.abc import Callable

from backplane.registry.expiring_memory import ExpiringMap
from backplane.registry.ports import Node


class MemoryNodes:
    def __init__(self, clock: Callable[[], int]) -> None:
        self._nodes: ExpiringMap[str, Node] = ExpiringMap(clock)

    async def announce(self, node: Node, lifetime_ms: int) -> None:
        self._nodes.put(node.node, node, lifetime_ms)

    async def withdraw(self, node: str) -> None:
        self._nodes.pop(node)

    async def nodes(self, role: str) -> list[Node]:
        """By name."""
        nodes = [node for node in self._nodes.values() if node.role == role]
        return sorted(nodes, key=lambda node: node.node)
