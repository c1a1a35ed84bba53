import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringline.client.content import (
    TEXT_BYTES_MAX,
    Content,
    decode_content,
    encode_content,
    text_content,
)
from ringline.client.errors import ContentTooLarge
from ringline.protocol import limits
from ringline.protocol.types import ContentType

UNSEALED = ContentType.UNSEALED


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_a_text_comes_back(text: str) -> None:
    content = decode_content(UNSEALED, encode_content(text_content(text)))
    assert content == Content(kind="text", text=text, version=1)


@given(st.binary(max_size=300))
def test_any_bytes_are_shown_as_something(body: bytes) -> None:
    content = decode_content(UNSEALED, body)
    assert content.kind == "unknown" or content.text is not None


@given(st.recursive(st.none() | st.integers() | st.text() | st.binary(), st.lists))
def test_any_map_is_shown_as_something(value: object) -> None:
    body = msgspec.msgpack.encode({"v": 1, "kind": "text", "text": "x", "more": repr(value)})
    assert decode_content(UNSEALED, body).text == "x"
    other = msgspec.msgpack.encode({"v": 1, "kind": value if isinstance(value, str) else 7})
    assert decode_content(UNSEALED, other).kind == "unknown"


def test_a_later_version_is_named() -> None:
    body = msgspec.msgpack.encode({"v": 2, "kind": "text", "text": "hidden"})
    assert decode_content(UNSEALED, body) == Content(kind="unknown", version=2)


def test_a_later_kind_is_unknown() -> None:
    body = msgspec.msgpack.encode({"v": 1, "kind": "poll"})
    assert decode_content(UNSEALED, body) == Content(kind="unknown", version=1)


def test_the_largest_text_fits_one_upload_to_all_devices() -> None:
    body = encode_content(text_content("x" * TEXT_BYTES_MAX))
    assert len(body) <= limits.BODY_BYTES_MAX
    assert len(body) * 2 * limits.ACCOUNT_DEVICES_MAX <= limits.UPLOAD_BODY_BYTES_MAX
    with pytest.raises(ContentTooLarge):
        encode_content(text_content("ß" * (TEXT_BYTES_MAX // 2 + 1)))


def test_only_texts_are_sent() -> None:
    with pytest.raises(ValueError, match="texts"):
        encode_content(Content(kind="unknown"))
