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
