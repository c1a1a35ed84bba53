"""Offers that are refused change nothing, and cost nobody else anything."""

import asyncio
import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from ringline.protocol.close_codes import CloseCode
from ringline.protocol.sfu import Answer, Error, Mute, Offer, Publication, TrackSource
from tests.integration.sfu.callers import Caller, mid
from tests.integration.sfu.conftest import Stage
from tests.integration.sfu.test_conference_media import Pair, payloads


def without(sdp: str, beginning: str) -> str:
    lines = [line for line in sdp.splitlines() if not line.startswith(beginning)]
    return "\r\n".join(lines) + "\r\n"


def sha1_only(sdp: str) -> str:
    digest = ":".join(["AB"] * 20)
    return without(sdp, "a=fingerprint:").replace(
        "a=setup:", f"a=fingerprint:sha-1 {digest}\r\na=setup:"
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda sdp: sdp.replace("a=setup", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\na=setup"), "a=crypto"),
        (lambda sdp: sdp.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "protocol"),
        (lambda sdp: sdp.replace("UDP/TLS/RTP/SAVPF", "RTP/SAVPF"), "protocol"),
        (lambda sdp: without(sdp, "a=fingerprint:"), "no fingerprint"),
        (sha1_only, "sha-256"),
        (lambda sdp: without(sdp, "a=group:"), "BUNDLE"),
        (lambda sdp: sdp.replace("t=0 0", "t=0 0\r\na=ice-lite"), "ICE-lite"),
        (lambda sdp: without(sdp, "a=rtcp-mux"), "rtcp-mux"),
        (lambda sdp: sdp.replace("a=setup:actpass", "a=setup:passive"), "a=setup"),
        (lambda sdp: without(sdp, "a=ice-ufrag"), "ice-ufrag"),
        (lambda sdp: sdp.replace("v=0", "v=1"), "v=0"),
    ],
)  # fmt: skip
async def test_what_is_not_dtls_srtp_on_one_transport_is_refused(
    stage: Stage, change: Callable[[str], str], says: str
) -> None:
    """S7, S21."""
    async with Caller(stage.sfu) as ann:
        await ann.join(stage.tickets.make(uuid4()))
        sound = ann.sends("audio")
        sdp = await ann.description()
        publish = {mid(sound): Publication(TrackSource.MICROPHONE)}
        await ann.send(Offer(ref=3, sdp=change(sdp), publish=publish))
        error = await ann.expect(Error)
        assert (error.ref, error.problem.status) == (3, 422)
        assert error.problem.detail is not None
        assert says in error.problem.detail
        # Nothing of it took effect: the same, unchanged, is taken.
        await ann.send(Offer(ref=4, sdp=sdp, publish=publish))
        assert (await ann.expect_answer()).ref == 4


async def test_publish_and_subscribe_must_fit_the_offer(stage: Stage) -> None:
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
        pair = Pair(ann, ben)
        await pair.connect(stage)
        camera = Publication(TrackSource.CAMERA)
        sdp = await ben.description()
        got = mid(pair.got)
        wrong = [
            Offer(ref=1, sdp=sdp, publish={"9": camera}),
            Offer(ref=2, sdp=sdp, publish={got: camera}),
            Offer(ref=3, sdp=sdp, subscribe={"9": pair.track}),
            Offer(ref=4, sdp=sdp, subscribe={got: "unknown"}),
        ]
        for frame in wrong:
            await ben.send(frame)
            error = await ben.expect(Error)
            assert (error.ref, error.problem.status) == (frame.ref, 422)
        own = ann.receives("video")
        sdp = await ann.description()
        await ann.send(
            Offer(
                ref=5, sdp=sdp, publish={mid(pair.sent): camera}, subscribe={mid(own): pair.track}
            )
        )
        assert "own" in ((await ann.expect(Error)).problem.detail or "")
        await ben.send(Mute(ref=6, track=pair.track, muted=True))
        assert (await ben.expect(Error)).problem.status == 404
        await pair.send(1, b"untouched")
        await ben.until(lambda: payloads(pair.received) == [b"untouched"])


async def test_five_hundred_offers_are_rate_limited_and_others_go_on(stage: Stage) -> None:
    """S24."""
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben, Caller(stage.sfu) as mob:
        pair = Pair(ann, ben)
        await pair.connect(stage)
        await mob.join(stage.tickets.make(uuid4()))
        sound = mob.sends("audio")
        sdp = await mob.description()
        publish = {mid(sound): Publication(TrackSource.MICROPHONE)}

        async def flood() -> None:
            for ref in range(1, 501):
                await mob.send(Offer(ref=ref, sdp=sdp, publish=publish))

        flooding = asyncio.create_task(flood())
        worst = 0.0
        for sequence in range(50):
            sent = time.monotonic()
            await pair.send(sequence, b"media")
            await ben.until(lambda number=sequence: len(pair.received) > number)  # type: ignore[misc]
            worst = max(worst, time.monotonic() - sent)
        await flooding
        await mob.until(lambda: sum(isinstance(f, Answer | Error) for f in mob.frames) >= 450)
        errors = [frame for frame in mob.frames if isinstance(frame, Error)]
        answers = [frame for frame in mob.frames if isinstance(frame, Answer)]
        assert 20 <= len(answers) <= 60
        assert {error.problem.status for error in errors} == {429}
        assert all((error.problem.retry_after_s or 0) >= 1 for error in errors)
        assert worst < 5


async def test_frames_that_are_none(stage: Stage) -> None:
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben, Caller(stage.sfu) as cat:
        await ann.ws.send_bytes(b"\xc1")
        assert await ann.closed() == CloseCode.MALFORMED_FRAME
        await ben.send(Offer(ref=1, sdp="v=0"))
        assert (await ben.expect(Error)).problem.status == 401
        assert await ben.closed() == CloseCode.PROTOCOL_ERROR
        await cat.ws.send_bytes(bytes(1024 * 1024 + 1))
        assert await cat.closed() == CloseCode.TOO_BIG
