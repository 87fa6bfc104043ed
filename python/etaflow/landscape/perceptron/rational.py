"""Linear algebra in fractions: a float is a fraction, so that ranks, null spaces and signs are decided, not estimated."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Matrix = list[list[Fraction]]


def fractions_of(matrix: npt.ArrayLike) -> Matrix:
    """Return a matrix of floats as exact fractions.

    Returns
    -------
    list of list of Fraction
        Row by row.
    """
    return [[Fraction(value) for value in row] for row in np.asarray(matrix, dtype=np.float64).tolist()]


def dot(left: Sequence[Fraction], right: Sequence[Fraction]) -> Fraction:
    """Return the inner product of two vectors.

    Returns
    -------
    Fraction
        Exact.
    """
    return sum((a * b for a, b in zip(left, right, strict=True)), Fraction(0))


def reduced(matrix: Sequence[Sequence[Fraction]]) -> tuple[Matrix, list[int]]:
    """Return the reduced row echelon form, without its zero rows, and its pivot columns.

    Parameters
    ----------
    matrix : sequence of rows of Fraction
        At least one row.

    Returns
    -------
    rows : list of list of Fraction
        As many as the rank.
    pivots : list of int
        The columns of their leading ones.

    Examples
    --------
    >>> reduced(fractions_of([[1, 2], [2, 4]]))
    ([[Fraction(1, 1), Fraction(2, 1)]], [0])
    """
    rows, done, pivots = [list(row) for row in matrix], 0, []
    for column in range(len(rows[0])):
        chosen = next((i for i in range(done, len(rows)) if rows[i][column]), None)
        if chosen is None:
            continue
        rows[done], rows[chosen] = rows[chosen], rows[done]
        lead = rows[done][column]
        rows[done] = [value / lead for value in rows[done]]
        for i, row in enumerate(rows):
            factor = row[column]
            if i != done and factor:
                rows[i] = [a - factor * b for a, b in zip(row, rows[done], strict=True)]
        pivots.append(column)
        done += 1
    return rows[:done], pivots


def completed(matrix: Sequence[Sequence[Fraction]], near: Sequence[Any]) -> list[Fraction]:
    """Return an exact solution of M v = 0 that agrees with a float solution in all free variables.

    Parameters
    ----------
    matrix : sequence of rows of Fraction
        M; it may have no row.
    near : sequence of float
        v up to rounding.

    Returns
    -------
    list of Fraction
        The solution.
    """
    solution = [Fraction(float(value)) for value in near]
    if not matrix:
        return solution
    rows, pivots = reduced(matrix)
    for row, pivot in zip(rows, pivots, strict=True):
        solution[pivot] = -sum((row[j] * solution[j] for j in range(len(row)) if j not in pivots), Fraction(0))
    return solution


def null_space(matrix: Sequence[Sequence[Fraction]]) -> Matrix:
    """Return a basis of the null space, one vector for each free variable.

    Returns
    -------
    list of list of Fraction
        Empty if the columns are independent.
    """
    rows, pivots = reduced(matrix)
    width = len(matrix[0])
    basis = []
    for free in (j for j in range(width) if j not in pivots):
        vector = [Fraction(0)] * width
        vector[free] = Fraction(1)
        for row, pivot in zip(rows, pivots, strict=True):
            vector[pivot] = -row[free]
        basis.append(vector)
    return basis
