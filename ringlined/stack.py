"""The composition root: the one place that knows which adapter stands behind each port."""

import resource
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import structlog

from backplane.bus.open import memory_bus, open_bus
from backplane.bus.ports import Bus
from backplane.registry.open import memory_registry, open_registry
from backplane.registry.ports import Registry
from backplane.storage.device_queues import DeviceQueues
from backplane.storage.open_sqlite import open_storage
from backplane.storage.records import Records
from backplane.telemetry.health_asyncio import Health
from backplane.telemetry.metrics import Metrics, open_metrics
from messaging.app import build_messaging
from messaging.code_sender_log import LogCodeSender
from ringlined.config import Config
from signaling.app import Gateway, build_gateway, utc_ms
from signaling.call_desk import CallDesk
from signaling.notifier import Notifier

DESCRIPTORS_MAX: Final = 65_536

_log = structlog.get_logger()


@asynccontextmanager
async def open_stack(config: Config, *, redis: bool) -> AsyncIterator[Gateway]:
    """A gateway that listens, with all it stands on. Without `redis`: on the memory twins, for one
    process that runs everything.

    Raises Unavailable (a store is away or not migrated), OSError (an address or a file), ValueError.
    """
    raise_descriptor_limit()
    metrics = open_metrics()
    records, queues = open_storage(config.storage)
    registry, bus = _backplane(config, metrics, redis=redis)
    try:
        await registry.probe()
        gateway = _gateway(config, records, queues, registry, bus, metrics)
        await gateway.start()
        try:
            yield gateway
        finally:
            await gateway.stop()
    finally:
        await bus.shut()
        await registry.shut()
        await queues.shut()
        await records.shut()


def _backplane(config: Config, metrics: Metrics, *, redis: bool) -> tuple[Registry, Bus]:
    if redis:
        return open_registry(config.registry, metrics), open_bus(config.registry, metrics)
    return memory_registry(utc_ms, config.registry), memory_bus(metrics=metrics)


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


def raise_descriptor_limit() -> None:
    """A connection is a descriptor; systems start processes with room for a thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
