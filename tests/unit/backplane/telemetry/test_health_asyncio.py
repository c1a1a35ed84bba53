import asyncio

import pytest

from backplane.errors import Unavailable
from backplane.telemetry.health import PROBES_MAX
from backplane.telemetry.health_asyncio import Health


async def well() -> None:
    pass


async def ill() -> None:
    raise Unavailable("a text that says too much")


async def hung() -> None:
    await asyncio.Event().wait()


async def test_ready_when_every_probe_is_well() -> None:
    health = Health()
    health.add("registry", well)
    health.add("queues", well)
    report = await health.check()
    assert report.ready
    assert [(probe.name, probe.ok) for probe in report.probes] == [
        ("registry", True),
        ("queues", True),
    ]


async def test_a_failure_is_named_by_kind_and_does_not_hide_the_others() -> None:
    health = Health()
    health.add("registry", ill)
    health.add("queues", well)
    report = await health.check()
    assert not report.ready
    assert [(probe.name, probe.problem) for probe in report.probes] == [
        ("registry", "Unavailable"),
        ("queues", None),
    ]


async def test_a_hung_probe_costs_one_deadline() -> None:
    health = Health(deadline_s=0.05)
    for name in ("one", "two", "three"):
        health.add(name, hung)
    loop = asyncio.get_running_loop()
    start = loop.time()
    report = await health.check()
    assert 0.04 < loop.time() - start < 0.14  # side by side, not one after the other
    assert [probe.problem for probe in report.probes] == ["timeout"] * 3
    assert all(probe.elapsed_ms >= 40 for probe in report.probes)


async def test_a_probe_may_be_replaced() -> None:
    health = Health()
    health.add("registry", ill)
    health.add("registry", well)
    assert (await health.check()).ready


async def test_nothing_to_probe_is_ready() -> None:
    assert (await Health().check()).ready


def test_probes_are_limited() -> None:
    health = Health()
    for number in range(PROBES_MAX):
        health.add(str(number), well)
    with pytest.raises(AssertionError):
        health.add("one more", well)
