"""Distances without the Monte-Carlo floor: unbiased, and with intervals that hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from etaflow.theory.gaussian_limit.pairs import distance_between_groups, mean_with_interval, of_squares


def test_it_is_the_mean_over_pairs_of_different_groups() -> None:
    errors = np.random.default_rng(0).normal(size=(5, 2, 3)) + 1
    pairs = [np.sum(errors[g] * errors[h]) for g in range(5) for h in range(5) if g != h]
    found = distance_between_groups(errors)
    assert found.value == pytest.approx(np.sqrt(np.mean(pairs)))
    assert found.squares.mean() == pytest.approx(np.mean(pairs))


def test_squares_are_the_jackknife_s_pseudo_values() -> None:
    errors = np.random.default_rng(1).normal(size=(6, 4)) + 0.5

    def estimate(rows: np.ndarray) -> float:
        k = len(rows)
        return float((np.sum(rows.sum(axis=0) ** 2) - np.sum(rows**2)) / (k * (k - 1)))

    pseudo = [6 * estimate(errors) - 5 * estimate(np.delete(errors, g, axis=0)) for g in range(6)]
    np.testing.assert_allclose(distance_between_groups(errors).squares, pseudo)


def test_unbiased_and_its_interval_holds() -> None:
    """400 experiments, seed 2: the mean of ‖δ‖² within 4 standard errors; coverage of 95 % intervals at level 1e-4."""
    generator = np.random.default_rng(2)
    for size in (0.0, 0.3):
        found = [distance_between_groups(generator.normal(size=(25, 10)) + size) for _ in range(400)]
        squares = np.array([one.squares.mean() for one in found])
        assert abs(squares.mean() - 10 * size**2) < 4 * squares.std() / 20
        covered = sum(one.low <= np.sqrt(10) * size <= one.high for one in found)
        assert covered >= stats.binom.ppf(1e-4, 400, 0.95)


def test_nothing_below_zero() -> None:
    found = of_squares(np.array([-1.0, -2.0, 0.5]))
    assert found.value == found.low == 0
    assert found.high >= 0
    assert not found.resolved
    assert of_squares(np.array([1.0, 1.1, 0.9])).resolved


def test_interval_of_a_mean() -> None:
    values = np.array([1.0, 2.0, 4.0, 4.5])
    expected = stats.t.interval(0.9, 3, loc=values.mean(), scale=stats.sem(values))
    mean, low, high = mean_with_interval(values, 0.9)
    assert mean == values.mean()
    assert (low, high) == pytest.approx(expected)
