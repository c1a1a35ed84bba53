"""AsyncAPI 3.0 of the live connection, from the frame structs."""

import inspect
from dataclasses import dataclass
from typing import Any, Final, get_args

from ringline.protocol import codec
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.frames import AnyClientFrame, AnyEntry, AnyServerFrame
from ringline.protocol.sfu import AnySfuClientFrame, AnySfuServerFrame
from signaling.schemas import schemas_of

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Channel:
    name: str
    address: str
    parameters: dict[str, str]
    prefix: str
    """Of its messages and schemas: two channels have frames of one name."""
    from_client: str
    to_client: str
    client: tuple[type, ...]
    server: tuple[type, ...]
    more: tuple[type, ...] = ()
    """What frames carry, to be described as well."""

    def key(self, frame: type) -> str:
        """Both directions have a `typing` frame, for one: the struct's name tells them apart."""
        return self.prefix + frame.__name__


CHANNELS: Final = (
    Channel(
        name="socket",
        address="/v1/socket",
        parameters={},
        prefix="",
        from_client="fromClient",
        to_client="toClient",
        client=get_args(AnyClientFrame),
        server=get_args(AnyServerFrame),
        more=get_args(AnyEntry),
    ),
    Channel(
        name="sfu",
        address="/v1/sfu/{node}",
        parameters={"node": "The SFU node that the join ticket names."},
        prefix="Sfu",
        from_client="fromParticipant",
        to_client="toParticipant",
        client=get_args(AnySfuClientFrame),
        server=get_args(AnySfuServerFrame),
    ),
)


def asyncapi_document() -> Document:
    messages: Document = {}
    components: Document = {}
    for channel in CHANNELS:
        frames = (*channel.client, *channel.server)
        listed, schemas = schemas_of((*frames, *channel.more), channel.prefix)
        components |= schemas
        for frame, schema in zip(frames, listed, strict=False):
            messages[channel.key(frame)] = _message(frame, schema)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Ringline, live",
            "version": "1",
            "license": {"name": "Apache-2.0"},
            "description": _description(),
        },
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {
            name: operation
            for channel in CHANNELS
            for name, operation in (
                (channel.from_client, _operation(channel, "receive", channel.client)),
                (channel.to_client, _operation(channel, "send", channel.server)),
            )
        },
        "components": {"messages": messages, "schemas": components},
    }


def _channel(channel: Channel) -> Document:
    keys = [channel.key(frame) for frame in (*channel.client, *channel.server)]
    described: Document = {"address": channel.address}
    if channel.parameters:
        described["parameters"] = {
            name: {"description": text} for name, text in channel.parameters.items()
        }
    return described | {
        "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in keys},
        "bindings": {"ws": {"method": "GET"}},
    }


def _description() -> str:
    codes = ", ".join(f"{code.value} {code.name.lower().replace('_', '-')}" for code in CloseCode)
    return (
        f"Sub-protocols: {' and '.join(codec.SUBPROTOCOLS)}, two encodings of the same frames "
        "(msgpack: UUIDs are 16 bytes and bodies are binary; JSON: text and base64). "
        "The first frame is `authenticate` on the socket, `join` or `resume` at an SFU node. "
        f"Close codes: {codes}."
    )


def _message(frame: Any, schema: Document) -> Document:
    summary = inspect.getdoc(frame) or ""
    return {
        "name": frame.__struct_config__.tag,
        "summary": summary.partition("\n")[0],
        "payload": schema,
    }


def _operation(channel: Channel, action: str, frames: tuple[type, ...]) -> Document:
    place = f"#/channels/{channel.name}"
    return {
        "action": action,
        "channel": {"$ref": place},
        "messages": [{"$ref": f"{place}/messages/{channel.key(frame)}"} for frame in frames],
    }
