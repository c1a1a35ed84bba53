from collections.abc import Sequence
from uuid import UUID

from ringline.protocol.types import Address
from signaling.notifier import Notifier

ADDRESS = Address(UUID(int=1), 1)


def test_it_passes_on_what_there_is_once_connected() -> None:
    heard: list[Sequence[Address]] = []
    notifier = Notifier()
    notifier([ADDRESS])
    notifier.connect(heard.append)
    notifier([])
    notifier([ADDRESS])
    assert heard == [[ADDRESS]]
