"""Ordinary least squares and the conditions of the theorems, against NumPy, mpmath and elimination over fractions."""

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import etaflow as ef
from etaflow.landscape.linear_networks import exact
from etaflow.landscape.linear_networks.modular import proves_distinct
from etaflow.landscape.linear_networks.regression import Regression

linear = ef.linear_networks
NAMES = ("XXᵀ has full rank", "XYᵀ has full rank", "d_x >= d_y", "Σ has full rank", "Σ has distinct eigenvalues")


def draw(n: int, inputs: int, outputs: int, seed: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, inputs)), generator.normal(size=(n, outputs))


def rank_by_fractions(rows: Any) -> int:
    """Gauss's elimination with a pivot divided out, over the rationals."""
    left, found = [[Fraction(entry) for entry in row] for row in rows], 0
    for column in range(len(rows[0])):
        pivot = next((row for row in left if row[column] != 0), None)
        if pivot is None:
            continue
        left.remove(pivot)
        left = [[a - b * row[column] / pivot[column] for a, b in zip(row, pivot, strict=True)] for row in left]
        found += 1
    return found


@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 5),
    entries=st.lists(st.integers(-2, 2), min_size=25, max_size=25),
)
def test_rank_equals_elimination_over_fractions(rows: int, columns: int, entries: list[int]) -> None:
    matrix = [entries[i * columns : (i + 1) * columns] for i in range(rows)]
    assert exact.rank(matrix) == rank_by_fractions(matrix)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
def test_solution_and_characteristic_polynomial_are_exact(size: int) -> None:
    generator = np.random.default_rng(size)
    matrix = generator.integers(-9, 10, (size, size)).tolist()
    right = generator.integers(-9, 10, (size, 2)).tolist()
    solution, determinant = exact.solve(matrix, right)
    assert (np.array(matrix, object) @ np.array(solution, object) == determinant * np.array(right, object)).all()
    assert abs(determinant) == pytest.approx(abs(np.linalg.det(matrix)), rel=1e-9)
    np.testing.assert_allclose(exact.characteristic_polynomial(matrix), np.poly(matrix), rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("roots", [(1,), (1, 1), (1, 2), (2, 2, 2), (0, 0, 1), (-1, 3, 3, 5), (1, 2, 3, 4, 5, 5, 5)])
def test_distinct_roots(roots: tuple[int, ...]) -> None:
    assert exact.distinct_roots([int(one) for one in np.poly(roots).round()]) == len(set(roots))


@given(entries=st.lists(st.integers(-2, 2), min_size=18, max_size=18), prime=st.sampled_from([101, 2**61 - 1]))
def test_what_a_prime_proves_is_so(entries: list[int], prime: int) -> None:
    """Against the exact count: it never proves what is false, and a large prime misses nothing here."""
    x, cross = [entries[i : i + 3] for i in (0, 3, 6)], [entries[i : i + 3] for i in (9, 12, 15)]
    gram = exact.product_with_transpose(x, x)
    if exact.rank(gram) < 3:
        assert prime < 1000 or not proves_distinct(gram, cross, prime)
        return
    solution, _ = exact.solve(gram, cross)
    multiple = exact.product_with_transpose(cross, solution)
    distinct = exact.distinct_roots(exact.characteristic_polynomial(multiple)) == 3
    if proves_distinct(gram, cross, prime):
        assert distinct
    elif prime > 1000:
        assert not distinct


def test_fractions_are_the_floats() -> None:
    numbers = np.array([[0.1, -2.5e-310, 1e300]])
    assert [float(one) for one in exact.as_fractions(numbers)[0]] == numbers[0].tolist()
    assert exact.as_fractions(numbers)[0, 0] != Fraction(1, 10)  # 0.1 is not a float


@pytest.mark.parametrize(("n", "inputs", "outputs"), [(9, 3, 2), (5, 5, 1), (3, 5, 2), (40, 4, 6)])
def test_ols_equals_lstsq(n: int, inputs: int, outputs: int) -> None:
    x, y = draw(n, inputs, outputs, seed=n)
    fit = linear.ols(x, y)
    oracle, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
    np.testing.assert_allclose(fit.coefficients, oracle.T, rtol=1e-11, atol=1e-12)
    assert fit.value == pytest.approx(np.sum((y - x @ oracle) ** 2), rel=1e-11, abs=1e-24)
    assert fit.rank == fit.numerical_rank == rank
    assert fit.unique == (rank == inputs)
    np.testing.assert_allclose(fit.curvatures, np.linalg.eigvalsh(x.T @ x), rtol=1e-11, atol=1e-11)


def test_ols_is_the_printed_formula_and_the_objective_is_convex() -> None:
    x, y = draw(12, 3, 2, seed=1)
    fit = linear.ols(x, y)
    np.testing.assert_allclose(fit.coefficients, y.T @ x @ np.linalg.inv(x.T @ x), rtol=1e-12)
    f = ef.Objective(ef.MLP([3, 2], bias=False), x, y, reduction="sum")
    assert float(f.value(fit.coefficients.ravel())) == pytest.approx(fit.value, rel=1e-12)
    assert np.linalg.norm(f.gradient(fit.coefficients.ravel())) < 1e-12
    hessian = np.linalg.eigvalsh(f.hessian(np.zeros(6)))
    np.testing.assert_allclose(hessian, 2 * np.repeat(fit.curvatures, 2), rtol=1e-12)
    assert (hessian > 0).all()


def test_ols_with_deficient_rank_is_the_shortest_and_says_so() -> None:
    x, y = draw(8, 2, 2, seed=2)
    x = np.column_stack([x, x[:, 0] + x[:, 1]]).round(8)
    x[:, 2] = x[:, 0]  # exactly
    fit = linear.ols(x, y)
    assert (fit.rank, fit.numerical_rank, fit.unique) == (2, 2, False)
    np.testing.assert_allclose(fit.coefficients, (np.linalg.pinv(x) @ y).T, rtol=1e-10)
    assert "its rank is 2 of 3; minimisers fill a space of dimension 2" in repr(fit)


def test_ols_tells_exact_rank_from_the_rank_in_float64() -> None:
    x = np.array([[1.0, 1.0], [1.0, 1.0 + 2**-52], [2.0, 2.0]])
    fit = linear.ols(x, [1.0, 1.0, 2.0])
    assert (fit.rank, fit.numerical_rank, fit.unique) == (2, 1, True)
    assert "in float64 its rank is 1 of 2" in fit.reason


def test_conditions_hold_for_random_data() -> None:
    conditions = linear.kawaguchi_conditions(*draw(30, 4, 3, seed=3))
    assert conditions.hold
    assert conditions.failing == ()
    assert tuple(one.name for one in conditions.assumptions) == NAMES
    assert str(conditions).count("holds") == 5


@pytest.mark.parametrize(
    ("x", "y", "failing"),
    [
        ([[1, 2], [2, 4], [3, 6]], [[1], [2], [4]], (NAMES[0], NAMES[3], NAMES[4])),
        ([[1, 0], [0, 1], [0, 0]], [[1, 1], [2, 2], [0, 5]], (NAMES[1], NAMES[3])),
        ([[1], [2], [3]], [[1, 0], [1, 2], [1, 1]], (NAMES[2], NAMES[3])),
        ([[1, 0], [0, 1]], [[3, 4], [-4, 3]], (NAMES[4],)),  # Σ = 25·I
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 2, 0], [0, 0, 2]], (NAMES[4],)),
    ],
)
def test_failing_conditions_are_named(x: Any, y: Any, failing: tuple[str, ...]) -> None:
    conditions = linear.kawaguchi_conditions(x, y)
    assert conditions.failing == failing
    assert repr(conditions) == f"LinearConditions(failing: {'; '.join(failing)})"


