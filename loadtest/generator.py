"""One process of the load: some pairs of clients that write to each other, told by lines what to do.

`python -m loadtest.generator` reads one JSON order a line from standard input and answers each by one
line. Spreading the clients over several such processes keeps the load from being the bottleneck; each
says how much CPU it burnt itself. Send times travel in the body's first bytes: the monotonic clock is
the machine's, so that any process can read them.
"""

import asyncio
import random
import resource
import ssl
import struct
import sys
import time

import msgspec
import uvloop

from loadtest.courier import Answered, Device, Showed
from loadtest.wire import WireClient, open_http, until
from ringline.protocol import frames

DRAIN_TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 120.0
CONNECTS_AT_A_TIME = 50
_STAMP = struct.Struct("!q")


class Order(msgspec.Struct, frozen=True, tag_field="order", kw_only=True):
    pass


class Enlist(Order, tag="enlist", frozen=True, kw_only=True):
    """The first order: who connects where. `pairs` write to each other."""

    bases: list[str]
    pairs: list[tuple[Device, Device]]
    seed: int
    certificate: str | None = None


class Connect(Order, tag="connect", frozen=True, kw_only=True):
    """Bring the first `clients` on line (all that are not yet)."""

    clients: int


class Saturate(Order, tag="saturate", frozen=True, kw_only=True):
    """Every client keeps `window` sends unanswered for `seconds`."""

    seconds: float
    window: int
    body_bytes: int


class Pace(Order, tag="pace", frozen=True, kw_only=True):
    """`rate_per_s` sends of all clients together, evenly, for `seconds`."""

    seconds: float
    rate_per_s: float
    body_bytes: int


