"""Critical points of linear networks: closed forms against the gradient and Hessian of `Objective`, and against `point_test`."""

from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pytest

import etaflow as ef

linear = ef.linear_networks
CASES = [(m, p) for m in range(1, 7) for p in range(1, m + 1)]


def draw(m: int, inputs: int, seed: int = 0) -> tuple[Any, Any]:
    """Data whose Σ has well separated eigenvalues, about 1 to (m + 1)²/4."""
    generator = np.random.default_rng(100 * m + inputs + seed)
    n = inputs + 4
    x = generator.normal(size=(n, inputs))
    left, _ = np.linalg.qr(x)
    rotation, _ = np.linalg.qr(generator.normal(size=(m, m)))
    signal = left[:, :m] * (1 + np.arange(m) / 2) @ rotation
    noise = generator.normal(size=(n, m))
    return x, signal + 0.3 * (noise - left @ (left.T @ noise))


def mixing(width: int, seed: int) -> Any:
    """An invertible matrix with a condition number below 4."""
    generator = np.random.default_rng(seed)
    left, right = (np.linalg.qr(generator.normal(size=(width, width)))[0] for _ in range(2))
    return left * generator.uniform(0.5, 2, width) @ right


def network(x: Any, y: Any, hidden: Any) -> ef.Objective:
    net = ef.MLP([x.shape[1], *hidden, y.shape[1]], activation="identity", bias=False)
    return ef.Objective(net, x, y, reduction="sum")


def check(f: ef.Objective, point: Any) -> None:
    """Gradient 0, the loss, and the signs of the Hessian's eigenvalues with a clear gap."""
    scale = float(f.value(np.zeros(f.num_params)))
    assert np.linalg.norm(f.gradient(point.theta)) < 1e-11 * scale
    assert float(f.value(point.theta)) == pytest.approx(point.value, rel=1e-11)
    eigenvalues = np.linalg.eigvalsh(f.hessian(point.theta))
    size = np.abs(eigenvalues) / max(np.abs(eigenvalues).max(), 1e-300)
    order = np.sort(size)
    if 0 < point.nullity < len(order):
        assert order[point.nullity - 1] < 1e-11
        assert order[point.nullity] > 1e-4
    elif point.nullity == len(order):
        assert np.abs(eigenvalues).max() < 1e-11 * scale
    negative = int((eigenvalues[size > 1e-7] < 0).sum()) if point.nullity < len(order) else 0
    assert negative == point.index


@pytest.mark.parametrize(("m", "p"), CASES)
@pytest.mark.parametrize("extra", [0, 2])
def test_every_index_set_of_every_case(m: int, p: int, extra: int) -> None:
    """Index #{i ∈ Γ, j ∉ Γ: λ_j > λ_i} and nullity p², for square and wider inputs, on the orbit too."""
    x, y = draw(m, m + extra)
    f, points = network(x, y, [p]), linear.critical_points(x, y, p)
    assert len(points) == comb(m, p)
    assert {point.gamma for point in points} == set(combinations(range(1, m + 1), p))
    for seed, point in enumerate(points):
        crossings = sum(j < i for i in point.gamma for j in range(1, m + 1) if j not in point.gamma)
        assert (point.index, point.nullity) == (crossings, p * p)
        assert point.kind == ("global minimum" if crossings == 0 else "strict saddle")
        check(f, point)
        moved = point.transformed(mixing(p, seed))
        np.testing.assert_allclose(moved.map, point.map, atol=1e-12)
        check(f, moved)


@pytest.mark.parametrize(("m", "p"), CASES)
def test_classify_agrees(m: int, p: int) -> None:
    """The classifier sees the same index and nullity, and that the p² null directions are the orbit W_2·C, C⁻¹·W_1."""
    x, y = draw(m, m)
    f = network(x, y, [p])
    for seed, point in enumerate(linear.critical_points(x, y, p)):
        for theta in (point.theta, point.transformed(mixing(p, seed)).theta):
            verdict = ef.classify(f, theta, certify=False)
            assert (verdict.index, verdict.nullity) == (point.index, p * p)
            assert verdict.kind == ("strict saddle" if point.index else "degenerate")


@pytest.mark.parametrize(("m", "p"), [(2, 1), (3, 2), (4, 2), (3, 3)])
def test_point_test_agrees(m: int, p: int) -> None:
    """A minimum has a null space of dimension p², so `point_test` may not call it more than a candidate."""
    x, y = draw(m, m)
    f = network(x, y, [p])
    for point in linear.critical_points(x, y, p):
        verdict = ef.point_test(f, point.theta).verdict
        assert verdict == ("strict saddle" if point.index else "degenerate minimum candidate")


