from typing import Any
from uuid import UUID

import msgspec
import pytest

from backplane.registry.ports import Grant
from backplane.storage.device_queues import QueueEntry
from ringline.protocol import frames
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import JSON, MSGPACK, Codec, encode_entry
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import Address, CallKind, ContentType, TypingState
from signaling.session import (
    Action,
    Close,
    Emit,
    LogIn,
    ProbePeer,
    Renew,
    Serve,
    Session,
    SessionState,
    Settle,
)
from signaling.settings import GatewaySettings

ADDRESS = Address(UUID(int=7), 2)
TOKEN = "t" * 43
SETTINGS = GatewaySettings()
S = 1000


@pytest.fixture(params=[MSGPACK, JSON], ids=["msgpack", "json"])
def codec(request: pytest.FixtureRequest) -> Codec:
    chosen: Codec = request.param
    return chosen


@pytest.fixture
def session(codec: Codec) -> Session:
    return Session("s1", codec, SETTINGS, now=0)


def entry(position: int) -> QueueEntry:
    message = frames.Message(
        id=UUID(int=position),
        conversation=UUID(int=1),
        sender=Address(UUID(int=1), 1),
        sequence=position,
        sent_at=5,
        content_type=ContentType.UNSEALED,
        body=b"\x00\xff",
    )
    return QueueEntry(position, encode_entry(message))


def send(session: Session, codec: Codec, frame: Any, now: int = 0) -> list[Action]:
    return session.receive(codec.encode(frame), codec.binary, now)


def log_in(session: Session, codec: Codec, expires_at: int = 1800 * S) -> list[Action]:
    (action,) = send(session, codec, frames.Authenticate(ref=1, token=TOKEN))
    assert isinstance(action, LogIn)
    session.authenticated(Grant(ADDRESS, expires_at))
    return session.ready(1, backlog=3, now=0)


def error_of(actions: list[Action]) -> frames.Error:
    (frame,) = [a.frame for a in actions if isinstance(a, Emit)]
    assert isinstance(frame, frames.Error)
    return frame


def codes(actions: list[Action]) -> list[CloseCode]:
    return [action.code for action in actions if isinstance(action, Close)]


def test_ready_says_who_one_is_and_what_waits(session: Session, codec: Codec) -> None:
    (ready,) = log_in(session, codec)
    assert isinstance(ready, Emit)
    assert isinstance(ready.frame, frames.Ready)
    assert (ready.frame.account, ready.frame.device) == (ADDRESS.account, ADDRESS.device)
    assert ready.frame.backlog == 3
    assert ready.frame.ref == 1
    assert session.state is SessionState.READY


def test_the_first_frame_must_authenticate(session: Session, codec: Codec) -> None:
    actions = send(session, codec, frames.Ping(ref=9))
    assert error_of(actions).ref == 9
    assert error_of(actions).problem.type == ProblemType.UNAUTHENTICATED.uri
    assert codes(actions) == [CloseCode.PROTOCOL_ERROR]
    assert send(session, codec, frames.Authenticate(token=TOKEN)) == []


def test_nothing_is_served_while_the_token_is_checked(session: Session, codec: Codec) -> None:
    send(session, codec, frames.Authenticate(token=TOKEN))
    assert codes(send(session, codec, frames.Ping())) == [CloseCode.PROTOCOL_ERROR]
    assert session.ready(0, 0, 0) == []


def test_a_second_authenticate_is_refused_and_harmless(session: Session, codec: Codec) -> None:
    log_in(session, codec)
    actions = send(session, codec, frames.Authenticate(ref=4, token=TOKEN))
    assert error_of(actions).ref == 4
    assert session.state is SessionState.READY


def test_without_a_token_in_time_it_closes(session: Session) -> None:
    assert session.tick(9_999) == []
    assert codes(session.tick(10_000)) == [CloseCode.AUTHENTICATION_TIMEOUT]
    assert session.tick(99_999) == []


def test_chatter_does_not_extend_the_time_to_log_in(session: Session) -> None:
    session.heard(9_000)
    assert codes(session.tick(10_000)) == [CloseCode.AUTHENTICATION_TIMEOUT]