def test_conditions_are_exact_where_float64_is_not() -> None:
    """λ = 1 and (1 + 2⁻⁵²)²: Σ's entries differ by less than rounding of its eigenvalues, but they differ."""
    y = np.diag([1.0, 1.0 + 2**-52])
    conditions = linear.kawaguchi_conditions(np.eye(2), y)
    assert conditions.hold
    assert 0 < conditions.assumptions[4].margin < 1e-15
    with pytest.raises(ValueError, match="that the eigenvalues of Σ be distinct: λ_1 = 1 and λ_2"):
        linear.critical_points(np.eye(2), y, 1)


def test_conditions_do_not_see_the_units() -> None:
    x, y = draw(20, 3, 2, seed=4)
    units = np.array([1e-120, 1.0, 1e90])
    assert linear.kawaguchi_conditions(x * units, y * 1e50).hold


@pytest.mark.parametrize("seed", range(4))
def test_sigma_equals_mpmath(seed: int) -> None:
    x, y = draw(7, 3, 2, seed)
    data = Regression.of(x * np.array([1.0, 1e3, 1e-3]), y)
    with mpmath.workdps(60):
        inputs, targets = mpmath.matrix(data.x.tolist()), mpmath.matrix(y.tolist())
        cross = targets.T * inputs
        sigma = cross * (inputs.T * inputs) ** -1 * cross.T
        values = sorted((float(one) for one in mpmath.eigsy(sigma, eigvals_only=True)), reverse=True)
    np.testing.assert_allclose(data.eigenvalues, values, rtol=1e-12)


@pytest.mark.parametrize("function", [linear.ols, linear.kawaguchi_conditions])
@pytest.mark.parametrize(
    ("x", "y", "error", "words"),
    [
        ([1.0, 2.0], [1.0, 2.0], ValueError, "x must have 2 dimensions"),
        ([[1.0], [2.0]], [1.0], ValueError, "x and y must have the same length"),
        (np.zeros((0, 2)), np.zeros((0, 1)), ValueError, "x must hold at least one observation"),
        (np.zeros((2, 0)), np.zeros((2, 1)), ValueError, "x and y must have columns"),
        ([[np.nan], [1.0]], [1.0, 2.0], ValueError, r"x must be finite \(x\[0, 0\] is nan\)"),
        (np.ones((2, 1), np.float32), [1.0, 2.0], TypeError, "x must be float64"),
    ],
)
def test_bad_data(function: Any, x: Any, y: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        function(x, y)
