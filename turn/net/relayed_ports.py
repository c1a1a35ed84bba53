"""Relayed transport addresses: one socket each, on ports in random order (RFC 8656 §7.2 asks that they
cannot be guessed)."""

import errno
import random
from collections import deque
from collections.abc import Callable
from typing import Final

from turn.net.udp_socket import UdpSocket, bind
from turn.stun import Address

BUFFER_BYTES: Final = 256 * 1024
TRIES_MAX: Final = 64
"""Ports that other programs have, passed over for one allocation."""


class Port:
    """`turn.allocation.RelayedPort`."""

    __slots__ = ("_give_back", "_socket", "address", "send")

    def __init__(self, socket: UdpSocket, give_back: Callable[[int], None]) -> None:
        self._socket = socket
        self._give_back = give_back
        self.address = socket.address
        self.send: Callable[[bytes, Address], bool] = socket.send

    def close(self) -> None:
        self._socket.close()
        self._give_back(self.address[1])


class Ports:
    """`turn.server.RelayedPorts`. `on_datagram(port, data, source)`."""

    def __init__(
        self,
        host: str,
        port_min: int,
        port_max: int,
        on_datagram: Callable[[int, bytes, Address], None],
    ) -> None:
        self._host = host
        self._on_datagram = on_datagram
        ports = list(range(port_min, port_max + 1))
        random.SystemRandom().shuffle(ports)
        self._free = deque(ports)

    def open(self, *, even: bool) -> Port | None:
        for _ in range(min(len(self._free), TRIES_MAX)):
            port = self._take(even=even)
            if port is None:
                return None
            try:
                bound = bind(self._host, port, BUFFER_BYTES)
            except OSError as error:
                self._free.append(port)
                if error.errno == errno.EADDRINUSE:
                    continue
                return None  # no descriptors left, say
            return Port(UdpSocket(bound, self._received(port)), self._free.append)
        return None

    def _take(self, *, even: bool) -> int | None:
        if not even:
            return self._free.popleft()
        port = next((each for each in self._free if each % 2 == 0), None)
        if port is not None:
            self._free.remove(port)
        return port

    def _received(self, port: int) -> Callable[[bytes, Address], None]:
        def received(data: bytes, source: Address) -> None:
            self._on_datagram(port, data, source)

        return received
