"""ICE-lite without a socket: who is believed, and where media goes."""

from collections.abc import Iterable
from typing import Any

import pytest

from sfu.ice_lite import (
    REBIND_SILENCE_S,
    RENOMINATION_S,
    VALID_ADDRESSES_MAX,
    Checked,
    IceLite,
    Refused,
)
from sfu.plane import SocketAddress
from turn import stun
from turn.stun import Attribute, Class, Method

UFRAG, PASSWORD, THEIRS = "ours", "a-password-of-ours", "theirs"
HERE, THERE, STRANGER = ("192.0.2.1", 1000), ("192.0.2.1", 2000), ("198.51.100.9", 3000)
TRANSACTION = bytes(range(12))
CONTROLLING = (Attribute.ICE_CONTROLLING, bytes(8))
NOMINATE = (Attribute.USE_CANDIDATE, b"")


def check(
    *attributes: tuple[int, bytes],
    name: str = f"{UFRAG}:{THEIRS}",
    password: str | None = PASSWORD,
    **changes: Any,
) -> bytes:
    listed = [(Attribute.USERNAME, name.encode()), (Attribute.PRIORITY, bytes(4)), *attributes]
    return stun.encode(
        changes.get("method", Method.BINDING),
        changes.get("kind", Class.REQUEST),
        TRANSACTION,
        listed,
        key=password.encode() if password is not None else None,
        fingerprint=True,
    )


@pytest.fixture
def ice() -> IceLite:
    made = IceLite()
    made.open(1, UFRAG, PASSWORD, THEIRS, 0.0)
    return made


def granted(
    ice: IceLite, *attributes: tuple[int, bytes], at: SocketAddress = HERE, now_s: float = 0.0
) -> Checked:
    outcome = ice.received(check(*attributes), at, now_s)
    assert isinstance(outcome, Checked), outcome
    return outcome


def test_a_valid_check_is_answered_with_where_it_came_from(ice: IceLite) -> None:
    reply = stun.parse(granted(ice, CONTROLLING).reply)
    assert (reply.method, reply.kind) == (Method.BINDING, Class.SUCCESS)
    assert reply.transaction_id == TRANSACTION
    assert reply.is_authentic(PASSWORD.encode())
    assert Attribute.FINGERPRINT in reply.attributes
    mapped = reply.attributes[Attribute.XOR_MAPPED_ADDRESS]
    assert stun.decode_xor_address(mapped, TRANSACTION) == HERE


def test_it_validates_an_address_and_nominates_none(ice: IceLite) -> None:
    outcome = granted(ice, CONTROLLING)
    assert not outcome.moved
    assert outcome.agent.nominated is None
    assert ice.at(HERE) is outcome.agent
    assert ice.at(THERE) is None


@pytest.mark.parametrize(
    "forged",
    [
        check(NOMINATE, password=None),
        check(NOMINATE, password="wrong"),
        check(NOMINATE, name=f"{UFRAG}:others"),
        check(NOMINATE, name=f"unknown:{THEIRS}"),
        check(NOMINATE, name=THEIRS),
        check(NOMINATE)[:-1],
        check(NOMINATE, method=Method.ALLOCATE),
        check(NOMINATE, kind=Class.INDICATION),
        check(NOMINATE, kind=Class.SUCCESS),
        b"",
    ],
)
def test_what_is_not_authentic_gets_no_answer_and_changes_nothing(
    ice: IceLite, forged: bytes
) -> None:
    agent = granted(ice, NOMINATE).agent
    outcome = ice.received(forged, STRANGER, 20.0)
    assert isinstance(outcome, Refused)
    assert outcome.reply is None
    assert ice.at(STRANGER) is None
    assert (agent.nominated, agent.checked_s) == (HERE, 0.0)


def test_a_second_user_name_after_the_integrity_does_not_count(ice: IceLite) -> None:
    """Signed for us, then a name that is not ours: the first one stands."""
    signed = stun.encode(
        Method.BINDING,
        Class.REQUEST,
        TRANSACTION,
        [(Attribute.USERNAME, b"ours:somebody")],
        key=PASSWORD.encode(),
    )
    late = f"{UFRAG}:{THEIRS}".encode()
    extra = Attribute.USERNAME.to_bytes(2, "big") + len(late).to_bytes(2, "big") + late
    extra += bytes(-len(late) % 4)
    size = (len(signed) - 20 + len(extra)).to_bytes(2, "big")
    outcome = ice.received(signed[:2] + size + signed[4:] + extra, STRANGER, 1.0)
    assert isinstance(outcome, Refused)
    assert outcome.reply is None


def error_of(outcome: Checked | Refused) -> int:
    assert isinstance(outcome, Refused)
    assert outcome.reply is not None
    reply = stun.parse(outcome.reply)
    assert reply.kind == Class.ERROR
    assert reply.is_authentic(PASSWORD.encode())
    return stun.decode_error(reply.attributes[Attribute.ERROR_CODE])[0]


@pytest.mark.parametrize("tie_breaker", [bytes(8), b"\xff" * 8, b"\x80" + bytes(7)])
def test_a_client_that_wants_us_to_control_hears_of_the_conflict(
    ice: IceLite, tie_breaker: bytes
) -> None:
    outcome = ice.received(check(NOMINATE, (Attribute.ICE_CONTROLLED, tie_breaker)), HERE, 0.0)
    assert error_of(outcome) == 487
    assert ice.at(HERE) is None


