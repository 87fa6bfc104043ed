"""The stationary covariance against Lyapunov's equation, exact moment recursions and ensembles; the threshold against spectra."""

from __future__ import annotations

from functools import partial
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

import etaflow as ef
from etaflow.diffusion import minimum as minimum_module
from etaflow.diffusion.noise import noise_factor
from problems import Case, relative_error

LINEAR = {
    "mean": Case((3, 1), n=7),
    "sum": Case((3, 1), n=6, reduction="sum"),
    "l2": Case((2, 1), n=6, l2=0.3),
    "two outputs": Case((2, 2), n=6),
    "without bias": Case((4, 1), n=7, bias=False),
}
by_problem = pytest.mark.parametrize("case", LINEAR.values(), ids=LINEAR)
by_draw = pytest.mark.parametrize(("batch", "sampling"), [(1, "iid"), (2, "iid"), (3, "without_replacement")])


def least_squares(case: Case) -> Any:
    """The minimum of a quadratic: Newton's step, once more for the rounding."""
    f, theta = case.objective, case.theta()
    for _ in range(2):
        theta -= np.linalg.solve(f.hessian(theta), f.gradient(theta))
    return theta


def enumerated(case: Case, batch: int, sampling: str) -> tuple[Any, Any]:
    """Hessian and gradient, at the minimum, of the estimate of f from every batch; all equally likely."""
    theta, n = least_squares(case), case.n
    draws = product(range(n), repeat=batch) if sampling == "iid" else combinations(range(n), batch)
    hessians, gradients = [], []
    for drawn in draws:
        gradient = partial(case.oracle.batch_gradient, indices=np.array(drawn))
        gradients.append(gradient(theta))
        hessians.append([gradient(theta + 1e-30j * unit).imag / 1e-30 for unit in np.eye(theta.size)])
    return np.array(hessians), np.array(gradients)


def recursion(hessians: Any, gradients: Any, step_size: float) -> tuple[Any, Any]:
    """T and b of vec S_k = T·vec S_{k−1} + b, the second moments of SGD, with nothing left out."""
    d = hessians.shape[1]
    moves = np.eye(d) - step_size * hessians
    matrix = np.einsum("bij,bkl->ikjl", moves, moves).reshape(d * d, d * d) / len(moves)
    return matrix, step_size**2 * (gradients.T @ gradients / len(gradients)).ravel()


def spectral_radius(matrix: Any) -> float:
    return float(np.abs(np.linalg.eigvals(matrix)).max())


# --- η → 0 ----------------------------------------------------------------------------------------------------------


@by_problem
@pytest.mark.parametrize("batch", [1, 4])
def test_lyapunovs_equation(case: Case, batch: int) -> None:
    f, theta = case.objective, least_squares(case)
    law = ef.stationary_covariance(f, theta, batch_size=batch)
    expected = solve_continuous_lyapunov(f.hessian(theta), noise_factor(f, batch) * f.gradient_covariance(theta))
    assert relative_error(law.covariance, expected) < 1e-12
    np.testing.assert_array_equal(law.covariance, law.covariance.T)
    np.testing.assert_allclose(law.predicted_std(0.04), 0.2 * np.sqrt(np.diag(expected)), rtol=1e-12)
    assert law.trace == pytest.approx(np.trace(expected), rel=1e-12)


def test_a_network_at_its_minimum() -> None:
    """A nonlinear network with more observations than parameters, polished."""
    case = Case((1, 2, 1), n=40, l2=0.01)
    f = case.objective
    start = ef.flow(f, case.theta(), t=50.0).theta
    theta = ef.polish(f, start).theta
    law = ef.stationary_covariance(f, theta)
    expected = solve_continuous_lyapunov(f.hessian(theta), f.gradient_covariance(theta))
    assert relative_error(law.covariance, expected) < 1e-10


def test_it_is_the_end_of_the_fluctuations() -> None:
    case = LINEAR["mean"]
    f, theta = case.objective, least_squares(case)
    slowest = np.linalg.eigvalsh(f.hessian(theta))[0]
    t = 22 / slowest  # R is what it is at the minimum up to e^{−22} = 3e-10
    flow = ef.flow(f, theta + 0.1, t=t, rtol=1e-11, atol=1e-13)
    law = ef.fluctuations(f, flow, times=[t], rtol=1e-9)
    assert relative_error(law.covariance[0], ef.stationary_covariance(f, theta).covariance) < 1e-9


def test_directions_without_curvature() -> None:
    """More parameters than observations: H is singular, R acts on its range alone."""
    case = Case((6, 1), n=4, bias=False)
    f = case.objective
    theta = np.linalg.lstsq(case.oracle.x, case.oracle.y[:, 0], rcond=None)[0]
    law = ef.stationary_covariance(f, theta)
    assert "2 of them flat" in repr(law)
    assert np.abs(law.covariance).max() < 1e-20  # the observations are interpolated: there is no noise
    noisy = ef.Objective(ef.MLP([3, 1], bias=False), np.eye(3)[[0, 0, 1, 1]] * [1.0, 2.0, 1.0], [1.0, -1, 3, 1])
    at = np.array([0.0, 1.0, 5.0])
    law = ef.stationary_covariance(noisy, at)
    part = np.ix_([0, 1], [0, 1])
    expected = np.zeros((3, 3))
    expected[part] = solve_continuous_lyapunov(noisy.hessian(at)[part], noisy.gradient_covariance(at)[part])
    assert relative_error(law.covariance, expected) < 1e-13


