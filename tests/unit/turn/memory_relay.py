"""A relay without sockets: manual clocks, ports in a table, datagrams in lists."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from backplane.relay_credentials import issue, long_term_key
from turn import stun
from turn.server import Place, Server
from turn.settings import RelaySettings
from turn.stun import Address, Attribute, Class, Message, Method

SECRET = "a secret of the tests"
HOST = "198.18.0.1"
EXTERNAL = "11.0.0.1"
PEER = ("11.2.3.4", 7000)
ANNA, BEN = UUID(int=1), UUID(int=2)
CALL = UUID(int=9)
UTC_S = 1_800_000_000
UDP = (Attribute.REQUESTED_TRANSPORT, b"\x11\0\0\0")


@dataclass
class MemoryPort:
    """A relayed port; `sent` has what went to peers."""

    address: Address
    ports: "MemoryPorts"
    sent: list[tuple[bytes, Address]] = field(default_factory=list)
    takes: bool = True
    closed: bool = False

    def send(self, data: bytes, peer: Address) -> bool:
        if self.takes:
            self.sent.append((data, peer))
        return self.takes

    def close(self) -> None:
        assert not self.closed
        self.closed = True
        self.ports.free.append(self.address[1])


class MemoryPorts:
    def __init__(self, ports: Iterable[int]) -> None:
        self.free = list(ports)
        self.opened: list[MemoryPort] = []

    def open(self, *, even: bool) -> MemoryPort | None:
        for number in self.free:
            if not even or number % 2 == 0:
                self.free.remove(number)
                self.opened.append(MemoryPort((HOST, number), self))
                return self.opened[-1]
        return None


class MemoryDeadlines:
    """Answers at once, unless `held`: then `answer` does."""

    def __init__(self) -> None:
        self.until: dict[UUID, int] = {}
        self.held = False
        self.waiting: list[tuple[UUID, Callable[[int | None], None]]] = []

    def ask(self, call: UUID, then: Callable[[int | None], None]) -> None:
        self.waiting.append((call, then))
        if not self.held:
            self.answer()

    def answer(self) -> None:
        waiting, self.waiting = self.waiting, []
        for call, then in waiting:
            then(self.until.get(call))


class MemoryRelay:
    """`now_s` and `utc_s` move by hand."""

    def __init__(self, settings: RelaySettings, secrets: tuple[str, ...] = (SECRET,)) -> None:
        self.now_s, self.utc_s = 1_000.0, float(UTC_S)
        self.ports = MemoryPorts(range(50_001, 50_005))
        self.deadlines = MemoryDeadlines()
        self.sent: list[tuple[bytes, Address]] = []
        """To clients."""
        self.takes = True
        self._count = 0
        self.server = Server(
            settings,
            secrets,
            Place(HOST, EXTERNAL, frozenset({HOST, EXTERNAL, "11.0.0.2"})),
            ports=self.ports,
            deadlines=self.deadlines,
            send=self._send,
            utc_s=lambda: self.utc_s,
            entropy=self.entropy,
        )

    def _send(self, data: bytes, client: Address) -> bool:
        if self.takes:
            self.sent.append((data, client))
        return self.takes

    def entropy(self, size: int) -> bytes:
        self._count += 1
        return self._count.to_bytes(size, "big")

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        self.utc_s += seconds
        self.server.expire(self.now_s)

    def client(self, port: int = 6000, account: UUID = ANNA, host: str = "11.1.1.1") -> "Client":
        return Client(self, (host, port), account)

    def from_peer(self, data: bytes, to: int, peer: Address = PEER) -> None:
        self.server.peer_data(to, data, peer, self.now_s)


class Client:
    def __init__(self, relay: MemoryRelay, source: Address, account: UUID) -> None:
        self.relay = relay
        self.source = source
        self.credential(SECRET, account)
        self.nonce = b""
        self.realm = "ringline"

    def credential(
        self, secret: str, account: UUID, allocate_s: int = 600, refresh_s: int = 43_200
    ) -> None:
        now_s = int(self.relay.utc_s)
        self.username, self.password = issue(
            secret, account, CALL, now_s + allocate_s, now_s + refresh_s
        )

    @property
    def key(self) -> bytes:
        return long_term_key(self.username, self.realm, self.password)

    def tell(self, data: bytes) -> list[bytes]:
        """What comes back to this client at once."""
        before = len(self.relay.sent)
        if data[:1] and 0x40 <= data[0] <= 0x4F:
            self.relay.server.channel_data(data, self.source, self.relay.now_s)
        else:
            self.relay.server.received(data, self.source, self.relay.now_s)
        return [each for each, to in self.relay.sent[before:] if to == self.source]

    def plain(self, method: int, *attributes: tuple[int, bytes]) -> Message:
        [reply] = self.tell(stun.encode(method, Class.REQUEST, self.relay.entropy(12), attributes))
        return stun.parse(reply)

    def signed(
        self, method: int, *attributes: tuple[int, bytes], transaction_id: bytes = b""
    ) -> bytes:
        if not self.nonce:
            self.nonce = self.plain(Method.ALLOCATE, UDP).attributes[Attribute.NONCE]
        return stun.encode(
            method,
            Class.REQUEST,
            transaction_id or self.relay.entropy(12),
            [
                *attributes,
                (Attribute.USERNAME, self.username.encode()),
                (Attribute.REALM, self.realm.encode()),
                (Attribute.NONCE, self.nonce),
            ],
            key=self.key,
        )

    def ask(self, method: int, *attributes: tuple[int, bytes]) -> Message:
        [reply] = self.tell(self.signed(method, *attributes))
        return stun.parse(reply)

    def allocate(self, *more: tuple[int, bytes]) -> Message:
        return self.ask(Method.ALLOCATE, UDP, *more)

    def allocated(self) -> MemoryPort:
        assert error(self.allocate()) is None
        return self.relay.ports.opened[-1]

    def refresh(self, lifetime_s: int | None = None, *more: tuple[int, bytes]) -> Message:
        wish = [] if lifetime_s is None else [lifetime(lifetime_s)]
        return self.ask(Method.REFRESH, *wish, *more)

    def _peers(
        self, method: int, *attributes: tuple[int, bytes], peers: Iterable[Address]
    ) -> Message:
        transaction_id = self.relay.entropy(12)
        named = [
            (Attribute.XOR_PEER_ADDRESS, stun.encode_xor_address(peer, transaction_id))
            for peer in peers
        ]
        [reply] = self.tell(self.signed(method, *attributes, *named, transaction_id=transaction_id))
        return stun.parse(reply)

    def permit(self, *peers: Address) -> Message:
        return self._peers(Method.CREATE_PERMISSION, peers=peers)

    def bind(self, number: int, peer: Address = PEER) -> Message:
        channel = (Attribute.CHANNEL_NUMBER, number.to_bytes(2, "big") + bytes(2))
        return self._peers(Method.CHANNEL_BIND, channel, peers=[peer])

    def send(self, data: bytes, peer: Address = PEER, *more: tuple[int, bytes]) -> None:
        transaction_id = self.relay.entropy(12)
        named = (Attribute.XOR_PEER_ADDRESS, stun.encode_xor_address(peer, transaction_id))
        attributes = [named, (Attribute.DATA, data), *more]
        assert not self.tell(stun.encode(Method.SEND, Class.INDICATION, transaction_id, attributes))

    def channel(self, number: int, data: bytes, size: int | None = None) -> None:
        length = len(data) if size is None else size
        self.tell(number.to_bytes(2, "big") + length.to_bytes(2, "big") + data)


def lifetime(seconds: int) -> tuple[int, bytes]:
    return Attribute.LIFETIME, seconds.to_bytes(4, "big")


def lifetime_s(message: Message) -> int:
    return int.from_bytes(message.attributes[Attribute.LIFETIME], "big")


def error(message: Message) -> int | None:
    value = message.attributes.get(Attribute.ERROR_CODE)
    assert (value is not None) is (message.kind == Class.ERROR)
    return None if value is None else stun.decode_error(value)[0]
