"""A raw TURN client: it says what it is told to, right or wrong, and shows every reply."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar, Final, Self, cast

from tests.integration.turn import wire
from tests.integration.turn.credentials import Credential
from tests.integration.turn.wire import Attr, Attribute, Host, Kind, Message, Method

REPLY_TIMEOUT_S: Final = 20.0
RETRANSMIT_S: Final = 0.5
"""RFC 8489 §6.2.1."""
QUIET_S: Final = 0.05
"""How long "nothing comes" is waited for. A fence (`Client.fence`) makes sure where order can."""


class Port(asyncio.DatagramProtocol):
    """A UDP socket whose datagrams queue up."""

    bound: socket.socket
    opened: ClassVar[list["Port"]] = []
    """All that a test has made; the fixture `tidy` closes them."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[tuple[bytes, Host]] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, bound: socket.socket) -> Self:
        loop = asyncio.get_running_loop()
        _, port = await loop.create_datagram_endpoint(cls, sock=bound)
        port.bound = bound
        cls.opened.append(port)
        return port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.arrived.put_nowait((data, (addr[0], addr[1])))

    @property
    def transport(self) -> asyncio.DatagramTransport:
        assert self._transport is not None
        return self._transport

    @property
    def host(self) -> Host:
        name = self.transport.get_extra_info("sockname")
        return name[0], name[1]

    def send(self, data: bytes, to: Host) -> None:
        if data:
            self.transport.sendto(data, to)
        else:
            self.bound.sendto(data, to)  # asyncio (3.11) leaves an empty datagram out

    async def receive(self, timeout_s: float = REPLY_TIMEOUT_S) -> tuple[bytes, Host]:
        """The next datagram and where it came from. Raise TimeoutError."""
        async with asyncio.timeout(timeout_s):
            return await self.arrived.get()

    async def nothing(self, quiet_s: float = QUIET_S) -> bool:
        """Whether nothing has come, and nothing comes for a while."""
        with suppress(TimeoutError):
            await self.receive(quiet_s)
            return False
        return True

    def close(self) -> None:
        self.transport.close()


