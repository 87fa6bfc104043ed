"""All local minima at infinity of a problem with two weights.

Far out on a ray x = t·d every output with b_i·d ≠ 0 tends to ±1. So clos T𝒱 consists of T𝒱; of a corner of the cube for every open
cone of directions between two critical rays, those with b_i·d = 0 for some i; and of a curve for every critical ray d, on which the
rows with b_i·d = 0 form a problem with one weight s, x = t·d + s·n.

Whether such a point is a local minimum hangs on which errors vanish first as t grows. For tanh an output on its right side (+) is wrong by
4e^{−4|z|} in E and one on its wrong side (−) is better than 4 by 8e^{−2|z|}: a point of a curve is a minimum if s is one of the curve's
problem and the least 4|b_i·d| over + rows is smaller than the least 2|b_j·d| over − rows; a corner is one if this holds on the whole
cone and both curves fall towards it. For arctan − rows always win, and a minimum at infinity has no − row among those that grow.
All comparisons are made with fractions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cmp_to_key
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.perceptron.infinity import tail
from etaflow.landscape.perceptron.intervals import Interval, exp
from etaflow.landscape.perceptron.line import search_line
from etaflow.landscape.perceptron.rational import dot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction

    Vector = tuple[Fraction, Fraction]

_NEAR = 1e-9
"""A float comparison that is nearer than this, relatively, is made again in fractions."""


@dataclass(frozen=True, eq=False)
class EndPoint:
    """A local minimum at infinity of two weights, or a candidate.

    Attributes
    ----------
    direction : (2,) Fraction
        d.
    across : (2,) Fraction or None
        n; None for a corner.
    place : Interval or None
        s; None for a corner.
    signs : tuple of int
        The limits of the outputs of the rows as signs; 0 for the rows of the curve.
    certified : bool
        Whether it is proved to be a local minimum.
    reason : str
        Why.
    """

    direction: Vector
    across: Vector | None
    place: Interval | None
    signs: tuple[int, ...]
    certified: bool
    reason: str


@dataclass(frozen=True, eq=False)
class Ends:
    """What there is at infinity.

    Attributes
    ----------
    minima : tuple of EndPoint
        Proved ones and undecided candidates.
    complete : bool
        Whether every other point at infinity is proved to be none.
    """

    minima: tuple[EndPoint, ...]
    complete: bool


def minima_at_infinity(rows: Sequence[Vector], enclosed: str) -> Ends:
    """Find all local minima at infinity.

    Parameters
    ----------
    rows : sequence of pairs of Fraction
        The rows after the reduction to y = e, times the sigmoid's scale, of rank 2.
    enclosed : {"tanh", "arctan"}
        The sigmoid.

    Returns
    -------
    Ends
        The minima, curve by curve and corner by corner, around the circle.
    """
    critical = _around_the_circle(
        {_primitive(_turned(row)) for row in rows} | {_primitive(_turned(_minus(row))) for row in rows}
    )
    found: list[EndPoint] = []
    complete = True
    for here, following in zip(critical, [*critical[1:], critical[0]], strict=True):
        for candidates, sure in (_on_curve(rows, here, enclosed), _at_corner(rows, here, following, enclosed)):
            found += candidates
            complete &= sure
    return Ends(tuple(found), complete)


def _on_curve(rows: Sequence[Vector], ray: Vector, enclosed: str) -> tuple[list[EndPoint], bool]:
    growth = [dot(row, ray) for row in rows]
    lead = next(row for row, size in zip(rows, growth, strict=True) if not size)
    across = (lead[0] / dot(lead, lead), lead[1] / dot(lead, lead))
    offsets = [dot(row, across) for row in rows]
    line = [offset for offset, size in zip(offsets, growth, strict=True) if not size]
    if all(b > 0 for b in line) or all(b < 0 for b in line):
        return [], True  # E has no finite minimum along the curve
    signs = tuple(_sign(size) for size in growth)
    right, wrong = _first(growth, 4, 1), _first(growth, 2, -1)
    if wrong is not None and (enclosed == "arctan" or (right is not None and wrong < right) or right is None):
        return [], True
    searched = search_line(line, enclosed)
    ends, sure = [], searched.complete
    tied = right is not None and right == wrong
    for zero in searched.minima:
        verdict = _tie(growth, offsets, zero.box[0], right) if tied else 1
        if verdict >= 0:
            words = "along its curve it is a minimum, and on the way out the outputs on their right side lag behind"
            certain = zero.kind == "minimum" and verdict > 0
            ends.append(
                EndPoint(
                    ray,
                    across,
                    zero.box[0],
                    signs,
                    certain,
                    words if certain else "the outputs are tied on the way out",
                )
            )
        sure &= verdict != 0
    return ends, sure


def _tie(growth: Sequence[Fraction], offsets: Sequence[Fraction], place: Interval, rate: Fraction | None) -> int:
    # The sign of Σ₊ 4e^{−4βs} − Σ₋ 8e^{2βs} over the rows that are tied.
    total = Interval.of(0.0)
    for size, offset in zip(growth, offsets, strict=True):
        beta = Interval.around(offset)
        if size > 0 and 4 * size == rate:
            total += exp(beta * place * -4.0) * 4.0
        elif size < 0 and -2 * size == rate:
            total -= exp(beta * place * 2.0) * 8.0
    return 1 if total.low > 0 else -1 if total.high < 0 else 0


def _at_corner(rows: Sequence[Vector], first: Vector, last: Vector, enclosed: str) -> tuple[list[EndPoint], bool]:
    inside = _between(first, last)
    signs = tuple(_sign(dot(row, inside)) for row in rows)
    if all(sign > 0 for sign in signs):
        return [EndPoint(inside, None, None, signs, True, "all outputs tend to their targets: E tends to 0")], True
    if enclosed == "arctan" or all(sign < 0 for sign in signs):
        return [], True
    verdict = min(_fall(rows, inside, ray) for ray in (first, last))
    if verdict > 0:
        verdict = _least_lead(rows, signs, first, last)
    if verdict < 0:
        return [], True
    if verdict == 0:
        return [EndPoint(inside, None, None, signs, False, "the outputs are tied on the way out")], False
    words = "in the whole cone the outputs on their right side lag behind, and both curves fall towards the corner"
    return [EndPoint(inside, None, None, signs, True, words)], True


def _fall(rows: Sequence[Vector], inside: Vector, ray: Vector) -> int:
    # 1 if E falls along the curve of a critical ray towards the cone, −1 if it rises. The rows of a curve are multiples of each other.
    line = [row for row in rows if not dot(row, ray)]
    sizes = [abs(dot(row, line[0])) / dot(line[0], line[0]) for row in line]
    ways = [_sign(dot(row, inside)) for row in line]
    return -tail([way * size for way, size in zip(ways, sizes, strict=True)], "tanh").sign


def _least_lead(rows: Sequence[Vector], signs: Sequence[int], first: Vector, last: Vector) -> int:
    # The sign of the least of min₋|b_j·d| − 2 min₊(b_i·d) over the open cone; it is linear between the rays where two of these are equal.
    matrix = np.array([[float(a), float(b)] for a, b in rows])
    right = np.array(signs) > 0
    rays = [ray for ray in _ties(rows, signs) if _cross(first, ray) > 0 and _cross(ray, last) > 0]
    rays.append(_between(first, last))
    least = 1
    floats = [(float(ray[0]), float(ray[1])) for ray in rays]
    for ray, near in zip(rays, floats, strict=True):
        sizes = np.abs(matrix @ np.array(near))
        lead = sizes[~right].min() - 2 * sizes[right].min()
        if abs(lead) > _NEAR * (sizes.max() + np.abs(matrix).max() * max(map(abs, near))):
            sign = int(np.sign(lead))
        else:
            exact = [abs(dot(row, ray)) for row in rows]
            wrong = min(size for size, way in zip(exact, signs, strict=True) if way < 0)
            sign = _sign(wrong - 2 * min(size for size, way in zip(exact, signs, strict=True) if way > 0))
        if sign < 0:
            return -1
        if sign == 0:
            # E along the ray itself: if it rises towards the limit, the limit is no minimum.
            if tail([dot(row, ray) for row in rows], "tanh").sign > 0:
                return -1
            least = 0
    return least


def _ties(rows: Sequence[Vector], signs: Sequence[int]) -> Iterator[Vector]:
    ways = [(row[0] * sign, row[1] * sign, 2 if sign > 0 else 1) for row, sign in zip(rows, signs, strict=True)]
    for one, other in combinations(ways, 2):
        normal = (one[2] * one[0] - other[2] * other[0], one[2] * one[1] - other[2] * other[1])
        if any(normal):
            yield _primitive(_turned(normal))
            yield _primitive(_turned(_minus(normal)))


def _first(growth: Sequence[Fraction], factor: int, sign: int) -> Fraction | None:
    return min((factor * abs(size) for size in growth if size * sign > 0), default=None)


def _turned(vector: Vector) -> Vector:
    return (-vector[1], vector[0])


def _minus(vector: Vector) -> Vector:
    return (-vector[0], -vector[1])


def _size(vector: Vector) -> Fraction:
    return max(abs(vector[0]), abs(vector[1]))


def _primitive(vector: Vector) -> Vector:
    return (vector[0] / _size(vector), vector[1] / _size(vector))


def _between(first: Vector, last: Vector) -> Vector:
    return (first[0] / _size(first) + last[0] / _size(last), first[1] / _size(first) + last[1] / _size(last))


def _cross(one: Vector, other: Vector) -> Fraction:
    return one[0] * other[1] - one[1] * other[0]


def _sign(value: Fraction) -> int:
    return (value > 0) - (value < 0)


def _around_the_circle(rays: set[Vector]) -> list[Vector]:
    def half(ray: Vector) -> bool:
        return ray[1] < 0 or (ray[1] == 0 and ray[0] < 0)

    def compare(one: Vector, other: Vector) -> int:
        if half(one) != half(other):
            return 1 if half(one) else -1
        return -_sign(_cross(one, other))

    return sorted(rays, key=cmp_to_key(compare))
