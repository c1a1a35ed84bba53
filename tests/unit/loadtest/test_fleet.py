"""Generators as processes: they connect, load, drain, and count what they did."""

from uuid import UUID

import pytest

from loadtest.courier import Device
from loadtest.fleet import PROCESSES, Fleet, GeneratorFailed
from loadtest.generator import Connect, Pace, Saturate
from loadtest.rehearsal import RehearsalGateway
from ringline.protocol.types import Address

PAIRS = 4


def pairs() -> list[tuple[Device, Device]]:
    devices = [Device(Address(UUID(int=n), 1), n, "c" * 43) for n in range(1, 2 * PAIRS + 1)]
    return list(zip(devices[::2], devices[1::2], strict=True))


async def test_a_fleet_loads_and_counts(gateway: RehearsalGateway) -> None:
    async with Fleet([gateway.base], pairs()) as fleet:
        connected = await fleet.obey(Connect(clients=2 * PAIRS))
        saturated = await fleet.obey(Saturate(seconds=0.2, window=2, body_bytes=300))
        paced = await fleet.obey(Pace(seconds=0.2, rate_per_s=100, body_bytes=300))
    assert gateway.tokens_sold == 2 * PAIRS
    assert [tally.messages for tally in connected] == [0] * PROCESSES
    assert all(tally.messages > 8 and tally.elapsed_s >= 0.2 for tally in saturated)
    assert [tally.messages for tally in paced] == [20] * PROCESSES
    for tally in (*saturated, *paced):
        assert tally.cpu_s > 0
        assert len(tally.sent_ms) == len(tally.delivered_ms) == tally.messages
        assert min(tally.delivered_ms) > 0


async def test_a_finding_fails_the_run(gateway: RehearsalGateway) -> None:
    async with Fleet([gateway.base], pairs()) as fleet:
        await fleet.obey(Connect(clients=2 * PAIRS))
        gateway.close_code = 4006
        for box in gateway.boxes.values():
            if box.live is not None:
                await box.live.close(code=4006)
        with pytest.raises(GeneratorFailed, match="closed for good: 4006"):
            await fleet.obey(Pace(seconds=0.5, rate_per_s=10, body_bytes=300))


async def test_a_dead_generator_is_named() -> None:
    async with Fleet(["http://127.0.0.1:1"], pairs()) as fleet:
        for process in fleet.processes:
            process.kill()
        with pytest.raises(GeneratorFailed, match="generator"):
            await fleet.obey(Connect(clients=2 * PAIRS))
