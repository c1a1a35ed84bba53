from uuid import uuid4

from sfu.used_tickets import REMOVAL_KEPT_S, REMOVALS_MAX, RecentRemovals, UsedTickets


def test_once_until_it_has_expired() -> None:
    used = UsedTickets(10)
    assert used.use("a", 30, 0) is True
    assert used.use("a", 30, 29) is False
    assert used.use("b", 60, 30) is True
    assert len(used) == 1


def test_a_full_memory_takes_no_other() -> None:
    used = UsedTickets(2)
    assert [used.use(name, 30, 0) for name in "abc"] == [True, True, None]
    assert used.use("a", 30, 0) is False
    used.give_back("a")
    assert used.use("c", 30, 0) is True


def test_removals_are_known_for_a_while() -> None:
    recent, call, account = RecentRemovals(), uuid4(), uuid4()
    recent.note(call, account, 100.5)
    assert recent.since(call, account, 100, 101)
    assert not recent.since(call, account, 101, 101)
    assert not recent.since(call, uuid4(), 100, 101)
    assert not recent.since(call, account, 100, 100.5 + REMOVAL_KEPT_S)


def test_removals_are_bounded() -> None:
    recent, account = RecentRemovals(), uuid4()
    calls = [uuid4() for _ in range(REMOVALS_MAX + 1)]
    for call in calls:
        recent.note(call, account, 1)
    assert not recent.since(calls[0], account, 0, 1)
    assert recent.since(calls[1], account, 0, 1)
