"""The wiring of a client: which part is given which."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import aiohttp

from ringline.client import connection as core
from ringline.client import system
from ringline.client.backoff import Backoff
from ringline.client.errors import Disconnected, ProfileInUse
from ringline.client.events import (
    AccountReplaced,
    CaughtUp,
    ConnectionChanged,
    ConnectionPhase,
    ConnectionReplaced,
    DeviceRevoked,
    MessageFailed,
    PresenceChanged,
    ReceiptReceived,
    TypingChanged,
)
from ringline.client.net.api import Api
from ringline.client.net.calls import Calls
from ringline.client.net.device_lists import DeviceLists
from ringline.client.net.link import Link
from ringline.client.net.message import OutgoingMessages
from ringline.client.net.receiver import Receiver
from ringline.client.net.relays import Relays
from ringline.client.net.rest import Rest
from ringline.client.net.rest_link import RestLink
from ringline.client.net.sender import Sender
from ringline.client.net.socket import open_socket
from ringline.client.net.store_thread import StoreThread
from ringline.client.net.stream import EventStream
from ringline.client.net.tokens import Tokens
from ringline.client.outbox import Outbox
from ringline.client.store import Identity, MessageState, OutboxMessage, Store
from ringline.protocol import frames
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.problems import Problem
from ringline.protocol.types import AccountId, CallKind, ReceiptKind

_FINAL_EVENTS: Final[
    dict[CloseCode, type[AccountReplaced | DeviceRevoked | ConnectionReplaced]]
] = {
    CloseCode.ACCOUNT_REPLACED: AccountReplaced,
    CloseCode.DEVICE_REVOKED: DeviceRevoked,
    CloseCode.REPLACED: ConnectionReplaced,
}


@dataclass
class Online:
    """A registered device at work. `link` None: sends go by REST, another process has the socket."""

    identity: Identity
    api: Api
    lists: DeviceLists
    store: StoreThread
    stream: EventStream
    messages: OutgoingMessages
    receiver: Receiver
    link: Link | None = None
    rest_link: RestLink | None = None
    sender: Sender = field(init=False)
    calls: Calls = field(init=False)
    clock_offset_ms: int = 0
    watched: tuple[AccountId, ...] = ()

    async def start(self) -> None:
        if self.link is not None:
            self.link.connection.resume_after = await self.store.run(lambda s: s.position())
            self.receiver.start(self.link, self)
        await self.sender.load()
        if self.link is not None:
            self.link.start()

    async def ask(self, frame: frames.AnyClientFrame, timeout_s: float) -> frames.AnyServerFrame:
        """On the live connection. Raise ProfileInUse without one, else as `Link.request`."""
        return await self.connected_link.request(frame, timeout_s)

    @property
    def connected_link(self) -> Link:
        if self.link is None:
            raise ProfileInUse("another program is connected with this profile")
        return self.link

    def server_ms(self) -> int:
        """Now, by the server's clock."""
        return system.utc_ms() + self.clock_offset_ms

    async def close(self) -> None:
        await self.calls.close()
        await self.sender.close()
        if self.link is not None:
            await self.link.close()
        if self.rest_link is not None:
            await self.rest_link.close()
        await self.receiver.close()
        self.stream.end()

    def broken(self, error: Exception) -> None:
        """The store failed: nothing may be acknowledged or sent any more."""
        self.stream.end(error)
        if self.link is not None:
            asyncio.get_running_loop().call_soon(self.link.stop)

    # Of `Link`.

    def ready(self, ready: frames.Ready) -> None:
        self.clock_offset_ms = ready.time - system.utc_ms()
        self.receiver.connected()
        self.stream.push(ConnectionChanged(ConnectionPhase.READY))
        if self.watched and self.link is not None:
            self.link.tell(frames.Watch(accounts=list(self.watched)))
        self.sender.pump()

    def arrived(
        self,
        frame: frames.Deliver | frames.CaughtUp | frames.Presence | frames.TypingNotice,
    ) -> None:
        match frame:
            case frames.Deliver():
                self.receiver.arrived(frame)
            case frames.CaughtUp():
                self.receiver.caught_up()
            case frames.Presence():
                self.stream.push(PresenceChanged(frame.account, frame.state, frame.last_seen))
            case frames.TypingNotice():
                self.stream.push(TypingChanged(frame.sender, frame.conversation, frame.state))

    def unreadable(self, position: int) -> None:  # noqa: ARG002
        self.receiver.leave_out()

    def waiting(self, reason: str, retry_in_ms: int) -> None:
        self.stream.push(ConnectionChanged(ConnectionPhase.WAITING, reason, retry_in_ms))

    def stopped(self, stopped: core.Stopped) -> None:
        self.stream.push(ConnectionChanged(ConnectionPhase.STOPPED, stopped.reason))
        if stopped.code in _FINAL_EVENTS:
            self.stream.push(_FINAL_EVENTS[stopped.code]())
        self.stream.end(None if stopped.reason == "closed" else Disconnected(stopped.reason))

    def roomier(self) -> None:
        self.sender.pump()

    # Of `Receiver` and `Sender`.

    def entry(self, entry: frames.AnyEntry) -> None:
        match entry:
            case frames.Message():
                self.stream.inbox_grew()
            case frames.Receipt():
                self._receipt(entry)
            case frames.CallEvent():
                self.calls.event(entry)
                if entry.kind is CallKind.MISSED:
                    self.stream.inbox_grew()

    def _receipt(self, receipt: frames.Receipt) -> None:
        if receipt.message_sender == self.identity.account:
            is_read = receipt.kind is ReceiptKind.READ
            state = MessageState.READ if is_read else MessageState.DELIVERED
            for message in receipt.ids:
                if (held := self.messages.get(message)) is not None:
                    held.advance(state)
        self.stream.push(
            ReceiptReceived(
                kind=receipt.kind,
                by=receipt.by,
                conversation=receipt.conversation,
                ids=tuple(receipt.ids),
                at=receipt.at,
                message_sender=receipt.message_sender,
            )
        )

    def caught_up(self) -> None:
        self.stream.push(CaughtUp())

    def sent(self, message: UUID, sent_at: int) -> None:
        if (held := self.messages.get(message)) is not None:
            held.advance(MessageState.SENT, sent_at)

    def failed(self, message: OutboxMessage, problem: Problem) -> None:
        if (held := self.messages.get(message.id)) is not None:
            held.fail(problem)
        self.stream.push(MessageFailed(message.id, message.conversation, problem))


