import pytest

from ringline.protocol.close_codes import CloseCode
from ringline.protocol.problems import ProblemType
from ringline.protocol.sfu import (
    Error,
    Join,
    Leave,
    Mute,
    Offer,
    Ping,
    Pong,
    Resume,
)
from ringline.protocol.sfu_codec import SFU_JSON, SFU_MSGPACK
from sfu.session import Close, Emit, Enter, ProbePeer, Serve, Session, SessionState
from sfu.settings import SfuSettings

JOIN = Join(ref=1, ticket="t" * 30)


def inside() -> Session:
    session = Session(SFU_MSGPACK, SfuSettings(), 0)
    session.receive(SFU_MSGPACK.encode(JOIN), True, 0)
    session.entered()
    return session


@pytest.mark.parametrize("frame", [JOIN, Resume(ref=2, secret="s" * 43)])
def test_the_first_frame_enters(frame: Join | Resume) -> None:
    session = Session(SFU_MSGPACK, SfuSettings(), 0)
    assert session.receive(SFU_MSGPACK.encode(frame), True, 0) == [Enter(frame)]
    session.entered()
    assert session.state is SessionState.IN


def test_nothing_else_is_taken_before() -> None:
    session = Session(SFU_MSGPACK, SfuSettings(), 0)
    error, close = session.accept(Ping(ref=3))
    assert isinstance(error, Emit)
    assert isinstance(error.frame, Error)
    assert (error.frame.ref, error.frame.problem.status) == (3, 401)
    assert close == Close(CloseCode.PROTOCOL_ERROR)
    assert session.accept(JOIN) == []


def test_while_it_enters_nothing_else_is_taken_either() -> None:
    session = Session(SFU_MSGPACK, SfuSettings(), 0)
    session.accept(JOIN)
    assert session.accept(JOIN)[-1] == Close(CloseCode.PROTOCOL_ERROR)


@pytest.mark.parametrize(
    "frame", [Offer(ref=1, sdp="v=0"), Mute(ref=2, track="t", muted=True), Leave()]
)
def test_inside_frames_are_served(frame: Offer | Mute | Leave) -> None:
    assert inside().accept(frame) == [Serve(frame)]


def test_inside() -> None:
    session = inside()
    assert session.accept(Ping(ref=4)) == [Emit(Pong(ref=4))]
    (again,) = session.accept(JOIN)
    assert isinstance(again, Emit)
    assert isinstance(again.frame, Error)


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (ProblemType.FORBIDDEN, CloseCode.TICKET_REFUSED),
        (ProblemType.UNAVAILABLE, CloseCode.TRY_AGAIN_LATER),
    ],
)
def test_who_may_not_enter_is_told_what_to_do(problem: ProblemType, code: CloseCode) -> None:
    session = Session(SFU_MSGPACK, SfuSettings(), 0)
    session.accept(JOIN)
    error, close = session.not_entered(1, problem.describe())
    assert error == Emit(Error(ref=1, problem=problem.describe()))
    assert close == Close(code)
    session.entered()
    assert session.state is SessionState.CLOSED


@pytest.mark.parametrize(("data", "binary"), [(b"{}", False), (b"\xc1", True), (b"\x80", True)])
def test_what_is_no_frame(data: bytes, binary: bool) -> None:
    session = Session(SFU_MSGPACK, SfuSettings(), 0)
    assert session.receive(data, binary, 0)[-1] == Close(CloseCode.MALFORMED_FRAME)


def test_a_frame_that_breaks_a_rule_is_refused_by_its_reference() -> None:
    session = Session(SFU_JSON, SfuSettings(), 0)
    session.accept(JOIN)
    session.entered()
    (refused,) = session.receive(b'{"type":"mute","ref":9,"track":"","muted":true}', False, 0)
    assert isinstance(refused, Emit)
    assert isinstance(refused.frame, Error)
    assert (refused.frame.ref, refused.frame.problem.status) == (9, 422)


def test_who_does_not_enter_in_time_is_closed() -> None:
    session = Session(SFU_MSGPACK, SfuSettings(), 100)
    assert session.tick(109.9) == []
    assert session.tick(110) == [Close(CloseCode.AUTHENTICATION_TIMEOUT)]
    assert session.tick(200) == []


def test_heartbeats() -> None:
    session = inside()
    assert session.tick(24) == []
    assert session.tick(25) == [ProbePeer()]
    assert session.tick(36) == []
    session.heard(36)
    assert session.tick(60) == []
    assert session.tick(61) == [ProbePeer()]
    assert session.tick(73) == [Close(CloseCode.HEARTBEAT_TIMEOUT)]