AnyOrder = Enlist | Connect | Saturate | Pace


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What one order came to. Times are seconds, latencies milliseconds."""

    messages: int = 0
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    sent_ms: list[float] = []
    delivered_ms: list[float] = []
    losses: dict[str, int] = {}
    findings: list[str] = []


class StampWitness:
    """Reads the send time out of each body, and lets the next send follow an answered one."""

    def __init__(self) -> None:
        self.attempts = 0
        self.sent_ms: list[float] = []
        self.delivered_ms: list[float] = []
        self.again: dict[Device, WireClient] = {}
        """Whose answered send is followed by another."""
        self.partners: dict[Device, Device] = {}
        self.body_bytes = 0

    def reset(self, body_bytes: int) -> None:
        self.attempts = 0
        self.sent_ms, self.delivered_ms = [], []
        self.again = {}
        self.body_bytes = body_bytes

    def fire(self, client: WireClient) -> None:
        body = _STAMP.pack(time.monotonic_ns()).ljust(self.body_bytes, b"\x5a")
        client.send(self.partners[client.device], body)

    def attempted(self, _device: Device, _send: frames.Send) -> None:
        self.attempts += 1

    def answered(self, device: Device, answer: Answered) -> None:
        self.sent_ms.append(_age_ms(answer.send.recipients[0].bodies[0].body))
        client = self.again.get(device)
        if client is not None:
            self.fire(client)

    def showed(self, _device: Device, shown: Showed) -> None:
        self.delivered_ms.append(_age_ms(shown.message.body))

    async def settle(self) -> None:
        """Nothing is kept."""


def _age_ms(body: bytes) -> float:
    sent_ns: int = _STAMP.unpack_from(body)[0]
    return (time.monotonic_ns() - sent_ns) / 1e6


class Generator:
    def __init__(self, order: Enlist) -> None:
        trust = ssl.create_default_context(cafile=order.certificate) if order.certificate else None
        self._http = open_http(trust)
        self._witness = StampWitness()
        randomness = random.Random(order.seed)
        self._clients: list[WireClient] = []
        for one, other in order.pairs:
            self._witness.partners[one] = other
            self._witness.partners[other] = one
            for device in (one, other):
                client = WireClient(
                    self._http,
                    order.bases,
                    device,
                    self._witness,
                    randomness,
                    answer_timeout_s=None,
                )
                client.point(len(self._clients) % len(order.bases))
                self._clients.append(client)
        self._on_line: list[WireClient] = []

    async def obey(self, order: AnyOrder) -> Tally:
        """Raise TimeoutError when what was sent does not all arrive."""
        began, burnt = time.monotonic(), time.process_time()
        self._witness.reset(0)
        if isinstance(order, Connect):
            await self._connect(order.clients)
        elif isinstance(order, Saturate):
            await self._saturate(order)
        elif isinstance(order, Pace):
            await self._pace(order)
        return self._tally(time.monotonic() - began, time.process_time() - burnt)

    async def close(self) -> None:
        await asyncio.gather(*(client.close() for client in self._on_line))
        await self._http.close()

    async def _connect(self, clients: int) -> None:
        for start in range(
            len(self._on_line), min(clients, len(self._clients)), CONNECTS_AT_A_TIME
        ):
            batch = self._clients[start : min(start + CONNECTS_AT_A_TIME, clients)]
            for client in batch:
                client.start()
            self._on_line += batch
            await until(self._all_ready, CONNECT_TIMEOUT_S, "connecting")

    def _all_ready(self) -> bool:
        return all(client.courier.ready for client in self._on_line)

    async def _saturate(self, order: Saturate) -> None:
        self._witness.reset(order.body_bytes)
        receipted = self._receipted()
        self._witness.again = {client.device: client for client in self._on_line}
        for client in self._on_line:
            for _ in range(order.window):
                self._witness.fire(client)
        await asyncio.sleep(order.seconds)
        self._witness.again = {}
        await self._drain(receipted)

    async def _pace(self, order: Pace) -> None:
        self._witness.reset(order.body_bytes)
        receipted = self._receipted()
        began = time.monotonic()
        for number in range(int(order.rate_per_s * order.seconds)):
            early = began + number / order.rate_per_s - time.monotonic()
            if early > 0:
                await asyncio.sleep(early)
            self._witness.fire(self._on_line[number % len(self._on_line)])
        await self._drain(receipted)

    async def _drain(self, receipted_before: int) -> None:
        """Until every send is answered, shown and its receipt is back (or a client gave up)."""
        await until(lambda: self._drained(receipted_before), DRAIN_TIMEOUT_S, "draining")

    def _drained(self, receipted_before: int) -> bool:
        if any(client.findings for client in self._on_line):
            return True
        sent = self._witness.attempts
        arrived = (len(self._witness.sent_ms), len(self._witness.delivered_ms))
        return arrived == (sent, sent) and self._receipted() - receipted_before >= sent

    def _receipted(self) -> int:
        return sum(client.courier.receipted for client in self._on_line)

    def _tally(self, elapsed_s: float, cpu_s: float) -> Tally:
        losses: dict[str, int] = {}
        for client in self._on_line:
            for reason, count in client.losses.items():
                losses[reason] = losses.get(reason, 0) + count
        return Tally(
            messages=self._witness.attempts,
            elapsed_s=elapsed_s,
            cpu_s=cpu_s,
            sent_ms=self._witness.sent_ms,
            delivered_ms=self._witness.delivered_ms,
            losses=losses,
            findings=[finding for client in self._on_line for finding in client.findings],
        )


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    decoder: msgspec.json.Decoder[AnyOrder] = msgspec.json.Decoder(AnyOrder)
    generator: Generator | None = None
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        order = decoder.decode(line)
        if isinstance(order, Enlist):
            generator = Generator(order)
            tally = Tally()
        else:
            if generator is None:
                raise ValueError("the first order must be to enlist")
            tally = await generator.obey(order)
        sys.stdout.buffer.write(msgspec.json.encode(tally) + b"\n")
        sys.stdout.buffer.flush()
    if generator is not None:
        await generator.close()


def raise_file_limit() -> None:
    """A connection is a descriptor: take as many as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    raise_file_limit()
    uvloop.run(_serve())
