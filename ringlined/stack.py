"""The composition root: the one place that knows which adapter stands behind each port."""

import resource
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import structlog

from backplane.bus.memory import MemoryHub
from backplane.bus.open import memory_bus, open_bus
from backplane.bus.ports import Bus
from backplane.registry.open import memory_registry, open_registry
from backplane.registry.ports import Registry
from backplane.storage.device_queues import DeviceQueues
from backplane.storage.open_sqlite import open_storage
from backplane.storage.records import Records
from backplane.telemetry.health_asyncio import Health
from backplane.telemetry.metrics import Metrics, open_metrics
from backplane.tickets import TicketVerifier
from messaging.app import build_messaging
from messaging.code_sender_log import LogCodeSender
from ringlined.config import Config
from ringlined.secret_files import gateway_secrets, relay_secrets, ticket_verifier
from sfu.app import Sfu, build_sfu
from signaling.app import Gateway, build_gateway, utc_ms
from signaling.call_desk import CallDesk
from signaling.notifier import Notifier
from turn.app import Relay, build_relay

DESCRIPTORS_MAX: Final = 65_536

_log = structlog.get_logger()


@asynccontextmanager
async def open_stack(config: Config) -> AsyncIterator[Gateway]:
    """A gateway that listens, with all it stands on.

    Raises Unavailable (a store is away or not migrated), OSError (an address or a file), ValueError.
    """
    metrics = open_metrics()
    async with (
        _plugged_in(config, metrics) as (registry, bus),
        _running(config, registry, bus, metrics) as gateway,
    ):
        yield gateway


@asynccontextmanager
async def open_sfu(config: Config) -> AsyncIterator[Sfu]:
    """An SFU node that listens. Raises as open_stack, and SecretMissing."""
    metrics, verifier = open_metrics(), ticket_verifier(config)
    async with (
        _plugged_in(config, metrics) as (registry, bus),
        _running_sfu(config, verifier, registry, bus, metrics) as node,
    ):
        yield node


@asynccontextmanager
async def open_relay(config: Config) -> AsyncIterator[Relay]:
    """A relay that listens. Raises as open_stack, and SecretMissing."""
    metrics, secret_texts = open_metrics(), relay_secrets(config)
    async with (
        _plugged_in(config, metrics) as (registry, bus),
        _running_relay(config, secret_texts, registry, metrics) as node,
    ):
        del bus
        yield node


@asynccontextmanager
async def open_everything(config: Config) -> AsyncIterator[Gateway]:
    """Every role in this one process, on the memory twins of registry and bus."""
    raise_descriptor_limit()
    hub, registry = MemoryHub(), memory_registry(utc_ms, config.registry)
    buses = [memory_bus(hub) for _ in range(2)]
    verifier, secret_texts = ticket_verifier(config), relay_secrets(config)
    try:
        async with (
            _running(config, registry, buses[0], open_metrics()) as gateway,
            _running_sfu(config, verifier, registry, buses[1], open_metrics()),
            _running_relay(config, secret_texts, registry, open_metrics()),
        ):
            yield gateway
    finally:
        for bus in buses:
            await bus.shut()
        await registry.shut()


@asynccontextmanager
async def _plugged_in(config: Config, metrics: Metrics) -> AsyncIterator[tuple[Registry, Bus]]:
    """Registry and bus in Redis, which must be there to begin with."""
    raise_descriptor_limit()
    registry, bus = open_registry(config.registry, metrics), open_bus(config.registry, metrics)
    try:
        await registry.probe()
        yield registry, bus
    finally:
        await bus.shut()
        await registry.shut()


@asynccontextmanager
async def _running(
    config: Config, registry: Registry, bus: Bus, metrics: Metrics
) -> AsyncIterator[Gateway]:
    records, queues = open_storage(config.storage)
    try:
        gateway = _gateway(config, records, queues, registry, bus, metrics)
        await gateway.start()
        try:
            yield gateway
        finally:
            await gateway.stop()
    finally:
        await queues.shut()
        await records.shut()


@asynccontextmanager
async def _running_sfu(
    config: Config, verifier: TicketVerifier, registry: Registry, bus: Bus, metrics: Metrics
) -> AsyncIterator[Sfu]:
    node = build_sfu(
        config.sfu,
        verifier=verifier,
        registry=registry,
        bus=bus,
        metrics=metrics,
        health=_registry_health(registry),
    )
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


@asynccontextmanager
async def _running_relay(
    config: Config, secret_texts: Sequence[str], registry: Registry, metrics: Metrics
) -> AsyncIterator[Relay]:
    node = build_relay(
        config.relay,
        secrets=secret_texts,
        registry=registry,
        metrics=metrics,
        health=_registry_health(registry),
    )
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


def _gateway(
    config: Config,
    records: Records,
    queues: DeviceQueues,
    registry: Registry,
    bus: Bus,
    metrics: Metrics,
) -> Gateway:
    notifier = Notifier()
    messaging = build_messaging(
        records=records,
        queues=queues,
        registry=registry,
        bus=bus,
        code_sender=LogCodeSender(reveal=config.messaging.log_codes),
        settings=config.messaging,
        clock=utc_ms,
        entropy=secrets.token_bytes,
        notify=notifier,
        alert=partial(_budget_exhausted, metrics),
    )
    call_desk = CallDesk(
        records=records,
        queues=queues,
        contacts=messaging.contacts,
        limits=registry.limits,
        relay_deadlines=registry.relay_deadlines,
        calls_per_caller_minute=config.messaging.calls_per_caller_minute,
        calls_per_pair_minute=config.messaging.calls_per_pair_minute,
        clock=utc_ms,
        notify=notifier,
    )
    return build_gateway(
        config.gateway,
        messaging,
        call_desk,
        notifier=notifier,
        metrics=metrics,
        health=_health(records, queues, registry),
        gateway_secrets=gateway_secrets(config),
    )


def _budget_exhausted(metrics: Metrics, scope: str) -> None:
    """Somebody makes us send codes: what an operator wants to be woken for."""
    metrics.registration_budget_exhausted.labels(scope=scope).inc()
    _log.warning("budget of one-time codes used up", scope=scope)


def _health(records: Records, queues: DeviceQueues, registry: Registry) -> Health:
    health = Health()
    health.add("records", records.probe)
    health.add("queues", queues.probe)
    health.add("registry", registry.probe)
    return health


def _registry_health(registry: Registry) -> Health:
    """Of a node that only announces itself there: its media goes on without."""
    health = Health()
    health.add("registry", registry.probe)
    return health


def raise_descriptor_limit() -> None:
    """A connection is a descriptor; systems start processes with room for a thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
