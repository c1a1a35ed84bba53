"""One device of one account: register it, find people, write, read, call.

    async with await Client.open("ann", server="https://ringline.example") as client:
        await client.register("+12025550111", "111111")
        [bob] = (await client.lookup(["+12025550122"])).found
        message = await client.send(bob.account, "hello")
        await message.delivered(timeout_s=30)
        async for event in client.events(): ...

What comes is given at least once: it is in the profile's store before the server is told, and leaves
it when the event after it is asked for. The store drops repeats, so that only a crash between showing
a message and asking for the next event shows it again.
"""

import inspect
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit
from uuid import UUID

from ringline.client import system
from ringline.client.app import Online, Platform, build_online, open_platform
from ringline.client.call_media import MediaFactory
from ringline.client.content import Content, encode_content, text_content
from ringline.client.errors import NotRegistered, ProfileInUse, UsageError
from ringline.client.events import Event
from ringline.client.group_link import GroupLink
from ringline.client.net.call import OutgoingCall
from ringline.client.net.group_call import GroupCall, GroupMedia
from ringline.client.net.group_socket import open_group_socket
from ringline.client.net.message import OutgoingMessage
from ringline.client.net.relays import Relays
from ringline.client.net.trust import trust
from ringline.client.profile import Profile, profile_directory
from ringline.client.store import Identity, MessageState, Store
from ringline.client.store_sqlite import SqliteStore
from ringline.protocol import limits
from ringline.protocol.frames import Read, Typing, Watch
from ringline.protocol.resources import (
    AccessToken,
    Account,
    Contact,
    Contacts,
    DeviceCredential,
    JoinTicket,
    LinkCode,
    LinkedDevice,
    Lookup,
    LookupResult,
    NewAccessToken,
    NewDevice,
    NewGroupCall,
    NewJoinTicket,
    NewRegistration,
    Registration,
    Verification,
)
from ringline.protocol.resources import GroupCall as GroupCallResource
from ringline.protocol.types import AccountId, ContentType, MessageId, TypingState

DEFAULT_SERVER: Final = "http://127.0.0.1:8080"
READ_TIMEOUT_S: Final = 30.0
Code = str | Callable[[Registration], str | Awaitable[str]]
"""The code that came to the number, or who asks for it."""


