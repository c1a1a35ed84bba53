"""One call's media: one peer connection, one offer, one answer, then sound and pictures both ways.

The caller: `offer` → (send) → `accept_answer` → `connected`. The callee: `answer` → (send) →
`connected`. Both at the end: `wait_sent` when everything should arrive, `close`. Nothing is sent
before: the callee gathers no address and sends no packet until its `answer`, and media flows only
over the encrypted connection, whose certificates the two bodies name.

Codecs: VP8, and Opus at 48 kHz stereo, 96 kbit/s. Not supported: renegotiation, trickled
candidates, ICE restart.
"""

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
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

from ringline.client.call_media import IceServer
from ringline.media import description, transport
from ringline.media.audio_encoder import OpusEncoder
from ringline.media.errors import MediaFailed, MediaRefused, MediaUnavailable
from ringline.media.ice_servers import ice_servers
from ringline.media.sinks import NullSink, Sink
from ringline.media.sources import Source
from ringline.media.statistics import CallStatistics, Counters, compose
from ringline.media.video_encoder import Vp8Encoder

SAMPLE_S: Final = 0.5
SILENCE_TIMEOUT_S: Final = 15.0
"""Without one authentic packet or check of the other side the call has ended. Its checks come every
5 s (RFC 7675 allows 30 s in all; aioice alone takes up to 39 s)."""
DRAIN_S: Final = 0.5
"""Time for the last packets on their way, and for one retransmission of them."""
CLOSE_TIMEOUT_S: Final = 5.0
_CODECS: Final = {"audio": "audio/opus", "video": "video/vp8"}
_SENDING: Final = frozenset({"sendonly", "sendrecv"})
_RECEIVING: Final = frozenset({"recvonly", "sendrecv"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MediaPlan:
    """What this side sends and where what it receives goes. Source and sink serve one call."""

    source: Source | None = None
    sink: Sink = field(default_factory=NullSink)
    audio: bool = True
    """Whether sound is part of the call at all, in either direction."""
    video: bool = True


class MediaPeer:
    """One side of one call. Make it, use it and close it on one running event loop.

    `host_addresses`: exactly the addresses to be reached at (127.0.0.1 for development), or None for
    every interface but loopback. `relay_only`: at a relay's address and no other, so that the other side
    learns none of this machine's. `on_ended(reason)` is called once, when the connection ends for
    whatever reason: "closed" (by either side), "failed" or "silent".
    """

    def __init__(
        self,
        media: MediaPlan,
        *,
        host_addresses: Sequence[str] | None = None,
        relay_only: bool = False,
        silence_timeout_s: float = SILENCE_TIMEOUT_S,
        on_ended: Callable[[str], None] | None = None,
    ) -> None:
        if not media.audio and not media.video:
            raise ValueError("a call has sound, pictures or both")
        for address in host_addresses or ():
            ipaddress.ip_address(address)
        self._media = media
        self._host_addresses = host_addresses
        self._silence_timeout_s = silence_timeout_s
        self._on_ended = on_ended
        self._relay_only = relay_only
        self._connection = self._connect([])
        self._loop = asyncio.get_running_loop()
        self._stage = "new"
        self._transceivers: dict[str, RTCRtpTransceiver] = {}
        self._counters = Counters()
        self._encoder = Vp8Encoder()
        self._video_types: set[int] = set()
        self._video_timestamp = -1
        self._report: list[Any] = []
        self._negotiated_s = self._heard_s = self._loop.time()
        self._settled = asyncio.Event()
        self._up = False
        self._ended = asyncio.Event()
        self._reason: str | None = None
        self._pumps: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None

    def _connect(self, servers: list[RTCIceServer]) -> RTCPeerConnection:
        connection = RTCPeerConnection(
            RTCConfiguration(
                # An empty list, not None: aiortc would ask a public STUN server otherwise.
                iceServers=servers,
                bundlePolicy=RTCBundlePolicy.MAX_BUNDLE,
            )
        )
        connection.on("connectionstatechange", self._on_state)
        return connection

    def use_servers(self, servers: Sequence[IceServer]) -> None:
        """The relays of this call; before `offer` or `answer`. Raise MediaFailed when there are none
        and nothing else may be used."""
        if self._stage != "new":
            raise MediaRefused("this call has been negotiated already")
        self._connection = self._connect(ice_servers(servers, relay_only=self._relay_only))

    async def offer(self) -> bytes:
        """The body for an invite: this side's offer, with all its candidates. Raise MediaFailed."""
        self._advance("new", "offered")
        wanted = {"audio": self._media.audio, "video": self._media.video}
        self._add_transceivers([kind for kind, is_wanted in wanted.items() if is_wanted])
        return description.encode("offer", await self._describe())

    async def answer(self, offer: bytes) -> bytes:
        """The body for an accept. Raise MediaRefused when the offer is not acceptable, MediaFailed
        without an address, MediaUnavailable when the sink cannot begin."""
        sdp = description.decode(offer, "offer")
        self._advance("new", "answered")
        wanted = {"audio": self._media.audio, "video": self._media.video}
        offered = description.kinds(sdp)
        if not any(wanted[kind] for kind in offered):
            raise MediaRefused("the offer has nothing that this side takes")
        # All, in the offer's order: aiortc stops a shared transport when its first comes second.
        self._add_transceivers(offered)
        for kind, transceiver in self._transceivers.items():
            if not wanted[kind]:
                transceiver.direction = "inactive"
        await self._apply(sdp, "offer")
        local = await self._describe()
        await self._begin(local)
        return description.encode("answer", local)

    async def accept_answer(self, answer: bytes) -> None:
        """The other side's answer to this side's offer. Raise MediaRefused: a body that is no answer
        of ours leaves the offer open; one that fails only when it is applied ends the call."""
        sdp = description.decode(answer, "answer")
        if self._stage != "offered" or self._ended.is_set():
            raise MediaRefused("no answer is expected")
        local = self._connection.localDescription.sdp
        if description.kinds(sdp) != description.kinds(local):
            raise MediaRefused("the answer is to another offer")
        self._stage = "answered"
        await self._apply(sdp, "answer")
        await self._begin(local)

    async def connected(self, timeout_s: float) -> None:
        """Return when media can flow, encrypted. Raise MediaFailed when it cannot, or not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        except TimeoutError:
            raise MediaFailed(f"no connection within {timeout_s:g} s") from None
        if not self._up:
            raise MediaFailed(f"no connection: {self._reason}")

    async def wait_ended(self) -> str:
        """Return the reason when the connection has ended."""
        await self._ended.wait()
        return self._reason or "closed"

    async def wait_sent(self) -> None:
        """Return when the source has come to its end and its last packets are out, or at the end
        of the call. Never for a source without an end."""
        sending = [
            transceiver.sender.track
            for transceiver in self._transceivers.values()
            if transceiver.currentDirection in _SENDING and transceiver.sender.track is not None
        ]
        for track in sending:
            ended = asyncio.ensure_future(self._ended.wait())
            last_frame = asyncio.ensure_future(_track_end(track))
            try:
                await asyncio.wait({last_frame, ended}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                last_frame.cancel()
                ended.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._ended.wait()

    def statistics(self) -> CallStatistics:
        """As of now; what comes from RTCP is at most half a second old. Final after `close`."""
        self._counters.video_frames_sent = self._encoder.frames
        return compose(self._counters, self._report)

    async def close(self) -> None:
        """End the call and let go of everything, source and sink too. Raise MediaFailed when the
        sink could not keep what it should. Harmless to repeat."""
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    async def __aenter__(self) -> "MediaPeer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _advance(self, expected: str, stage: str) -> None:
        if self._stage != expected or self._ended.is_set():
            raise MediaRefused("this call has been negotiated already")
        self._stage = stage

    def _add_transceivers(self, kinds: list[str]) -> None:
        for kind in kinds:
            wanted = getattr(self._media, kind)
            track = getattr(self._media.source, kind, None) if wanted else None
            transceiver = self._connection.addTransceiver(
                track or kind, "recvonly" if track is None else "sendrecv"
            )
            codecs = RTCRtpReceiver.getCapabilities(kind).codecs  # type: ignore[union-attr]
            taken = {_CODECS[kind], "video/rtx"}
            transceiver.setCodecPreferences([c for c in codecs if c.mimeType.lower() in taken])
            self._transceivers[kind] = transceiver
            encoder = self._encoder if kind == "video" else OpusEncoder()
            transport.use_encoder(transceiver.sender, encoder)

    async def _describe(self) -> str:
        """Gather, and give this side's SDP."""
        dtls = next(iter(self._transceivers.values())).sender.transport
        if self._relay_only:
            transport.relay_only(dtls.transport)
        transport.gather_on(dtls.transport, self._host_addresses)
        transport.bound_queue(dtls.transport)
        transport.watch_checks(dtls.transport, self._heard)
        transport.watch_packets(dtls, self._on_rtp, self._on_rtcp)
        await self._connection.setLocalDescription()
        sdp: str = self._connection.localDescription.sdp
        if "a=candidate:" not in sdp:
            await self.close()
            where = "the relay gives no address" if self._relay_only else "there is no address"
            raise MediaFailed(f"{where} to be reached at")
        return sdp

    async def _apply(self, sdp: str, kind: description.Kind) -> None:
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp, kind))
        except Exception as error:  # aiortc's parser asserts and raises nearly anything
            _log.info("refused an %s: %s", kind, type(error).__name__)
            await self.close()
            raise MediaRefused(
                f"the {kind} does not describe a call that is possible here"
            ) from None

    async def _begin(self, local_sdp: str) -> None:
        """Both descriptions are known: the connection is being made."""
        self._negotiated_s = self._heard_s = self._loop.time()
        active = {
            kind: transceiver.currentDirection
            for kind, transceiver in self._transceivers.items()
            if transceiver.currentDirection not in (None, "inactive")
        }
        self._counters.codecs = {kind: _CODECS[kind].partition("/")[2] for kind in active}
        self._video_types = description.payload_types(local_sdp, "VP8/90000")
        receiving = {kind for kind, direction in active.items() if direction in _RECEIVING}
        try:
            self._media.sink.expect(audio="audio" in receiving, video="video" in receiving)
        except MediaUnavailable:
            await self.close()
            raise
        for kind in receiving:
            track = self._transceivers[kind].receiver.track
            self._pumps.append(self._loop.create_task(self._pump(kind, track)))
        self._keep(self._watch())

    def _on_state(self) -> None:
        state = self._connection.connectionState
        if state == "connected" and not self._up and self._reason is None:
            self._up = True
            self._heard_s = self._loop.time()
            self._note_pair()
            self._counters.set_up_ms = (self._heard_s - self._negotiated_s) * 1000
            self._settled.set()
        elif state in ("failed", "closed"):
            self._end(state)

    def _note_pair(self) -> None:
        dtls = next(iter(self._transceivers.values())).sender.transport
        self._counters.candidates = transport.selected_pair(dtls.transport)

    def _end(self, reason: str) -> None:
        if self._reason is not None:
            return
        self._reason = reason
        self._settled.set()
        self._ended.set()
        # Also what has failed is closed: nothing more may be sent (RFC 7675 §5.1).
        self._keep(self._connection.close())
        if self._on_ended is not None:
            self._on_ended(reason)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        """Sample aiortc's report, and notice silence."""
        while self._reason is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAMPLE_S):
                    await self._ended.wait()
            await self._sample()
            if self._up and self._loop.time() - self._heard_s > self._silence_timeout_s:
                self._end("silent")

    async def _sample(self) -> None:
        self._report = list((await self._connection.getStats()).values())

    def _heard(self) -> None:
        self._heard_s = self._loop.time()

    def _on_rtcp(self, _packet: bytes) -> None:
        self._heard()

    def _on_rtp(self, packet: bytes) -> None:
        """Count pictures by their timestamps (RFC 3550 §5.1: payload type, then bytes 4 to 7)."""
        self._heard()
        if len(packet) >= 12 and packet[1] & 0x7F in self._video_types:
            timestamp = int.from_bytes(packet[4:8], "big")
            if timestamp != self._video_timestamp:
                self._video_timestamp = timestamp
                self._counters.video_frames_received += 1

    async def _pump(self, kind: str, track: MediaStreamTrack) -> None:
        """Take frames as fast as they come: aiortc's queue behind `track` has no limit of its own."""
        sink, sound = True, kind == "audio"
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                self._count(frame)
                if sink:
                    sink = self._hand_over(frame, sound)

    def _hand_over(self, frame: Any, sound: bool) -> bool:
        """Give a frame to the sink; False when the sink is broken: the call goes on without it."""
        try:
            if sound:
                self._media.sink.on_audio(frame)
            else:
                self._media.sink.on_video(frame)
        except Exception:
            _log.exception("the sink failed; it gets no more frames")
            return False
        return True

    def _count(self, frame: object) -> None:
        if isinstance(frame, av.AudioFrame):
            self._counters.audio_samples_received += frame.samples
            return
        self._counters.video_frames_decoded += 1
        if self._counters.first_frame_ms is None:
            self._counters.first_frame_ms = (self._loop.time() - self._negotiated_s) * 1000

    async def _close(self) -> None:
        await self._sample()
        self._end("closed")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._connection.close()
        if self._pumps:
            _, late = await asyncio.wait(self._pumps, timeout=CLOSE_TIMEOUT_S if self._up else 0)
            for pump in late:
                pump.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_TIMEOUT_S)
        await self._sample()
        if self._media.source is not None:
            await self._media.source.close()
        await self._media.sink.close()


async def _track_end(track: MediaStreamTrack) -> None:
    ended = asyncio.Event()
    track.once("ended", ended.set)
    if track.readyState == "live":
        await ended.wait()
