"""Intervals against SciPy's bootstrap and the quantiles of the beta distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from etaflow._intervals import mean_interval, proportion_interval


def test_the_interval_is_scipys_percentile_bootstrap() -> None:
    # Both resample at random, so the ends agree within their Monte-Carlo error.
    sample = np.random.default_rng(1).gamma(2.0, size=60)
    ours = mean_interval(sample, resamples=20_000)
    theirs = stats.bootstrap((sample,), np.mean, method="percentile", n_resamples=20_000, rng=2).confidence_interval
    assert [*ours] == pytest.approx([*theirs], abs=0.02 * (theirs.high - theirs.low))


def test_one_resample_serves_all_columns() -> None:
    sample = np.random.default_rng(3).normal(size=50)
    low, high = mean_interval(np.column_stack([sample, 3 * sample + 1]), level=0.9, seed=4)
    assert [low[1], high[1]] == pytest.approx([3 * low[0] + 1, 3 * high[0] + 1])
    alone = mean_interval(sample, level=0.9, seed=4)
    assert [*alone] == pytest.approx([low[0], high[0]])


def test_large_ensembles_are_resampled_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    from etaflow import _intervals as intervals

    sample = np.random.default_rng(5).normal(size=40)
    whole = mean_interval(sample, resamples=1000, seed=6)
    monkeypatch.setattr(intervals, "CHUNK", 4000)
    assert mean_interval(sample, resamples=1000, seed=6) == whole


def test_coverage_of_the_mean() -> None:
    # The stated level is 0.95; with 100 runs the percentile bootstrap covers a little less. If the coverage were 0.92 (0.965), fewer
    # (more) hits than these quantiles would be seen with probability 1e-4 each; the seed is fixed.
    rng, trials, hits = np.random.default_rng(7), 1000, 0
    for _ in range(trials):
        low, high = mean_interval(rng.gamma(2.0, size=100), resamples=499)
        hits += bool(low <= 2.0 <= high)
    assert stats.binom.ppf(1e-4, trials, 0.92) <= hits <= stats.binom.ppf(1 - 1e-4, trials, 0.965)


@pytest.mark.parametrize(("count", "total"), [(0, 7), (3, 7), (7, 7), (120, 4000)])
def test_clopper_and_pearson(count: int, total: int) -> None:
    low, high = proportion_interval(count, total, level=0.9)
    expected_low = stats.beta.ppf(0.05, count, total - count + 1) if count else 0.0
    expected_high = stats.beta.ppf(0.95, count + 1, total - count) if count < total else 1.0
    assert [low, high] == pytest.approx([expected_low, expected_high], abs=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([1.0]), "samples must hold at least two runs"),
        (lambda: mean_interval([1.0, np.nan]), "samples must be finite"),
        (lambda: mean_interval([1.0, 2.0], level=1.0), "level must be between 0 and 1"),
        (lambda: mean_interval([1.0, 2.0], resamples=0), "resamples must be >= 1"),
        (lambda: proportion_interval(3, 2), r"count must be <= 2, the total \(got 3\)"),
        (lambda: proportion_interval(0, 0), "total must be >= 1"),
        (lambda: proportion_interval(0, 2, level=95.0), "level must be between 0 and 1"),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
