"""Publish and subscribe with real peers: what arrives is what was sent, and feedback finds its way."""

import asyncio
import re
import secrets
import struct
import time
from uuid import uuid4

from aiortc import RTCRtpTransceiver

from ringline.protocol.sfu import (
    Answer,
    Done,
    Mute,
    TrackEnded,
    TrackMuted,
    TrackPublished,
    TrackSource,
)
from sfu import rtcp
from tests.integration.sfu.callers import Caller, mid, rtp
from tests.integration.sfu.conftest import Stage

OPUS = 96
VP8 = 97
"""aiortc's payload types."""


def ssrcs(answer: Answer) -> list[int]:
    """Of what we are sent, in the order of the sections."""
    return [int(found) for found in re.findall(r"a=ssrc:(\d+) cname", answer.sdp)]


def payloads(packets: list[bytes]) -> list[bytes]:
    found = []
    for packet in packets:
        offset = 12
        if packet[0] & 0x10:
            offset += 4 + 4 * struct.unpack_from("!H", packet, offset + 2)[0]
        found.append(packet[offset:])
    return found


class Pair:
    """Ann publishes, Ben receives it."""

    def __init__(self, ann: Caller, ben: Caller) -> None:
        self.ann, self.ben = ann, ben
        self.sent: RTCRtpTransceiver
        self.got: RTCRtpTransceiver
        self.track = ""
        self.ssrc = 0

    async def connect(self, stage: Stage, kind: str = "video") -> None:
        call = uuid4()
        await self.ann.join(stage.tickets.make(call), "Ann")
        await self.ben.join(stage.tickets.make(call), "Ben")
        source = TrackSource.CAMERA if kind == "video" else TrackSource.MICROPHONE
        self.sent = self.ann.sends(kind)
        await self.ann.offer(publish={self.sent: source})
        await self.ann.media()
        self.track = (await self.ben.expect(TrackPublished)).track.track
        self.got = self.ben.receives(kind)
        answer = await self.ben.offer(subscribe={self.got: self.track})
        await self.ben.media()
        self.ssrc = ssrcs(answer)[0]

    async def send(self, sequence: int, payload: bytes) -> None:
        packet = rtp(sequence, 3000 * sequence, self.sent.sender._ssrc, VP8, payload)
        await self.ann.send_rtp(packet)

    @property
    def received(self) -> list[bytes]:
        return self.ben.received(self.ssrc)

    def feedback(self, kind: int, count: int) -> list[rtcp.Feedback]:
        """That Ann was sent."""
        found = []
        for compound in self.ann.rtcp:
            for packet in rtcp.read_compound(compound)[0]:
                if (packet.type, packet.count) == (kind, count):
                    feedback = rtcp.read_feedback(packet)
                    assert feedback is not None
                    found.append(feedback)
        return found


async def test_random_payloads_arrive_bit_for_bit(stage: Stage) -> None:
    """S25."""
    call = uuid4()
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
        await ann.join(stage.tickets.make(call), "Ann")
        await ben.join(stage.tickets.make(call), "Ben")
        voice, face = ann.sends("audio"), ann.sends("video")
        sources = {voice: TrackSource.MICROPHONE, face: TrackSource.CAMERA}
        answer = await ann.offer(publish=sources)
        assert set(answer.published) == {voice.mid, face.mid}
        await ann.media()
        tracks = [(await ben.expect(TrackPublished)).track for _ in range(2)]
        by_kind = {track.kind.value: track.track for track in tracks}
        wanted = {ben.receives(kind): by_kind[kind] for kind in ("audio", "video")}
        answer = await ben.offer(subscribe=wanted)
        assert set(answer.subscribed.values()) == set(by_kind.values())
        await ben.media()
        video = [secrets.token_bytes(1100) for _ in range(50)]
        audio = [secrets.token_bytes(90) for _ in range(50)]
        for number in range(50):
            face_packet = rtp(
                65510 + number & 0xFFFF, 3000 * number, face.sender._ssrc, VP8, video[number]
            )
            await ann.send_rtp(face_packet)
            await ann.send_rtp(rtp(number, 960 * number, voice.sender._ssrc, OPUS, audio[number]))
        await ben.until(lambda: len(ben.rtp) >= 100)
        heard, seen = (ben.received(ssrc) for ssrc in ssrcs(answer))
        assert payloads(heard) == audio
        assert payloads(seen) == video
        numbers = [struct.unpack_from("!H", packet, 2)[0] for packet in seen]
        assert numbers[0] < 2**15
        assert numbers == list(range(numbers[0], numbers[0] + 50))


