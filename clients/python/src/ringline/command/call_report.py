"""What a call was like: one JSON object, one row of a table."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from ringline.client.call_side import CallPhase
from ringline.client.net.call import Call
from ringline.command.output import Output
from ringline.command.people import People

FIGURES: Final = (
    "with", "ended", "answer, ms", "media set-up, ms", "first frame, ms", "frames shown",
    "sound, s", "loss, %", "jitter, ms", "round trip, ms", "MOS, estimated",
)  # fmt: skip


class CallReport:
    """Told of every phase; made when the call begins here."""

    def __init__(
        self,
        call: Call,
        direction: str,
        recording: Path | None = None,
        start_s: float | None = None,
    ) -> None:
        """`start_s`: when it was dialled, on the monotonic clock; an incoming call begins now."""
        self.call = call
        self.direction = direction
        self.recording = recording
        self._start_s = time.monotonic() if start_s is None else start_s
        self._shown: CallPhase | None = None
        self._reached_s: dict[CallPhase, float] = {}

    def note(self) -> bool:
        """The phase of now; False when it was noted before."""
        known, self._shown = self._shown, self.call.phase
        self._reached_s.setdefault(self.call.phase, time.monotonic())
        return known is not self.call.phase

    @property
    def was_active(self) -> bool:
        return CallPhase.ACTIVE in self._reached_s

    def _after_ms(self, phase: CallPhase) -> int | None:
        at_s = self._reached_s.get(phase)
        return None if at_s is None else round((at_s - self._start_s) * 1000)

    def _duration_s(self) -> float | None:
        active, ended = (self._reached_s.get(p) for p in (CallPhase.ACTIVE, CallPhase.ENDED))
        if active is None:
            return None
        return round((ended or time.monotonic()) - active, 3)

    def fields(self, people: People) -> dict[str, Any]:
        call, statistics = self.call, self.call.statistics()
        return {
            "call": call.id,
            "direction": self.direction,
            "account": call.account,
            "number": people.number(call.account),
            "phase": call.phase,
            "reason": call.reason,
            "outcome": call.outcome,
            "error": call.error,
            "ring_ms": self._after_ms(CallPhase.RINGING),
            "answer_ms": self._after_ms(CallPhase.CONNECTING),
            "active_ms": self._after_ms(CallPhase.ACTIVE),
            "duration_s": self._duration_s(),
            "recording": None if self.recording is None else str(self.recording),
            "statistics": None if statistics is None else msgspec.to_builtins(statistics),
        }

    def figures(self, people: People) -> Sequence[object]:
        """In the order of FIGURES."""
        call, s = self.call, self.call.statistics()
        reason = None if call.reason is None else call.reason.value
        head = (people.name(call.account), reason)
        if s is None or not self.was_active:
            return (*head, *[None] * (len(FIGURES) - len(head)))
        return (
            *head,
            self._after_ms(CallPhase.CONNECTING),
            s.set_up_ms,
            s.first_frame_ms,
            f"{s.video_frames_decoded} of {s.video_frames_received}",
            s.audio_seconds_received,
            100 * s.loss_fraction,
            s.jitter_ms,
            s.round_trip_ms,
            s.mos,
        )


def show_reports(output: Output, people: People, reports: Sequence[CallReport]) -> None:
    """A column per call: more fit that way than rows would."""
    if reports:
        columns = [report.figures(people) for report in reports]
        output.table(
            ["call", *(report.direction for report in reports)],
            list(zip(FIGURES, *columns, strict=True)),
        )


def show_phase(output: Output, people: People, report: CallReport) -> None:
    call = report.call
    if not report.note():
        return
    output.event(
        "call",
        call=call.id,
        direction=report.direction,
        account=call.account,
        number=people.number(call.account),
        phase=call.phase,
        reason=call.reason,
    )
    reason = "" if call.reason is None else f": {call.reason.value}"
    output.progress(
        f"{report.direction} call, {people.name(call.account)}, {call.phase.value}{reason}"
    )
