"""The E-model against values worked by hand from the formulas, and its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringline.media import quality


def test_the_default_rating_is_a_good_call() -> None:
    # G.107 annex B: R = 93.2 gives MOS 4.41.
    assert quality.mean_opinion_score(93.2) == pytest.approx(4.41, abs=0.005)


@pytest.mark.parametrize(
    ("r", "mos"), [(90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58), (0, 1.0), (100, 4.5)]
)
def test_mos_follows_the_table_of_user_satisfaction(r: float, mos: float) -> None:
    # G.107 annex B, table B.1: the lower limits of its classes.
    assert quality.mean_opinion_score(r) == pytest.approx(mos, abs=0.01)


@pytest.mark.parametrize(
    ("delay_ms", "harm"), [(0, 0), (100, 2.4), (177.3, 4.2552), (277.3, 17.6552)]
)
def test_delay_harms_more_beyond_the_knee(delay_ms: float, harm: float) -> None:
    assert quality.delay_impairment(delay_ms) == pytest.approx(harm)


@pytest.mark.parametrize(("loss", "harm"), [(0, 0), (0.01, 95 / 5.3), (0.043, 47.5), (1, 91.08)])
def test_loss_harms_by_its_share(loss: float, harm: float) -> None:
    assert quality.loss_impairment(loss) == pytest.approx(harm, abs=0.01)


def test_an_undisturbed_call_has_only_our_own_delay() -> None:
    assert quality.one_way_delay_ms(0, 0) == quality.LOCAL_DELAY_MS
    assert quality.estimate_mos(0, 0, 0) == pytest.approx(quality.mean_opinion_score(90.8))


@given(
    rtt=st.floats(-10, 5000),
    jitter=st.floats(-10, 5000),
    loss=st.floats(-1, 2),
    more=st.floats(0, 1),
)
def test_it_stays_in_bounds_and_never_gains_by_loss(
    rtt: float, jitter: float, loss: float, more: float
) -> None:
    mos = quality.estimate_mos(rtt, jitter, loss)
    assert 1.0 <= mos <= 4.5
    assert quality.estimate_mos(rtt, jitter, loss + more) <= mos + 1e-3
