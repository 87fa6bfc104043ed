"""Theorem 4.1 measured: against linear regression, whose moments are exact at every step size, and on a network."""

from __future__ import annotations

from functools import cache
from math import comb
from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.theory.gaussian_limit.comparison import TWINS, Limit, compare
from etaflow.theory.gaussian_limit.table import build, fit_rates
from linear_regression import Regression
from problems import Case

Array = Any
STEP_SIZES = [0.08, 0.04, 0.02, 0.01, 0.005]


@cache
def network() -> tuple[ef.Objective, Array]:
    """The network 1-2-1, tanh, with 8 observations of a noisy sine."""
    x = np.linspace(-1, 1, 8)[:, None]
    y = np.sin(3 * x[:, 0]) + 0.3 * np.random.default_rng(3).normal(size=8)
    net = ef.MLP([1, 2, 1])
    return ef.Objective(net, x, y), net.init(seed=0)


@cache
def of_network(runs: int) -> ef.theory.CentralLimit:
    return ef.theory.central_limit(*network(), t=4.0, step_sizes=STEP_SIZES, runs=runs)


def small(**options: Any) -> ef.theory.CentralLimit:
    objective, theta0 = network()
    settings: dict[str, Any] = {"t": 0.4, "step_sizes": [0.1, 0.05], "runs": 600}
    return ef.theory.central_limit(
        options.pop("objective", objective), options.pop("theta0", theta0), **(settings | options)
    )


# --- Gaussian ensembles -------------------------------------------------------------------------------------------

SIGMA = np.array([[2.0, 0.3, 0.0], [0.3, 0.5, 0.1], [0.0, 0.1, 0.04]])


def test_floor_of_the_covariance() -> None:
    """2 000 Gaussian ensembles of 50, seed 1: mean square within 4 standard errors, quantile within 4 of both samples."""
    generator = np.random.default_rng(1)
    drawn = generator.multivariate_normal(np.zeros(3), SIGMA, size=(2000, 50))
    errors = np.array([np.linalg.norm(np.cov(one.T) - SIGMA) for one in drawn]) / np.linalg.norm(SIGMA)
    mean, high = Limit(SIGMA, np.zeros(3), 4, 0.9).covariance_floor(50)
    assert abs((errors**2).mean() - mean**2) < 4 * (errors**2).std() / np.sqrt(2000)
    assert abs((errors > high).mean() - 0.1) < 4 * np.sqrt(0.09 * (1 / 2000 + 1 / TWINS))


def test_gaussian_ensembles_show_nothing() -> None:
    """Every interval holds 0 with 99.9 %, seed 2; the ensemble's own numbers are near their floors."""
    generator, limit = np.random.default_rng(2), Limit(SIGMA, np.zeros(3), 16, 0.999)
    drawn = [generator.multivariate_normal(np.zeros(3), SIGMA, size=10_000) for _ in range(3)]
    compared = [compare(one, limit, 0.1) for one in drawn]
    sizes = np.array([0.1, 0.2, 0.3])
    data = build(compared, limit, sizes, np.array([1, 1, 1]), drawn)
    for name in ("covariance", "mean", "skewness", "kolmogorov", "kolmogorov_shifted"):
        assert (data[f"{name}_distance"].sel(estimate="low") == 0).all(), name
    assert fit_rates(compared, sizes, 0.999, 0) == dict.fromkeys(compared[0].distances | compared[0].suprema)
    assert (data.covariance_error < data.covariance_floor_high).all()
    for name in ("mean", "kolmogorov", "wasserstein"):
        values = data["mean_error" if name == "mean" else name]
        assert (values < 3 * data[f"{name}_floor"]).all(), name
    assert (data.anderson < 6).all()  # exceeded with probability 1e-3 along one direction


def test_directions_have_unit_variance() -> None:
    directions = Limit(SIGMA, None, 7, 0.9).directions
    np.testing.assert_allclose(np.einsum("ip,ij,jp->p", directions, SIGMA, directions), 1)


# --- linear regression --------------------------------------------------------------------------------------------


