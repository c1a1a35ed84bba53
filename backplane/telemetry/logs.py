"""Structured logs on standard error: JSON lines, or coloured text on a developer's terminal.

Modules write `structlog.get_logger().info("session closed", close_code=4007)`: an event in a few
plain words and fields. Libraries that log by the standard's `logging` come out the same way.
"""

import logging
import sys
from collections.abc import Sequence
from typing import Any, Final, Literal, TextIO

import structlog

from backplane.telemetry.redaction import redact_event

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]

_LEVELS: Final[dict[LogLevel, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
FOREIGN_LEVEL: Final = logging.WARNING
"""Libraries' own chatter is for debugging them."""


def configure_logs(
    level: LogLevel = "info",
    form: LogFormat = "auto",
    role: str | None = None,
    stream: TextIO | None = None,
) -> None:
    """Call once, at the start of a process. `auto`: console when the stream is a terminal."""
    stream = stream if stream is not None else sys.stderr
    console = form == "console" or (form == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_stamps(role),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact_event,
                _renderer(console, colors=stream.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_LEVELS[level], FOREIGN_LEVEL))
    structlog.configure(
        processors=[*_stamps(role), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=_RootLoggerFactory(),
        cache_logger_on_first_use=False,
    )


class _RootLoggerFactory:
    """Our own events have passed their level already, so they skip the libraries' threshold."""

    def __call__(self, *_names: Any) -> logging.Logger:
        logger = logging.getLogger("ringline")
        logger.setLevel(logging.DEBUG)
        return logger


def _stamps(role: str | None) -> list[structlog.typing.Processor]:
    chain: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    return [*chain, _Role(role)] if role else chain


class _Role:
    def __init__(self, role: str) -> None:
        self._role = role

    def __call__(
        self, _logger: Any, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["role"] = self._role
        return event


def _renderer(console: bool, colors: bool) -> structlog.typing.Processor:
    if console:
        return structlog.dev.ConsoleRenderer(
            colors=colors,
            timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,
        )
    return structlog.processors.JSONRenderer()


def quiet(names: Sequence[str]) -> None:
    """Silence these standard loggers but for errors (an access log, say)."""
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
