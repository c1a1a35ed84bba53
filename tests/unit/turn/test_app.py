"""The wiring: start, be found, show, stop."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest

from backplane.registry.open import memory_registry
from backplane.registry.ports import Registry
from backplane.telemetry.health_asyncio import Health
from backplane.telemetry.metrics import Metrics, open_metrics
from turn import stun
from turn.app import Relay, build_relay
from turn.settings import RelaySettings
from turn.stun import Attribute, Class, Method

SETTINGS = RelaySettings(port=0, admin_port=0, announce_s=0.05)


@pytest.fixture
def registry() -> Registry:
    return memory_registry(lambda: time.time_ns() // 1_000_000)


@pytest.fixture
def metrics() -> Metrics:
    return open_metrics()


@pytest.fixture
async def relay(registry: Registry, metrics: Metrics) -> AsyncIterator[Relay]:
    made = build(registry, metrics)
    await made.start()
    yield made
    await made.stop()


def build(registry: Registry, metrics: Metrics, settings: RelaySettings = SETTINGS) -> Relay:
    return build_relay(
        settings, secrets=["secret"], registry=registry, metrics=metrics, health=Health()
    )


def binding(relay: Relay) -> stun.Message:
    """Blocks this thread only: the relay's loop goes on in the caller's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(20)
        client.sendto(stun.encode(Method.BINDING, Class.REQUEST, bytes(12)), relay.bound)
        return stun.parse(client.recv(1500))


async def test_it_answers_and_counts(relay: Relay, metrics: Metrics) -> None:
    reply = await asyncio.to_thread(binding, relay)
    assert Attribute.XOR_MAPPED_ADDRESS in reply.attributes
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"\x40\0\0\0", relay.bound)
    await asyncio.to_thread(binding, relay)
    value = metrics.registry.get_sample_value
    assert value("ringline_relay_dropped_total", {"reason": "no-allocation"}) == 1
    assert value("ringline_relay_allocations_live") == 0


async def test_it_is_found_while_it_runs(registry: Registry, metrics: Metrics) -> None:
    relay = build(registry, metrics)
    await relay.start()
    async with asyncio.timeout(20):
        while not (nodes := await registry.nodes.nodes("turn")):  # noqa: ASYNC110 - a registry tells nobody
            await asyncio.sleep(0)
    [node] = nodes
    assert (node.node, node.load) == (relay.node, 0.0)
    assert node.address == f"turn:127.0.0.1:{relay.bound[1]}?transport=udp"
    await relay.stop()
    assert await registry.nodes.nodes("turn") == []


async def test_the_external_address_is_announced(registry: Registry, metrics: Metrics) -> None:
    settings = RelaySettings(port=0, admin_port=0, external_address="2600:0:0::1")
    relay = build(registry, metrics, settings)
    await relay.start()
    assert relay.describe().address == f"turn:[2600::1]:{relay.bound[1]}?transport=udp"
    await relay.stop()


async def test_a_port_that_is_taken_is_said_and_nothing_stays(
    relay: Relay, registry: Registry
) -> None:
    settings = RelaySettings(port=relay.bound[1], admin_port=0)
    with pytest.raises(OSError, match="in use"):
        await build(registry, open_metrics(), settings).start()
    settings = RelaySettings(port=0, admin_port=relay.admin[1])
    with pytest.raises(OSError, match="in use"):
        await build(registry, open_metrics(), settings).start()


async def test_after_the_stop_nobody_listens(registry: Registry, metrics: Metrics) -> None:
    relay = build(registry, metrics)
    await relay.start()
    bound = relay.bound
    await relay.stop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(bound)


@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_a_secret_none_is_built(registry: Registry, secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="secret"):
        build_relay(
            SETTINGS,
            secrets=secrets,
            registry=registry,
            metrics=open_metrics(),
            health=Health(),
        )
