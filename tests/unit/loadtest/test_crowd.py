"""A crowd keeps its load up, proves what a kill met, and fails loudly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from loadtest.crowd import Crowd, CrowdFailed, describe
from loadtest.enrolment import enrol, numbers
from loadtest.rehearsal import RehearsalGateway
from loadtest.wire import open_http


@asynccontextmanager
async def crowd_on(gateway: RehearsalGateway, path: Path) -> AsyncIterator[Crowd]:
    async with open_http() as http:
        devices = await enrol(http, gateway.base, numbers(6))
    async with Crowd([gateway.base], devices, path / "journal", 5) as crowd:
        yield crowd


async def test_a_blow_met_unanswered_sends_and_nothing_is_lost(
    gateway: RehearsalGateway, tmp_path: Path
) -> None:
    async with crowd_on(gateway, tmp_path) as crowd:
        crowd.load(200)
        gateway.silent = True
        kill = await crowd.kill_under_fire(gateway.hang_up, then=gateway.speak)
        assert kill.in_flight >= 6
        assert kill.unanswered == kill.in_flight
        assert kill.first_ack_s > 0
        verdict = await crowd.settle()
        assert verdict.holds, verdict
        assert verdict.acked == verdict.attempted >= 6
        assert "1 kills" in describe("a blow", 5, [kill], verdict)


async def test_a_lost_message_is_in_the_verdict(
    gateway: RehearsalGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtest.crowd.SETTLE_TIMEOUT_S", 0.5)
    async with crowd_on(gateway, tmp_path) as crowd:
        gateway.lose = True
        crowd.fire(0)
        verdict = await crowd.settle()
        assert [flaw.fault.value for flaw in verdict.flaws] == ["lost"]


async def test_a_finding_ends_every_wait(gateway: RehearsalGateway, tmp_path: Path) -> None:
    async with crowd_on(gateway, tmp_path) as crowd:
        gateway.close_code = 4006
        gateway.hang_up()
        with pytest.raises(CrowdFailed, match="closed for good: 4006"):
            await crowd.until(lambda: False, 30, "nothing")


async def test_what_did_not_happen_is_named_with_the_losses(
    gateway: RehearsalGateway, tmp_path: Path
) -> None:
    async with crowd_on(gateway, tmp_path) as crowd:
        with pytest.raises(CrowdFailed, match="the moon: not within 0 s; lost so far"):
            await crowd.until(lambda: False, 0, "the moon")
