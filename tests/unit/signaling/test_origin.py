import pytest

from signaling.origin import OriginRule

RULE = OriginRule(["https://talk.example.org", "http://127.0.0.1:5173/"])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"user-agent": ["ringline"]},
        {"origin": ["https://talk.example.org"]},
        {"origin": ["HTTPS://TALK.example.org"]},
        {"origin": ["http://127.0.0.1:5173"], "sec-fetch-mode": ["websocket"]},
    ],
)
def test_ours_and_programs_are_let_in(headers: dict[str, list[str]]) -> None:
    assert RULE.allows(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": ["https://evil.example"]},
        {"origin": ["null"]},
        {"origin": [""]},
        {"origin": ["http://talk.example.org"]},
        {"origin": ["https://talk.example.org:8443"]},
        {"origin": ["https://talk.example.org.evil.example"]},
        {"origin": ["https://evil.example", "https://talk.example.org"]},
        {"sec-fetch-site": ["cross-site"]},
        {"sec-fetch-mode": ["websocket"]},
    ],
)
def test_a_foreign_null_or_hidden_page_is_refused(headers: dict[str, list[str]]) -> None:
    assert not RULE.allows(headers)
