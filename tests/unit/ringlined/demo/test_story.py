import pytest

from ringlined.demo.clip import FRAMES, SECONDS, find_clip
from ringlined.demo.story import RELAYED_S, quality, relayed_frames
from ringlined.trial.device import of_kind, texts
from ringlined.trial.program import Event, StepFailed


def ended(**changes: object) -> Event:
    statistics = {
        "video_frames_decoded": FRAMES,
        "audio_seconds_received": SECONDS,
        "loss_fraction": 0.01,
        "jitter_ms": 2.345,
        "round_trip_ms": None,
        "mos": 4.3,
        "first_frame_ms": 200.0,
    }
    return {"reason": "hung-up", "error": None, "statistics": {**statistics, **changes}}


def test_a_calls_quality_is_put_in_figures() -> None:
    assert quality("Ann", ended()) == {
        "frames": FRAMES,
        "audio_s": SECONDS,
        "loss_percent": 1.0,
        "jitter_ms": 2.35,
        "round_trip_ms": None,
        "mos": 4.3,
        "first_picture_ms": 200.0,
    }


@pytest.mark.parametrize(
    "changes", [{"video_frames_decoded": FRAMES // 2}, {"audio_seconds_received": SECONDS / 2}]
)
def test_half_a_call_is_no_call(changes: Event) -> None:
    with pytest.raises(StepFailed, match="Ann received"):
        quality("Ann", ended(**changes))


def test_a_call_without_media_is_no_call() -> None:
    with pytest.raises(StepFailed, match="Bob heard and saw nothing: unreachable"):
        quality("Bob", {"reason": "unreachable", "error": None, "statistics": None})


def test_events_are_picked_by_kind() -> None:
    events = [
        {"event": "message", "text": "one"},
        {"event": "receipt", "kind": "read"},
        {"event": "message", "text": "two"},
    ]
    assert texts(events) == ["one", "two"]
    assert of_kind(events, "receipt") == [events[1]]


def test_the_clip_is_there() -> None:
    assert find_clip().stat().st_size > 1_000_000


RELAYED = {"local_candidate": "relay", "remote_candidate": "relay"}


def test_a_call_through_the_relay_is_one_at_both_ends() -> None:
    both = ended(**RELAYED, video_frames_decoded=70, audio_seconds_received=2.9)
    assert relayed_frames("Ann", both) == 70
    for end in RELAYED:
        with pytest.raises(StepFailed, match="not by the relay"):
            relayed_frames("Ann", ended(**{**RELAYED, end: "host"}))


@pytest.mark.parametrize("changes", [{"video_frames_decoded": 3}, {"audio_seconds_received": 0.2}])
def test_a_relayed_call_with_hardly_anything_in_it_is_none(changes: Event) -> None:
    with pytest.raises(StepFailed, match=f"in {RELAYED_S} s"):
        relayed_frames("Ann", ended(**{**RELAYED, **changes}))


def test_a_relayed_call_without_media_says_why() -> None:
    with pytest.raises(StepFailed, match="unreachable"):
        relayed_frames("Ann", {"reason": "unreachable", "error": None, "statistics": None})
