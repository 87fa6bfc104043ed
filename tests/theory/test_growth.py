"""Lemma 3.1 i): the constant K never falls to adversaries, closed forms are met, and the powers are the theorem's."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import etaflow as ef
from problems import Case
from reference import oracle_of

# Every output with one hidden layer and bounded δ^L, and everything without a hidden layer.
HOLDS = [
    *[
        Case((2, 3, 1), n=6, activation=a, output="tanh")
        for a in ("tanh", "logistic", "relu", "softplus", "gelu", "sin")
    ],
    *[Case((2, 3, 2), n=6, output=output) for output in ("logistic", "arctan", "sin")],
    Case((2, 3, 1), n=6, activation="arctan", output="logistic", loss="log"),
    Case((2, 3, 2), n=6, activation="identity", output="logistic", loss="log"),
    Case((2, 3, 3), n=6, activation=("leaky_relu", -1.5), loss="softmax"),
    Case((2, 3, 1), n=6, output="tanh", bias=False),
    Case((2, 3, 1), n=6, output="tanh", reduction="sum", l2=0.3),
    *[Case((2, 2), n=6, output=output) for output in ("identity", "relu", "softplus", "gelu", "leaky_relu", "tanh")],
    Case((2, 1), n=6, output="logistic", loss="log", l2=2.0),
    Case((2, 3), n=6, loss="softmax", bias=False),
]
# (case, the power of the theorem)
FAILS = [
    (Case((2, 3, 1), n=5), 2),
    (Case((2, 3, 1), n=5, activation="relu"), 3),
    (Case((2, 3, 1), n=5, activation="logistic", output="softplus"), 2),
    (Case((2, 3, 3, 1), n=5, output="tanh"), 2),
    (Case((2, 3, 3, 1), n=5, activation="relu", output="tanh"), 2),
    (Case((2, 3, 2, 3, 1), n=5, activation="gelu", output="logistic", loss="log"), 3),
    (Case((2, 3, 3, 3), n=5, loss="softmax"), 2),
    (Case((2, 3, 3, 1), n=5, activation=["tanh", "relu"]), 4),
    (Case((2, 3, 3, 1), n=5, activation=["relu", "tanh"]), 3),
    (Case((2, 3, 3, 1), n=5, activation="softplus", output="gelu"), 5),
    (Case((2, 4, 5, 1), n=5, bias=False), 3),
    (Case((2, 4, 5, 2), n=5, activation="sin", output="tanh", bias=False, reduction="sum", l2=0.1), 2),
]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The oracle's formulas overflow far out, to the right limits."""
    with np.errstate(over="ignore"):
        yield


def directions(case: Case, theta: Any) -> Any:
    """The directions of SGD steps with |B| = 1, from the oracle."""
    gradients = oracle_of(case.objective).sample_gradients(theta)
    return (case.n if case.reduction == "sum" else 1) * gradients + 2 * case.l2 * theta


@pytest.mark.parametrize("case", HOLDS, ids=lambda case: case.name)
def test_no_point_exceeds_the_constant(case: Case) -> None:
    bound = ef.theory.growth(case.objective)
    assert bound.holds
    assert bound.mean_field is not None
    oracle, generator = oracle_of(case.objective), np.random.default_rng(1)
    for size in (0.0, 1e-2, 0.3, 1, 3, 10, 1e2, 1e4):
        for _ in range(30):
            theta = size * generator.normal(size=case.net.num_params) * generator.choice([0.1, 1], case.net.num_params)
            length = 1 + np.linalg.norm(theta)
            assert np.linalg.norm(directions(case, theta), axis=1).max() <= bound.upper * length
            assert np.linalg.norm(oracle.gradient(theta)) <= bound.mean_field.upper * length


@pytest.mark.parametrize("case", HOLDS, ids=lambda case: case.name)
def test_the_observed_constant_is_attained_and_near(case: Case) -> None:
    bound = ef.theory.growth(case.objective)
    assert bound.mean_field is not None
    length = 1 + np.linalg.norm(bound.theta)
    attained = np.linalg.norm(directions(case, bound.theta)[bound.observation]) / length
    assert bound.lower == pytest.approx(attained, rel=1e-9)
    assert bound.upper / 2 < bound.lower <= bound.upper
    mean = bound.mean_field
    gradient = oracle_of(case.objective).gradient(mean.theta)
    assert mean.lower == pytest.approx(np.linalg.norm(gradient) / (1 + np.linalg.norm(mean.theta)), rel=1e-9)
    assert mean.lower <= mean.upper


