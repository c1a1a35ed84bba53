"""A real client for the tests: a WebSocket, and an aiortc peer connection whose packets are ours."""

import asyncio
import secrets
import struct
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID, uuid4

import aiohttp
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)

from backplane.tickets import TicketSigner
from ringline.media.transport import gather_on, watch_packets
from ringline.protocol.codec import SUBPROTOCOL_MSGPACK
from ringline.protocol.sfu import (
    Answer,
    AnySfuClientFrame,
    AnySfuServerFrame,
    Error,
    Join,
    Joined,
    MediaConnected,
    Offer,
    Publication,
    Resume,
    TrackSource,
)
from ringline.protocol.sfu_codec import SFU_MSGPACK
from ringline.protocol.types import Address
from sfu.app import Sfu

DEADLINE_S = 15.0
Frame = TypeVar("Frame")


def mid(transceiver: RTCRtpTransceiver) -> str:
    """It has one once it was offered."""
    assert transceiver.mid is not None
    return transceiver.mid


def rtp(sequence: int, timestamp: int, ssrc: int, payload_type: int, payload: bytes) -> bytes:
    return struct.pack("!BBHII", 0x80, payload_type, sequence, timestamp, ssrc) + payload


class Tickets:
    def __init__(self, signer: TicketSigner, sfu: Sfu, clock: Callable[[], float]) -> None:
        self.signer = signer
        self.sfu = sfu
        self.clock = clock

    def make(self, call: UUID, account: UUID | None = None, device: int = 1) -> str:
        address = Address(account or uuid4(), device)
        identity = secrets.token_urlsafe(16)
        return self.signer.sign(address, call, self.sfu.node, identity, int(self.clock()))


class Caller:
    """`async with`; then `join`."""

    def __init__(self, sfu: Sfu, address: str = "127.0.0.1") -> None:
        self._sfu = sfu
        self._address = address
        self._http = aiohttp.ClientSession()
        self.ws: aiohttp.ClientWebSocketResponse
        self.frames: list[AnySfuServerFrame] = []
        self._news = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self.joined: Joined
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.pc = RTCPeerConnection(RTCConfiguration(bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._watched = False

    async def __aenter__(self) -> "Caller":
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pc.close()
        await self.ws.close()
        if self._reader is not None:
            await self._reader
        await self._http.close()

    async def connect(self) -> None:
        host, port = self._sfu.signalling_address
        self.ws = await self._http.ws_connect(
            f"http://{host}:{port}/v1/sfu/{self._sfu.node}", protocols=[SUBPROTOCOL_MSGPACK]
        )
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        ws = self.ws
        async for message in ws:
            self.frames.append(SFU_MSGPACK.decode_server(message.data))
            self._news.set()
        self._news.set()

    async def closed(self) -> int:
        """The code."""
        assert self._reader is not None
        await asyncio.wait_for(asyncio.shield(self._reader), DEADLINE_S)
        return int(self.ws.close_code or 0)

    async def send(self, frame: AnySfuClientFrame) -> None:
        await self.ws.send_bytes(SFU_MSGPACK.encode(frame))

    async def expect(self, kind: type[Frame]) -> Frame:
        """The first of that kind that was not taken yet."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for index, frame in enumerate(self.frames):
                    if isinstance(frame, kind):
                        del self.frames[index]
                        return frame
                self._news.clear()
                await self._news.wait()

    async def join(self, ticket: str, name: str = "") -> Joined:
        await self.send(Join(ref=1, ticket=ticket, name=name))
        self.joined = await self.expect(Joined)
        return self.joined

    async def resume(self, secret: str) -> Joined:
        await self.send(Resume(ref=2, secret=secret))
        self.joined = await self.expect(Joined)
        return self.joined

    # Media.

    def sends(self, kind: str) -> RTCRtpTransceiver:
        return self.pc.addTransceiver(kind, direction="sendonly")

    def receives(self, kind: str) -> RTCRtpTransceiver:
        return self.pc.addTransceiver(kind, direction="recvonly")

    async def description(self) -> str:
        offer = await self.pc.createOffer()
        transceivers = self.pc.getTransceivers()
        gather_on(transceivers[0].sender.transport.transport, [self._address])
        if not self._watched:
            self._watched = True
            dtls = transceivers[0].sender.transport
            watch_packets(dtls, self.rtp.append, self.rtcp.append)
        await self.pc.setLocalDescription(offer)
        return self.pc.localDescription.sdp

    async def offer(
        self,
        publish: Mapping[RTCRtpTransceiver, TrackSource] | None = None,
        subscribe: Mapping[RTCRtpTransceiver, str] | None = None,
    ) -> Answer:
        sdp = await self.description()
        frame = Offer(
            ref=7,
            sdp=sdp,
            publish={mid(t): Publication(source) for t, source in (publish or {}).items()},
            subscribe={mid(t): track for t, track in (subscribe or {}).items()},
        )
        await self.send(frame)
        answer = await self.expect_answer()
        await self.pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        return answer

    async def expect_answer(self) -> Answer:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for index, frame in enumerate(self.frames):
                    if isinstance(frame, Answer | Error):
                        del self.frames[index]
                        assert isinstance(frame, Answer), frame
                        return frame
                self._news.clear()
                await self._news.wait()

    async def media(self) -> None:
        await self.expect(MediaConnected)
        await self.until(lambda: self.dtls.state == "connected")

    @property
    def dtls(self) -> Any:
        return self.pc.getTransceivers()[0].sender.transport

    async def send_rtp(self, packet: bytes) -> None:
        await self.dtls._send_rtp(packet)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Of what no event tells: packets, counters."""
        async with asyncio.timeout(DEADLINE_S):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    def received(self, ssrc: int) -> list[bytes]:
        return [packet for packet in self.rtp if struct.unpack_from("!I", packet, 8)[0] == ssrc]
