"""Real gateways on loopback, and clients that speak the wire by hand."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import aiohttp
import msgspec
from uuid_utils.compat import uuid7

from backplane.bus.memory import MemoryHub
from backplane.bus.open import memory_bus, open_bus
from backplane.bus.ports import Bus
from backplane.registry.open import memory_registry, open_registry
from backplane.registry.ports import Registry
from backplane.registry.settings import RegistrySettings
from backplane.storage.device_queues import DeviceQueues
from backplane.storage.open_sqlite import migrate, open_memory_storage, open_storage
from backplane.storage.records import Records
from backplane.storage.settings import StorageSettings
from backplane.telemetry.health_asyncio import Health
from backplane.telemetry.metrics import Metrics
from messaging.app import Messaging, build_messaging
from messaging.settings import MessagingSettings, RegistrationLimits
from ringline.protocol import codec, frames, resources
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import Codec
from ringline.protocol.types import Address, ContentType, DeviceBody, Recipient
from signaling.app import Gateway, build_gateway, utc_ms
from signaling.call_desk import CallDesk
from signaling.gateway_secrets import GatewaySecrets
from signaling.notifier import Notifier
from signaling.settings import GatewaySettings

T = TypeVar("T")
F = TypeVar("F", bound=frames.ServerFrame)
DEADLINE_S = 5.0
TEST_PREFIX = "+4479112"
TEST_CODE = "123456"
"""Of numbers that need no provider, and no pause between two codes."""


async def until(condition: Callable[[], T], timeout_s: float = DEADLINE_S) -> T:
    """Poll with a deadline."""
    async with asyncio.timeout(timeout_s):
        while not (value := condition()):  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
    return value


class CodeBook:
    """A code provider that anybody can read."""

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}
        self.sent = 0

    async def send(self, number: str, code: str) -> None:
        self.codes[number] = code
        self.sent += 1


@dataclass(kw_only=True)
class Ground:
    """What the nodes of one installation share: files and Redis, or memory."""

    directory: Path | None = None
    redis_url: str | None = None
    code_book: CodeBook = field(default_factory=CodeBook)
    clock: Callable[[], int] = utc_ms
    secrets: GatewaySecrets = field(default_factory=GatewaySecrets)
    _memory: tuple[Records, DeviceQueues, Registry, MemoryHub] | None = None

    def open(self) -> tuple[Records, DeviceQueues, Registry, Bus]:
        if self.directory is None or self.redis_url is None:
            if self._memory is None:
                self._memory = (*open_memory_storage(), memory_registry(self.clock), MemoryHub())
            records, queues, registry, hub = self._memory
            return records, queues, registry, memory_bus(hub)
        settings = StorageSettings(directory=str(self.directory))
        migrate(settings)
        redis = RegistrySettings(url=self.redis_url)
        return (*open_storage(settings), open_registry(redis), open_bus(redis))


@dataclass
class Node:
    gateway: Gateway
    messaging: Messaging
    metrics: Metrics
    ground: Ground
    http: aiohttp.ClientSession
    health: Health

    @classmethod
    async def start(
        cls,
        ground: Ground,
        settings: GatewaySettings | None = None,
        limits: RegistrationLimits | None = None,
    ) -> "Node":
        records, queues, registry, bus = ground.open()
        notifier, metrics, health = Notifier(), Metrics(), Health()
        messaging = build_messaging(
            records=records,
            queues=queues,
            registry=registry,
            bus=bus,
            code_sender=ground.code_book,
            settings=MessagingSettings(
                allow_unsealed=True,
                test_prefix=TEST_PREFIX,
                test_prefix_code=TEST_CODE,
                limits=limits or roomy_limits(),
            ),
            clock=ground.clock,
            entropy=secrets.token_bytes,
            notify=notifier,
        )
        desk = CallDesk(
            records=records,
            queues=queues,
            contacts=messaging.contacts,
            limits=registry.limits,
            relay_deadlines=registry.relay_deadlines,
            calls_per_caller_minute=1_000,
            calls_per_pair_minute=1_000,
            clock=ground.clock,
            notify=notifier,
        )
        given = settings or GatewaySettings()
        gateway = build_gateway(
            msgspec.structs.replace(given, port=0, admin_port=0),
            messaging,
            desk,
            notifier=notifier,
            metrics=metrics,
            health=health,
            gateway_secrets=ground.secrets,
            clock=ground.clock,
        )
        await gateway.start()
        return cls(gateway, messaging, metrics, ground, aiohttp.ClientSession(), health)

    @property
    def port(self) -> int:
        return self.gateway.bound_addresses.public[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        await self.http.close()
        await self.gateway.stop()
        await self.messaging.bus.shut()
        await self.messaging.registry.shut()
        await self.messaging.queues.shut()
        await self.messaging.records.shut()

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"ringline_{name}", labels) or 0.0

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        data: Any = None,
    ) -> "Answer":
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            data = msgspec.json.encode(body)
            sent.setdefault("Content-Type", "application/json")
        async with self.http.request(
            method, self.url + path, data=data, headers=sent, skip_auto_headers=["User-Agent"]
        ) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def operate(
        self, method: str, path: str, token: str | None, data: bytes | None = None
    ) -> "Answer":
        """A request at the operator's port."""
        host, port = self.gateway.bound_addresses.admin
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self.http.request(
            method, f"http://{host}:{port}{path}", data=data, headers=headers
        ) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    # People.

    async def register(self, number: str, registration_id: int = 1) -> "Person":
        answer = await self.request(
            "POST", "/v1/registrations", resources.NewRegistration(number=number)
        )
        registration = answer.read_as(resources.Registration, 201)
        verification = resources.Verification(
            code=self.ground.code_book.codes.get(number, TEST_CODE),
            device=resources.NewDevice(name="phone", registration_id=registration_id),
        )
        path = f"/v1/registrations/{registration.registration}/device"
        answer = await self.request("POST", path, verification)
        return await self._person(answer.read_as(resources.DeviceCredential, 201), registration_id)

    async def link(self, person: "Person", registration_id: int = 2) -> "Person":
        answer = await self.request("POST", "/v1/devices/link-codes", token=person.token)
        shown = answer.read_as(resources.LinkCode, 201)
        body = resources.LinkedDevice(
            link_code=shown.link_code,
            device=resources.NewDevice(name="tablet", registration_id=registration_id),
        )
        answer = await self.request("POST", "/v1/devices", body)
        return await self._person(answer.read_as(resources.DeviceCredential, 201), registration_id)

    async def _person(
        self, credential: resources.DeviceCredential, registration_id: int
    ) -> "Person":
        address = Address(credential.account, credential.device)
        token = await self.token(address, credential.credential)
        return Person(address, registration_id, credential.credential, token)

    async def token(self, address: Address, credential: str) -> str:
        body = resources.NewAccessToken(
            account=address.account, device=address.device, credential=credential
        )
        answer = await self.request("POST", "/v1/tokens", body)
        return answer.read_as(resources.AccessToken, 201).access_token

    async def befriend(self, one: "Person", other: "Person") -> None:
        for owner, peer in ((one, other), (other, one)):
            path = f"/v1/contacts/{peer.address.account}"
            answer = await self.request("PUT", path, token=owner.token)
            answer.read_as(resources.Contact, 200)

    async def dial(
        self, chosen: Codec = codec.MSGPACK, headers: dict[str, str] | None = None, **options: Any
    ) -> "Wire":
        """A connection that has not said who it is."""
        ws = await self.http.ws_connect(
            self.url + "/v1/socket",
            protocols=[chosen.subprotocol],
            headers=headers,
            max_msg_size=0,
            **options,
        )
        return Wire(ws, chosen)

    async def connect(
        self, person: "Person", chosen: Codec = codec.MSGPACK, resume_after: int | None = None
    ) -> "Wire":
        wire = await self.dial(chosen)
        await wire.send(frames.Authenticate(ref=1, token=person.token, resume_after=resume_after))
        wire.ready = await wire.expect(frames.Ready)
        return wire


