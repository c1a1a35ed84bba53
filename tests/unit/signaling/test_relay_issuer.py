"""The corners of relay deadlines that only show when two things happen at once."""

from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import pytest

from backplane.errors import Unavailable
from backplane.registry.open import memory_registry
from backplane.registry.ports import Registry
from backplane.storage.group_calls import GroupCallRecord
from backplane.storage.records_memory import MemoryRecords
from backplane.telemetry.metrics import Metrics
from messaging.errors import Refused
from ringline.protocol import limits
from ringline.protocol.types import Address
from signaling.gateway_secrets import GatewaySecrets
from signaling.relay_issuer import RelayIssuer

NOW = 1_800_000_000_000
ANN = Address(UUID(int=1), 1)
CALL = UUID(int=100)


class MeanwhileRegistry:
    """The deadline registry, with something that happens just before a deadline is put."""

    def __init__(self, registry: Registry, meanwhile: Callable[[], Coroutine[Any, Any, None]]):
        self._deadlines = registry.relay_deadlines
        self._meanwhile = meanwhile

    async def put_new(self, call: UUID, until: int, lifetime_ms: int) -> None:
        await self._meanwhile()
        await self._deadlines.put_new(call, until, lifetime_ms)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._deadlines, name)


@pytest.fixture
def records() -> MemoryRecords:
    return MemoryRecords()


@pytest.fixture
def registry() -> Registry:
    return memory_registry(lambda: NOW)


@pytest.fixture
def issuer(records: MemoryRecords, registry: Registry) -> RelayIssuer:
    return RelayIssuer(
        records=records,
        registry=registry,
        secrets=GatewaySecrets(relay_secret="s"),
        metrics=Metrics(),
        credentials_per_account_hour=10,
        clock=lambda: NOW,
    )


def group_call(created_at: int = NOW) -> GroupCallRecord:
    return GroupCallRecord(CALL, ANN.account, (), "x" * 43, created_at)


async def test_placed_in_between_it_is_not_limited(
    issuer: RelayIssuer, records: MemoryRecords, registry: Registry
) -> None:
    async def placed() -> None:
        await records.group_calls.create(group_call())
        await registry.relay_deadlines.lift(CALL)

    deadlines = registry.relay_deadlines
    registry.relay_deadlines = MeanwhileRegistry(registry, placed)
    await issuer.issue(ANN, CALL)
    assert await deadlines.get(CALL) is None


async def test_a_call_that_is_too_old_is_over_before_the_sweep(
    issuer: RelayIssuer, records: MemoryRecords
) -> None:
    age_ms = limits.GROUP_CALL_LIFETIME_S_MAX * 1000
    await records.group_calls.create(group_call(NOW - age_ms))
    with pytest.raises(Refused, match="call-state"):
        await issuer.issue(ANN, CALL)


async def test_without_the_registry_none_are_made(issuer: RelayIssuer, registry: Registry) -> None:
    async def away() -> None:
        raise Unavailable("gone")

    registry.relay_deadlines = MeanwhileRegistry(registry, away)
    with pytest.raises(Unavailable):
        await issuer.issue(ANN, CALL)
