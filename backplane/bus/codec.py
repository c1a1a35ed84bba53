"""Bus messages as bytes: msgpack, identifiers as 16 bytes."""

import msgspec

from backplane.bus.ports import AnyBusMessage

_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_decoder = msgspec.msgpack.Decoder(AnyBusMessage)


def encode_message(message: AnyBusMessage) -> bytes:
    return _encoder.encode(message)


def decode_message(data: bytes) -> AnyBusMessage:
    """Raise ValueError when they are no message of this version."""
    try:
        message: AnyBusMessage = _decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None
    return message
