from uuid import uuid4

import pytest
import structlog

from backplane.bus.codec import encode_message
from backplane.bus.ports import AnyBusMessage, Displaced
from backplane.bus.receiver import Receiver
from backplane.telemetry.metrics import Metrics
from ringline.protocol.types import Address

MESSAGE = Displaced(address=Address(uuid4(), 1), fence=1)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def dropped(metrics: Metrics, reason: str) -> float | None:
    return metrics.registry.get_sample_value("ringline_bus_dropped_total", {"reason": reason})


def fail(*_: object) -> None:
    raise KeyError("mistake")


def test_a_message_reaches_the_callback(metrics: Metrics) -> None:
    heard: list[AnyBusMessage] = []
    Receiver(heard.append, fail, metrics).message(encode_message(MESSAGE))
    assert heard == [MESSAGE]


def test_nonsense_reaches_nobody(metrics: Metrics) -> None:
    Receiver(fail, fail, metrics).message(b"\xc1")
    assert dropped(metrics, "malformed") == 1
    assert dropped(metrics, "callback") is None


def test_failing_callbacks_are_logged_and_counted(metrics: Metrics) -> None:
    receiver = Receiver(fail, fail, metrics)
    with structlog.testing.capture_logs() as events:
        receiver.message(encode_message(MESSAGE))
        receiver.gap()
    assert [event["event"] for event in events] == [
        "bus message not handled",
        "bus gap not handled",
    ]
    assert dropped(metrics, "callback") == 2
    assert metrics.registry.get_sample_value("ringline_bus_gaps_total") == 1
