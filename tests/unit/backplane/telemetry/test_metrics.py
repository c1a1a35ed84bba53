from prometheus_client import CollectorRegistry, Counter

from backplane.telemetry.metrics import Labelled, Metrics, open_metrics, render_metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"ringline_{name}", labels)


def test_counting_by_label() -> None:
    metrics = Metrics()
    metrics.frames_refused.labels(problem="invalid").inc()
    metrics.frames_refused.labels(problem="invalid").inc(2)
    metrics.frames_refused.labels(problem="sequence").inc()
    assert value(metrics, "frames_refused_total", problem="invalid") == 3
    assert value(metrics, "frames_refused_total", problem="sequence") == 1


def test_every_registry_is_its_own() -> None:
    first, second = Metrics(), Metrics()
    first.connections_open.inc()
    assert value(first, "connections_open") == 1
    assert value(second, "connections_open") == 0


def test_a_registry_may_be_given() -> None:
    registry = CollectorRegistry()
    Metrics(registry).messages_sent.inc()
    assert registry.get_sample_value("ringline_messages_sent_total") == 1


def test_label_sets_are_bounded_and_the_rest_is_other() -> None:
    registry = CollectorRegistry()
    counter = Labelled(Counter("c", "c", ("a", "b"), registry=registry), label_sets_max=2)
    for number in range(5):
        counter.labels(a=str(number), b="x").inc()
    counter.labels(a="0", b="x").inc()

    def count(a: str, b: str) -> float | None:
        return registry.get_sample_value("c_total", {"a": a, "b": b})

    assert count("0", "x") == 2
    assert count("1", "x") == 1
    assert count("2", "x") is None
    assert count("other", "other") == 3


def test_label_values_need_not_be_text() -> None:
    metrics = Metrics()
    metrics.sessions_closed.labels(code=4007).inc()
    assert value(metrics, "sessions_closed_total", code="4007") == 1


def test_the_page_names_what_is_counted() -> None:
    metrics = open_metrics()
    metrics.registration_budget_exhausted.labels(scope="number").inc()
    metrics.send_commit_seconds.observe(0.003)
    metrics.http_request_seconds.labels(route="/v1/tokens").observe(0.01)
    page, content_type = render_metrics(metrics)
    lines = page.decode().splitlines()
    assert content_type.startswith("text/plain")
    assert 'ringline_registration_budget_exhausted_total{scope="number"} 1.0' in lines
    assert 'ringline_send_commit_seconds_bucket{le="0.002"} 0.0' in lines
    assert 'ringline_send_commit_seconds_bucket{le="0.004"} 1.0' in lines
    assert 'ringline_http_request_seconds_count{route="/v1/tokens"} 1.0' in lines
    assert any(line.startswith("process_cpu_seconds_total ") for line in lines)
