"""Survival curves, against the leukaemia trial of the textbooks, hand calculation and known laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from etaflow.diffusion.survival import Survival, kaplan_meier, logrank

# Freireich et al. 1963: weeks of remission with 6-mercaptopurine (a negative number: censored) and with a placebo, as in
# Kalbfleisch and Prentice, The Statistical Analysis of Failure Time Data, table 1.1.
TREATED = np.array([6, 6, 6, -6, 7, -9, 10, -10, -11, 13, 16, -17, -19, -20, 22, 23, -25, -32, -32, -34, -35.0])
PLACEBO = np.array([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23.0])


def curve(signed: Any, **options: Any) -> Survival:
    return kaplan_meier(np.abs(signed), signed > 0, **options)


def test_the_published_curve() -> None:
    treated = curve(TREATED)
    np.testing.assert_allclose(
        treated.at([5.9, 6, 7, 10, 13, 16, 22, 23, 35]),
        [1, 0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448, 0.448],
        atol=5e-4,
    )
    assert np.isnan(treated.at(36.0))
    assert treated.quantile(0.5)[:2] == (23, 13)
    assert treated.quantile(0.5).high == np.inf
    assert curve(PLACEBO).quantile(0.5) == (8, 4, 11)
    assert repr(treated) == "Survival(9 of 21 runs left; median exit time 23 [13, inf])"


def test_the_published_log_rank_test() -> None:
    """χ² = 16.79 on one degree of freedom."""
    p = logrank(curve(TREATED), curve(PLACEBO))
    assert p == pytest.approx(4.17e-5, rel=2e-3)
    assert logrank(curve(PLACEBO), curve(TREATED)) == pytest.approx(p, rel=1e-12)


def test_the_band_by_hand() -> None:
    """log(−log S) ± z·√(Σ d/(n(n − d)))/|log S| at week 10, from the counts of the table."""
    treated = curve(TREATED, level=0.9)
    greenwood = 3 / (21 * 18) + 1 / (17 * 16) + 1 / (15 * 14)
    s = 18 / 21 * 16 / 17 * 14 / 15
    half = 1.6448536269514722 * np.sqrt(greenwood) / abs(np.log(s))
    at = int(np.searchsorted(treated.times, 10))
    np.testing.assert_allclose([treated.low[at], treated.high[at]], [s ** np.exp(half), s ** np.exp(-half)], rtol=1e-12)
    assert (treated.at_risk[at], treated.exits[at]) == (15, 1)


def test_means() -> None:
    """Total time over exits: 359/9; the restricted mean of R's survfit to 35 weeks, 23.3 with standard error 2.83."""
    treated = curve(TREATED)
    assert treated.mean().value == pytest.approx(359 / 9, rel=1e-14)
    area = treated.restricted_mean()
    assert area.value == pytest.approx(23.29, abs=0.005)
    assert (area.high - area.low) / 2 / 1.959964 == pytest.approx(2.83, abs=0.005)
    complete = curve(PLACEBO)
    assert complete.mean().value == pytest.approx(PLACEBO.mean(), rel=1e-14)
    assert complete.restricted_mean().value == pytest.approx(PLACEBO.mean(), rel=1e-14)
    assert complete.restricted_mean(40.0).value == pytest.approx(PLACEBO.mean(), rel=1e-14)
    assert complete.restricted_mean(5.0).value == pytest.approx(np.minimum(PLACEBO, 5).mean(), rel=1e-14)
    error = complete.restricted_mean()
    assert (error.high - error.value) / 1.959964 == pytest.approx(PLACEBO.std() / np.sqrt(21), rel=1e-6)


def test_the_interval_of_the_mean_is_exact_for_exponential_times() -> None:
    """2 000 samples of 7: 90 % intervals cover in a number of cases that a binomial with 0.9 gives (level 0.999, seed 5)."""
    samples = np.random.default_rng(5).exponential(3.0, (2000, 7))
    intervals = [kaplan_meier(one, np.ones(7, bool), level=0.9).mean() for one in samples]
    covered = sum(low <= 3.0 <= high for _, low, high in intervals)
    assert binomtest(covered, 2000, 0.9).pvalue > 0.001


