"""Null spaces against closed forms: Baldi and Hornik's nullity p², ranks by NumPy, symmetries counted by hand."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.landscape.verdict.evidence import gather
from etaflow.landscape.verdict.null_space import NullSpace, explain
from etaflow.landscape.verdict.valley import falling_null_direction
from reference import oracle_of


def null_space_of(f: ef.Objective, theta: Any, *, fitted: bool = False) -> NullSpace:
    return explain(f, gather(f, np.asarray(theta, float)), 1e-9, fitted=fitted)


def linear_problem(m: int, p: int, seed: int = 0) -> tuple[ef.Objective, Any, Any, Any]:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(20, m))
    y = x @ generator.normal(size=(m, m)) + generator.normal(size=(20, m))
    f = ef.Objective(ef.MLP([m, p, m], activation="identity", bias=False), x, y)
    xx, yx = x.T @ x, y.T @ x
    regression = yx @ np.linalg.inv(xx)
    values, vectors = np.linalg.eigh(regression @ yx.T)
    return f, values[::-1], vectors[:, ::-1], regression


@pytest.mark.parametrize("m", [2, 3, 4, 5, 6])
def test_baldi_and_hornik(m: int) -> None:
    """Every critical point of rank p ≤ m: index #{i ∈ Γ, j ∉ Γ: λ_j > λ_i}, nullity p², all of it explained by GL(p)."""
    generator = np.random.default_rng(1)
    for p in range(1, m + 1):
        f, values, vectors, regression = linear_problem(m, p)
        for chosen in combinations(range(m), p):
            mix = np.linalg.qr(generator.normal(size=(p, p)))[0] @ np.diag(generator.uniform(0.5, 2, p))
            second = vectors[:, chosen] @ np.linalg.inv(mix)
            first = mix @ vectors[:, chosen].T @ regression
            verdict = ef.classify(f, f.net.flatten([(first, None), (second, None)]))
            left = [j for j in range(m) if j not in chosen]
            assert verdict.index == sum(bool(values[j] > values[i]) for i in chosen for j in left)
            assert verdict.nullity == p * p
            assert verdict.null_space is not None
            assert verdict.null_space.unexplained == 0
            assert verdict.null_space.causes == {"invertible matrices between linear layers": p * p}
            best = chosen == tuple(range(p))
            assert verdict.kind == ("degenerate" if best else "strict saddle")
            assert verdict.is_local_minimum == best
            assert verdict.certified
            assert verdict.certificate is not None
            assert verdict.certificate.index == verdict.index
            assert verdict.certificate.symmetries == p * p
            assert verdict.certificate.radius < 1e-9


def test_the_zero_network_of_three_layers() -> None:
    """At 0 of (1 − uvw)² the Hessian is 0, f is flat along each axis, and falls along (1, 1, 1) in third order."""
    f = ef.Objective(ef.MLP([1, 1, 1, 1], activation="identity", bias=False), [[1.0]], [1.0])
    evidence = gather(f, np.zeros(3))
    found = explain(f, evidence, 0.0)
    assert found.dimension == 3
    fall = falling_null_direction(f, evidence, found)
    assert fall is not None
    assert fall.direction.prod() > 0
    assert not fall.beyond_kink
    assert "higher order" in ef.classify(f, np.zeros(3)).reason


def test_no_direction_falls_in_a_valley() -> None:
    f = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1.0], [2.0]], [1.0, 3.0])
    theta = np.array([2.0, 0.7])  # vw = 7/5 is the regression
    evidence = gather(f, theta)
    found = explain(f, evidence, 1e-9)
    assert (found.dimension, found.explained) == (1, 1)
    assert falling_null_direction(f, evidence, found) is None


def polished(f: ef.Objective, seed: int = 0) -> Any:
    return ef.polish(f, f.net.init(seed)).theta


def test_the_scales_of_relu_units() -> None:
    """Two ReLUs that fit |x| − ½·x exactly at θ, found from its formula: one scale for each."""
    x = np.array([[-2.0], [-1.0], [1.0], [3.0], [4.0]])
    y = np.abs(x[:, 0]) - 0.5 * x[:, 0] + np.array([0.1, -0.1, 0.2, -0.3, 0.1])
    f = ef.Objective(ef.MLP([1, 2, 1], activation="relu", bias=False), x, y)
    right, left = x[x > 0], x[x < 0]
    up = float(y[2:] @ right / (right @ right))
    down = float(y[:2] @ left / (left @ left))
    found = null_space_of(f, [2.0, -3.0, up / 2, -down / 3])
    assert (found.dimension, found.unexplained) == (2, 0)
    assert found.causes == {"the scales of ReLU units": 2}
    verdict = ef.classify(f, [2.0, -3.0, up / 2, -down / 3])
    assert (verdict.kind, verdict.certified) == ("degenerate", True)
    assert "a minimum, but not a strict one" in verdict.reason
    assert verdict.certificate is not None
    assert verdict.certificate.symmetries == 2


