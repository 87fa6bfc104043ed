"""Units that saturate, against derivatives by mpmath at 50 digits, and units that see too few observations."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np

import etaflow as ef
from etaflow.landscape.verdict.balls import Ball
from etaflow.landscape.verdict.derivatives import Pass
from etaflow.landscape.verdict.evidence import gather
from etaflow.landscape.verdict.saturation import blind_units, null_vectors, saturating_ray

X = [-2.0, -1.0, 1.0, 2.0]
STEP = [-1.0, -1.1, 1.2, 1.0]  # a step; nearer to it the targets are even larger, so that no finite slope is the best
SMOOTH = [-1.2, -1.0, 1.1, 1.2]  # a finite slope is


def problem(y: list[float]) -> ef.Objective:
    return ef.Objective(ef.MLP([1, 1, 1]), [[x] for x in X], y)


def derivative(y: list[float], theta: Any, direction: Any) -> Any:
    """∇f·ν of the exact f."""

    def cost(t: Any) -> Any:
        w, b, v, c = (mpmath.mpf(float(p)) + t * mpmath.mpf(float(d)) for p, d in zip(theta, direction, strict=True))
        terms = [(v * mpmath.tanh(w * x + b) + c - mpmath.mpf(z)) ** 2 for x, z in zip(X, y, strict=True)]
        return sum(terms) / len(X)

    with mpmath.workdps(50):
        return mpmath.diff(cost, 0)


def test_a_unit_becomes_a_step() -> None:
    f = problem(STEP)
    theta = ef.polish(f, [2.0, 0.1, 1.0, 0.0]).theta
    assert np.linalg.norm(f.gradient(theta)) < 1e-12
    ray = saturating_ray(f, gather(f, theta))
    assert ray is not None
    assert derivative(STEP, theta, ray.direction) < 0
    assert (ray.direction[2:] == 0).all()
    got = ef.classify(f, theta)
    assert (got.kind, got.certified) == ("minimum at infinity", False)
    assert "hidden units are saturated" in got.reason
    # the best value with w = ∞ is that of the means −1.05 and 1.1, and no finite w reaches it
    limit = np.mean([0.05**2, 0.05**2, 0.1**2, 0.1**2])
    assert abs(got.value - limit) < 1e-9
    assert (f.value([[w, 0.0, 1.075, 0.025] for w in (1.0, 2.0, 4.0)]) > limit).all()


def test_saturated_on_the_wrong_side() -> None:
    """With the residuals' signs reversed the slopes point inward: growing weights raise f."""
    f = problem(SMOOTH)
    inward = np.array([14.0, 0.0, 1.125, 0.025])
    assert derivative(SMOOTH, inward, [1, 0, 0, 0]) > 0
    assert saturating_ray(f, gather(f, inward)) is None
    outward = np.array([14.0, 0.0, 1.075, 0.025])
    assert derivative(STEP, outward, [1, 0, 0, 0]) < 0
    assert saturating_ray(problem(STEP), gather(problem(STEP), outward)) is not None
    held = ef.Objective(f.net, f.x, STEP, l2=1e-9)
    assert saturating_ray(held, gather(held, outward)) is None


def test_units_that_see_too_few_observations() -> None:
    """A ReLU that is on for one observation has its pre-activation there, and 2 of 3 entering parameters are free."""
    generator = np.random.default_rng(0)
    x = np.vstack([generator.uniform(-1, 1, (9, 2)), [[5.0, 0.0]]])
    f = ef.Objective(ef.MLP([2, 2, 1], activation="relu"), x, generator.normal(size=10))
    theta = np.array([1.0, 0.0, 0.2, 0.1, -3.0, 2.0, 0.7, 0.5, 0.0])
    forward = Pass.run(f, Ball.exact(theta), slice(0, 10))
    found = list(blind_units(f.net, forward))
    assert [(one.layer, one.unit, one.sees) for one in found] == [(0, 0, 1)]
    assert found[0].cause == "units that are dead for all but a few observations"
    assert len(found[0].directions) == 2
    for change in found[0].directions:
        moved = theta + 1e-3 * found[0].placed(f.net, change)
        np.testing.assert_allclose(f.net.predict(moved, x), f.net.predict(theta, x), atol=1e-12)


def test_null_vectors() -> None:
    np.testing.assert_array_equal(null_vectors(np.empty((0, 3))), np.eye(3))
    matrix = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])
    found = null_vectors(matrix)
    assert found.shape == (2, 3)
    np.testing.assert_allclose(matrix @ found.T, 0, atol=1e-14)
    np.testing.assert_allclose(found @ found.T, np.eye(2), atol=1e-14)
    assert len(null_vectors(np.zeros((2, 3)))) == 3
