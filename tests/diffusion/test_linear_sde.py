"""Paths of the linear SDE: against closed forms driven by the same noise, and the law of each scheme without Monte Carlo."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import linalg, stats
from scipy.integrate import solve_ivp

import etaflow as ef
from etaflow.diffusion import heun, transitions
from linear_regression import Regression, gaussian_noise
from problems import Case, relative_error

Array = Any
NETWORK = Case((1, 2, 1), n=6)
T = 1.5


def network_flow(t: float = T) -> ef.Flow:
    return ef.flow(NETWORK.objective, NETWORK.theta(), t=t, rtol=1e-10, atol=1e-12)


def covariance_by_oracle(t: float) -> Array:
    """Σ(t) of the network by SciPy's Radau, with gradients and Hessians by complex steps."""
    oracle, d = NETWORK.oracle, NETWORK.net.num_params

    def slope(_: float, state: Array) -> Array:
        theta, sigma = state[:d], state[d:].reshape(d, d)
        drift = oracle.hessian(theta) @ sigma
        return np.concatenate([-oracle.gradient(theta), (oracle.covariance(theta) - drift - drift.T).ravel()])

    start = np.concatenate([NETWORK.theta(), np.zeros(d * d)])
    return solve_ivp(slope, (0, t), start, method="RK45", rtol=1e-9, atol=1e-11).y[d:, -1].reshape(d, d)


def unit_noise(count_per_step: int) -> Any:
    """Noise that is 1 in one number of one step, another one for each run: the columns of the scheme's linear map."""

    def noise(_: str, __: int, run: int, step: int, count: int) -> Array:
        assert count == count_per_step
        values = np.zeros(count)
        if run // count == step:
            values[run % count] = 1.0
        return values

    return SimpleNamespace(noise=noise)


# --- the same noise -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reduction", "batch_size", "sampling"), [("mean", 1, "iid"), ("sum", 4, "without_replacement")]
)
def test_exact_paths_are_an_ornstein_uhlenbeck_process_of_the_same_noise(
    reduction: str, batch_size: int, sampling: str
) -> None:
    problem = Regression(d=1, reduction=reduction)
    flow = ef.flow(problem.objective, problem.minimum, t=3.0)
    times, seed = np.array([0.0, 0.4, 1.0, 3.0]), 11
    noise: dict[str, Any] = {"batch_size": batch_size, "sampling": sampling}
    paths = ef.simulate_linear_sde(
        problem.objective, flow, times=times, runs=range(5, 8), seed=seed, method="exact", **noise
    )
    n = problem.n
    factor = 1.0 if reduction == "mean" else n * n / 4 * (n - 4) / (n - 1)
    rate, variance = problem.hessian[0, 0], problem.stationary(factor)[0, 0]
    for row, run in enumerate(range(5, 8)):
        x = 0.0
        for k in range(1, 4):
            decay = np.exp(-rate * (times[k] - times[k - 1]))
            x = decay * x + np.sqrt(variance * (1 - decay**2)) * gaussian_noise(seed, run, k, 1)[0]
            assert paths.values[row, k, 0] == pytest.approx(x, rel=1e-6)
    assert (paths.values[:, 0] == 0).all()


def test_heun_paths_follow_its_formula_with_the_same_noise() -> None:
    problem, start, seed = Regression(), np.array([1.0, -2.0, 0.5]), 3
    flow = ef.flow(problem.objective, start, t=0.7, rtol=1e-11, atol=1e-13)
    times = np.array([0.2, 0.7])
    paths = ef.simulate_linear_sde(problem.objective, flow, times=times, runs=2, seed=seed, method="heun")
    steps = heun.grid(problem.objective, flow, times, np.inf)
    for run in range(2):
        x = np.zeros(problem.d)
        for k, h in enumerate(np.diff(steps)):
            xi = gaussian_noise(seed, run, k, problem.n)
            gradients = problem.sample_gradients(problem.path(steps[k] + h / 2, start))
            kick = np.sqrt(h / problem.n) * (xi - xi.mean()) @ gradients
            ahead = x - h * problem.hessian @ x + kick
            x = x - h / 2 * problem.hessian @ (x + ahead) + kick
            if k + 1 == np.searchsorted(steps, 0.2):
                assert relative_error(paths.values[run, 0], x) < 1e-8
        assert relative_error(paths.values[run, 1], x) < 1e-8


