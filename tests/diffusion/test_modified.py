"""Stochastic modified equations and SVAG: replayed step by step, and against exact moments on a quadratic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import etaflow as ef
from etaflow import _core
from problems import Case

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CASE = Case((2, 3, 1), n=9)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("noise", ["gaussian", "isotropic"])
def test_a_path_is_the_replayed_one(noise: str, order: int) -> None:
    f, eta, parts, batch = CASE.objective, 0.3, 4, 2
    d, h = f.num_params, eta / parts
    paths = ef.modified_equation(
        f,
        CASE.theta(),
        t=2 * eta,
        step_size=eta,
        order=order,
        substeps=parts,
        batch_size=batch,
        noise=noise,
        seed=3,
        record={"theta": [1]},
    )
    theta, middle = CASE.theta(), CASE.theta()
    for k in range(1, 2 * parts + 1):
        g = CASE.oracle.sample_gradients(theta)
        drift = g.mean(axis=0)
        if order == 2:
            drift += eta / 2 * CASE.oracle.hessian(theta) @ drift
        centred = g - g.mean(axis=0)
        xi = _core.noise("surrogate", 3, 0, k, CASE.n if noise == "gaussian" else d)
        if noise == "gaussian":
            dW = (xi - xi.mean()) @ centred / np.sqrt(CASE.n * batch)
        else:
            dW = np.sqrt((centred**2).sum() / CASE.n / batch / d) * xi
        theta = theta - h * drift - np.sqrt(eta * h) * dW
        middle = theta if k == parts else middle
    np.testing.assert_allclose(paths.theta[0], theta, rtol=1e-12)
    np.testing.assert_allclose(paths.records["theta"][0, 1], middle, rtol=1e-12)
    np.testing.assert_allclose(paths.data.time, [0, eta, 2 * eta])


@pytest.mark.parametrize("batch", [1, 3, 10])  # in lanes and in panels
def test_svag_is_the_replayed_one(batch: int) -> None:
    f, eta, parts, seed, run = CASE.objective, 0.2, 5, 2, 4
    done = ef.svag(
        f, CASE.theta(), l=parts, steps=3, step_size=eta, batch_size=batch, seed=seed, runs=range(run, run + 1)
    )
    indices = _core.sample_indices(CASE.n, 2 * batch, "iid", seed, run, 0, 3 * parts)
    theta, root = CASE.theta(), np.sqrt(2 * parts - 1)
    for row in indices:
        g = CASE.oracle.sample_gradients(theta)[row]
        both = (1 + root) / 2 * g[:batch].mean(axis=0) + (1 - root) / 2 * g[batch:].mean(axis=0)
        theta = theta - eta / parts * both
    np.testing.assert_allclose(done.theta[0], theta, rtol=1e-12)


def test_svag_1_has_the_moments_of_sgd() -> None:
    # Exactly: enumeration of all pairs of observations.
    g = CASE.oracle.sample_gradients(CASE.theta())
    for parts in (1, 2, 7):
        root = np.sqrt(2 * parts - 1)
        steps = (1 + root) / 2 * g[:, None] + (1 - root) / 2 * g[None]
        flat = steps.reshape(-1, g.shape[1])
        np.testing.assert_allclose(flat.mean(axis=0), g.mean(axis=0), atol=1e-14)
        np.testing.assert_allclose(np.cov(flat.T, bias=True), parts * np.cov(g.T, bias=True), atol=1e-13)


# A linear neuron: L_i = (x_i θ − y_i)², so ∇L_i = a_i θ − b_i, and the moments of SGD and of its equations are exact.
X, Y = np.array([1.0, 2.0, -0.5]), np.array([1.0, 0.5, 2.0])
A, B, START = 2 * X**2, 2 * X * Y, 3.0


def equation_moments(order: int, eta: float, t: float) -> NDArray[Any]:
    """E X and E X² at t, from their linear differential equations."""
    a, b = A.mean(), B.mean()
    stretch = 1 + (eta * a / 2 if order == 2 else 0)

    def slope(_: float, moments: NDArray[Any]) -> list[float]:
        m, s = moments
        noise = A.var() * s - 2 * (np.mean(A * B) - a * b) * m + B.var()
        return [-stretch * (a * m - b), -2 * stretch * (a * s - b * m) + eta * noise]

    return np.asarray(solve_ivp(slope, (0, t), [START, START**2], rtol=1e-11, atol=1e-13).y[:, -1])


def sgd_moments(eta: float, steps: int) -> NDArray[Any]:
    m, s = START, START**2
    for _ in range(steps):
        s = np.mean((1 - eta * A) ** 2) * s + 2 * eta * np.mean((1 - eta * A) * B) * m + eta**2 * np.mean(B**2)
        m = np.mean(1 - eta * A) * m + eta * B.mean()
    return np.array([m, s])


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2])
def test_the_moments_of_a_linear_neuron(order: int) -> None:
    f = ef.Objective(ef.MLP([1, 1], bias=False), X[:, None], Y)
    eta, t, runs = 0.05, 0.5, 40_000

    def estimate(simulate: Callable[[], ef.Runs]) -> tuple[NDArray[Any], NDArray[Any]]:
        theta = simulate().theta[:, 0]
        powers = np.array([theta, theta**2])
        return powers.mean(axis=1), powers.std(axis=1) / np.sqrt(theta.size)

    def equation(substeps: int, seed: int) -> Callable[[], ef.Runs]:
        return lambda: ef.modified_equation(
            f, [START], t=t, step_size=eta, order=order, substeps=substeps, runs=runs, seed=seed
        )

    fine, error = estimate(equation(40, 1))
    coarse, other = estimate(equation(20, 2))
    # Richardson's extrapolation of the Euler scheme, weak order 1; level 2·10⁻⁵ for each of two moments.
    estimated, deviation = 2 * fine - coarse, np.hypot(2 * error, other)
    exact = equation_moments(order, eta, t)
    assert (np.abs(estimated - exact) < 4.3 * deviation).all()
    # The test can tell the orders apart.
    assert (np.abs(equation_moments(3 - order, eta, t) - exact)[0] > 4.3 * deviation[0]).all()


@pytest.mark.slow
def test_svag_leads_from_sgd_to_the_equation() -> None:
    f = ef.Objective(ef.MLP([1, 1], bias=False), X[:, None], Y)
    eta, steps, runs = 0.05, 10, 400_000

    def mean(parts: int) -> tuple[float, float]:
        theta = ef.svag(f, [START], l=parts, steps=steps, step_size=eta, runs=runs, seed=parts).theta[:, 0]
        return float(theta.mean()), float(theta.std()) / np.sqrt(runs)

    m, error = mean(1)
    assert abs(m - sgd_moments(eta, steps)[0]) < 4.3 * error
    m, error = mean(16)
    exact = equation_moments(1, eta, eta * steps)[0]
    bias = abs(np.mean(1 - eta / 16 * A) ** 160 - np.exp(-A.mean() * eta * steps)) * START
    assert abs(m - exact) < 4.3 * error + bias
    assert abs(m - sgd_moments(eta, steps)[0]) > 4.3 * error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"t": 0.25}, "t must be a multiple of step_size=0.1"),
        ({"t": -1.0}, "t must be"),
        ({"order": 3}, "order must be 1 or 2"),
        ({"substeps": 0}, "substeps must be"),
        ({"noise": "sampling"}, "noise must be one of"),
        ({"record": {"loss": [99]}}, r"record\['loss'\] must hold steps between 0 and 10"),
        ({"record": {"los": 1}}, "a quantity of record must be one of"),
        ({"sampling": "reshuffle"}, "needs batch_size and independent batches"),
    ],
    ids=str,
)
def test_bad_input(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ef.modified_equation(CASE.objective, CASE.theta(), **{"t": 1.0, "step_size": 0.1, **options})


def test_bad_input_of_svag() -> None:
    wrong: tuple[dict[str, Any], ...] = ({"l": 0}, {"steps": 0}, {"step_size": -1.0}, {"batch_size": 0})
    for options in wrong:
        name = next(iter(options))
        with pytest.raises(ValueError, match=name):
            ef.svag(CASE.objective, CASE.theta(), **{"l": 2, "steps": 3, "step_size": 0.1, **options})
