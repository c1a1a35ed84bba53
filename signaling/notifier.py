"""Joins what commits (messaging, calls) to what delivers (the gateway), which is built later."""

from collections.abc import Callable, Sequence

from ringline.protocol.types import Address

Notify = Callable[[Sequence[Address]], None]


class Notifier:
    """Call it with the devices whose queues have something new. Until `connect`, nobody is on line."""

    def __init__(self) -> None:
        self._target: Notify | None = None

    def connect(self, target: Notify) -> None:
        self._target = target

    def __call__(self, addresses: Sequence[Address]) -> None:
        if self._target is not None and addresses:
            self._target(addresses)
