"""The plane, with libsrtp's own sessions as the clients, over real sockets."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from pylibsrtp import Error, Policy, Session

from sfu.plane import ConsumerRoute, SrtpKeys
from sfu.plane_python import (
    DATAGRAM_BYTES_MAX,
    RESEND_PACKETS_MAX,
    UNKNOWN_STREAMS_MAX,
    PythonPlane,
)
from sfu.srtp import PROFILES

GCM, SHA1 = "SRTP_AEAD_AES_128_GCM", "SRTP_AES128_CM_SHA1_80"
SALT_BYTES = {GCM: 12, SHA1: 14}
SSRC, OUT_SSRC, PAYLOAD_TYPE = 0x11223344, 0x55667788, 96


class Observer:
    def __init__(self) -> None:
        self.rtcp: list[tuple[int, bytes]] = []
        self.unknown: list[tuple[int, int, bytes, int]] = []

    def on_rtcp(self, peer: int, packet: bytes) -> None:
        self.rtcp.append((peer, packet))

    def on_unknown_stream(self, peer: int, ssrc: int, mid: bytes, payload_type: int) -> None:
        self.unknown.append((peer, ssrc, mid, payload_type))


class Client:
    """Has the keys of the other end, and a socket that its packets come to."""

    def __init__(self, profile: str) -> None:
        size = 16 + SALT_BYTES[profile]
        self.keys = SrtpKeys(profile, os.urandom(size), os.urandom(size))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.sending = self._session(self.keys.receive, Policy.SSRC_ANY_OUTBOUND)
        self.receiving = self._session(self.keys.send, Policy.SSRC_ANY_INBOUND)

    def _session(self, key: bytes, kind: int) -> Session:
        policy = Policy(key=key, ssrc_type=kind, srtp_profile=PROFILES[self.keys.profile])
        policy.allow_repeat_tx = True
        policy.window_size = 1024
        return Session(policy)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()
        return host, port

    def receive(self) -> bytes:
        return self.receiving.unprotect(self.socket.recv(2048))

    def receive_rtcp(self) -> bytes:
        return self.receiving.unprotect_rtcp(self.socket.recv(2048))

    def nothing_came(self) -> bool:
        """Loopback delivers before sendmmsg returns."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(2048)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(5)
        return False


class Ground:
    def __init__(self, profile: str = GCM, viewers: int = 1) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.observer = Observer()
        self.plane = PythonPlane(self.socket.fileno(), self.observer)
        self.publisher = Client(profile)
        self.plane.add_peer(1, self.publisher.keys, self.publisher.address)
        self.plane.publish(1, 1, SSRC, 90_000, 3)
        self.viewers = [Client(profile) for _ in range(viewers)]
        for number, viewer in enumerate(self.viewers):
            self.plane.add_peer(10 + number, viewer.keys, viewer.address)
            self.plane.consume(1, self.route(number))

    def route(self, number: int, **changes: Any) -> ConsumerRoute:
        known: dict[str, Any] = {
            "consumer": 100 + number,
            "peer": 10 + number,
            "ssrc": OUT_SSRC,
            "payload_types": {PAYLOAD_TYPE: 120},
            "first_sequence": 7,
            "mid": b"4",
            "mid_extension": 5,
        }
        return ConsumerRoute(**{**known, **changes})

    def send(self, sequence: int, payload: bytes = b"x", **changes: int) -> bytes:
        """One packet of the publisher: as it went over the wire."""
        ssrc = changes.get("ssrc", SSRC)
        payload_type = changes.get("payload_type", PAYLOAD_TYPE)
        header = struct.pack(
            "!BBHII", 0x80, 0x80 | payload_type, sequence & 0xFFFF, 3000 * sequence, ssrc
        )
        packet = self.publisher.sending.protect(header + payload)
        self.plane.received(1, packet, changes.get("now_s", 0))
        return packet

    def close(self) -> None:
        for each in (self.socket, self.publisher.socket, *(v.socket for v in self.viewers)):
            each.close()


@pytest.fixture(params=[GCM, SHA1])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    with closing(Ground(request.param)) as made:
        yield made


def sequence_of(packet: bytes) -> int:
    return int.from_bytes(packet[2:4], "big")


def test_a_payload_arrives_bit_for_bit_under_a_header_of_the_subscribers(ground: Ground) -> None:
    payload = os.urandom(1100)
    ground.send(40_000, payload)
    packet = ground.viewers[0].receive()
    version, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", packet)
    assert (version, second, sequence) == (0x90, 0x80 | 120, 7)
    assert (timestamp, ssrc) == (3000 * 40_000, OUT_SSRC)
    assert packet[12:20] == b"\xbe\xde\x00\x01\x504\x00\x00"
    assert packet[20:] == payload