def exact_cumulants(problem: Regression, start: float, eta: float, steps: int) -> Array:
    """The first three cumulants of SGD's θ, which is multiplied by a random number and moved by another in every step."""
    x, y = problem.data[0][:, 0], problem.data[1]
    factor, move = 1 - 2 * eta * x**2, 2 * eta * x * y
    moments = np.array([1.0, start, start**2, start**3])
    mixed = [[np.mean(factor**j * move ** (k - j)) for j in range(k + 1)] for k in range(4)]
    for _ in range(steps):
        moments = np.array([sum(comb(k, j) * mixed[k][j] * moments[j] for j in range(k + 1)) for k in range(4)])
    _, first, second, third = moments
    return np.array([first, second - first**2, third - 3 * first * second + 2 * first**3])


def test_linear_regression_has_its_exact_distances() -> None:
    """Levels 99.9 % for each of nine intervals, seed 5."""
    problem, start, t = Regression(d=1), 1.5, 1.0
    found = ef.theory.central_limit(
        problem.objective, [start], t=t, step_sizes=[0.1, 0.05, 0.02], runs=50_000, seed=5, level=0.999
    )
    path, sigma = problem.path(t, np.array([start]))[0], found.law.covariance[0, 0, 0]
    for eta, steps in ((0.1, 10), (0.05, 20), (0.02, 50)):
        mean, variance, third = exact_cumulants(problem, start, eta, steps)
        row = found.data.sel(step_size=eta)
        expected = {
            "covariance": abs(variance / eta - sigma) / sigma,
            "mean": abs(mean - path) / np.sqrt(eta * sigma),
            "skewness": abs(third) / (eta * sigma) ** 1.5,
        }
        for name, value in expected.items():
            _, low, high = row[f"{name}_distance"].values
            assert low <= value <= high, (eta, name)
        assert row.mean_predicted == pytest.approx(expected["mean"], rel=5 * eta)
    assert found.data.steps.values.tolist() == [10, 20, 50]
    assert not found.data.diverged.any()


def test_shift_of_linear_regression() -> None:
    problem, start = Regression(), np.array([1.0, -2.0, 0.5])
    found = ef.theory.central_limit(problem.objective, start, t=0.4, step_sizes=[0.1], runs=600)
    slope = problem.hessian @ (problem.path(0.4, start) - problem.minimum)
    assert found.shift is not None
    np.testing.assert_allclose(found.shift, -0.2 * problem.hessian @ slope, rtol=1e-4, atol=1e-6)


# --- the network --------------------------------------------------------------------------------------------------


def test_the_covariance_falls_to_its_floor() -> None:
    data = of_network(4000).data.sortby("step_size", ascending=False)
    errors = data.covariance_error.values
    assert (np.diff(errors[:4]) < 0).all()
    assert errors[0] > 5 * data.covariance_floor[0]
    assert errors[-1] < data.covariance_floor_high[-1]


def test_rates_of_the_network() -> None:
    """20 000 runs, seed 0. To leading order covariance ∝ η, mean, skewness and Kolmogorov's distance ∝ √η."""
    found = of_network(20_000)
    slopes = {name: law.slope for name, law in found.rates.items() if law is not None}
    assert slopes["covariance"] == pytest.approx(1.0, abs=0.15)
    assert slopes["mean"] == pytest.approx(0.5, abs=0.03)
    assert slopes["skewness"] == pytest.approx(0.55, abs=0.12)
    assert slopes["kolmogorov"] == pytest.approx(0.45, abs=0.08)
    assert found.rates["mean"] is not None
    assert found.rates["mean"].low < found.rates["mean"].slope < found.rates["mean"].high
    measured, predicted = found.data.mean_distance.sel(estimate="value"), found.data.mean_predicted
    np.testing.assert_allclose(measured[-2:], predicted[-2:], rtol=0.03)
    shifted = found.data.kolmogorov_shifted_distance.sel(estimate="value")
    assert (shifted < 0.25 * found.data.kolmogorov_distance.sel(estimate="value")).all()


def test_samples_are_those_of_descend() -> None:
    objective, theta0 = network()
    found = small(seed=4, batch_size=2, threads=1)
    runs = ef.descend(objective, theta0, steps=8, step_size=0.05, batch_size=2, runs=range(600, 1200), seed=4)
    expected = (runs.theta - found.law.flow(0.4)) / np.sqrt(0.05)
    np.testing.assert_allclose(found.samples.sel(step_size=0.05), expected, rtol=1e-12)
    np.testing.assert_array_equal(found.samples.number.sel(step_size=0.05), np.arange(600, 1200))
    assert found.law.noise_factor == 0.5
    row = found.data.sel(step_size=0.05)
    sigma = found.law.covariance[0]
    error = np.linalg.norm(np.cov(expected.T) - sigma) / np.linalg.norm(sigma)
    assert float(row.covariance_error) == pytest.approx(error)
    assert float(row.mean_error) == pytest.approx(np.linalg.norm(expected.mean(axis=0)) / np.sqrt(np.trace(sigma)))