class Client(Port):
    """One 5-tuple with the relay. Replies to requests are matched, all else queues in `arrived`."""

    relay: Host
    credential: Credential

    def __init__(self) -> None:
        super().__init__()
        self.realm = ""
        self.nonce = b""
        self.replies: list[Message] = []
        """All that came that is STUN."""
        self._waiting: dict[bytes, asyncio.Future[Message]] = {}

    @classmethod
    async def at(cls, bound: socket.socket, relay: Host, credential: Credential) -> Self:
        client = await cls.open(bound)
        client.relay = relay
        client.credential = credential
        return client

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert (addr[0], addr[1]) == self.relay, "from another address than the relay's"
        if data[0] >> 6:
            super().datagram_received(data, addr)
            return
        message = wire.decode(data)
        self.replies.append(message)
        waiting = self._waiting.pop(message.transaction, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)
        elif message.kind is Kind.INDICATION:
            super().datagram_received(data, addr)

    @property
    def key(self) -> bytes:
        return wire.long_term_key(self.credential.username, self.realm, self.credential.password)

    def tell(self, data: bytes) -> None:
        self.send(data, self.relay)

    async def exchange(self, request: bytes, timeout_s: float = REPLY_TIMEOUT_S) -> Message:
        """Retransmitted until it is answered. Raise TimeoutError."""
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[request[8:20]] = reply
        async with asyncio.timeout(timeout_s):
            while True:
                self.tell(request)
                done, _ = await asyncio.wait([reply], timeout=RETRANSMIT_S)
                if done:
                    return reply.result()

    def signed(
        self,
        method: Method,
        attributes: Sequence[Attribute] = (),
        *,
        credential: Credential | None = None,
        nonce: bytes | None = None,
        realm: str | None = None,
        key: bytes | None = None,
        transaction: bytes | None = None,
    ) -> bytes:
        """A request with the long-term mechanism, RFC 8489 §9.2; everything can be made wrong."""
        who = credential or self.credential
        in_realm = self.realm if realm is None else realm
        return wire.encode(
            method,
            Kind.REQUEST,
            [
                *attributes,
                (Attr.USERNAME, who.username.encode()),
                (Attr.REALM, in_realm.encode()),
                (Attr.NONCE, self.nonce if nonce is None else nonce),
            ],
            transaction=transaction or wire.new_transaction(),
            key=key or wire.long_term_key(who.username, in_realm, who.password),
        )

    async def challenge(self) -> Message:
        """Ask without credentials, and keep realm and nonce of the refusal."""
        reply = await self.exchange(
            wire.encode(
                Method.ALLOCATE,
                Kind.REQUEST,
                [(Attr.REQUESTED_TRANSPORT, wire.UDP)],
                transaction=wire.new_transaction(),
            )
        )
        assert reply.error == 401, reply
        self._keep(reply)
        return reply

    def _keep(self, refusal: Message) -> None:
        self.realm = refusal.need(Attr.REALM).decode()
        self.nonce = refusal.need(Attr.NONCE)

    async def ask(
        self,
        method: Method,
        attributes: Sequence[Attribute] = (),
        *,
        credential: Credential | None = None,
    ) -> Message:
        """With the current nonce; 438 is retried once, as RFC 8489 §9.2.5 has it."""
        if not self.nonce:
            await self.challenge()
        reply = await self.exchange(self.signed(method, attributes, credential=credential))
        if reply.error == 438:
            self._keep(reply)
            reply = await self.exchange(self.signed(method, attributes, credential=credential))
        return reply

    async def allocate(
        self, *more: Attribute, lifetime_s: int | None = None, credential: Credential | None = None
    ) -> Message:
        asked = [(int(Attr.REQUESTED_TRANSPORT), wire.UDP), *more]
        if lifetime_s is not None:
            asked.append((Attr.LIFETIME, lifetime_s.to_bytes(4, "big")))
        return await self.ask(Method.ALLOCATE, asked, credential=credential)

    async def allocated(self, *more: Attribute, lifetime_s: int | None = None) -> Host:
        """The relayed address."""
        reply = await self.allocate(*more, lifetime_s=lifetime_s)
        assert reply.kind is Kind.SUCCESS, reply
        assert wire.intact(reply, self.key), reply
        return reply.address(Attr.XOR_RELAYED_ADDRESS)

    async def refresh(self, lifetime_s: int, *, credential: Credential | None = None) -> Message:
        lifetime = (int(Attr.LIFETIME), lifetime_s.to_bytes(4, "big"))
        return await self.ask(Method.REFRESH, [lifetime], credential=credential)

    async def permit(self, *peers: Host) -> Message:
        """CreatePermission. The transaction decides how addresses are written: it is made first."""
        return await self._with_peers(Method.CREATE_PERMISSION, peers, [])

    async def bind(self, number: int, peer: Host) -> Message:
        channel = (int(Attr.CHANNEL_NUMBER), wire.channel_number(number))
        return await self._with_peers(Method.CHANNEL_BIND, [peer], [channel])

    async def _with_peers(
        self, method: Method, peers: Sequence[Host], more: Sequence[Attribute]
    ) -> Message:
        for _ in range(2):
            if not self.nonce:
                await self.challenge()
            transaction = wire.new_transaction()
            addresses = [
                (int(Attr.XOR_PEER_ADDRESS), wire.address(peer, transaction)) for peer in peers
            ]
            request = self.signed(method, [*more, *addresses], transaction=transaction)
            reply = await self.exchange(request)
            if reply.error != 438:
                break
            self._keep(reply)
        return reply

    def send_indication(self, peer: Host, payload: bytes) -> None:
        transaction = wire.new_transaction()
        self.tell(
            wire.encode(
                Method.SEND,
                Kind.INDICATION,
                [
                    (Attr.XOR_PEER_ADDRESS, wire.address(peer, transaction)),
                    (Attr.DATA, payload),
                ],
                transaction=transaction,
            )
        )

    def send_channel(self, number: int, payload: bytes) -> None:
        self.tell(wire.channel_data(number, payload))

    async def binding(self) -> Message:
        return await self.exchange(
            wire.encode(Method.BINDING, Kind.REQUEST, transaction=wire.new_transaction())
        )

    async def fence(self) -> None:
        """Returns when the relay has read all that was sent from here before: one socket, one queue."""
        assert (await self.binding()).kind is Kind.SUCCESS

    async def data(self, timeout_s: float = REPLY_TIMEOUT_S) -> tuple[Host | int, bytes]:
        """What a peer sent: from whom (Data indication) or on which channel. Raise TimeoutError."""
        raw, _ = await self.receive(timeout_s)
        if raw[0] >> 6:
            assert int.from_bytes(raw[2:4], "big") == len(raw) - 4, raw
            return int.from_bytes(raw[:2], "big"), raw[4:]
        message = wire.decode(raw)
        assert message.method == Method.DATA, message
        return message.address(Attr.XOR_PEER_ADDRESS), message.need(Attr.DATA)
