from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backplane.telemetry.redaction import DEPTH_MAX, REDACTED, redact_event, redact_text

TOKEN = "Zm9vYmFyYmF6cXV4_Zm9vYmFyYmF6cXV4-Zm9vYmFyY"
"""43 characters of base64url."""


def redact(**event: Any) -> dict[str, Any]:
    return redact_event(None, "info", event)


@pytest.mark.parametrize(
    "name",
    [
        "number",
        "numbers",
        "code",
        "body",
        "token",
        "access_token",
        "Authorization",
        "credential",
        "device_credential",
        "password",
        "link_code",
        "phone_number",
        "api_key",
        "secret",
        "phone",
    ],
)
def test_forbidden_fields_are_emptied(name: str) -> None:
    assert redact(**{name: "anything"}) == {name: REDACTED}


@pytest.mark.parametrize(
    "field",
    [
        {"close_code": 4007},
        {"status": 200},
        {"session": "k3"},
        {"account": "6f1c1d0e-8c5b-4a4e-9d3f-2b8f5f0f9a11"},
        {"time": "2026-11-24T09:06:49.194237+00:00"},
        {"sequence": 12345678901},
        {"ok": True, "nothing": None, "ratio": 0.5},
        {"sum": "1+1=2, +12345 is short"},
    ],
)
def test_what_operators_need_stays(field: dict[str, Any]) -> None:
    assert redact(**field) == field


@pytest.mark.parametrize(
    "text",
    [
        "+41445550123",
        "+1 (202) 555-0123",
        "+44 20 7946 0123",
        "+1-202-555-0123",
        "+123456789012345",
    ],
)
def test_numbers_within_text_are_taken_out(text: str) -> None:
    assert redact_text(f"to {text}, please") == "to [number], please"


def test_tokens_within_text_are_taken_out() -> None:
    assert redact_text(f"Bearer {TOKEN}.") == "Bearer [token]."
    longer = TOKEN + "A"
    assert redact_text(longer) == longer  # not one of ours


def test_bytes_show_their_length_alone() -> None:
    assert redact(data=b"12345", view=memoryview(b"1")) == {
        "data": "[5 bytes]",
        "view": "[1 bytes]",
    }


def test_nested_values_are_searched() -> None:
    nested = {"list": [{"token": "x"}, ("+41445550123", 5)], "+41445550123": {"fine": 1}}
    assert redact(context=nested) == {
        "context": {"list": [{"token": REDACTED}, ["[number]", 5]], "[number]": {"fine": 1}}
    }


def test_objects_are_shown_as_redacted_text() -> None:
    account = UUID(int=7)
    assert redact(account=account, error=ValueError("+41445550123 is bad")) == {
        "account": str(account),
        "error": "[number] is bad",
    }


def test_depth_is_limited() -> None:
    deep: Any = "+41445550123"
    for _ in range(DEPTH_MAX + 3):
        deep = [deep]
    assert "+4144" not in str(redact(deep=deep))
    assert REDACTED in str(redact(deep=deep))


@given(st.integers(min_value=10**6, max_value=10**15 - 1), st.text(max_size=5))
def test_no_number_survives(number: int, around: str) -> None:
    around = "".join(character for character in around if not character.isdigit())
    assert f"+{number}" not in redact_text(f"{around}+{number}{around}")
