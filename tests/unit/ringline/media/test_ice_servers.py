import pytest

from ringline.client.call_media import IceServer
from ringline.media.errors import MediaFailed
from ringline.media.ice_servers import ice_servers


def asked(*uris: str, relay_only: bool = False) -> list[str]:
    made = ice_servers([IceServer(uris, "user", "secret")], relay_only=relay_only)
    found: list[str] = []
    for server in made:
        found += server.urls if isinstance(server.urls, list) else [server.urls]
        turn = isinstance(server.urls, list)
        assert (server.username, server.credential) == (
            ("user", "secret") if turn else (None, None)
        )
    return found


def test_a_relay_is_asked_for_ones_own_address_too() -> None:
    relay = "turn:relay.example:3479?transport=udp"
    assert asked(relay) == [relay, "stun:relay.example:3479"]
    assert asked("turn:192.0.2.1") == ["turn:192.0.2.1", "stun:192.0.2.1:3478"]


@pytest.mark.parametrize(
    "relay", ["turn:127.0.0.1:3478", "turns:relay.example", "turn:relay.example?transport=tcp"]
)
def test_where_that_tells_nothing_it_is_not_asked(relay: str) -> None:
    assert asked(relay) == [relay]


def test_who_hides_asks_nobody_for_it() -> None:
    assert asked("turn:relay.example", relay_only=True) == ["turn:relay.example"]


def test_what_aiortc_cannot_read_is_left_out() -> None:
    wrong = ["turn:", "http://x", "turn:[2001:db8::1]:3478", "turn:x?transport=sctp", "turn:x\n"]
    assert asked(*wrong) == []
    assert asked(*wrong, "turn:relay.example", relay_only=True) == ["turn:relay.example"]


@pytest.mark.parametrize("uris", [[], ["http://x"]])
def test_without_a_relay_there_is_no_hiding(uris: list[str]) -> None:
    with pytest.raises(MediaFailed, match="offers no relay"):
        ice_servers([IceServer(uris, "", "")], relay_only=True)
    with pytest.raises(MediaFailed, match="offers no relay"):
        ice_servers([], relay_only=True)
