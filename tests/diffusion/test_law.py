"""The law of the fluctuations against a general-purpose integrator on the slow oracle, a closed form and an ensemble."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad_vec, solve_ivp
from scipy.linalg import expm

import etaflow as ef
from problems import Case

CASES = [
    Case((2, 3, 1), n=9),
    Case((2, 3, 3), n=17, activation="sin", loss="softmax", l2=0.01),
    Case((3, 4, 1), n=20, activation="gelu", output="logistic", loss="log", reduction="sum"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_lyapunov_equation(case: Case) -> None:
    d, times = case.net.num_params, [0.5, 1.0, 3.0]
    unit = case.n**2 if case.reduction == "sum" else 1
    batch = 3

    def slope(_: float, state: Any) -> Any:
        theta, sigma = state[:d], state[d:].reshape(d, d)
        drift = case.oracle.hessian(theta) @ sigma
        return np.concatenate([
            -case.oracle.gradient(theta),
            (unit / batch * case.oracle.covariance(theta) - drift - drift.T).ravel(),
        ])

    start = np.concatenate([case.theta(), np.zeros(d * d)])
    exact = solve_ivp(slope, (0, 3), start, method="DOP853", rtol=1e-9, atol=1e-12, t_eval=times).y[d:].T
    flow = ef.flow(case.objective, case.theta(), t=3.0, rtol=1e-10, atol=1e-12)
    for rtol in (1e-4, 1e-7):
        law = ef.fluctuations(case.objective, flow, times=times, batch_size=batch, rtol=rtol)
        size = np.linalg.norm(exact, axis=1)[:, None]
        np.testing.assert_array_less(
            np.abs(law.covariance.reshape(3, -1) - exact) / size, 30 * rtol
        )  # errors of steps add up
        np.testing.assert_array_equal(law.covariance, law.covariance.transpose(0, 2, 1))
    np.testing.assert_allclose(law.std**2, np.diagonal(law.covariance, axis1=1, axis2=2))
    np.testing.assert_allclose(law.trace, np.trace(law.covariance, axis1=1, axis2=2))


def test_linear_regression_has_a_closed_form() -> None:
    # Σ(t) = ∫₀ᵗ e^{−H(t−s)} R(θ̄(s)) e^{−H(t−s)} ds with θ̄(s) = θ* + e^{−Hs}(θ_0 − θ*).
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(12, 3)), generator.normal(size=12)
    f = ef.Objective(ef.MLP([3, 1], bias=False), x, y)
    H = 2 / 12 * x.T @ x
    best, start = np.linalg.lstsq(x, y, rcond=None)[0], np.array([1.0, -1.0, 2.0])

    def integrand(s: float, t: float) -> Any:
        theta = best + expm(-H * s) @ (start - best)
        g = 2 * (x @ theta - y)[:, None] * x
        decay = expm(-H * (t - s))
        return decay @ np.cov(g.T, bias=True) @ decay

    flow = ef.flow(f, start, t=2.0, rtol=1e-11, atol=1e-13)
    law = ef.fluctuations(f, flow, times=[0.3, 2.0], rtol=1e-8)
    for t, sigma in zip([0.3, 2.0], law.covariance, strict=True):
        exact = quad_vec(integrand, 0, t, epsabs=1e-12, args=(t,))[0]
        np.testing.assert_allclose(sigma, exact, rtol=0, atol=3e-8 * float(np.linalg.norm(exact)))


def test_the_distance_from_the_flow_against_exact_moments() -> None:
    """Linear regression: mean and covariance of SGD obey a recursion over all observations, with nothing left out."""
    generator = np.random.default_rng(5)
    x, y = [1.0, 0.5] + 0.03 * generator.normal(size=(6, 2)), 0.03 * generator.normal(size=6)
    f, start, eta, steps = ef.Objective(ef.MLP([2, 1], bias=False), x, y), np.array([2.0, -1.0]), 0.01, 100
    flow = ef.flow(f, start, t=1.0, rtol=1e-10, atol=1e-12)
    law = ef.fluctuations(f, flow, times=1.0)
    moves = np.eye(2) - 2 * eta * x[:, :, None] * x[:, None]  # θ → moves_i θ + pushes_i
    pushes = 2 * eta * y[:, None] * x
    mean, second = start, np.outer(start, start)
    for _ in range(steps):
        crossed = np.einsum("iab,b,ic->iac", moves, mean, pushes)
        second = (moves @ second @ moves + crossed + np.swapaxes(crossed, 1, 2)).mean(0) + pushes.T @ pushes / 6
        mean = (moves @ mean + pushes).mean(0)
    spread = np.trace(second - np.outer(mean, mean))
    shift = mean - flow(1.0)
    assert np.linalg.norm(shift - eta * law.mean_shift[0]) < 0.05 * np.linalg.norm(shift)
    assert law.rms_distance(eta)[0] == pytest.approx(np.sqrt(spread + shift @ shift), rel=0.03)
    assert shift @ shift > 0.1 * spread  # so that it counts


def test_the_shift_needs_three_derivatives_and_a_matrix() -> None:
    f = Case((1, 2, 1), n=8, activation="relu").objective
    law = ef.fluctuations(f, ef.flow(f, Case((1, 2, 1), n=8, activation="relu").theta(), t=1.0), times=[1.0])
    with pytest.raises(ValueError, match=r"mean_shift needs three derivatives, but .*relu.* has a kink"):
        law.rms_distance(0.1)
    smooth = Case((1, 2, 1), n=8)
    flow = ef.flow(smooth.objective, smooth.theta(), t=1.0)
    with pytest.raises(ValueError, match="is not there as a matrix"):
        _ = ef.fluctuations(smooth.objective, flow, times=[1.0], method="operator").mean_shift


def test_one_time_need_not_be_a_list_and_an_array_is_no_flow() -> None:
    case = Case((1, 2, 1), n=8)
    flow = ef.flow(case.objective, case.theta(), t=1.0)
    np.testing.assert_array_equal(
        ef.fluctuations(case.objective, flow, times=0.5).covariance,
        ef.fluctuations(case.objective, flow, times=[0.5]).covariance,
    )
    wrong: Any = case.theta()
    with pytest.raises(
        TypeError, match=r"flow must be a Flow, as etaflow.flow\(objective, theta0, t=…\) returns \(got a ndarray\)"
    ):
        ef.fluctuations(case.objective, wrong, times=[1.0])


@pytest.mark.slow
def test_an_ensemble_has_this_covariance() -> None:
    case = Case((1, 2, 1), n=8)
    f, eta, runs = case.objective, 0.002, 40_000
    flow = ef.flow(f, case.theta(), t=2.0)
    law = ef.fluctuations(f, flow, times=[1.0, 2.0])
    done = ef.descend(
        f, case.theta(), steps=1000, step_size=eta, batch_size=1, runs=runs, seed=8, record={"theta": [500]}
    )
    for i, at in enumerate(law.covariance):
        sample = np.cov(done.fluctuations(flow).isel(time=i + 1).values.T)
        floor = np.sqrt((np.linalg.norm(at) ** 2 + np.trace(at) ** 2) / (runs - 1))  # of exactly normal samples
        assert np.linalg.norm(sample - at) < 4 * floor + 10 * eta * np.linalg.norm(at)