def test_values_are_the_theorem() -> None:
    x, y = draw(4, 5)
    sigma = y.T @ x @ np.linalg.inv(x.T @ x) @ x.T @ y
    values = np.sort(np.linalg.eigvalsh(sigma))[::-1]
    points = linear.critical_points(x, y, 2)
    np.testing.assert_allclose(points.eigenvalues, values, rtol=1e-11)
    for point in points:
        expected = np.trace(y.T @ y) - sum(values[i - 1] for i in point.gamma)
        assert point.value == pytest.approx(expected, rel=1e-12)
    assert [point.value for point in points] == sorted(point.value for point in points)
    assert points[0].gamma == (1, 2)
    assert list(points.data["index"].values) == [point.index for point in points]
    assert points.data.sizes == {"gamma": 6}
    assert points[1:3] == points.points[1:3]


def test_units_of_the_inputs_do_not_matter() -> None:
    x, y = draw(3, 4)
    units = np.array([1e-9, 1.0, 1e7, 3.0])
    for point, same in zip(linear.critical_points(x, y, 2), linear.critical_points(x * units, y, 2), strict=True):
        assert point.gamma == same.gamma
        assert same.value == pytest.approx(point.value, rel=1e-12)
        np.testing.assert_allclose(same.map * units, point.map, rtol=1e-9, atol=1e-12)


def test_global_minimum_is_reduced_rank_regression() -> None:
    """Best rank-p fit by another way: the singular values of the fitted targets (Eckart, Young)."""
    x, y = draw(5, 7)
    fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    left, values, right = np.linalg.svd(fitted, full_matrices=False)
    for p in range(1, 6):
        best = linear.critical_points(x, y, p)[0]
        np.testing.assert_allclose(x @ best.map.T, (left[:, :p] * values[:p]) @ right[:p], atol=1e-12)
        residual = np.sum((y - fitted) ** 2) + np.sum(values[p:] ** 2)
        assert best.value == pytest.approx(residual, rel=1e-12)


@pytest.mark.parametrize("inputs", [3, 5])
@pytest.mark.parametrize("p", [1, 2, 3, 4])
def test_rank_deficient_points_are_strict_saddles(p: int, inputs: int) -> None:
    """T16, with W_1 deficient too and with the free rows Z that make it full."""
    x, y = draw(3, inputs)
    f, cross = network(x, y, [p]), y.T @ x
    generator = np.random.default_rng(p)
    for q in range(min(p, 3)):
        for gamma in combinations(range(1, 4), q):
            point = linear.critical_point(x, y, p, gamma)
            assert point.kind == "strict saddle"
            check(f, point)
            residual = cross - point.map @ (x.T @ x)
            null = np.linalg.svd(residual)[2][3 - q :]  # what the residual maps to 0
            free = generator.normal(size=(p - q, len(null))) @ null
            full = linear.critical_point(x, y, p, gamma, free_rows=free)
            assert np.linalg.matrix_rank(full.weights[0], tol=1e-10) == min(p, len(null))  # U_ΓᵀL* is in it
            check(f, full)
            check(f, full.transformed(mixing(p, 7)))


@pytest.mark.parametrize("hidden", [(1, 1), (2, 2), (2, 3), (5, 4), (3, 2, 4), (2, 2, 2, 2)])
@pytest.mark.parametrize("middle", ["full", "least"])
def test_deep_points(hidden: tuple[int, ...], middle: str) -> None:
    """Theorem (iv) and its companion: saddles with a middle of full rank are strict, others with the best eigenvectors are not."""
    x, y = draw(3, 4)
    f, p = network(x, y, hidden), min(*hidden, 3)
    for q in range(p + 1):
        for gamma in combinations(range(1, 4), q):
            point = linear.critical_point(x, y, hidden, gamma, middle=middle)
            check(f, point)
            check(f, point.transformed(*(mixing(width, 3 + k) for k, width in enumerate(hidden))))
            inner = np.linalg.multi_dot([np.eye(hidden[-1]), *point.weights[-2:0:-1], np.eye(hidden[0])])
            assert np.linalg.matrix_rank(inner) == (min(hidden) if middle == "full" else q)
            best = gamma == tuple(range(1, q + 1))
            expected = "strict saddle"
            if best and q == p:
                expected = "global minimum"
            elif best and middle == "least":
                expected = "degenerate saddle"
            assert point.kind == expected


@pytest.mark.parametrize("hidden", [(2,), (2, 2), (3, 2, 2)])
@pytest.mark.parametrize("middle", ["full", "least"])
def test_the_loss_falls_along_the_escape(hidden: tuple[int, ...], middle: str) -> None:
    x, y = draw(3, 4)
    f = network(x, y, hidden)
    for q in range(3):
        for gamma in combinations(range(1, 4), q):
            point = linear.critical_point(x, y, hidden, gamma, middle=middle).transformed(
                *(mixing(width, k) for k, width in enumerate(hidden))
            )
            if point.escape is None:
                assert point.kind == "global minimum"
                continue
            assert np.linalg.norm(point.escape) == pytest.approx(1)
            steps = np.array([0.05, 0.1])
            falls = point.value - f.value(point.theta + steps[:, None] * point.escape)
            assert (falls > 0).all()
            order = np.log2(falls[1] / falls[0])
            assert order == pytest.approx(2 if point.index else len(hidden) + 1, abs=0.35)


