"""Lemma 3.1 ii): L_G against brute force, adversaries, closed forms; ReLU's failure."""

import itertools
import math
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from numpy.typing import NDArray

import etaflow as ef
from etaflow.theory.constants.hessian_bounds import hessian_bounds
from problems import Case
from reference import Oracle, oracle_of

SMOOTH = [
    *[
        Case((2, 3, 1), n=5, activation=a)
        for a in ("identity", "logistic", "tanh", "arctan", "softplus", "gelu", "sin")
    ],
    *[Case((2, 3, 2), n=5, output=output) for output in ("logistic", "tanh", "arctan", "softplus", "gelu", "sin")],
    Case((2, 3, 1), n=5, output="logistic", loss="log"),
    Case((2, 3, 3), n=5, activation="gelu", loss="softmax"),
    Case((2, 3, 3, 1), n=5, activation=["softplus", "tanh"], output="tanh"),
    Case((2, 2, 3, 2, 2), n=5, activation="sin"),
    Case((2, 3, 2), n=5, bias=False),
    Case((2, 3, 1), n=5, output="tanh", reduction="sum", l2=0.4),
    Case((3, 2), n=5, output="tanh"),
    Case((2, 3, 1), n=5, activation=("leaky_relu", 1.0)),
]


def sample_hessians(oracle: Oracle, theta: NDArray[Any]) -> NDArray[Any]:
    """∇²L_i(θ) by complex steps of the sample gradients, (n, d, d)."""
    step = 1e-30
    columns = [oracle.sample_gradients(theta + 1j * step * e).imag / step for e in np.eye(len(theta))]
    return np.stack(columns, axis=-1)


def norms(case: Case, theta: NDArray[Any]) -> tuple[NDArray[Any], float]:
    """The spectral norms of every step's derivative, and of ∇²f."""
    hessians = sample_hessians(oracle_of(case.objective), theta)
    identity = np.eye(len(theta))
    steps = (case.n if case.reduction == "sum" else 1) * hessians + 2 * case.l2 * identity
    whole = hessians.sum(axis=0) if case.reduction == "sum" else hessians.mean(axis=0)
    whole = whole + 2 * case.l2 * identity
    return np.linalg.norm(steps, 2, axis=(1, 2)), float(np.linalg.norm(whole, 2))


@cache
def bound_of(name: str, radius: float) -> ef.theory.Bound:
    return ef.theory.lipschitz(next(case for case in SMOOTH if case.name == name).objective, radius)


@pytest.mark.parametrize("case", SMOOTH, ids=lambda case: case.name)
@pytest.mark.parametrize("radius", [pytest.param(0.4, marks=pytest.mark.slow), 2.0])
def test_no_point_of_the_box_exceeds_the_bound(case: Case, radius: float) -> None:
    bound = bound_of(case.name, radius)
    assert bound.holds
    assert bound.mean_field is not None
    generator, d = np.random.default_rng(3), case.net.num_params
    points = [*generator.uniform(-radius, radius, (25, d)), *generator.choice([-radius, 0.0, radius], (35, d))]
    for theta in points:
        samples, whole = norms(case, theta)
        assert samples.max() <= bound.upper
        assert whole <= bound.mean_field.upper


@pytest.mark.parametrize("case", SMOOTH, ids=lambda case: case.name)
def test_the_observed_constant_is_attained_inside_the_box(case: Case) -> None:
    bound = bound_of(case.name, 2.0)
    assert np.abs(bound.theta).max() <= 2.0
    assert bound.lower == pytest.approx(norms(case, bound.theta)[0][bound.observation], rel=1e-9)
    assert bound.lower <= bound.upper < 5 * bound.lower
    mean = bound.mean_field
    assert mean is not None
    assert mean.lower == pytest.approx(norms(case, mean.theta)[1], rel=1e-9)
    assert mean.lower <= mean.upper


@pytest.mark.parametrize("radius", [0.5, 2.0])
@pytest.mark.parametrize(("hidden", "output"), [("tanh", "tanh"), ("logistic", "identity"), ("sin", "tanh")])
def test_brute_force_over_a_four_dimensional_box(hidden: str, output: str, radius: float) -> None:
    """1-1-1 with biases, one observation: the largest Hessian norm on a grid of 17⁴ points lies between the two ends."""
    f = ef.Objective(ef.MLP([1, 1, 1], activation=hidden, output=output), [[0.7]], [0.3])
    grid = np.array(list(itertools.product(np.linspace(-radius, radius, 17), repeat=4)))
    largest = np.abs(np.linalg.eigvalsh(f.hessian(grid))).max()
    bound = ef.theory.lipschitz(f, radius)
    assert largest <= bound.upper
    assert bound.lower >= 0.99 * largest  # the ascent finds what brute force finds
    assert bound.upper < 3 * largest


