"""Pairs of clients that write to each other and keep a journal, while something is being killed."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import aiohttp

from loadtest.courier import Device
from loadtest.figures import percentile
from loadtest.journal import Journal, Verdict, check, read_journal
from loadtest.wire import WireClient, open_http, until
from loadtest.witness import JournalWitness

BODY_BYTES: Final = 300
BACKLOG_MESSAGES_MAX: Final = 200
"""Sends that a client has unanswered before it pauses: what an outage may pile up."""
RECOVERY_TIMEOUT_S: Final = 60.0
SETTLE_TIMEOUT_S: Final = 90.0
KILL_DELAY_S: Final = 0.003
"""A kill lands within this after a burst of sends: about as long as a burst takes to be answered."""


@dataclass(frozen=True, slots=True)
class Kill:
    in_flight: int
    """Sends on the wire and unanswered, as the clients' books stood when the signal was sent."""
    unanswered: int
    """Those of them that the dead process never answered."""
    first_ack_s: float
    """From the signal to the first `sent` on a new connection."""


class CrowdFailed(Exception):
    """A client saw what no client should see, or something did not happen in time."""


class Crowd:
    """All in this process: a kill and the books of what was in flight are of one moment."""

    def __init__(
        self, bases: Sequence[str], devices: Sequence[Device], journal: Path, seed: int
    ) -> None:
        self.randomness = random.Random(seed)
        self.clients: list[WireClient] = []
        self._bases = bases
        self._devices = devices
        self._path = journal
        self._journal = Journal(journal)
        self.witness = JournalWitness(self._journal)
        self._http: aiohttp.ClientSession | None = None
        self._pacer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._http = open_http()
        for index, device in enumerate(self._devices):
            client = WireClient(self._http, self._bases, device, self.witness, self.randomness)
            client.point(index % len(self._bases))
            client.start()
            self.clients.append(client)
        await self.until(self._all_ready, RECOVERY_TIMEOUT_S, "everybody on line")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.pause()
        await asyncio.gather(*(client.close() for client in self.clients))
        if self._http is not None:
            await self._http.close()
        self._journal.close()

    def fire(self, index: int) -> None:
        """A message from this client to its partner, unless too much of it waits already."""
        client, partner = self.clients[index], self.clients[index ^ 1]
        if client.courier.unanswered < BACKLOG_MESSAGES_MAX:
            client.send(partner.device, self.randomness.randbytes(BODY_BYTES))

    def load(self, rate_per_s: float) -> None:
        """Keep sending at this rate, all together, whatever happens to the server."""
        self._pacer = asyncio.create_task(self._pace(rate_per_s))

    async def pause(self) -> None:
        if self._pacer is not None:
            self._pacer.cancel()
            with suppress(asyncio.CancelledError):
                await self._pacer
            self._pacer = None

    async def kill_under_fire(
        self, kill: Callable[[], object], then: Callable[[], Awaitable[None]] | None = None
    ) -> Kill:
        """Burst, kill within KILL_DELAY_S while something is in flight, do `then`, and wait for the first
        answer of whoever comes after. The caller counts those with `unanswered` > 0."""
        await self.until(self._all_ready, RECOVERY_TIMEOUT_S, "everybody on line")
        for index in range(len(self.clients)):
            self.fire(index)
        deadline = time.monotonic() + self.randomness.uniform(0, KILL_DELAY_S)
        await self.until(
            lambda: time.monotonic() >= deadline and bool(self._in_flight()),
            RECOVERY_TIMEOUT_S,
            "something in flight",
            every_s=0,
        )
        flying, marks = self._in_flight(), self._marks()
        killed_at = time.monotonic()
        kill()
        await self.until(
            lambda: self._all_lost(marks), RECOVERY_TIMEOUT_S, "every connection's end"
        )
        unanswered = sum(len(flying[client] & client.cut_off) for client in flying)
        if then is not None:
            await then()
        await self.until(
            lambda: self._first_ack(marks) is not None, RECOVERY_TIMEOUT_S, "a new answer"
        )
        first_ack = self._first_ack(marks) or 0.0
        return Kill(sum(map(len, flying.values())), unanswered, first_ack - killed_at)

    async def until(
        self, condition: Callable[[], bool], timeout_s: float, what: str, every_s: float = 0.01
    ) -> None:
        """Raise CrowdFailed at once when a client gave up, and for what did not happen in time."""

        def happened() -> bool:
            if findings := self.findings():
                raise CrowdFailed(f"{what}: {findings[:3]}")
            return condition()

        try:
            await until(happened, timeout_s, what, every_s)
        except TimeoutError as error:
            losses = sum((client.losses for client in self.clients), Counter[str]())
            raise CrowdFailed(f"{error}; lost so far: {dict(losses)}") from error

    async def settle(self) -> Verdict:
        """Stop sending, wait until all is answered and shown, and judge the journal."""
        await self.pause()
        with suppress(CrowdFailed):  # what is missing then is for the checker to name
            await self.until(self._all_arrived, SETTLE_TIMEOUT_S, "everything answered and shown")
        self._journal.sync()
        return check(read_journal(self._path))

    def findings(self) -> list[str]:
        return [finding for client in self.clients for finding in client.findings]

    async def _pace(self, rate_per_s: float) -> None:
        began, number = time.monotonic(), 0
        while True:
            early = began + number / rate_per_s - time.monotonic()
            if early > 0:
                await asyncio.sleep(early)
            self.fire(number % len(self.clients))
            number += 1
            if number % len(self.clients) == 0:
                await asyncio.sleep(0)

    def _all_ready(self) -> bool:
        return all(client.courier.ready for client in self.clients)

    def _all_arrived(self) -> bool:
        answered = all(client.courier.unanswered == 0 for client in self.clients)
        return answered and sum(client.shown for client in self.clients) >= self.witness.attempts

    def _in_flight(self) -> dict[WireClient, frozenset[UUID]]:
        flying = {client: frozenset(client.courier.in_flight) for client in self.clients}
        return {client: messages for client, messages in flying.items() if messages}

    def _marks(self) -> dict[WireClient, tuple[int, int]]:
        return {client: (client.connection, client.disconnections) for client in self.clients}

    @staticmethod
    def _all_lost(marks: dict[WireClient, tuple[int, int]]) -> bool:
        return all(client.disconnections > lost for client, (_, lost) in marks.items())

    @staticmethod
    def _first_ack(marks: dict[WireClient, tuple[int, int]]) -> float | None:
        answers = [
            client.first_answer_at
            for client, (connection, _) in marks.items()
            if client.connection > connection and client.first_answer_at is not None
        ]
        return min(answers, default=None)


def describe(what: str, seed: int, kills: Sequence[Kill], verdict: Verdict) -> str:
    """One paragraph for the test's output."""
    times = [kill.first_ack_s for kill in kills]
    unanswered = sorted(kill.unanswered for kill in kills)
    p50, p95 = percentile(times, 0.5), percentile(times, 0.95)
    return (
        f"{what}, seed {seed}: {len(kills)} kills, unanswered at each {unanswered[0]} to {unanswered[-1]}; "
        f"first ack after p50 {p50:.2f} s, p95 {p95:.2f} s, max {max(times):.2f} s; {verdict}"
    )
