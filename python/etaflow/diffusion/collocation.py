"""Exponential collocation: a step of Y' = D∘Y + N(t, Y) that is exact in D and of high order in N.

D∘Y multiplies entry by entry. N is replaced by the polynomial through its values at five Lobatto nodes, and

    Y(t + ch) = e^{chD}∘Y(t) + ∫_0^{ch} e^{(ch−u)D}∘N(t + u) du

is then taken exactly, however large hD is (Hochbruck and Ostermann 2005, "Exponential Runge–Kutta methods for parabolic problems").
With D = 0 it is the Lobatto IIIA method of order 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

STAGES = 5
NODES = np.array([0.0, (1 - np.sqrt(3 / 7)) / 2, 0.5, (1 + np.sqrt(3 / 7)) / 2, 1.0])
_FACTORIALS = np.array([factorial(k) for k in range(STAGES)], np.float64)
# Values at the nodes -> k!·a_k, where Σ a_k x^k is the polynomial through them.
_COEFFICIENTS = np.linalg.inv(np.vander(NODES, increasing=True)) * _FACTORIALS[:, None]
# Values at the nodes -> the factors of the Legendre polynomials P_3 and P_4(2x − 1) in that polynomial; and P_4 at the nodes.
_SHAPE = np.polynomial.legendre.legval(2 * NODES - 1, [0] * (STAGES - 1) + [1])
_NEXT, _HIGHEST = np.linalg.inv(np.polynomial.legendre.legvander(2 * NODES - 1, STAGES - 1))[-2:]
# Below, upward recursion cancels; ten terms of Taylor's series are exact to rounding up to it.
_SMALL, _TERMS = 0.5, 10


def phi_functions(z: Array, expm1: Array, count: int) -> Array:
    """Return φ_1, …, φ_count at z: φ_k(z) = ∫_0^1 e^{(1−u)z} u^{k−1}/(k−1)! du.

    Parameters
    ----------
    z : ndarray
        Any real numbers.
    expm1 : ndarray
        e^z − 1, of the same shape.
    count : int
        How many.

    Returns
    -------
    ndarray, shape (count, *z.shape)
        The functions, to about 1e-12 relative.
    """
    small = np.abs(z) < _SMALL
    near = np.where(small, z, 0.0)
    inverse = 1 / np.where(small, 1.0, z)
    last = np.full_like(z, 1 / factorial(count + _TERMS))
    for k in range(count + _TERMS - 1, count - 1, -1):
        last *= near
        last += 1 / factorial(k)
    found = np.empty((count, *z.shape))
    found[count - 1] = last
    for k in range(count - 1, 0, -1):
        np.multiply(found[k], near, out=found[k - 1])
        found[k - 1] += 1 / factorial(k)
    upward = expm1 * inverse
    for k in range(count):
        if k:
            upward -= 1 / factorial(k)
            upward *= inverse
        np.copyto(found[k], upward, where=~small)
    return found


def falling(values: Array) -> float:
    """Return how fast the terms of the polynomial through N's values fall: the last one's size over that before it, at most 1.

    Returns
    -------
    float
        Between 0 and 1.
    """
    last, before = (float(np.linalg.norm(np.tensordot(row, values, 1))) for row in (_HIGHEST, _NEXT))
    return last / before if last < before else 1.0


@dataclass(frozen=True, eq=False)
class Weights:
    """The parts of a step to t + ch: e^{chD} and the integrals of e^{(ch−u)D} with each node's Lagrange polynomial.

    Attributes
    ----------
    decay : ndarray
        e^{chD}.
    integrals : ndarray, shape (5, *D.shape)
        One for each node.
    """

    decay: Array
    integrals: Array

    @classmethod
    def of(cls, rates: tuple[Array, ...], h: float, c: float) -> Weights:
        """Return the weights for D = Σ rates, whose terms broadcast; outer sums take fewer exponentials so.

        Returns
        -------
        Weights
            The weights.
        """
        z, expm1 = c * h * rates[0], np.expm1(c * h * rates[0])
        for rate in rates[1:]:
            z = z + c * h * rate
            other = np.expm1(c * h * rate)
            expm1 = expm1 + other + expm1 * other
        phi = phi_functions(z, expm1, STAGES)
        mix = (_COEFFICIENTS * (h * c ** np.arange(1, STAGES + 1))[:, None]).T
        return cls(expm1 + 1, (mix @ phi.reshape(STAGES, -1)).reshape(phi.shape))

    def integrate(self, values: Array, first: int = 0) -> Array:
        """Return the integral of N from its values at the nodes, all or those from `first` on.

        Returns
        -------
        ndarray
            Of Y's shape.
        """
        return np.asarray(np.einsum("n...,n...->...", self.integrals[first:], values[first:]))

    def highest(self, values: Array) -> Array:
        """Return what the term of the highest degree in N adds to Y: the difference to a collocation of lower degree.

        Returns
        -------
        ndarray
            Of Y's shape.
        """
        return np.asarray(np.tensordot(_SHAPE, self.integrals, 1) * np.tensordot(_HIGHEST, values, 1))
