from ringline.client.backoff import FIRST_MS, LONGEST_MS, Backoff


def test_steps_double_up_to_the_longest() -> None:
    backoff = Backoff(lambda: 0.999999)
    steps = [backoff.next_ms() for _ in range(20)]
    assert [round(step / FIRST_MS) for step in steps[:4]] == [1, 2, 4, 8]
    assert max(steps) <= LONGEST_MS
    assert steps[-1] >= LONGEST_MS - 1


def test_jitter_takes_half_at_most() -> None:
    assert Backoff(lambda: 0.0).next_ms() == FIRST_MS // 2


def test_reset_starts_anew() -> None:
    backoff = Backoff(lambda: 0.0)
    for _ in range(5):
        backoff.next_ms()
    backoff.reset()
    assert backoff.next_ms() == FIRST_MS // 2


def test_many_attempts_do_not_overflow() -> None:
    backoff = Backoff(lambda: 0.5)
    backoff.attempts = 10**9
    assert backoff.next_ms() <= LONGEST_MS