async def test_while_muted_nothing_is_forwarded(stage: Stage) -> None:
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
        pair = Pair(ann, ben)
        await pair.connect(stage)
        await pair.send(1, b"heard")
        await ben.until(lambda: len(pair.received) == 1)
        await ann.send(Mute(ref=5, track=pair.track, muted=True))
        await ann.expect(Done)
        assert (await ben.expect(TrackMuted)).muted
        for sequence in range(2, 12):
            await pair.send(sequence, b"not heard")
        await ann.send(Mute(ref=6, track=pair.track, muted=False))
        await ann.expect(Done)
        assert not (await ben.expect(TrackMuted)).muted
        # UDP on loopback keeps its order, but the two sockets are read apart.
        await ann.until(lambda: stage.count("sfu_packets", event="muted") > 0)
        await asyncio.sleep(0.1)
        await pair.send(12, b"heard again")
        await ben.until(lambda: payloads(pair.received)[-1] == b"heard again")
        assert stage.count("sfu_packets", event="muted") >= 1
        late = payloads(pair.received)[1:-1]
        assert len(late) + stage.count("sfu_packets", event="muted") == 10


async def test_picture_loss_reaches_the_publisher_coalesced(stage: Stage) -> None:
    """S16: one when the subscriber begins; then at most one in 500 ms however often it is asked for."""
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
        pair = Pair(ann, ben)
        await pair.connect(stage)
        await ann.until(lambda: bool(pair.feedback(206, rtcp.PLI)))
        assert pair.feedback(206, rtcp.PLI)[0].media == pair.sent.sender._ssrc
        began = time.monotonic()
        loss = rtcp.receiver_report(1) + rtcp.picture_loss(1, pair.ssrc)
        for _ in range(30):
            await ben.send_rtp(loss)
            await asyncio.sleep(0.04)
        await ann.until(lambda: len(pair.feedback(206, rtcp.PLI)) >= 3)
        elapsed = time.monotonic() - began
        assert len(pair.feedback(206, rtcp.PLI)) <= 2 + elapsed / 0.5


async def test_what_never_came_is_asked_of_the_publisher_once(stage: Stage) -> None:
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
        pair = Pair(ann, ben)
        await pair.connect(stage)
        for sequence in (100, 101, 104):
            await pair.send(sequence, b"%d" % sequence)
        await ben.until(lambda: len(pair.received) == 3)
        numbers = [struct.unpack_from("!H", packet, 2)[0] for packet in pair.received]
        assert [number - numbers[0] for number in numbers] == [0, 1, 4]
        missing = [numbers[0] + 1, numbers[0] + 2, numbers[0] + 3]
        for _ in range(3):
            await ben.send_rtp(rtcp.receiver_report(1) + rtcp.nack(1, pair.ssrc, missing))
        await ann.until(lambda: bool(pair.feedback(205, rtcp.NACK)))
        asked = pair.feedback(205, rtcp.NACK)
        assert rtcp.nack_sequences(asked[0].information) == [102, 103]
        assert asked[0].media == pair.sent.sender._ssrc
        # What the node still has, it sent again by itself (Ben's SRTP drops what it has already).
        await ben.until(lambda: stage.count("sfu_packets", event="packets_resent") >= 1)
        await pair.send(102, b"102")
        await ben.until(lambda: payloads(pair.received)[-1] == b"102")
        assert struct.unpack_from("!H", pair.received[-1], 2)[0] == numbers[0] + 2


