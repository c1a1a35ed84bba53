from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ringlined.doctor.use_hops import (
    NOT_SEALED,
    Pair,
    check_call,
    check_message,
    judge_call,
    judge_meeting,
)
from ringlined.trial.device import Device
from ringlined.trial.program import StepFailed


def statistics(**changes: Any) -> dict[str, Any]:
    return {
        "video_frames_decoded": 70,
        "audio_seconds_received": 2.8,
        "local_candidate": "relay",
        "remote_candidate": "relay",
        **changes,
    }


def test_a_call_with_pictures_and_sound_by_the_relay_is_well() -> None:
    judge_call("the caller", statistics())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"video_frames_decoded": 3}, "3 pictures"),
        ({"audio_seconds_received": 0.1}, r"0\.1 s of sound"),
        ({"local_candidate": "host"}, "another way"),
        ({"remote_candidate": "srflx"}, "another way"),
    ],
)
def test_another_call_is_not(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(StepFailed, match=words):
        judge_call("the caller", statistics(**changes))


def test_no_media_at_all_is_told() -> None:
    with pytest.raises(StepFailed, match="received nothing"):
        judge_call("the caller", None)


def test_a_meeting_counts_what_came() -> None:
    heard = {"frames_decoded": 60, "audio_seconds": 2.0}
    assert judge_meeting("first", {"participants": [heard]}) == 60
    for nothing in ([], [{"frames_decoded": 60, "audio_seconds": 0.1}]):
        with pytest.raises(StepFailed, match="the first received"):
            judge_meeting("first", {"participants": nothing})


async def test_where_only_sealed_messages_are_taken_it_says_what_it_left_out(
    tmp_path: Path,
) -> None:
    device = Device("first", tmp_path, "/bin/false", "http://127.0.0.1:1")
    pair = Pair(device, device, uuid4())
    assert await check_message(pair, sealed_only=True) == {"skipped": NOT_SEALED}
    assert await check_call(pair, sealed_only=True) == {"skipped": NOT_SEALED}
    assert device.runs == []