def test_heun_converges_to_the_path_of_the_brownian_motion_with_order_1(monkeypatch: pytest.MonkeyPatch) -> None:
    objective, flow, fine = NETWORK.objective, network_flow(), 512
    increments = np.random.default_rng(8).normal(size=(50, fine, objective.n))

    def paths(count: int) -> Array:
        coarse = increments.reshape(50, count, fine // count, -1).sum(axis=2) / np.sqrt(fine / count)
        monkeypatch.setattr(heun, "_core", SimpleNamespace(noise=lambda _kind, _seed, run, step, _n: coarse[run, step]))
        found = np.empty((50, 1, objective.num_params))
        steps = np.linspace(0, T, count + 1)
        where = {"wanted": np.array([count]), "numbers": np.arange(50)}
        heun.follow(objective, flow, steps, paths=found, seed=0, factor=1.0, tell=None, **where)
        return found

    exact, counts = paths(fine), np.array([8, 16, 32])
    errors = [np.sqrt(np.mean((paths(count) - exact) ** 2)) for count in counts]
    order = np.polyfit(np.log(1 / counts), np.log(errors), 1)[0]
    assert 0.85 < order < 1.35


# --- the law, exactly ---------------------------------------------------------------------------------------------


def test_transition_of_linear_regression() -> None:
    problem = Regression(reduction="sum")
    flow = ef.flow(problem.objective, problem.minimum, t=1.0)
    propagator, covariance = transitions.transition(problem.objective, flow, 0.3, 0.35, 2.5)
    expected, sigma = linalg.expm(-0.05 * problem.hessian), problem.stationary(2.5)
    assert relative_error(propagator, expected) < 1e-7
    assert relative_error(covariance, sigma - expected @ sigma @ expected.T) < 1e-7


def test_exact_paths_have_the_covariances_of_the_theorem(monkeypatch: pytest.MonkeyPatch) -> None:
    d, times = NETWORK.net.num_params, [0.5, T]
    monkeypatch.setattr(transitions, "_core", unit_noise(d))
    flow = network_flow()
    columns = ef.simulate_linear_sde(NETWORK.objective, flow, times=times, runs=2 * d, method="exact").values
    covariance = np.einsum("rtp,rsq->tspq", columns, columns)
    early = covariance_by_oracle(0.5)
    propagator, _ = transitions.transition(NETWORK.objective, flow, 0.5, T, 1.0)
    assert relative_error(covariance[0, 0], early) < 1e-6
    assert relative_error(covariance[1, 1], covariance_by_oracle(T)) < 1e-6
    assert relative_error(covariance[1, 0], propagator @ early) < 1e-6


def test_heun_has_the_covariance_of_the_theorem_with_order_2(monkeypatch: pytest.MonkeyPatch) -> None:
    objective, flow = NETWORK.objective, network_flow()
    expected, counts = covariance_by_oracle(T), np.array([8, 16, 32])
    monkeypatch.setattr(heun, "_core", unit_noise(objective.n))
    errors = []
    for count in counts:
        columns = np.empty((count * objective.n, 1, objective.num_params))
        where = {"wanted": np.array([count]), "numbers": np.arange(len(columns))}
        steps = np.linspace(0, T, count + 1)
        heun.follow(objective, flow, steps, paths=columns, seed=0, factor=1.0, tell=None, **where)
        errors.append(np.linalg.norm(columns[:, 0].T @ columns[:, 0] - expected))
    order = np.polyfit(np.log(1 / counts), np.log(errors), 1)[0]
    assert 1.8 < order < 2.4


def test_heun_chooses_steps_for_a_variance_right_to_one_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Regression(d=1)
    flow = ef.flow(problem.objective, problem.minimum, t=8 / problem.hessian[0, 0])
    steps = len(heun.grid(problem.objective, flow, np.array([flow.t]), np.inf)) - 1
    monkeypatch.setattr(heun, "_core", unit_noise(problem.n))
    runs = steps * problem.n
    columns = ef.simulate_linear_sde(problem.objective, flow, times=[flow.t], runs=runs, method="heun").values
    assert np.sum(columns**2) == pytest.approx(problem.stationary()[0, 0], rel=0.01)


@pytest.mark.parametrize("method", ["exact", "heun"])
def test_paths_are_gaussian(method: str) -> None:
    """Level 1e-3 for each of two tests, seed 6: the covariance is tested above, without chance."""
    paths = ef.simulate_linear_sde(NETWORK.objective, network_flow(), times=[0.5, T], runs=1500, seed=6, method=method)
    joint = paths.values.reshape(1500, -1)
    direction = np.random.default_rng(1).normal(size=joint.shape[1])
    sample = joint @ direction
    assert stats.kstest(sample / sample.std(), "norm").pvalue > 1e-3
    assert abs(sample.mean()) < stats.norm.isf(0.5e-3) * sample.std() / np.sqrt(1500)


# --- which numbers, which method ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["exact", "heun"])
def test_a_path_depends_on_seed_and_number_alone(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"times": [0.1, 0.3], "method": method}
    flow = network_flow()
    many = ef.simulate_linear_sde(NETWORK.objective, flow, runs=40, seed=2, **options)
    monkeypatch.setattr(heun, "NUMBERS_AT_ONCE", 100)  # a few runs at a time
    few = ef.simulate_linear_sde(NETWORK.objective, flow, runs=range(31, 34), seed=2, **options)
    np.testing.assert_array_equal(few.run, [31, 32, 33])
    np.testing.assert_array_equal(few.values, many.values[31:34])
    other = ef.simulate_linear_sde(NETWORK.objective, flow, runs=range(31, 34), seed=3, **options)
    assert not (other.values == few.values).any()


def test_auto_forms_no_matrix_for_many_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError

    case = Case((50, 10, 1), n=4)
    flow = ef.flow(case.objective, case.theta(), t=0.01)
    for method in ("hessian", "gradient_covariance", "sample_gradients"):
        monkeypatch.setattr(ef.Objective, method, forbidden)
    paths = ef.simulate_linear_sde(case.objective, flow, times=[0.005, 0.01], runs=3)
    assert paths.attrs["method"] == "heun"
    assert paths.shape == (3, 2, 521)
    assert np.isfinite(paths).all()


def test_a_largest_step_can_be_given() -> None:
    flow, points = network_flow(), np.array([0.0, 1.0])
    steps = heun.grid(NETWORK.objective, flow, points, 0.003)
    assert np.diff(steps).max() <= 0.003 * (1 + 1e-12)
    assert np.diff(steps).min() > 0
    assert steps[[0, -1]].tolist() == [0.0, 1.0]


def test_norms_of_hessians() -> None:
    theta = NETWORK.theta(runs=5)
    expected = np.abs(np.linalg.eigvalsh(NETWORK.objective.hessian(theta))).max(axis=1)
    np.testing.assert_allclose(heun.hessian_norms(NETWORK.objective, theta), expected, rtol=0.1)
    dead = ef.Objective(ef.MLP([1, 2, 1], activation="relu"), [[1.0]], [0.0])  # only the last bias counts: f = b²
    assert heun.hessian_norms(dead, np.full((1, 7), -1.0))[0] == pytest.approx(2.0)


@pytest.mark.parametrize("method", ["exact", "heun"])
def test_progress_and_interruption(method: str) -> None:
    told: list[float] = []
    options: dict[str, Any] = {"times": [0.0, 0.1, 0.5, 1.0], "runs": 2, "method": method}
    flow = network_flow()
    whole = ef.simulate_linear_sde(NETWORK.objective, flow, progress=told.append, **options)
    assert told == sorted(told)
    assert told[-1] == 1.0

    def stop(fraction: float) -> None:
        if fraction >= 0.5:
            raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match=r"interrupted after \d of 4 times"):
        part = ef.simulate_linear_sde(NETWORK.objective, flow, progress=stop, **options)
    known = np.isfinite(part.values).all(axis=(0, 2))
    assert known.sum() in {2, 3}
    np.testing.assert_array_equal(part.values[:, known], whole.values[:, known])


