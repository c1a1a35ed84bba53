from backplane.registry.expiring_memory import SWEEP_ENTRIES_MIN, ExpiringMap


class Clock:
    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now


def test_an_entry_lives_up_to_its_end() -> None:
    clock = Clock()
    entries: ExpiringMap[str, int] = ExpiringMap(clock)
    entries.put("a", 1, 100)
    clock.now += 99
    assert entries.get("a") == 1
    assert entries.rest_ms("a") == 1
    clock.now += 1
    assert entries.get("a") is None
    assert entries.rest_ms("a") == 0
    assert entries.pop("a") is None


def test_putting_again_starts_a_new_life() -> None:
    clock = Clock()
    entries: ExpiringMap[str, int] = ExpiringMap(clock)
    entries.put("a", 1, 100)
    clock.now += 90
    entries.put("a", 2, 100)
    clock.now += 90
    assert entries.get("a") == 2


def test_pop_and_values() -> None:
    clock = Clock()
    entries: ExpiringMap[str, int] = ExpiringMap(clock)
    entries.put("a", 1, 100)
    entries.put("b", 2, 10)
    clock.now += 50
    assert entries.values() == [1]
    assert entries.pop("a") == 1
    assert entries.values() == []
    assert entries.rest_ms("never") == 0


def test_the_dead_never_outnumber_the_living_by_much() -> None:
    clock = Clock()
    entries: ExpiringMap[int, int] = ExpiringMap(clock)
    for number in range(20 * SWEEP_ENTRIES_MIN):
        entries.put(number, number, 100)
        clock.now += 1  # a hundred live at any time
        assert len(entries) <= SWEEP_ENTRIES_MIN


def test_a_large_map_keeps_all_that_lives() -> None:
    entries: ExpiringMap[int, int] = ExpiringMap(Clock())
    for number in range(5 * SWEEP_ENTRIES_MIN):
        entries.put(number, number, 100)
    assert len(entries.values()) == 5 * SWEEP_ENTRIES_MIN
