"""Arithmetic modulo a prime, which proves that eigenvalues are distinct without long numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etaflow.landscape.linear_networks.exact import Integers

PRIME = 2**61 - 1


def proves_distinct(gram: Integers, cross: Integers, prime: int = PRIME) -> bool:
    """Return whether the eigenvalues of crossᵀ·gram⁻¹·cross are distinct modulo a prime, which proves that they are distinct.

    The discriminant of the characteristic polynomial is a fraction whose denominator holds powers of det(gram) alone. If the prime does not
    divide that determinant, and the discriminant is not 0 modulo the prime, then it is not 0.

    Parameters
    ----------
    gram : list of list of int
        XXᵀ, symmetric.
    cross : list of list of int
        XYᵀ, with as many rows.
    prime : int, default 2^61 − 1
        The modulus.

    Returns
    -------
    bool
        False proves nothing.

    Examples
    --------
    >>> proves_distinct([[1, 0], [0, 1]], [[2, 0], [0, 1]]), proves_distinct([[1, 0], [0, 1]], [[1, 0], [0, 1]])
    (True, False)
    """
    solution = _solve(gram, cross, prime)
    if solution is None:
        return False
    columns, right = list(zip(*cross, strict=True)), list(zip(*solution, strict=True))
    sigma = [[sum(a * b for a, b in zip(one, other, strict=True)) % prime for other in right] for one in columns]
    polynomial = _characteristic_polynomial(sigma, prime)
    degree = len(polynomial) - 1
    derivative = [(degree - i) * one % prime for i, one in enumerate(polynomial[:-1])]
    return len(_common_divisor(polynomial, derivative, prime)) == 1


def _solve(matrix: Integers, right: Integers, prime: int) -> Integers | None:
    size = len(matrix)
    rows = [[entry % prime for entry in (*one, *other)] for one, other in zip(matrix, right, strict=True)]
    for k in range(size):
        pivot = next((i for i in range(k, size) if rows[i][k]), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        inverse = pow(rows[k][k], -1, prime)
        rows[k] = [entry * inverse % prime for entry in rows[k]]
        for i, row in enumerate(rows):
            if i != k and row[k]:
                factor = row[k]
                rows[i] = [(a - factor * b) % prime for a, b in zip(row, rows[k], strict=True)]
    return [row[size:] for row in rows]


def _characteristic_polynomial(matrix: Integers, prime: int) -> list[int]:
    # Faddeev and LeVerrier, as in `exact`, with inverses modulo the prime for divisions.
    size, coefficients = len(matrix), [1]
    power = [[0] * size for _ in range(size)]
    for k in range(1, size + 1):
        for i in range(size):
            power[i][i] += coefficients[-1]
        columns = list(zip(*power, strict=True))
        power = [[sum(a * b for a, b in zip(row, column, strict=True)) % prime for column in columns] for row in matrix]
        coefficients.append(-sum(power[i][i] for i in range(size)) * pow(k, -1, prime) % prime)
    return coefficients


def _common_divisor(first: list[int], second: list[int], prime: int) -> list[int]:
    while second:
        inverse = pow(second[0], -1, prime)
        rest = list(first)
        while len(rest) >= len(second):
            factor = rest[0] * inverse % prime
            for i, one in enumerate(second):
                rest[i] = (rest[i] - factor * one) % prime
            rest = rest[1:]
        start = next((i for i, one in enumerate(rest) if one), len(rest))
        first, second = second, rest[start:]
    return first