def test_every_subscriber_gets_it_under_its_own_keys() -> None:
    with closing(Ground(viewers=130)) as ground:  # more than one system call
        ground.send(1, b"to all")
        assert all(viewer.receive()[20:] == b"to all" for viewer in ground.viewers)
        assert ground.plane.counts.packets_forwarded == 130


def test_it_goes_on_through_wraps_of_both_numbers(ground: Ground) -> None:
    for n in range(65_000, 65_000 + 140_000):
        if n % 500 and not n % 65_536 > 65_500:
            continue
        ground.send(n, str(n).encode())
        packet = ground.viewers[0].receive()
        assert packet[20:] == str(n).encode()
        assert sequence_of(packet) == (n - 65_000 + 7) & 0xFFFF


def test_a_replayed_packet_reaches_nobody(ground: Ground) -> None:
    recorded = [ground.send(n) for n in range(200)]
    for _ in recorded:
        ground.viewers[0].receive()
    for packet in recorded:
        ground.plane.received(1, packet, 60)
    assert ground.viewers[0].nothing_came()
    assert ground.plane.counts.unauthentic == 200


def test_a_forged_packet_is_counted_and_dropped(ground: Ground) -> None:
    packet = bytearray(ground.publisher.sending.protect(bytes([0x80, 96]) + bytes(10) + b"x"))
    packet[-1] ^= 1
    ground.plane.received(1, bytes(packet), 0)
    ground.plane.received(1, bytes([0x80, 203, 0, 1]) + os.urandom(40), 0)
    assert ground.viewers[0].nothing_came()
    assert ground.observer.rtcp == []
    assert ground.plane.counts.unauthentic == 2


def test_a_late_packet_takes_its_place(ground: Ground) -> None:
    for n in (10, 12, 11):
        ground.send(n)
    assert [sequence_of(ground.viewers[0].receive()) for _ in range(3)] == [7, 9, 8]


def test_while_muted_nothing_is_forwarded_and_no_gap_is_left(ground: Ground) -> None:
    ground.send(10)
    ground.plane.pause(1, True)
    for n in range(11, 20):
        ground.send(n)
    ground.plane.pause(1, False)
    ground.send(20)
    assert [sequence_of(ground.viewers[0].receive()) for _ in range(2)] == [7, 8]
    assert ground.viewers[0].nothing_came()
    assert ground.plane.counts.muted == 9
    assert ground.plane.producer_counters(1).packets == 11


def test_another_payload_type_is_left_out(ground: Ground) -> None:
    ground.send(1, payload_type=97)
    assert ground.viewers[0].nothing_came()


def test_what_a_subscriber_lost_is_sent_again(ground: Ground) -> None:
    for n in (10, 11, 13):
        ground.send(n, str(n).encode())
    viewer = ground.viewers[0]
    lost = viewer.socket.recv(2048)  # never decrypted: as good as lost
    later = [viewer.receive() for _ in range(2)]
    assert [sequence_of(packet) for packet in later] == [8, 10]
    assert ground.plane.resend(100, [7, 9, 500]) == [12]
    again = viewer.socket.recv(2048)
    assert again == lost
    assert viewer.receiving.unprotect(again)[20:] == b"10"
    with pytest.raises(Error, match="replay"):
        viewer.receiving.unprotect(lost)


def test_one_request_gets_only_so_many_again() -> None:
    with closing(Ground()) as ground:
        for n in range(RESEND_PACKETS_MAX + 10):
            ground.send(n)
        assert ground.plane.resend(100, [7 + n for n in range(RESEND_PACKETS_MAX + 10)]) == []
        assert ground.plane.counts.packets_resent == RESEND_PACKETS_MAX


def test_numbers_map_back_to_the_publishers(ground: Ground) -> None:
    ground.send(65_535)
    ground.send(65_536)
    assert ground.plane.producer_sequence(100, 7) == 65_535
    assert ground.plane.producer_sequence(100, 8) == 0
    assert ground.plane.producer_sequence(100, 9) is None
    assert ground.plane.producer_sequence(999, 7) is None
    assert ground.plane.consumer_timestamp(100, 12_345) == 12_345


