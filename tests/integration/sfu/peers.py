"""aiortc's ICE and DTLS against a media port, without any signalling."""

import asyncio
import struct
from typing import Any

from aiortc import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
)

from ringline.media.transport import gather_on, watch_packets
from sfu.net.media_port import MediaPort
from sfu.plane import SocketAddress
from sfu.transport import Fingerprint, RemoteTransport

DEADLINE_S = 15.0


class Watcher:
    """What a media port tells."""

    def __init__(self) -> None:
        self.connected: dict[int, str] = {}
        self.ended: dict[int, str] = {}
        self.rtcp: list[tuple[int, bytes]] = []
        self.unknown: list[int] = []

    def on_connected(self, peer: int, profile: str) -> None:
        self.connected[peer] = profile

    def on_ended(self, peer: int, reason: str) -> None:
        self.ended[peer] = reason

    def on_rtcp(self, peer: int, packet: bytes) -> None:
        self.rtcp.append((peer, packet))

    def on_unknown_stream(self, _peer: int, ssrc: int, _mid: bytes, _payload_type: int) -> None:
        self.unknown.append(ssrc)


class Peer:
    """`connect`, `send`, `close`."""

    def __init__(self, port: MediaPort, number: int) -> None:
        self.port, self.number = port, number
        self.ice = RTCIceTransport(RTCIceGatherer(iceServers=[]))
        self.connection: Any = self.ice.iceGatherer._connection
        self.connection.ice_controlling = True
        self.dtls: Any = RTCDtlsTransport(self.ice, [RTCCertificate.generateCertificate()])
        self.dtls._set_role("client")
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        watch_packets(self.dtls, self.rtp.append, self.rtcp.append)

    @property
    def remote(self) -> RemoteTransport:
        """As an offer would say it."""
        mine = self.ice.iceGatherer.getLocalParameters()
        prints = self.dtls.getLocalParameters().fingerprints
        return RemoteTransport(
            str(mine.usernameFragment),
            str(mine.password),
            [Fingerprint(each.algorithm, each.value) for each in prints],
        )

    async def connect(self, through: SocketAddress | None = None) -> None:
        """`through`: where the port is for this peer, if not where it says."""
        gather_on(self.ice, ["127.0.0.1"])
        await self.ice.iceGatherer.gather()
        local = self.port.open(self.number, self.remote)
        host, port = through or local.addresses[0]
        await self.ice.addRemoteCandidate(
            RTCIceCandidate(1, "1", host, port, 2_130_706_431, "udp", "host")
        )
        await self.ice.addRemoteCandidate(None)
        ours = local.fingerprint
        async with asyncio.timeout(DEADLINE_S):
            await self.ice.start(RTCIceParameters(local.ufrag, local.password, iceLite=True))
            await self.dtls.start(
                RTCDtlsParameters([RTCDtlsFingerprint(ours.algorithm, ours.value)])
            )

    async def send(self, sequence: int, ssrc: int, payload: bytes, payload_type: int = 96) -> None:
        header = struct.pack("!BBHII", 0x80, payload_type, sequence, 3000 * sequence, ssrc)
        await self.dtls._send_rtp(header + payload)

    async def check(self) -> None:
        """One for consent, now instead of in 5 s, as aioice makes it."""
        [pair] = self.connection._nominated.values()
        await pair.protocol.request(
            self.connection.build_request(pair, nominate=False),
            pair.remote_addr,
            integrity_key=self.connection.remote_password.encode(),
        )

    async def close(self) -> None:
        await self.dtls.stop()
        await self.ice.stop()
