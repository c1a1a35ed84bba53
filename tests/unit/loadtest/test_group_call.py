"""The load of a group call, tried on a node of ours: it is forwarded, counted, and let go."""

import secrets
import time
from uuid import uuid4

import pytest

from loadtest.fleet import GeneratorFailed
from loadtest.group_call import PROFILE, Audience, Window, figures, generator
from loadtest.group_call_generator import GroupCallTally, Meet, PaceCall, SaturateCall
from ringline.protocol.types import Address
from tests.integration.sfu.conftest import SETTINGS, Stage, StageMaker, make_stage

__all__ = ["make_stage"]


def meet(stage: Stage, members: int, node: str | None = None) -> Meet:
    call = uuid4()
    host, port = stage.sfu.signalling_address
    tickets = [
        stage.tickets.signer.sign(
            Address(uuid4(), 1),
            call,
            node or stage.sfu.node,
            secrets.token_urlsafe(16),
            int(time.time()),
        )
        for _ in range(members)
    ]
    return Meet(url=f"http://{host}:{port}/v1/sfu/{stage.sfu.node}", tickets=tickets)


async def test_a_load_is_forwarded_to_all(make_stage: StageMaker) -> None:
    async with make_stage(SETTINGS) as stage, generator() as load:
        await load.obey(meet(stage, 4))
        saturated = await load.obey(SaturateCall(seconds=0.3, burst=4, payload_bytes=1_100))
        paced = await load.obey(PaceCall(seconds=0.3, rate_per_s=100, payload_bytes=1_100))
        assert stage.count("sfu_packets", event="packets_forwarded") >= saturated.forwarded
    assert (saturated.profile, saturated.wrong, paced.wrong) == (PROFILE, 0, 0)
    assert saturated.expected == 3 * saturated.sent
    assert 0 < saturated.forwarded <= saturated.expected
    assert paced.sent == pytest.approx(30, abs=3)
    assert saturated.cpu_s > 0


async def test_a_refused_ticket_fails_the_load(make_stage: StageMaker) -> None:
    async with make_stage(SETTINGS) as stage, generator() as load:
        with pytest.raises(GeneratorFailed):
            await load.obey(meet(stage, 2, node="sfu-other"))


def test_figures_are_per_packet_that_came() -> None:
    tally = GroupCallTally(profile=PROFILE, sent=10, expected=100, forwarded=80, seconds=2, cpu_s=1)
    window = Window(tally, cpu_s=0.0004)
    by_name = {
        figure.name: figure.ours
        for figure in figures(Audience(10, saturated=[window], paced=[window]))
    }
    assert by_name["CPU per forwarded packet, 1 to 10, saturated"] == pytest.approx(5)
    assert by_name["packets forwarded per second, 1 to 10, saturated"] == pytest.approx(40)
    assert by_name["packets lost, 1 to 10, saturated, all windows"] == 20
