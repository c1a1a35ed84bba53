"""Which number a new device gets. Pure; both adapters of the records use it."""

from collections.abc import Collection

from ringline.protocol.limits import DEVICE_NUMBER_MAX


def free_device_number(taken: Collection[int], highest: int) -> int | None:
    """The next free number above the highest ever used, wrapping after 127; None when all are taken."""
    for step in range(DEVICE_NUMBER_MAX):
        candidate = (highest + step) % DEVICE_NUMBER_MAX + 1
        if candidate not in taken:
            return candidate
    return None
