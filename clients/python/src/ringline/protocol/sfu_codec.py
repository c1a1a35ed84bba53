"""Bytes to the frames of a group call and back: the sub-protocols of `ringline.protocol.codec`."""

from typing import Any, Final

import msgspec

from ringline.protocol.codec import SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, decode_with
from ringline.protocol.sfu import AnySfuClientFrame, AnySfuServerFrame


class SfuCodec:
    def __init__(
        self, subprotocol: str, binary: bool, encoder: Any, client: Any, server: Any
    ) -> None:
        self.subprotocol = subprotocol
        self.binary = binary
        self._encoder = encoder
        self._client = client
        self._server = server

    def encode(self, frame: AnySfuClientFrame | AnySfuServerFrame) -> bytes:
        return bytes(self._encoder.encode(frame))

    def decode_client(self, data: bytes) -> AnySfuClientFrame:
        """Raise Malformed."""
        frame: AnySfuClientFrame = decode_with(self._client, data)
        return frame

    def decode_server(self, data: bytes) -> AnySfuServerFrame:
        """Raise Malformed."""
        frame: AnySfuServerFrame = decode_with(self._server, data)
        return frame


SFU_MSGPACK: Final = SfuCodec(
    SUBPROTOCOL_MSGPACK,
    True,
    msgspec.msgpack.Encoder(uuid_format="bytes"),
    msgspec.msgpack.Decoder(AnySfuClientFrame),
    msgspec.msgpack.Decoder(AnySfuServerFrame),
)
SFU_JSON: Final = SfuCodec(
    SUBPROTOCOL_JSON,
    False,
    msgspec.json.Encoder(),
    msgspec.json.Decoder(AnySfuClientFrame),
    msgspec.json.Decoder(AnySfuServerFrame),
)
SFU_CODECS: Final[dict[str, SfuCodec]] = {
    codec.subprotocol: codec for codec in (SFU_MSGPACK, SFU_JSON)
}
