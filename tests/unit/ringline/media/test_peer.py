"""Two peers in one process, over 127.0.0.1."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import av
import msgspec
import pytest

from ringline.media import description, pattern
from ringline.media.errors import MediaFailed, MediaRefused, MediaUnavailable
from ringline.media.peer import MediaPeer, MediaPlan
from ringline.media.sinks import CallbackSink, FileSink, NullSink
from ringline.media.sources import TestSource

LOOPBACK = ["127.0.0.1"]
Made = Callable[..., MediaPeer]


@pytest.fixture
async def make() -> AsyncIterator[Made]:
    peers: list[MediaPeer] = []

    def made(plan: MediaPlan | None = None, **settings: Any) -> MediaPeer:
        settings = {"host_addresses": LOOPBACK} | settings
        peers.append(MediaPeer(plan or MediaPlan(), **settings))
        return peers[-1]

    yield made
    await asyncio.gather(*(peer.close() for peer in peers))


async def connect(caller: MediaPeer, callee: MediaPeer) -> None:
    await caller.accept_answer(await callee.answer(await caller.offer()))
    await asyncio.gather(caller.connected(10), callee.connected(10))


async def until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (what is waited for has no event)
            await asyncio.sleep(0.01)


def change(body: bytes, before: str, after: str) -> bytes:
    fields = msgspec.msgpack.decode(body)
    assert before in fields["sdp"]
    return description.encode(fields["kind"], fields["sdp"].replace(before, after))


def sdp_of(body: bytes) -> str:
    return str(msgspec.msgpack.decode(body)["sdp"])


async def test_both_see_and_hear_each_other(make: Made) -> None:
    numbers: list[int] = []

    def see(frame: av.VideoFrame) -> None:
        luma: Any = frame.reformat(format="gray").to_ndarray()
        numbers.append(pattern.number_of(luma))

    there = NullSink()
    caller = make(MediaPlan(source=TestSource(seconds=1.0), sink=CallbackSink(on_video=see)))
    callee = make(MediaPlan(source=TestSource(seconds=1.0), sink=there))
    await connect(caller, callee)
    await asyncio.gather(caller.wait_sent(), callee.wait_sent())
    await caller.close()
    assert await callee.wait_ended() == "closed"
    assert numbers[:25] == list(range(25)), "from the first picture to the last"
    assert there.video_frames >= 25
    assert there.audio_frames >= 50
    for peer in (caller, callee):
        seen = peer.statistics()
        assert seen.set_up_ms is not None
        assert seen.first_frame_ms is not None
        assert 0 < seen.set_up_ms < seen.first_frame_ms < 5000
        assert seen.video_frames_sent == 27
        assert seen.video_frames_decoded >= 25
        assert seen.video_frames_received >= seen.video_frames_decoded
        assert seen.audio_seconds_received >= 1.0
        assert seen.packets_lost == 0
        assert (seen.audio_codec, seen.video_codec) == ("opus", "vp8")
        assert seen.mos is not None
        assert seen.mos > 4
        assert seen.bytes_sent > 10_000


async def test_the_round_trip_comes_from_rtcp(make: Made) -> None:
    caller, callee = make(MediaPlan(source=TestSource())), make(MediaPlan(source=TestSource()))
    await connect(caller, callee)
    await until(lambda: caller.statistics().round_trip_ms is not None)
    round_trip_ms = caller.statistics().round_trip_ms
    assert round_trip_ms is not None
    assert round_trip_ms < 500


async def test_all_candidates_are_the_named_addresses_and_inside(make: Made) -> None:
    caller, callee = make(), make()
    offer = await caller.offer()
    answer = await callee.answer(offer)
    for body in (offer, answer):
        candidates = [line for line in sdp_of(body).splitlines() if line.startswith("a=candidate:")]
        assert candidates
        assert {line.split()[4] for line in candidates} == {"127.0.0.1"}
        assert "a=end-of-candidates" in sdp_of(body)
        assert len(body) < description.SDP_CHARACTERS_MAX


@pytest.mark.parametrize("source", [None, TestSource])
async def test_sound_alone(make: Made, source: type[TestSource] | None) -> None:
    heard = NullSink()
    caller = make(MediaPlan(source=TestSource(seconds=0.5), video=False))
    callee = make(MediaPlan(source=source() if source else None, sink=heard))
    await connect(caller, callee)
    await caller.wait_sent()
    assert heard.audio_frames > 20
    assert heard.video_frames == 0
    assert callee.statistics().video_codec is None


@pytest.mark.parametrize("taken", ["audio", "video"])
async def test_a_kind_that_the_callee_does_not_take_stays_silent(make: Made, taken: str) -> None:
    seen = NullSink()
    caller = make(MediaPlan(source=TestSource(seconds=0.5)))
    plan = MediaPlan(
        source=TestSource(seconds=0.5), sink=seen, audio=taken == "audio", video=taken == "video"
    )
    callee = make(plan)
    await connect(caller, callee)
    await caller.wait_sent()
    await callee.wait_sent()
    assert (seen.audio_frames > 20, seen.video_frames > 10) == (taken == "audio", taken == "video")
    for peer in (caller, callee):
        assert (peer.statistics().video_frames_sent > 0) == (taken == "video")
        codecs = peer.statistics().audio_codec, peer.statistics().video_codec
        assert codecs == (("opus", None) if taken == "audio" else (None, "vp8"))


async def test_an_offer_with_the_pictures_first_works(make: Made) -> None:
    """Not ours, but legal; aiortc would stop the transport if transceivers came in another order."""
    seen = NullSink()
    caller = make(MediaPlan(source=TestSource(seconds=0.5)))
    caller._add_transceivers(["video", "audio"])
    caller._stage = "offered"
    offer = description.encode("offer", await caller._describe())
    callee = make(MediaPlan(sink=seen))
    await caller.accept_answer(await callee.answer(offer))
    await asyncio.gather(caller.connected(10), callee.connected(10))
    await caller.wait_sent()
    assert seen.video_frames >= 12


async def test_nothing_in_common_is_refused(make: Made) -> None:
    offer = await make(MediaPlan(video=False)).offer()
    with pytest.raises(MediaRefused, match="nothing"):
        await make(MediaPlan(audio=False)).answer(offer)


async def test_no_media_leaves_before_the_callee_answers(make: Made) -> None:
    source = TestSource()
    caller, callee = make(MediaPlan(source=source)), make(MediaPlan(source=TestSource()))
    await caller.offer()
    connection: Any = callee._connection
    await asyncio.sleep(0.3)
    for peer in (caller, callee):
        assert peer.statistics().packets_sent == 0
        assert peer.statistics().video_frames_sent == 0
    assert connection.getTransceivers() == [], "the callee has not even a port"


async def test_no_media_leaves_before_the_connection_is_up(make: Made) -> None:
    caller, callee = make(MediaPlan(source=TestSource())), make(MediaPlan(source=TestSource()))
    offer = await caller.offer()
    await callee.answer(offer)
    await asyncio.sleep(0.3)
    assert callee.statistics().video_frames_sent == 0
    with pytest.raises(MediaFailed, match="within"):
        await callee.connected(0.05)


async def test_a_certificate_that_was_not_named_never_connects(make: Made) -> None:
    caller, callee = make(MediaPlan(source=TestSource())), make(MediaPlan(source=TestSource()))
    answer = await callee.answer(await caller.offer())
    start = sdp_of(answer).index("sha-256 ") + len("sha-256 ")
    digest = sdp_of(answer)[start : start + 95]
    await caller.accept_answer(change(answer, digest, ":".join(["AB"] * 32)))
    with pytest.raises(MediaFailed):
        await caller.connected(10)
    assert caller.statistics().video_frames_sent == 0
    assert caller.statistics().video_frames_received == 0


@pytest.mark.parametrize("ending", ["caller", "callee"])
async def test_the_end_is_seen_on_the_other_side(make: Made, ending: str) -> None:
    reasons: list[str] = []
    plan = MediaPlan(source=TestSource())
    caller, callee = make(plan, on_ended=reasons.append), make(on_ended=reasons.append)
    await connect(caller, callee)
    first, other = (caller, callee) if ending == "caller" else (callee, caller)
    await first.close()
    async with asyncio.timeout(5):
        assert await other.wait_ended() == "closed"
    assert reasons == ["closed", "closed"], "once each"


async def test_silence_ends_the_call_within_its_time(make: Made) -> None:
    plan = MediaPlan(source=TestSource())
    caller, callee = make(plan), make(MediaPlan(), silence_timeout_s=1.0)
    await connect(caller, callee)
    connection: Any = caller._transceivers["audio"].sender.transport.transport._connection

    async def swallow(data: bytes) -> None:
        """The network is gone; nobody says goodbye."""

    caller._transceivers["audio"].sender.transport.transport._send = swallow
    connection.build_request = None
    async with asyncio.timeout(4):
        assert await callee.wait_ended() == "silent"
    with pytest.raises(MediaRefused):
        await callee.answer(b"")


async def test_a_call_that_sends_nothing_either_way_is_not_silent(make: Made) -> None:
    """Neither has a source: no RTP and no RTCP, but the checks of the other side are heard."""
    caller, callee = make(silence_timeout_s=8.0), make(silence_timeout_s=8.0)
    await connect(caller, callee)
    before_s = callee._heard_s
    await until(lambda: callee._heard_s > before_s + 1, timeout_s=15)
    assert callee._reason is None


HOSTILE = [
    b"",
    b"garbage",
    b"\xff" * 70_000,
    description.encode("offer", "v=0\r\n"),
    description.encode("answer", "v=0\r\n"),
]


@pytest.mark.parametrize("body", HOSTILE)
async def test_hostile_bodies_are_refused_and_the_next_good_one_is_taken(
    make: Made, body: bytes
) -> None:
    caller, callee = make(), make()
    with pytest.raises(MediaRefused):
        await callee.answer(body)
    answer = await callee.answer(await caller.offer())
    with pytest.raises(MediaRefused):
        await caller.accept_answer(body)
    await caller.accept_answer(answer)
    await asyncio.gather(caller.connected(10), callee.connected(10))


BREAKING = [
    ("VP8/90000", "VP9/90000"),
    ("opus/48000/2", "speex/8000"),
    ("a=fmtp:98 apt=97", "a=fmtp:98 apt=x"),
    ("a=rtpmap:97", "a=rtpmap:x"),
    ("a=extmap:1 ", "a=extmap:x "),
    ("a=sendrecv", "a=fmtp:1"),
    ("a=ssrc:", "a=ssrc:x"),
    ("o=-", "c=IN"),
]


@pytest.mark.parametrize(("before", "after"), BREAKING)
async def test_what_only_the_parser_finds_is_refused_too(
    make: Made, before: str, after: str
) -> None:
    """Some of these aiortc takes; whatever else it raises must come out as MediaRefused."""
    offer = change(await make(MediaPlan(source=TestSource())).offer(), before, after)
    callee = make()
    try:
        await callee.answer(offer)
    except MediaRefused:
        assert await callee.wait_ended() == "closed"


async def test_an_offer_without_our_codecs_is_refused(make: Made) -> None:
    offer = change(await make().offer(), "VP8/90000", "VP9/90000")
    with pytest.raises(MediaRefused, match="not describe"):
        await make().answer(offer)


async def test_an_answer_to_another_offer_is_refused(make: Made) -> None:
    caller, other, callee = make(), make(MediaPlan(video=False)), make()
    await caller.offer()
    answer = await callee.answer(await other.offer())
    with pytest.raises(MediaRefused, match="another offer"):
        await caller.accept_answer(answer)


async def test_everything_happens_once(make: Made) -> None:
    caller, callee = make(), make()
    offer = await caller.offer()
    answer = await callee.answer(offer)
    await caller.accept_answer(answer)
    for again in (caller.offer(), callee.answer(offer), caller.accept_answer(answer)):
        with pytest.raises(MediaRefused):
            await again
    await asyncio.gather(caller.connected(10), callee.connected(10))


async def test_without_an_address_there_is_no_call(make: Made) -> None:
    with pytest.raises(MediaFailed, match="no address"):
        await make(host_addresses=["192.0.2.1"]).offer()
    with pytest.raises(MediaFailed, match="no address"):
        await make(host_addresses=[]).offer()


async def test_an_address_that_is_none_is_our_own_mistake(make: Made) -> None:
    with pytest.raises(ValueError, match="localhost"):
        make(host_addresses=["localhost"])
    with pytest.raises(ValueError, match="sound"):
        make(MediaPlan(audio=False, video=False))


async def test_no_server_is_asked_unless_it_is_named(make: Made) -> None:
    peer = make()
    await peer.offer()
    connection: Any = peer._transceivers["audio"].sender.transport.transport._connection
    assert connection.stun_server is None
    assert connection.turn_server is None


async def test_a_recording_that_cannot_begin_is_said_before_the_answer_leaves(make: Made) -> None:
    offer = await make(MediaPlan(source=TestSource())).offer()
    callee = make(MediaPlan(sink=FileSink("/no/where.mkv")))
    with pytest.raises(MediaUnavailable):
        await callee.answer(offer)
    assert await callee.wait_ended() == "closed"


async def test_a_sink_that_breaks_does_not_end_the_call(
    make: Made, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(frame: av.VideoFrame) -> None:
        raise RuntimeError("a sink of somebody")

    callee = make(MediaPlan(sink=CallbackSink(on_video=broken)))
    caller = make(MediaPlan(source=TestSource()))
    await connect(caller, callee)
    await until(lambda: callee.statistics().video_frames_decoded > 5)
    assert callee._reason is None
    assert caplog.text.count("the sink failed") == 1


async def test_closing_is_harmless_at_any_time_and_twice(make: Made) -> None:
    fresh, offered = make(), make(MediaPlan(source=TestSource()))
    await offered.offer()
    for peer in (fresh, offered):
        await asyncio.gather(peer.close(), peer.close())
        await peer.close()
        assert await peer.wait_ended() == "closed"
        with pytest.raises(MediaFailed):
            await peer.connected(1)
        with pytest.raises(MediaRefused):
            await peer.offer()


async def test_waiting_for_the_end_of_the_source_ends_with_the_call(make: Made) -> None:
    caller, callee = make(MediaPlan(source=TestSource())), make()
    await connect(caller, callee)
    waiting = asyncio.create_task(caller.wait_sent())
    await callee.close()
    await asyncio.wait_for(waiting, 5)


async def test_a_lost_first_picture_is_asked_for_again(make: Made) -> None:
    seen = NullSink()
    caller = make(MediaPlan(source=TestSource()))
    callee = make(MediaPlan(sink=seen, audio=False))
    answer = await callee.answer(await caller.offer())
    dtls: Any = callee._transceivers["video"].sender.transport
    handle = dtls._handle_rtp_data
    lost: list[bytes] = []

    async def lossy(data: bytes, arrival_time_ms: int) -> None:
        if len(lost) < 5:
            lost.append(data)
            return
        await handle(data, arrival_time_ms=arrival_time_ms)

    dtls._handle_rtp_data = lossy
    await caller.accept_answer(answer)
    await until(lambda: seen.video_frames > 5, timeout_s=5)
    assert len(lost) == 5


async def test_who_hides_needs_a_relay(make: Made) -> None:
    peer = make(relay_only=True)
    with pytest.raises(MediaFailed, match="offers no relay"):
        peer.use_servers([])
    with pytest.raises(MediaFailed, match="the relay gives no address"):
        await peer.offer()


async def test_relays_are_named_before_anything_is_said(make: Made) -> None:
    caller, callee = make(), make()
    for peer in (caller, callee):
        peer.use_servers([])
    await connect(caller, callee)
    with pytest.raises(MediaRefused, match="negotiated already"):
        caller.use_servers([])
    seen = caller.statistics()
    assert (seen.local_candidate, seen.remote_candidate) == ("host", "host")
