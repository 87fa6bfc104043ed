"""Enclosures of the activations against mpmath, and the search for suprema against closed forms."""

from typing import Any

import mpmath as mp
import numpy as np
import pytest

from etaflow.problem.activations import Activation, parse_activation
from etaflow.theory.constants.ranges import Curve, supremum
from problems import HIDDEN

EXACT = {
    "identity": lambda z: z,
    "logistic": lambda z: 1 / (1 + mp.exp(-z)),
    "tanh": mp.tanh,
    "arctan": lambda z: 2 / mp.pi * mp.atan(z),
    "softplus": lambda z: mp.log(1 + mp.exp(z)),
    "gelu": lambda z: z * mp.ncdf(z),
    "sin": mp.sin,
}
SMOOTH = [Activation(name) for name in EXACT]
ALL = [parse_activation("activation", spec) for spec in HIDDEN] + [Activation("leaky_relu", -1.5)]


def derivative(activation: Activation, order: int, z: float) -> float:
    with mp.workdps(40):
        return float(mp.diff(EXACT[activation.name], mp.mpf(z), order) if order else EXACT[activation.name](mp.mpf(z)))


@pytest.mark.parametrize("activation", SMOOTH, ids=lambda a: a.name)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_values_are_those_of_mpmath(activation: Activation, order: int) -> None:
    z = np.array([-30.0, -4.2, -1.0, -1e-3, 0.0, 0.3, 2.0, 7.7, 31.0])
    exact = [derivative(activation, order, place) for place in z]
    np.testing.assert_allclose(Curve(activation).value(order, z), exact, rtol=1e-12, atol=1e-14)


# sup |φ'| and sup |φ''| over the real line, in closed form.
SUPREMA = {
    "identity": (mp.mpf(1), mp.mpf(0)),
    "logistic": (mp.mpf(1) / 4, 1 / (6 * mp.sqrt(3))),
    "tanh": (mp.mpf(1), 4 / (3 * mp.sqrt(3))),
    "arctan": (2 / mp.pi, 2 / mp.pi * 3 * mp.sqrt(3) / 8),
    "softplus": (mp.mpf(1), mp.mpf(1) / 4),
    "gelu": (mp.ncdf(mp.sqrt(2)) + mp.sqrt(2) * mp.npdf(mp.sqrt(2)), mp.sqrt(2 / mp.pi)),
    "sin": (mp.mpf(1), mp.mpf(1)),
}


@pytest.mark.parametrize("activation", SMOOTH, ids=lambda a: a.name)
def test_largest_derivatives_are_known_in_closed_form(activation: Activation) -> None:
    curve = Curve(activation)
    for order, exact in enumerate(SUPREMA[activation.name], start=1):
        found = float(curve.largest(order, np.inf))
        assert float(exact) <= found <= float(exact) * (1 + 1e-13) + 1e-300
    assert curve.lipschitz == pytest.approx(float(SUPREMA[activation.name][0]), rel=1e-13)


def test_constants_of_the_kinked() -> None:
    assert Curve(Activation("relu")).lipschitz == pytest.approx(1, rel=1e-13)
    assert Curve(Activation("leaky_relu", 0.1)).lipschitz == pytest.approx(1, rel=1e-13)
    assert Curve(Activation("leaky_relu", -1.5)).lipschitz == pytest.approx(1.5, rel=1e-13)
    assert not Curve(Activation("relu")).smooth
    assert Curve(Activation("leaky_relu", 1.0)).smooth


@pytest.mark.parametrize("activation", ALL, ids=lambda a: f"{a.name} {a.parameter}")
@pytest.mark.parametrize("order", [0, 1, 2])
def test_an_enclosure_holds_all_values_and_no_more(activation: Activation, order: int) -> None:
    curve, generator = Curve(activation), np.random.default_rng(0)
    for _ in range(200):
        low, high = np.sort(generator.normal(scale=generator.choice([0.1, 2, 20]), size=2))
        inside = np.concatenate([np.linspace(low, high, 4001), [0.0] if low <= 0 <= high else []])
        values = curve.value(order, inside)
        below, above = curve.enclose(order, low, high)
        assert below <= values.min()
        assert values.max() <= above
        gap = 1e-4 * (1 + high - low) if activation.name not in {"relu", "leaky_relu"} or order != 1 else np.inf
        assert values.min() - below <= gap
        assert above - values.max() <= gap


@pytest.mark.parametrize("activation", SMOOTH, ids=lambda a: a.name)
def test_infinite_intervals(activation: Activation) -> None:
    curve = Curve(activation)
    low, high = curve.enclose(0, -np.inf, np.inf)
    assert np.isfinite([low, high]).all() == curve.bounded
    for order in (1, 2):
        assert np.isfinite(curve.enclose(order, -np.inf, np.inf)).all()


def error_bound(curve: Curve, target: float) -> Any:
    def bound(low: Any, high: Any) -> Any:
        values, slopes = curve.enclose(0, low, high), curve.enclose(1, low, high)
        return np.maximum(np.abs(values[0] - target), np.abs(values[1] - target)) * np.maximum(-slopes[0], slopes[1])

    return bound


@pytest.mark.parametrize("y", [-2.0, -0.3, 0.0, 1.0, 5.0])
def test_supremum_of_the_error_of_tanh_by_its_cubic(y: float) -> None:
    """|(t − y)(1 − t²)| over t ∈ [−1, 1] is largest where 3t² − 2yt − 1 = 0."""
    t = np.roots([3, -2 * y, -1])
    t = t[np.abs(t) <= 1]
    exact = np.max(np.abs((t - y) * (1 - t**2)))
    found = supremum(error_bound(Curve(Activation("tanh")), y), -np.inf, np.inf)
    assert exact <= found <= exact * (1 + 2e-6)


@pytest.mark.parametrize("y", [-1.0, 0.0, 0.7])
def test_supremum_of_the_error_of_sin(y: float) -> None:
    s = np.roots([2, -y, -1])
    s = s[np.abs(s) <= 1]
    exact = np.max(np.abs((s - y) * np.sqrt(1 - s**2)))
    curve = Curve(Activation("sin"))
    assert exact <= supremum(error_bound(curve, y), *curve.window(np.inf)) <= exact * (1 + 2e-6)


def test_supremum_over_a_point_and_over_an_interval_without_the_maximum() -> None:
    curve = Curve(Activation("tanh"))
    slope = lambda low, high: curve.enclose(1, low, high)[1]  # noqa: E731
    assert supremum(slope, 0.0, 0.0) == pytest.approx(1.0)
    exact = 1 - np.tanh(2) ** 2
    assert exact <= supremum(slope, 2.0, 900.0) <= exact * (1 + 2e-6)