async def test_reports_have_the_publishers_clock_and_the_subscribers_numbers(stage: Stage) -> None:
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
        pair = Pair(ann, ben)
        await pair.connect(stage)
        await pair.send(1, bytes(40))
        await ben.until(lambda: len(pair.received) == 1)
        ntp = 0x0123_4567_89AB_CDEF
        info = rtcp.SenderInfo(pair.sent.sender._ssrc, ntp, 3000, 999, 999)
        await ann.send_rtp(rtcp.sender_report(info))
        await ben.until(lambda: bool(ben.rtcp))
        packets, whole = rtcp.read_compound(ben.rtcp[0])
        assert whole
        told = rtcp.read_sender_info(packets[0])
        assert told == rtcp.SenderInfo(pair.ssrc, ntp, 3000, 1, 40)
        # And the publisher hears how it is received, and how much it may send.
        await ann.until(lambda: bool(pair.feedback(206, rtcp.APPLICATION)))
        remb = pair.feedback(206, rtcp.APPLICATION)[0].information
        assert remb[:5] == b"REMB\x01"
        word = int.from_bytes(remb[4:8])
        assert 1_490_000 < (word & 0x3FFFF) << (word >> 18 & 0x3F) <= 1_500_000
        assert struct.unpack("!I", remb[8:12]) == (pair.sent.sender._ssrc,)


async def test_feedback_about_others_streams_is_counted_and_ignored(stage: Stage) -> None:
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
        pair = Pair(ann, ben)
        await pair.connect(stage)
        await ann.until(lambda: bool(pair.feedback(206, rtcp.PLI)))
        foreign = pair.sent.sender._ssrc  # the publisher's own number, not what Ben was given
        compound = rtcp.receiver_report(1) + rtcp.nack(1, foreign, [1, 2])
        await ben.send_rtp(compound + rtcp.picture_loss(1, foreign) + rtcp.goodbye(foreign))
        await ben.until(lambda: stage.count("sfu_rtcp", kind="foreign") >= 3)
        assert not pair.feedback(205, rtcp.NACK)
        await pair.send(1, b"still there")
        await ben.until(lambda: payloads(pair.received) == [b"still there"])


async def test_a_goodbye_ends_the_track(stage: Stage) -> None:
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
        pair = Pair(ann, ben)
        await pair.connect(stage)
        await ann.send_rtp(rtcp.receiver_report(1) + rtcp.goodbye(pair.sent.sender._ssrc))
        assert (await ben.expect(TrackEnded)).track == pair.track
        # Ben's next offer may still name it: the news and the offer crossed.
        answer = await ben.offer(subscribe={pair.got: pair.track})
        assert answer.subscribed == {}


async def test_sections_are_added_and_stopped_on_the_way(stage: Stage) -> None:
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
        pair = Pair(ann, ben)
        await pair.connect(stage)
        voice = ann.sends("audio")
        both = {pair.sent: TrackSource.CAMERA, voice: TrackSource.MICROPHONE}
        answer = await ann.offer(publish=both)
        assert answer.published[mid(pair.sent)] == pair.track
        sound = (await ben.expect(TrackPublished)).track.track
        ear = ben.receives("audio")
        answer = await ben.offer(subscribe={pair.got: pair.track, ear: sound})
        assert set(answer.subscribed) == {pair.got.mid, ear.mid}
        await ann.send_rtp(rtp(5, 5, voice.sender._ssrc, OPUS, b"voice"))
        await ben.until(lambda: payloads(ben.rtp)[-1:] == [b"voice"])
        pair.sent.direction = "inactive"
        answer = await ann.offer(publish={voice: TrackSource.MICROPHONE})
        assert list(answer.published) == [voice.mid]
        assert (await ben.expect(TrackEnded)).track == pair.track
        await ann.send_rtp(rtp(6, 6, voice.sender._ssrc, OPUS, b"voice goes on"))
        await ben.until(lambda: payloads(ben.rtp)[-1] == b"voice goes on")
