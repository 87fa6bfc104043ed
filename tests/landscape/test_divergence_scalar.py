"""The scalar problems against mpmath, the flow and gradient descent; the errata of Sontag & Sussmann's section 3."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

import etaflow as ef

NAMES = ("tanh", "log", "arctan")
SPEEDS: dict[str, Any] = {
    "tanh": lambda x: 2 * (1 - mp.tanh(x)) * mp.sech(x) ** 2,
    "log": lambda x: 1 / (1 + mp.exp(x)),
    "arctan": lambda x: 2 * (1 - 2 / mp.pi * mp.atan(x)) * (2 / mp.pi) / (1 + x**2),
}
"""−f'(x), by hand from the formulas of the losses."""


@pytest.mark.parametrize("name", NAMES)
def test_the_speed_is_that_of_the_objective(name: str) -> None:
    f = ef.divergence.scalar_problem(name).objective
    for x in (-1.5, 0.0, 0.7, 3.0):
        np.testing.assert_allclose(-f.gradient([x]), float(SPEEDS[name](x)), rtol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_the_clock_is_the_integral_of_the_inverse_speed(name: str) -> None:
    problem = ef.divergence.scalar_problem(name)
    with mp.workdps(30):
        for x0, x in ((0.0, 1.0), (-0.5, 2.5), (1.0, 4.0)):
            exact = mp.quad(lambda s: 1 / SPEEDS[name](s), [x0, x])
            np.testing.assert_allclose(problem.time(x, x0), float(exact), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("x0", [0.0, -0.8])
def test_position_is_the_inverse_of_time_and_the_flow(name: str, x0: float) -> None:
    problem, times = ef.divergence.scalar_problem(name), np.geomspace(0.1, 1e6, 9)
    x = problem.position(times, x0)
    np.testing.assert_allclose([problem.time(float(one), x0) for one in x], times, rtol=1e-11)
    path = ef.flow(problem.objective, [x0], t=1e6, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(path(times)[:, 0], x, rtol=2e-9)


@pytest.mark.parametrize("name", ["tanh", "log"])
def test_t_times_speed_tends_to_the_constant(name: str) -> None:
    """S17: ¼ for tanh with square loss, 1 for the log loss; the error falls like t^(−1/2) and log(t)/t."""
    problem = ef.divergence.scalar_problem(name)
    errors = []
    for t in (1e4, 1e8, 1e12):
        x = float(problem.position(t))
        errors.append(abs(t * float(SPEEDS[name](x)) - problem.constant))
    assert errors[0] < (3e-3 if name == "tanh" else 2e-3)
    assert errors[2] < (3e-7 if name == "tanh" else 1e-10)
    if name == "tanh":
        np.testing.assert_allclose(errors[0] / errors[1], 100, rtol=0.05)


def test_arctan_grows_like_the_fourth_root() -> None:
    problem = ef.divergence.scalar_problem("arctan")
    ratio = problem.position([1e4, 1e8, 1e12]) / np.array([1e4, 1e8, 1e12]) ** 0.25
    np.testing.assert_allclose(ratio[2], float((32 / mp.pi**2) ** 0.25), rtol=1e-6)
    np.testing.assert_allclose(abs(ratio[0] / ratio[2] - 1) / abs(ratio[1] / ratio[2] - 1), 100, rtol=0.05)
    np.testing.assert_allclose(problem.limit(16.0) / problem.limit(1.0), 2.0)


def test_the_limit_has_the_right_constant_term() -> None:
    for name in ("tanh", "log"):
        problem = ef.divergence.scalar_problem(name)
        np.testing.assert_allclose(problem.position(1e14) - problem.limit(1e14), 0, atol=1e-6)


def test_sontags_approximation_solves_its_equation() -> None:
    """ẏ = 4(1 − y)³, y(0) = 0, by mpmath's Taylor integrator; y is then tanh x to leading order."""
    with mp.workdps(20):
        solution = mp.odefun(lambda _t, y: 4 * (1 - y) ** 3, 0, 0)
        for t in (0.1, 1.0, 5.0):
            np.testing.assert_allclose(ef.divergence.sontag_approximation(t), float(solution(t)), rtol=1e-12)
    problem = ef.divergence.scalar_problem("tanh")
    t = 1e10  # of the paper's clock with α = 1; ours, with α = 2, needs half of it
    exact, approximate = 1 - np.tanh(problem.position(t / 2)), 1 - ef.divergence.sontag_approximation(t)
    np.testing.assert_allclose(approximate, exact, rtol=1e-4)


def test_the_erratum_of_the_inverse_tangent() -> None:
    """The paper prints tanh⁻¹ y = log((1 + y)/(1 − y)); with the ½ that is missing x is ¼ log t + ¼ log 32 + o(1), b = ¼."""
    t, y = np.array([1e6, 1e7]), ef.divergence.sontag_approximation([1e6, 1e7])
    printed, right = np.log((1 + y) / (1 - y)), np.log((1 + y) / (1 - y)) / 2
    np.testing.assert_allclose(right, np.arctanh(y), rtol=1e-9)
    np.testing.assert_allclose(right - np.log(32 * t) / 4, 0, atol=1e-3)
    np.testing.assert_allclose(np.diff(right) / np.log(10), 0.25, rtol=1e-3)
    np.testing.assert_allclose(np.diff(printed) / np.log(10), 0.5, rtol=1e-3)


def test_gradient_descent_follows_the_same_law() -> None:
    """With step size α the iterate k is near x(kα): gradient descent's b is ¼ too."""
    problem = ef.divergence.scalar_problem("tanh")
    runs = ef.descend(problem.objective, [0.0], steps=50_000, step_size=0.5, record={"theta": 10})
    np.testing.assert_allclose(runs.theta[0, 0], problem.position(25_000.0), atol=2e-4)
    found = ef.divergence.growth(runs, of=0)
    assert found.kind == "log"
    rates = [t * float(SPEEDS["tanh"](float(problem.position(t)))) for t in found.times[[0, -1]]]
    assert 0.25 < found.slope < rates[0] < 0.253  # t·ẋ falls to ¼ along the window


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"name must be one of 'tanh', 'log', 'arctan' \(got 'relu'"):
        ef.divergence.scalar_problem("relu")
    with pytest.raises(ValueError, match=r"t must be >= 0 \(got -1\)"):
        ef.divergence.scalar_problem("log").position([1.0, -1.0])