def test_rtcp_comes_in_and_goes_out_encrypted(ground: Ground) -> None:
    report = struct.pack("!BBHI", 0x80, 201, 1, SSRC)
    ground.plane.received(1, ground.publisher.sending.protect_rtcp(report), 0)
    assert ground.observer.rtcp == [(1, report)]
    ground.plane.send_rtcp(10, report)
    assert ground.viewers[0].receive_rtcp() == report


def test_rtcp_is_not_taken_twice(ground: Ground) -> None:
    packet = ground.publisher.sending.protect_rtcp(struct.pack("!BBHI", 0x80, 201, 1, SSRC))
    ground.plane.received(1, packet, 0)
    ground.plane.received(1, packet, 0)
    assert len(ground.observer.rtcp) == 1


def test_unencrypted_rtcp_is_refused(ground: Ground) -> None:
    """The E bit off, the tag right for it: only somebody with the key could make it."""
    report = struct.pack("!BBHI", 0x80, 201, 1, SSRC)
    ground.plane.received(1, report + bytes(4) + os.urandom(16), 0)
    assert ground.observer.rtcp == []
    assert ground.plane.counts.unauthentic == 1


def test_an_unknown_stream_is_told_of_once_a_second() -> None:
    with closing(Ground()) as ground:
        for n in range(5):
            ground.send(n, ssrc=77)
        assert ground.observer.unknown == [(1, 77, b"", PAYLOAD_TYPE)]
        ground.send(6, ssrc=77, now_s=2)
        assert len(ground.observer.unknown) == 2
        for ssrc in range(1000, 1000 + 3 * UNKNOWN_STREAMS_MAX):
            ground.send(1, ssrc=ssrc, now_s=2)
        assert len(ground.observer.unknown) <= 2 + UNKNOWN_STREAMS_MAX


def test_the_mid_of_an_unknown_stream_is_read() -> None:
    with closing(Ground()) as ground:
        header = struct.pack("!BBHII", 0x90, 96, 1, 0, 99) + b"\xbe\xde\x00\x01\x30a\x00\x00"
        ground.plane.received(1, ground.publisher.sending.protect(header + b"x"), 0)
        assert ground.observer.unknown == [(1, 99, b"a", 96)]


def test_what_is_too_long_or_from_nobody_is_counted(ground: Ground) -> None:
    ground.plane.received(1, bytes([0x80, 96]) + bytes(DATAGRAM_BYTES_MAX), 0)
    ground.plane.received(1, b"\x80", 0)
    ground.plane.received(2, bytes(100), 0)
    counts = ground.plane.counts
    assert (counts.too_long, counts.malformed, counts.unknown_peer) == (1, 1, 1)


def test_a_moved_peer_gets_it_at_its_new_address(ground: Ground) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as moved:
        moved.bind(("127.0.0.1", 0))
        moved.settimeout(5)
        ground.plane.move_peer(10, moved.getsockname())
        ground.send(1, b"there")
        assert ground.viewers[0].receiving.unprotect(moved.recv(2048))[20:] == b"there"
        assert ground.viewers[0].nothing_came()


def test_who_is_removed_gets_and_gives_nothing(ground: Ground) -> None:
    ground.plane.remove_peer(10)
    ground.plane.remove_peer(10)
    ground.send(1)
    assert ground.viewers[0].nothing_came()
    ground.plane.remove_peer(1)
    ground.send(2)
    assert ground.plane.counts.unknown_peer == 1
    with pytest.raises(KeyError):
        ground.plane.producer_counters(1)


def test_a_stream_must_start_low(ground: Ground) -> None:
    with pytest.raises(ValueError, match="2\\^15"):
        ground.plane.consume(1, ground.route(0, consumer=5, first_sequence=2**15))


def test_an_ssrc_has_one_owner(ground: Ground) -> None:
    with pytest.raises(ValueError, match="taken"):
        ground.plane.publish(2, 1, SSRC, 90_000, 0)


def test_counters_of_both_ends(ground: Ground) -> None:
    for n in range(3):
        ground.send(n, bytes(50))
    assert ground.plane.producer_counters(1).octets == 150
    sent = ground.plane.consumer_counters(100)
    assert (sent.packets, sent.octets, sent.last_timestamp) == (3, 150, 6000)


def test_a_subscriber_that_cannot_be_reached_costs_the_others_nothing() -> None:
    with closing(Ground(viewers=3)) as ground:
        ground.plane.move_peer(11, ("255.255.255.255", 9))  # refused by the kernel: no SO_BROADCAST
        ground.send(1, b"go on")
        assert ground.viewers[0].receive()[20:] == b"go on"
        assert ground.viewers[2].receive()[20:] == b"go on"
        assert ground.plane.counts.unsent == 1
