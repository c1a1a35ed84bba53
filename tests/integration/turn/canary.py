"""Sockets on the relay's machine that must hear nothing: UDP and TCP, on every address it has."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tests.integration.turn.client import Port
from tests.integration.turn.networks import Namespace

CHIRP: Final = b"is the canary alive?"


class Canary:
    """Made by `canary`."""

    def __init__(self, udp: Port, tcp: socket.socket, node: Namespace) -> None:
        self.udp = udp
        self.port = udp.host[1]
        self._tcp = tcp
        self._node = node

    async def hears(self, address: str) -> bool:
        """Whether a datagram sent to this address on the machine itself reaches it."""
        with self._node.socket("::" if ":" in address else "0.0.0.0") as sender:
            sender.sendto(CHIRP, (address, self.port))
        heard, _ = await self.udp.receive()
        return heard == CHIRP

    async def silent(self) -> bool:
        """Whether neither a datagram nor a connection has come or comes now."""
        try:
            self._tcp.accept()
        except BlockingIOError:
            return await self.udp.nothing()
        return False


@asynccontextmanager
async def canary(node: Namespace, port: int = 0) -> AsyncIterator[Canary]:
    """Listening on `port` of every address of both families."""
    udp = await Port.open(node.socket("::", port))
    with node.socket("::", udp.host[1], socket.SOCK_STREAM) as tcp:
        yield Canary(udp, tcp, node)
    udp.close()
