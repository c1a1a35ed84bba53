"""D3: the answer is cut off and the client retries on another node. The message is shown once."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from loadtest.courier import Answered, Device
from loadtest.crowd import Crowd
from loadtest.enrolment import enrol, numbers
from loadtest.nodes import Nodes
from loadtest.rest import post_message
from loadtest.wire import WireClient, buy_token, open_http
from ringline.protocol import frames
from ringline.protocol.problems import Problem

PAIRS = 10
CUTS = 500
TRIES_MAX = 10 * CUTS
CUT_DELAY_S = 0.003
"""A cut comes within this after the send: some before the commit, most after it."""
REPEATED_MIN = 50

Say = Callable[[str], None]


@dataclass
class Account:
    """What the cuts came to."""

    cuts: int = 0
    tries: int = 0
    repeated: int = 0
    """The first node had committed it: the second one answered for a message it found there."""
    cut_off: list[tuple[Device, frames.Send, int]] = field(default_factory=list)
    """With the time of the answer that the retry got."""


async def cut_one(crowd: Crowd, client: WireClient, partner: Device, account: Account) -> None:
    await crowd.until(lambda: client.courier.ready, 60, "coming back")
    send = client.send(partner, crowd.randomness.randbytes(100))
    account.tries += 1
    await crowd.until(
        lambda: client.courier.unanswered == 0 or send.id in client.courier.in_flight,
        60,
        "the write",
        every_s=0,
    )
    await asyncio.sleep(crowd.randomness.uniform(0, CUT_DELAY_S))
    if send.id not in client.courier.in_flight:
        return
    client.point(1 - client.at)
    client.cut()
    cut_at = int(time.time() * 1000)
    await crowd.until(lambda: send.id in crowd.witness.answered_at, 60, "the retry's answer")
    sent_at = crowd.witness.answered_at[send.id]
    account.cuts += 1
    account.repeated += sent_at < cut_at
    account.cut_off.append((client.device, send, sent_at))


async def cut_many(crowd: Crowd, index: int, account: Account) -> None:
    client, partner = crowd.clients[index], crowd.clients[index ^ 1].device
    while account.cuts < CUTS and account.tries < TRIES_MAX:
        await cut_one(crowd, client, partner, account)


async def retry_again(crowd: Crowd, nodes: Nodes, account: Account) -> None:
    """Once more over REST, on either node: the same answer."""
    async with open_http() as http:
        tokens = {
            device: await buy_token(http, nodes.bases[0], device)
            for device in {device for device, _, _ in account.cut_off}
        }
        for number, (device, send, sent_at) in enumerate(account.cut_off):
            base = nodes.bases[number % 2]
            answer = await post_message(http, base, tokens[device], send)
            assert not isinstance(answer, Problem), answer
            assert (answer.id, answer.sent_at) == (send.id, sent_at)
            crowd.witness.answered(device, Answered(send, answer.sent_at))


@pytest.mark.timeout(300)
async def test_d3_cut_off_answers_are_retried_on_another_node(
    nodes: Nodes, tmp_path: Path, say: Say, seed: int
) -> None:
    account = Account()
    async with open_http() as http:
        devices = await enrol(http, nodes.bases[0], numbers(2 * PAIRS))
    async with Crowd(nodes.bases, devices, tmp_path / "journal", seed) as crowd:
        await asyncio.gather(*(cut_many(crowd, 2 * pair, account) for pair in range(PAIRS)))
        await retry_again(crowd, nodes, account)
        verdict = await crowd.settle()
        say(
            f"D3, seed {seed}: {account.cuts} answers cut off in {account.tries} sends, "
            f"{account.repeated} of them taken by the first node; {verdict}"
        )
        assert verdict.holds, verdict
        assert account.cuts >= CUTS
        assert account.repeated >= REPEATED_MIN
        assert verdict.acked == verdict.attempted
        assert crowd.findings() == []