# --- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"times": []}, ValueError, "times must hold at least one time"),
        ({"times": [0.5, 0.5]}, ValueError, r"times must increase \(times\[0\] is 0.5, times\[1\] is 0.5\)"),
        ({"times": [-0.1, 0.5]}, ValueError, "times must lie between 0 and 1.5, the end of the flow"),
        ({"times": [1.0, 2.0]}, ValueError, r"times must lie between 0 and 1.5, .*\(got 2\)"),
        ({"runs": 0}, ValueError, "runs must be >= 1"),
        ({"seed": -1}, ValueError, "seed must be >= 0"),
        ({"method": "euler"}, ValueError, "method must be one of 'auto', 'exact', 'heun'"),
        ({"max_step": 0.0}, ValueError, "max_step must be > 0"),
        ({"batch_size": 0}, ValueError, "batch_size must be >= 1"),
        ({"sampling": "reshuffle"}, ValueError, "sampling must be one of 'iid', 'without_replacement'"),
        ({"progress": 3}, TypeError, "progress must be"),
        ({"objective": Case((1, 2, 1), n=6, dtype="float32").objective}, ValueError, "objective must be float64"),
        ({"objective": NETWORK.net}, TypeError, "objective must be an Objective"),
        ({"objective": Case((1, 3, 1), n=6).objective}, ValueError, "flow must have one start of 10 parameters"),
    ],
)
def test_bad_input(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    options: dict[str, Any] = {"objective": NETWORK.objective, "times": [1.0], "runs": 2}
    options |= arguments
    objective = options.pop("objective")
    with pytest.raises(error, match=message):
        ef.simulate_linear_sde(objective, network_flow(), **options)


def test_several_starts_are_refused() -> None:
    flow = ef.flow(NETWORK.objective, NETWORK.theta(runs=2), t=1.0)
    with pytest.raises(ValueError, match="flow must have one start"):
        ef.simulate_linear_sde(NETWORK.objective, flow, times=[1.0], runs=2)
