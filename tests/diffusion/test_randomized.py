"""Randomized modes and traces, on matrices with known spectra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from etaflow.diffusion.randomized import estimate_trace, top_modes

D = 150


def known(values: Any, seed: int = 0) -> Any:
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
    return basis * values @ basis.T


SPECTRA = {
    "power law": np.arange(1, D + 1) ** -1.0,
    "flat": 1 + 0.1 * np.arange(D)[::-1] / D,
    "multiple": np.repeat([3.0, 2.0, 1.0], D // 3),
    "low rank": np.where(np.arange(D) < 4, 1.0, 0.0),
    "eighty orders": 10.0 ** -(np.arange(D) / 2),
    "zero": np.zeros(D),
}


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("k", [1, 5])
def test_modes(name: str, k: int) -> None:
    values = SPECTRA[name]
    matrix = known(values)
    modes = top_modes(lambda v: matrix @ v, D, k, tolerance=1e-6, seed=1)
    size = values[0] if values.any() else 1.0
    np.testing.assert_allclose(modes.variance, values[:k], rtol=0, atol=1e-6 * size)
    np.testing.assert_allclose(modes.direction @ modes.direction.T, np.eye(k), atol=1e-12)
    found = np.linalg.norm(matrix @ modes.direction.T - modes.direction.T * modes.variance, axis=0)
    np.testing.assert_allclose(found, modes.residual, atol=1e-13 * size)
    assert (found <= 1e-6 * size + 1e-13 * size).all()


def test_all_modes_of_a_small_matrix() -> None:
    matrix = known(np.array([5.0, 2.0, 1.0]))
    modes = top_modes(lambda v: matrix @ v, 3, 3, tolerance=1e-12, seed=0)
    np.testing.assert_allclose(modes.variance, [5, 2, 1], rtol=1e-13)


def trace(matrix: Any, samples: int, seed: int) -> tuple[float, float]:
    quadratic = lambda v: np.einsum("ak,ak->k", v, matrix @ v)  # noqa: E731
    return estimate_trace(lambda v: matrix @ v, quadratic, len(matrix), samples=samples, seed=seed)


@pytest.mark.parametrize("name", ["power law", "flat", "multiple"])
def test_the_stated_error_of_a_trace_covers(name: str) -> None:
    """Of 300 seeds those within twice the stated error: Student's t with 15 degrees of freedom says 93.6 %.

    P(fewer than 270 of 300) is below 1e-2 at 93.6 %; the seeds are fixed.
    """
    matrix = known(SPECTRA[name])
    estimates = np.array([trace(matrix, 16, seed) for seed in range(300)])
    misses = np.abs(estimates[:, 0] - SPECTRA[name].sum())
    covered = int((misses <= 2 * estimates[:, 1]).sum())
    assert binom.cdf(269, 300, 0.936) < 1e-2
    assert covered >= 270
    spread = float(estimates[:, 0].std(ddof=1))
    assert 0.8 < float(estimates[:, 1].mean()) / spread < 1.2  # nor is it stated too large
    assert abs(estimates[:, 0].mean() - SPECTRA[name].sum()) < 4 * spread / np.sqrt(300)  # unbiased


def test_traces_that_are_exact() -> None:
    """With half as many vectors as dimensions, and where the rank is at most the number of vectors."""
    matrix = known(SPECTRA["power law"])
    value, error = trace(matrix, 75, 0)
    assert value == pytest.approx(np.trace(matrix), rel=1e-13)
    assert error == 0
    value, error = trace(known(SPECTRA["low rank"]), 8, 0)
    assert value == pytest.approx(4, rel=1e-12)
    assert error < 1e-12