class Client:
    """Make it with `open`; one event loop; close it at the end (or `async with`)."""

    def __init__(self, platform: Platform, profile: Profile | None) -> None:
        self._platform = platform
        self._profile = profile
        self._identity: Identity | None = None
        self._online: Online | None = None
        self._take_calls = True
        self._connect = True

    @classmethod
    async def open(
        cls,
        profile: str | os.PathLike[str] | Store,
        *,
        server: str | None = None,
        connect: bool = True,
        take_calls: bool = True,
        shared: bool = False,
        ca_file: str | os.PathLike[str] | None = None,
    ) -> Self:
        """`profile`: a name, a folder, or a store of one's own. `server`: http or https, remembered.

        A registered device is connected at once (unless `connect` is False), and stays so by itself.
        `take_calls` False leaves invites to another program of this device. `shared`: when another
        process is connected with this profile, go on without a connection: sends then go by REST.
        `ca_file`: certificates (PEM) to trust as well, else those of RINGLINE_CA_FILE.
        Raise ProfileInUse, ProfileDamaged, UsageError.
        """
        trusted = trust(ca_file)
        directory: Profile | None = None
        if isinstance(profile, str | os.PathLike):
            directory = Profile(profile_directory(profile))
            store: Store = SqliteStore(directory.database)
        else:
            store = profile
        client = cls(open_platform(store, trusted), directory)
        client._connect, client._take_calls = connect, take_calls
        try:
            await client._begin(server, shared)
        except BaseException:
            await client.close()
            raise
        return client

    async def _begin(self, server: str | None, shared: bool) -> None:
        store = self._platform.store
        known = await store.run(lambda s: s.server())
        url = _checked(server or known or DEFAULT_SERVER)
        self._platform.use_server(url)
        self._identity = await store.run(lambda s: s.identity())
        if self._identity is None:
            return
        if url != known:
            await store.run(lambda s: s.set_server(url))
        if not self._connect:
            await self._go(False)
        elif self._profile is None or self._profile.claim():
            await self._go(True)
        elif shared:
            await self._go(False)
        else:
            raise ProfileInUse("another program is connected with this profile")

    async def _go(self, live: bool) -> None:
        assert self._identity is not None
        self._online = build_online(
            self._identity, self._platform, live=live, take_calls=self._take_calls
        )
        await self._online.start()

    async def close(self) -> None:
        """End calls and the connection. What was not sent stays in the profile. Harmless to repeat."""
        online, self._online = self._online, None
        if online is not None:
            await online.close()
        await self._platform.close()
        if self._profile is not None:
            self._profile.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    # Who this is.

    @property
    def identity(self) -> Identity:
        """Raise NotRegistered."""
        if self._identity is None:
            raise NotRegistered
        return self._identity

    @property
    def is_registered(self) -> bool:
        return self._identity is not None

    @property
    def is_live(self) -> bool:
        """Whether this process is the one that connects as the device."""
        return self._online is not None and self._online.link is not None

    @property
    def account(self) -> AccountId:
        return self.identity.account

    @property
    def server(self) -> str:
        return self._platform.rest.url

    @property
    def _at_work(self) -> Online:
        if self._online is None:
            raise NotRegistered
        return self._online

    async def ready(self, timeout_s: float) -> None:
        """Until the server has taken the connection. Raise Disconnected, DeadlinePassed."""
        await self._at_work.connected_link.ready(timeout_s)

    # Registration and devices.

    async def register(self, number: str, code: Code, device_name: str = "ringline") -> Identity:
        """Raise Refused (number-invalid, code-refused, rate-limited), Unreachable, UsageError."""
        await self._check_free()
        rest = self._platform.rest
        started = await rest.ask(
            "POST", "/v1/registrations", Registration, body=NewRegistration(number=number)
        )
        text = code if isinstance(code, str) else code(started)
        if inspect.isawaitable(text):
            text = await text
        device = self._new_device(device_name)
        credential = await rest.ask(
            "POST",
            f"/v1/registrations/{started.registration}/device",
            DeviceCredential,
            body=Verification(code=_six_digits(text), device=device),
        )
        return await self._enter(credential, device)

    async def link(self, link_code: str, device_name: str = "ringline") -> Identity:
        """Join the account whose device shows this code. Raise Refused, Unreachable, UsageError."""
        await self._check_free()
        device = self._new_device(device_name)
        body = LinkedDevice(link_code=link_code.strip(), device=device)
        credential = await self._platform.rest.ask(
            "POST", "/v1/devices", DeviceCredential, body=body
        )
        return await self._enter(credential, device)

    async def adopt(self, credential: DeviceCredential) -> Identity:
        """Be a device that somebody else registered, as an operator's check does with its own. Raise
        Refused (credential-refused), Unreachable, UsageError."""
        await self._check_free()
        rest = self._platform.rest
        buying = NewAccessToken(
            account=credential.account,
            device=credential.device,
            credential=credential.credential,
        )
        bought = await rest.ask("POST", "/v1/tokens", AccessToken, body=buying, repeat=True)
        told = await rest.ask("GET", "/v1/account", Account, token=bought.access_token, repeat=True)
        ours = next(each for each in told.devices if each.device == credential.device)
        device = NewDevice(name=ours.name, registration_id=ours.registration_id)
        return await self._enter(credential, device)

    async def _check_free(self) -> None:
        # Whoever is connected would go on writing the old device's state into the new one's.
        if self._profile is not None and not self._profile.claim():
            raise ProfileInUse("another program is connected with this profile")

    def _new_device(self, name: str) -> NewDevice:
        if not 1 <= len(name) <= limits.DEVICE_NAME_CHARACTERS_MAX:
            raise UsageError(
                f"a device's name has 1 to {limits.DEVICE_NAME_CHARACTERS_MAX} letters"
            )
        return NewDevice(name=name, registration_id=self._platform.new_registration_id())

    async def _enter(self, credential: DeviceCredential, device: NewDevice) -> Identity:
        online, self._online = self._online, None
        if online is not None:
            await online.close()
        identity = Identity(
            account=credential.account,
            device=credential.device,
            number=credential.number,
            name=device.name,
            registration_id=device.registration_id,
            credential=credential.credential,
        )
        url = self.server
        await self._platform.store.run(lambda store: _remember(store, identity, url))
        self._identity = identity
        await self._go(self._connect)
        return identity

    async def devices(self) -> Account:
        """The account with all its devices."""
        return await self._at_work.api.ask("GET", "/v1/account", Account, repeat=True)

    async def link_code(self) -> LinkCode:
        """To be shown to the new device; good for one minute, once."""
        return await self._at_work.api.ask("POST", "/v1/devices/link-codes", LinkCode)

    async def revoke(self, device: int) -> None:
        """Remove one of the account's devices. Raise Refused (not-found)."""
        await self._delete(f"/v1/devices/{device}")

    # People.

    async def lookup(self, numbers: Sequence[str]) -> LookupResult:
        """Who of these is registered. Raise Refused (rate-limited), Unreachable."""
        work = self._at_work
        body = Lookup(numbers=list(numbers))
        result = await work.api.ask("POST", "/v1/lookups", LookupResult, body=body, repeat=True)
        now = work.server_ms()
        await work.store.run(lambda store: _note(store, result, now))
        return result

    async def contacts(self) -> Contacts:
        """Who has been accepted, and who has asked to be."""
        return await self._at_work.api.ask("GET", "/v1/contacts", Contacts, repeat=True)

    async def accept(self, account: AccountId) -> Contact:
        """From now on their calls ring. Raise Refused (not-found)."""
        path = f"/v1/contacts/{account}"
        return await self._at_work.api.ask("PUT", path, Contact, repeat=True)

    async def forget(self, account: AccountId) -> None:
        """They are no contact any more. Raise Refused (not-found)."""
        await self._delete(f"/v1/contacts/{account}")

    async def _delete(self, path: str) -> None:
        await self._at_work.api.ask("DELETE", path, type(None))

    async def known_numbers(self) -> dict[UUID, str | None]:
        """Everybody that this device has met, with their numbers where it knows them."""
        return await self._platform.store.run(lambda store: store.contacts())

    # Messages.

    async def send(self, to: AccountId, content: str | Content) -> OutgoingMessage:
        """Kept in the profile when this returns, and sent as soon as may be, in this order, whatever
        happens to this process. `to`: one's own account for a note to one's other devices.

        Raise ContentTooLarge, OutboxFull, ProfileDamaged."""
        work = self._at_work
        body = encode_content(text_content(content) if isinstance(content, str) else content)
        look = None if work.link is not None else self.message_state
        message = OutgoingMessage(self._platform.new_id(), to, look)
        work.messages.add(message)
        await work.sender.send(message.id, to, ContentType.UNSEALED, body)
        return message

    async def message_state(self, message: MessageId) -> MessageState | None:
        """Of one's own, also of earlier processes; None if it is not known (any more)."""
        return await self._platform.store.run(lambda store: store.message_state(message))

    async def waiting_messages(self) -> int:
        """How many are not on the server yet."""
        return await self._platform.store.run(lambda store: store.outbox_size())

    async def mark_read(self, account: AccountId, messages: Sequence[MessageId]) -> None:
        """The person has seen these messages of `account`. Raise Refused, DeadlinePassed."""
        work = self._at_work
        for start in range(0, len(messages), limits.READ_IDS_MAX):
            ids = list(messages[start : start + limits.READ_IDS_MAX])
            await work.ask(Read(account=account, conversation=account, ids=ids), READ_TIMEOUT_S)

    def typing(self, account: AccountId, state: TypingState) -> None:
        """Goes out if there is a connection, and is never kept."""
        self._at_work.connected_link.tell(Typing(conversation=account, state=state))

    async def watch(self, accounts: Sequence[AccountId]) -> None:
        """Be told of the presence of exactly these, from now on and on later connections too.
        Raise Refused (not-accepted: somebody of these has not accepted one)."""
        work = self._at_work
        await work.ask(Watch(accounts=list(accounts)), READ_TIMEOUT_S)
        work.watched = tuple(accounts)

    # Calls.

    async def place_call(
        self, account: AccountId, media: MediaFactory, *, ring_s: int = limits.RING_TIMEOUT_S
    ) -> OutgoingCall:
        """Returns when it rings (or already goes on). Raise Refused (not-accepted, not-found,
        call-state), MediaError, Unreachable. Incoming calls are events: `CallReceived`."""
        work = self._at_work
        await work.connected_link.ready(READ_TIMEOUT_S)
        return await work.calls.place(account, media, ring_s)

    # Group calls.

    async def create_group_call(self, members: Sequence[AccountId] = ()) -> GroupCallResource:
        """A call that `members` may join, and whoever has its link. Raise Refused, Unreachable."""
        body = NewGroupCall(call=self._platform.new_id(), members=list(members))
        return await self._at_work.api.ask(
            "POST", "/v1/group-calls", GroupCallResource, body=body, repeat=True
        )

    async def end_group_call(self, call: UUID) -> None:
        """For everybody; only who made it may. Raise Refused (not-found, forbidden)."""
        await self._delete(f"/v1/group-calls/{call}")

    async def remove_from_group_call(self, call: UUID, account: AccountId) -> None:
        """For good; only who made it may. Raise Refused (not-found, forbidden)."""
        await self._delete(f"/v1/group-calls/{call}/members/{account}")

    async def join_group_call(
        self, link: GroupLink, media: GroupMedia, *, name: str = "", timeout_s: float = 30.0
    ) -> GroupCall:
        """In the call, with media flowing. Its socket and media come back by themselves; `leave` it at the
        end. Raise Refused (not-found, forbidden, call-state), CallFailed, MediaError, DeadlinePassed."""
        work, rest, session = self._at_work, self._platform.rest, self._platform.session
        path = f"/v1/group-calls/{link.call}/tickets"
        call = GroupCall(
            link.call,
            media,
            name=name,
            ticket=lambda: work.api.ask(
                "POST", path, JoinTicket, body=NewJoinTicket(link_token=link.token)
            ),
            open_socket=lambda way: open_group_socket(session, rest.url, way),
            ice_servers=Relays(work.api).servers,
            uniform=system.uniform,
        )
        try:
            await call.join(timeout_s)
        except BaseException:
            await call.leave()
            raise
        return call

    # What happens.

    def events(self) -> AsyncIterator[Event]:
        """Everything, in order, for one reader. Ends when the client is closed; raises Disconnected
        when the server has ended it for good, ProfileDamaged when the disk fails."""
        return self._at_work.stream.events()

    def live_events(self) -> AsyncIterator[Event]:
        """As `events`, without messages and missed calls: those stay in the profile for whoever
        reads them. Instead of `events`, not beside it."""
        return self._at_work.stream.live()

    @property
    def events_dropped(self) -> int:
        """Live events that nobody read in time; messages are never among them."""
        return self._at_work.stream.events_dropped

    async def confirm(self) -> None:
        """The program has dealt with the last event: it is not given again. Asking for the next one
        says the same."""
        await self._at_work.stream.confirm()


def _checked(url: str) -> str:
    """Raise UsageError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{url!r} is no server address: http://HOST:PORT or https://HOST")
    return url.rstrip("/")


def _six_digits(text: str) -> str:
    digits = text.replace(" ", "").replace("-", "")
    if len(digits) != 6 or not digits.isascii() or not digits.isdigit():
        raise UsageError("a code has six digits")
    return digits


def _remember(store: Store, identity: Identity, url: str) -> None:
    with store.transaction():
        store.set_server(url)
        store.set_identity(identity)


def _note(store: Store, result: LookupResult, now: int) -> None:
    with store.transaction():
        for found in result.found:
            store.note_contact(found.account, found.number, now)
