"""The generator itself: repeatable, various, and damaged in ways that get past the first check."""

from itertools import islice

from tests.fuzz.datagrams import (
    SIZE_BYTES_MAX,
    all_seeds,
    mutated,
    mutated_attributes,
    turn_attributes,
    turn_seeds,
)
from tests.integration.turn import wire

COUNT = 5_000


def first(seed: int) -> list[bytes]:
    return list(islice(mutated(seed, all_seeds()), COUNT))


def test_a_seed_gives_the_same_again_and_another_one_another() -> None:
    assert first(1) == first(1)
    assert first(1) != first(2)


def test_the_datagrams_are_various_and_bounded() -> None:
    made = first(3)
    assert len(set(made)) > COUNT * 0.9
    assert max(map(len, made)) <= SIZE_BYTES_MAX
    assert min(map(len, made)) == 0
    kinds = {0: 0, 1: 0, 2: 0, 3: 0}
    for data in made:
        if data:
            kinds[data[0] >> 6] += 1
    assert min(kinds.values()) > COUNT // 100, "STUN, channel data, RTP and what is none"


def test_many_are_well_formed_and_many_are_not() -> None:
    well = 0
    for data in islice(mutated(4, turn_seeds()), COUNT):
        try:
            wire.decode(data)
        except wire.NotStun:
            continue
        well += 1
    assert COUNT * 0.1 < well < COUNT * 0.9


def test_attribute_lists_are_damaged_and_fit_a_datagram() -> None:
    good = set(turn_attributes())
    lists = list(islice(mutated_attributes(5, turn_attributes()), COUNT))
    assert any(each not in good for chosen in lists for each in chosen)
    assert any(each in good for chosen in lists for each in chosen)
    assert all(sum(len(value) + 8 for _, value in chosen) < 8 * 608 for chosen in lists)


def test_every_seed_is_what_it_says() -> None:
    for data in turn_seeds():
        if data[0] < 4:
            assert wire.decode(data).raw == data
