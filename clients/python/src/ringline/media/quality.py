"""How a call sounds, as a number: the E-model of ITU-T G.107 (06/2015), simplified.

R = 93.2 − Id − Ie,eff, where 93.2 is G.107's R with every parameter at its default and
- Id, the harm of delay d (one way, ms) without echo, by Cole and Rosenbluth (ACM SIGCOMM CCR 31(2),
  2001, eq. 3): 0.024 d, and 0.11 (d − 177.3) more beyond 177.3 ms;
- Ie,eff, the harm of loss (G.107 eq. 7-29), with random loss (BurstR = 1), Ie = 0 and Bpl = 4.3:
  G.113 appendix I's values for a decoder that conceals nothing, which is what aiortc's is.
MOS follows R by G.107 annex B. Bounds: 1.0 ≤ MOS ≤ 4.5. An estimate, not a measurement of a voice.
"""

from typing import Final

DEFAULT_R: Final = 93.2
DELAY_KNEE_MS: Final = 177.3
LOSS_ROBUSTNESS: Final = 4.3
LOCAL_DELAY_MS: Final = 100.0
"""One packet of 20 ms, and the four packets that aiortc's jitter buffer holds back."""


def one_way_delay_ms(round_trip_ms: float, jitter_ms: float) -> float:
    """From mouth to ear: half the round trip, twice the jitter (to wait it out), and our own share."""
    return max(0.0, round_trip_ms) / 2 + 2 * max(0.0, jitter_ms) + LOCAL_DELAY_MS


def delay_impairment(delay_ms: float) -> float:
    """Id, for a one-way delay."""
    return 0.024 * delay_ms + 0.11 * max(0.0, delay_ms - DELAY_KNEE_MS)


def loss_impairment(loss_fraction: float) -> float:
    """Ie,eff, for 0 ≤ loss ≤ 1."""
    percent = 100 * min(1.0, max(0.0, loss_fraction))
    return 95 * percent / (percent + LOSS_ROBUSTNESS)


def rating(delay_ms: float, loss_fraction: float) -> float:
    """R, not below 0."""
    return max(0.0, DEFAULT_R - delay_impairment(delay_ms) - loss_impairment(loss_fraction))


def mean_opinion_score(r: float) -> float:
    """MOS of an R (G.107 annex B)."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def estimate_mos(round_trip_ms: float, jitter_ms: float, loss_fraction: float) -> float:
    """MOS of what was heard, from what RTCP measured."""
    delay_ms = one_way_delay_ms(round_trip_ms, jitter_ms)
    return mean_opinion_score(rating(delay_ms, loss_fraction))
