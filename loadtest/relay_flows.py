"""The relay's users in one process: allocations, and packets through them in both directions.

Plain sockets and one epoll: the load must cost less than what it loads.
"""

import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self

from loadtest import turn_wire
from loadtest.turn_wire import Host, Reply, Signer

CLIENT_ADDRESSES: Final = tuple(f"127.0.1.{last}" for last in range(1, 255))
"""One for each round of allocations: a relay may remember a 5-tuple for a while after its end."""
PEER_ADDRESS: Final = "127.0.0.2"
"""Not the relay's own address: of that it reaches relayed ports only."""
CHANNEL: Final = 0x4000
LIFETIME_S: Final = 600
BUFFER_BYTES: Final = 1 << 20
RETRANSMIT_S: Final = 0.5
"""RFC 8489 §6.2.1."""
ANSWER_TIMEOUT_S: Final = 20.0
STALL_S: Final = 0.1
"""Nothing moved for so long: what is under way is lost, and as much is sent again."""
SETTLE_S: Final = 0.3
_TICK_S: Final = 0.001
_READ_BYTES: Final = 2048


@dataclass(slots=True, eq=False)
class Flow:
    """An allocation and, once bound, the peer behind it."""

    client: socket.socket
    nonce: bytes = b""
    relayed: Host = ("", 0)
    peer: socket.socket | None = None
    asked: bytes = b""
    """The request that waits for its answer."""


@dataclass(slots=True)
class Counts:
    """Packets handed to the relay, and packets that came out of it, of both directions."""

    sent: int = 0
    relayed: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Flows:
    """All of one relay. `close()` frees the allocations and the sockets."""

    server: Host
    signer: Signer
    flows: list[Flow] = field(default_factory=list)
    rounds: int = 0

    def allocate(self, count: int, at_a_time: int) -> float:
        """That many more: how many a second, from the first request to the success.

        Raise Refused, TimeoutError.
        """
        address = CLIENT_ADDRESSES[self.rounds % len(CLIENT_ADDRESSES)]
        self.rounds += 1
        made = [Flow(_connected(address, self.server)) for _ in range(count)]
        self.flows += made
        began = time.monotonic()
        self._ask(made, at_a_time, lambda _: turn_wire.first_allocate(), self._allocated)
        return count / (time.monotonic() - began)

    def _allocated(self, flow: Flow, reply: Reply) -> bytes | None:
        if not reply.success:
            flow.nonce = self.signer.learn(reply, flow.nonce)
            attributes = (turn_wire.UDP, turn_wire.lifetime(LIFETIME_S))
            return self.signer.request(turn_wire.ALLOCATE, attributes, flow.nonce)
        flow.relayed = reply.relayed
        return None

    def bind(self, count: int) -> None:
        """Give the first `count` allocations a peer and a channel to it. Raise as `allocate`."""
        bound = self.flows[:count]
        for flow in bound:
            flow.peer = _connected(PEER_ADDRESS, flow.relayed)
        self._ask(bound, len(bound), self._binding, lambda f, r: self._done(f, r, self._binding))

    def _binding(self, flow: Flow) -> bytes:
        if flow.peer is None:
            raise AssertionError("a flow without its peer")
        attributes = (turn_wire.channel(CHANNEL), turn_wire.peer(flow.peer.getsockname()))
        return self.signer.request(turn_wire.CHANNEL_BIND, attributes, flow.nonce)

    def release(self) -> None:
        """End every allocation. Raise as `allocate`."""
        self._ask(self.flows, 64, self._refresh_0, lambda f, r: self._done(f, r, self._refresh_0))
        self.close()

    def _refresh_0(self, flow: Flow) -> bytes:
        return self.signer.request(turn_wire.REFRESH, (turn_wire.lifetime(0),), flow.nonce)

    def _done(self, flow: Flow, reply: Reply, again: Callable[[Flow], bytes]) -> bytes | None:
        if reply.success:
            return None
        flow.nonce = self.signer.learn(reply, flow.nonce)
        return again(flow)

    def close(self) -> None:
        for flow in self.flows:
            flow.client.close()
            if flow.peer is not None:
                flow.peer.close()
        self.flows.clear()

    def _ask(
        self,
        flows: list[Flow],
        at_a_time: int,
        first: Callable[[Flow], bytes],
        then: Callable[[Flow, Reply], bytes | None],
    ) -> None:
        """`first` of every flow, then what `then` makes of each reply, until it says None."""
        left = list(reversed(flows))
        waiting: dict[int, Flow] = {}
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        with select.epoll() as poll:
            while left or waiting:
                while left and len(waiting) < at_a_time:
                    flow = left.pop()
                    waiting[flow.client.fileno()] = flow
                    poll.register(flow.client, select.EPOLLIN)
                    _send(flow, first(flow))
                events = poll.poll(RETRANSMIT_S)
                if events:
                    deadline = time.monotonic() + ANSWER_TIMEOUT_S
                elif time.monotonic() > deadline:
                    raise TimeoutError(f"{len(waiting)} requests without an answer")
                else:
                    for flow in waiting.values():
                        flow.client.send(flow.asked)
                for number, _ in events:
                    _answer(waiting, number, poll, then)

    def saturate(self, seconds: float, window: int, payload_bytes: int) -> Counts:
        """Every bound flow keeps `window` packets going round: client, relay, peer, relay, client."""
        packet = turn_wire.channel_data(CHANNEL, bytes(payload_bytes))
        clients = [flow.client for flow in self.flows if flow.peer is not None]
        counts = Counts()
        with _Ends(self.flows) as ends:
            began = time.monotonic()
            moved = 0.0
            while (now := time.monotonic()) < began + seconds:
                if now - moved > STALL_S:
                    counts.sent += sum(_put(each, packet) for each in clients * window)
                    moved = now
                before = counts.relayed
                ends.echo(counts)
                moved = moved if counts.relayed == before else time.monotonic()
            counts.seconds = time.monotonic() - began
            ends.settle(counts)
        return counts

    def pace(self, seconds: float, rate_per_s: float, payload_bytes: int) -> Counts:
        """`rate_per_s` packets of all bound flows together, half in each direction."""
        payload = bytes(payload_bytes)
        packet = turn_wire.channel_data(CHANNEL, payload)
        turns = [
            (end, data)
            for flow in self.flows
            if flow.peer is not None
            for end, data in ((flow.client, packet), (flow.peer, payload))
        ]
        counts = Counts()
        with _Ends(self.flows) as ends:
            began = time.monotonic()
            while (elapsed := time.monotonic() - began) < seconds:
                while counts.sent < elapsed * rate_per_s:
                    _put(*turns[counts.sent % len(turns)])
                    counts.sent += 1
                ends.collect(counts, _TICK_S)
            counts.seconds = time.monotonic() - began
            ends.settle(counts)
        return counts


