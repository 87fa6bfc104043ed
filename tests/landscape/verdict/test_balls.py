"""Ball arithmetic and the enclosures of the activations, against fractions and mpmath at 60 digits."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
import pytest

from etaflow.landscape.verdict.balls import Ball, joined, share
from etaflow.landscape.verdict.functions import ENCLOSED, enclose
from etaflow.problem.activations import ACTIVATIONS, parse_activation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

GENERATOR = np.random.default_rng(0)


def exact(values: NDArray[np.float64]) -> list[Fraction]:
    return [Fraction(value) for value in values.ravel().tolist()]


def holds(ball: Ball, values: list[Fraction]) -> bool:
    """Whether every ball holds its fraction."""
    mids, rads = exact(ball.mid), exact(ball.rad)
    return all(abs(v - m) <= r for v, m, r in zip(values, mids, rads, strict=True))


def operands(shape: tuple[int, ...]) -> tuple[Ball, list[Fraction]]:
    """Balls of many sizes, with a random point in each, often on the border."""
    mid = GENERATOR.normal(size=shape) * 10.0 ** GENERATOR.integers(-12, 6, size=shape)
    rad = np.abs(mid) * 10.0 ** GENERATOR.integers(-17, -2, size=shape) * GENERATOR.integers(0, 2, size=shape)
    share_ = [Fraction(v) for v in GENERATOR.choice([-1.0, 1.0, 0.3, 0.0], size=mid.size).tolist()]
    return Ball(mid, rad), [m + s * r for m, s, r in zip(exact(mid), share_, exact(rad), strict=True)]


def test_the_basic_operations_enclose_the_exact_results() -> None:
    (x, a), (y, b) = operands((4000,)), operands((4000,))
    assert holds(x + y, [p + q for p, q in zip(a, b, strict=True)])
    assert holds(x - y, [p - q for p, q in zip(a, b, strict=True)])
    assert holds(x * y, [p * q for p, q in zip(a, b, strict=True)])
    assert holds(x / y, [p / q for p, q in zip(a, b, strict=True)])
    assert holds(2.5 * x - 0.1, [Fraction(2.5) * p - Fraction(0.1) for p in a])
    assert holds(1.0 - x, [1 - p for p in a])
    assert ((x * y).rad <= 3 * (np.abs(x.mid * y.mid) * 1e-2 + 1e-15 * np.abs(x.mid * y.mid)) + 1e-299).all()


def test_matrix_products_and_sums_enclose_the_exact_results() -> None:
    (x, a), (y, b) = operands((7, 60)), operands((60, 5))
    expected = [sum(a[i * 60 + k] * b[k * 5 + j] for k in range(60)) for i in range(7) for j in range(5)]
    assert holds(x @ y, [Fraction(v) for v in expected])
    assert holds((y.T @ x.T).T, [Fraction(v) for v in expected])
    assert holds(x.sum(axis=1), [sum(a[i * 60 : i * 60 + 60], Fraction(0)) for i in range(7)])
    assert holds(joined([x, x], axis=0), a + a)


def test_roots_and_bounds() -> None:
    x, a = operands((500,))
    square = x * x
    root = square.sqrt()
    known = np.isfinite(root.rad)
    assert known.mean() > 0.9
    assert all(
        (max(m - r, Fraction(0))) ** 2 <= v * v <= (m + r) ** 2
        for v, m, r, k in zip(a, exact(root.mid), exact(np.where(known, root.rad, 0)), known, strict=True)
        if k
    )
    assert all(
        Fraction(low) <= abs(v) <= Fraction(high)
        for v, low, high in zip(a, x.smallest.tolist(), x.largest.tolist(), strict=True)
    )


def test_nothing_is_known_where_a_divisor_holds_zero() -> None:
    quotient = Ball.exact(np.ones(2)) / Ball(np.array([1e-3, 2.0]), np.array([1e-3, 1.0]))
    assert not quotient.rad[0] < np.inf
    assert quotient.rad[1] < 1.01
    assert Ball.exact(np.array([-1.0])).sqrt().rad[0] == np.inf
    with pytest.raises(ValueError, match="a sum may have up to 1048576 terms"):
        share(2**20 + 1)


FORMULAS: dict[str, Callable[[Any, float], Any]] = {
    "identity": lambda z, _: z,
    "logistic": lambda z, _: 1 / (1 + mpmath.exp(-z)),
    "tanh": lambda z, _: mpmath.tanh(z),
    "arctan": lambda z, _: 2 / mpmath.pi * mpmath.atan(z),
    "sin": lambda z, _: mpmath.sin(z),
    "softplus": lambda z, _: mpmath.log(1 + mpmath.exp(z)),
    "relu": lambda z, _: max(z, mpmath.mpf(0)),
    "leaky_relu": lambda z, slope: z if z > 0 else mpmath.mpf(slope) * z,
}
SLOPES: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "logistic": lambda z: _logistic(1 / (1 + mpmath.exp(-z))),
    "tanh": lambda z: (mpmath.sech(z) ** 2, -2 * mpmath.tanh(z) * mpmath.sech(z) ** 2),
    "arctan": lambda z: (2 / mpmath.pi / (1 + z**2), -4 / mpmath.pi * z / (1 + z**2) ** 2),
    "sin": lambda z: (mpmath.cos(z), -mpmath.sin(z)),
    "softplus": lambda z: (1 / (1 + mpmath.exp(-z)), _logistic(1 / (1 + mpmath.exp(-z)))[0]),
}


def _logistic(s: Any) -> tuple[Any, Any]:
    return s * (1 - s), s * (1 - s) * (1 - 2 * s)


PLACES = np.concatenate([
    GENERATOR.normal(size=60) * 3,
    np.linspace(-40, 40, 41),
    [0.0, -0.0, 1e-9, -1e-9, 1e-300, 800.0, -800.0, 3e4, -3e4],
])


@pytest.mark.parametrize("name", sorted(FORMULAS))
@pytest.mark.parametrize("radius", [0.0, 1e-12, 1e-3])
def test_activations_and_their_derivatives_are_enclosed(name: str, radius: float) -> None:
    activation = parse_activation("activation", name)
    found = enclose(activation, Ball(PLACES, np.full_like(PLACES, radius)))
    with mpmath.workdps(60):
        for shift in (0, -1, 1, mpmath.mpf("0.37")):
            for i, place in enumerate(PLACES.tolist()):
                z = mpmath.mpf(place) + shift * mpmath.mpf(radius)
                values = [FORMULAS[name](z, activation.parameter), *(SLOPES[name](z) if name in SLOPES else ())]
                for ball, value in zip(found, values, strict=False):
                    assert abs(value - mpmath.mpf(ball.mid[i])) <= mpmath.mpf(ball.rad[i]), (name, place, shift)
    tight = np.abs(PLACES) < 100
    assert found[0].rad[tight].max() < 4e-15 * (1 + np.abs(PLACES[tight])).max() + 1.2 * radius


def test_kinks_and_what_has_no_enclosure() -> None:
    assert set(ACTIVATIONS) - ENCLOSED == {"gelu"}
    z = Ball(np.array([-1.0, 0.0, 1.0]), np.array([0.5, 1e-9, 0.5]))
    value, slope, bend = enclose(parse_activation("activation", ("leaky_relu", 0.2)), z)
    np.testing.assert_array_equal(slope.mid, [0.2, 0.6, 1.0])
    assert slope.rad[1] == pytest.approx(0.4)
    np.testing.assert_array_equal(bend.rad, [0, np.inf, 0])
    assert abs(value.mid[1]) <= value.rad[1] == pytest.approx(1e-9)
    far = enclose(parse_activation("activation", "sin"), Ball.exact(np.array([1e7])))
    assert far[0].rad[0] == np.inf
