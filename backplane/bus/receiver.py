"""What a node does with what the bus brings: its two callbacks, called safely."""

from collections.abc import Callable

import structlog

from backplane.bus.codec import decode_message
from backplane.bus.ports import AnyBusMessage
from backplane.telemetry.metrics import Metrics

log = structlog.get_logger()


class Receiver:
    """What cannot be read is dropped; a callback that fails costs that message alone. Both are counted."""

    def __init__(
        self,
        on_message: Callable[[AnyBusMessage], None],
        on_gap: Callable[[], None],
        metrics: Metrics,
    ) -> None:
        self._on_message = on_message
        self._on_gap = on_gap
        self._metrics = metrics

    def message(self, payload: bytes) -> None:
        try:
            message = decode_message(payload)
        except ValueError:
            self._metrics.bus_dropped.labels(reason="malformed").inc()
            return
        self._metrics.bus_messages.labels(direction="in").inc()
        try:
            self._on_message(message)
        except Exception:
            self._metrics.bus_dropped.labels(reason="callback").inc()
            log.exception("bus message not handled", message_type=type(message).__name__)

    def gap(self) -> None:
        self._metrics.bus_gaps.inc()
        try:
            self._on_gap()
        except Exception:
            self._metrics.bus_dropped.labels(reason="callback").inc()
            log.exception("bus gap not handled")
