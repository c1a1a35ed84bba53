"""What a relay answers, sans-IO: RFC 8656, steps in its order; long-term credentials by RFC 8489 §9.2.4.

    client ─ request ──▶ received ─▶ reply by `send`
    client ─ ChannelData, Send ──▶ the allocation's port ─▶ peer
    peer ──▶ peer_data ─▶ ChannelData or Data indication to the client

No state is kept of a source before MESSAGE-INTEGRITY verifies. Left out: TCP (RFC 6062), reservations
(RESERVATION-TOKEN, the R bit of EVEN-PORT: 508), DONT-FRAGMENT (420, a Send that has it is dropped), a second address family in
one allocation (440), ICMP (§11.5), mobility (RFC 8016). An Allocate that names no address family gets
the relay's own.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from backplane.relay_credentials import long_term_key, password, read_username
from turn import stun
from turn.allocation import (
    CHANNEL_MAX,
    CHANNEL_MIN,
    Allocation,
    Channel,
    RelayedPort,
)
from turn.challenge_budget import ChallengeBudget
from turn.counts import Counts
from turn.nonce import Nonces
from turn.peer_rules import may_be_peer, source_group
from turn.quota import Quota
from turn.reply import CHALLENGES, KNOWN, REASONS, Refusal, Request
from turn.settings import RelaySettings
from turn.stun import Address, Attribute, Class, Malformed, Message, Method

USERNAME_OCTETS_MAX: Final = 512
"""RFC 8489 §14.3."""
UDP: Final = 17


class RelayedPorts(Protocol):
    def open(self, *, even: bool) -> RelayedPort | None:
        """None: none is left."""


class Deadlines(Protocol):
    """Until when a call's allocations are refreshed."""

    def ask(self, call: UUID, then: Callable[[int | None], None]) -> None:
        """`then` is told the UTC milliseconds, or None where there is no deadline or no answer; once,
        perhaps at once."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the relay is."""

    host: str
    """Bound."""
    external: str
    """Told to clients."""
    own_addresses: frozenset[str]
    """Of this machine, external and loopback too."""