def test_dead_units() -> None:
    """A unit that is off for all observations: its two entering and its one leaving parameter do nothing."""
    x = np.array([[1.0], [2.0], [3.0], [5.0]])
    y = np.array([1.0, 2.5, 2.9, 5.2])
    line = np.linalg.lstsq(np.hstack([x, np.ones_like(x)]), y, rcond=None)[0]
    f = ef.Objective(ef.MLP([1, 2, 1], activation="relu"), x, y)
    theta = np.array([1.0, -1.0, 0.5, -1.0, line[0], 0.7, line[1] - 0.5 * line[0]])
    found = null_space_of(f, theta)
    assert found.unexplained == 0
    assert found.causes["dead units"] == 3
    assert found.causes["units that are linear on the data"] == 1  # its bias against the next; and there is its scale
    assert found.dimension == 7 - np.linalg.matrix_rank(oracle_of(f).hessian(theta), tol=1e-9)


def test_two_units_that_are_on_for_all_observations() -> None:
    """Together they are a linear network with two hidden units: of its 7 parameters only the line's 2 are seen."""
    x = np.array([[1.0], [2.0], [3.0], [5.0]])
    f = ef.Objective(ef.MLP([1, 2, 1], activation=("leaky_relu", 0.5)), x, [1.0, 2.5, 2.9, 5.2])
    theta = ef.polish(f, [1.0, -0.3, 0.5, -0.2, 0.7, 0.6, 0.1]).theta
    found = null_space_of(f, theta)
    assert (found.dimension, found.unexplained) == (5, 0)
    verdict = ef.classify(f, theta)
    assert verdict.certified
    assert verdict.certificate is not None
    assert verdict.certificate.symmetries == 5
    linear = ef.Objective(ef.MLP([1, 2, 1], activation="identity"), x, [1.0, 2.5, 2.9, 5.2])
    found = null_space_of(linear, polished(linear))
    assert (found.dimension, found.unexplained) == (5, 0)


def test_units_that_are_on_and_off_together() -> None:
    """Two leaky ReLUs with their kinks in the same gap of the data: h = c + s(x)·(αx + β), 3 of the 7 parameters."""
    x = np.array([-1.0, -0.3, 0.2, 0.4, 0.7, 0.9, 1.5])
    y = np.array([0.1, 0.4, 0.1, 0.2, 0.9, 1.1, 2.3])
    slope = np.where(x > 0.5, 1.0, 0.25)
    alpha, beta, c = np.linalg.lstsq(np.column_stack([slope * x, slope, np.ones(7)]), y, rcond=None)[0]
    w, b = np.array([1.0, 1.1]), np.array([-0.5, -0.6])  # kinks at 0.5 and 0.545
    v = np.linalg.solve(np.stack([w, b]), [alpha, beta])
    f = ef.Objective(ef.MLP([1, 2, 1], activation=("leaky_relu", 0.25)), x[:, None], y)
    found = null_space_of(f, np.concatenate([w, b, v, [c]]))
    assert (found.dimension, found.unexplained) == (4, 0)
    assert found.causes == {"the scales of ReLU units": 2, "units that are on and off together": 2}
    assert ef.classify(f, np.concatenate([w, b, v, [c]])).certified
    # With one of them turned round, s(x) + s(−x) is constant: two scales, and a relation that has no name here.
    theta = np.array([1.0, -1.1, -0.5, 0.6, 0.9, -0.8, 0.1])
    features = np.column_stack([slope * x, slope, (1.25 - slope) * x, np.ones(7)])
    residual = y - features @ np.linalg.lstsq(features, y, rcond=None)[0]
    g = ef.Objective(f.net, x[:, None], f.net.predict(theta, x[:, None])[:, 0] + residual)
    found = null_space_of(g, theta)
    assert (found.dimension, found.unexplained) == (3, 0)
    assert found.causes["all the directions that change no prediction to first order"] == 3


