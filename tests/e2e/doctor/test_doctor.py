"""Hops broken for real, one after the other, on a stack that runs: the doctor names each."""

import asyncio
import json
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ringlined.doctor.hop import HopName
from ringlined.status import read_status
from tests.e2e.doctor.ward import Visit, Ward, ward

OPERATIONS = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
START_TIMEOUT_S = 60.0
PRODUCTION = """
environment = "production"
[gateway]
port = 0
admin_port = 0
[messaging]
lookup_key = "only-in-this-test-but-long-enough-for-it"
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ward]:
    async with ward(tmp_path_factory.mktemp("ward")) as running:
        yield running


def judge(visit: Visit, broken: HopName, *words: str) -> None:
    """That hop and no other, by name, with what to do; all before it are well."""
    assert visit.code == 1, visit.text
    assert visit.findings["broken"] == broken, visit.text
    assert f"Broken: {broken}" in visit.text
    names = list(HopName)
    hops: list[dict[str, Any]] = visit.findings["hops"]
    assert [hop["step"] for hop in hops] == names[: names.index(broken) + 1]
    assert [hop["passed"] for hop in hops] == [*[True] * (len(hops) - 1), False]
    assert visit.findings["not_tried"] == names[len(hops) :]
    last = hops[-1]
    for word in words:
        assert word in f"{last['problem']} {last['advice']}", visit.text
    assert last["advice"], "it says what to do"


@pytest.mark.timeout(180)
async def test_a_healthy_stack_is_well_from_hop_to_hop(stack: Ward) -> None:
    visit = await stack.examine()
    assert visit.code == 0, visit.text
    assert visit.findings["well"]
    assert visit.findings["broken"] is None
    assert [hop["step"] for hop in visit.findings["hops"]] == list(HopName)
    figures = {hop["step"]: hop["figures"] for hop in visit.findings["hops"]}
    assert figures[HopName.CERTIFICATE]["tls"]
    assert figures[HopName.CALL]["pair"] == "relay/relay"
    assert min(figures[HopName.CALL]["frames"]) > 20
    assert min(figures[HopName.GROUP_CALL]["frames"]) > 20
    assert stack.minted_accounts() == 0, "removed afterwards"


@pytest.mark.parametrize("role", ["gateway", "sfu", "turn"])
async def test_every_metric_is_in_the_operators_page(stack: Ward, role: str) -> None:
    page = await stack.fetch(role, "/metrics")
    assert page is not None
    found = set(re.findall(r"^# TYPE ringline_(\w+?)(?:_total|_created)? ", page, re.MULTILINE))
    assert len(found) > 5
    documented = set(re.findall(r"`(\w+)`", OPERATIONS.read_text()))
    assert found - documented == set()


@pytest.mark.parametrize(
    ("role", "hop"), [("turn", HopName.RELAY), ("sfu", HopName.SFU), ("gateway", HopName.GATEWAY)]
)
async def test_a_process_that_is_stopped(stack: Ward, role: str, hop: HopName) -> None:
    stack.send(role, signal.SIGSTOP)
    try:
        judge(await stack.examine(), hop, "process")
    finally:
        stack.send(role, signal.SIGCONT)
    await recovered(stack)
    assert stack.minted_accounts() == 0, "removed, though a hop was broken"


async def test_the_relays_port_is_blocked(stack: Ward) -> None:
    stack.route("add")
    try:
        judge(await stack.examine(), HopName.RELAY_PORT, "firewall")
    finally:
        stack.route("del")
    assert stack.minted_accounts() == 0


async def test_the_relay_has_another_secret(stack: Ward) -> None:
    secret = stack.data / "secrets" / "relay"
    right = secret.read_text()
    secret.write_text("another-secret-than-the-gateway-has")
    try:
        await stack.restart("turn")
        judge(await stack.examine(), HopName.RELAY_CREDENTIALS, "401", "relay.secret")
    finally:
        secret.write_text(right)
        await stack.restart("turn")
    assert stack.minted_accounts() == 0


async def test_redis_is_gone(stack: Ward) -> None:
    stack.freeze_supervisor()
    try:
        stack.send("redis", signal.SIGKILL)
        judge(await stack.examine(), HopName.REDIS, "Redis does not answer")
    finally:
        stack.thaw_supervisor()
    await recovered(stack)


async def test_the_disk_is_full(stack: Ward) -> None:
    stack.fill_disk()
    try:
        judge(await stack.examine(), HopName.DISK, "room")
    finally:
        stack.empty_disk()
    await recovered(stack)


async def test_the_certificate_has_expired(stack: Ward) -> None:
    stack.certify(age=timedelta(days=2))
    stack.send("gateway", signal.SIGHUP)
    try:
        judge(await stack.examine(), HopName.CERTIFICATE, "expired", "SIGHUP")
    finally:
        stack.certify()
        stack.send("gateway", signal.SIGHUP)


async def recovered(stack: Ward) -> None:
    """Every role says that it is well again."""

    async def are_ready() -> bool:
        answers = await asyncio.gather(*map(stack.is_ready, ("gateway", "sfu", "turn")))
        return all(answers)

    await stack.until(are_ready)


async def test_where_nothing_runs_it_says_so(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ringlined", "doctor", "--data", str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 1
    assert b"no stack runs on" in output
    assert b"Broken: configuration" in output


async def test_in_production_and_in_one_process_it_tries_what_can_be_tried(tmp_path: Path) -> None:
    config = tmp_path / "ringline.toml"
    config.write_text(PRODUCTION)
    data = tmp_path / "data"
    log = (tmp_path / "up.log").open("wb")
    up = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ringlined", "up", "--config", str(config), "--data", str(data)),
        stdout=log,
        stderr=log,
        env={"PATH": str(tmp_path)},  # there is no redis-server
    )
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while (status := read_status(data)) is None or not status.ready:
                assert up.returncode is None, (tmp_path / "up.log").read_text()
                await asyncio.sleep(0.1)
        findings = tmp_path / "findings.json"
        doctor = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ringlined", "doctor", "--data", str(data)),
            *("--json", str(findings)),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await doctor.communicate()
        assert doctor.returncode == 0, output.decode()
        assert "11 hops are well" in output.decode()
        skipped = [
            hop["step"] for hop in json.loads(findings.read_text())["hops"] if hop["skipped"]
        ]
        assert skipped == [HopName.MESSAGE, HopName.CALL]
        with closing(sqlite3.connect(data / "records.sqlite3")) as connection:
            assert connection.execute("SELECT count(*) FROM accounts").fetchone() == (0,)
    finally:
        up.terminate()
        await up.wait()
        log.close()
