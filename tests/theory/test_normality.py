"""Distances from the normal law, against SciPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from etaflow.theory.gaussian_limit import normality

Array = Any


def samples(shift: float = 0.0, count: int = 200, seed: int = 0) -> Array:
    return np.sort(np.random.default_rng(seed).normal(size=(3, count)) + shift, axis=1)


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_kolmogorov_smirnov(shift: float) -> None:
    ordered = samples(shift)
    expected = [stats.kstest(row, "norm").statistic for row in ordered]
    np.testing.assert_allclose(normality.kolmogorov_smirnov(ordered), expected)


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_anderson_darling(shift: float) -> None:
    ordered = samples(shift, count=40)
    known = {"loc": 0, "scale": 1}
    expected = [
        stats.goodness_of_fit(stats.norm, row, known_params=known, statistic="ad", n_mc_samples=1).statistic
        for row in ordered
    ]
    np.testing.assert_allclose(normality.anderson_darling(ordered), expected)


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_wasserstein(shift: float) -> None:
    ordered = samples(shift, count=12)[0]
    square = sum(
        quad(lambda p, x=x: (x - stats.norm.ppf(p)) ** 2, i / 12, (i + 1) / 12, limit=200)[0]
        for i, x in enumerate(ordered)
    )
    assert normality.wasserstein(ordered) == pytest.approx(np.sqrt(square), rel=1e-6)


def test_floors() -> None:
    """4 000 normal samples of 500, seed 3: means within 4 standard errors and the O(1/√N) that Kolmogorov's limit neglects."""
    ordered = np.sort(np.random.default_rng(3).normal(size=(4000, 500)), axis=1)
    ks = normality.kolmogorov_smirnov(ordered) * np.sqrt(500)
    assert ks.mean() == pytest.approx(normality.KOLMOGOROV_MEAN, rel=0.03)
    ad = normality.anderson_darling(ordered)
    assert abs(ad.mean() - 1) < 4 * ad.std() / np.sqrt(4000)


def test_cells_are_differences_of_distribution_functions() -> None:
    drawn = np.random.default_rng(4).normal(size=(2, 63))
    found = normality.cells(drawn, 3)
    assert found.shape == (3, 2, normality.CELLS - 1)
    edges = stats.norm.ppf(np.arange(1, normality.CELLS) / normality.CELLS)
    for group in range(3):
        for row in range(2):
            own = drawn[row, 21 * group : 21 * (group + 1)]
            expected = (own[:, None] < edges).mean(axis=0) - stats.norm.cdf(edges)
            np.testing.assert_allclose(found[group, row], expected, atol=1e-12)


def test_cells_leave_out_what_fills_no_group() -> None:
    drawn = np.random.default_rng(5).normal(size=(1, 65))
    np.testing.assert_array_equal(normality.cells(drawn, 3), normality.cells(drawn[:, :63], 3))


@pytest.mark.parametrize("shift", [0.0, 0.05, -0.2])
def test_supremum_without_a_floor(shift: float) -> None:
    """25 groups of 4 000, one direction, seed 6, within 4 standard errors of 2Φ(|shift|/2) − 1, where |F − Φ| is largest."""
    drawn = np.random.default_rng(6).normal(size=(1, 100_000)) + shift
    found = normality.cross_validated_supremum(normality.cells(drawn, 25))
    expected = 2 * stats.norm.cdf(abs(shift) / 2) - 1
    assert abs(found.mean() - expected) < 4 * found.std(ddof=1) / 5
    raw = normality.kolmogorov_smirnov(np.sort(drawn, axis=1))[0]
    assert shift or raw > found.mean()
