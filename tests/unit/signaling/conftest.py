"""A connection without a socket, on the memory twins."""

from collections.abc import Callable, Sequence
from uuid import UUID

import pytest

from backplane.registry.ports import Grant
from backplane.storage.device_queues import Append, QueueDevice
from backplane.storage.device_queues_memory import MemoryDeviceQueues
from backplane.telemetry.metrics import Metrics
from ringline.protocol import frames
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import MSGPACK, encode_entry
from ringline.protocol.types import Address, ContentType
from signaling.connections import Connection, Connections
from signaling.session import Action, Emit, Session
from signaling.settings import GatewaySettings

TOKEN = "t" * 43


class RecordingConnection:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.frames: list[object] = []
        self.codes: list[CloseCode] = []

    def perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Emit):
                self.frames.append(MSGPACK.decode_server(MSGPACK.encode(action.frame)))

    def close(self, code: CloseCode) -> None:
        if self.session.close(code):
            self.codes.append(code)

    def delivered(self) -> list[int]:
        return [f.position for f in self.frames if isinstance(f, frames.Deliver)]


Connect = Callable[[Address], RecordingConnection]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def queues() -> MemoryDeviceQueues:
    return MemoryDeviceQueues()


@pytest.fixture
def connections() -> Connections:
    return Connections()


@pytest.fixture
def unready() -> Connect:
    """A connection that waits for its token to be checked."""
    count = iter(range(1, 10_000))

    def connect(address: Address) -> RecordingConnection:
        session = Session(f"session-{next(count)}", MSGPACK, GatewaySettings(), now=0)
        session.accept(frames.Authenticate(token=TOKEN))
        session.authenticated(Grant(address, 10**9))
        return RecordingConnection(session)

    return connect


@pytest.fixture
def connect(connections: Connections, unready: Connect) -> Connect:
    """A connection that is ready and in the table."""

    def connected(address: Address) -> RecordingConnection:
        connection = unready(address)
        connection.session.ready(0, 0, 0)
        connections.add(connection)
        return connection

    return connected


def message(number: int, sender: Address, body: bytes = b"hello") -> bytes:
    return encode_entry(
        frames.Message(
            id=UUID(int=number),
            conversation=sender.account,
            sender=sender,
            sequence=number,
            sent_at=0,
            content_type=ContentType.UNSEALED,
            body=body,
        )
    )


@pytest.fixture
def fill(queues: MemoryDeviceQueues) -> Callable[..., object]:
    """Open a device's queue, if need be, and put messages into it."""

    async def filled(address: Address, count: int, body: bytes = b"hello") -> None:
        await queues.open(address.account, QueueDevice(address.device, 7), 0)
        for number in range(count):
            payload = message(number + 1, Address(UUID(int=99), 1), body)
            await queues.change([], [Append(address.account, payload, 10**12, address.device)])

    return filled


def is_connection(value: RecordingConnection) -> Connection:
    return value