def test_one_layer_is_exact() -> None:
    """∇²L_i = (∂²L/∂z²)·x̄x̄ᵀ: linear regression 2X², logistic X²/4, and for tanh a supremum that mpmath finds."""
    x, y = np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([0.0, 1.0])
    square = float(np.max(np.sum(x**2, axis=1) + 1))
    for radius in (1.0, math.inf):
        regression = ef.theory.lipschitz(ef.Objective(ef.MLP([2, 1]), x, y), radius)
        assert regression.lower == pytest.approx(2 * square, rel=1e-9)
        assert regression.upper == pytest.approx(2 * square, rel=1e-9)
        logistic = ef.theory.lipschitz(ef.Objective(ef.MLP([2, 1], output="logistic"), x, y, loss="log"), radius)
        assert logistic.lower == pytest.approx(square / 4, rel=1e-6)
        assert logistic.upper == pytest.approx(square / 4, rel=1e-9)

    def second_derivative(z: mp.mpf, target: float) -> mp.mpf:
        return abs(mp.diff(lambda u: (mp.tanh(u) - target) ** 2, z, 2))

    exact = 0.0
    for row, target in zip(x, y, strict=True):
        peak = max(np.linspace(-3, 3, 601), key=lambda z: second_derivative(mp.mpf(float(z)), target))
        slope = lambda z, t=target: mp.diff(lambda u: (mp.tanh(u) - t) ** 2, z, 3)  # noqa: E731
        exact = max(exact, float(second_derivative(mp.findroot(slope, peak), target)) * float(row @ row + 1))
    bound = ef.theory.lipschitz(ef.Objective(ef.MLP([2, 1], output="tanh"), x, y), math.inf)
    assert exact * (1 - 1e-12) <= bound.upper <= exact * (1 + 2e-6)
    assert bound.lower == pytest.approx(exact, rel=1e-4)


def test_difference_quotients_stay_below() -> None:
    case = SMOOTH[2]
    bound, generator = ef.theory.lipschitz(case.objective, 1.0), np.random.default_rng(4)
    oracle = oracle_of(case.objective)
    for _ in range(200):
        pair = generator.uniform(-1, 1, (2, case.net.num_params))
        gap = oracle.sample_gradients(pair[0]) - oracle.sample_gradients(pair[1])
        assert np.linalg.norm(gap, axis=1).max() <= bound.upper * np.linalg.norm(pair[0] - pair[1])


def test_the_bound_grows_with_the_box() -> None:
    f = SMOOTH[2].objective
    bounds = np.array([hessian_bounds(f, radius) for radius in (0.1, 0.5, 1, 2, 10, 100)])
    assert (np.diff(bounds, axis=0) > 0).all()


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", ("relu", {"at_zero": 0})])
@pytest.mark.parametrize("widths", [(2, 3, 1), (2, 3, 3, 1)])
def test_relu_fails_with_two_points(activation: Any, widths: tuple[int, ...]) -> None:
    case = Case(widths, n=5, activation=activation)
    bound = ef.theory.lipschitz(case.objective, 1.0)
    assert bound.status == "fails"
    assert bound.exponent == pytest.approx(-1, abs=0.05)
    assert np.isinf(bound.upper)
    assert np.abs(bound.theta).max() <= 1.0
    gradients = [oracle_of(case.objective).sample_gradients(theta)[bound.observation] for theta in bound.theta]
    distance = np.linalg.norm(bound.theta[1] - bound.theta[0])
    assert distance < 1e-6
    assert np.linalg.norm(gradients[1] - gradients[0]) > 1e-3
    assert bound.lower == pytest.approx(np.linalg.norm(gradients[1] - gradients[0]) / distance, rel=1e-6)
    assert bound.mean_field is not None
    assert bound.mean_field.status == "fails"


def test_a_kink_that_does_no_harm_is_left_open() -> None:
    """relu(z)² with target 0 has a Lipschitz gradient."""
    f = ef.Objective(ef.MLP([1, 1], output="relu"), [[1.0]], [0.0])
    assert ef.theory.lipschitz(f, 1.0).status == "open"


@pytest.mark.parametrize("case", [Case((2, 3, 1), n=5), Case((2, 3, 1), n=5, output="logistic", loss="log")])
def test_there_is_no_global_constant_with_hidden_layers(case: Case) -> None:
    bound = ef.theory.lipschitz(case.objective, math.inf)
    assert bound.status == "fails"
    assert bound.exponent is not None
    assert bound.exponent > 0.9
    assert bound.lower > 1e3


def test_bad_input() -> None:
    f = SMOOTH[0].objective
    with pytest.raises(ValueError, match=r"G must be > 0 \(got -1\)"):
        ef.theory.lipschitz(f, -1)
    with pytest.raises(TypeError, match="G must be a real number"):
        ef.theory.lipschitz(f, "1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="objective must be an Objective"):
        ef.theory.lipschitz(None, 1)  # type: ignore[arg-type]
