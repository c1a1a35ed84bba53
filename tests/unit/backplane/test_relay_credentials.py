"""Relay credentials against their own description, an independent HMAC and crooked names."""

import base64
import hashlib
import hmac
from uuid import UUID

import pytest

from backplane.relay_credentials import (
    CredentialName,
    issue,
    long_term_key,
    password,
    read_username,
)

ACCOUNT = UUID("11111111-2222-4333-8444-555555555555")
CALL = UUID("01939d5a-0000-7000-8000-00000000abcd")
NAME = f"1795000600:1795043200:{ACCOUNT}:{CALL}"


def test_the_name_says_until_when_for_whom_and_for_which_call() -> None:
    username, _ = issue("secret", ACCOUNT, CALL, 1_795_000_600, 1_795_043_200)
    assert username == NAME
    assert read_username(username) == CredentialName(1_795_000_600, 1_795_043_200, ACCOUNT, CALL)


def test_the_password_is_an_hmac_of_the_name() -> None:
    username, word = issue("sécret", ACCOUNT, CALL, 1, 2)
    expected = hmac.new("sécret".encode(), username.encode(), hashlib.sha256).digest()
    assert base64.b64decode(word, validate=True) == expected
    assert word == password("sécret", username)


def test_another_secret_or_name_gives_another_password() -> None:
    words = {
        password("secret", NAME),
        password("secreT", NAME),
        password("secret", NAME.replace("1795000600", "1795000601")),
    }
    assert len(words) == 3


def test_without_a_secret_there_are_none() -> None:
    with pytest.raises(ValueError, match="secret"):
        issue("", ACCOUNT, CALL, 1, 2)


def test_the_key_is_that_of_the_standards_example() -> None:
    # RFC 8489 §9.2.2
    assert long_term_key("user", "realm", "pass").hex() == "8493fbc53ba582fb4c044c456bdc40eb"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "user",
        NAME + ":",
        " " + NAME,
        NAME + "\n",
        NAME.replace("1795000600", "01795000600"),
        NAME.replace("1795000600", "-1795000600"),
        NAME.replace("1795000600", "1_795_000_600"),
        NAME.replace("1795000600", "1795000600.0"),
        NAME.replace("1795000600", "9" * 13),
        NAME.replace("1795000600", "١٧٩٥"),
        NAME.replace(str(CALL), str(CALL).upper()),
        NAME.replace(str(CALL), CALL.hex),
        NAME.replace(str(CALL), ""),
        NAME.removeprefix("1795000600:"),
        "1" * 100_000,
    ],
)
def test_what_issue_does_not_write_is_no_name(text: str) -> None:
    assert read_username(text) is None