def test_with_censoring_the_interval_covers_at_least_as_often() -> None:
    samples = np.random.default_rng(6).exponential(3.0, (2000, 7))
    intervals = [kaplan_meier(np.minimum(one, 2.0), one <= 2.0, level=0.9).mean() for one in samples]
    covered = sum(low <= 3.0 <= high for _, low, high in intervals)
    assert binomtest(covered, 2000, 0.9, alternative="less").pvalue > 0.001
    assert any(high == np.inf for _, _, high in intervals)


def test_the_band_covers_a_weibull_curve() -> None:
    """At its median, with a third of the runs censored, 95 % bands of 60 runs cover 2 000 times as a binomial says (seed 7)."""
    generator = np.random.default_rng(7)
    exits, ends = generator.weibull(1.5, (2000, 60)), generator.exponential(2.0, (2000, 60))
    median, covered = np.log(2) ** (1 / 1.5), 0
    for exit_times, end in zip(exits, ends, strict=True):
        one = kaplan_meier(np.minimum(exit_times, end), exit_times <= end)
        at = int(np.searchsorted(one.times, median, side="right")) - 1
        covered += bool(one.low[at] <= 0.5 <= one.high[at])
    assert 0.93 < covered / 2000 < 0.97


def test_nobody_left_and_everybody_left() -> None:
    stayed = kaplan_meier([5.0] * 10, [False] * 10)
    np.testing.assert_allclose([stayed.survival[0], stayed.low[0], stayed.high[0]], [1, 0.025**0.1, 1], rtol=1e-12)
    assert stayed.mean().value == stayed.mean().high == np.inf
    assert stayed.mean().low == pytest.approx(50 / -np.log(0.025), rel=1e-12)
    assert stayed.quantile(0.5).value == np.inf
    gone = kaplan_meier([1.0, 2.0, 3.0], [True] * 3)
    assert (gone.low[-1], gone.survival[-1], gone.high[-1]) == (0, 0, gone.high[-2])
    assert gone.at(100.0) == 0
    with pytest.raises(ValueError, match="first or second must hold an exit"):
        logrank(stayed, stayed)


@pytest.mark.parametrize(
    ("durations", "observed", "options", "error", "message"),
    [
        ([1.0, 2.0], [True], {}, ValueError, "durations and observed must have the same length"),
        ([], np.zeros(0, bool), {}, ValueError, "durations must hold at least one run"),
        ([1.0, 0.0], [True, True], {}, ValueError, r"durations must be > 0 \(durations\[1\] is 0\)"),
        ([1.0, 2.0], [1, 0], {}, TypeError, "observed must be an array of bools"),
        ([1.0], [True], {"level": 95}, ValueError, "level must be between 0 and 1"),
    ],
)
def test_bad_input(durations: Any, observed: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        kaplan_meier(durations, observed, **options)


def test_what_is_said_where_less_than_half_have_left() -> None:
    assert repr(kaplan_meier([20.0] * 50, [False] * 50)) == "Survival(0 of 50 runs left; median exit time > 20)"
    few = kaplan_meier([1.0, 2.0, 3.0, 9.0, 9.0, 9.0, 9.0], [True] * 3 + [False] * 4)
    assert repr(few) == f"Survival(3 of 7 runs left; median exit time > 9 [{few.quantile(0.5).low:g}, inf])"


def test_bad_horizon_and_share() -> None:
    treated = curve(TREATED)
    with pytest.raises(ValueError, match="horizon must be at most 35"):
        treated.restricted_mean(40.0)
    with pytest.raises(ValueError, match="share must be between 0 and 1"):
        treated.quantile(1.0)
