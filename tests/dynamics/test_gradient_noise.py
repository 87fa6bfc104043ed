"""Surrogates of the sampling noise: replayed in NumPy, and their covariance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow import _core
from problems import Case

LEVEL = 1e-6


@pytest.mark.parametrize("sampling", ["iid", "without_replacement"])
@pytest.mark.parametrize("kind", ["gaussian", "isotropic"])
@pytest.mark.parametrize(
    "case",
    [
        Case((3, 5, 2), n=13),
        Case((3, 4, 1), n=300, output="logistic", loss="log", reduction="sum"),
        Case((2, 3, 3), n=17, loss="softmax", l2=0.1),
        Case((3, 5, 2), n=64, dtype="float32"),
    ],
    ids=lambda case: case.name,
)
def test_a_step_is_the_replayed_one(case: Case, kind: str, sampling: str) -> None:
    f, n, batch, seed, run, alpha = case.objective, case.n, 3, 7, 5, 0.01
    d = f.num_params
    runs = ef.descend(
        f,
        case.theta(),
        steps=2,
        step_size=alpha,
        batch_size=batch,
        sampling=sampling,
        gradient_noise=kind,
        seed=seed,
        runs=range(run, run + 1),
        record={"theta": 1, "loss": 1},
    )
    theta = runs.records["theta"][0].astype(float)
    factor = (1 / batch) * ((n - batch) / (n - 1) if sampling == "without_replacement" else 1)
    unit = n if case.reduction == "sum" else 1
    for k in (1, 2):
        # Deviations from the oracle: the gradients of every sample, without etaflow's kernels.
        g = case.oracle.sample_gradients(theta[k - 1])
        gradient = unit * g.mean(axis=0) + 2 * case.l2 * theta[k - 1]
        centred = g - g.mean(axis=0)
        if kind == "gaussian":
            xi = _core.noise("surrogate", seed, run, k, n)
            noise = unit * np.sqrt(factor / n) * (xi - xi.mean()) @ centred
        else:
            xi = _core.noise("surrogate", seed, run, k, d)
            noise = unit * np.sqrt(factor * (centred**2).sum() / n / d) * xi
        tolerance = 1e-12 if case.dtype == "float64" else 2e-5
        np.testing.assert_allclose(theta[k], theta[k - 1] - alpha * (gradient + noise), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(runs.records["loss"][0, 1], f.value(theta[1].astype(f.dtype)), rtol=1e-5)


@pytest.mark.parametrize("case", [Case((3, 5, 2), n=13), Case((2, 3, 3), n=300, loss="softmax", l2=0.1)], ids=str)
def test_noise_trace(case: Case) -> None:
    thetas = case.theta(runs=3)
    expected = [np.trace(np.cov(case.oracle.sample_gradients(theta).T, bias=True)) for theta in thetas]
    np.testing.assert_allclose(case.objective.noise_trace(thetas), expected, rtol=1e-12)


@pytest.mark.parametrize(("kind", "batch"), [("gaussian", 2), ("isotropic", 1)])
def test_the_covariance_of_one_step(kind: str, batch: int) -> None:
    case = Case((2, 3, 1), n=9)
    f, runs = case.objective, 40_000
    d = f.num_params
    options: dict[str, Any] = {"steps": 1, "step_size": 1.0, "batch_size": batch, "runs": runs, "seed": 11}
    g = case.theta() - ef.descend(f, case.theta(), gradient_noise=kind, **options).theta
    R = f.gradient_covariance(case.theta()) / batch
    C = R if kind == "gaussian" else np.eye(d) * np.trace(R) / d
    np.testing.assert_array_less(np.abs(g.mean(axis=0) - f.gradient(case.theta())), 6 * np.sqrt(np.diag(C) / runs))
    # Each entry of a sample covariance of normal vectors has variance (C_ii C_jj + C_ij^2)/(N − 1).
    deviation = np.sqrt((np.outer(np.diag(C), np.diag(C)) + C**2) / (runs - 1))
    np.testing.assert_array_less(np.abs(np.cov(g.T) - C), 6 * deviation + 1e-12)  # P(|z| > 6) d² < LEVEL
    assert d * d * 2e-9 < LEVEL


def test_without_noise_it_is_gradient_descent() -> None:
    case = Case((2, 3, 1), n=9)
    options: dict[str, Any] = {"steps": 5, "step_size": 0.1}
    still = ef.descend(case.objective, case.theta(), **options)
    whole = ef.descend(
        case.objective,
        case.theta(),
        batch_size=9,
        sampling="without_replacement",
        gradient_noise="gaussian",
        **options,
    )
    np.testing.assert_allclose(whole.theta, still.theta, rtol=1e-14)
