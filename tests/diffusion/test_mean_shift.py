"""The mean of SGD to first order in η: closed forms, and ensembles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.diffusion.mean_shift import has_third_derivatives, mean_shift, second_difference
from linear_regression import Regression
from problems import HIDDEN, Case

Array = Any


def test_linear_regression_has_the_error_of_euler_alone() -> None:
    """With H constant, m' = −Hm − ½H∇f has the solution −½t·H∇f(θ̄(t))."""
    problem, start = Regression(reduction="sum"), np.array([1.0, -2.0, 0.5])
    flow = ef.flow(problem.objective, start, t=0.4, rtol=1e-10, atol=1e-12)
    times = np.array([0.0, 0.1, 0.4])
    found = mean_shift(problem.objective, flow, times, batch_size=2, sampling="iid")
    for t, shift in zip(times, found, strict=True):
        slope = problem.hessian @ (problem.path(t, start) - problem.minimum)
        np.testing.assert_allclose(shift, -t / 2 * problem.hessian @ slope, rtol=1e-4, atol=1e-6)


def test_a_stationary_scalar_has_the_shift_of_its_curvature() -> None:
    """At a minimum with ∇f = 0 and Σ = cR/(2f''), m' = −f''m − ½f'''Σ settles at −½f'''Σ/f''."""
    net = ef.MLP([1, 1], output="tanh", bias=False)
    f = ef.Objective(net, [[1.0], [1.0]], [0.1, 0.5])
    minimum = np.arctanh(0.3)
    step = 1e-2
    outputs = np.tanh(minimum + step * np.arange(-3, 4))
    values = ((0.1 - outputs) ** 2 + (0.5 - outputs) ** 2) / 2
    third = values @ np.array([1, -8, 13, 0, -13, 8, -1]) / (8 * step**3)
    second = f.hessian([minimum])[0, 0]
    sigma = f.gradient_covariance([minimum])[0, 0] / (2 * second)
    flow = ef.flow(f, [minimum], t=20.0)
    found = mean_shift(f, flow, np.array([20.0]), batch_size=1, sampling="iid")[0, 0]
    assert found == pytest.approx(-third * sigma / (2 * second), rel=1e-3)


def test_second_differences_of_a_cubic() -> None:
    generator = np.random.default_rng(2)
    root, tensor, theta = generator.normal(size=(4, 2)), generator.normal(size=(4, 4, 4)), generator.normal(size=4)
    found = second_difference(
        lambda points: np.einsum("pa,pb,pc,abc->p", points, points, points, tensor), theta, root @ root.T
    )
    symmetric = sum(
        np.transpose(tensor, axes) for axes in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    )
    assert found == pytest.approx(np.einsum("a,bc,abc->", theta, root @ root.T, symmetric), rel=1e-6)


def test_no_time_no_shift() -> None:
    case = Case((1, 2, 1), n=6)
    flow = ef.flow(case.objective, case.theta(), t=1.0)
    assert (mean_shift(case.objective, flow, np.array([0.0]), batch_size=1, sampling="iid") == 0).all()


@pytest.mark.parametrize("name", HIDDEN)
def test_kinks(name: Any) -> None:
    kinked = (name if isinstance(name, str) else name[0]) in {"relu", "leaky_relu"}
    assert has_third_derivatives(ef.MLP([1, 2, 1], activation=name)) == (not kinked)
    assert has_third_derivatives(ef.MLP([1, 2, 1], output=name)) == (not kinked)


@pytest.mark.parametrize(("batch_size", "reduction"), [(1, "mean"), (2, "sum")])
def test_mean_of_an_ensemble(batch_size: int, reduction: str) -> None:
    """Two step sizes give η·m without the η² term; each weight within 4 standard errors (level 6e-5 each), seed 7."""
    case = Case((1, 2, 1), n=8, reduction=reduction)
    objective, theta, t = case.objective, case.theta(), 1.0 if reduction == "mean" else 0.125
    flow = ef.flow(objective, theta, t=t, rtol=1e-10, atol=1e-12)
    expected = mean_shift(objective, flow, np.array([t]), batch_size=batch_size, sampling="iid")[0]
    steps, runs = 40, 200_000
    means, errors = [], []
    for factor in (1, 2):
        eta = t / (steps * factor)
        numbers = range(factor * runs, (factor + 1) * runs)
        found = ef.descend(
            objective, theta, steps=steps * factor, step_size=eta, batch_size=batch_size, runs=numbers, seed=7
        )
        means.append((found.theta.mean(axis=0) - flow.theta) / eta)
        errors.append(found.theta.std(axis=0) / eta / np.sqrt(runs))
    extrapolated = 2 * means[1] - means[0]
    error = np.hypot(2 * errors[1], errors[0])
    assert (np.abs(extrapolated - expected) < 4 * error).all()
    assert np.linalg.norm(expected / error) > 30  # so that the test can fail
