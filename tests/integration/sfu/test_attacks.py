"""What strangers and cheats send to the media port, and what must be seen (rows S of the criteria)."""

import asyncio
import re
import secrets
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any
from uuid import uuid4

import pytest
from aiortc import RTCSessionDescription

from ringline.protocol.close_codes import CloseCode
from ringline.protocol.sfu import Offer, ParticipantLeft, Publication, TrackEnded, TrackSource
from sfu import rtcp
from sfu.net.dtls import PassiveDtls
from tests.fuzz.datagrams import all_seeds, mutated
from tests.integration.sfu.attacker import Attacker, check, client_hello, with_second_name
from tests.integration.sfu.callers import Caller, mid, rtp
from tests.integration.sfu.conftest import Stage
from tests.integration.sfu.test_conference_media import VP8, Pair, payloads
from turn import stun
from turn.stun import Attribute, Class

CALLS, HELLOS = 50, 40
BURST = 50


class Talk(Pair):
    """A call under way, and what the attacker can have overheard of it."""

    number = 0

    async def goes_on(self) -> None:
        """One packet, from Ann to Ben, at Ben's."""
        self.number += 1
        payload = b"packet %d" % self.number
        await self.send(self.number, payload)
        await self.ben.until(lambda: payload in payloads(self.received))

    def names(self, caller: Caller) -> tuple[str, str]:
        """`ours:theirs` of this caller's checks, and our password."""
        answer = caller.pc.remoteDescription.sdp
        offer = caller.pc.localDescription.sdp
        ours = re.search(r"a=ice-ufrag:(\S+)", answer)
        theirs = re.search(r"a=ice-ufrag:(\S+)", offer)
        password = re.search(r"a=ice-pwd:(\S+)", answer)
        assert ours is not None and theirs is not None and password is not None
        return f"{ours[1]}:{theirs[1]}", password[1]


@asynccontextmanager
async def talk(stage: Stage) -> AsyncIterator[Talk]:
    async with Caller(stage.sfu) as ann, Caller(stage.sfu) as ben:
        pair = Talk(ann, ben)
        await pair.connect(stage)
        await pair.goes_on()
        yield pair


