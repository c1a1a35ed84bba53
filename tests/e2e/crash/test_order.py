"""D5: one sender's messages by WebSocket and REST in turn, over two nodes of which one is killed."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from uuid_utils.compat import uuid7

from loadtest.courier import Answered, Device
from loadtest.crowd import Crowd
from loadtest.enrolment import enrol, numbers
from loadtest.nodes import Nodes
from loadtest.rest import post_message
from loadtest.wire import buy_token, open_http
from ringline.protocol import frames
from ringline.protocol.problems import Problem, ProblemType
from ringline.protocol.types import ContentType

MESSAGES = 1_000
AHEAD_MAX = 16
"""Messages sent and not answered, both ways together."""
RETRY_S = 0.004
RETRIES_MAX = 5_000

Say = Callable[[str], None]
PASSING = {ProblemType.SEQUENCE.uri, ProblemType.UNAVAILABLE.uri}


class RestLane:
    """Every other message, each a request of its own, tried until it is the next one."""

    def __init__(
        self, http: aiohttp.ClientSession, crowd: Crowd, sender: Device, bases: list[str]
    ) -> None:
        self.http, self.crowd, self.sender, self.bases = http, crowd, sender, bases
        self.token = ""
        self.at = 1
        self.refused = 0
        self.flying: set[asyncio.Task[None]] = set()

    def send(self, to: Device, body: bytes, sequence: int) -> None:
        send = frames.Send(
            id=uuid7(),
            conversation=to.address.account,
            sequence=sequence,
            content_type=ContentType.UNSEALED,
            recipients=[to.as_recipient(body)],
        )
        self.crowd.witness.attempted(self.sender, send)
        task = asyncio.create_task(self._until_sent(send))
        self.flying.add(task)
        task.add_done_callback(self.flying.discard)

    async def _until_sent(self, send: frames.Send) -> None:
        await self.crowd.witness.settle()
        for _ in range(RETRIES_MAX):
            try:
                answer = await post_message(self.http, self.bases[self.at], self.token, send)
            except (aiohttp.ClientError, OSError, TimeoutError):
                await asyncio.sleep(RETRY_S)
                continue
            if not isinstance(answer, Problem):
                self.crowd.witness.answered(self.sender, Answered(send, answer.sent_at))
                return
            assert answer.type in PASSING, answer
            self.refused += 1
            await asyncio.sleep(RETRY_S)
        raise AssertionError(f"sequence {send.sequence} was never taken")


@pytest.mark.timeout(300)
async def test_d5_order_holds_over_both_ways_and_nodes(
    nodes: Nodes, tmp_path: Path, say: Say, seed: int
) -> None:
    async with open_http() as http:
        devices = await enrol(http, nodes.bases[0], numbers(2))
        async with Crowd(nodes.bases, devices, tmp_path / "journal", seed) as crowd:
            sender, receiver = crowd.clients
            lane = RestLane(http, crowd, sender.device, nodes.bases)
            lane.token = await buy_token(http, nodes.bases[1], sender.device)
            sender.retry_delay_s = RETRY_S
            victim = crowd.randomness.randrange(2)
            fatal = crowd.randomness.randint(MESSAGES // 4, 3 * MESSAGES // 4)
            for sequence in range(1, MESSAGES + 1):
                await crowd.until(
                    lambda: sender.courier.unanswered + len(lane.flying) < AHEAD_MAX,
                    90,
                    "answers",
                    every_s=0.001,
                )
                body = crowd.randomness.randbytes(100)
                if sequence % 2:
                    sender.send(receiver.device, body, sequence)
                else:
                    lane.send(receiver.device, body, sequence)
                if sequence == fatal:
                    nodes.kill(victim)
                    lane.at = 1 - victim
                    for client in crowd.clients:
                        client.point(1 - victim)
            await crowd.until(lambda: not lane.flying, 90, "the last requests")
            verdict = await crowd.settle()
            say(
                f"D5, seed {seed}: node {victim} killed at message {fatal}; {lane.refused} early requests; {verdict}"
            )
            assert verdict.holds, verdict
            assert verdict.acked == verdict.attempted == MESSAGES
            assert crowd.findings() == []
