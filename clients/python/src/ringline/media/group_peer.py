"""One side of a group call: one peer connection with the SFU, its own tracks and everybody else's.

The client always offers: `offer` → (send) → `accept_answer`, again whenever `receive` or `stop` has changed
something. A section of the description is used for one track and never for another: receivers learn their
stream once. What the SFU sends is decoded here and handed to the sink that `sink_for` gave.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import av
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from msgspec import Struct

from ringline.client.call_media import IceServer
from ringline.media import transport
from ringline.media.audio_encoder import OpusEncoder
from ringline.media.errors import MediaFailed, MediaRefused
from ringline.media.ice_servers import ice_servers
from ringline.media.sinks import NullSink, Sink
from ringline.media.sources import Source
from ringline.media.statistics import CLOCK_RATE_HZ
from ringline.media.video_encoder import Vp8Encoder

CLOSE_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 20.0
_CODECS: Final = {"audio": "audio/opus", "video": "video/vp8"}

_log = logging.getLogger(__name__)


class TrackStatistics(Struct, frozen=True, kw_only=True):
    """What came of one track of somebody else's."""

    kind: str
    frames_decoded: int
    """Pictures; 0 for sound."""
    audio_seconds: float
    first_frame_ms: float | None
    """From `receive` to the first decoded frame, of pictures or of sound."""


@dataclass(frozen=True, slots=True)
class Description:
    """An offer, and what its sections are for, by their `mid`."""

    sdp: str
    publish: dict[str, str]
    """Kinds: audio, video."""
    subscribe: dict[str, str]
    """Track ids."""


@dataclass(slots=True)
class _Received:
    kind: str
    sink: Sink
    since_s: float
    transceiver: RTCRtpTransceiver | None = None
    pump: asyncio.Task[None] | None = None
    frames: int = 0
    samples: int = 0
    first_frame_ms: float | None = None
    broken: bool = False


