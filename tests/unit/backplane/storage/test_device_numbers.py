from backplane.storage.device_numbers import free_device_number
from ringline.protocol.limits import DEVICE_NUMBER_MAX


def test_the_first_is_one() -> None:
    assert free_device_number([], 0) == 1


def test_numbers_rise_past_those_ever_used() -> None:
    assert free_device_number([1], 5) == 6


def test_they_wrap_to_the_lowest_free_one() -> None:
    assert free_device_number([1, 2, 127], DEVICE_NUMBER_MAX) == 3


def test_none_is_left() -> None:
    assert free_device_number(range(1, DEVICE_NUMBER_MAX + 1), 40) is None
