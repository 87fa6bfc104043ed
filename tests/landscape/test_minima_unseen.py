"""Good–Turing's coverage and Chao's estimate beside published examples, exact arithmetic and a simulation."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from etaflow._intervals import proportion_interval
from etaflow.landscape.minima.unseen import estimate_unseen

GIRDLED = [46, 22, 17, 15, 15, 9, 8, 6, 6, 4] + [2] * 4 + [1] * 12
LOGGED = [88, 22, 16, 15, 13, 10, 8, 8, 7, 7, 7, 5, 4, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2] + [1] * 14
"""Spiders under girdled and under logged hemlocks, the example of Chao et al. 2014 (Ecological Monographs 84) and of iNEXT."""


@pytest.mark.parametrize(
    ("counts", "draws", "seen", "total", "low", "high"),
    [(GIRDLED, 168, 26, 43.893, 30.511, 96.971), (LOGGED, 252, 37, 61.403, 43.502, 128.583)],
)
def test_the_published_spiders(counts: list[int], draws: int, seen: int, total: float, low: float, high: float) -> None:
    """Estimates and intervals as the authors' program iNEXT prints them."""
    got = estimate_unseen(counts)
    assert (got.draws, got.seen) == (draws, seen)
    assert (round(got.total, 3), round(got.total_low, 3), round(got.total_high, 3)) == (total, low, high)
    assert got.coverage == pytest.approx(1 - got.singletons / draws, abs=1e-15)


def test_exact_arithmetic_without_doubletons() -> None:
    counts = [5, 1, 1, 1]
    n, f1 = Fraction(8), Fraction(3)
    factor = (n - 1) / n
    total = 4 + factor * f1 * (f1 - 1) / 2
    variance = factor * f1 * (f1 - 1) / 2 + factor**2 * f1 * (2 * f1 - 1) ** 2 / 4 - factor**2 * f1**4 / (4 * total)
    got = estimate_unseen(counts, level=0.9)
    assert got.total == pytest.approx(float(total), rel=1e-15)
    missing = float(total) - 4
    spread = math.exp(norm.ppf(0.95) * math.sqrt(math.log(1 + float(variance) / missing**2)))
    assert got.total_low == pytest.approx(4 + missing / spread, rel=1e-13)
    assert got.total_high == pytest.approx(4 + missing * spread, rel=1e-13)


def test_esty_by_hand() -> None:
    """Of 10 draws 2 singletons and 1 doubleton: 0.8 ± 1.96·√(2·0.8 + 2)/10."""
    got = estimate_unseen([6, 2, 1, 1])
    assert got.coverage == 0.8
    assert got.coverage_low == pytest.approx(0.8 - 1.959963984540054 * math.sqrt(3.6) / 10, rel=1e-12)
    assert got.coverage_high == 1.0


def test_without_surprises_the_interval_is_that_of_no_event_in_n_trials() -> None:
    got = estimate_unseen([50, 50])
    assert (got.coverage, got.coverage_high, got.total) == (1.0, 1.0, 2.0)
    assert 1 - got.coverage_low == pytest.approx(1 - 0.025 ** (1 / 100), rel=1e-9)
    surprised = estimate_unseen([1, 1, 1, 1])
    assert (surprised.coverage, surprised.coverage_low) == (0.0, 0.0)
    assert surprised.coverage_high == pytest.approx(1 - 0.025 ** (1 / 4), rel=1e-9)
    assert 2.0 <= got.total_low <= got.total_high < 2.001


def test_nothing_and_bad_input() -> None:
    nothing = estimate_unseen([0, 0])
    assert (nothing.draws, nothing.coverage_low, nothing.coverage_high, nothing.total_high) == (0, 0.0, 1.0, math.inf)
    with pytest.raises(TypeError, match="counts must be whole numbers"):
        estimate_unseen([1.5])
    with pytest.raises(ValueError, match=r"counts must be >= 0 \(got -2\)"):
        estimate_unseen([3, -2])
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        estimate_unseen([3], level=2.0)


def test_intervals_hold_as_often_as_they_say_in_a_simulation() -> None:
    """200 samples of 60 from 20 unequal kinds; level 95 %. A miss of Esty's normal approximation below 85 %, or of Chao's bound, which
    is a lower bound of the number, above 20 in more than 15 % of the samples, would have a chance of less than 1e-6 at 95 %."""
    chances = np.arange(1, 21) / 210
    generator = np.random.default_rng(5)
    covered = below = 0
    for counts in generator.multinomial(60, chances, 200):
        got = estimate_unseen(counts)
        covered += got.coverage_low <= chances[counts > 0].sum() <= got.coverage_high
        below += got.total_low <= 20
    assert covered >= 170
    assert below >= 170


def test_shares_equal_scipys() -> None:
    low, high = proportion_interval(7, 50, level=0.9)
    expected = binomtest(7, 50).proportion_ci(0.9, method="exact")
    assert (low, high) == (expected.low, expected.high)
