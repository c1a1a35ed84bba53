"""What the services count, once and by name, for Prometheus.

A label's values come from our own enumerations; should a caller let something of a peer's in, the
cap below keeps the number of series bounded: what comes after it is counted as `other`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

LABEL_SETS_MAX: Final = 128
OTHER: Final = "other"
_COMMIT_BUCKETS_S: Final = (
    0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 5,
)  # fmt: skip
_REQUEST_BUCKETS_S: Final = (0.001, 0.004, 0.016, 0.064, 0.256, 1, 4, 16)

M = TypeVar("M", Counter, Gauge, Histogram)


class Labelled(Generic[M]):
    """A metric with labels, at most `label_sets_max` sets of them."""

    def __init__(self, metric: M, label_sets_max: int = LABEL_SETS_MAX) -> None:
        self._metric: M = metric
        self._children: dict[tuple[tuple[str, object], ...], M] = {}
        self._label_sets_max = label_sets_max

    def labels(self, **values: object) -> M:
        key = tuple(values.items())
        known = self._children.get(key)
        if known is not None:
            return known
        if len(self._children) >= self._label_sets_max:
            values = dict.fromkeys(values, OTHER)
        child: M = self._metric.labels(**values)
        self._children.setdefault(tuple(values.items()), child)
        return child


class Metrics:
    """Every metric of a node. Without `registry`: a fresh one, which only `render` reads.

    `metrics.frames_refused.labels(problem="invalid").inc()`, `metrics.connections_open.inc()`.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self._connections()
        self._messages()
        self._accounts()
        self._group_calls()
        self._backplane()

    def _connections(self) -> None:
        self.connections_open = self._gauge("connections_open", "WebSocket connections open now")
        self.frames_in = self._counter("frames_in", "Frames received", "type")
        self.frames_out = self._counter("frames_out", "Frames sent", "type")
        self.frames_refused = self._counter("frames_refused", "Frames refused", "problem")
        self.sessions_closed = self._counter("sessions_closed", "Sessions closed by us", "code")
        self.http_requests = self._counter(
            "http_requests", "HTTP requests answered", "route", "method", "status"
        )
        self.http_request_seconds = Labelled(
            Histogram(
                "ringline_http_request_seconds",
                "Time to answer a request",
                ("route",),
                buckets=_REQUEST_BUCKETS_S,
                registry=self.registry,
            )
        )

    def _messages(self) -> None:
        self.messages_sent = self._total("messages_sent", "Messages committed, repeats left out")
        self.messages_delivered = self._total("messages_delivered", "Entries handed to a device")
        self.messages_acknowledged = self._total("messages_acknowledged", "Entries acknowledged")
        self.send_commit_seconds = Histogram(
            "ringline_send_commit_seconds",
            "From a send's arrival to its durable commit",
            buckets=_COMMIT_BUCKETS_S,
            registry=self.registry,
        )
        self.commits_pending = self._gauge("commits_pending", "Operations that wait for a commit")
        self.call_events = self._counter("call_events", "Call events by clients", "kind")

    def _accounts(self) -> None:
        self.registrations = self._counter("registrations", "Registrations ended", "outcome")
        self.codes_sent = self._counter("codes_sent", "One-time codes handed on", "outcome")
        self.registration_budget_exhausted = self._counter(
            "registration_budget_exhausted", "Refusals by a used-up budget", "scope"
        )
        self.leases_held = self._gauge("leases_held", "Presence leases of this node")
        self.leases = self._counter("leases", "Presence leases, by what became of them", "event")

    def _group_calls(self) -> None:
        self.group_call_events = self._counter(
            "group_call_events", "Group calls, by event", "event"
        )
        self.join_tickets_issued = self._total("join_tickets_issued", "Join tickets signed")
        self.relay_credentials_issued = self._total(
            "relay_credentials_issued", "Relay credentials made"
        )
        self.sfu_proxied_open = self._gauge(
            "sfu_proxied_open", "WebSockets carried to SFU nodes now"
        )
        self.sfu_proxied_ended = self._counter(
            "sfu_proxied_ended", "WebSockets carried to SFU nodes, by why they ended", "reason"
        )

    def _backplane(self) -> None:
        self.registry_errors = self._counter("registry_errors", "Registry calls failed", "call")
        self.bus_messages = self._counter("bus_messages", "Bus messages", "direction")
        self.bus_dropped = self._counter("bus_dropped", "Bus messages dropped", "reason")
        self.bus_gaps = self._total("bus_gaps", "Times bus messages may have been missed")

    def watch(
        self, name: str, text: str, label: str, read: Callable[[], Mapping[str, float]]
    ) -> None:
        """A counter that somebody keeps for itself: `read` gives its values by the label's, whenever
        the page is made. For what is counted too often to go through a lock each time."""
        self.registry.register(_Watched(f"ringline_{name}", text, label, read))

    def watch_gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """The same for one value that rises and falls."""
        self._gauge(name, text).set_function(read)

    def _total(self, name: str, text: str) -> Counter:
        return Counter(f"ringline_{name}", text, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Labelled[Counter]:
        return Labelled(Counter(f"ringline_{name}", text, labels, registry=self.registry))

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"ringline_{name}", text, registry=self.registry)


class _Watched(Collector):
    def __init__(
        self, name: str, text: str, label: str, read: Callable[[], Mapping[str, float]]
    ) -> None:
        self._made = name, text, label
        self._read = read

    def collect(self) -> Iterable[Metric]:
        name, text, label = self._made
        family = CounterMetricFamily(name, text, labels=(label,))
        for value, count in list(self._read().items())[:LABEL_SETS_MAX]:
            family.add_metric((value,), count)
        yield family


def open_metrics() -> Metrics:
    """A node's metrics, with those of its process (CPU, memory, files) and interpreter."""
    metrics = Metrics()
    ProcessCollector(registry=metrics.registry)
    PlatformCollector(registry=metrics.registry)
    return metrics


def render_metrics(metrics: Metrics) -> tuple[bytes, str]:
    """The page that Prometheus reads, and its content type."""
    return generate_latest(metrics.registry), CONTENT_TYPE_PLAIN_0_0_4
