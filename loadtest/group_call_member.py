"""A member of a group call as the load needs it: set up by aiortc (ICE, DTLS), then packets by hand.

aiortc's own path costs many times what the SFU's does. Once the connection is up, its socket and its SRTP
contexts are used directly, while the event loop stands still.
"""

import asyncio
import os
import socket
from typing import Any, Final, Self

import aiohttp
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from ringline.media.transport import gather_on
from ringline.protocol.codec import SUBPROTOCOL_MSGPACK
from ringline.protocol.sfu import (
    Answer,
    AnySfuClientFrame,
    Error,
    Join,
    Joined,
    MediaConnected,
    Offer,
    Publication,
    TrackSource,
)
from ringline.protocol.sfu_codec import SFU_MSGPACK

HOST: Final = "127.0.0.1"
STEP_TIMEOUT_S: Final = 30.0
BUFFER_BYTES: Final = 1 << 20
VP8: Final = 97
"""aiortc's payload type."""


class MemberFailed(Exception):
    """The node refused something, or did not answer."""


class Member:
    """`await join(...)`, then `await publish()` or `await subscribe(track)`."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self._pc = RTCPeerConnection(RTCConfiguration(bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._ws: aiohttp.ClientWebSocketResponse
        self.socket: socket.socket
        self.node: tuple[str, int]

    async def join(self, ticket: str) -> Self:
        self._ws = await self._http.ws_connect(self._url, protocols=[SUBPROTOCOL_MSGPACK])
        await self._send(Join(ref=1, ticket=ticket))
        await self._expect(Joined)
        return self

    async def publish(self) -> str:
        """A picture: its track."""
        return next(iter((await self._offer("sendonly", None)).published.values()))

    async def subscribe(self, track: str) -> None:
        answer = await self._offer("recvonly", track)
        if track not in answer.subscribed.values():
            raise MemberFailed("the node does not forward the track")

    async def _offer(self, direction: str, track: str | None) -> Answer:
        transceiver = self._pc.addTransceiver("video", direction=direction)
        offer = await self._pc.createOffer()
        gather_on(transceiver.sender.transport.transport, [HOST])
        await self._pc.setLocalDescription(offer)
        mid = str(transceiver.mid)
        frame = Offer(
            ref=2,
            sdp=self._pc.localDescription.sdp,
            publish={} if track else {mid: Publication(TrackSource.CAMERA)},
            subscribe={mid: track} if track else {},
        )
        await self._send(frame)
        answer: Answer = await self._expect(Answer)
        await self._pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        await self._expect(MediaConnected)
        async with asyncio.timeout(STEP_TIMEOUT_S):
            while self._dtls.state != "connected":  # noqa: ASYNC110 - told by callbacks only
                await asyncio.sleep(0.01)
        self._take_socket()
        return answer

    def _take_socket(self) -> None:
        connection = self._dtls.transport._connection
        pair = connection._nominated[1]
        shared = pair.protocol.transport.get_extra_info("socket")
        self.socket = socket.socket(fileno=os.dup(shared.fileno()))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.node = pair.remote_addr

    @property
    def _dtls(self) -> Any:
        return self._pc.getTransceivers()[0].sender.transport

    @property
    def ssrc(self) -> int:
        return int(self._pc.getTransceivers()[0].sender._ssrc)

    @property
    def profile(self) -> str:
        """Of SRTP, as it was negotiated."""
        return str(self._dtls._ssl.get_selected_srtp_profile().decode())

    def protect(self, packet: bytes) -> bytes:
        return bytes(self._dtls._tx_srtp.protect(packet))

    def unprotect(self, packet: bytes) -> bytes:
        """Raises pylibsrtp.Error for what is not authentic."""
        return bytes(self._dtls._rx_srtp.unprotect(packet))

    async def _send(self, frame: AnySfuClientFrame) -> None:
        await self._ws.send_bytes(SFU_MSGPACK.encode(frame))

    async def _expect(self, kind: type[Any]) -> Any:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            async for message in self._ws:
                frame = SFU_MSGPACK.decode_server(message.data)
                if isinstance(frame, Error):
                    raise MemberFailed(f"{frame.problem.title}: {frame.problem.detail}")
                if isinstance(frame, kind):
                    return frame
        raise MemberFailed(f"the node closed with {self._ws.close_code}")

    async def close(self) -> None:
        if hasattr(self, "socket"):
            self.socket.close()
        await self._pc.close()
        if hasattr(self, "_ws"):
            await self._ws.close()
