"""Which way E goes far out on a ray, decided in exact arithmetic.

Along x·d with x → +∞ the derivative of E is, up to a positive factor, Σ_{b<0} |b| w(bx) − Σ_{b>0} b w(bx), where b runs over the rows' products
with d and w = (1 − θ)θ'. For tanh each term is a series in e^{−2|b|x}: 8|b| Σ_k c_k e^{−2|b|(1+k)x} for b < 0 and 8b Σ_k c_k e^{−2b(2+k)x} for b > 0,
with c_k = (−1)^k (k+2 choose 2). The rows are floats and so fractions: equal exponents are found, and their coefficients added, exactly.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_TERMS = 64
_SAFETY = 1 + 1e-9
"""Against the rounding of a few sums of positive floats."""


@dataclass(frozen=True)
class Tail:
    """What E does far out on a ray.

    Attributes
    ----------
    sign : {-1, 0, 1}
        Of E': −1 if E falls towards a limit at infinity, which is then a local minimum of a problem with one weight; 1 if it rises; 0 if that
        is not decided.
    beyond : float
        The sign holds from here on, proved.
    """

    sign: int
    beyond: float


def tail(products: Sequence[Fraction], enclosed: str) -> Tail:
    """Return the sign of E' far out on the positive side of a problem with one weight.

    Parameters
    ----------
    products : sequence of Fraction
        The rows b_i after the reduction to y = e, times the sigmoid's scale, or their products with a ray.
    enclosed : {"tanh", "arctan"}
        The sigmoid.

    Returns
    -------
    Tail
        The sign, and from where on it holds.

    Examples
    --------
    For tanh, E(x) = (1 − tanh x)² + (1 + tanh ax)² falls towards +∞ exactly for a > 2:

    >>> from fractions import Fraction
    >>> [tail([Fraction(1), -a], "tanh").sign for a in (Fraction(199, 100), Fraction(2), Fraction(201, 100))]
    [1, 1, -1]
    """
    rows = [b for b in products if b]
    if not any(b < 0 for b in rows):
        return Tail(-1 if rows else 0, 0.0)
    if not any(b > 0 for b in rows):
        return Tail(1, 0.0)
    return _tail_of_arctan(rows) if enclosed == "arctan" else _tail_of_tanh(rows)


def _tail_of_arctan(rows: list[Fraction]) -> Tail:
    # For x ≥ 1/|b|: a row b < 0 gives at least (2/π)/(2|b|x²)·1, a row b > 0 at most (4/π²)/(b²x³). One row b < 0 so decides.
    rising = sum(1 / (math.pi * float(-b)) for b in rows if b < 0)
    falling = sum(4 / (math.pi**2 * float(b) ** 2) for b in rows if b > 0)
    return Tail(1, max(falling / rising, *(1 / float(-b) for b in rows if b < 0)) * _SAFETY)


def _tail_of_tanh(rows: list[Fraction]) -> Tail:
    terms = 2
    while terms <= MOST_TERMS:
        series, rest = _series(rows, terms)
        nonzero = sorted(exponent for exponent, size in series.items() if size)
        if nonzero and nonzero[0] < min(exponent for exponent, _ in rest):
            lead = nonzero[0]
            others = [(exponent - lead, abs(series[exponent])) for exponent in nonzero[1:]]
            others += [(exponent - lead, size) for exponent, size in rest]
            return Tail(1 if series[lead] > 0 else -1, _beyond(abs(series[lead]), others))
        terms *= 2
    return Tail(0, math.inf)


def _series(rows: list[Fraction], terms: int) -> tuple[dict[Fraction, Fraction], list[tuple[Fraction, Fraction]]]:
    # The coefficients by exponents, and (exponent, bound) of each row's remainder: |R| ≤ (K+2 choose 2) u^K for (1 + u)^−3, u ≥ 0.
    series: dict[Fraction, Fraction] = defaultdict(Fraction)
    rest = []
    for b in rows:
        first, sign = (2, -1) if b > 0 else (1, 1)
        for k in range(terms):
            series[2 * abs(b) * (first + k)] += sign * abs(b) * (-1) ** k * math.comb(k + 2, 2)
        rest.append((2 * abs(b) * (first + terms), abs(b) * math.comb(terms + 2, 2)))
    return series, rest


def _beyond(lead: Fraction, others: list[tuple[Fraction, Fraction]]) -> float:
    # The least x, up to a thousandth, with Σ |c| e^{−δx} < |lead|; the sum falls in x.
    pairs = [(float(gap), float(size / lead) * _SAFETY) for gap, size in others]

    def small(x: float) -> bool:
        return sum(size * math.exp(-gap * x * (1 - 1e-12)) for gap, size in pairs) * _SAFETY < 1

    high = 1 / max(gap for gap, _ in pairs)
    while not small(high):
        high *= 2
    low = 0.0
    while high - low > 1e-3 * high:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if small(middle) else (middle, high)
    return high