def roomy_limits() -> RegistrationLimits:
    """Many people from one address, all at once."""
    many = 1_000_000
    return RegistrationLimits(
        codes_per_number_day=many,
        resend_after_s=1,
        codes_per_address_hour=many,
        codes_per_prefix_hour=many,
        registrations_per_address_hour=many,
        tokens_per_address_minute=many,
        tokens_per_device_hour=many,
        link_attempts_per_address_hour=many,
        link_codes_per_account_hour=many,
    )


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def read_as(self, shape: type[T], status: int) -> T:
        assert self.status == status, (self.status, self.body)
        return msgspec.json.decode(self.body, type=shape)

    def problem(self) -> str:
        """The slug; also checks that it is a proper problem document."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        document = msgspec.json.decode(self.body, type=dict[str, Any])
        assert document["status"] == self.status
        return str(document["type"]).removeprefix("/problems/")


@dataclass
class Person:
    """One device of an account."""

    address: Address
    registration_id: int
    credential: str
    token: str
    _sequences: dict[UUID, int] = field(default_factory=dict)

    def write(
        self, other: "Person", body: bytes = b"hello", ref: int = 2, *own: "Person"
    ) -> frames.Send:
        """The next message to the other account, which has one device; `own`: one's own other devices."""
        to = other.address.account
        sequence = self._sequences[to] = self._sequences.get(to, 0) + 1
        recipients = [Recipient(to, [other.sealed(body)])]
        if own:
            recipients.append(Recipient(self.address.account, [each.sealed(body) for each in own]))
        return frames.Send(
            ref=ref,
            id=uuid7(),
            conversation=to,
            sequence=sequence,
            content_type=ContentType.UNSEALED,
            recipients=recipients,
        )

    def sealed(self, body: bytes) -> DeviceBody:
        return DeviceBody(self.address.device, self.registration_id, body)


