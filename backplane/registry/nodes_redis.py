"""The nodes that are there, each for as long as it keeps saying so."""

import msgspec

from backplane.registry.ports import Node
from backplane.registry.redis_client import RedisClient


class RedisNodes:
    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._keys = [client.key("{nodes}", "until"), client.key("{nodes}", "said")]

    async def announce(self, node: Node, lifetime_ms: int) -> None:
        said = msgspec.json.encode(node)
        await self._client.run("node_announce", self._keys, (node.node, lifetime_ms, said))

    async def withdraw(self, node: str) -> None:
        await self._client.run("node_withdraw", self._keys, (node,))

    async def nodes(self, role: str) -> list[Node]:
        """By name."""
        said = await self._client.run("node_list", self._keys)
        nodes = [msgspec.json.decode(one, type=Node) for one in said]
        return sorted((one for one in nodes if one.role == role), key=lambda one: one.node)
