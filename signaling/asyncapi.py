"""AsyncAPI 3.0 of the live connection, from the frame structs."""

import inspect
from typing import Any, Final, get_args

from ringline.protocol import codec
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.frames import AnyClientFrame, AnyEntry, AnyServerFrame
from signaling.schemas import schemas_of

SOCKET: Final = "socket"

Document = dict[str, Any]


def asyncapi_document() -> Document:
    client, server = get_args(AnyClientFrame), get_args(AnyServerFrame)
    frames = [*client, *server]
    listed, components = schemas_of([*frames, *get_args(AnyEntry)])
    messages = {
        _key(frame): _message(frame, schema) for frame, schema in zip(frames, listed, strict=False)
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Ringline, live",
            "version": "1",
            "license": {"name": "Apache-2.0"},
            "description": _description(),
        },
        "channels": {
            SOCKET: {
                "address": "/v1/socket",
                "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in messages},
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": {
            "fromClient": _operation("receive", client),
            "toClient": _operation("send", server),
        },
        "components": {"messages": messages, "schemas": components},
    }


def _description() -> str:
    codes = ", ".join(f"{code.value} {code.name.lower().replace('_', '-')}" for code in CloseCode)
    return (
        f"Sub-protocols: {' and '.join(codec.SUBPROTOCOLS)}, two encodings of the same frames "
        "(msgpack: UUIDs are 16 bytes and bodies are binary; JSON: text and base64). "
        f"The first frame is `authenticate`. Close codes: {codes}."
    )


def _key(frame: type) -> str:
    """Both directions have a `typing` frame, for one: the struct's name tells them apart."""
    return frame.__name__


def _message(frame: Any, schema: Document) -> Document:
    summary = inspect.getdoc(frame) or ""
    return {
        "name": frame.__struct_config__.tag,
        "summary": summary.partition("\n")[0],
        "payload": schema,
    }


def _operation(action: str, frames: tuple[type, ...]) -> Document:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{SOCKET}"},
        "messages": [{"$ref": f"#/channels/{SOCKET}/messages/{_key(f)}"} for f in frames],
    }