def test_what_must_be_understood_and_is_not_is_named(ice: IceLite) -> None:
    outcome = ice.received(check((0x7F01, b"new")), HERE, 0.0)
    assert error_of(outcome) == 420
    assert isinstance(outcome, Refused)
    assert outcome.reply is not None
    unknown = stun.parse(outcome.reply).attributes[Attribute.UNKNOWN_ATTRIBUTES]
    assert unknown == b"\x7f\x01"


def test_a_nomination_moves_media_once(ice: IceLite) -> None:
    assert granted(ice, NOMINATE).moved
    assert not granted(ice, NOMINATE, now_s=1.0).moved
    moved = granted(ice, NOMINATE, at=THERE, now_s=2.0)
    assert moved.moved
    assert moved.agent.nominated == THERE


def test_a_check_moves_media_only_when_the_old_address_is_silent(ice: IceLite) -> None:
    agent = granted(ice, NOMINATE).agent
    assert not granted(ice, at=THERE, now_s=REBIND_SILENCE_S / 2).moved
    agent.heard_s = 5.0
    assert not granted(ice, at=THERE, now_s=5.0 + REBIND_SILENCE_S / 2).moved
    assert granted(ice, at=THERE, now_s=5.0 + REBIND_SILENCE_S).moved


def test_consent_is_the_last_valid_check(ice: IceLite) -> None:
    agent = granted(ice, NOMINATE, now_s=3.0).agent
    ice.received(check(password="wrong"), HERE, 9.0)
    assert agent.checked_s == 3.0
    granted(ice, at=THERE, now_s=9.5)
    assert agent.checked_s == 9.5


def test_an_address_belongs_to_one_client(ice: IceLite) -> None:
    """A second client cannot take the nominated address of the first by speaking from it."""
    first = granted(ice, NOMINATE).agent
    ice.open(2, "second", "another-password", "else", 0.0)
    stolen = check(NOMINATE, name="second:else", password="another-password")
    assert ice.received(stolen, HERE, 1.0) == Refused("address-taken")
    assert ice.at(HERE) is first


def test_valid_addresses_are_limited_and_the_nominated_one_stays(ice: IceLite) -> None:
    agent = granted(ice, NOMINATE).agent
    for port in range(2 * VALID_ADDRESSES_MAX):
        granted(ice, at=("192.0.2.7", port + 1), now_s=0.1 + port / 1000)
    assert len(agent.valid) == VALID_ADDRESSES_MAX
    assert ice.at(HERE) is agent
    assert ice.at(("192.0.2.7", 1)) is None


def test_a_restart_changes_the_credentials_and_nothing_else(ice: IceLite) -> None:
    agent = granted(ice, NOMINATE).agent
    ice.restart(agent, "fresh", "fresh-password", "also-fresh")
    assert isinstance(ice.received(check(NOMINATE), THERE, 1.0), Refused)
    assert agent.nominated == HERE
    renewed = check(NOMINATE, name="fresh:also-fresh", password="fresh-password")
    outcome = ice.received(renewed, THERE, 1.0)
    assert isinstance(outcome, Checked)
    assert outcome.agent is agent


def test_who_has_left_is_forgotten(ice: IceLite) -> None:
    agent = granted(ice, NOMINATE).agent
    ice.close(agent)
    assert ice.at(HERE) is None
    assert isinstance(ice.received(check(NOMINATE), HERE, 1.0), Refused)
    assert len(ice) == 0


def test_a_ufrag_has_one_owner(ice: IceLite) -> None:
    with pytest.raises(ValueError, match="in use"):
        ice.open(2, UFRAG, PASSWORD, THEIRS, 0.0)


def test_random_bytes_make_nothing_fail(ice: IceLite) -> None:
    samples: Iterable[bytes] = (check(NOMINATE)[:n] + bytes([n]) for n in range(120))
    for sample in samples:
        assert isinstance(ice.received(sample, STRANGER, 0.0), Refused)


def test_a_client_that_nominates_with_every_check_is_moved_by_nothing_else(ice: IceLite) -> None:
    """Chromium keeps other paths in reserve and checks them now and then."""
    agent = granted(ice, NOMINATE).agent
    granted(ice, NOMINATE, now_s=RENOMINATION_S)
    assert agent.renominates
    assert not granted(ice, at=THERE, now_s=25.0).moved
    assert ice.follow(26.0) == []
    assert granted(ice, NOMINATE, at=THERE, now_s=27.0).moved


def test_a_repeated_nomination_is_no_habit(ice: IceLite) -> None:
    agent = granted(ice, NOMINATE).agent
    granted(ice, NOMINATE, now_s=RENOMINATION_S / 2)
    assert not agent.renominates


def test_a_client_is_followed_when_the_old_address_stays_silent(ice: IceLite) -> None:
    """S5: its one check from there came too soon; the next may be 5 s away."""
    agent = granted(ice, NOMINATE).agent
    agent.heard_s = 5.0
    assert not granted(ice, at=THERE, now_s=5.3).moved
    assert ice.follow(5.9) == []
    assert ice.follow(6.0) == [agent]
    assert agent.nominated == THERE
    assert ice.follow(60.0) == []


def test_a_client_that_goes_on_where_it_was_is_not_followed(ice: IceLite) -> None:
    agent = granted(ice, NOMINATE).agent
    agent.heard_s = 5.0
    assert not granted(ice, at=THERE, now_s=5.3).moved
    agent.heard_s = 5.4
    assert ice.follow(60.0) == []
    assert agent.nominated == HERE
