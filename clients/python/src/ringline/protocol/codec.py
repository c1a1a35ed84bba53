"""Bytes to frames and back, in both encodings of the same structs.

Sub-protocols of the WebSocket: `ringline.v1.msgpack` (binary frames) and `ringline.v1.json`
(text frames). msgpack carries UUIDs as 16 bytes; JSON carries them as text and bytes as base64.
"""

from typing import Any, Final, Protocol, TypeVar

import msgspec

from ringline.protocol.frames import AnyClientFrame, AnyEntry, AnyServerFrame
from ringline.protocol.problems import Problem, ProblemType

T = TypeVar("T")

SUBPROTOCOL_MSGPACK: Final = "ringline.v1.msgpack"
SUBPROTOCOL_JSON: Final = "ringline.v1.json"
SUBPROTOCOLS: Final = (SUBPROTOCOL_MSGPACK, SUBPROTOCOL_JSON)


class Malformed(Exception):
    """The peer's bytes are no frame. `problem` says what is wrong, without quoting them."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class Codec(Protocol):
    subprotocol: str
    binary: bool

    def encode(self, frame: Any) -> bytes: ...

    def decode_client(self, data: bytes) -> AnyClientFrame: ...

    def decode_server(self, data: bytes) -> AnyServerFrame: ...


class _Codec:
    def __init__(
        self, subprotocol: str, binary: bool, encoder: Any, client: Any, server: Any
    ) -> None:
        self.subprotocol = subprotocol
        self.binary = binary
        self._encoder = encoder
        self._client = client
        self._server = server

    def encode(self, frame: Any) -> bytes:
        return bytes(self._encoder.encode(frame))

    def decode_client(self, data: bytes) -> AnyClientFrame:
        """Raise Malformed."""
        frame: AnyClientFrame = decode_with(self._client, data)
        return frame

    def decode_server(self, data: bytes) -> AnyServerFrame:
        """Raise Malformed."""
        frame: AnyServerFrame = decode_with(self._server, data)
        return frame


def decode_with(decoder: Any, data: bytes) -> Any:
    """With a msgspec decoder. Raise Malformed."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise Malformed(ProblemType.INVALID.describe(str(error))) from None
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise Malformed(ProblemType.MALFORMED.describe(_reason(error))) from None


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error)


MSGPACK: Final[Codec] = _Codec(
    SUBPROTOCOL_MSGPACK,
    True,
    msgspec.msgpack.Encoder(uuid_format="bytes"),
    msgspec.msgpack.Decoder(AnyClientFrame),
    msgspec.msgpack.Decoder(AnyServerFrame),
)
JSON: Final[Codec] = _Codec(
    SUBPROTOCOL_JSON,
    False,
    msgspec.json.Encoder(),
    msgspec.json.Decoder(AnyClientFrame),
    msgspec.json.Decoder(AnyServerFrame),
)
CODECS: Final[dict[str, Codec]] = {codec.subprotocol: codec for codec in (MSGPACK, JSON)}

_entry_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_entry_decoder = msgspec.msgpack.Decoder(AnyEntry)


def encode_entry(entry: AnyEntry) -> bytes:
    """A queue entry as it is stored: msgpack."""
    return _entry_encoder.encode(entry)


def decode_entry(data: bytes) -> AnyEntry:
    entry: AnyEntry = _entry_decoder.decode(data)
    return entry


def decode_body(data: bytes, kind: type[T]) -> T:
    """A REST body (JSON). Raise Malformed."""
    body: T = decode_with(_body_decoder(kind), data)
    return body


def encode_body(resource: Any) -> bytes:
    return msgspec.json.encode(resource)


_body_decoders: dict[type, Any] = {}


def _body_decoder(kind: type) -> Any:
    decoder = _body_decoders.get(kind)
    if decoder is None:
        decoder = _body_decoders[kind] = msgspec.json.Decoder(kind)
    return decoder
