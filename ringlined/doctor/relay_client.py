"""As much of STUN and TURN over UDP as shows whether a relay works (RFC 8489, RFC 8656)."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final, cast

from backplane.relay_credentials import long_term_key
from ringline.protocol.resources import RelayCredentials
from turn import stun
from turn.stun import Address, Attribute, Class, Message, Method

PAUSES_S: Final = (0.3, 0.6, 1.2)
"""RFC 8489 §6.2.1 sends for longer; a doctor has patients."""
_URI: Final = re.compile(r"turn:(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]?]+)):([0-9]{1,5})\?transport=udp")
_UDP: Final = (Attribute.REQUESTED_TRANSPORT, b"\x11\0\0\0")


class NoAnswer(Exception):
    """Not one of the attempts was answered."""


class Refused(Exception):
    """`code`: of STUN."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code


def relay_address(uri: str) -> Address:
    """RFC 7065. Raises ValueError."""
    match = _URI.fullmatch(uri)
    if match is None:
        raise ValueError(f"no relay's URI: {uri}")
    return match[1] or match[2], int(match[3])


class RelayClient(asyncio.DatagramProtocol):
    """One socket that asks one relay; made by `connected`."""

    def __init__(self) -> None:
        self._answers: asyncio.Queue[Message] = asyncio.Queue(maxsize=64)
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # uvloop's is no subclass

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - connected
        try:
            if not self._answers.full():
                self._answers.put_nowait(stun.parse(data))
        except stun.Malformed:
            pass

    def error_received(self, error: Exception) -> None:
        """Port unreachable: as good as no answer."""

    async def binding(self) -> Address:
        """How the relay sees us. Raises NoAnswer, Refused."""
        answer = await self._ask(Method.BINDING)
        return _address(answer, Attribute.XOR_MAPPED_ADDRESS)

    async def allocate(self, credentials: RelayCredentials) -> Address:
        """A relayed address, given back at once. Raises NoAnswer, Refused (401: our credential)."""
        try:
            await self._ask(Method.ALLOCATE, [_UDP])
        except _Challenge as challenge:
            username = (Attribute.USERNAME, credentials.username.encode())
            signed = [username, challenge.realm, challenge.nonce]
            realm = challenge.realm[1].decode()
            key = long_term_key(credentials.username, realm, credentials.password)
        else:
            raise Refused(0, "it asks for no credential")
        answer = await self._ask(Method.ALLOCATE, [_UDP, *signed], key)
        await self._ask(Method.REFRESH, [(Attribute.LIFETIME, bytes(4)), *signed], key)
        return _address(answer, Attribute.XOR_RELAYED_ADDRESS)

    async def _ask(
        self, method: Method, attributes: Iterable[tuple[int, bytes]] = (), key: bytes | None = None
    ) -> Message:
        transaction = secrets.token_bytes(12)
        request = stun.encode(method, Class.REQUEST, transaction, attributes, key=key)
        for pause_s in PAUSES_S:
            self._transport.sendto(request)
            try:
                async with asyncio.timeout(pause_s):
                    answer = await self._answer(transaction)
            except TimeoutError:
                continue
            if answer.kind == Class.SUCCESS:
                return answer
            raise _refusal(answer, signed=key is not None)
        raise NoAnswer

    async def _answer(self, transaction: bytes) -> Message:
        while True:
            answer = await self._answers.get()
            if answer.transaction_id == transaction:
                return answer


def _address(answer: Message, kind: Attribute) -> Address:
    """Raises Refused."""
    try:
        return stun.decode_xor_address(answer.attributes.get(kind, b""), answer.transaction_id)
    except stun.Malformed as error:
        raise Refused(0, f"{kind.name}: {error}") from None


class _Challenge(Refused):
    """What RFC 8489 §9.2.4 answers to a request without a credential."""

    def __init__(self, realm: bytes, nonce: bytes) -> None:
        super().__init__(401, "Unauthenticated")
        self.realm = (Attribute.REALM, realm)
        self.nonce = (Attribute.NONCE, nonce)


def _refusal(answer: Message, *, signed: bool) -> Refused:
    try:
        code, reason = stun.decode_error(answer.attributes.get(Attribute.ERROR_CODE, b""))
    except stun.Malformed as error:
        return Refused(0, str(error))
    realm, nonce = (answer.attributes.get(a) for a in (Attribute.REALM, Attribute.NONCE))
    if code == 401 and not signed and realm is not None and nonce is not None:
        return _Challenge(realm, nonce)
    return Refused(code, reason)


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[RelayClient]:
    """Raises OSError when there is no way there."""
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_datagram_endpoint(RelayClient, remote_addr=address)
    try:
        yield client
    finally:
        transport.close()
