"""A person in a group call made of aiortc and the wire alone: nothing of our SDK's code.

Publishes a picture of one colour that moves, and a tone; keeps what it sees and hears of each track.
"""

import asyncio
import fractions
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from uuid import UUID

import aiohttp
import av
import msgspec
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from ringline.protocol import resources, sfu
from ringline.protocol.codec import SUBPROTOCOL_JSON
from ringline.protocol.types import RegistrationId

T = TypeVar("T")
CODE: Final = "000000"
"""Of every number of a development server's test prefix."""
WIDTH, HEIGHT, FRAMES_PER_S = 320, 240, 15
SAMPLES_PER_S, SAMPLES = 48_000, 960
REGISTRATION_ID: RegistrationId = 7
_server_frames: Final = msgspec.json.Decoder(sfu.AnySfuServerFrame)


class Colour(MediaStreamTrack):
    """A field of one colour with a bar that runs through it."""

    kind = "video"

    def __init__(self, rgb: tuple[int, int, int]) -> None:
        super().__init__()
        self._rgb = rgb
        self._count = 0
        self._start = asyncio.get_running_loop().time()

    async def recv(self) -> av.VideoFrame:
        self._count += 1
        await _pace(self._start + self._count / FRAMES_PER_S)
        picture = np.full((HEIGHT, WIDTH, 3), self._rgb, dtype=np.uint8)
        left = self._count * 8 % (WIDTH - 40)
        picture[:, left : left + 40] = 255
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = self._count, fractions.Fraction(1, FRAMES_PER_S)
        return frame


class Tone(MediaStreamTrack):
    kind = "audio"

    def __init__(self, hertz: float) -> None:
        super().__init__()
        self._hertz = hertz
        self._count = 0
        self._start = asyncio.get_running_loop().time()

    async def recv(self) -> av.AudioFrame:
        await _pace(self._start + self._count * SAMPLES / SAMPLES_PER_S)
        times = (np.arange(SAMPLES) + self._count * SAMPLES) / SAMPLES_PER_S
        wave = (np.sin(2 * np.pi * self._hertz * times) * 8_000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLES_PER_S
        frame.pts, frame.time_base = self._count * SAMPLES, fractions.Fraction(1, SAMPLES_PER_S)
        self._count += 1
        return frame


async def _pace(due: float) -> None:
    await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))


@dataclass
class Received:
    """Of one track of somebody else."""

    frames: int = 0
    changes: int = 0
    """Pictures that differ from the one before."""
    rgb: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """The mean of the last picture."""
    energy: float = 0.0
    """Sum of the mean squares of the samples, full scale 1."""
    _last: Any = field(default=None, repr=False)

    def take(self, frame: Any) -> None:
        self.frames += 1
        if isinstance(frame, av.AudioFrame):
            samples = frame.to_ndarray().astype(np.float64) / 32_768
            self.energy += float(np.mean(samples**2))
            return
        # Small: converting whole pictures of three people costs more than the call.
        picture = frame.reformat(width=80, height=60, format="rgb24").to_ndarray()
        if self._last is not None:
            self.changes += bool(np.abs(picture.astype(int) - self._last).max() > 40)
        self._last = picture.astype(int)
        self.rgb = tuple(float(part) for part in picture.mean(axis=(0, 1)))  # type: ignore[assignment]  # three channels


