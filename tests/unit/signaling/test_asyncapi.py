import json
from typing import get_args

from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import SUBPROTOCOLS
from ringline.protocol.frames import AnyClientFrame, AnyServerFrame
from ringline.protocol.sfu import AnySfuClientFrame, AnySfuServerFrame
from signaling.asyncapi import asyncapi_document

DOCUMENT = asyncapi_document()


def test_every_frame_is_a_message_of_its_direction() -> None:
    for name, frames in (("fromClient", AnyClientFrame), ("toClient", AnyServerFrame)):
        listed = [m["$ref"].rpartition("/")[2] for m in DOCUMENT["operations"][name]["messages"]]
        assert listed == [frame.__name__ for frame in get_args(frames)]


def test_the_sfu_socket_is_a_channel_of_its_own() -> None:
    assert DOCUMENT["channels"]["sfu"]["address"] == "/v1/sfu/{node}"
    assert set(DOCUMENT["channels"]["sfu"]["parameters"]) == {"node"}
    directions = (("fromParticipant", AnySfuClientFrame), ("toParticipant", AnySfuServerFrame))
    for name, frames in directions:
        listed = [m["$ref"].rpartition("/")[2] for m in DOCUMENT["operations"][name]["messages"]]
        assert listed == [f"Sfu{frame.__name__}" for frame in get_args(frames)]
    schemas = DOCUMENT["components"]["schemas"]
    assert set(schemas["Ping"]["properties"]) == set(schemas["SfuPing"]["properties"])
    assert "ticket" in schemas["SfuJoin"]["properties"]


def test_every_reference_leads_somewhere() -> None:
    def walk(part: object) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                found = DOCUMENT
                for step in part["$ref"].removeprefix("#/").split("/"):
                    found = found[step]
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(json.loads(json.dumps(DOCUMENT)))


def test_every_message_has_a_name_a_summary_and_a_schema() -> None:
    for message in DOCUMENT["components"]["messages"].values():
        assert message["name"]
        assert "$ref" in message["payload"]
    assert DOCUMENT["components"]["messages"]["TypingNotice"]["name"] == "typing"
    assert DOCUMENT["components"]["messages"]["Send"]["summary"]


def test_close_codes_and_sub_protocols_are_named() -> None:
    text = DOCUMENT["info"]["description"]
    for code in CloseCode:
        assert str(code.value) in text
    for name in SUBPROTOCOLS:
        assert name in text
