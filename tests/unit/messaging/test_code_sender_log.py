"""The log adapter shows the code only where it was asked to, and never the number."""

import pytest
import structlog

from backplane.errors import Unavailable
from messaging.code_sender_log import LogCodeSender


async def test_code_without_number_when_asked_for() -> None:
    with structlog.testing.capture_logs() as logs:
        await LogCodeSender(reveal=True).send("+442079460000", "123456")
    assert logs[0]["one_time_code"] == "123456"
    assert "+4420794600" not in str(logs)


async def test_otherwise_nothing_is_shown_and_nobody_told_to_wait() -> None:
    with structlog.testing.capture_logs() as logs, pytest.raises(Unavailable):
        await LogCodeSender(reveal=False).send("+442079460000", "123456")
    assert "123456" not in str(logs)
    assert logs[0]["log_level"] == "error"
