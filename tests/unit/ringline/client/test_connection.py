"""The core alone: a clock that we turn, frames that we make."""

import uuid
from typing import TypeVar

import pytest

from ringline.client import connection as core
from ringline.client.backoff import FIRST_MS, Backoff
from ringline.client.connection import Connection, Phase
from ringline.protocol import frames, limits
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import TypingState

TOKEN = "t" * 43
LIFETIME_MS = limits.ACCESS_TOKEN_LIFETIME_S * 1000
START = 1_000_000
A = TypeVar("A")


def one(actions: list[core.Action], kind: type[A]) -> A:
    [found] = [action for action in actions if isinstance(action, kind)]
    return found


def sent(actions: list[core.Action]) -> frames.AnyClientFrame:
    return one(actions, core.Transmit).frame


def ready(ref: int, expires_in_ms: int = LIFETIME_MS) -> frames.Ready:
    return frames.Ready(
        ref=ref,
        account=uuid.UUID(int=1),
        device=1,
        session="s",
        time=5_000,
        token_expires_at=5_000 + expires_in_ms,
        heartbeat_s=25,
        window=64,
        backlog=0,
    )


def connect(connection: Connection, now: int = START) -> None:
    connection.start(now)
    if connection.phase is Phase.BUYING:
        connection.token_bought(TOKEN, LIFETIME_MS, now)
    log_in = sent(connection.opened(now))
    connection.received(ready(log_in.ref), now)
    assert connection.phase is Phase.READY


def new(resume_after: int | None = None) -> Connection:
    return Connection(Backoff(lambda: 0.0), resume_after)


@pytest.fixture
def live() -> Connection:
    connection = new()
    connect(connection)
    return connection


def ping() -> frames.Ping:
    return frames.Ping()


def test_logs_in_with_a_token_and_the_position() -> None:
    connection = new(resume_after=7)
    assert connection.start(START) == [core.BuyToken()]
    assert connection.token_bought(TOKEN, LIFETIME_MS, START) == [core.Open()]
    log_in = sent(connection.opened(START))
    assert isinstance(log_in, frames.Authenticate)
    assert (log_in.token, log_in.resume_after) == (TOKEN, 7)
    answer = ready(log_in.ref)
    assert connection.received(answer, START) == [core.BecameReady(answer)]


def test_starts_once(live: Connection) -> None:
    assert live.start(START) == []


def test_no_room_before_it_is_ready() -> None:
    connection = new()
    assert connection.room == 0
    connection.start(START)
    assert connection.room == 0
    assert connection.tell(ping()) == []
    assert connection.acknowledge([1], START) == []


def test_an_answer_finds_its_request(live: Connection) -> None:
    first, actions = live.request(ping(), START)
    assert sent(actions).ref == first
    second, _ = live.request(ping(), START)
    answer = frames.Done(ref=second)
    assert live.received(answer, START) == [core.Answered(second, answer)]
    assert live.received(answer, START) == []
    assert live.received(frames.Done(ref=9999), START) == []


def test_requests_are_bounded(live: Connection) -> None:
    for _ in range(core.REQUESTS_IN_FLIGHT_MAX):
        live.request(ping(), START)
    assert live.room == 0
    with pytest.raises(AssertionError):
        live.request(ping(), START)


def test_what_comes_is_handed_on(live: Connection) -> None:
    caught_up = frames.CaughtUp()
    assert live.received(caught_up, START) == [core.Arrived(caught_up)]