def test_a2_an_expired_token_closes_within_sixty_seconds(session: Session, codec: Codec) -> None:
    log_in(session, codec, expires_at=100 * S)
    session.heard(129 * S)
    assert session.tick(129 * S) == []
    assert codes(session.tick(130 * S)) == [CloseCode.TOKEN_EXPIRED]


def test_a2_refresh_moves_the_end(session: Session, codec: Codec) -> None:
    log_in(session, codec, expires_at=100 * S)
    (action,) = send(session, codec, frames.Refresh(ref=2, token=TOKEN), now=90 * S)
    assert isinstance(action, Renew)
    (answer,) = session.refreshed(2, Grant(ADDRESS, 200 * S))
    assert answer == Emit(frames.Refreshed(ref=2, token_expires_at=200 * S))
    session.heard(229 * S)
    assert session.tick(229 * S) == []
    assert codes(session.tick(230 * S)) == [CloseCode.TOKEN_EXPIRED]


def test_refresh_with_another_devices_token_is_refused(session: Session, codec: Codec) -> None:
    log_in(session, codec, expires_at=100 * S)
    other = Grant(Address(ADDRESS.account, 3), 900 * S)
    assert error_of(session.refreshed(2, other)).problem.type == ProblemType.FORBIDDEN.uri
    assert codes(session.tick(130 * S)) == [CloseCode.TOKEN_EXPIRED]


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (ProblemType.UNAUTHENTICATED, CloseCode.TOKEN_REFUSED),
        (ProblemType.UNAVAILABLE, CloseCode.TRY_AGAIN_LATER),
        (ProblemType.RATE_LIMITED, CloseCode.RATE_LIMITED),
    ],
)
def test_a_refused_login_says_what_to_do(
    session: Session, codec: Codec, problem: ProblemType, code: CloseCode
) -> None:
    send(session, codec, frames.Authenticate(ref=1, token=TOKEN))
    actions = session.login_refused(1, problem.describe())
    assert error_of(actions).problem.type == problem.uri
    assert codes(actions) == [code]


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"{", b"[" * 10_000, b"\xc1", b"null"])
def test_what_cannot_be_read_closes_with_its_code(
    session: Session, codec: Codec, data: bytes
) -> None:
    log_in(session, codec)
    actions = session.receive(data, codec.binary, 0)
    if codes(actions):
        assert codes(actions) == [CloseCode.MALFORMED_FRAME]
        assert error_of(actions).problem.type == ProblemType.MALFORMED.uri
    else:
        assert error_of(actions).problem.type == ProblemType.INVALID.uri


def test_the_other_kind_of_frame_closes(session: Session, codec: Codec) -> None:
    log_in(session, codec)
    actions = session.receive(codec.encode(frames.Ping()), not codec.binary, 0)
    assert codes(actions) == [CloseCode.MALFORMED_FRAME]


def test_a_frame_that_breaks_its_schema_is_refused_by_its_reference(
    session: Session, codec: Codec
) -> None:
    log_in(session, codec)
    encode = msgspec.msgpack.encode if codec.binary else msgspec.json.encode
    wrong = encode({"type": "acknowledge", "ref": 77, "positions": [-1]})
    actions = session.receive(wrong, codec.binary, 0)
    assert error_of(actions).ref == 77
    assert error_of(actions).problem.type == ProblemType.INVALID.uri
    assert session.state is SessionState.READY
    odd = encode({"type": "no-such", "ref": -(2**40)})
    assert error_of(session.receive(odd, codec.binary, 0)).ref == 0


def test_services_get_their_frames_with_a_lane_where_order_counts(
    session: Session, codec: Codec
) -> None:
    log_in(session, codec)
    talk, call = UUID(int=3), UUID(int=4)
    typing = frames.Typing(conversation=talk, state=TypingState.STARTED)
    assert send(session, codec, typing) == [Serve(typing, None)]
    event = frames.Call(call=call, kind=CallKind.RINGING)
    assert send(session, codec, event) == [Serve(event, call)]
    watch = frames.Watch(accounts=[talk])
    assert send(session, codec, watch) == [Serve(watch, ADDRESS.account)]
    assert send(session, codec, frames.Ping(ref=3)) == [Emit(frames.Pong(ref=3))]


