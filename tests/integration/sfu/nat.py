"""An address translation between a client and the media port, which may change its mind or fall silent."""

import asyncio
import socket
from collections import Counter
from types import TracebackType
from typing import Self

from sfu.plane import SocketAddress


class Nat:
    """`inside` is what the client takes for the media port."""

    def __init__(self, target: SocketAddress) -> None:
        self._target = target
        self._inside = _bound()
        self._outside = [_bound()]
        self._client: SocketAddress | None = None
        self.drops = False
        self.came: Counter[SocketAddress] = Counter()
        """Datagrams of the media port, by the outer address they came to."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._inside.fileno(), self._outwards)
        loop.add_reader(self._outside[-1].fileno(), self._inwards, self._outside[-1])

    @property
    def inside(self) -> SocketAddress:
        return _name(self._inside)

    @property
    def outer(self) -> SocketAddress:
        return _name(self._outside[-1])

    def rebind(self) -> None:
        """What came to the old outer address reaches nobody."""
        self._outside.append(_bound())
        made = self._outside[-1]
        asyncio.get_running_loop().add_reader(made.fileno(), self._inwards, made)

    def _outwards(self) -> None:
        data, self._client = self._inside.recvfrom(4096)
        if not self.drops:
            self._outside[-1].sendto(data, self._target)

    def _inwards(self, outside: socket.socket) -> None:
        data = outside.recv(4096)
        self.came[_name(outside)] += 1
        if self._client is not None and outside is self._outside[-1] and not self.drops:
            self._inside.sendto(data, self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for each in (self._inside, *self._outside):
            asyncio.get_running_loop().remove_reader(each.fileno())
            each.close()


def _bound() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made


def _name(bound: socket.socket) -> SocketAddress:
    host, port = bound.getsockname()
    return host, port