def test_a_lost_connection_answers_everything_and_waits(live: Connection) -> None:
    ref, _ = live.request(ping(), START)
    actions = live.closed(None, START)
    assert core.Answered(ref, None) in actions
    waiting = one(actions, core.Waiting)
    assert waiting == core.Waiting("unreachable", FIRST_MS // 2)
    assert live.deadline == START + FIRST_MS // 2
    assert live.tick(START + 1) == []
    assert live.tick(START + FIRST_MS) == [core.Open()], "the token is still good"


@pytest.mark.parametrize("code", [code for code in CloseCode if code.final])
def test_some_ends_are_for_good(live: Connection, code: CloseCode) -> None:
    stopped = one(live.closed(code, START), core.Stopped)
    assert stopped.code is code
    assert live.deadline is None
    assert live.tick(START + 10**9) == []


@pytest.mark.parametrize("code", [CloseCode.TOKEN_REFUSED, CloseCode.TOKEN_EXPIRED])
def test_a_refused_token_is_replaced(live: Connection, code: CloseCode) -> None:
    live.closed(code, START)
    assert live.tick(START + FIRST_MS) == [core.BuyToken()]


def test_a_node_that_goes_away_is_left_at_once(live: Connection) -> None:
    assert one(live.closed(CloseCode.GOING_AWAY, START), core.Waiting).retry_in_ms == 0


def test_a_close_code_of_a_later_server_is_survived(live: Connection) -> None:
    assert one(live.closed(4999, START), core.Waiting).reason == "unreachable"


def test_back_off_grows_until_a_connection_holds() -> None:
    connection = new()
    connect(connection)
    now, waits = START, []
    for _ in range(4):
        waits.append(one(connection.closed(None, now), core.Waiting).retry_in_ms)
        now += 60_000
        connection.tick(now)
    assert waits == [FIRST_MS // 2, FIRST_MS, 2 * FIRST_MS, 4 * FIRST_MS]
    log_in = sent(connection.opened(now))
    connection.received(ready(log_in.ref), now)
    now += core.STABLE_MS
    assert one(connection.closed(None, now), core.Waiting).retry_in_ms == FIRST_MS // 2


def test_no_credential_is_for_good() -> None:
    connection = new()
    connection.start(START)
    assert connection.credential_refused() == [core.Stopped("credential-refused", None)]
    assert connection.token_bought(TOKEN, LIFETIME_MS, START) == []


def test_no_token_now_is_tried_again() -> None:
    connection = new()
    connection.start(START)
    waiting = one(connection.token_unavailable("unavailable", START), core.Waiting)
    assert connection.tick(START + waiting.retry_in_ms) == [core.BuyToken()]


@pytest.mark.parametrize("stage", ["opening", "authenticating"])
def test_each_stage_has_its_time(stage: str) -> None:
    connection = new()
    connection.start(START)
    connection.token_bought(TOKEN, LIFETIME_MS, START)
    if stage == "authenticating":
        connection.opened(START)
    assert connection.deadline == START + core.STAGE_TIMEOUT_MS
    actions = connection.tick(START + core.STAGE_TIMEOUT_MS)
    assert actions[0] == core.Shut()
    assert connection.phase is Phase.WAITING


def test_buying_a_token_has_its_time_and_is_not_done_twice() -> None:
    connection = new()
    connection.start(START)
    now = START + core.STAGE_TIMEOUT_MS
    waiting = one(connection.tick(now), core.Waiting)
    assert connection.tick(now + waiting.retry_in_ms) == []
    assert connection.token_bought(TOKEN, LIFETIME_MS, now + 400) == [core.Open()]


def test_silence_is_asked_about_and_then_the_end(live: Connection) -> None:
    asked_at = START + limits.HEARTBEAT_INTERVAL_S * 1000
    assert live.deadline == asked_at
    assert isinstance(sent(live.tick(asked_at)), frames.Ping)
    assert live.tick(asked_at + core.SILENCE_GRACE_MS - 1) == []
    assert live.tick(asked_at + core.SILENCE_GRACE_MS)[0] == core.Shut()


def test_anything_heard_is_a_sign_of_life(live: Connection) -> None:
    asked_at = START + limits.HEARTBEAT_INTERVAL_S * 1000
    ref = sent(live.tick(asked_at)).ref
    live.received(frames.Pong(ref=ref), asked_at + 1)
    assert live.tick(asked_at + core.SILENCE_GRACE_MS + 1) == []
    assert live.phase is Phase.READY


def test_an_answer_that_does_not_come_ends_the_connection(live: Connection) -> None:
    ref, _ = live.request(ping(), START)
    live.heard(START + core.ANSWER_TIMEOUT_MS - 1)
    actions = live.tick(START + core.ANSWER_TIMEOUT_MS)
    assert actions[0] == core.Shut()
    assert core.Answered(ref, None) in actions


def test_acknowledgements_go_out_together(live: Connection) -> None:
    assert live.acknowledge([1], START) == []
    assert live.acknowledge([2, 2], START) == []
    assert live.deadline == START + core.ACKNOWLEDGE_DELAY_MS
    frame = sent(live.tick(START + core.ACKNOWLEDGE_DELAY_MS))
    assert isinstance(frame, frames.Acknowledge)
    assert frame.positions == [1, 2]
    assert live.tick(START + 2 * core.ACKNOWLEDGE_DELAY_MS) == []


def test_a_full_batch_does_not_wait(live: Connection) -> None:
    positions = list(range(core.ACKNOWLEDGE_BATCH_POSITIONS))
    frame = sent(live.acknowledge(positions, START))
    assert isinstance(frame, frames.Acknowledge)
    assert frame.positions == positions


def test_acknowledgements_can_be_hurried(live: Connection) -> None:
    assert live.flush(START) == []
    live.acknowledge([1], START)
    assert live.acknowledging
    ref = sent(live.flush(START)).ref
    assert live.acknowledging
    live.received(frames.Done(ref=ref), START)
    assert not live.acknowledging


def test_a_failed_acknowledgement_is_repeated(live: Connection) -> None:
    live.acknowledge([1], START)
    ref = sent(live.tick(START + 50)).ref
    problem = ProblemType.UNAVAILABLE.describe()
    assert live.received(frames.Error(ref=ref, problem=problem), START + 60) == []
    frame = sent(live.tick(START + 60 + core.ACKNOWLEDGE_RETRY_MS))
    assert isinstance(frame, frames.Acknowledge)
    assert frame.positions == [1]


def test_a_refused_acknowledgement_is_not_repeated(live: Connection) -> None:
    live.acknowledge([1], START)
    ref = sent(live.tick(START + 50)).ref
    problem = ProblemType.NOT_FOUND.describe()
    live.received(frames.Error(ref=ref, problem=problem), START + 60)
    assert live.tick(START + 5_000) == []


def test_the_token_is_renewed_in_band(live: Connection) -> None:
    due = START + LIFETIME_MS - core.TOKEN_MARGIN_MS
    live.heard(due)
    assert core.BuyToken() in live.tick(due)
    assert core.BuyToken() not in live.tick(due)
    frame = sent(live.token_bought("u" * 43, LIFETIME_MS, due))
    assert isinstance(frame, frames.Refresh)
    live.received(frames.Refreshed(ref=frame.ref, token_expires_at=1), due)
    live.heard(due + LIFETIME_MS // 2)
    assert live.tick(due + LIFETIME_MS // 2) == []


def test_a_token_that_cannot_be_renewed_now_is_tried_again(live: Connection) -> None:
    due = START + LIFETIME_MS - core.TOKEN_MARGIN_MS
    live.heard(due)
    live.tick(due)
    assert live.token_unavailable("unreachable", due) == []
    live.heard(due + core.TOKEN_RETRY_MS)
    assert live.tick(due + core.TOKEN_RETRY_MS) == [core.BuyToken()]


def test_typing_asks_for_no_answer(live: Connection) -> None:
    frame = frames.Typing(conversation=uuid.UUID(int=2), state=TypingState.STARTED)
    assert sent(live.tell(frame)).ref == 0


def test_stop_shuts_and_answers(live: Connection) -> None:
    ref, _ = live.request(ping(), START)
    stopped = core.Stopped("closed", None)
    assert live.stop() == [core.Shut(), core.Answered(ref, None), stopped]
    assert live.stop() == []


def test_nothing_before_ready_is_taken_for_an_answer() -> None:
    connection = new()
    connection.start(START)
    connection.token_bought(TOKEN, LIFETIME_MS, START)
    log_in = sent(connection.opened(START))
    problem = ProblemType.UNAUTHENTICATED.describe()
    assert connection.received(frames.Error(ref=log_in.ref, problem=problem), START) == []
    assert connection.phase is Phase.AUTHENTICATING
