"""A light client: one WebSocket in msgpack, a courier's books, nothing else of the SDK.

It comes back by itself after any loss, buys a token when it needs one, and repeats what was not
answered. What it cannot explain (a refusal for good, a final close code) is kept in `findings`.
"""

import asyncio
import random
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

import aiohttp
from uuid_utils.compat import uuid7

from loadtest.courier import RETRY_DELAY_S, Answered, Courier, Device, Refused, Showed
from loadtest.witness import Witness
from ringline.protocol import codec, frames, resources
from ringline.protocol.close_codes import CloseCode

CONNECT_TIMEOUT_S = 10.0
RECONNECT_PAUSE_S = (0.02, 0.15)
REQUEST_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
_SOCKET_PATH = "/v1/socket"


class Unexpected(Exception):
    """An answer that no client of a sound server gets."""


def open_http(trust: ssl.SSLContext | None = None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=trust or True),
        timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
        auto_decompress=False,
        read_bufsize=64 * 1024,
    )


async def buy_token(http: aiohttp.ClientSession, base: str, device: Device) -> str:
    """Raise Unexpected or aiohttp.ClientError."""
    wanted = resources.NewAccessToken(
        account=device.address.account,
        device=device.address.device,
        credential=device.credential,
    )
    headers = {"Content-Type": "application/json"}
    body = codec.encode_body(wanted)
    async with http.post(f"{base}/v1/tokens", data=body, headers=headers) as answer:
        text = await answer.read()
        if answer.status not in (200, 201):
            raise Unexpected(f"token: {answer.status} {text[:200]!r}")
        return codec.decode_body(text, resources.AccessToken).access_token


class WireClient:
    """`bases` are gateways' addresses (`http://host:port`); `point` says which comes next."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        bases: Sequence[str],
        device: Device,
        witness: Witness,
        randomness: random.Random,
        *,
        answer_timeout_s: float | None = 20.0,
    ) -> None:
        self.device = device
        self.courier = Courier(device)
        self.connection = 0
        """How often this client was ready."""
        self.disconnections = 0
        self.retry_delay_s = RETRY_DELAY_S
        self.first_answer_at: float | None = None
        """Monotonic time of the first `sent` on this connection."""
        self.cut_off: frozenset[UUID] = frozenset()
        """What was in flight when the last connection was lost."""
        self.losses: Counter[str] = Counter()
        self.findings: list[str] = []
        self.shown = 0
        self._http = http
        self._bases = bases
        self.at = 0
        self._witness = witness
        self._randomness = randomness
        self._answer_timeout_s = answer_timeout_s
        self._token: str | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._deaf = False
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def base(self) -> str:
        return self._bases[self.at]

    def point(self, index: int) -> None:
        """The gateway of the next connection."""
        self.at = index

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def send(self, to: Device, body: bytes, sequence: int | None = None) -> frames.Send:
        """Enter a one-to-one message and let it leave at the loop's next step."""
        recipients = [to.as_recipient(body)]
        send = self.courier.compose(uuid7(), to.address.account, recipients, sequence)
        self._witness.attempted(self.device, send)
        self._due.set()
        return send

    def cut(self) -> None:
        """Break the connection now, and hear nothing more that came on it."""
        self._deaf = True
        if self._socket is not None:
            wire = self._socket.get_extra_info("socket")
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)

    async def _run(self) -> None:
        while not self.findings:
            try:
                await self._connect_once()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self.losses[type(error).__name__] += 1
            except Unexpected as error:
                self.losses[str(error)] += 1
            except codec.Malformed as error:
                self.findings.append(f"malformed frame: {error.problem}")
            await asyncio.sleep(self._randomness.uniform(*RECONNECT_PAUSE_S))

    async def _connect_once(self) -> None:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if self._token is None:
                self._token = await buy_token(self._http, self.base, self.device)
            connection = await self._http.ws_connect(
                self.base + _SOCKET_PATH,
                protocols=(codec.SUBPROTOCOL_MSGPACK,),
                max_msg_size=0,
                compress=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
            )
            self._socket, self._deaf, self.first_answer_at = connection, False, None
            resume = self._randomness.random() < 0.5
            opening = self.courier.opening(self._token, resume=resume)
            await connection.send_bytes(codec.MSGPACK.encode(opening))
        await self._converse(connection)

    async def _converse(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        tasks = [asyncio.create_task(self._write(connection))]
        if self._answer_timeout_s is not None:
            tasks.append(asyncio.create_task(self._watch(self._answer_timeout_s)))
        try:
            async for message in connection:
                if message.type is not aiohttp.WSMsgType.BINARY:
                    raise Unexpected(f"frame of type {message.type.name}")
                self._hear(codec.MSGPACK.decode_server(message.data))
            self._closed(connection.close_code)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._disconnected()
            await connection.close()

    def _disconnected(self) -> None:
        self._socket = None
        self.disconnections += 1
        self.cut_off = frozenset(self.courier.in_flight)
        self.courier.disconnected()

    def _closed(self, code: int | None) -> None:
        if self._deaf:
            return
        self.losses[f"closed {code}"] += 1
        if code in (CloseCode.TOKEN_REFUSED, CloseCode.TOKEN_EXPIRED):
            self._token = None
        elif code is not None and code in _FINAL:
            self.findings.append(f"closed for good: {code}")

    def _hear(self, frame: frames.AnyServerFrame) -> None:
        if self._deaf:
            return
        event = self.courier.receive(frame)
        if isinstance(event, Answered):
            self.first_answer_at = self.first_answer_at or time.monotonic()
            self._witness.answered(self.device, event)
        elif isinstance(event, Showed):
            self.shown += 1
            self._witness.showed(self.device, event)
        elif isinstance(event, Refused):
            self._refused(event)
        elif isinstance(event, frames.Ready):
            self.connection += 1
        self._due.set()

    def _refused(self, event: Refused) -> None:
        self.losses[event.problem.type] += 1
        if not event.passing:
            self.findings.append(f"refused: {event.problem}")
        elif event.send is not None:
            asyncio.get_running_loop().call_later(self.retry_delay_s, self._retry)

    def _retry(self) -> None:
        self.courier.retry()
        self._due.set()

    async def _write(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            out = list(self.courier.take())
            await self._witness.settle()
            for frame in out:
                await connection.send_bytes(codec.MSGPACK.encode(frame))
                self.courier.written(frame)

    async def _watch(self, answer_timeout_s: float) -> None:
        """A send that is not answered in time ends the connection, and is counted."""
        while True:
            before = frozenset(self.courier.in_flight)
            await asyncio.sleep(answer_timeout_s)
            if before & frozenset(self.courier.in_flight):
                self.losses["answer time-out"] += 1
                self.cut()


_FINAL = frozenset(int(code) for code in CloseCode if code.final)


async def until(
    condition: Callable[[], bool], timeout_s: float, what: str, every_s: float = 0.01
) -> None:
    """Raise TimeoutError naming `what`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s} s")
        await asyncio.sleep(every_s)
