from hypothesis import given
from hypothesis import strategies as st

from signaling.rate import TokenBucket, TokenBuckets


def test_a_burst_is_let_in_and_then_the_rate() -> None:
    bucket = TokenBucket(per_s=10, burst=3, now=0)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_ms(0) == 100
    assert not bucket.take(99)
    assert bucket.take(100)


def test_waiting_for_more_than_the_burst_waits_for_a_full_bucket() -> None:
    bucket = TokenBucket(per_s=1, burst=2, now=0)
    bucket.draw(0, 2)
    assert bucket.wait_ms(0, 100) == 2000


def test_draw_never_goes_below_empty() -> None:
    bucket = TokenBucket(per_s=1, burst=2, now=0)
    bucket.draw(0, 50)
    assert bucket.wait_ms(0) == 1000


def test_a_clock_that_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(per_s=1, burst=1, now=10_000)
    assert bucket.take(10_000)
    assert not bucket.take(0)
    assert not bucket.take(999)
    assert bucket.take(1999)


@given(
    st.lists(st.integers(0, 500), min_size=1, max_size=60),
    st.integers(1, 50),
    st.integers(1, 20),
)
def test_no_window_lets_in_more_than_burst_and_rate(
    steps: list[int], per_s: int, burst: int
) -> None:
    bucket, now, let_in = TokenBucket(per_s, burst, 0), 0, 0
    for step in steps:
        now += step
        let_in += bucket.take(now)
    assert let_in <= burst + per_s * now / 1000 + 1e-6


@given(st.integers(1, 1000), st.integers(0, 5000))
def test_after_the_wait_there_is_one(per_s: int, now: int) -> None:
    bucket = TokenBucket(per_s, 1, 0)
    bucket.draw(now, 1)
    wait_ms = bucket.wait_ms(now)
    assert bucket.take(now + wait_ms)


def test_each_key_has_its_own_and_the_oldest_is_forgotten() -> None:
    buckets = TokenBuckets(per_s=1, burst=1, buckets_max=2)
    assert buckets.of("a", 0).take(0)
    assert buckets.of("b", 0).take(0)
    assert not buckets.of("a", 0).take(0)
    buckets.of("c", 0)
    assert len(buckets) == 2
    assert not buckets.of("a", 0).take(0), "used last before c, so b was forgotten"
    assert buckets.of("b", 0).take(0)
