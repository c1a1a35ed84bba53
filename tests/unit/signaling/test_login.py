from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from backplane.errors import Unavailable
from backplane.registry.memory import MemoryRegistry
from backplane.registry.ports import Grant
from backplane.storage.device_queues_memory import MemoryDeviceQueues
from backplane.telemetry.metrics import Metrics
from messaging.errors import refuse
from ringline.protocol import frames
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import MSGPACK
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import Address
from signaling.connections import Connections
from signaling.delivery import Delivery
from signaling.leases import Leases
from signaling.login import Login
from signaling.session import Session, SessionState
from signaling.settings import GatewaySettings

ADDRESS = Address(UUID(int=1), 1)
TOKEN = "t" * 43
Fill = Callable[..., Any]


class Doorman:
    """Stands for Access: what the token is worth, and what happens while it is looked up."""

    def __init__(self) -> None:
        self.fault: Exception | None = None

    async def authenticate(self, _token: str) -> Grant:
        if self.fault is not None:
            raise self.fault
        return Grant(ADDRESS, 10**9)


class Postman:
    """Stands for Mailbox: takes acknowledged entries off the queue."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []

    async def acknowledge(self, _device: Address, delivered: dict[int, Any]) -> None:
        self.acknowledged += delivered


@pytest.fixture
def doorman() -> Doorman:
    return Doorman()


@pytest.fixture
def postman() -> Postman:
    return Postman()


@pytest.fixture
def login(
    connections: Connections,
    queues: MemoryDeviceQueues,
    metrics: Metrics,
    doorman: Any,
    postman: Any,
) -> Login:
    bus: Any = Silent()
    return Login(
        access=doorman,
        queues=queues,
        mailbox=postman,
        connections=connections,
        leases=Leases(
            node="here",
            presence=MemoryRegistry(lambda: 0, 300).presence,
            bus=bus,
            connections=connections,
            metrics=metrics,
            clock=lambda: 0,
        ),
        delivery=Delivery(connections, queues, metrics, lambda: 0, lambda: None),
        clock=lambda: 0,
    )


class Silent:
    async def tell(self, *_: object) -> None: ...

    async def tell_all(self, *_: object) -> None: ...


class Waiting:
    """A connection that has sent `authenticate`."""

    def __init__(self) -> None:
        self.session = Session("s", MSGPACK, GatewaySettings(), 0)
        self.session.accept(frames.Authenticate(token=TOKEN))
        self.codes: list[CloseCode] = []
        self.emitted: list[object] = []

    def perform(self, actions: Any) -> None:
        for action in actions:
            if hasattr(action, "code"):
                self.codes.append(action.code)
            else:
                self.emitted.append(action.frame)

    def close(self, code: CloseCode) -> None:
        self.session.close(code)
        self.codes.append(code)


async def test_a_good_token_is_ready_and_asks_for_the_queue(login: Login, fill: Fill) -> None:
    await fill(ADDRESS, 4)
    waiting = Waiting()
    assert await login.log_in(waiting, frames.Authenticate(ref=6, token=TOKEN))
    (ready,) = waiting.emitted
    assert isinstance(ready, frames.Ready)
    assert (ready.ref, ready.backlog) == (6, 4)


async def test_a_device_without_a_queue_is_gone_for_good(login: Login) -> None:
    waiting = Waiting()
    assert not await login.log_in(waiting, frames.Authenticate(token=TOKEN))
    assert waiting.codes == [CloseCode.DEVICE_REVOKED]


async def test_a_revocation_during_the_login_finds_the_connection(
    login: Login, connections: Connections, queues: MemoryDeviceQueues, fill: Fill
) -> None:
    await fill(ADDRESS, 0)
    waiting = Waiting()
    head = queues.head

    async def revoked_meanwhile(address: Address) -> Any:
        answer = await head(address)
        connections.close([address], CloseCode.DEVICE_REVOKED)
        return answer

    queues.head = revoked_meanwhile  # type: ignore[method-assign]  # this one only
    await login.log_in(waiting, frames.Authenticate(token=TOKEN))
    assert CloseCode.DEVICE_REVOKED in waiting.codes
    assert waiting.emitted == []
    assert waiting.session.state is SessionState.CLOSED


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (refuse(ProblemType.UNAUTHENTICATED), CloseCode.TOKEN_REFUSED),
        (Unavailable("redis"), CloseCode.TRY_AGAIN_LATER),
    ],
)
async def test_a_refusal_and_an_outage_are_told_apart(
    login: Login, doorman: Doorman, connections: Connections, fault: Exception, code: CloseCode
) -> None:
    doorman.fault = fault
    waiting = Waiting()
    assert not await login.log_in(waiting, frames.Authenticate(token=TOKEN))
    assert waiting.codes == [code]
    assert len(connections) == 0


async def test_resuming_acknowledges_everything_up_to_there_in_batches(
    login: Login, postman: Postman, queues: MemoryDeviceQueues, fill: Fill
) -> None:
    await fill(ADDRESS, 150)
    await login.log_in(Waiting(), frames.Authenticate(token=TOKEN, resume_after=130))
    assert postman.acknowledged == list(range(1, 131))


@pytest.mark.parametrize("resume_after", [None, 0, 151, 2**53 - 1])
async def test_resuming_from_nowhere_or_beyond_the_queue_acknowledges_nothing(
    login: Login, postman: Postman, fill: Fill, resume_after: int | None
) -> None:
    await fill(ADDRESS, 150)
    waiting = Waiting()
    await login.log_in(waiting, frames.Authenticate(token=TOKEN, resume_after=resume_after))
    assert postman.acknowledged == []
    assert waiting.session.state is SessionState.READY


async def test_refreshing_keeps_the_session_whatever_the_answer(
    login: Login, doorman: Doorman, fill: Fill
) -> None:
    await fill(ADDRESS, 0)
    waiting = Waiting()
    await login.log_in(waiting, frames.Authenticate(token=TOKEN))
    doorman.fault = Unavailable("redis")
    await login.refresh(waiting, frames.Refresh(ref=3, token=TOKEN))
    error = waiting.emitted[-1]
    assert isinstance(error, frames.Error)
    assert error.problem.status == 503
    assert waiting.codes == []
