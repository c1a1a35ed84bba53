"""Relay credentials: for a device that is in a call, for that call alone.

A caller gathers its addresses before it can invite, so a call id that nobody has placed is served too, but
what is allocated with it is refreshed for PLACING_S only, unless the invite comes.
"""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from backplane.registry.ports import Budget, Node, Registry
from backplane.relay_credentials import issue
from backplane.storage.records import Records
from backplane.telemetry.metrics import Metrics
from messaging.errors import rate_limited, refuse
from ringline.protocol import limits, resources
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import Address, CallState
from signaling.call_desk import decode_call
from signaling.gateway_secrets import GatewaySecrets
from signaling.group_call_desk import ended_at

PLACING_S: Final = limits.RELAY_ALLOCATE_S
RELAYS_MAX: Final = 2
"""Named to one client: the least busy first."""
ROLE: Final = "turn"


class RelayIssuer:
    def __init__(
        self,
        *,
        records: Records,
        registry: Registry,
        secrets: GatewaySecrets,
        metrics: Metrics,
        credentials_per_account_hour: int,
        clock: Callable[[], int],
    ) -> None:
        self._records = records
        self._registry = registry
        self._secrets = secrets
        self._metrics = metrics
        self._per_account_hour = credentials_per_account_hour
        self._clock = clock

    async def issue(self, caller: Address, call: UUID) -> resources.RelayCredentials:
        """Raises Refused (not-found, call-state, rate-limited, unavailable), WorldError."""
        if not self._secrets.relay_secret:
            raise refuse(ProblemType.UNAVAILABLE, "this server has no relay secret")
        await self._spend(caller)
        await self._admit(caller, call)
        relays = await self._registry.nodes.nodes(ROLE)
        now_s = self._clock() // 1000
        allocate_until_s = now_s + limits.RELAY_ALLOCATE_S
        refresh_until_s = now_s + limits.RELAY_REFRESH_S_MAX
        username, password = issue(
            self._secrets.relay_secret, caller.account, call, allocate_until_s, refresh_until_s
        )
        self._metrics.relay_credentials_issued.inc()
        return resources.RelayCredentials(
            uris=[relay.address for relay in sorted(relays, key=_load)[:RELAYS_MAX]],
            username=username,
            password=password,
            allocate_until=allocate_until_s * 1000,
            refresh_until=refresh_until_s * 1000,
        )

    async def _spend(self, caller: Address) -> None:
        exhausted = await self._registry.limits.spend(
            [Budget(f"relay:account:{caller.account}", self._per_account_hour, 3600)]
        )
        if exhausted is not None:
            raise rate_limited(exhausted.retry_after_s)

    async def _admit(self, caller: Address, call: UUID) -> None:
        """Calls of others are answered as unknown ones would be, if those were refused."""
        if await self._takes_part(caller, call):
            return
        until = self._clock() + PLACING_S * 1000
        lifetime_ms = limits.RELAY_REFRESH_S_MAX * 1000
        await self._registry.relay_deadlines.put_new(call, until, lifetime_ms)
        if await self._takes_part(caller, call):
            # Placed in between, and the deadline perhaps lifted before it was put.
            await self._registry.relay_deadlines.lift(call)

    async def _takes_part(self, caller: Address, call: UUID) -> bool:
        """False: there is no such call yet. Raises Refused."""
        placed = await self._records.call(call)
        if placed is not None:
            if caller.account not in (placed.caller, placed.callee):
                raise refuse(ProblemType.NOT_FOUND)
            if decode_call(placed).state is CallState.ENDED:
                raise refuse(ProblemType.CALL_STATE, "the call has ended")
            return True
        group = await self._records.group_calls.show(call)
        if group is None:
            return False
        if caller.account not in (group.creator, *group.members):
            raise refuse(ProblemType.NOT_FOUND)
        if ended_at(group, self._clock()) is not None:
            raise refuse(ProblemType.CALL_STATE, "the call has ended")
        return True


def _load(node: Node) -> tuple[float, str]:
    return node.load, node.node
