"""The registry in memory: for one process that runs every role, and for tests."""

from collections.abc import Callable

from backplane.registry.calls_memory import (
    MemoryPlacements,
    MemoryRelayDeadlines,
    MemoryRemovals,
)
from backplane.registry.challenges_memory import MemoryChallenges
from backplane.registry.limits_memory import MemoryLimits
from backplane.registry.links_memory import MemoryLinks
from backplane.registry.nodes_memory import MemoryNodes
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
from backplane.registry.presence_memory import MemoryPresence
from backplane.registry.tokens_memory import MemoryTokens
from ringline.protocol import limits


class MemoryRegistry:
    """`clock` gives UTC milliseconds."""

    def __init__(
        self, clock: Callable[[], int], presence_lease_s: int = limits.PRESENCE_LEASE_S
    ) -> None:
        self.presence: PresenceRegistry = MemoryPresence(clock, presence_lease_s * 1000)
        self.tokens: TokenRegistry = MemoryTokens(clock)
        self.challenges: ChallengeRegistry = MemoryChallenges(clock)
        self.links: LinkRegistry = MemoryLinks(clock)
        self.limits: LimitRegistry = MemoryLimits(clock)
        self.nodes: NodeRegistry = MemoryNodes(clock)
        self.placements: PlacementRegistry = MemoryPlacements(clock)
        self.relay_deadlines: RelayDeadlineRegistry = MemoryRelayDeadlines(clock)
        self.removals: RemovalRegistry = MemoryRemovals(clock)

    async def probe(self) -> None:
        pass

    async def shut(self) -> None:
        pass
