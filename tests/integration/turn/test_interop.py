"""Other people's TURN clients on our relay: aioice's, and coturn's own test program."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.integration.turn.credentials import credential
from tests.integration.turn.networks import Networks
from tests.integration.turn.relay import Relay

PAIR: Final = Path(__file__).with_name("aioice_pair.py")
UCLIENT: Final = "turnutils_uclient"
TIMEOUT_S: Final = 60


def run(command: list[str]) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    return said


async def test_two_clients_of_aioice_talk_through_the_relay(relay: Relay, nets: Networks) -> None:
    host, port = relay.bound
    ann, bob = credential(), credential()
    names = [ann.username, ann.password, bob.username, bob.password]
    command = [sys.executable, str(PAIR), host, str(port), "50", *names]
    assert "all arrived" in run(nets.world.inside(*command))


async def test_coturns_clients_talk_through_the_relay_without_loss(
    relay: Relay, nets: Networks
) -> None:
    """-y: every client sends to another one's relayed address. It prints what was lost.

    -s: by indications. Its channels have numbers up to 0x7FFF, which RFC 8656 §12 has withdrawn.
    """
    host, port = relay.bound
    who = credential()
    command = [
        UCLIENT, "-y", "-c", "-s", "-m", "2", "-n", "50", "-l", "500", "-z", "5",
        "-u", who.username, "-w", who.password, "-p", str(port), host,
    ]  # fmt: skip
    said = run(nets.world.inside(*command))
    sent, received = counted(said)
    assert sent >= 100
    assert received == sent
    assert re.findall(r"Total lost packets (\d+)", said)[-1:] == ["0"], said[-2000:]


def counted(said: str) -> tuple[int, int]:
    totals = re.findall(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", said)
    assert totals, said[-2000:]
    return int(totals[-1][0]), int(totals[-1][1])
