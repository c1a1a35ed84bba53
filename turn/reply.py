"""A request under work, and how it is answered."""

from collections.abc import Iterable
from typing import Final

from backplane.relay_credentials import CredentialName
from turn import stun
from turn.stun import Address, Attribute, Class, Message

KNOWN: Final = frozenset(
    {
        Attribute.USERNAME,
        Attribute.MESSAGE_INTEGRITY,
        Attribute.CHANNEL_NUMBER,
        Attribute.LIFETIME,
        Attribute.XOR_PEER_ADDRESS,
        Attribute.DATA,
        Attribute.REALM,
        Attribute.NONCE,
        Attribute.REQUESTED_ADDRESS_FAMILY,
        Attribute.EVEN_PORT,
        Attribute.REQUESTED_TRANSPORT,
        Attribute.RESERVATION_TOKEN,
        Attribute.PRIORITY,
        Attribute.USE_CANDIDATE,
    }
)
"""Comprehension-required attributes that we understand (RFC 8489 §14); DONT-FRAGMENT is none."""
REASONS: Final = {
    400: "Bad Request",
    401: "Unauthenticated",
    403: "Forbidden",
    420: "Unknown Attribute",
    437: "Allocation Mismatch",
    438: "Stale Nonce",
    440: "Address Family not Supported",
    441: "Wrong Credentials",
    442: "Unsupported Transport Protocol",
    443: "Peer Address Family Mismatch",
    486: "Allocation Quota Reached",
    508: "Insufficient Capacity",
}
CHALLENGES: Final = frozenset({401, 438})


class Refusal(Exception):
    """An error reply (RFC 8489 §14.8, RFC 8656 §19)."""

    def __init__(self, code: int, attributes: Iterable[tuple[int, bytes]] = ()) -> None:
        super().__init__(REASONS[code])
        self.code = code
        self.attributes = tuple(attributes)


class Request:
    """`username`, `credential` and `key` are there once it is authentic."""

    username: str
    credential: CredentialName
    key: bytes

    def __init__(self, message: Message, source: Address, now_s: float) -> None:
        self.message = message
        self.source = source
        self.now_s = now_s
        self.is_authentic = False

    def authenticated(self, username: str, credential: CredentialName, key: bytes) -> None:
        self.username, self.credential, self.key = username, credential, key
        self.is_authentic = True

    def refuse_unknown(self) -> None:
        """RFC 8489 §6.3.1: 420 with what is not understood."""
        unknown = self.message.unknown(KNOWN)
        if unknown:
            raise Refusal(420, [(Attribute.UNKNOWN_ATTRIBUTES, stun.encode_unknown(unknown))])

    def lifetime_s(self) -> int | None:
        """LIFETIME, if there is one. Raises Refusal."""
        value = self.message.attributes.get(Attribute.LIFETIME)
        if value is not None and len(value) != 4:
            raise Refusal(400)
        return None if value is None else int.from_bytes(value, "big")

    def xor_address(self, address: Address) -> bytes:
        return stun.encode_xor_address(address, self.message.transaction_id)

    def success(self, attributes: Iterable[tuple[int, bytes]]) -> bytes:
        return self.reply(Class.SUCCESS, attributes)

    def reply(
        self, kind: Class, attributes: Iterable[tuple[int, bytes]], *, signed: bool = True
    ) -> bytes:
        """With MESSAGE-INTEGRITY where the request's was right."""
        message = self.message
        return stun.encode(
            message.method,
            kind,
            message.transaction_id,
            attributes,
            key=self.key if self.is_authentic and signed else None,
            fingerprint=Attribute.FINGERPRINT in message.attributes,
        )
