"""Replies to whoever has proved nothing: so many for a source, so many in all."""

from turn.challenge_budget import ROW_CELLS, ChallengeBudget


def budget(per_source_s: int = 5, per_s: int = 100) -> ChallengeBudget:
    return ChallengeBudget(bytes(32), per_source_s, per_s)


def test_a_source_has_so_many_a_second() -> None:
    one = budget()
    assert [one.spend("192.0.2.1", 7.0 + n / 100) for n in range(8)] == [True] * 5 + [False] * 3
    assert one.dropped == 3
    assert one.spend("192.0.2.2", 7.5)
    assert one.spend("192.0.2.1", 8.0)


def test_all_together_have_so_many_a_second() -> None:
    one = budget(per_source_s=50, per_s=10)
    assert sum(one.spend(f"192.0.2.{n}", 7.5) for n in range(100)) == 10
    assert one.dropped == 90
    assert one.spend("192.0.2.99", 8.0)


def test_what_is_not_sent_spends_nothing() -> None:
    one = budget(per_source_s=1, per_s=2)
    assert one.spend("192.0.2.1", 7.0)
    assert not any(one.spend("192.0.2.1", 7.0) for _ in range(50))
    assert one.spend("192.0.2.2", 7.0)


def test_a_flood_from_many_sources_needs_no_more_memory() -> None:
    one = budget(per_s=1_000_000)
    for number in range(20_000):
        one.spend(f"2600::{number:x}", 7.0)
    assert [len(row) for row in vars(one)["_rows"]] == [ROW_CELLS, ROW_CELLS]


def test_others_are_hardly_touched_by_a_loud_source() -> None:
    one = budget(per_s=1_000_000)
    for _ in range(1_000):
        one.spend("192.0.2.1", 7.0)
    others = [one.spend(f"198.51.{n // 256}.{n % 256}", 7.0) for n in range(1_000)]
    assert all(others)