class _Ends:
    """Both sockets of every bound flow, watched while it is entered."""

    def __init__(self, flows: list[Flow]) -> None:
        bound = [flow for flow in flows if flow.peer is not None]
        ends = [end for flow in bound for end in (flow.client, flow.peer) if end is not None]
        self._ends = {end.fileno(): end for end in ends}
        self._poll = select.epoll()

    def __enter__(self) -> Self:
        for number in self._ends:
            self._poll.register(number, select.EPOLLIN)
        return self

    def __exit__(self, *_: object) -> None:
        self._poll.close()

    def echo(self, counts: Counts) -> None:
        """What came out at one end goes back in there, as it is."""
        for number, _ in self._poll.poll(STALL_S):
            end = self._ends[number]
            for packet in _arrived(end):
                counts.relayed += 1
                counts.sent += _put(end, packet)

    def collect(self, counts: Counts, timeout_s: float) -> bool:
        """Whether anything came."""
        before = counts.relayed
        for number, _ in self._poll.poll(timeout_s):
            counts.relayed += sum(1 for _ in _arrived(self._ends[number]))
        return counts.relayed > before

    def settle(self, counts: Counts) -> None:
        """Until nothing more comes."""
        while self.collect(counts, SETTLE_S):
            pass


def _arrived(end: socket.socket) -> Iterator[bytes]:
    with suppress(BlockingIOError):
        while True:
            yield end.recv(_READ_BYTES)


def _put(end: socket.socket, packet: bytes) -> bool:
    """False when the kernel has no room for it: it was not sent."""
    with suppress(BlockingIOError):
        end.send(packet)
        return True
    return False


def _connected(host: str, to: Host) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        made.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    made.bind((host, 0))
    made.connect(to)
    return made


def _send(flow: Flow, request: bytes) -> None:
    flow.asked = request
    flow.client.send(request)


def _answer(
    waiting: dict[int, Flow],
    number: int,
    poll: select.epoll,
    then: Callable[[Flow, Reply], bytes | None],
) -> None:
    flow = waiting[number]
    reply = turn_wire.read_reply(flow.client.recv(_READ_BYTES))
    if reply.transaction != flow.asked[8:20]:
        return
    following = then(flow, reply)
    if following is not None:
        _send(flow, following)
        return
    del waiting[number]
    poll.unregister(number)
