"""Separating directions against fractions, scikit-learn's SVM, and Gordan's alternative by another linear program."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from etaflow.landscape.verdict.separation import separate


def signs(rows: Any, direction: Any) -> list[int]:
    exact = [
        sum(Fraction(a) * Fraction(v) for a, v in zip(row, direction.tolist(), strict=True)) for row in rows.tolist()
    ]
    return [(side > 0) - (side < 0) for side in exact]


def has_alternative(rows: Any) -> bool:
    """Whether Aᵀy = 0 for a y > 0: by Stiemke's theorem exactly when no ν has 0 ≠ Aν ≥ 0."""
    result = linprog(np.zeros(len(rows)), A_eq=rows.T, b_eq=np.zeros(rows.shape[1]), bounds=(1, None))
    return bool(result.status == 0)


def test_either_a_direction_or_its_alternative() -> None:
    generator, found = np.random.default_rng(0), []
    for _ in range(120):
        rows = generator.integers(-3, 4, size=(generator.integers(2, 9), 3)).astype(float)
        one = separate(rows)
        assert (one is None) == has_alternative(rows)
        if one is None:
            found.append("none")
            continue
        assert one.exact
        if one.complete:
            assert min(signs(rows, one.direction)) == 1
        found.append("complete" if one.complete else "quasi")
    assert min(found.count(word) for word in ("none", "complete", "quasi")) >= 5


def test_the_direction_is_that_of_the_largest_margin() -> None:
    """SVC has an intercept; on data with its mirror image, −x with the other label, that is 0."""
    svm = pytest.importorskip("sklearn.svm")
    generator = np.random.default_rng(1)
    for _ in range(5):
        wanted = generator.normal(size=4)
        x = generator.normal(size=(30, 4))
        x = x[np.abs(x @ wanted) > 0.3]
        y = np.sign(x @ wanted)
        one = separate(y[:, None] * x)
        assert one is not None
        assert one.complete
        machine = svm.SVC(kernel="linear", C=1e10, tol=1e-10).fit(np.vstack([x, -x]), np.concatenate([y, -y]))
        normal = machine.coef_[0]
        np.testing.assert_allclose(one.direction, normal / np.linalg.norm(normal), atol=1e-6)
        assert (y[:, None] * x @ one.direction).min() == pytest.approx(1 / np.linalg.norm(normal), rel=1e-6)


def test_quasi_separation_is_checked_in_fractions() -> None:
    """Rows (0.1, 0.2, 0.3)·k and its negative lie on the plane; in floats their products with ν need not be 0."""
    edge = np.array([0.1, 0.2, 0.3])
    rows = np.stack([edge, -3 * edge, [1.0, 0.0, 1.0], [2.0, 1.0, 0.5]])
    rows[1] = -edge * 4  # exactly opposite: a power of two
    one = separate(rows)
    assert one is not None
    assert not one.complete
    assert one.exact
    np.testing.assert_array_equal(one.strict, [False, False, True, True])


def test_opposite_rows_that_are_not_quite_opposite() -> None:
    """By one unit in the last place the data are separable, with a margin that no tolerance of the program sees."""
    rows = np.array([[1.0, 0.0], [-1.0, 2.0**-52]])
    one = separate(rows)
    assert one is None or one.exact
    assert separate(np.array([[1.0, 0.0], [-1.0, 0.0]])) is None


def test_zero_rows_are_on_the_edge() -> None:
    one = separate(np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert one is not None
    np.testing.assert_array_equal(one.strict, [False, True])
    assert separate(np.zeros((3, 2))) is None
