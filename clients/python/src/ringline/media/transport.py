"""What one call changes in its own aiortc objects, gathered in one place.

aiortc 1.16 and aioice 0.13 have no setting for these, and their RTCPeerConnection makes its
transports itself, so they are set on the instances of this one call, never on a class or module.
Each reaches a name that is private to those libraries: tests/unit/ringline/media/test_transport.py
pins every one, so that another version cannot change it unseen.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from aioice import Candidate, TransportPolicy
from aiortc import RTCDtlsTransport, RTCIceTransport, RTCRtpSender
from aiortc.codecs.base import Encoder

SERVERS_TIMEOUT_S: Final = 2.0
"""A caller waits no longer for a relay that is gone."""
QUEUE_DATAGRAMS_MAX: Final = 2048
"""Received and not yet decrypted. aioice has no limit, and fills before the answer is known."""


def gather_on(
    ice: RTCIceTransport, hosts: Sequence[str] | None, servers_timeout_s: float = SERVERS_TIMEOUT_S
) -> None:
    """Make `hosts` the host candidates, and no others (aioice leaves 127.0.0.1 out); None: all that
    aioice finds. A relay that does not answer within `servers_timeout_s` is done without."""
    connection: Any = ice.iceGatherer._connection
    gather = connection.get_component_candidates

    async def gather_exactly(component: int, addresses: list[str]) -> list[Candidate]:
        # Empty with the relay policy: it must stay so (RFC 9429 §3.5.3).
        relay_only = connection._transport_policy is not TransportPolicy.ALL
        chosen = addresses if relay_only or hosts is None else list(hosts)
        found: list[Candidate] = await gather(
            component=component, addresses=chosen, timeout=servers_timeout_s
        )
        return found

    connection.get_component_candidates = gather_exactly


def relay_only(ice: RTCIceTransport) -> None:
    """Gather relayed addresses and no others (RFC 9429 §3.5.3)."""
    connection: Any = ice.iceGatherer._connection
    connection._transport_policy = TransportPolicy.RELAY


def selected_pair(ice: RTCIceTransport) -> tuple[str, str] | None:
    """The types of the two candidates that media flows between: host, srflx, prflx or relay."""
    connection: Any = ice.iceGatherer._connection
    pair = connection._nominated.get(1)
    if pair is None:
        return None
    return str(pair.local_candidate.type), str(pair.remote_candidate.type)


def bound_queue(ice: RTCIceTransport, datagrams_max: int = QUEUE_DATAGRAMS_MAX) -> None:
    """Limit what waits to be decrypted; the oldest goes first."""
    connection: Any = ice.iceGatherer._connection
    receive = connection.data_received

    def receive_bounded(data: bytes, component: int) -> None:
        queue = connection._queue
        if queue.qsize() >= datagrams_max:
            oldest = queue.get_nowait()
            if oldest is None:  # the end of the connection must stay
                queue.put_nowait(None)
                return
        receive(data, component)

    connection.data_received = receive_bounded


def watch_checks(ice: RTCIceTransport, heard: Callable[[], None]) -> None:
    """Call `heard` at every authenticated connectivity or consent check of the peer (RFC 7675)."""
    connection: Any = ice.iceGatherer._connection
    incoming = connection.check_incoming

    def watched(message: object, address: tuple[str, int], protocol: object) -> None:
        heard()
        incoming(message, address, protocol)

    connection.check_incoming = watched


def watch_packets(
    dtls: RTCDtlsTransport, rtp: Callable[[bytes], None], rtcp: Callable[[bytes], None]
) -> None:
    """Call `rtp` or `rtcp` with every packet that was authentic, decrypted."""
    transport: Any = dtls
    handle_rtp, handle_rtcp = transport._handle_rtp_data, transport._handle_rtcp_data

    async def watched_rtp(data: bytes, arrival_time_ms: int) -> None:
        rtp(data)
        await handle_rtp(data, arrival_time_ms=arrival_time_ms)

    async def watched_rtcp(data: bytes) -> None:
        rtcp(data)
        await handle_rtcp(data)

    transport._handle_rtp_data = watched_rtp
    transport._handle_rtcp_data = watched_rtcp


def use_encoder(sender: RTCRtpSender, encoder: Encoder) -> None:
    """Encode with `encoder` instead of the one that aiortc would make at the first frame."""
    hidden = "_RTCRtpSender__encoder"
    if not hasattr(sender, hidden):
        raise AttributeError(f"this aiortc keeps no {hidden}")
    setattr(sender, hidden, encoder)
