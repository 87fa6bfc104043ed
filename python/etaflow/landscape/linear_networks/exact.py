"""Exact arithmetic: every float is a fraction with a power of two below, so ranks and multiplicities can be decided, not guessed."""

from __future__ import annotations

from fractions import Fraction
from math import gcd
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from etaflow._checks import FloatArray

Integers: TypeAlias = list[list[int]]
Fractions: TypeAlias = npt.NDArray[Any]
"""An array of dtype object that holds `fractions.Fraction`; NumPy multiplies such matrices exactly."""


def as_fractions(array: FloatArray) -> Fractions:
    """Return the same numbers as fractions.

    Returns
    -------
    ndarray of Fraction
        Of the same shape, dtype object.

    Examples
    --------
    >>> as_fractions(np.array([[0.5, 3.0]]))
    array([[Fraction(1, 2), Fraction(3, 1)]], dtype=object)
    """
    exact = np.empty(array.shape, dtype=object)
    for place, number in np.ndenumerate(array):
        exact[place] = Fraction(float(number))
    return exact


def scaled_columns(array: FloatArray) -> Integers:
    """Return the columns as integers, each column multiplied by a power of two of its own.

    That changes no rank, and nothing else that does not depend on the units of a column.

    Returns
    -------
    list of list of int
        Row by row, like `array`.

    Examples
    --------
    >>> scaled_columns(np.array([[0.5, 3.0], [0.25, 1.0]]))
    [[2, 3], [1, 1]]
    """
    columns = []
    for column in array.T:
        exact = [Fraction(float(number)) for number in column]
        scale = max(number.denominator for number in exact)  # powers of two: the largest is a multiple of all
        columns.append([int(number * scale) for number in exact])
    return [list(row) for row in zip(*columns, strict=True)]


def scaled(array: FloatArray) -> Integers:
    """Return the entries as integers, all multiplied by one power of two.

    Returns
    -------
    list of list of int
        Row by row.
    """
    exact = as_fractions(array)
    scale = max(number.denominator for number in exact.ravel())
    return [[int(number * scale) for number in row] for row in exact]


def product_with_transpose(first: Integers, second: Integers) -> Integers:
    """Return firstᵀ·second.

    Returns
    -------
    list of list of int
        One row per column of `first`.
    """
    left, right = list(zip(*first, strict=True)), list(zip(*second, strict=True))
    return [[sum(a * b for a, b in zip(one, other, strict=True)) for other in right] for one in left]


def rank(rows: Integers) -> int:
    """Return the rank, by elimination without fractions (Bareiss 1968).

    Returns
    -------
    int
        The rank over the rationals.

    Examples
    --------
    >>> rank([[1, 2], [2, 4]])
    1
    """
    left, found, last = [list(row) for row in rows], 0, 1
    for column in range(len(rows[0])):
        pivot = next((i for i in range(found, len(left)) if left[i][column]), None)
        if pivot is None:
            continue
        left[found], left[pivot] = left[pivot], left[found]
        head = left[found]
        for row in left[found + 1 :]:
            factor = row[column]
            for j in range(column, len(row)):
                row[j] = (row[j] * head[column] - factor * head[j]) // last  # exact: every entry is a minor
        last, found = head[column], found + 1
        if found == len(left):
            break
    return found


def solve(matrix: Integers, right: Integers) -> tuple[Integers, int]:
    """Return Z and D with matrix·Z = D·right, where D is the determinant up to its sign.

    Parameters
    ----------
    matrix : list of list of int
        Square and invertible.
    right : list of list of int
        With as many rows.

    Returns
    -------
    solution : list of list of int
        Z.
    determinant : int
        D.

    Examples
    --------
    >>> solve([[2, 0], [0, 3]], [[1], [1]])
    ([[3], [2]], 6)
    """
    size, last = len(matrix), 1
    rows = [[*one, *other] for one, other in zip(matrix, right, strict=True)]
    for k in range(size):
        pivot = next(i for i in range(k, size) if rows[i][k])
        rows[k], rows[pivot] = rows[pivot], rows[k]
        head = rows[k]
        for i, row in enumerate(rows):
            if i != k:
                factor = row[k]
                rows[i] = [(a * head[k] - factor * b) // last for a, b in zip(row, head, strict=True)]
        last = head[k]
    return [row[size:] for row in rows], last


def characteristic_polynomial(matrix: Integers) -> list[int]:
    """Return the coefficients of det(zI − matrix) from z^m down to 1 (Faddeev and LeVerrier).

    Returns
    -------
    list of int
        m + 1 numbers, of which the first is 1.

    Examples
    --------
    >>> characteristic_polynomial([[2, 0], [0, 3]])  # z² − 5z + 6
    [1, -5, 6]
    """
    size, coefficients = len(matrix), [1]
    power = [[0] * size for _ in range(size)]
    for k in range(1, size + 1):
        for i in range(size):
            power[i][i] += coefficients[-1]
        columns = list(zip(*power, strict=True))
        power = [[sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in matrix]
        coefficients.append(-sum(power[i][i] for i in range(size)) // k)
    return coefficients


def distinct_roots(polynomial: list[int]) -> int:
    """Return how many different roots a polynomial has: its degree less that of the greatest common divisor with its derivative.

    Returns
    -------
    int
        Complex roots are counted too; a characteristic polynomial of a symmetric matrix has none.

    Examples
    --------
    >>> distinct_roots([1, -4, 5, -2])  # (z − 1)²(z − 2)
    2
    """
    degree = len(polynomial) - 1
    derivative = [(degree - i) * one for i, one in enumerate(polynomial[:-1])]
    first, second = _primitive(polynomial), _primitive(derivative)
    while second:
        first, second = second, _primitive(_remainder(first, second))
    return degree - (len(first) - 1)


def _remainder(dividend: list[int], divisor: list[int]) -> list[int]:
    rest = list(dividend)
    while len(rest) >= len(divisor):
        head = rest[0]
        rest = [one * divisor[0] for one in rest]
        for i, one in enumerate(divisor):
            rest[i] -= head * one
        rest = rest[1:]
    return rest


def _primitive(polynomial: list[int]) -> list[int]:
    # Without leading zeros and common factors, which would make the numbers longer at every division.
    start = next((i for i, one in enumerate(polynomial) if one), len(polynomial))
    common = gcd(*polynomial[start:]) if start < len(polynomial) else 1
    return [one // common for one in polynomial[start:]]
