"""Medians, lowest windows, percentiles, ratios."""

import pytest

from loadtest.figures import Figure, Measured, percentile


@pytest.mark.parametrize(
    ("share", "expected"), [(0, 1), (0.01, 1), (0.5, 50), (0.501, 51), (0.99, 99), (1, 100)]
)
def test_percentile_is_the_nearest_rank(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_windows_give_median_and_lowest() -> None:
    assert Measured("m", "µs", (5.0, 1.0, 3.0)).figures() == [
        Figure(name="m", unit="µs", ours=3.0),
        Figure(name="m (lowest window)", unit="µs", ours=1.0),
    ]


def test_one_window_gives_one_figure() -> None:
    assert [figure.name for figure in Measured("m", "µs", (5.0,)).figures()] == ["m"]


def test_a_peer_gives_a_ratio_of_medians() -> None:
    median, lowest = Measured("m", "µs", (6.0, 9.0, 2.0), (3.0, 4.0, 2.0)).figures()
    assert (median.ours, median.peer, median.ratio) == (6.0, 3.0, 2.0)
    assert (lowest.ours, lowest.peer, lowest.ratio) == (2.0, 2.0, 1.0)
