"""A server for the page alone: the real files and headers, REST and an SFU of a few lines.

It shows the page what a real installation shows seldom or late: refusals, broken connections, people
who come and go on command. Its media is a real peer connection (aiortc) on loopback, with a picture
and a tone of "Bea" where the test lets her in. That page and real servers fit is another test's.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import web
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from ringline.protocol import resources, sfu
from ringline.protocol.codec import SUBPROTOCOL_JSON
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import AccountId
from signaling.net.page import Page

CODE: Final = "000000"
CREATOR: Final = AccountId("0b0a9c9e-7d36-4a39-8d6a-1d3c7f1b2a10")
BEA: Final = AccountId("6d1f5a52-57b8-4c4a-9ef4-0f0a3a0d9c11")
FAR: Final = 4_102_444_800_000
"""A time that no test reaches, UTC milliseconds."""
_decoder: Final = msgspec.json.Decoder(sfu.AnySfuClientFrame)


def token() -> str:
    return secrets.token_urlsafe(32)


@dataclass
class Bea:
    """Another participant, with what she publishes."""

    participant: str = "bea"
    name: str = "Bea Example"
    video: MediaStreamTrack = field(default_factory=VideoStreamTrack)
    audio: MediaStreamTrack = field(default_factory=AudioStreamTrack)

    def tracks(self) -> list[sfu.Track]:
        return [
            self._track("audio", sfu.TrackKind.AUDIO, sfu.TrackSource.MICROPHONE),
            self._track("video", sfu.TrackKind.VIDEO, sfu.TrackSource.CAMERA),
        ]

    def _track(self, suffix: str, kind: sfu.TrackKind, source: sfu.TrackSource) -> sfu.Track:
        name = f"{self.participant}-{suffix}"
        return sfu.Track(track=name, kind=kind, source=source, muted=False)

    def media(self, track: str) -> MediaStreamTrack:
        return self.video if track.endswith("-video") else self.audio

    def described(self, *, silent: bool = False) -> sfu.Participant:
        return sfu.Participant(
            participant=self.participant,
            account=BEA,
            device=1,
            name=self.name,
            tracks=[] if silent else self.tracks(),
        )


class StandIn:
    """`refuse` maps paths (or their last word) to the problem that they answer."""

    def __init__(self, folder: Path | None = None) -> None:
        self.page = Page(folder)
        self.refuse: dict[str, ProblemType] = {}
        self.requests: list[str] = []
        self.frames: list[Any] = []
        self.people: list[Bea] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.resumes = True
        """Whether a broken stay may be taken up again."""
        self.joins = 0
        self._peers: list[RTCPeerConnection] = []
        self._peer: RTCPeerConnection | None = None
        self._secret = ""
        self._silent: list[Bea] = []
        self._arrived = asyncio.Event()
        self._runner: web.ServerRunner | None = None
        self.url = ""

    async def start(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        for peer in self._peers:
            await peer.close()
        for socket in self.sockets:
            await socket.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # What tests do to the page.

    async def tell(self, frame: sfu.ServerFrame) -> None:
        await self.sockets[-1].send_str(msgspec.json.encode(frame).decode())

    async def bring(self, bea: Bea) -> None:
        self.people.append(bea)
        await self.tell(sfu.ParticipantJoined(participant=bea.described()))

    async def take(self, bea: Bea, reason: sfu.LeaveReason) -> None:
        self.people.remove(bea)
        await self.tell(sfu.ParticipantLeft(participant=bea.participant, reason=reason))

    async def close(self, code: int) -> None:
        await self.sockets[-1].close(code=code)

    def cut(self) -> None:
        """As a broken network does: no closing handshake."""
        transport = self.sockets[-1]._req.transport  # type: ignore[union-attr]  # no other way
        assert transport is not None
        transport.abort()

    async def until(self, condition: Callable[[], bool], timeout_s: float = 20) -> None:
        """Looks after every frame and request of the page."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    async def until_sent(self, kind: type, count: int) -> None:
        await self.until(lambda: len(self.sent(kind)) >= count)

    def sent(self, kind: type) -> list[Any]:
        return [frame for frame in self.frames if isinstance(frame, kind)]

    # REST.

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if request.method in ("GET", "HEAD") and self.page.label(path) is not None:
            return self.page.answer(request)
        self.requests.append(f"{request.method} {path}")
        self._arrived.set()
        for name in (path, path.rsplit("/", 1)[-1]):
            if name in self.refuse:
                return _problem(self.refuse[name])
        if path.startswith("/v1/sfu/"):
            return await self._socket(request)
        answer = self._answer(path, await request.read())
        if answer is None:
            return _problem(ProblemType.NOT_FOUND)
        return web.Response(
            status=201, body=msgspec.json.encode(answer), content_type="application/json"
        )

    def _answer(self, path: str, body: bytes) -> resources.Resource | ProblemType | None:
        last = path.rsplit("/", 1)[-1]
        if last in ("registrations", "code"):
            return resources.Registration(registration=token(), code_expires_at=FAR, resend_at=FAR)
        if last == "device":
            given = msgspec.json.decode(body, type=resources.Verification)
            if given.code != CODE:
                return None
            return resources.DeviceCredential(
                account=CREATOR, device=1, number="+15550100", credential=token()
            )
        if last == "tokens":
            return resources.AccessToken(access_token=token(), expires_at=FAR)
        return self._answer_call(last, body)

    def _answer_call(self, last: str, body: bytes) -> resources.Resource | None:
        if last == "group-calls":
            given = msgspec.json.decode(body, type=resources.NewGroupCall)
            return resources.GroupCall(
                call=given.call,
                creator=CREATOR,
                members=[],
                link_token=token(),
                created_at=1,
                ended_at=None,
            )
        if last == "tickets":
            return resources.JoinTicket(
                ticket=token(), node="sfu-1", path="/v1/sfu/sfu-1", expires_at=FAR
            )
        if last == "relay-credentials":
            return resources.RelayCredentials(
                uris=[], username="", password="", allocate_until=FAR, refresh_until=FAR
            )
        return None

    # The SFU.

    async def _socket(self, request: web.BaseRequest) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=[SUBPROTOCOL_JSON], timeout=1)
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            frame = _decoder.decode(message.data)
            self.frames.append(frame)
            await self._frame(socket, frame)
            self._arrived.set()
        return socket

    async def _frame(self, socket: web.WebSocketResponse, frame: Any) -> None:
        match frame:
            case sfu.Join():
                self.joins += 1
                await self._joined(frame.ref, resumed=False)
            case sfu.Resume():
                if not self.resumes or frame.secret != self._secret:
                    await socket.close(code=4010)
                    return
                await self._joined(frame.ref, resumed=True)
            case sfu.Offer():
                await self.tell(await self._negotiate(frame))
                await self._publish()
            case sfu.Mute():
                await self.tell(sfu.Done(ref=frame.ref))
            case sfu.Ping():
                await self.tell(sfu.Pong(ref=frame.ref))
            case sfu.Leave():
                await socket.close(code=1000)

    async def _joined(self, ref: int, *, resumed: bool) -> None:
        self._secret = token()
        if not resumed:
            self._peer = RTCPeerConnection()
            self._peers.append(self._peer)
            self._silent = list(self.people)
        await self.tell(
            sfu.Joined(
                ref=ref,
                call=CREATOR,
                participant=f"me-{self.joins}",
                resume_secret=self._secret,
                resumed=resumed,
                heartbeat_s=25,
                participants=[bea.described(silent=bea in self._silent) for bea in self.people],
            )
        )

    async def _publish(self) -> None:
        """What was there before one joined, after the first answer: aiortc's bundle of a first offer
        with more than three sections leaves some of them outside."""
        while self._silent:
            bea = self._silent.pop()
            for track in bea.tracks():
                await self.tell(sfu.TrackPublished(participant=bea.participant, track=track))

    async def _negotiate(self, offer: sfu.Offer) -> sfu.Answer:
        peer = self._peer
        assert peer is not None
        await peer.setRemoteDescription(RTCSessionDescription(sdp=offer.sdp, type="offer"))
        subscribed = {}
        for mid, track in offer.subscribe.items():
            for bea in self.people:
                if track.startswith(f"{bea.participant}-"):
                    subscribed[mid] = track
                    self._send(peer, mid, bea.media(track))
        await peer.setLocalDescription(await peer.createAnswer())
        return sfu.Answer(
            ref=offer.ref,
            sdp=peer.localDescription.sdp,
            published={mid: f"me-{what.source.value}" for mid, what in offer.publish.items()},
            subscribed=subscribed,
        )

    @staticmethod
    def _send(peer: RTCPeerConnection, mid: str, media: MediaStreamTrack) -> None:
        for transceiver in peer.getTransceivers():
            if transceiver.mid == mid and transceiver.sender.track is not media:
                transceiver.sender.replaceTrack(media)
                transceiver.direction = "sendonly"


def _problem(problem: ProblemType) -> web.Response:
    return web.Response(
        status=problem.status,
        body=msgspec.json.encode(problem.describe()),
        content_type="application/problem+json",
    )
