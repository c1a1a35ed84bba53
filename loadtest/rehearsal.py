"""A gateway of a few dozen lines in memory, to rehearse the harness on: the clients, the generator, the checker.

It keeps the wire's promises (order, ids, queues, receipts) and can be told to be unkind, or wrong.
"""

import random
import socket
from collections import defaultdict
from dataclasses import dataclass, field
from uuid import UUID

import aiohttp
from aiohttp import web

from loadtest.enrolment import TEST_CODE
from ringline.protocol import codec, frames, resources
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import Address, ReceiptKind


@dataclass
class Box:
    entries: dict[int, frames.AnyEntry] = field(default_factory=dict)
    last: int = 0
    live: web.WebSocketResponse | None = None


class RehearsalGateway:
    """`cut_share`: sends after which the connection ends unanswered; `refuse_share`: passing refusals."""

    def __init__(self) -> None:
        self.randomness = random.Random(7)
        self.cut_share = 0.0
        self.refuse_share = 0.0
        self.forget_ids = False
        """The fault that the journal must find: a repeat is taken for a new message."""
        self.boxes: dict[Address, Box] = defaultdict(Box)
        self.known: dict[UUID, int] = {}
        self.sequences: dict[tuple[Address, UUID], int] = defaultdict(int)
        self.clock = 0
        self.base = ""
        self.close_code: int | None = None
        """Close every connection with it at once."""
        self.silent = False
        """Answer no send (it is taken all the same)."""
        self.lose = False
        """The fault of faults: answer and forget."""
        self.away = 0
        """How many registrations are answered by 503 before one is taken."""
        self.code = TEST_CODE
        self.accounts: dict[str, UUID] = {}
        self.cuts = 0
        self.tokens_sold = 0
        self.app = web.Application()
        self.app.router.add_post("/v1/tokens", self.token)
        self.app.router.add_get("/v1/socket", self.converse)
        self.app.router.add_post("/v1/registrations", self.register)
        self.app.router.add_post("/v1/registrations/{registration}/device", self.verify)

    async def token(self, request: web.Request) -> web.Response:
        wanted = codec.decode_body(await request.read(), resources.NewAccessToken)
        self.tokens_sold += 1
        token = f"{wanted.account}_{wanted.device:02d}"
        return web.Response(
            status=201,
            body=codec.encode_body(resources.AccessToken(access_token=token, expires_at=10**15)),
        )

    async def register(self, request: web.Request) -> web.Response:
        wanted = codec.decode_body(await request.read(), resources.NewRegistration)
        token = wanted.number[1:].rjust(20, "0")
        made = resources.Registration(registration=token, code_expires_at=1, resend_at=0)
        return web.Response(status=201, body=codec.encode_body(made))

    async def verify(self, request: web.Request) -> web.Response:
        wanted = codec.decode_body(await request.read(), resources.Verification)
        if self.away:
            self.away -= 1
            return web.Response(status=503)
        if wanted.code != self.code:
            return web.Response(status=403)
        number = "+" + request.match_info["registration"].lstrip("0")
        account = self.accounts.setdefault(number, UUID(int=len(self.accounts) + 1))
        made = resources.DeviceCredential(
            account=account, device=1, number=number, credential="c" * 43
        )
        return web.Response(status=201, body=codec.encode_body(made))

    def hang_up(self) -> None:
        """End every connection at once."""
        for box in self.boxes.values():
            if box.live is not None and box.live.get_extra_info("socket") is not None:
                box.live.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    async def speak(self) -> None:
        self.silent = False

    async def converse(self, request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse(protocols=(codec.SUBPROTOCOL_MSGPACK,))
        await connection.prepare(request)
        opening = codec.MSGPACK.decode_client((await connection.receive()).data)
        if not isinstance(opening, frames.Authenticate):
            return connection
        if self.close_code is not None:
            await connection.close(code=self.close_code)
            return connection
        account, _, device = opening.token.rpartition("_")
        address = Address(UUID(account), int(device))
        await self.welcome(connection, address, opening.resume_after or 0)
        async for message in connection:
            if message.type is not aiohttp.WSMsgType.BINARY:
                break
            frame = codec.MSGPACK.decode_client(message.data)
            if isinstance(frame, frames.Send):
                if not await self.take(connection, address, frame):
                    break
            elif isinstance(frame, frames.Acknowledge):
                await self.acknowledge(address, frame.positions)
        return connection

    async def welcome(
        self, connection: web.WebSocketResponse, address: Address, resume_after: int
    ) -> None:
        box = self.boxes[address]
        box.live = connection
        ready = frames.Ready(
            ref=0,
            account=address.account,
            device=address.device,
            session="s",
            time=0,
            token_expires_at=10**15,
            heartbeat_s=25,
            window=64,
            backlog=len(box.entries),
        )
        await connection.send_bytes(codec.MSGPACK.encode(ready))
        await self.acknowledge(address, [p for p in box.entries if p <= resume_after])
        for position in list(box.entries):
            await self.deliver(box, position)

    async def take(
        self, connection: web.WebSocketResponse, sender: Address, send: frames.Send
    ) -> bool:
        """Whether the connection goes on."""
        repeated = send.id in self.known and not self.forget_ids
        due = self.sequences[sender, send.conversation] + 1
        refused = self.randomness.random() < self.refuse_share
        if not repeated and (refused or (send.sequence > due)):
            problem = ProblemType.SEQUENCE.describe(expected_sequence=due)
            answer = frames.Error(ref=send.ref, problem=problem)
            await connection.send_bytes(codec.MSGPACK.encode(answer))
            return True
        if not repeated:
            self.clock += 1
            self.known.setdefault(send.id, self.clock)
            self.sequences[sender, send.conversation] = send.sequence
            if not self.lose:
                await self.append(sender, send)
        if self.silent:
            return True
        if self.randomness.random() < self.cut_share:
            self.cuts += 1
            return False
        sent = frames.Sent(ref=send.ref, id=send.id, sent_at=self.known[send.id])
        await connection.send_bytes(codec.MSGPACK.encode(sent))
        return True

    async def append(self, sender: Address, send: frames.Send) -> None:
        for recipient in send.recipients:
            for each in recipient.bodies:
                entry = frames.Message(
                    id=send.id,
                    conversation=sender.account,
                    sender=sender,
                    sequence=send.sequence,
                    sent_at=self.known[send.id],
                    content_type=send.content_type,
                    body=each.body,
                )
                await self.put(Address(recipient.account, each.device), entry)

    async def put(self, address: Address, entry: frames.AnyEntry) -> None:
        box = self.boxes[address]
        box.last += 1
        box.entries[box.last] = entry
        await self.deliver(box, box.last)

    async def deliver(self, box: Box, position: int) -> None:
        if box.live is not None and not box.live.closed and position in box.entries:
            frame = frames.Deliver(position=position, entry=box.entries[position])
            try:
                await box.live.send_bytes(codec.MSGPACK.encode(frame))
            except ConnectionError:
                box.live = None

    async def acknowledge(self, address: Address, positions: list[int]) -> None:
        for position in positions:
            entry = self.boxes[address].entries.pop(position, None)
            if isinstance(entry, frames.Message):
                receipt = frames.Receipt(
                    kind=ReceiptKind.DELIVERED,
                    by=address,
                    conversation=address.account,
                    ids=[entry.id],
                    at=1,
                    message_sender=entry.sender.account,
                )
                await self.put(entry.sender, receipt)