def test_deliveries_come_in_order_then_caught_up_once(session: Session, codec: Codec) -> None:
    log_in(session, codec)
    session.window.behind = False
    first = session.deliver([entry(1), entry(2)], 64)
    texts = [codec.decode_server(codec.encode(a.frame)) for a in first if isinstance(a, Emit)]
    assert [t.position for t in texts if isinstance(t, frames.Deliver)] == [1, 2]
    assert isinstance(texts[-1], frames.CaughtUp)
    assert isinstance(texts[0], frames.Deliver)
    assert isinstance(texts[0].entry, frames.Message)
    assert texts[0].entry.body == b"\x00\xff"
    assert len(session.deliver([entry(3)], 64)) == 1


def test_caught_up_waits_for_the_rest_of_the_queue(session: Session, codec: Codec) -> None:
    log_in(session, codec)
    session.window.behind = False
    actions = session.deliver([entry(1), entry(2)], 2)
    assert Emit(frames.CaughtUp()) not in actions
    session.window.behind = False
    assert session.deliver([], 62) == [Emit(frames.CaughtUp())]


def test_d8_positions_never_delivered_here_are_refused_and_the_others_go_on(
    session: Session, codec: Codec
) -> None:
    log_in(session, codec)
    session.deliver([entry(5), entry(6)], 64)
    (settle,) = send(session, codec, frames.Acknowledge(ref=8, positions=[5, 9, 1]))
    assert isinstance(settle, Settle)
    assert list(settle.delivered) == [5]
    assert settle.unknown == (9, 1)
    error = error_of(session.settled(settle))
    assert error.ref == 8
    assert error.problem.type == ProblemType.NOT_FOUND.uri
    assert "9, 1" in (error.problem.detail or "")


def test_a_failed_acknowledgement_can_be_repeated(session: Session, codec: Codec) -> None:
    log_in(session, codec)
    session.deliver([entry(5)], 64)
    (settle,) = send(session, codec, frames.Acknowledge(ref=1, positions=[5]))
    assert isinstance(settle, Settle)
    session.restored(settle, ProblemType.UNAVAILABLE.describe())
    (again,) = send(session, codec, frames.Acknowledge(ref=2, positions=[5]))
    assert isinstance(again, Settle)
    assert session.settled(again) == [Emit(frames.Done(ref=2))]


def test_reference_zero_asks_for_no_answer_but_an_error(session: Session, codec: Codec) -> None:
    log_in(session, codec)
    assert session.done(0) == []
    assert error_of(session.refused(0, ProblemType.NOT_FOUND.describe())).ref == 0


def test_silence_is_probed_and_then_ends_the_connection(session: Session, codec: Codec) -> None:
    log_in(session, codec)
    assert session.tick(24 * S) == []
    assert session.tick(25 * S) == [ProbePeer()]
    assert session.tick(26 * S) == []
    session.heard(27 * S)
    assert session.tick(51 * S) == []
    assert session.tick(52 * S) == [ProbePeer()]
    assert codes(session.tick(64 * S)) == [CloseCode.HEARTBEAT_TIMEOUT]


def test_after_the_close_nothing_comes_out(session: Session, codec: Codec) -> None:
    log_in(session, codec)
    assert codes(session.close(CloseCode.REPLACED)) == [CloseCode.REPLACED]
    assert session.close(CloseCode.GOING_AWAY) == []
    assert send(session, codec, frames.Ping(ref=1)) == []
    assert session.receive(b"\xff", codec.binary, 0) == []
    assert session.deliver([entry(1)], 64) == []
    assert session.done(1) == []
    assert session.tick(10**9) == []


def test_the_address_is_not_known_before_the_token(session: Session) -> None:
    assert not session.known
    with pytest.raises(AssertionError):
        _ = session.address