def test_a_valley_that_leads_down_beyond_a_kink() -> None:
    """A line fitted to a hinge, with a dead unit: f is constant until that unit wakes up, and then falls."""
    x = np.array([[1.0], [2.0], [3.0], [4.0], [5.0]])
    y = np.array([1.0, 1.0, 1.0, 2.0, 3.0])
    line = np.linalg.lstsq(np.hstack([x, np.ones_like(x)]), y, rcond=None)[0]
    f = ef.Objective(ef.MLP([1, 2, 1], activation="relu"), x, y)
    theta = np.array([1.0, 0.3, 0.5, -2.0, line[0], 0.7, line[1] - 0.5 * line[0]])
    got = ef.classify(f, theta)
    assert got.kind == "degenerate"
    assert got.fall is not None
    assert got.fall.beyond_kink
    assert got.certified  # a minimum all the same
    assert got.is_local_minimum
    assert "in a valley that leads down" in got.reason
    way = f.value(theta + np.linspace(0, got.fall.distance, 400)[:, None] * got.fall.direction)
    assert way[-1] < way[0] - got.fall.amount / 2
    assert way.max() < way[0] + 1e-12
    generator = np.random.default_rng(6)  # no point nearer than the kink is lower
    near = theta + 1e-3 * generator.normal(size=(2000, 7))
    assert (f.value(near) > got.value - 1e-15).all()


def test_the_deficient_rank_of_the_inputs() -> None:
    generator = np.random.default_rng(2)
    x = generator.uniform(-1, 1, (30, 2))
    wide = np.column_stack([x, x[:, 0] - x[:, 1], np.ones(30)])  # one dependent column, one that copies the bias
    f = ef.Objective(ef.MLP([4, 2, 1]), wide, np.sin(2 * x[:, 0]) + 0.3 * generator.normal(size=30))
    theta = polished(f, 4)
    assert np.linalg.norm(theta) < 100
    found = null_space_of(f, theta)
    assert found.causes == {"the deficient rank of the inputs": 4}  # two relations, two units
    assert (found.dimension, found.unexplained) == (4, 0)


def test_duplicate_units() -> None:
    """Fukumizu and Amari: a minimum with a unit split in two; the output weight may be shared out anyhow."""
    generator = np.random.default_rng(3)
    x = generator.uniform(-2, 2, (40, 1))
    small = ef.Objective(ef.MLP([1, 1, 1]), x, np.sin(2 * x[:, 0]))
    (w, b), (v, c) = small.net.layers(ef.polish(small, [1.0, 0.1, 1.0, 0.0]).theta)
    assert b is not None
    large = ef.Objective(ef.MLP([1, 2, 1]), x, np.sin(2 * x[:, 0]))
    theta = large.net.flatten([(np.vstack([w, w]), np.repeat(b, 2)), (np.hstack([v / 3, 2 * v / 3]), c)])
    found = null_space_of(large, theta)
    assert found.causes == {"duplicate units": 1}
    assert (found.dimension, found.unexplained) == (1, 0)


def test_softmax_and_the_perfect_fit() -> None:
    generator = np.random.default_rng(4)
    x, labels = generator.normal(size=(30, 2)), generator.integers(0, 3, size=30)
    f = ef.Objective(ef.MLP([2, 3]), x, labels, loss="softmax")
    found = null_space_of(f, polished(f))
    assert (found.dimension, found.unexplained) == (3, 0)
    assert found.causes == {"the common shift of softmax's outputs": 3}
    g = ef.Objective(ef.MLP([2, 4, 1]), x[:6], generator.normal(size=6))
    theta = polished(g)
    assert g.value(theta) < 1e-20
    fit = null_space_of(g, theta, fitted=True)
    jacobian = oracle_of(ef.Objective(g.net, x[:6], g.net.predict(theta, x[:6])[:, 0] - 1)).sample_gradients(theta) / 2
    assert fit.dimension == fit.explained == g.num_params - np.linalg.matrix_rank(jacobian)


def test_saturated_units_and_units_without_leaving_weights() -> None:
    x = np.array([[1.0], [2.0], [3.0]])
    f = ef.Objective(ef.MLP([1, 1, 1]), x, [1.0, 2.0, 4.0])
    saturated = null_space_of(f, [40.0, 5.0, 0.0, 7 / 3])
    assert saturated.causes["saturated units"] == 2
    idle = null_space_of(f, [0.3, 0.1, 0.0, 7 / 3])
    assert "units without leaving weights" not in idle.causes  # there the mixed derivatives do not vanish
    assert idle.dimension == 4 - np.linalg.matrix_rank(oracle_of(f).hessian([0.3, 0.1, 0.0, 7 / 3]), tol=1e-9)


def test_in_words() -> None:
    f, _, _, regression = linear_problem(2, 1)
    left, sizes, right = np.linalg.svd(regression)
    words = str(null_space_of(f, np.concatenate([sizes[0] * right[0], left[:, 0]])))
    assert words.startswith(("1 null direction,", "0 null directions,"))


@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_a_penalty_leaves_no_symmetry(l2: float) -> None:
    f = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1.0]], [2.0], l2=l2)
    theta = polished(f, 2)
    assert (ef.classify(f, theta).kind == "minimum") == (l2 > 0)
