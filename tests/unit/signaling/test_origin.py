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


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://calls.example.org", "calls.example.org"),
        ("https://Calls.example.org", "calls.Example.org"),
        ("https://calls.example.org", "calls.example.org:443"),
        ("http://calls.example.org:80", "calls.example.org"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_our_own_page_is_let_in(origin: str, host: str) -> None:
    assert RULE.allows({"origin": [origin], "host": [host], "sec-fetch-site": ["same-origin"]})


@pytest.mark.parametrize(
    ("origin", "hosts"),
    [
        ("https://evil.example", ["calls.example.org"]),
        ("https://calls.example.org:8443", ["calls.example.org"]),
        ("https://calls.example.org", ["calls.example.org:8443"]),
        ("https://calls.example.org:80", ["calls.example.org"]),
        ("https://calls.example.org", ["calls.example.org", "calls.example.org"]),
        ("https://calls.example.org", []),
        ("https://", [""]),
        ("null", ["null"]),
        ("file://calls.example.org", ["calls.example.org"]),
        ("calls.example.org", ["calls.example.org"]),
        ("https://x@calls.example.org", ["calls.example.org"]),
    ],
)
def test_what_only_looks_like_our_own_page_is_refused(origin: str, hosts: list[str]) -> None:
    assert not RULE.allows({"origin": [origin], "host": hosts})
