"""Arrays of intervals whose ends are rounded outwards, so that what they exclude is excluded.

Sums, products and quotients are correctly rounded by IEEE 754, and each end is moved out by one unit in the last place. NumPy's exp, log1p,
tanh and arctan2 are not correctly rounded; they are trusted to within `ULPS` units in the last place, some four times what their
authors promise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction
    from typing import Any

Array = npt.NDArray[np.float64]

ULPS = 16
_EPS = float(np.finfo(np.float64).eps)
_TINY = float(np.finfo(np.float64).smallest_subnormal)


def down(values: Array) -> Array:
    """Return the next smaller floats.

    Returns
    -------
    ndarray
        Of the same shape.
    """
    return np.nextafter(values, -np.inf)


def up(values: Array) -> Array:
    """Return the next larger floats.

    Returns
    -------
    ndarray
        Of the same shape.
    """
    return np.nextafter(values, np.inf)


@dataclass(frozen=True, eq=False, slots=True)
class Interval:
    """An array of intervals.

    Attributes
    ----------
    low, high : ndarray
        The ends, of the same shape.

    Examples
    --------
    >>> third = Interval.of(1.0) / Interval.of(3.0)
    >>> bool(third.low < third.high), bool((third * 3.0).contains(1.0))
    (True, True)
    """

    low: Array
    high: Array

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Interval:
        """Return intervals that hold one float each.

        Returns
        -------
        Interval
            With equal ends.
        """
        array = np.asarray(values, dtype=np.float64)
        return cls(array, array)

    @classmethod
    def around(cls, values: Any) -> Interval:
        """Return the smallest intervals around fractions.

        Parameters
        ----------
        values : nested sequences of Fraction
            Exact numbers.

        Returns
        -------
        Interval
            With equal ends where a fraction is a float.
        """
        array = np.asarray(values, dtype=object)
        pairs = [_around(value, float(value)) for value in array.ravel()]
        ends = np.array(pairs, dtype=np.float64).reshape(*array.shape, 2)
        return cls(ends[..., 0], ends[..., 1])

    @property
    def middle(self) -> Array:
        """A float in each interval."""
        return np.clip(self.low + 0.5 * (self.high - self.low), self.low, self.high)

    @property
    def width(self) -> Array:
        """The widths, rounded."""
        return self.high - self.low

    @property
    def magnitude(self) -> Array:
        """The largest absolute values."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    def contains(self, value: Array | float) -> npt.NDArray[np.bool_]:
        """Return where a number lies inside.

        Returns
        -------
        ndarray of bool
            True also at an end.
        """
        inside: npt.NDArray[np.bool_] = (self.low <= value) & (self.high >= value)
        return inside

    def __getitem__(self, index: Any) -> Interval:
        """Return a part of the array.

        Returns
        -------
        Interval
            The part.
        """
        return Interval(self.low[index], self.high[index])

    def __neg__(self) -> Interval:
        """Return −a.

        Returns
        -------
        Interval
            Exact.
        """
        return Interval(-self.high, -self.low)

    def __add__(self, other: Interval | Array | float) -> Interval:
        """Return a + b.

        Returns
        -------
        Interval
            The sums.
        """
        one = _interval(other)
        return Interval(down(self.low + one.low), up(self.high + one.high))

    def __sub__(self, other: Interval | Array | float) -> Interval:
        """Return a − b.

        Returns
        -------
        Interval
            The differences.
        """
        return self + (-_interval(other))

    def __mul__(self, other: Interval | Array | float) -> Interval:
        """Return a·b; 0·∞ is anything.

        Returns
        -------
        Interval
            The products.
        """
        one = _interval(other)
        with np.errstate(invalid="ignore", over="ignore", under="ignore"):
            ends = [a * b for a in _ends(self) for b in _ends(one)]
            low, high = ends[0], ends[0]
            for end in ends[1:]:  # NumPy's minimum and maximum hand a NaN on
                low, high = np.minimum(low, end), np.maximum(high, end)
        unknown = np.isnan(low)
        if unknown.any():
            low, high = np.where(unknown, -np.inf, low), np.where(unknown, np.inf, high)
        return Interval(down(low), up(high))

    def __truediv__(self, other: Interval | Array | float) -> Interval:
        """Return a/b; anything where b holds 0.

        Returns
        -------
        Interval
            The quotients.
        """
        one = _interval(other)
        zero = one.contains(0.0)
        with np.errstate(divide="ignore", over="ignore"):
            low, high = (np.where(zero, 1.0, 1.0 / end) for end in (one.high, one.low))
        product = self * Interval(down(low), up(high))
        return Interval(np.where(zero, -np.inf, product.low), np.where(zero, np.inf, product.high))

    def sum(self, axis: int) -> Interval:
        """Return sums along an axis.

        In any order of n additions the rounding errors add up to at most (n − 1)·2⁻⁵³·Σ|a_i| to first order; twice n times that is allowed.

        Parameters
        ----------
        axis : int
            The axis, which is lost.

        Returns
        -------
        Interval
            The sums.
        """
        if self.low.shape[axis] == 1:
            return Interval(self.low.sum(axis=axis), self.high.sum(axis=axis))
        slack = self.low.shape[axis] * _EPS
        low = self.low.sum(axis=axis) - slack * np.abs(self.low).sum(axis=axis)
        high = self.high.sum(axis=axis) + slack * np.abs(self.high).sum(axis=axis)
        return Interval(down(np.asarray(low)), up(np.asarray(high)))

    def square(self) -> Interval:
        """Return a².

        Returns
        -------
        Interval
            Not below 0.
        """
        with np.errstate(over="ignore", under="ignore"):
            low, high = self.low**2, self.high**2
        least = np.where(self.contains(0.0), 0.0, np.minimum(low, high))
        return Interval(np.maximum(down(least), 0.0), up(np.maximum(low, high)))


def exp(x: Interval) -> Interval:
    """Return e^x.

    Returns
    -------
    Interval
        Not below 0.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        grown = _increasing(np.exp, x)
    return Interval(np.where(np.isnan(grown.low), np.finfo(np.float64).max, np.maximum(grown.low, 0.0)), grown.high)


def log1p(x: Interval) -> Interval:
    """Return log(1 + x) for x >= 0.

    Returns
    -------
    Interval
        The logarithms.
    """
    return _increasing(np.log1p, x)


def tanh(x: Interval) -> Interval:
    """Return tanh x.

    Returns
    -------
    Interval
        Within [−1, 1].
    """
    grown = _increasing(np.tanh, x)
    return Interval(np.maximum(grown.low, -1.0), np.minimum(grown.high, 1.0))


def complement_of_arctan(x: Interval) -> Interval:
    """Return π/2 − arctan x, which is precise for large x too.

    Returns
    -------
    Interval
        Between 0 and π.
    """
    return _increasing(lambda z: np.arctan2(1.0, -z), -x)


def _increasing(function: Callable[[Array], Array], x: Interval) -> Interval:
    low, high = function(x.low), function(x.high)
    return Interval(low - (ULPS * _EPS * np.abs(low) + _TINY), high + (ULPS * _EPS * np.abs(high) + _TINY))


def _ends(x: Interval) -> tuple[Array, ...]:
    return (x.low,) if x.low is x.high else (x.low, x.high)


def _interval(value: Interval | Array | float) -> Interval:
    return value if isinstance(value, Interval) else Interval.of(value)


def _around(value: Fraction, near: float) -> tuple[float, float]:
    exact = type(value)(near)
    if exact == value:
        return near, near
    return (near, float(up(np.float64(near)))) if exact < value else (float(down(np.float64(near))), near)  # type: ignore[arg-type]