def test_networks_with_kinks_have_no_predicted_mean() -> None:
    case = Case((1, 3, 1), n=8, activation="relu")
    found = small(objective=case.objective, theta0=case.theta())
    assert found.shift is None
    assert "mean_predicted" not in found.data
    assert set(found.rates) == {"covariance", "mean", "skewness", "kolmogorov"}


def test_finite_runs_that_explode_are_told() -> None:
    """f = θ² with residuals ±1: a step of 1.25 multiplies θ by −1.5, and ten of them by 57.7."""
    objective = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0], [1.0]], [-1.0, 1.0])
    with pytest.warns(RuntimeWarning) as caught:
        ef.theory.central_limit(objective, [1.0], t=12.5, step_sizes=[1.25], runs=500)
    messages = [str(one.message) for one in caught]
    assert "beyond 2/λ_max(∇²f) = 1 on the way" in messages[0]
    assert "runs with step size 1.25 got up to" in messages[1]


@pytest.mark.filterwarnings("ignore:step_sizes .* are beyond:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.* but exploded:RuntimeWarning")
def test_runs_that_diverge_are_left_out() -> None:
    net = ef.MLP([1, 1, 1], activation="identity", bias=False)
    objective = ef.Objective(net, [[1.0], [3.0], [0.5]], [1.0, -1.0, 2.0])
    with pytest.warns(RuntimeWarning, match="248 of 2000 runs with step size 0.2 diverged and are left out"):
        found = ef.theory.central_limit(objective, [1.0, -1.0], t=4.0, step_sizes=[0.2], runs=2000)
    assert int(found.data.diverged[0]) == 248
    assert int(np.isnan(found.samples.values).all(axis=2).sum()) == 248
    assert np.isfinite(found.data.kolmogorov).all()
    with (
        pytest.warns(RuntimeWarning, match="diverged and are left out"),
        pytest.raises(ValueError, match=r"step_sizes must be small enough: 1840 of 2000 runs with 0\.25 diverged"),
    ):
        ef.theory.central_limit(objective, [1.5, 1.5], t=4.0, step_sizes=[0.25], runs=2000)


def test_interruption_keeps_what_is_finished() -> None:
    def stop(fraction: float) -> None:
        if fraction > 0.5:
            raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match="interrupted after 1 of 2 step sizes"):
        found = small(progress=stop)
    assert found.data.step_size.values.tolist() == [0.1]
    assert found.rates["mean"] is None
    assert repr(found) == "CentralLimit(1 step sizes, 600 runs each: no distance stands out from chance)"


def test_repr() -> None:
    assert repr(of_network(20_000)).startswith(
        "CentralLimit(5 step sizes, 20000 runs each: distances fall like covariance η^"
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"t": 0.0}, ValueError, "t must be > 0"),
        ({"step_sizes": [0.3]}, ValueError, r"step_sizes\[0\] = 0.3 must divide t = 0.4"),
        ({"step_sizes": [0.1, 0.1]}, ValueError, "step_sizes must hold different positive numbers"),
        ({"runs": 499}, ValueError, r"runs must be >= 500 \(got 499\)"),
        ({"runs": range(600)}, TypeError, "runs must be an integer"),
        ({"level": 1.0}, ValueError, "level must be between 0 and 1"),
        ({"projections": 0}, ValueError, "projections must be >= 1"),
        ({"sampling": "reshuffle"}, ValueError, "sampling must be one of"),
        ({"batch_size": 8, "sampling": "without_replacement"}, ValueError, "objective must have noise"),
        ({"theta0": np.zeros(3)}, ValueError, r"theta0 must have shape \(7,\)"),
        ({"objective": Case((1, 2, 1), n=8, dtype="float32").objective}, ValueError, "objective must be float64"),
        ({"progress": 1}, TypeError, "progress must be"),
    ],
)
def test_bad_input(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        small(**arguments)
