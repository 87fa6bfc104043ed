"""Added noise, momentum and bounds, each against an exact law."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import linalg, optimize, stats

import etaflow as ef
from problems import Case

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 1e-5  # a test of a law fails with this probability under its seed's law


def flat_objective(d: int, dtype: str = "float64") -> ef.Objective:
    """An objective that is constant in θ: only the noise moves."""
    return ef.Objective(ef.MLP([d, 1], bias=False), np.zeros((3, d), dtype), np.ones(3, dtype))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch_size", [None, 1, 2])
def test_gaussian_noise_makes_a_random_walk(batch_size: int | None, dtype: str) -> None:
    d, runs, steps, alpha, sigma = 3, 4000, 5, 0.1, 2.0
    f = flat_objective(d, dtype)
    options: dict[str, Any] = {"step_size": alpha, "noise": sigma, "runs": runs, "seed": 4, "record": {"theta": 1}}
    done = ef.descend(f, np.zeros(d, dtype), steps=steps, batch_size=batch_size, **options)
    increments = np.diff(done.data.theta.values.astype(float), axis=1).reshape(runs, -1) / (alpha * sigma)
    # Standard normal, each of them ...
    assert all(stats.kstest(column, "norm").pvalue > LEVEL for column in increments.T)
    # ... and independent between steps and parameters: 105 correlations of 4000 pairs each.
    correlations = np.corrcoef(increments, rowvar=False)[np.triu_indices(d * steps, 1)]
    limit = stats.norm.isf(LEVEL / correlations.size / 2) / np.sqrt(runs)
    assert np.abs(correlations).max() < limit


def test_noise_on_the_sphere() -> None:
    # Ge et al. 2015, Algorithm 1.
    d, runs = 5, 4000
    done = ef.descend(flat_objective(d), np.zeros(d), steps=1, step_size=0.5, noise=("sphere", 3.0), runs=runs, seed=1)
    np.testing.assert_allclose(np.linalg.norm(done.theta, axis=1), 1.5, rtol=1e-14)
    # One coordinate of a uniform point of the sphere: (1 + u)/2 ~ Beta((d − 1)/2, (d − 1)/2).
    law = stats.beta((d - 1) / 2, (d - 1) / 2)
    assert all(stats.kstest((1 + column / 1.5) / 2, law.cdf).pvalue > LEVEL for column in done.theta.T)


def test_noise_is_added_to_the_gradient_step() -> None:
    case = Case((2, 3, 1), n=13)
    options: dict[str, Any] = {"steps": 1, "batch_size": 1, "runs": 3, "seed": 2}
    quiet = ef.descend(case.objective, case.theta(), step_size=0.1, **options)
    noisy = ef.descend(case.objective, case.theta(), step_size=0.1, noise=0.7, **options)
    flat = ef.descend(
        flat_objective(case.net.num_params), np.zeros(case.net.num_params), step_size=0.1, noise=0.7, **options
    )
    np.testing.assert_allclose(noisy.theta - quiet.theta, flat.theta, rtol=0, atol=1e-15)


def test_noise_leaves_a_saddle_that_gradient_descent_never_leaves() -> None:
    # ŷ = w₂w₁x at w = 0, the strict saddle of a linear network of depth two.
    f = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1.0]], [1.0])
    still = ef.descend(f, [0.0, 0.0], steps=500, step_size=0.05)
    np.testing.assert_array_equal(still.theta, [[0.0, 0.0]])
    for kind in ("gaussian", "sphere"):
        moved = ef.descend(f, [0.0, 0.0], steps=500, step_size=0.05, noise=(kind, 0.01), runs=50)
        assert (f.value(moved.theta) < 1e-3).all()


def test_no_noise_changes_nothing() -> None:
    case = Case((2, 3, 1), n=13)
    options: dict[str, Any] = {"steps": 9, "step_size": 0.1, "batch_size": 1, "runs": 3}
    plain = ef.descend(case.objective, case.theta(), **options)
    zero = ef.descend(case.objective, case.theta(), **options, noise=0.0)
    np.testing.assert_array_equal(plain.theta, zero.theta)


@pytest.mark.parametrize("kind", ["heavy_ball", "nesterov"])
def test_momentum_on_a_quadratic_has_its_stationary_variance(kind: str) -> None:
    # L_i = (y_i − θ)²: the gradient is 2(θ − ȳ) plus noise of variance 4·Var(y), so (θ − ȳ, v) is a linear recursion and
    # its stationary covariance solves a discrete Lyapunov equation. The variance of 20 000 runs has chi-square limits.
    y = np.random.default_rng(0).normal(size=40)
    f = ef.Objective(ef.MLP([1, 1], bias=False), np.ones((40, 1)), y)
    alpha, mu, runs, h = 0.05, 0.8, 20_000, 2.0
    done = ef.descend(f, [y.mean()], steps=400, step_size=alpha, momentum=(kind, mu), batch_size=1, runs=runs, seed=3)
    # v' = μv + hθ + ξ;  θ' = θ − α(v' or hθ + ξ + μv')
    if kind == "heavy_ball":
        matrix, inflow = np.array([[1 - alpha * h, -alpha * mu], [h, mu]]), np.array([-alpha, 1.0])
    else:
        matrix = np.array([[1 - alpha * h * (1 + mu), -alpha * mu * mu], [h, mu]])
        inflow = np.array([-alpha * (1 + mu), 1.0])
    expected = linalg.solve_discrete_lyapunov(matrix, 4 * y.var() * np.outer(inflow, inflow))[0, 0]
    ratio = runs * ((done.theta[:, 0] - y.mean()) ** 2).mean() / expected
    low, high = stats.chi2(runs).ppf([LEVEL / 2, 1 - LEVEL / 2])
    assert low < ratio < high


def box_problem() -> tuple[ef.Objective, NDArray[np.float64], NDArray[np.float64]]:
    generator = np.random.default_rng(5)
    x = generator.normal(size=(30, 6))
    y = x @ np.array([2.0, -3.0, 0.5, 0.1, 4.0, -0.2]) + 0.1 * generator.normal(size=30)
    return ef.Objective(ef.MLP([6, 1], bias=False), x, y), x, y


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_projected_descent_ends_where_kkt_holds(optimizer: str) -> None:
    # A priori bounds on the weights (Sontag 1988, section 3).
    f, x, y = box_problem()
    bounds = (-1.0, np.array([1.0, 1.0, 1.0, 1.0, 1.5, np.inf]))
    runs = ef.descend(f, np.zeros(6), steps=4000, step_size=0.02, bounds=bounds, optimizer=optimizer)
    theta, gradient = runs.theta[0], f.gradient(runs.theta[0])
    exact = optimize.lsq_linear(x, y, bounds=(np.full(6, -1.0), bounds[1]), tol=1e-14)
    np.testing.assert_allclose(theta, exact.x, atol=1e-8)
    np.testing.assert_array_equal(runs.active_bounds[0], exact.active_mask)
    assert set(exact.active_mask) == {-1, 0, 1}
    free, at_lower, at_upper = (runs.active_bounds[0] == side for side in (0, -1, 1))
    np.testing.assert_allclose(gradient[free], 0, atol=1e-7)
    assert (gradient[at_lower] > 0).all()
    assert (gradient[at_upper] < 0).all()


def test_every_iterate_keeps_the_bounds() -> None:
    case = Case((2, 3, 1), n=13, dtype="float32")
    start = np.clip(case.theta(), -0.2, 0.3).astype(np.float32)
    options: dict[str, Any] = {"batch_size": 2, "noise": 1.0, "runs": 20, "record": {"theta": 1}}
    runs = ef.descend(case.objective, start, steps=40, step_size=0.2, bounds=(-0.2, 0.3), **options)
    assert runs.data.theta.min() == np.float32(-0.2)
    assert runs.data.theta.max() == np.float32(0.3)
    assert runs.active_bounds.any()


def test_without_bounds_none_is_active() -> None:
    case = Case((2, 3, 1), n=13)
    assert not ef.descend(case.objective, case.theta(), steps=1, step_size=0.1).active_bounds.any()