# --- a given step size ----------------------------------------------------------------------------------------------


@by_problem
@by_draw
def test_the_fixed_point_of_the_exact_recursion(case: Case, batch: int, sampling: str) -> None:
    f, theta = case.objective, least_squares(case)
    threshold = ef.stability_threshold(f, theta, batch_size=batch, sampling=sampling)
    hessians, gradients = enumerated(case, batch, sampling)
    for part in (0.05, 0.5, 0.9):
        eta = part * threshold
        matrix, constant = recursion(hessians, gradients, eta)
        expected = np.linalg.solve(np.eye(len(matrix)) - matrix, constant).reshape(len(theta), len(theta)) / eta
        law = ef.stationary_covariance(f, theta, step_size=eta, batch_size=batch, sampling=sampling)
        assert relative_error(law.covariance, expected) < 1e-11
        assert law.stability_threshold == threshold
        np.testing.assert_allclose(law.predicted_std(), np.sqrt(eta) * law.std)


@by_problem
@by_draw
def test_the_spectral_radius_is_1_at_the_threshold(case: Case, batch: int, sampling: str) -> None:
    f, theta = case.objective, least_squares(case)
    threshold = ef.stability_threshold(f, theta, batch_size=batch, sampling=sampling)
    hessians, gradients = enumerated(case, batch, sampling)
    radius = [spectral_radius(recursion(hessians, gradients, x * threshold)[0]) for x in (0.999, 1.0, 1.001)]
    assert radius[1] == pytest.approx(1, abs=1e-9)
    assert radius[0] < 1 - 1e-6
    assert radius[2] > 1 + 1e-6
    assert threshold < 2 / np.linalg.eigvalsh(f.hessian(theta))[-1]


def test_second_moments_just_below_and_just_above() -> None:
    """The recursion itself, step by step: below the threshold it settles, above it grows without bound."""
    case = LINEAR["mean"]
    f, theta = case.objective, least_squares(case)
    threshold = ef.stability_threshold(f, theta)
    sizes = []
    for part in (0.97, 1.03):
        matrix, constant = recursion(*enumerated(case, 1, "iid"), part * threshold)
        moment = np.zeros(len(constant))
        for _ in range(20_000):
            moment = np.minimum(matrix @ moment + constant, 1e200)
        sizes.append(float(np.abs(moment).max()))
    law = ef.stationary_covariance(f, theta, step_size=0.97 * threshold)
    assert sizes[0] == pytest.approx(float(np.abs(0.97 * threshold * law.covariance).max()), rel=1e-6)
    assert sizes[1] > 1e100


def test_additive_noise() -> None:
    """Without the spread of the Hessians: S = (I − ηH)S(I − ηH) + η²R."""
    case = LINEAR["two outputs"]
    f, theta = case.objective, least_squares(case)
    hessian, noise = f.hessian(theta), f.gradient_covariance(theta)
    largest = np.linalg.eigvalsh(hessian)[-1]
    assert ef.stability_threshold(f, theta, noise="additive") == pytest.approx(2 / largest, rel=1e-14)
    eta = 1 / largest
    law = ef.stationary_covariance(f, theta, step_size=eta, noise="additive")
    move, moment = np.eye(len(theta)) - eta * hessian, eta * law.covariance
    assert relative_error(move @ moment @ move + eta**2 * noise, moment) < 1e-13


def test_small_steps_give_lyapunovs_equation() -> None:
    case = LINEAR["l2"]
    f, theta = case.objective, least_squares(case)
    limit = ef.stationary_covariance(f, theta).covariance
    errors = [
        relative_error(ef.stationary_covariance(f, theta, step_size=eta).covariance, limit) for eta in (1e-3, 1e-4)
    ]
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.05)


def test_an_operator_where_the_matrix_is_too_large() -> None:
    """d = 25: 625 entries of a covariance, so that the largest eigenvalue is found by Lanczos' method."""
    case = Case((24, 1), n=60)
    f, theta = case.objective, least_squares(case)
    threshold = ef.stability_threshold(f, theta)
    hessians, gradients = enumerated(case, 1, "iid")
    assert spectral_radius(recursion(hessians, gradients, threshold)[0]) == pytest.approx(1, abs=1e-9)
    eta = 0.5 * threshold
    matrix, constant = recursion(hessians, gradients, eta)
    expected = np.linalg.solve(np.eye(len(matrix)) - matrix, constant).reshape(len(theta), len(theta)) / eta
    law = ef.stationary_covariance(f, theta, step_size=eta)
    assert relative_error(law.covariance, expected) < 1e-11