class Guest:
    def __init__(self, http: aiohttp.ClientSession, url: str, name: str) -> None:
        self.name = name
        self.people: dict[str, str] = {}
        """Participant ids and names."""
        self.received: dict[tuple[str, str], Received] = {}
        """By the publisher's name and the kind."""
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._http = http
        self._url = url
        self._access = ""
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._ref = 0
        self._publishing: dict[str, sfu.TrackSource] = {}
        self._sections: dict[str, RTCRtpTransceiver] = {}
        self._tracks: dict[str, tuple[str, sfu.Track]] = {}
        """By track id: the publisher's id, the track."""
        self._negotiating = asyncio.Lock()

    async def register(self, number: str) -> None:
        new = await self._post("/v1/registrations", {"number": number}, resources.Registration)
        device = {"name": self.name, "registration_id": REGISTRATION_ID}
        path = f"/v1/registrations/{new.registration}/device"
        mine = await self._post(path, {"code": CODE, "device": device}, resources.DeviceCredential)
        body = {"account": mine.account, "device": mine.device, "credential": mine.credential}
        token = await self._post("/v1/tokens", body, resources.AccessToken)
        self._access = token.access_token

    async def join(self, call: UUID, link_token: str, media: list[MediaStreamTrack]) -> None:
        """Publishes; then receives everything that the others publish, in the background."""
        path = f"/v1/group-calls/{call}/tickets"
        ticket = await self._post(path, {"link_token": link_token}, resources.JoinTicket)
        self._socket = await self._http.ws_connect(
            self._url + ticket.path, protocols=[SUBPROTOCOL_JSON], max_msg_size=0
        )
        self._spawn(self._read(self._socket))
        joined = await self._ask(sfu.Join(ref=self._next(), ticket=ticket.ticket, name=self.name))
        assert isinstance(joined, sfu.Joined), joined
        for track in media:
            self.peer.addTransceiver(track, direction="sendonly")
        async with self._negotiating:
            await self._offer()
        for person in joined.participants:
            self._greet(person)
        self._spawn(self._receive())

    async def leave(self) -> None:
        if self._socket is not None:
            with suppress(ConnectionError):
                await self._send(sfu.Leave())
            await self._socket.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.peer.close()

    async def until_seen(self, *names: str, frames: int, deadline_s: float) -> None:
        """So many pictures, and sound, of everybody named."""
        async with asyncio.timeout(deadline_s):
            for name in names:
                for kind in ("audio", "video"):
                    await self._until_received((name, kind), frames)

    async def _until_received(self, key: tuple[str, str], frames: int) -> None:
        while key not in self.received or self.received[key].frames < frames:  # noqa: ASYNC110 - counted in another task
            await asyncio.sleep(0.05)

    # The wire.

    async def _post(self, path: str, body: Any, shape: type[T]) -> T:
        headers = {"Authorization": f"Bearer {self._access}"} if self._access else {}
        headers["Content-Type"] = "application/json"
        data = msgspec.json.encode(body)
        async with self._http.post(self._url + path, data=data, headers=headers) as response:
            content = await response.read()
            assert response.status in (200, 201), (path, response.status, content)
            return msgspec.json.decode(content, type=shape)

    def _next(self) -> int:
        self._ref += 1
        return self._ref

    async def _send(self, frame: sfu.ClientFrame) -> None:
        assert self._socket is not None
        await self._socket.send_str(msgspec.json.encode(frame).decode())

    async def _ask(self, frame: sfu.ClientFrame) -> Any:
        answer = asyncio.get_running_loop().create_future()
        self._answers[frame.ref] = answer
        await self._send(frame)
        async with asyncio.timeout(20):
            return await answer

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            frame = _server_frames.decode(message.data)
            answer = self._answers.pop(getattr(frame, "ref", 0), None)
            if answer is not None:
                answer.set_result(frame)
            elif isinstance(frame, sfu.ParticipantJoined):
                self._greet(frame.participant)
            elif isinstance(frame, sfu.TrackPublished):
                self._tracks[frame.track.track] = (frame.participant, frame.track)
                self._spawn(self._receive())
            elif isinstance(frame, sfu.TrackEnded):
                self._tracks.pop(frame.track, None)

    def _greet(self, person: sfu.Participant) -> None:
        self.people[person.participant] = person.name
        for track in person.tracks:
            self._tracks[track.track] = (person.participant, track)
        if person.tracks:
            self._spawn(self._receive())

    # Media.

    async def _receive(self) -> None:
        """A section for every track that has none; one offer at a time."""
        async with self._negotiating:
            new = [track for track in self._tracks if track not in self._sections]
            if not new:
                return
            for track in new:
                kind = self._tracks[track][1].kind.value
                self._sections[track] = self.peer.addTransceiver(kind, direction="recvonly")
            await self._offer()
            for track in new:
                publisher, described = self._tracks[track]
                key = (self.people[publisher], described.kind.value)
                received = self.received.setdefault(key, Received())
                self._spawn(_watch(self._sections[track].receiver.track, received))

    async def _offer(self) -> None:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        publish, sections = {}, {id(section) for section in self._sections.values()}
        for transceiver in self.peer.getTransceivers():
            if id(transceiver) not in sections:
                audio = transceiver.kind == "audio"
                source = sfu.TrackSource.MICROPHONE if audio else sfu.TrackSource.CAMERA
                publish[_mid(transceiver)] = sfu.Publication(source=source)
        offer = sfu.Offer(
            ref=self._next(),
            sdp=self.peer.localDescription.sdp,
            publish=publish,
            subscribe={_mid(section): track for track, section in self._sections.items()},
        )
        answer = await self._ask(offer)
        assert isinstance(answer, sfu.Answer), answer
        await self.peer.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        # aiortc connects in the background and does not stand another offer meanwhile.
        async with asyncio.timeout(20):
            while self.peer.connectionState != "connected":  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.02)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.result()


def _mid(section: RTCRtpTransceiver) -> str:
    assert section.mid is not None  # it has been in an offer
    return section.mid


async def _watch(media: MediaStreamTrack, received: Received) -> None:
    with suppress(MediaStreamError):
        while True:
            received.take(await media.recv())


@asynccontextmanager
async def guest(url: str, name: str, number: str) -> AsyncIterator[Guest]:
    async with aiohttp.ClientSession() as http:
        person = Guest(http, url, name)
        await person.register(number)
        try:
            yield person
        finally:
            await person.leave()
