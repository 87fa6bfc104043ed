"""The law of gᵀx + ½xᵀHx: against χ² laws, Imhof's integral and moments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from etaflow.diffusion.quadratic_form import DRAWS, GaussianDraws, diagonal_form

Array = Any
LEVELS = np.array([0.025, 0.05, 0.5, 0.95, 0.975])


def assert_levels(probabilities: Array, sigmas: float = 4.0) -> None:
    """The quantiles have their levels up to the stated error of the draws: 4 standard errors, seed fixed."""
    errors = np.sqrt(LEVELS * (1 - LEVELS) / DRAWS)
    assert (np.abs(probabilities - LEVELS) < sigmas * errors).all()


def imhof(x: float, linear: Array, quadratic: Array) -> float:
    """P(Q ≤ x) from the characteristic function (Gil-Pelaez 1951, Imhof 1961)."""

    def integrand(u: float) -> float:
        shrink = 1 - 2j * u * quadratic
        log = -0.5 * np.log(shrink).sum() - 0.5 * u * u * (linear**2 / shrink).sum() - 1j * u * x
        return float(np.imag(np.exp(log)) / u)

    return float(0.5 - quad(integrand, 0, np.inf, limit=2000)[0] / np.pi)


def test_gaussian() -> None:
    found = GaussianDraws().quantiles(np.array([3.0, 4.0]), np.zeros(2), LEVELS)
    assert_levels(stats.norm.cdf(found, scale=5))


def test_chi_squared() -> None:
    found = GaussianDraws().quantiles(np.zeros(3), np.full(3, -0.5), LEVELS)
    assert_levels(1 - stats.chi2.cdf(-2 * found, 3))
    alone = GaussianDraws().quantiles(np.zeros(1), np.ones(1), LEVELS)
    assert_levels(stats.chi2.cdf(alone, 1))


def test_noncentral_chi_squared() -> None:
    found = GaussianDraws().quantiles(np.array([2.0, 0.0]), np.ones(2), LEVELS)  # (z + 1)² − 1 + z²
    assert_levels(stats.ncx2.cdf(found + 1, 2, 1))


@pytest.mark.parametrize(
    ("linear", "quadratic"),
    [
        ([0.3, 1.0, 0.0, 0.2], [1.0, 0.4, -0.6, 0.1]),
        (0.1 / np.arange(1, 101), 1 / np.arange(1, 101) ** 2),  # more than are drawn one by one
    ],
)
def test_indefinite_and_long_forms(linear: Array, quadratic: Array) -> None:
    one, two = np.array(linear), np.array(quadratic)
    found = GaussianDraws().quantiles(one, two, LEVELS)
    assert_levels(np.array([imhof(float(x), one, two) for x in found]), sigmas=5)


def test_nothing_random() -> None:
    assert (GaussianDraws().quantiles(np.zeros(0), np.zeros(0), LEVELS) == 0).all()


def test_the_same_draws_every_time() -> None:
    one, two = np.array([0.3, 1.0]), np.array([1.0, -0.4])
    np.testing.assert_array_equal(
        GaussianDraws().quantiles(one, two, LEVELS), GaussianDraws().quantiles(one, two, LEVELS)
    )


@pytest.mark.parametrize("rank", [0, 2, 4])
def test_diagonal_form_keeps_the_cumulants(rank: int) -> None:
    generator = np.random.default_rng(rank)
    root = generator.normal(size=(4, rank))
    hessian = generator.normal(size=(4, 4))
    hessian, sigma, gradient = hessian + hessian.T, root @ root.T, generator.normal(size=4)
    linear, quadratic = diagonal_form(sigma, gradient, hessian)
    assert linear.shape == quadratic.shape == (rank,)
    product = hessian @ sigma
    cumulants = [  # of gᵀx + ½xᵀHx (Mathai and Provost 1992, section 3.2)
        np.trace(product) / 2,
        np.trace(product @ product) / 2 + gradient @ sigma @ gradient,
        np.trace(product @ product @ product) + 3 * gradient @ sigma @ product @ gradient,
    ]
    found = [
        quadratic.sum(),
        2 * quadratic @ quadratic + linear @ linear,
        8 * (quadratic**3).sum() + 6 * linear**2 @ quadratic,
    ]
    np.testing.assert_allclose(found, cumulants, rtol=1e-10, atol=1e-10)