def test_finnoffs_network_has_its_constant_in_closed_form() -> None:
    """K = max D_i·(‖x_i‖² + 1)^{1/2}, D_i = 2 max |(t − y)(1 − t²)| at a root of 3t² − 2yt − 1; and it is sharp."""
    case = Case((3, 4, 1), n=9, output="tanh")
    f = case.objective
    expected = 0.0
    for x, y in zip(f.x, f.y[:, 0], strict=True):
        t = np.roots([3, -2 * y, -1])
        t = t[np.abs(t) <= 1]
        expected = max(expected, float(np.max(2 * np.abs((t - y) * (1 - t**2)))) * float(np.sqrt(x @ x + 1)))
    bound = ef.theory.growth(f)
    assert expected <= bound.upper <= expected * (1 + 2e-6)
    assert bound.lower > 0.9999 * expected


def test_linear_regression_is_exact() -> None:
    """Without a hidden layer K = 2·max_i X_i·max(|y_i|, X_i), attained at 0 or along x_i to infinity."""
    for scale in (1.0, 30.0):
        x, y = np.array([[1.0, 2.0], [0.5, -1.0]]), scale * np.array([1.0, -2.0])
        reach = np.sqrt(np.sum(x**2, axis=1) + 1)
        bound = ef.theory.growth(ef.Objective(ef.MLP([2, 1]), x, y))
        assert bound.upper == pytest.approx(np.max(2 * reach * np.maximum(np.abs(y), reach)), rel=1e-9)
        assert bound.lower == pytest.approx(bound.upper, rel=1e-4)


@pytest.mark.parametrize(("case", "power"), FAILS, ids=lambda value: getattr(value, "name", str(value)))
def test_the_power_of_growth_is_that_of_the_theorem(case: Case, power: int) -> None:
    bound = ef.theory.growth(case.objective)
    assert bound.status == "fails"
    assert bound.proved_exponent == power
    assert bound.exponent == pytest.approx(power, abs=0.02)
    assert np.isinf(bound.upper)
    attained = np.linalg.norm(directions(case, bound.theta)[bound.observation]) / (1 + np.linalg.norm(bound.theta))
    assert bound.lower == pytest.approx(attained, rel=1e-9)
    assert bound.mean_field is not None
    assert bound.mean_field.status == "fails"


@pytest.mark.parametrize(("case", "power"), FAILS, ids=lambda value: getattr(value, "name", str(value)))
def test_no_point_grows_faster_than_the_proved_power(case: Case, power: int) -> None:
    """sup over directions of log ‖∇L_i‖/log ‖θ‖ at ‖θ‖ = 10⁶ stays below p plus what a constant of 10³ makes."""
    oracle, generator = oracle_of(case.objective), np.random.default_rng(2)
    for _ in range(100):
        theta = generator.normal(size=case.net.num_params) * generator.choice([1e-6, 1e-3, 1], case.net.num_params)
        theta *= 1e6 / np.linalg.norm(theta)
        with np.errstate(over="ignore"):
            assert np.linalg.norm(oracle.sample_gradients(theta), axis=1).max() <= 1e3 * 1e6**power


def test_a_chain_without_biases_is_left_open() -> None:
    x, y = [[1.0], [0.5]], [0.2, -0.1]
    bound = ef.theory.growth(ef.Objective(ef.MLP([1, 1, 1, 1], output="tanh", bias=False), x, y))
    assert bound.status == "open"
    assert bound.proved_exponent == 2
    assert not bound.holds


def test_float32_is_taken_to_float64() -> None:
    case = Case((2, 3, 1), n=6, output="tanh", dtype="float32")
    in_double = ef.Objective(case.net, case.objective.x.astype(float), case.objective.y.astype(float))
    assert ef.theory.growth(case.objective).upper == ef.theory.growth(in_double).upper


def test_bound_shows_itself() -> None:
    bound = ef.theory.growth(Case((2, 3, 1), n=5).objective)
    assert repr(bound).startswith("Bound(K in [")
    assert "fails" in bound._repr_html_()
    with pytest.raises(TypeError, match="objective must be an Objective"):
        ef.theory.growth(3)  # type: ignore[arg-type]
