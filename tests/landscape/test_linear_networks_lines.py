"""Lines through critical points, residuals and witnesses: against `Objective`, SciPy's polynomials and fractions."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import etaflow as ef

linear = ef.linear_networks


def draw(n: int, inputs: int, outputs: int, seed: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, inputs)), generator.normal(size=(n, outputs))


@pytest.mark.parametrize("hidden", [1, 2, (2, 3), (1, 2, 2)])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_line_equals_the_objective(hidden: Any, reduction: str) -> None:
    """A polynomial of degree 2(H + 1) is fixed by its values at 2(H + 1) + 1 points."""
    f = linear.linear_objective(*draw(6, 3, 2, seed=1), hidden, reduction=reduction)
    generator = np.random.default_rng(2)
    theta, direction = generator.normal(size=(2, f.num_params))
    line = linear.loss_along(f, theta, direction)
    steps = np.linspace(-1, 1, 2 * len(f.net.widths) - 1)
    values = f.value(theta + steps[:, None] * direction)
    np.testing.assert_allclose(np.polynomial.Polynomial(line.coefficients)(steps), values, rtol=1e-11)
    assert len(line.coefficients) == 2 * (len(f.net.widths) - 1) + 1
    assert line.order == 1
    assert line.coefficients[1] == pytest.approx(float(f.gradient(theta) @ direction), rel=1e-10)
    assert 2 * line.coefficients[2] == pytest.approx(float(direction @ f.hessian(theta) @ direction), rel=1e-10)


@pytest.mark.parametrize("layers", [2, 3, 4, 6])
def test_zero_weights_fall_at_the_order_of_the_depth(layers: int) -> None:
    """Exactly: every coefficient before is the fraction 0."""
    f = linear.linear_objective(*draw(5, 2, 2, seed=3), [2] * (layers - 1))
    generator = np.random.default_rng(layers)
    line = linear.loss_along(f, np.zeros(f.num_params), generator.normal(size=f.num_params), exact=True)
    assert all(one == 0 for one in line.coefficients[1:layers])
    assert all(isinstance(one, Fraction) for one in line.coefficients)
    assert line.order == layers
    assert line.falls or layers % 2 == 0


@pytest.mark.parametrize("hidden", [(2, 2), (2, 2, 2), (3, 2, 3, 2)])
@pytest.mark.parametrize("q", [0, 1])
def test_degenerate_saddles_fall_at_the_order_of_the_depth(hidden: tuple[int, ...], q: int) -> None:
    """In integers: x and y are diagonal, so U_Γ and L* are exact."""
    x, y = np.eye(3), np.diag([4.0, 2.0, 1.0])
    point = linear.critical_point(x, y, hidden, range(1, q + 1), middle="least")
    f = linear.linear_objective(x, y, hidden)
    assert point.escape is not None
    line = linear.loss_along(f, point.theta, point.escape * 2.0, exact=True)
    assert line.order == len(hidden) + 1
    assert line.falls
    assert line.coefficients[0] == Fraction(21 - 16 * q)


def test_a_line_in_the_orbit_is_constant() -> None:
    f = linear.linear_objective([[1.0], [2.0]], [[2.0], [4.0]], [1, 1])
    line = linear.loss_along(f, [0.0, 0.0, 3.0], [1.0, 0.0, 5.0], exact=True)  # the second matrix stays 0
    assert (line.order, line.falls, repr(line)) == (0, False, "Line(the loss is constant)")


@pytest.mark.parametrize("hidden", [(4,), (3, 3), (4, 3, 5)])
def test_minima_have_orthogonal_residuals(hidden: tuple[int, ...]) -> None:
    x, y = draw(12, 4, 3, seed=5)
    f = linear.linear_objective(x, y, hidden)
    end = ef.polish(f, 0.6 * np.random.default_rng(0).normal(size=f.num_params))
    report = linear.residual_orthogonality(f, end.theta)
    assert report.orthogonal
    assert report.excess == pytest.approx(0, abs=1e-12)
    assert np.abs(x.T @ (f.net.predict(end.theta, x) - y)).max() < 1e-10
    assert "global minimiser of linear regression" in repr(report)


@pytest.mark.parametrize("gamma", [(), (1,), (2, 3)])
def test_saddles_hide_their_residuals(gamma: tuple[int, ...]) -> None:
    """X r ≠ 0, while the gradient is 0; and the excess is what X r says."""
    x, y = draw(12, 4, 3, seed=6)
    f = linear.linear_objective(x, y, [3, 3], reduction="mean")
    point = linear.critical_point(x, y, [3, 3], gamma)
    report = linear.residual_orthogonality(f, point.theta)
    assert report.grad_norm < 1e-11
    assert not report.orthogonal
    assert report.rank == len(gamma)
    np.testing.assert_allclose(report.correlation, x.T @ (x @ point.map.T - y), atol=1e-12)
    assert report.excess == pytest.approx(point.value - linear.ols(x, y).value, rel=1e-11)
    assert report.predicted_excess == pytest.approx(report.excess, rel=1e-11)


def test_excess_follows_from_the_residuals_anywhere() -> None:
    f = linear.linear_objective(*draw(12, 4, 3, seed=7), [2])
    for theta in f.net.init(seed=1, runs=5):
        report = linear.residual_orthogonality(f, theta)
        assert report.predicted_excess == pytest.approx(report.excess, rel=1e-11)
        assert report.widest == 2
        assert "no map of rank 2 need reach it" in report.reason


@pytest.mark.parametrize("hidden", [1, 3, (2, 2), (2, 1, 3)])
def test_witnesses_are_exact(hidden: Any) -> None:
    x, y = draw(6, 3, 2, seed=8)
    f = linear.linear_objective(x, y, hidden)
    not_convex, not_concave = linear.convexity_witnesses(x, y, hidden)
    for witness, word in ((not_convex, "not convex"), (not_concave, "not concave")):
        assert witness.shows == word
        np.testing.assert_array_equal(witness.middle, (witness.first + witness.second) / 2)
        for theta, value in zip((witness.first, witness.middle, witness.second), witness.values, strict=True):
            assert isinstance(value, Fraction)
            assert float(value) == pytest.approx(float(f.value(theta)), rel=1e-12)
    assert not_convex.bulge > 0 > not_concave.bulge
    assert not_convex.values[1] == sum(Fraction(float(one)) ** 2 for one in y.ravel())  # tr(YYᵀ)


def test_witness_by_hand() -> None:
    """x = (1, 2), y = (2, 4): f(w_1, w_2) = 5(2 − w_1 w_2)²."""
    first, second = linear.convexity_witnesses([[1.0], [2.0]], [[2.0], [4.0]], 1)
    assert first.values == (Fraction(0), Fraction(20), Fraction(0))
    assert [float(one) for one in second.values] == [
        5 * (2 - a * b) ** 2 for a, b in (second.first, second.middle, second.second)
    ]


def test_no_witness_without_correlation() -> None:
    with pytest.raises(ValueError, match="that XYᵀ have full rank: it is 0"):
        linear.convexity_witnesses([[1.0], [-1.0]], [[1.0], [1.0]], 2)


@pytest.mark.parametrize(
    "function", [linear.residual_orthogonality, lambda f, theta: linear.loss_along(f, theta, theta)]
)
def test_other_networks_are_refused(function: Any) -> None:
    x, y = draw(4, 2, 1, seed=0)
    for net in (ef.MLP([2, 2, 1], bias=False), ef.MLP([2, 2, 1], activation="identity")):
        with pytest.raises(ValueError, match="objective must be that of a linear network without biases"):
            function(ef.Objective(net, x, y), np.zeros(net.num_params))
    f = linear.linear_objective(x, y, 2, l2=0.1)
    with pytest.raises(ValueError, match="square loss without l2"):
        function(f, np.zeros(6))
    with pytest.raises(ValueError, match="theta must"):
        function(linear.linear_objective(x, y, 2), np.zeros(5))


def test_directions_are_checked() -> None:
    f = linear.linear_objective([[1.0], [2.0]], [[2.0], [4.0]], [1, 1])
    with pytest.raises(ValueError, match=r"direction must have shape \(3,\)"):
        linear.loss_along(f, np.zeros(3), np.zeros(2))


def test_names_are_functions_however_often_they_are_asked_for() -> None:
    for name in linear.__all__ * 2:
        assert callable(getattr(linear, name))
    with pytest.raises(AttributeError, match="has no attribute 'orbit'"):
        _ = linear.orbit  # type: ignore[attr-defined]
