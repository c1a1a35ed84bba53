"""The registry in Redis: the parts on one client. Why it is so: docs/decisions/0003-registry-and-bus.md."""

from backplane.registry.calls_redis import (
    RedisPlacements,
    RedisRelayDeadlines,
    RedisRemovals,
)
from backplane.registry.challenges_redis import RedisChallenges
from backplane.registry.limits_redis import RedisLimits
from backplane.registry.links_redis import RedisLinks
from backplane.registry.nodes_redis import RedisNodes
from backplane.registry.ports import (
    ChallengeRegistry,
    LimitRegistry,
    LinkRegistry,
    NodeRegistry,
    PlacementRegistry,
    PresenceRegistry,
    RelayDeadlineRegistry,
    RemovalRegistry,
    TokenRegistry,
)
from backplane.registry.presence_redis import RedisPresence
from backplane.registry.redis_client import RedisClient
from backplane.registry.settings import RegistrySettings
from backplane.registry.tokens_redis import RedisTokens
from backplane.telemetry.metrics import Metrics


class RedisRegistry:
    def __init__(self, settings: RegistrySettings, metrics: Metrics) -> None:
        self._client = client = RedisClient(settings, metrics)
        self.presence: PresenceRegistry = RedisPresence(client, settings.presence_lease_s * 1000)
        self.tokens: TokenRegistry = RedisTokens(client)
        self.challenges: ChallengeRegistry = RedisChallenges(client)
        self.links: LinkRegistry = RedisLinks(client)
        self.limits: LimitRegistry = RedisLimits(client)
        self.nodes: NodeRegistry = RedisNodes(client)
        self.placements: PlacementRegistry = RedisPlacements(client)
        self.relay_deadlines: RelayDeadlineRegistry = RedisRelayDeadlines(client)
        self.removals: RemovalRegistry = RedisRemovals(client)

    async def probe(self) -> None:
        await self._client.command("PING")

    async def shut(self) -> None:
        await self._client.shut()