class Server:
    """`send(data, client)` sends from the listening port, False: not taken. `now_s` never goes back; `utc_s()` is the
    wall clock, for credentials alone."""

    def __init__(
        self,
        settings: RelaySettings,
        secrets: Sequence[str],
        place: Place,
        *,
        ports: RelayedPorts,
        deadlines: Deadlines,
        send: Callable[[bytes, Address], bool],
        utc_s: Callable[[], float],
        entropy: Callable[[int], bytes],
    ) -> None:
        if not secrets or not all(secrets):
            raise ValueError("a relay needs a secret")
        self._settings = settings
        self._secrets = tuple(secrets)
        self._place = place
        self._ports = ports
        self._deadlines = deadlines
        self._send = send
        self._utc_s = utc_s
        self._entropy = entropy
        self._own = place.own_addresses
        self._realm = settings.realm
        self._family = 2 if ":" in place.host else 1
        self._nonces = Nonces(entropy(32), settings.nonce_lifetime_s)
        self._quota = Quota(settings)
        self.budget = ChallengeBudget(
            entropy(32), settings.challenges_per_source_s, settings.challenges_per_s
        )
        self.counts = Counts()
        self.allocations: dict[Address, Allocation] = {}
        """By the client's address: the listening address and UDP are the rest of the 5-tuple."""
        self._by_port: dict[int, Allocation] = {}
        self._methods = {
            Method.ALLOCATE: self._allocate,
            Method.REFRESH: self._refresh,
            Method.CREATE_PERMISSION: self._create_permission,
            Method.CHANNEL_BIND: self._channel_bind,
        }

    @property
    def load(self) -> float:
        """0 idle … 1 full."""
        return self._quota.total / self._settings.allocations_max

    def owns(self, addresses: Iterable[str]) -> None:
        """The machine's addresses, as they are now."""
        self._own = frozenset({self._place.host, self._place.external, *addresses})

    # From clients.

    def received(self, data: bytes, source: Address, now_s: float) -> None:
        """Anything but ChannelData. Never raises for what a peer sends."""
        try:
            message = stun.parse(data)
        except Malformed:
            self.counts.dropped["malformed"] += 1
            return
        if message.kind == Class.INDICATION:
            self._indication(message, source, now_s)
        elif message.kind == Class.REQUEST:
            self._request(message, source, now_s)
        else:
            self.counts.dropped["response"] += 1

    def _request(self, message: Message, source: Address, now_s: float) -> None:
        request = Request(message, source, now_s)
        try:
            if message.method == Method.BINDING:
                reply = self._binding(request)
            else:
                self._authenticate(request)
                answer = self._methods[Method(message.method)](request)
                if answer is None:
                    return  # comes later
                reply = answer
        except Refusal as refusal:
            reply = self._refuse(request, refusal)
        if request.is_authentic or self.budget.spend(source_group(source[0]), now_s):
            self._send(reply, source)

    def _binding(self, request: Request) -> bytes:
        """RFC 8489 §6.3.1, no authentication."""
        request.refuse_unknown()
        return request.success(
            [(Attribute.XOR_MAPPED_ADDRESS, request.xor_address(request.source))]
        )

    def _authenticate(self, request: Request) -> None:
        """RFC 8489 §9.2.4. Raises Refusal."""
        message = request.message
        if message.method not in self._methods:
            raise Refusal(400)
        if not message.integrity_offset:
            raise Refusal(401)
        name = message.attributes.get(Attribute.USERNAME)
        nonce = message.attributes.get(Attribute.NONCE)
        realm = message.attributes.get(Attribute.REALM)
        if name is None or nonce is None or realm is None:
            raise Refusal(400)
        if not self._nonces.is_fresh(nonce, request.source, request.now_s):
            raise Refusal(438)
        self._check_name(request, name)
        request.refuse_unknown()

    def _check_name(self, request: Request, name: bytes) -> None:
        try:
            username = name.decode("ascii") if len(name) <= USERNAME_OCTETS_MAX else ""
        except UnicodeDecodeError:
            raise Refusal(401) from None
        credential = read_username(username)
        if credential is None:
            raise Refusal(401)
        for secret in self._secrets:
            key = long_term_key(username, self._realm, password(secret, username))
            if request.message.is_authentic(key):
                request.authenticated(username, credential, key)
                return
        raise Refusal(401)

    def _refuse(self, request: Request, refusal: Refusal) -> bytes:
        """Challenges are not signed: the client may have no key (§9.2.4)."""
        self.counts.refused[str(refusal.code)] += 1
        attributes = [
            (Attribute.ERROR_CODE, stun.encode_error(refusal.code, REASONS[refusal.code])),
            *refusal.attributes,
        ]
        if refusal.code not in CHALLENGES:
            return request.reply(Class.ERROR, attributes)
        attributes += [
            (Attribute.REALM, self._realm.encode()),
            (Attribute.NONCE, self._nonces.make(request.source, request.now_s)),
        ]
        return request.reply(Class.ERROR, attributes, signed=False)

    # RFC 8656 §7.

    def _allocate(self, request: Request) -> bytes:
        known = self.allocations.get(request.source)
        if known is not None:
            if (
                known.transaction_id == request.message.transaction_id
                and known.username == request.username
            ):
                return self._allocated(request, known)  # the reply was lost
            raise Refusal(437)
        credential = request.credential
        if self._utc_s() >= min(credential.allocate_until_s, credential.refresh_until_s):
            raise Refusal(401)
        lifetime_s, even = self._lifetime_s(request), self._check_allocate(request)
        group = source_group(request.source[0])
        if not self._quota.has_room(credential.account, group):
            raise Refusal(486)
        port = self._ports.open(even=even)
        if port is None:
            raise Refusal(508)
        self._quota.take(credential.account, group)
        allocation = Allocation(
            client=request.source,
            username=request.username,
            credential=credential,
            key=request.key,
            port=port,
            relayed=(self._place.external, port.address[1]),
            transaction_id=request.message.transaction_id,
            expires_s=request.now_s + lifetime_s,
            group=group,
        )
        self.allocations[request.source] = allocation
        self._by_port[port.address[1]] = allocation
        self.counts.allocations["made"] += 1
        return self._allocated(request, allocation)

    def _check_allocate(self, request: Request) -> bool:
        """§7.2, steps 3 to 9: whether an even port is wanted."""
        attributes = request.message.attributes
        transport = attributes.get(Attribute.REQUESTED_TRANSPORT)
        if transport is None or len(transport) != 4:
            raise Refusal(400)
        if transport[0] != UDP:
            raise Refusal(442)
        even = attributes.get(Attribute.EVEN_PORT)
        if Attribute.RESERVATION_TOKEN in attributes:
            raise Refusal(400 if even is not None else 508)
        family = attributes.get(Attribute.REQUESTED_ADDRESS_FAMILY)
        if Attribute.ADDITIONAL_ADDRESS_FAMILY in attributes:
            raise Refusal(400 if family is not None else 440)
        if family is not None and len(family) != 4:
            raise Refusal(400)
        if family is not None and family[0] != self._family:
            raise Refusal(440)
        if even is None:
            return False
        if len(even) != 1:
            raise Refusal(400)
        if even[0] & 0x80:
            raise Refusal(508)
        return True

    def _allocated(self, request: Request, allocation: Allocation) -> bytes:
        """§7.3."""
        lifetime_s = max(0, round(allocation.expires_s - request.now_s))
        return request.success(
            [
                (Attribute.XOR_RELAYED_ADDRESS, request.xor_address(allocation.relayed)),
                (Attribute.LIFETIME, lifetime_s.to_bytes(4, "big")),
                (Attribute.XOR_MAPPED_ADDRESS, request.xor_address(request.source)),
            ]
        )

    def _lifetime_s(self, request: Request) -> int:
        """§7.2: between the default and the maximum."""
        wished = request.lifetime_s()
        default, most = (
            self._settings.allocation_lifetime_s,
            self._settings.allocation_lifetime_s_max,
        )
        return default if wished is None else max(default, min(wished, most))

    def _own_allocation(self, request: Request) -> Allocation:
        """Raises Refusal: none here (437), somebody else's (441)."""
        allocation = self.allocations.get(request.source)
        if allocation is None:
            raise Refusal(437)
        if allocation.username != request.username:
            raise Refusal(441)
        return allocation

    # §8.

    def _refresh(self, request: Request) -> bytes | None:
        allocation = self._own_allocation(request)
        wished = request.lifetime_s()
        family = request.message.attributes.get(Attribute.REQUESTED_ADDRESS_FAMILY)
        if family is not None and family[:1] != bytes([self._family]):
            raise Refusal(443)
        if wished == 0:
            self._end(allocation, "deleted")
            return request.success([(Attribute.LIFETIME, bytes(4))])
        self._check_refresh_time(request)
        if allocation.refreshing:
            self.counts.dropped["refresh-pending"] += 1
            return None
        allocation.refreshing = True
        self._deadlines.ask(
            request.credential.call, lambda until: self._refreshed(request, allocation, until)
        )
        return None

    def _check_refresh_time(self, request: Request) -> None:
        if self._utc_s() >= request.credential.refresh_until_s:
            raise Refusal(401)

    def _refreshed(self, request: Request, allocation: Allocation, until: int | None) -> None:
        """The registry has spoken."""
        allocation.refreshing = False
        if self.allocations.get(request.source) is not allocation:
            return  # ended meanwhile
        if until is not None and until <= self._utc_s() * 1000:
            self._send(self._refuse(request, Refusal(401)), request.source)
            return
        lifetime_s = self._lifetime_s(request)
        allocation.expires_s = request.now_s + lifetime_s
        self._send(
            request.success([(Attribute.LIFETIME, lifetime_s.to_bytes(4, "big"))]), request.source
        )

    # §10, §12.

    def _create_permission(self, request: Request) -> bytes:
        allocation = self._own_allocation(request)
        self._check_refresh_time(request)
        values = request.message.every(Attribute.XOR_PEER_ADDRESS)
        if not values:
            raise Refusal(400)
        hosts = {self._peer(request, value)[0] for value in values}
        self._permit(allocation, hosts, request.now_s)
        return request.success([])

    def _permit(self, allocation: Allocation, hosts: set[str], now_s: float) -> None:
        """All of them or (508) none."""
        if (
            len(allocation.permissions.keys() | hosts)
            > self._settings.permissions_per_allocation_max
        ):
            allocation.forget_expired(now_s)
        if (
            len(allocation.permissions.keys() | hosts)
            > self._settings.permissions_per_allocation_max
        ):
            raise Refusal(508)
        expires_s = now_s + self._settings.permission_lifetime_s
        allocation.permissions |= dict.fromkeys(hosts, expires_s)

    def _peer(self, request: Request, value: bytes) -> Address:
        """Raises Refusal: 400, 443 (another family), 403 (not an address that we relay to)."""
        try:
            peer = stun.decode_xor_address(value, request.message.transaction_id)
        except Malformed:
            raise Refusal(400) from None
        if not may_be_peer(peer[0], allow_private=self._settings.allow_private_peers):
            raise Refusal(403)
        if (":" in peer[0]) != (self._family == 2):
            raise Refusal(443)
        return peer

    def _channel_bind(self, request: Request) -> bytes:
        allocation = self._own_allocation(request)
        self._check_refresh_time(request)
        attributes = request.message.attributes
        number = attributes.get(Attribute.CHANNEL_NUMBER, b"")
        value = attributes.get(Attribute.XOR_PEER_ADDRESS)
        if len(number) != 4 or value is None:
            raise Refusal(400)
        channel = self._channel(
            request, allocation, int.from_bytes(number[:2], "big"), self._peer(request, value)
        )
        self._permit(allocation, {channel.peer[0]}, request.now_s)
        allocation.channels[channel.number] = allocation.channel_of[channel.peer] = channel
        return request.success([])

    def _channel(
        self, request: Request, allocation: Allocation, number: int, peer: Address
    ) -> Channel:
        """New, or the one that is refreshed. Raises Refusal."""
        if not CHANNEL_MIN <= number <= CHANNEL_MAX or peer[1] == 0:
            raise Refusal(400)
        allocation.forget_expired(request.now_s)
        by_number, by_peer = allocation.channels.get(number), allocation.channel_of.get(peer)
        if by_number is not by_peer:
            raise Refusal(400)
        if not self._is_reachable(peer):
            self.counts.dropped["own-port"] += 1
            raise Refusal(403)
        if (
            by_number is None
            and len(allocation.channels) >= self._settings.channels_per_allocation_max
        ):
            raise Refusal(508)
        return Channel(
            number=number,
            peer=peer,
            target=self._target(peer),
            expires_s=request.now_s + self._settings.channel_lifetime_s,
        )

    # Data.

    def _is_reachable(self, peer: Address) -> bool:
        """Of this node's own addresses, only a live allocation's port is: never the listening port
        (so that no datagram crosses more than two allocations), never another program's."""
        if peer[0] not in self._own:
            return True
        return peer[1] in self._by_port and peer[0] in (self._place.host, self._place.external)

    def _target(self, peer: Address) -> Address:
        """Another allocation of this relay is reached where it is bound, not by way of a translation."""
        if peer[0] == self._place.external and peer[1] in self._by_port:
            return self._place.host, peer[1]
        return peer

    def _indication(self, message: Message, source: Address, now_s: float) -> None:
        """§11.1, §11.2."""
        if message.method != Method.SEND or message.unknown(KNOWN):
            self.counts.dropped["indication"] += 1
            return
        allocation = self.allocations.get(source)
        value, data = (
            message.attributes.get(Attribute.XOR_PEER_ADDRESS),
            message.attributes.get(Attribute.DATA),
        )
        if allocation is None or value is None or data is None:
            self.counts.dropped["no-allocation" if allocation is None else "indication"] += 1
            return
        try:
            peer = stun.decode_xor_address(value, message.transaction_id)
        except Malformed:
            self.counts.dropped["malformed"] += 1
            return
        if not allocation.permits(peer[0], now_s):
            self.counts.dropped["no-permission"] += 1
        elif not self._is_reachable(peer):
            self.counts.dropped["own-port"] += 1
        else:
            self._to_peer(allocation, data, self._target(peer))

    def channel_data(self, data: bytes, source: Address, now_s: float) -> None:
        """§12.5: the first octet is 0x40 … 0x4F."""
        allocation = self.allocations.get(source)
        if allocation is None:
            self.counts.dropped["no-allocation"] += 1
            return
        size = int.from_bytes(data[2:4], "big")
        if len(data) < 4 + size or len(data) < 4:
            self.counts.dropped["malformed"] += 1
            return
        channel = allocation.channels.get(data[0] << 8 | data[1])
        if channel is None or channel.expires_s <= now_s:
            self.counts.dropped["no-channel"] += 1
        elif not allocation.permits(channel.peer[0], now_s):
            self.counts.dropped["no-permission"] += 1
        elif not self._is_reachable(channel.peer):
            self.counts.dropped["own-port"] += 1
        else:
            self._to_peer(allocation, data[4 : 4 + size], channel.target)

    def _to_peer(self, allocation: Allocation, data: bytes, target: Address) -> None:
        if target[1] == 0 or not allocation.port.send(data, target):
            self.counts.dropped["unsent"] += 1
            return
        self.counts.packets["to_peer"] += 1
        self.counts.octets["to_peer"] += len(data)

    def peer_data(self, port: int, data: bytes, peer: Address, now_s: float) -> None:
        """A datagram came to a relayed port (§11.3, §12.6)."""
        allocation = self._by_port.get(port)
        if allocation is None:
            return
        if peer[0] in self._own:
            if not self._is_reachable(peer):
                self.counts.dropped["own-port"] += 1
                return
            peer = (self._place.external, peer[1])
        if not allocation.permits(peer[0], now_s):
            self.counts.dropped["no-permission"] += 1
            return
        channel = allocation.channel_of.get(peer)
        if channel is not None and channel.expires_s > now_s:
            datagram = (channel.number << 16 | len(data)).to_bytes(4, "big") + data
        else:
            datagram = self._data_indication(data, peer)
        if not self._send(datagram, allocation.client):
            self.counts.dropped["unsent"] += 1
            return
        self.counts.packets["to_client"] += 1
        self.counts.octets["to_client"] += len(data)

    def _data_indication(self, data: bytes, peer: Address) -> bytes:
        """§11.3."""
        transaction_id = self._entropy(12)
        return stun.encode(
            Method.DATA,
            Class.INDICATION,
            transaction_id,
            [
                (Attribute.XOR_PEER_ADDRESS, stun.encode_xor_address(peer, transaction_id)),
                (Attribute.DATA, data),
            ],
        )

    # Time.

    def expire(self, now_s: float) -> None:
        """End what has come to its end; once a second or so."""
        for allocation in [each for each in self.allocations.values() if each.expires_s <= now_s]:
            self._end(allocation, "expired")

    def end_all(self) -> None:
        for allocation in list(self.allocations.values()):
            self._end(allocation, "stopped")

    def _end(self, allocation: Allocation, how: str) -> None:
        del self.allocations[allocation.client]
        self._by_port.pop(allocation.port.address[1], None)
        self._quota.give_back(allocation.credential.account, allocation.group)
        self.counts.allocations[how] += 1
        allocation.port.close()