async def test_hellos_of_strangers_disturb_no_call(stage: Stage) -> None:
    """S2, S23: with 40 of them around each set-up every call comes about; nobody is answered."""
    hello = client_hello()
    with Attacker(stage.sfu.media_address) as attacker:
        for _ in range(CALLS):
            async with Caller(stage.sfu) as caller:
                await caller.join(stage.tickets.make(uuid4()))
                attacker.send(*[hello] * (HELLOS // 2))
                sent = caller.sends("video")
                offering = asyncio.create_task(caller.offer(publish={sent: TrackSource.CAMERA}))
                for _ in range(HELLOS // 2):
                    attacker.send(hello)
                    await asyncio.sleep(0.001)
                await offering
                await caller.media()
        assert attacker.heard() == []
    assert stage.count("sfu_dropped", reason="dtls-from-stranger") == CALLS * HELLOS


async def test_checks_that_are_not_authentic_get_no_answer(stage: Stage) -> None:
    """S4: right names and no integrity, a wrong one, and a second name after somebody's right one."""
    async with talk(stage) as call:
        name, password = call.names(call.ben)
        with Attacker(stage.sfu.media_address) as attacker:
            other = check(f"x{name}", password)
            attacker.send(check(name, None), check(name, "guess"), with_second_name(other, name))
            await call.goes_on()
            assert attacker.heard() == []
    assert stage.count("sfu_checks", outcome="unauthentic") >= 3


async def test_media_is_moved_by_nothing_but_an_authentic_nomination(stage: Stage) -> None:
    """S5."""
    async with talk(stage) as call:
        name, password = call.names(call.ben)
        with Attacker(stage.sfu.media_address) as attacker:
            attacker.send(rtp(1, 1, 1, VP8, secrets.token_bytes(100)), check(name, "guess"))
            for _ in range(5):
                await call.goes_on()
            assert attacker.heard() == []
            # Ben himself, behind another port of his address translation.
            attacker.send(check(name, password))
            await call.ben.until(lambda: stage.count("sfu_checks", outcome="granted") > 0)
            for number in range(500, 505):
                await call.send(number, b"there")
            moved: list[bytes] = []
            async with asyncio.timeout(2):
                while sum(128 <= each[0] <= 191 for each in moved) < 5:
                    moved += attacker.heard()
                    await asyncio.sleep(0.01)
            reply = stun.parse(next(each for each in moved if each[0] < 4))
            assert reply.kind == Class.SUCCESS


async def test_nothing_begins_before_ice(stage: Stage) -> None:
    """S6: an SCTP INIT in clear, DTLS before any check: no answer, no state."""
    init = struct.pack("!HHII", 5000, 5000, 0, 0) + bytes([1, 0, 0, 20]) + secrets.token_bytes(16)
    async with Caller(stage.sfu) as caller:
        await caller.join(stage.tickets.make(uuid4()))
        before = stage.sfu._media.states()
        with Attacker(stage.sfu.media_address) as attacker:
            attacker.send(*[init, client_hello()] * 100)
            await caller.until(
                lambda: stage.count("sfu_dropped", reason="dtls-from-stranger") == 100
            )
            assert attacker.heard() == []
        assert stage.sfu._media.states() == before == {"connected": 0, "half-open": 0}


async def test_a_certificate_other_than_the_signalled_one_fails(stage: Stage) -> None:
    """S7: before there are keys; nothing of it reaches anybody."""
    call = uuid4()
    async with Caller(stage.sfu) as eve, Caller(stage.sfu) as ben:
        await ben.join(stage.tickets.make(call), "Ben")
        await eve.join(stage.tickets.make(call), "Eve")
        sent = eve.sends("video")
        sdp = await eve.description()
        other = ":".join(["AB"] * 32)
        forged = re.sub(r"(a=fingerprint:sha-256) \S+", rf"\1 {other}", sdp)
        forged = re.sub(r"a=fingerprint:sha-(384|512) \S+\r\n", "", forged)
        assert forged != sdp
        publish = {mid(sent): Publication(TrackSource.CAMERA)}
        await eve.send(Offer(ref=1, sdp=forged, publish=publish))
        answer = await eve.expect_answer()
        await eve.pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        left = await ben.expect(ParticipantLeft)
        assert left.participant == eve.joined.participant
        assert await eve.closed() == CloseCode.MEDIA_LOST
        assert stage.count("sfu_packets", event="packets_in") == 0


def outgoing(caller: Caller) -> Any:
    """The client's own 5-tuple, under its encryption."""
    return caller.dtls.transport._send


async def test_forged_feedback_from_the_right_address_does_nothing(stage: Stage) -> None:
    """S8."""
    async with talk(stage) as call:
        kinds = ((203, 1), (206, 1), (206, 15), (201, 1))  # BYE, PLI, REMB, RR
        asked = len(call.feedback(rtcp.PAYLOAD_FEEDBACK, 1))
        before = stage.count("sfu_packets", event="unauthentic")
        for kind, count in kinds:
            for ssrc in (call.sent.sender._ssrc, call.ssrc):
                packet = struct.pack("!BBHII", 0x80 | count, kind, 2, 1, ssrc)
                forged = packet + secrets.token_bytes(16) + struct.pack("!I", 1 << 31 | 7)
                for caller in (call.ann, call.ben):
                    await outgoing(caller)(forged)
        await call.ben.until(lambda: stage.count("sfu_packets", event="unauthentic") == before + 16)
        await call.goes_on()
        assert len(call.feedback(rtcp.PAYLOAD_FEEDBACK, 1)) == asked
        assert not any(isinstance(frame, TrackEnded) for frame in call.ben.frames)


async def test_recorded_packets_reach_nobody_again(stage: Stage) -> None:
    """S9: at once and a second later."""
    async with talk(stage) as call:
        send, recorded = outgoing(call.ann), []

        async def record(data: bytes) -> None:
            recorded.append(data)
            await send(data)

        call.ann.dtls.transport._send = record
        for number in range(1000, 2000):
            await call.send(number, b"%d" % number)
            if number % 50 == 0:
                await call.ben.until(lambda: len(call.received) >= len(recorded))
        await call.ben.until(lambda: len(call.received) >= 1000)
        call.ann.dtls.transport._send = send
        media = [each for each in recorded if not 192 <= each[1] <= 223]
        seen = len(call.received)
        for pause_s in (0, 1):
            await asyncio.sleep(pause_s)
            for at in range(0, len(media), 50):
                for packet in media[at : at + 50]:
                    await send(packet)
                await asyncio.sleep(0.005)
        await call.ben.until(
            lambda: stage.count("sfu_packets", event="unauthentic") >= 2 * len(media)
        )
        await call.send(2001, b"last")
        await call.ben.until(lambda: b"last" in payloads(call.received))
        assert len(call.received) == seen + 1


async def test_a_lite_agent_never_takes_the_other_role(stage: Stage) -> None:
    """S14: 487 for every tie-breaker, and no check of ours to any address."""
    async with talk(stage) as call:
        name, password = call.names(call.ben)
        with Attacker(stage.sfu.media_address) as attacker:
            for tie_breaker in (bytes(8), b"\x7f" * 8, b"\xff" * 8):
                attacker.send(check(name, password, (Attribute.ICE_CONTROLLED, tie_breaker)))
            heard: list[bytes] = []
            async with asyncio.timeout(5):
                while len(heard) < 3:
                    heard += attacker.heard()
                    await asyncio.sleep(0.01)
            for each in heard:
                reply = stun.parse(each)
                assert reply.kind == Class.ERROR
                assert stun.decode_error(reply.attributes[Attribute.ERROR_CODE])[0] == 487
            await call.goes_on()
            assert attacker.heard() == []


async def test_nonces_of_dtls_records_count_upwards(stage: Stage) -> None:
    """S22: 50,000 records of one association, each with an explicit nonce of its own."""
    async with talk(stage) as call:
        [dtls, *_] = [peer.dtls for peer in stage.sfu._media._peers.values()]
        nonces = explicit_nonces(dtls, 50_000)
        assert len(set(nonces)) == 50_000
        assert nonces == sorted(nonces)
        await call.goes_on()


def explicit_nonces(dtls: PassiveDtls, count: int) -> list[bytes]:
    """RFC 5288 §3: eight octets after the record's header (RFC 6347 §4.1)."""
    connection = dtls._transport._ssl
    found: list[bytes] = []
    while len(found) < count:
        connection.send(b"x")
        record = connection.bio_read(4096)
        kind, version, size = record[0], record[1:3], struct.unpack_from("!H", record, 11)[0]
        assert (kind, version) == (23, b"\xfe\xfd"), "DTLS 1.2 application data"
        assert len(record) == 13 + size
        found.append(record[13:21])
    return found


def is_dtls(datagram: bytes) -> bool:
    """An insider that breaks its own association is out, which is as it should be."""
    return bool(datagram) and 20 <= datagram[0] <= 63


async def bombard(stage: Stage, count: int, seed: int) -> None:
    """Half from a stranger, half from the address of somebody who is in the call."""
    print(f"seed {seed}")
    datagrams = mutated(seed, all_seeds())
    async with talk(stage) as call, Caller(stage.sfu) as insider:
        await insider.join(stage.tickets.make(uuid4()))
        await insider.offer(publish={insider.sends("video"): TrackSource.CAMERA})
        await insider.media()
        with Attacker(stage.sfu.media_address) as attacker:
            for _ in range(count // BURST):
                for number, datagram in enumerate(islice(datagrams, BURST)):
                    if number % 2 and not is_dtls(datagram):
                        await outgoing(insider)(datagram)
                    else:
                        attacker.send(datagram)
                await call.goes_on()
            assert attacker.heard() == []


async def test_malformed_datagrams_disturb_nobody(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await bombard(stage, 50_000, secrets.randbits(32))
    assert [each for each in caplog.records if each.levelname in ("ERROR", "CRITICAL")] == []


@pytest.mark.slow
@pytest.mark.timeout(1_200)
async def test_a_million_malformed_datagrams_disturb_nobody(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await bombard(stage, 1_000_000, secrets.randbits(32))
    assert [each for each in caplog.records if each.levelname in ("ERROR", "CRITICAL")] == []
