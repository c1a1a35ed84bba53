"""Run inside a namespace: sends one payload at a fixed rate, and counts what comes back.

Usage: `flood.py HOST PORT PAYLOAD_HEX RATE_PER_S SECONDS ADDRESSES PORTS`. With `ADDRESSES` 0 it is one
ordinary socket; else the source is spoofed, from that many addresses and ports each of 11.1.0.0/16.
Prints `{"sent", "seconds", "replies", "reply_bytes_max", "replies_per_s_max"}` as JSON.
"""

import json
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

TICK_S = 0.002
SETTLE_S = 0.3


def main(host: str, port: int, payload: bytes, rate_per_s: float, seconds: float) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.setblocking(False)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        replies = Replies(plain)
        began = time.monotonic()
        sent = paced(
            lambda _: plain.sendto(payload, (host, port)), replies.drain, rate_per_s, seconds
        )
        took = time.monotonic() - began
        time.sleep(SETTLE_S)
        replies.drain()
    report(sent, took, replies)


def spoofed(
    host: str,
    port: int,
    payload: bytes,
    rate_per_s: float,
    seconds: float,
    addresses: int,
    ports: int,
) -> None:
    packets = [
        datagram(address, 1024 + number, (host, port), payload)
        for number in range(ports)
        for address in range(256, 256 + addresses)
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        began = time.monotonic()
        sent = paced(
            lambda n: raw.sendto(packets[n % len(packets)], (host, 0)),
            lambda: None,
            rate_per_s,
            seconds,
        )
        took = time.monotonic() - began
    report(sent, took, None)


def datagram(address: int, port: int, to: tuple[str, int], payload: bytes) -> bytes:
    """An IPv4 packet from 11.1.0.0 + `address`; the kernel fills the header's checksum in."""
    source = bytes([11, 1, address >> 8 & 255, address & 255])
    udp = struct.pack("!HHHH", port, to[1], 8 + len(payload), 0) + payload
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0, source,
        socket.inet_aton(to[0]),
    )  # fmt: skip
    return head + udp


def paced(
    send: Callable[[int], object], between: Callable[[], None], rate_per_s: float, seconds: float
) -> int:
    """How many were sent. One that the kernel has no room for is not."""
    began = time.monotonic()
    sent = tried = 0
    while (elapsed := time.monotonic() - began) < seconds:
        while tried < elapsed * rate_per_s:
            with suppress(BlockingIOError, OSError):
                send(tried)
                sent += 1
            tried += 1
        between()
        time.sleep(TICK_S)
    return sent


class Replies:
    """What has come back, and the most within any second."""

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        self._recent: deque[float] = deque()
        self.count = 0
        self.bytes_max = 0
        self.per_s_max = 0

    def drain(self) -> None:
        with suppress(BlockingIOError):
            while True:
                self._note(len(self._plain.recv(65536)), time.monotonic())

    def _note(self, size: int, now: float) -> None:
        self.count += 1
        self.bytes_max = max(self.bytes_max, size)
        self._recent.append(now)
        while self._recent[0] < now - 1:
            self._recent.popleft()
        self.per_s_max = max(self.per_s_max, len(self._recent))


def report(sent: int, seconds: float, replies: Replies | None) -> None:
    counted = (
        {
            "replies": replies.count,
            "reply_bytes_max": replies.bytes_max,
            "replies_per_s_max": replies.per_s_max,
        }
        if replies is not None
        else {}
    )
    print(json.dumps({"sent": sent, "seconds": seconds, **counted}))


if __name__ == "__main__":
    to, number, text, rate, duration, sources, ports_each = sys.argv[1:]
    common = (to, int(number), bytes.fromhex(text), float(rate), float(duration))
    if int(sources):
        spoofed(*common, int(sources), int(ports_each))
    else:
        main(*common)