class Platform:
    """What there is before anybody is registered: the store, and the way to a server."""

    def __init__(self, store: Store, trusted: ssl.SSLContext | None) -> None:
        self.store = StoreThread(store)
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=True if trusted is None else trusted),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,
        )
        self._rest: Rest | None = None

    def use_server(self, url: str) -> None:
        self._rest = Rest(url, self.session, system.uniform)

    @property
    def rest(self) -> Rest:
        assert self._rest is not None, "`use_server` comes first"
        return self._rest

    def new_id(self) -> UUID:
        return system.new_id()

    def new_registration_id(self) -> int:
        return system.new_registration_id()

    async def close(self) -> None:
        await self.session.close()
        await self.store.close()


def open_platform(store: Store, trusted: ssl.SSLContext | None = None) -> Platform:
    """On the running loop. `trusted`: as of `ringline.client.net.trust`."""
    return Platform(store, trusted)


def build_online(identity: Identity, platform: Platform, *, live: bool, take_calls: bool) -> Online:
    """`live` False: without a socket."""
    rest, store, session = platform.rest, platform.store, platform.session
    tokens = Tokens(rest, identity, system.monotonic_ms)
    api = Api(rest, tokens)
    lists = DeviceLists(api, identity.address)
    receiver = Receiver(store, identity.account, take_calls=take_calls)
    online = Online(
        identity=identity,
        api=api,
        lists=lists,
        store=store,
        stream=EventStream(store, receiver.roomier),
        messages=OutgoingMessages(),
        receiver=receiver,
    )
    if live:
        online.link = Link(
            core.Connection(Backoff(system.uniform)),
            connect=lambda: open_socket(session, rest.url),
            buy_token=tokens.buy,
            clock=system.monotonic_ms,
            listener=online,
        )
    else:
        online.rest_link = RestLink(api)
    _wire(online, system.new_id)
    return online


def _wire(online: Online, new_id: Callable[[], UUID]) -> None:
    way = online.link or online.rest_link
    assert way is not None, "there is one way or the other"
    online.sender = Sender(
        Outbox(online.identity.account, system.uniform),
        way,
        online.store,
        online.lists,
        clock=system.utc_ms,
        on_sent=online.sent,
        on_failed=online.failed,
        on_broken=online.broken,
    )
    online.calls = Calls(
        online.identity.account,
        online.ask,
        online.lists,
        new_id=new_id,
        now=online.server_ms,
        show=online.stream.push,
        ice_servers=Relays(online.api).servers,
    )
