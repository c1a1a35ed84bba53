import uuid

import pytest

from ringline.client.errors import UsageError
from ringline.client.group_link import GroupLink, read_link

CALL = uuid.UUID(int=7)
TOKEN = "aB3-_" * 8


def test_a_link_is_read_as_it_was_written() -> None:
    text = GroupLink(CALL, TOKEN).text("https://ringline.example/")
    assert text == f"https://ringline.example/join/{CALL}#{TOKEN}"
    assert read_link(text) == GroupLink(CALL, TOKEN, "https://ringline.example")
    assert read_link(f" {text}\n") == read_link(text)


def test_a_members_link_has_no_token() -> None:
    text = GroupLink(CALL, None).text("http://127.0.0.1:8080")
    assert text == f"http://127.0.0.1:8080/join/{CALL}"
    assert read_link(text) == GroupLink(CALL, None, "http://127.0.0.1:8080")


def test_an_id_alone_is_enough_for_a_member() -> None:
    assert read_link(str(CALL)) == GroupLink(CALL, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        f"ftp://ringline.example/join/{CALL}#{TOKEN}",
        f"https://ringline.example/{CALL}#{TOKEN}",
        "https://ringline.example/join/seven",
        f"https://ringline.example/join/{CALL}#short",
        f"https://ringline.example/join/{CALL}#{TOKEN}&x",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no link to a group call"):
        read_link(text)
