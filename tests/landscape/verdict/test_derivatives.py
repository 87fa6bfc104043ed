"""Enclosures of gradient and Hessian, against the oracle on the table of problems, and against mpmath."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import etaflow as ef
from etaflow.landscape.verdict.balls import Ball
from etaflow.landscape.verdict.derivatives import Pass, enclosable, enclose_gradient, enclose_hessian
from problems import CURVED, Case

ENCLOSED = [case for case in CURVED if enclosable(case.objective)][::4]


@pytest.mark.parametrize("case", ENCLOSED, ids=lambda case: case.name)
def test_gradient_and_hessian_are_enclosed_and_tight(case: Case) -> None:
    """Up to the rounding of the oracle, which is there in the case's own dtype."""
    f, theta, oracle = case.objective, case.theta(), case.oracle
    for got, expected in (
        (enclose_gradient(f, Ball.exact(theta)), oracle.gradient(theta)),
        (enclose_hessian(f, Ball.exact(theta)), oracle.hessian(theta)),
    ):
        scale = 1 + np.abs(expected)
        assert ((np.abs(expected - got.mid) - got.rad) / scale).max() < 50 * case.eps
        assert (got.rad / scale.max()).max() < 1e-11


def test_every_point_of_the_ball_is_enclosed() -> None:
    generator = np.random.default_rng(1)
    for activation in ("tanh", "arctan", "softplus", "sin", "logistic", "relu"):
        x, y = generator.normal(size=(12, 2)), generator.normal(size=12)
        f = ef.Objective(ef.MLP([2, 3, 2, 1], activation=activation), x, y, l2=0.1)
        theta, radius = generator.normal(size=f.num_params), 1e-4
        ball = Ball(theta, np.full_like(theta, radius))
        gradient, hessian = enclose_gradient(f, ball), enclose_hessian(f, ball)
        points = theta + radius * generator.choice([-1.0, 1.0, 0.5], size=(100, len(theta)))
        assert (np.abs(f.gradient(points) - gradient.mid) <= gradient.rad + 1e-13).all()
        if np.isfinite(hessian.rad).all():
            assert (np.abs(f.hessian(points) - hessian.mid) <= hessian.rad + 1e-12).all()
            assert hessian.rad.max() < 0.1


def test_a_kink_in_the_ball_is_noticed() -> None:
    f = ef.Objective(ef.MLP([1, 1, 1], activation="relu", bias=False), [[1.0], [2.0]], [1.0, 2.0])
    near, far = np.array([1e-9, 1.0]), np.array([1e-3, 1.0])
    radius = np.full(2, 1e-8)
    assert not np.isfinite(enclose_hessian(f, Ball(near, radius)).rad).all()
    assert np.isfinite(enclose_hessian(f, Ball(far, radius)).rad).all()


def test_inputs_of_zero_without_bias_are_no_kink() -> None:
    f = ef.Objective(ef.MLP([2, 2, 1], activation="relu", bias=False), [[0.0, 0.0], [1.0, 2.0]], [1.0, 2.0])
    theta = np.array([1.0, 2.0, -1.0, 0.7, 1.0, 1.0])
    hessian = enclose_hessian(f, Ball(theta, np.full(6, 1e-9)))
    assert np.isfinite(hessian.rad).all()
    np.testing.assert_allclose(hessian.mid, f.hessian(theta), atol=1e-12)
    still = Pass.run(f, Ball.exact(theta), slice(0, 2)).still
    np.testing.assert_array_equal(still[0], [[True, True], [False, False]])
    np.testing.assert_array_equal(still[1], [[True], [False]])


def test_against_mpmath_at_fifty_digits() -> None:
    """A 1-2-1 tanh network: the true derivatives of the exact f lie inside, which a float oracle cannot show."""
    x, y, theta = [0.3, -1.1, 2.0], [0.7, 0.1, -0.4], [0.4, -1.2, 0.1, 0.3, 0.9, -0.5, 0.2]
    f = ef.Objective(ef.MLP([1, 2, 1]), [[v] for v in x], y)
    gradient, hessian = (
        enclose_gradient(f, Ball.exact(np.array(theta))),
        enclose_hessian(f, Ball.exact(np.array(theta))),
    )

    def cost(*t: Any) -> Any:
        hidden = [[mpmath.tanh(t[j] * mpmath.mpf(v) + t[2 + j]) for j in (0, 1)] for v in x]
        residuals = [t[4] * a + t[5] * b + t[6] - mpmath.mpf(z) for (a, b), z in zip(hidden, y, strict=True)]
        return sum(r * r for r in residuals) / 3

    with mpmath.workdps(50):
        point = tuple(mpmath.mpf(t) for t in theta)
        for i in range(7):
            first = mpmath.diff(cost, point, tuple(int(k == i) for k in range(7)))
            assert abs(first - mpmath.mpf(gradient.mid[i])) <= mpmath.mpf(gradient.rad[i])
            for j in range(i + 1):
                order = tuple(int(k == i) + int(k == j) for k in range(7))
                second = mpmath.diff(cost, point, order)
                assert (
                    abs(second - mpmath.mpf(hessian.mid[i, j])) <= mpmath.mpf(hessian.rad[i, j]) + mpmath.mpf(10) ** -20
                )
    assert hessian.rad.max() < 1e-13