class Wire:
    """A WebSocket of one device."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, chosen: Codec) -> None:
        self.ws = ws
        self.codec = chosen
        self.seen: list[frames.AnyServerFrame] = []
        self.ready: frames.Ready | None = None

    async def send(self, *listed: frames.ClientFrame) -> None:
        for frame in listed:
            await self.send_raw(self.codec.encode(frame))

    async def send_raw(self, data: bytes) -> None:
        if self.codec.binary:
            await self.ws.send_bytes(data)
        else:
            await self.ws.send_str(data.decode())

    async def receive(self, timeout_s: float = DEADLINE_S) -> frames.AnyServerFrame | int:
        """The next frame, or the close code."""
        message = await self.ws.receive(timeout_s)
        if message.type is aiohttp.WSMsgType.BINARY:
            frame = self.codec.decode_server(message.data)
        elif message.type is aiohttp.WSMsgType.TEXT:
            frame = self.codec.decode_server(message.data.encode())
        else:
            return self.ws.close_code or 1006
        self.seen.append(frame)
        return frame

    async def expect(self, kind: type[F], timeout_s: float = DEADLINE_S) -> F:
        """The next frame of this kind; others are passed over and stay in `seen`."""
        async with asyncio.timeout(timeout_s):
            while True:
                frame = await self.receive(timeout_s)
                if isinstance(frame, kind):
                    return frame
                if isinstance(frame, int):
                    raise AssertionError(f"closed with {frame} before {kind.__name__}")

    async def expect_close(self, timeout_s: float = DEADLINE_S) -> CloseCode:
        async with asyncio.timeout(timeout_s):
            while True:
                frame = await self.receive(timeout_s)
                if isinstance(frame, int):
                    return CloseCode(frame)

    async def messages(self, count: int, timeout_s: float = DEADLINE_S) -> Sequence[frames.Deliver]:
        """The next `count` delivered messages."""
        listed: list[frames.Deliver] = []
        while len(listed) < count:
            frame = await self.expect(frames.Deliver, timeout_s)
            if isinstance(frame.entry, frames.Message):
                listed.append(frame)
        return listed

    async def close(self) -> None:
        await self.ws.close()