class GroupPeer:
    """`on_lost()` is called once for every connection that ends without `close` or `begin_anew`."""

    def __init__(
        self,
        source: Source | None,
        *,
        audio: bool = True,
        video: bool = True,
        host_addresses: Sequence[str] | None = None,
        relay_only: bool = False,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        self._source = source
        self._wanted = {"audio": audio, "video": video}
        self._host_addresses = host_addresses
        self._relay_only = relay_only
        self.on_lost = on_lost
        self._servers: list[RTCIceServer] = []
        self._loop = asyncio.get_running_loop()
        self._connection: RTCPeerConnection | None = None
        self._sending: dict[str, RTCRtpTransceiver] = {}
        self._muted: set[str] = set()
        self._received: dict[str, _Received] = {}
        self._over: dict[str, TrackStatistics] = {}
        self._prepared = False
        self._tasks: set[asyncio.Task[None]] = set()

    # What is sent and received.

    @property
    def kinds(self) -> list[str]:
        """What this side sends."""
        return [
            kind
            for kind, wanted in self._wanted.items()
            if wanted and getattr(self._source, kind, None) is not None
        ]

    def use_servers(self, servers: Sequence[IceServer]) -> None:
        """The relays of this call. Raise MediaFailed when there must be one and is none."""
        self._servers = ice_servers(servers, relay_only=self._relay_only)

    async def begin_anew(self) -> None:
        """Another connection: nothing is received until `receive` says so again."""
        for received in list(self._received):
            self.stop(received)
        await self._end_connection()
        self._connection = self._make_connection()
        for kind in self.kinds:
            track = None if kind in self._muted else self._lend(kind)
            transceiver = self._connection.addTransceiver(track or kind, "sendonly")
            _prefer(transceiver, kind)
            encoder = Vp8Encoder() if kind == "video" else OpusEncoder()
            transport.use_encoder(transceiver.sender, encoder)
            self._sending[kind] = transceiver

    def _make_connection(self) -> RTCPeerConnection:
        self._sending, self._prepared = {}, False
        connection = RTCPeerConnection(
            RTCConfiguration(
                # An empty list, not None: aiortc would ask a public STUN server otherwise.
                iceServers=self._servers,
                bundlePolicy=RTCBundlePolicy.MAX_BUNDLE,
            )
        )

        def changed() -> None:
            over = connection.connectionState in ("failed", "closed")
            if over and self._connection is connection:
                self._connection = None
                if self.on_lost is not None:
                    self.on_lost()

        connection.on("connectionstatechange", changed)
        return connection

    def receive(self, track: str, kind: str, sink: Sink | None = None) -> None:
        """From the next offer on. `kind`: audio or video."""
        if track not in self._received:
            self._received[track] = _Received(kind, sink or NullSink(), self._loop.time())

    def stop(self, track: str) -> None:
        """From the next offer on."""
        known = self._received.pop(track, None)
        if known is None:
            return
        self._over[track] = self._statistics_of(known)
        if known.transceiver is not None:
            known.transceiver.direction = "inactive"
        if known.pump is not None:
            known.pump.cancel()
        self._keep(known.sink.close())

    def set_muted(self, kind: str, muted: bool) -> None:
        """Send nothing of it. Raise KeyError for what is not sent at all."""
        transceiver = self._sending[kind]
        (self._muted.add if muted else self._muted.discard)(kind)
        transceiver.sender.replaceTrack(None if muted else self._lend(kind))

    def _lend(self, kind: str) -> "_Lent":
        return _Lent(getattr(self._source, kind))

    # Negotiation.

    async def offer(self) -> Description:
        """Raise MediaFailed: no address, or no connection any more."""
        connection = self._alive()
        for known in self._received.values():
            if known.transceiver is None:
                known.transceiver = connection.addTransceiver(known.kind, "recvonly")
                _prefer(known.transceiver, known.kind)
        if not connection.getTransceivers():
            raise MediaFailed("there is nothing to send and nobody to hear")
        self._prepare(connection)
        await connection.setLocalDescription(await connection.createOffer())
        sdp = str(connection.localDescription.sdp)
        if "a=candidate:" not in sdp:
            raise MediaFailed("there is no address to be reached at")
        return Description(
            sdp,
            {str(each.mid): kind for kind, each in self._sending.items()},
            {
                str(known.transceiver.mid): track
                for track, known in self._received.items()
                if known.transceiver is not None
            },
        )

    def _prepare(self, connection: RTCPeerConnection) -> None:
        """The one transport, before it gathers."""
        if self._prepared:
            return
        self._prepared = True
        ice = connection.getTransceivers()[0].sender.transport.transport
        if self._relay_only:
            transport.relay_only(ice)
        transport.gather_on(ice, self._host_addresses)
        transport.bound_queue(ice)

    async def accept_answer(self, sdp: str) -> None:
        """Raise MediaRefused for an answer that cannot be applied, MediaFailed."""
        connection = self._alive()
        try:
            await connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        except Exception as error:  # aiortc's parser asserts and raises nearly anything
            _log.warning("the SFU's answer was not applied: %r", error)
            raise MediaRefused("the SFU's answer describes no call that is possible here") from None
        await self._settled(connection)
        for track, known in list(self._received.items()):
            if known.pump is None and known.transceiver is not None:
                self._listen(track, known)

    async def _settled(self, connection: RTCPeerConnection) -> None:
        """Until it is connected, or over (then `on_lost` is called). aiortc connects in the background
        and does not stand another offer meanwhile. Raise MediaFailed."""
        settled = asyncio.Event()
        connection.on("connectionstatechange", settled.set)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                while connection.connectionState in ("new", "connecting"):
                    settled.clear()
                    await settled.wait()
        except TimeoutError:
            raise MediaFailed(f"no connection within {CONNECT_TIMEOUT_S:g} s") from None
        finally:
            connection.remove_listener("connectionstatechange", settled.set)

    def _listen(self, track: str, known: _Received) -> None:
        assert known.transceiver is not None
        if known.transceiver.currentDirection != "recvonly":
            return  # it ended meanwhile
        known.sink.expect(audio=known.kind == "audio", video=known.kind == "video")
        known.pump = self._loop.create_task(
            self._pump(track, known, known.transceiver.receiver.track)
        )

    async def _pump(self, track: str, known: _Received, source: MediaStreamTrack) -> None:
        """Take frames as fast as they come: aiortc's queue behind `source` has no limit of its own."""
        with contextlib.suppress(MediaStreamError):
            while True:
                self._take(track, known, await source.recv())

    def _take(self, track: str, known: _Received, frame: Any) -> None:
        if known.first_frame_ms is None:
            known.first_frame_ms = (self._loop.time() - known.since_s) * 1000
        sound = isinstance(frame, av.AudioFrame)
        if sound:
            known.samples += frame.samples
        else:
            known.frames += 1
        if known.broken:
            return
        try:
            (known.sink.on_audio if sound else known.sink.on_video)(frame)
        except Exception:
            _log.exception("the sink of track %s failed; it gets no more frames", track)
            known.broken = True

    # How it is, and the end.

    def statistics(self) -> dict[str, TrackStatistics]:
        """By track id, also of tracks that have ended."""
        return self._over | {
            track: self._statistics_of(known) for track, known in self._received.items()
        }

    @staticmethod
    def _statistics_of(known: _Received) -> TrackStatistics:
        return TrackStatistics(
            kind=known.kind,
            frames_decoded=known.frames,
            audio_seconds=known.samples / CLOCK_RATE_HZ["audio"],
            first_frame_ms=known.first_frame_ms,
        )

    async def wait_sent(self) -> None:
        """Until the source has come to its end. Never for one without an end."""
        for kind in self.kinds:
            track: MediaStreamTrack = getattr(self._source, kind)
            ended = asyncio.Event()
            track.once("ended", ended.set)
            if track.readyState == "live":
                await ended.wait()

    async def close(self) -> None:
        """End everything, source and sinks too. Harmless to repeat."""
        for track in list(self._received):
            self.stop(track)
        await self._end_connection()
        source, self._source = self._source, None
        if source is not None:
            await source.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_TIMEOUT_S)

    async def _end_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await connection.close()

    def _alive(self) -> RTCPeerConnection:
        if self._connection is None:
            raise MediaFailed("the media connection is gone")
        return self._connection

    def _keep(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Lent(MediaStreamTrack):
    """A track of the source for one connection: aiortc stops with a sender what it sent."""

    def __init__(self, owned: MediaStreamTrack) -> None:
        super().__init__()
        self.kind = owned.kind
        self._owned = owned

    async def recv(self) -> Any:
        return await self._owned.recv()


def _prefer(transceiver: RTCRtpTransceiver, kind: str) -> None:
    codecs = RTCRtpReceiver.getCapabilities(kind).codecs  # type: ignore[union-attr] # both kinds are known
    wanted = [codec for codec in codecs if codec.mimeType.lower() == _CODECS[kind]]
    transceiver.setCodecPreferences(wanted)
