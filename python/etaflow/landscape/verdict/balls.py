"""Ball arithmetic on arrays: every result encloses the exact one, roundings included (Rump 1999, fast and parallel)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Array: TypeAlias = npt.NDArray[np.float64]

UNIT = 2.0**-53
"""A basic operation rounds to within this share of its result."""

GROW = 1 + 2.0**-30
"""What a radius is multiplied with, for the roundings of its own computation: sums of up to 2^20 terms, all of one sign."""

TINY = 1e-300
"""Far more than what an underflow takes away."""

TERMS = 2**20


@dataclass(frozen=True, eq=False)
class Ball:
    """An array of intervals [mid − rad, mid + rad].

    Attributes
    ----------
    mid, rad : ndarray of float64
        The centres and the radii, of one shape. A radius that is not finite means that nothing is known.
    """

    mid: Array
    rad: Array

    __array_ufunc__ = None  # a NumPy array on the left leaves the operation to the ball

    @classmethod
    def exact(cls, values: npt.ArrayLike) -> Ball:
        """Return balls of radius 0 around numbers that are meant exactly.

        Returns
        -------
        Ball
            float32 numbers are exact in float64.
        """
        mid = np.asarray(values, np.float64)
        return cls(mid, np.zeros_like(mid))

    @property
    def largest(self) -> Array:
        """An upper bound of |x| over each ball."""
        return (np.abs(self.mid) + self.rad) * GROW

    @property
    def smallest(self) -> Array:
        """A lower bound of |x| over each ball; 0 if it holds 0 or if nothing is known."""
        bound = (np.abs(self.mid) - self.rad * GROW) / GROW
        return np.where(bound > 0, bound, 0.0)  # also where it is NaN

    @property
    def T(self) -> Ball:  # noqa: N802 - as NumPy names it
        """The last two axes exchanged."""
        return Ball(np.swapaxes(self.mid, -1, -2), np.swapaxes(self.rad, -1, -2))

    def reshape(self, *shape: int) -> Ball:
        """Return the balls in another shape.

        Returns
        -------
        Ball
            The same balls.
        """
        return Ball(self.mid.reshape(*shape), self.rad.reshape(*shape))

    def __getitem__(self, index: Any) -> Ball:  # noqa: D105 - the operator says it
        return Ball(self.mid[index], self.rad[index])

    def __neg__(self) -> Ball:  # noqa: D105 - the operator says it
        return Ball(-self.mid, self.rad)

    def __add__(self, other: Ball | Array | float) -> Ball:  # noqa: D105 - the operator says it
        right = as_ball(other)
        mid = self.mid + right.mid
        return Ball(mid, (self.rad + right.rad + UNIT * np.abs(mid)) * GROW)

    __radd__ = __add__

    def __sub__(self, other: Ball | Array | float) -> Ball:  # noqa: D105 - the operator says it
        return self + -as_ball(other)

    def __rsub__(self, other: Array | float) -> Ball:  # noqa: D105 - the operator says it
        return -self + other

    def __mul__(self, other: Ball | Array | float) -> Ball:  # noqa: D105 - the operator says it
        right = as_ball(other)
        mid = self.mid * right.mid
        rad = np.abs(self.mid) * right.rad + self.rad * (np.abs(right.mid) + right.rad) + UNIT * np.abs(mid)
        return Ball(mid, rad * GROW + TINY)

    __rmul__ = __mul__

    def __truediv__(self, other: Ball | Array | float) -> Ball:  # noqa: D105 - the operator says it
        right = as_ball(other)
        gap = right.smallest
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            mid = 1 / right.mid
            rad = np.where(gap > 0, (right.rad / (np.abs(right.mid) * gap) + UNIT * np.abs(mid)) * GROW + TINY, np.inf)
            return self * Ball(np.where(gap > 0, mid, 0.0), rad)

    def __matmul__(self, other: Ball) -> Ball:  # noqa: D105 - the operator says it
        terms = self.mid.shape[-1]
        mid = self.mid @ other.mid
        left, right = np.abs(self.mid), np.abs(other.mid)
        rad = left @ (other.rad + share(terms) * right) + self.rad @ (right + other.rad)
        return Ball(mid, rad * GROW + (terms + 1) * TINY)

    def sum(self, axis: int) -> Ball:
        """Return the sums over one axis.

        Returns
        -------
        Ball
            With one axis less.
        """
        rad = self.rad.sum(axis=axis) + share(self.mid.shape[axis]) * np.abs(self.mid).sum(axis=axis)
        return Ball(self.mid.sum(axis=axis), rad * GROW)

    def sqrt(self) -> Ball:
        """Return the square roots; of balls that reach to 0 nothing is known.

        Returns
        -------
        Ball
            The roots.
        """
        low = np.where(self.mid > 0, self.smallest, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            mid = np.sqrt(np.where(low > 0, self.mid, 1.0))
            rad = np.where(low > 0, (self.rad / np.sqrt(low) + UNIT * mid) * GROW + TINY, np.inf)
        return Ball(mid, rad)

    def widen(self, rad: Array) -> Ball:
        """Return the balls with larger radii.

        Returns
        -------
        Ball
            The same centres.
        """
        return Ball(self.mid, (self.rad + rad) * GROW)


def as_ball(value: Ball | Array | float) -> Ball:
    """Return a ball as it is, and numbers as balls of radius 0.

    Returns
    -------
    Ball
        The enclosure.
    """
    return value if isinstance(value, Ball) else Ball.exact(value)


def share(terms: int) -> float:
    """Return the share of Σ|x_i y_i| within which a computed sum of so many products is right, in whatever order.

    Returns
    -------
    float
        γ_k = ku/(1 − ku) for k = terms + 2, rounded up (Higham 2002, section 3.1).

    Raises
    ------
    ValueError
        If there are more than 2^20 terms.
    """
    if terms > TERMS:
        raise ValueError(f"a sum may have up to {TERMS} terms (got {terms})")
    return 1.01 * (terms + 2) * UNIT


def joined(parts: Sequence[Ball], axis: int = -1) -> Ball:
    """Return several arrays of balls side by side.

    Returns
    -------
    Ball
        All of them.
    """
    return Ball(np.concatenate([p.mid for p in parts], axis), np.concatenate([p.rad for p in parts], axis))


def where(condition: npt.NDArray[np.bool_], yes: Ball, no: Ball) -> Ball:
    """Return balls from the one where the condition holds, else from the other.

    Returns
    -------
    Ball
        The chosen ones.
    """
    return Ball(np.where(condition, yes.mid, no.mid), np.where(condition, yes.rad, no.rad))
