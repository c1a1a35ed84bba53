import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from backplane.telemetry.logs import configure_logs, quiet


@pytest.fixture(autouse=True)
def restored_logs() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("chatty").setLevel(logging.NOTSET)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_events_are_json_lines_with_level_time_and_role() -> None:
    stream = io.StringIO()
    configure_logs("info", role="gateway", stream=stream)
    structlog.get_logger().info("session closed", close_code=4007)
    [line] = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "session closed",
        "close_code": 4007,
        "level": "info",
        "role": "gateway",
    }


def test_the_level_is_heeded() -> None:
    stream = io.StringIO()
    configure_logs("warning", stream=stream)
    log = structlog.get_logger()
    log.info("left out")
    log.warning("kept")
    assert [line["event"] for line in lines(stream)] == ["kept"]


def test_secrets_are_taken_out_of_our_events_and_of_the_libraries() -> None:
    stream = io.StringIO()
    configure_logs("info", stream=stream)
    structlog.get_logger().info("hello", number="+41445550123", note="ring +41445550123")
    logging.getLogger("library").warning("sent to %s", "+41445550123")
    text = stream.getvalue()
    assert "41445550123" not in text
    assert [line["event"] for line in lines(stream)] == ["hello", "sent to [number]"]


def test_exceptions_are_shown_without_their_secrets() -> None:
    stream = io.StringIO()
    configure_logs("info", stream=stream)
    number = "+41445550123"
    try:
        raise ValueError(f"bad {number}")
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("library").exception("failed too")
    for line in lines(stream):
        assert "ValueError: bad [number]" in line["exception"]


def test_libraries_chatter_is_left_out() -> None:
    stream = io.StringIO()
    configure_logs("debug", stream=stream)
    logging.getLogger("library").info("chatter")
    logging.getLogger("library").warning("news")
    quiet(["chatty"])
    logging.getLogger("chatty").warning("chatter")
    logging.getLogger("chatty").error("trouble")
    assert [line["event"] for line in lines(stream)] == ["news", "trouble"]


def test_context_is_added() -> None:
    stream = io.StringIO()
    configure_logs("info", stream=stream)
    structlog.contextvars.bind_contextvars(session="k3")
    structlog.get_logger().info("hello")
    assert lines(stream)[0]["session"] == "k3"


@pytest.mark.parametrize(
    ("stream", "form", "console"),
    [
        (io.StringIO(), "auto", False),
        (io.StringIO(), "console", True),
        (Terminal(), "auto", True),
        (Terminal(), "json", False),
    ],
)
def test_a_terminal_gets_text(stream: io.StringIO, form: Any, console: bool) -> None:
    configure_logs("info", form, stream=stream)
    structlog.get_logger().info("hello", number="+41445550123")
    assert stream.getvalue().startswith("{") is not console
    assert "hello" in stream.getvalue()
    assert "41445550123" not in stream.getvalue()


def test_configuring_again_replaces_the_stream() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logs("info", stream=first)
    configure_logs("info", stream=second)
    structlog.get_logger().info("hello")
    assert first.getvalue() == ""
    assert len(lines(second)) == 1
