"""Exact moments on linear regression against enumeration of all batches, and ODE solvers for the equations."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import etaflow as ef
from etaflow.diffusion.noise import noise_factor
from problems import Case
from reference import oracle_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

CASES = [
    Case((1, 1), n=3, bias=False),
    Case((1, 1), n=3),
    Case((2, 1), n=3, reduction="sum", l2=0.2),
    Case((1, 2), n=3, l2=0.1),
]
ETA = 0.05


def moments(paths: Iterable[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of equally likely ends."""
    ends = np.array(list(paths))
    return ends.mean(axis=0), np.mean(ends[:, :, None] * ends[:, None, :], axis=0)


def walk(case: Case, start: NDArray[Any], batches: Any, eta: float) -> NDArray[Any]:
    oracle, theta = oracle_of(case.objective), start
    for batch in batches:
        theta = theta - eta * oracle.batch_gradient(theta, np.array(batch))
    return theta


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize(("batch", "sampling"), [(1, "iid"), (2, "iid"), (2, "without_replacement")])
def test_sgd_is_the_mean_over_all_its_batches(case: Case, batch: int, sampling: str) -> None:
    start = case.theta()
    every: list[Any] = list(
        itertools.product(range(3), repeat=batch) if sampling == "iid" else itertools.permutations(range(3), batch)
    )
    mean, second = moments(walk(case, start, chosen, ETA) for chosen in itertools.product(every, repeat=3))
    found = ef.theory.exact_moments(
        case.objective, start, t=3 * ETA, step_size=ETA, batch_size=batch, sampling=sampling
    )
    np.testing.assert_allclose(found.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(found.second, second, rtol=1e-12)
    np.testing.assert_allclose(found.covariance, second - np.outer(mean, mean), atol=1e-12 * np.abs(second).max())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_svag_is_the_mean_over_all_its_pairs(case: Case) -> None:
    """One step of SGD as two of SVAG(2), with the weights of the definition."""
    start, oracle, parts = case.theta(), oracle_of(case.objective), 2
    root = np.sqrt(2 * parts - 1)
    paths = []
    for pairs in itertools.product(itertools.product(range(3), repeat=2), repeat=parts):
        theta = start
        for i, j in pairs:
            g = [oracle.batch_gradient(theta, np.array([k])) for k in (i, j)]
            theta = theta - ETA / parts * ((1 + root) / 2 * g[0] + (1 - root) / 2 * g[1])
        paths.append(theta)
    mean, second = moments(paths)
    found = ef.theory.exact_moments(case.objective, start, t=ETA, step_size=ETA, process="svag 2")
    np.testing.assert_allclose(found.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(found.second, second, rtol=1e-12)


def equation(case: Case, order: int, batch: int, t: float, eta: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and second moment of the equation from their own differential equations, by SciPy."""
    start, oracle = case.theta(), oracle_of(case.objective)
    d, n = len(start), case.n
    hessian = oracle.hessian(start)
    constant = oracle.gradient(np.zeros(d))
    multiplier = np.eye(d) + (eta / 2 * hessian if order == 2 else 0)
    A = np.array([oracle.sample_gradients(e) - oracle.sample_gradients(np.zeros(d)) for e in np.eye(d)])
    A = np.moveaxis(A, 0, 2)  # (n, d, d): ∇L_i(θ) = A_i θ + b_i
    b = oracle.sample_gradients(np.zeros(d))
    A, b = A - A.mean(axis=0), b - b.mean(axis=0)
    c = (n**2 if case.reduction == "sum" else 1) / batch

    def slope(_: float, state: NDArray[Any]) -> NDArray[Any]:
        m, S = state[:d], state[d:].reshape(d, d)
        drift = -multiplier @ (hessian @ m + constant)
        cross = -multiplier @ (hessian @ S + np.outer(constant, m))
        noise = (
            sum(
                Ai @ S @ Ai.T + np.outer(Ai @ m, bi) + np.outer(bi, Ai @ m) + np.outer(bi, bi)
                for Ai, bi in zip(A, b, strict=True)
            )
            / n
        )
        return np.concatenate([drift, (cross + cross.T + eta * c * noise).ravel()])

    begin = np.concatenate([start, np.outer(start, start).ravel()])
    end = solve_ivp(slope, (0, t), begin, method="DOP853", rtol=1e-12, atol=1e-14).y[:, -1]
    return end[:d], end[d:].reshape(d, d)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("order", [1, 2])
def test_the_equations_are_those_of_the_moment_odes(case: Case, order: int) -> None:
    mean, second = equation(case, order, 2, 4 * ETA, ETA)
    found = ef.theory.exact_moments(
        case.objective, case.theta(), t=4 * ETA, step_size=ETA, process=f"order {order}", batch_size=2
    )
    np.testing.assert_allclose(found.mean, mean, rtol=1e-10)
    np.testing.assert_allclose(found.second, second, rtol=1e-10)
    fine, finer = (
        ef.theory.exact_moments(
            case.objective,
            case.theta(),
            t=4 * ETA,
            step_size=ETA,
            process=f"order {order}",
            batch_size=2,
            substeps=parts,
        ).second
        for parts in (500, 1000)
    )
    assert np.abs(finer - second).max() == pytest.approx(np.abs(fine - second).max() / 2, rel=0.02)  # Euler–Maruyama
    np.testing.assert_allclose(2 * finer - fine, second, rtol=1e-5)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_twins_have_the_right_first_two_moments_of_a_step(case: Case) -> None:
    f, start = case.objective, case.theta()
    found = {
        kind: ef.theory.exact_moments(f, start, t=ETA, step_size=ETA, process=kind)
        for kind in ("sgd", "gaussian", "isotropic")
    }
    R = ETA**2 * noise_factor(f) * f.gradient_covariance(start)
    for moment in found.values():
        np.testing.assert_allclose(moment.mean, start - ETA * f.gradient(start), rtol=1e-12)
    for kind in ("sgd", "gaussian"):
        np.testing.assert_allclose(found[kind].covariance, R, atol=1e-12)
    isotropic = np.trace(R) / len(start) * np.eye(len(start))
    np.testing.assert_allclose(found["isotropic"].covariance, isotropic, atol=1e-12)


@pytest.mark.parametrize("kind", ["gaussian", "isotropic"])
@pytest.mark.slow
def test_the_simulated_twins_have_the_exact_moments(kind: str) -> None:
    """Mean and covariance of 10⁵ runs after 4 steps; level 10⁻⁴ for each of 2 + 3 numbers, seed 11."""
    f, start, runs = CASES[1].objective, CASES[1].theta(), 100_000
    theta = ef.descend(f, start, steps=4, step_size=0.2, batch_size=1, gradient_noise=kind, runs=runs, seed=11).theta
    exact = ef.theory.exact_moments(f, start, t=0.8, step_size=0.2, process=kind)
    deviations = theta - exact.mean
    assert (np.abs(deviations.mean(axis=0)) < 3.9 * theta.std(axis=0) / np.sqrt(runs)).all()
    products = deviations[:, :, None] * deviations[:, None, :]
    errors = products.std(axis=0) / np.sqrt(runs)
    assert (np.abs(products.mean(axis=0) - exact.covariance) < 3.9 * errors).all()


def test_the_flow_has_no_variance() -> None:
    f, start = CASES[0].objective, CASES[0].theta()
    hessian = f.hessian(start)[0, 0]
    minimum = start - f.gradient(start) / hessian
    found = ef.theory.exact_moments(f, start, t=1.0, step_size=0.1, process="flow")
    np.testing.assert_allclose(found.mean, minimum + np.exp(-hessian) * (start - minimum), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, 0, atol=1e-13)


@pytest.mark.parametrize(
    ("case", "options", "message"),
    [
        (Case((1, 2, 1), n=3), {}, "exact moments need a quadratic objective"),
        (Case((1, 1), n=3, output="tanh"), {}, "exact moments need a quadratic objective"),
        (Case((30, 1), n=3), {}, "at most 24 parameters"),
        (CASES[0], {"t": 0.12}, "t must be a multiple of step_size=0.05"),
        (CASES[0], {"process": "order 3"}, "process must be one of 'sgd', 'flow'"),
        (CASES[0], {"substeps": 0}, "substeps must be"),
        (CASES[0], {"batch_size": 4, "sampling": "without_replacement"}, "batch_size must be <= 3"),
    ],
    ids=str,
)
def test_bad_input(case: Case, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ef.theory.exact_moments(case.objective, case.theta(), **{"t": 0.1, "step_size": 0.05, **options})
