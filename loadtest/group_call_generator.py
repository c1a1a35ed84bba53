"""The process that loads an SFU node: one JSON order a line on standard input, one line in answer.

`python -m loadtest.group_call_generator`. One publisher, many subscribers, real DTLS and SRTP. Every packet
that arrives is counted; each subscriber's first of each burst is decrypted and compared.
"""

import asyncio
import select
import struct
import sys
import time
from typing import Final

import aiohttp
import msgspec

from loadtest.generator import raise_file_limit
from loadtest.group_call_member import VP8, Member, MemberFailed

STALL_S: Final = 0.05
"""Nothing came for so long: what is under way is lost."""
SETTLE_S: Final = 0.2
_READ_BYTES: Final = 2048
_FRAME_PACKETS: Final = 8


class GroupCallOrder(msgspec.Struct, frozen=True, tag_field="order", kw_only=True):
    pass


class Meet(GroupCallOrder, tag="meet", frozen=True, kw_only=True):
    """The first order: a publisher and, with the tickets after the first, its subscribers."""

    url: str
    tickets: list[str]


class SaturateCall(GroupCallOrder, tag="saturate", frozen=True, kw_only=True):
    """Bursts of `burst` packets, the next when the last has come to all."""

    seconds: float
    burst: int
    payload_bytes: int


class PaceCall(GroupCallOrder, tag="pace", frozen=True, kw_only=True):
    """`rate_per_s` packets of the publisher."""

    seconds: float
    rate_per_s: float
    payload_bytes: int


AnyGroupCallOrder = Meet | SaturateCall | PaceCall


class GroupCallTally(msgspec.Struct, frozen=True, kw_only=True):
    """`forwarded`: packets that came to a subscriber; `expected` when none is lost."""

    profile: str = ""
    sent: int = 0
    expected: int = 0
    forwarded: int = 0
    wrong: int = 0
    """Decrypted, and not what was sent."""
    seconds: float = 0.0
    cpu_s: float = 0.0


class Flow:
    """The publisher's packets, from its socket to all the others."""

    def __init__(self, publisher: Member, subscribers: list[Member]) -> None:
        self._publisher = publisher
        self._subscribers = {member.socket.fileno(): member for member in subscribers}
        self._sequence = 0
        self.sent = self.forwarded = self.wrong = 0
        self._payload = b""

    def run(self, order: SaturateCall | PaceCall) -> GroupCallTally:
        burnt, began = time.process_time(), time.monotonic()
        self.sent = self.forwarded = self.wrong = 0
        self._payload = bytes(range(256)) * (order.payload_bytes // 256 + 1)
        self._payload = self._payload[: order.payload_bytes]
        with select.epoll() as poll:
            for number in self._subscribers:
                poll.register(number, select.EPOLLIN)
            if isinstance(order, SaturateCall):
                self._saturate(poll, order, began)
            else:
                self._pace(poll, order, began)
            seconds = time.monotonic() - began
            self._collect(poll, time.monotonic() + SETTLE_S, self._expected)
        return GroupCallTally(
            profile=self._publisher.profile,
            sent=self.sent,
            expected=self._expected,
            forwarded=self.forwarded,
            wrong=self.wrong,
            seconds=seconds,
            cpu_s=time.process_time() - burnt,
        )

    @property
    def _expected(self) -> int:
        return self.sent * len(self._subscribers)

    def _saturate(self, poll: select.epoll, order: SaturateCall, began: float) -> None:
        lost = 0
        while time.monotonic() < began + order.seconds:
            for _ in range(order.burst):
                self._send()
            wanted = self._expected - lost
            self._collect(poll, None, wanted)
            lost += wanted - self.forwarded if self.forwarded < wanted else 0

    def _pace(self, poll: select.epoll, order: PaceCall, began: float) -> None:
        while (elapsed := time.monotonic() - began) < order.seconds:
            while self.sent < elapsed * order.rate_per_s:
                self._send()
            self._collect(poll, time.monotonic() + 0.001, self._expected)

    def _send(self) -> None:
        number, member = self._sequence, self._publisher
        self._sequence += 1
        marker = 0x80 if number % _FRAME_PACKETS == _FRAME_PACKETS - 1 else 0
        timestamp = number // _FRAME_PACKETS * 3000 & 0xFFFFFFFF
        header = struct.pack("!BBHII", 0x80, marker | VP8, number & 0xFFFF, timestamp, member.ssrc)
        member.socket.sendto(member.protect(header + self._payload), member.node)
        self.sent += 1

    def _collect(self, poll: select.epoll, until: float | None, wanted: int) -> None:
        """Until `wanted` have come in all, or `until`, or (without it) nothing has for STALL_S."""
        while self.forwarded < wanted:
            left = STALL_S if until is None else until - time.monotonic()
            if left <= 0:
                return
            events = poll.poll(left)
            if not events:
                return
            for number, _ in events:
                self._drain(self._subscribers[number])

    def _drain(self, member: Member) -> None:
        receive, first = member.socket.recv, True
        while True:
            try:
                data = receive(_READ_BYTES)
            except BlockingIOError:
                return
            if not 128 <= data[0] <= 191 or 192 <= data[1] <= 223:
                continue  # checks, RTCP
            self.forwarded += 1
            if first:
                first = False
                self.wrong += not member.unprotect(data).endswith(self._payload)


async def _meet(http: aiohttp.ClientSession, order: Meet, members: list[Member]) -> Flow:
    members += (Member(http, order.url) for _ in order.tickets)
    for member, ticket in zip(members, order.tickets, strict=True):
        await member.join(ticket)
    publisher, *subscribers = members
    track = await publisher.publish()
    for member in subscribers:
        await member.subscribe(track)
    return Flow(publisher, subscribers)


async def serve() -> None:
    decoder: msgspec.json.Decoder[AnyGroupCallOrder] = msgspec.json.Decoder(AnyGroupCallOrder)
    members: list[Member] = []
    flow: Flow | None = None
    async with aiohttp.ClientSession() as http:
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            order = decoder.decode(line)
            if isinstance(order, Meet):
                flow = await _meet(http, order, members)
                tally = GroupCallTally()
            elif flow is None:
                raise MemberFailed("the first order must be to meet")
            else:
                tally = flow.run(order)
                await asyncio.sleep(0.05)  # consent checks, heartbeats
            sys.stdout.buffer.write(msgspec.json.encode(tally) + b"\n")
            sys.stdout.buffer.flush()
        await asyncio.gather(*(member.close() for member in members))


if __name__ == "__main__":
    raise_file_limit()
    asyncio.run(serve())
