"""The relay's load, tried on coturn: it allocates, relays, counts, and lets go."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from loadtest.coturn import HOST, PASSWORD, USERNAME, Coturn, CoturnFailed
from loadtest.fleet import GeneratorFailed
from loadtest.process import Process
from loadtest.relay import BURST, Side, Window, figures
from loadtest.relay_generator import (
    Allocate,
    PaceRelay,
    RelayGenerator,
    RelayTally,
    Release,
    SaturateRelay,
    Use,
)
from loadtest.relay_load import RelayLoad
from loadtest.stack import free_ports

PAYLOAD = 1_100


@pytest.fixture
async def coturn(tmp_path: Path) -> AsyncIterator[Coturn]:
    (port,) = free_ports(1)
    async with Coturn(tmp_path, port) as started:
        yield started


def use(coturn: Coturn, password: str = PASSWORD) -> Use:
    return Use(host=HOST, port=coturn.port, username=USERNAME, password=password)


async def test_a_load_allocates_and_relays_both_ways(coturn: Coturn) -> None:
    async with RelayLoad() as load:
        await load.obey(use(coturn))
        allocated = await load.obey(Allocate(count=8, bound=4))
        saturated = await load.obey(SaturateRelay(seconds=0.3, window=2, payload_bytes=PAYLOAD))
        paced = await load.obey(PaceRelay(seconds=0.3, rate_per_s=200, payload_bytes=PAYLOAD))
        await load.obey(Release())
    assert allocated.allocations_per_s > 1
    assert saturated.relayed > 16
    assert saturated.sent >= saturated.relayed
    assert paced.sent == pytest.approx(60, abs=2)
    assert paced.relayed == paced.sent
    for tally in (saturated, paced):
        assert tally.seconds >= 0.3
        assert tally.cpu_s > 0
    assert coturn.process.cpu_s() > 0


async def test_released_allocations_can_be_had_again(coturn: Coturn) -> None:
    generator = RelayGenerator(use(coturn))
    for _ in range(2):
        assert generator.obey(Allocate(count=20, at_a_time=4, bound=1)).allocations_per_s > 1
        generator.obey(Release())
    generator.close()


async def test_a_wrong_password_ends_the_load(coturn: Coturn) -> None:
    async with RelayLoad() as load:
        await load.obey(use(coturn, "another"))
        with pytest.raises(GeneratorFailed, match="ended"):
            await load.obey(Allocate(count=1))


async def test_a_turnserver_that_ends_at_once_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtest.coturn.options", lambda *_: ["--no-such-option"])
    with pytest.raises(CoturnFailed):
        async with Coturn(tmp_path, 1):
            pass


async def test_a_missing_turnserver_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(CoturnFailed, match="coturn"):
        async with Coturn(tmp_path, 1):
            pass


def window(packets: int, sent: int, cpu_s: float) -> Window:
    tally = RelayTally(
        sent=sent, relayed=packets, seconds=2.0, cpu_s=cpu_s * 2, allocations_per_s=500
    )
    return Window(tally, cpu_s)


def side(name: str, cpu_s: float) -> Side:
    made = Side(name, Process(0, name), RelayLoad(), kib_per_allocation=4.0)
    made.saturated = [window(1_000, 1_001, cpu_s), window(1_000, 1_002, cpu_s * 3)]
    made.paced = [window(500, 500, cpu_s)]
    made.allocating = [window(0, 0, cpu_s)]
    return made


def test_the_figures_are_per_packet_and_beside_the_peers() -> None:
    made = {each.name: each for each in figures(side("ours", 0.01), side("coturn", 0.02))}
    cost = made["CPU per relayed packet, saturated"]
    assert [cost.ours, cost.peer, cost.ratio] == pytest.approx([20, 40, 0.5])
    assert made["CPU per relayed packet, saturated (lowest window)"].ours == pytest.approx(10)
    assert made["packets relayed per second, saturated"].ours == 500
    assert made["packets lost, saturated, all windows"].ours == 3
    assert made["allocations per second"].ours == 500
    assert made["CPU per allocation"].ours == pytest.approx(0.01 / BURST * 1e6)
    assert made["memory per allocation"].ours == 4.0


def test_without_a_peer_there_is_no_ratio() -> None:
    assert all(each.peer is None for each in figures(side("ours", 0.01), None))