def test_zero_with_two_hidden_layers_has_no_curvature_at_all() -> None:
    x, y = draw(3, 3)
    f = network(x, y, [2, 2])
    assert not f.hessian(np.zeros(f.num_params)).any()
    point = linear.critical_point(x, y, [2, 2], [], middle="least")
    assert (point.index, point.nullity, point.kind) == (0, f.num_params, "degenerate saddle")
    assert linear.critical_point(x, y, 2, []).index == 6  # one hidden layer: p·m negative eigenvalues


def test_inertia_counts() -> None:
    x, y = draw(4, 4)
    f = linear.linear_objective(x, y, 2)
    assert f.net == ef.MLP([4, 2, 4], activation="identity", bias=False)
    assert f.reduction == "sum"
    point = linear.critical_points(x, y, 2)[-1]
    found = linear.inertia(f, point.theta)
    assert (found.negative, found.zero, found.positive) == (4, 4, 8)
    assert found.largest_zero < 1e-13
    assert found.smallest_other > 1e-3
    zero = linear.inertia(linear.linear_objective(x, y, [2, 2]), np.zeros(20))
    assert (zero.negative, zero.zero, zero.positive) == (0, 20, 0)


def test_too_many_points_are_counted_and_can_be_iterated() -> None:
    x = np.diag(np.arange(1.0, 41.0))
    with pytest.raises(ValueError, match=r"got C\(40, 20\) = 137846528820 for p = 20\); iterate_critical_points"):
        linear.critical_points(x, x, 20)
    first, second, _ = (point for point, _ in zip(linear.iterate_critical_points(x, x, 20), range(3), strict=False))
    assert (first.kind, second.index) == ("global minimum", 1)
    with pytest.raises(ValueError, match=r"limit = 2 critical points \(got C\(3, 1\) = 3"):
        linear.critical_points(np.diag([1.0, 2, 3]), np.diag([1.0, 2, 3]), 1, limit=2)


def test_iterator_checks_its_arguments_at_once() -> None:
    with pytest.raises(ValueError, match="p must be <= 2"):
        linear.iterate_critical_points(np.eye(2), np.diag([1.0, 2]), 3)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (
            [[1.0, 2.0], [2.0, 4.0]],
            [[1.0, 0.0], [0.0, 1.0]],
            "that XXᵀ be invertible: its rank in float64 must be d_x = 2 .got 1",
        ),
        (np.eye(2), [[1.0, 1.0], [1.0, 1.0]], "have full rank: it must be d_y = 2 .got 1"),
        (np.eye(2), np.eye(2), "that the eigenvalues of Σ be distinct: λ_1 = 1 and λ_2"),
        ([[1.0], [2.0]], [[1.0, 0.0], [0.0, 1.0]], "have full rank: it must be d_y = 2 .got 1"),
    ],
)
def test_the_failing_condition_is_named(x: Any, y: Any, words: str) -> None:
    for call in (lambda: linear.critical_points(x, y, 1), lambda: linear.critical_point(x, y, 1, [1])):
        with pytest.raises(ValueError, match=f"fail.* of Theorem 3.5 .*{words}"):
            call()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((2, [1, 1]), {}, ValueError, "gamma must hold different numbers"),
        ((2, [4]), {}, ValueError, r"gamma\[0\] must be <= 3"),
        ((2, [0]), {}, ValueError, r"gamma\[0\] must be >= 1"),
        ((1, [1, 2]), {}, ValueError, "gamma must hold at most 1 numbers"),
        ((2, 1), {}, TypeError, "gamma must hold numbers from 1 to 3"),
        (([], [1]), {}, ValueError, "hidden must name at least one width"),
        (([2, 0], [1]), {}, ValueError, r"hidden\[1\] must be >= 1"),
        (([2, 2], [1]), {"middle": "fill"}, ValueError, "did you mean 'full'"),
        (([2, 2], [1]), {"free_rows": np.zeros((1, 3))}, ValueError, "free_rows must be None for more than one"),
        ((2, [1]), {"free_rows": np.zeros((2, 3))}, ValueError, r"free_rows must have shape \(1, 3\)"),
        ((2, [1]), {"free_rows": np.ones((1, 3))}, ValueError, r"free_rows must fulfil"),
    ],
)
def test_bad_arguments(arguments: Any, options: Any, error: type[Exception], words: str) -> None:
    x, y = draw(3, 3)
    with pytest.raises(error, match=words):
        linear.critical_point(x, y, *arguments, **options)


def test_bad_transformations() -> None:
    x, y = draw(3, 3)
    point = linear.critical_points(x, y, 2)[0]
    with pytest.raises(ValueError, match=r"matrices must hold one per hidden layer, 1 \(got 0\)"):
        point.transformed()
    with pytest.raises(ValueError, match=r"matrices\[0\] must have shape \(2, 2\)"):
        point.transformed(np.eye(3))
    with pytest.raises(ValueError, match=r"matrices\[0\] must be invertible"):
        point.transformed(np.ones((2, 2)))
