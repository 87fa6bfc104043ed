"""Kinks: constructed ones, the shortest generalised gradient against a scan over slopes, and what is no kink."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.landscape.verdict.evidence import gather
from etaflow.landscape.verdict.kinks import Kinks, find_kinks


def kinks_of(f: ef.Objective, theta: Any) -> Kinks | None:
    return find_kinks(f, gather(f, np.asarray(theta, f.dtype)))


def test_a_minimum_between_two_slopes() -> None:
    """½[(0.1 − r(w))² + (0.1 − r(−w))²] with r the leaky ReLU of slope ½ bends at w = 0.

    By w the gradients are 0.1·(s_2 − s_1) with s between ½ and 1; by v they vanish, as r(0) = 0.
    """
    f = ef.Objective(ef.MLP([1, 1, 1], activation=("leaky_relu", 0.5), bias=False), [[1.0], [-1.0]], [0.1, 0.1])
    found = kinks_of(f, [0.0, 1.0])
    assert found is not None
    np.testing.assert_array_equal(found.places, [[1, 0, 0], [1, 0, 1]])
    assert found.jumps == 2
    assert found.slope == pytest.approx(0, abs=1e-12)
    one = ef.Objective(f.net, [[1.0]], [0.1])  # alone the first term falls to the right, by 0.2·s with s ≥ ½
    alone = kinks_of(one, [0.0, 1.0])
    assert alone is not None
    assert alone.slope == pytest.approx(0.1, rel=1e-9)
    assert alone.descent is not None
    np.testing.assert_allclose(alone.descent, [1, 0], atol=1e-12)


def test_the_shortest_gradient_by_a_scan() -> None:
    """One unit with two observations on its kink: all slopes of a 101 × 101 grid."""
    generator = np.random.default_rng(0)
    net, compared = ef.MLP([2, 2, 1], activation="relu"), 0
    for _ in range(9):
        x, y = generator.integers(-4, 5, size=(4, 2)).astype(float), generator.normal(size=4)
        theta = generator.normal(size=9)
        (w, b), _ = net.layers(theta)
        assert b is not None
        normal = np.array([x[0, 1] - x[1, 1], x[1, 0] - x[0, 0]])  # w·(x_0 − x_1) = 0
        w[0] = normal
        b[0] = -float(normal @ x[0])
        f = ef.Objective(net, x, y)
        found = kinks_of(f, theta)
        assert found is not None
        np.testing.assert_array_equal(found.places[:, [0, 1]], [[1, 0]] * len(found.places))
        if len(found.places) != 2:
            continue  # a third observation lies on the line
        error = f.net.predict(theta, x)[:, 0] - y
        rest = _gradient_without(f, theta, (0, 1))
        candidates = []
        for s in product(np.linspace(0, 1, 101), repeat=2):
            total = rest.copy()
            for i in (0, 1):
                pull = 2 * error[i] / 4 * theta[6] * s[i]
                total[[0, 1]] += pull * x[i]
                total[4] += pull
            candidates.append(np.linalg.norm(total))
        assert found.slope == pytest.approx(min(candidates), rel=3e-3)
        assert found.slope <= min(candidates) + 1e-12
        compared += 1
        if found.slope > 1e-3:
            assert found.descent is not None
            step = 1e-7
            fall = float(f.value(theta) - f.value(theta + step * found.descent)) / step
            assert fall > 0.99 * found.slope
    assert compared >= 4


def _gradient_without(f: ef.Objective, theta: Any, observations: tuple[int, ...]) -> Any:
    """∇f as if unit 0 had slope 0 at these observations: central differences of the rest, which is smooth."""
    (w, b), (v, c) = f.net.layers(np.asarray(theta))
    assert b is not None
    assert c is not None
    z = f.x @ w.T + b
    slope = (z > 0).astype(float)
    slope[list(observations), 0] = 0
    a = np.where(slope > 0, z, 0)
    error = 2 * (a @ v[0] + c[0] - f.y[:, 0]) / f.n
    delta = error[:, None] * v * slope
    return np.concatenate([(delta.T @ f.x).ravel(), delta.sum(axis=0), error @ a, [error.sum()]])


def test_what_is_no_kink() -> None:
    """Smooth activations; an input 0 without bias, which is 0 for every θ; sure signs."""
    x = [[0.0, 0.0], [1.0, 2.0]]
    assert kinks_of(ef.Objective(ef.MLP([2, 2, 1]), x, [1.0, 2.0]), np.zeros(9)) is None
    f = ef.Objective(ef.MLP([2, 2, 1], activation="relu", bias=False), x, [1.0, 2.0])
    assert kinks_of(f, [1.0, 2.0, -1.0, 0.7, 1.0, 1.0]) is None
    found = kinks_of(f, [1.0, 2.0, -1.0, 0.5, 1.0, 1.0])
    assert found is not None
    np.testing.assert_array_equal(found.places, [[1, 1, 1]])
    biased = ef.Objective(ef.MLP([2, 2, 1], activation="relu"), x, [1.0, 2.0])
    assert kinks_of(biased, [1.0, 2.0, -1.0, 0.7, 0.0, 0.0, 1.0, 1.0, 0.0]) is not None


def test_a_kink_of_the_output() -> None:
    f = ef.Objective(ef.MLP([1, 1], output="relu", bias=False), [[1.0]], [-1.0])
    found = kinks_of(f, [0.0])
    assert found is not None
    assert np.isnan(found.slope)
    assert found.jumps == 1


def test_rounding_of_single_precision_counts() -> None:
    net = ef.MLP([3, 1, 1], activation="relu")
    x = np.array([[0.1, 0.2, 0.3], [1.0, 1.0, 1.0]], dtype=np.float32)
    theta = np.array([1.0, 1.0, 1.0, -0.6, 1.0, 0.0], dtype=np.float32)  # 0.1 + 0.2 + 0.3 − 0.6 is not 0 in floats
    y = np.array([1.0, 2.0], dtype=np.float32)
    found = kinks_of(ef.Objective(net, x, y), theta)
    assert found is not None
    assert len(found.places) == 1
    assert kinks_of(ef.Objective(net, x.astype(float), y.astype(float)), theta.astype(float)) is None