@pytest.mark.slow
def test_an_ensemble_of_sgd() -> None:
    """20 000 runs: a variance has the relative standard error 1 %; 5 of them on each of the 10 entries, seed 5.

    For entries that are Gaussian this fails with a probability below 1e-5; the tails of the true law are heavier, but not much.
    """
    case = LINEAR["mean"]
    f, theta = case.objective, least_squares(case)
    eta = 0.4 * ef.stability_threshold(f, theta)
    law = ef.stationary_covariance(f, theta, step_size=eta)
    slowest = np.linalg.eigvalsh(f.hessian(theta))[0]
    steps = int(20 / (eta * slowest))
    runs = ef.descend(f, theta, steps=steps, step_size=eta, batch_size=1, runs=20_000, seed=5)
    measured = np.cov(runs.theta.T) / eta
    scale = np.sqrt(np.outer(law.std**2, law.std**2))
    assert np.abs((measured - law.covariance) / scale).max() < 0.05
    naive = ef.stationary_covariance(f, theta).covariance
    assert np.abs((measured - naive) / scale).max() > 0.1  # η is large enough to tell the two laws apart


# --- bad input ------------------------------------------------------------------------------------------------------


def test_beyond_the_threshold() -> None:
    case = LINEAR["mean"]
    theta = least_squares(case)
    threshold = ef.stability_threshold(case.objective, theta)
    with pytest.warns(RuntimeWarning, match=rf"step_size must be < {threshold:.6g} .*\(got 5\)"):
        law = ef.stationary_covariance(case.objective, theta, step_size=5.0)
    assert np.isinf(law.covariance).all()


def test_not_a_minimum() -> None:
    case = Case((2, 3, 1), n=9)
    f = case.objective
    norm = float(np.linalg.norm(f.gradient(case.theta())))
    for function in (ef.stationary_covariance, ef.stability_threshold):
        with pytest.raises(
            ValueError, match=rf"theta_star must be a stationary point \(the gradient norm is {norm:.3g}"
        ):
            function(f, case.theta())
    # All weights 0 and the output bias the targets' mean: a saddle of every tanh network.
    saddle = np.zeros(f.num_params)
    saddle[-1] = case.oracle.y.mean()
    with pytest.raises(ValueError, match=r"must be a minimum \(the smallest eigenvalue of the Hessian is -"):
        ef.stationary_covariance(f, saddle)


def test_noise_along_a_flat_direction() -> None:
    """mean (sin(x_i·θ) − y_i)² with residuals chosen such that at θ = (1, 0.3) f' and f'' vanish along θ_1, but not the noise."""
    first, second = np.array([1.0, 2.0]), np.cos([1.0, 2.0])
    slopes, bends = first * second, -(first**2) * np.sin(first)
    residuals = np.linalg.solve([slopes, bends], [0.0, -(slopes @ slopes)])
    x, theta = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), np.array([1.0, 0.3])
    f = ef.Objective(ef.MLP([2, 1], output="sin", bias=False), x, np.sin(x @ theta) - np.append(residuals, 0.0))
    assert np.linalg.norm(f.gradient(theta)) < 1e-14
    with pytest.raises(ValueError, match="no stationary law: the share 1 of the noise acts along the 1 directions"):
        ef.stationary_covariance(f, theta)
    with pytest.raises(ValueError, match="no stationary law at any step size"):
        ef.stability_threshold(f, theta)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"objective": None}, TypeError, "objective must be an Objective"),
        ({"objective": Case((3, 1), n=7, dtype="float32").objective}, ValueError, "objective must be float64"),
        ({"theta_star": np.zeros((2, 4))}, ValueError, "theta_star must have 1 dimension"),
        ({"theta_star": np.zeros(3)}, ValueError, "theta must hold 4 parameters"),
        ({"step_size": 0.0}, ValueError, "step_size must be > 0"),
        ({"batch_size": 0}, ValueError, "batch_size must be >= 1"),
        ({"sampling": "reshuffle"}, ValueError, "sampling must be one of"),
        ({"noise": "gaussian"}, ValueError, "noise must be one of 'sampling', 'additive'"),
        ({"tolerance": 0.0}, ValueError, "tolerance must be > 0"),
    ],
)
def test_bad_input(options: dict[str, Any], error: type[Exception], message: str) -> None:
    case = LINEAR["mean"]
    given = {"objective": case.objective, "theta_star": least_squares(case)} | options
    with pytest.raises(error, match=message):
        ef.stationary_covariance(**given)


def test_too_many_hessians(monkeypatch: pytest.MonkeyPatch) -> None:
    case = LINEAR["mean"]
    theta = least_squares(case)
    monkeypatch.setattr(minimum_module, "LARGEST", 100.0)
    with pytest.raises(
        ValueError, match=r'noise must be "additive" for n = 7 observations and 4 directions.* 8\.96e-07 GB'
    ):
        ef.stability_threshold(case.objective, theta)
    assert ef.stability_threshold(case.objective, theta, noise="additive") > 0
