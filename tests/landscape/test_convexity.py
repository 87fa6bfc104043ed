"""Values enclosed, and witnesses that f is not convex, against mpmath and fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

import etaflow as ef
from etaflow.landscape.convexity import nonconvexity_witness
from etaflow.landscape.verdict.derivatives import enclosable
from etaflow.landscape.verdict.values import enclose_value
from problems import CURVED, Case

ENCLOSED = [case for case in CURVED if enclosable(case.objective)][::5]


@pytest.mark.parametrize("case", ENCLOSED, ids=lambda case: case.name)
def test_values_are_enclosed_and_tight(case: Case) -> None:
    f, theta = case.objective, case.theta()
    low, high = enclose_value(f, theta)
    expected = float(case.oracle.value(theta))
    assert low - 50 * case.eps * abs(expected) <= expected <= high + 50 * case.eps * abs(expected)
    assert high - low < 1e-11 * (1 + abs(expected))


def test_log_and_softmax_against_mpmath() -> None:
    z = [[3.0, -2.0, 0.5], [700.0, 0.0, -700.0], [-1e-9, 0.0, 1e-9]]
    labels = [1, 2, 0]
    with mpmath.workdps(50):
        exact = [
            mpmath.log(sum(mpmath.exp(mpmath.mpf(v)) for v in row)) - row[k] for row, k in zip(z, labels, strict=True)
        ]
        f = ef.Objective(ef.MLP([3, 3], bias=False), z, labels, loss="softmax", reduction="sum")
        low, high = enclose_value(f, np.eye(3).ravel())
        assert mpmath.mpf(low) <= sum(exact) <= mpmath.mpf(high)
        assert high - low < 1e-11
        g = ef.Objective(ef.MLP([1, 1], output="logistic", bias=False), [[2.0], [30.0]], [0.0, 1.0], loss="log")
        low, high = enclose_value(g, np.array([0.7]))
        s = mpmath.mpf(0.7)
        true = (mpmath.log(1 + mpmath.exp(2 * s)) + mpmath.log(1 + mpmath.exp(-30 * s))) / 2
        assert mpmath.mpf(low) <= true <= mpmath.mpf(high)
        assert high - low < 1e-13


def exact_loss(f: ef.Objective, theta: Any) -> Fraction:
    """The mean square loss of a ReLU network in fractions."""
    layers = [
        ([[Fraction(v) for v in row] for row in w.tolist()], [Fraction(v) for v in b.tolist()])
        for w, b in f.net.layers(theta)
        if b is not None
    ]
    total = Fraction(0)
    for x, y in zip(f.x.tolist(), f.y.tolist(), strict=True):
        a = [Fraction(v) for v in x]
        for place, (w, b) in enumerate(layers):
            z = [sum((p * q for p, q in zip(row, a, strict=True)), c) for row, c in zip(w, b, strict=True)]
            a = [max(v, Fraction(0)) for v in z] if place < len(layers) - 1 else z
        total += (a[0] - Fraction(y[0])) ** 2
    return total / f.n


def test_the_inequality_holds_in_fractions() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(15, 2))
    f = ef.Objective(ef.MLP([2, 3, 1], activation="relu"), x, np.abs(x[:, 0]) - x[:, 1])
    trained = ef.descend(f, f.net.init(0), steps=3000, step_size=0.05).theta[0]
    found = nonconvexity_witness(f, trained)
    assert found is not None
    a, m, b = (exact_loss(f, point) for point in (found.first, found.middle, found.second))
    assert [Fraction(v) * 2 for v in found.middle.tolist()] == [
        Fraction(p) + Fraction(q) for p, q in zip(found.first.tolist(), found.second.tolist(), strict=True)
    ]
    assert m - (a + b) / 2 >= Fraction(found.excess) > 0
    assert Fraction(found.excess) > Fraction(99, 100) * (m - (a + b) / 2)
    assert np.abs(found.first - trained).max() < 1e-11


@pytest.mark.parametrize("loss", ["square", "log"])
def test_tanh_networks_are_not_convex(loss: str) -> None:
    x, y = ef.datasets.xor()
    net = ef.MLP([2, 3, 1], output="identity" if loss == "square" else "logistic")
    f = ef.Objective(net, x, (y > 0).astype(float), loss=loss)
    found = nonconvexity_witness(f, ef.descend(f, net.init(0), steps=2000, step_size=0.2).theta[0])
    assert found is not None
    first, middle, second = f.value(np.stack([found.first, found.middle, found.second]))
    assert first == pytest.approx(second, rel=1e-9)
    assert middle - first > found.excess * (1 - 1e-9)
    assert "layer 1" in repr(found)


def test_a_convex_objective_has_no_witness_and_bad_input() -> None:
    f = ef.Objective(ef.MLP([2, 1]), [[1.0, 2.0], [0.5, 1.0]], [1.0, 2.0])
    assert nonconvexity_witness(f, [1.0, 2.0, 3.0]) is None
    g = ef.Objective(ef.MLP([2, 2, 1], activation="gelu"), [[1.0, 2.0]], [1.0])
    with pytest.raises(ValueError, match="without gelu units"):
        nonconvexity_witness(g, np.zeros(9))
    with pytest.raises(ValueError, match="theta must have 1 dimension"):
        nonconvexity_witness(f, np.zeros((2, 3)))
