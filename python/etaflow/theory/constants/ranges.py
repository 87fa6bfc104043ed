"""Enclosures of the activation functions and their derivatives over intervals, and suprema that they prove."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow.problem.activations import Activation

    Array = npt.NDArray[np.float64]

SLACK = 1e-12
"""Every proved upper bound is moved outward by this relative amount, far more than the rounding of its computation."""

BOUNDED = frozenset({"logistic", "tanh", "arctan", "sin"})
"""The activations with sup |φ| < ∞; here the supremum is 1."""

KINKED = frozenset({"relu", "leaky_relu"})
"""The activations whose φ' jumps at 0, unless the slope is 1."""

_GELU_MINIMUM = -0.7517915246935645  # where Φ(z) + z·Φ'(z) = 0

# Where the derivative of order 0, 1, 2 has its own local extrema; sin, whose extrema are π apart, is apart.
_EXTREMA: dict[str, tuple[tuple[float, ...], ...]] = {
    "identity": ((), (), ()),
    "logistic": ((), (0.0,), (-np.log(2 + np.sqrt(3)), np.log(2 + np.sqrt(3)))),
    "tanh": ((), (0.0,), (-np.arctanh(1 / np.sqrt(3)), np.arctanh(1 / np.sqrt(3)))),
    "arctan": ((), (0.0,), (-1 / np.sqrt(3), 1 / np.sqrt(3))),
    "relu": ((0.0,), (), ()),
    "leaky_relu": ((0.0,), (), ()),
    "softplus": ((), (), (0.0,)),
    "gelu": ((_GELU_MINIMUM,), (-np.sqrt(2), np.sqrt(2)), (-2.0, 0.0, 2.0)),
}


@dataclass(frozen=True)
class Curve:
    """An activation function φ as an analyst sees it.

    Attributes
    ----------
    activation : Activation
        The function.
    """

    activation: Activation

    @property
    def bounded(self) -> bool:
        """Whether sup |φ| is finite."""
        return self.activation.name in BOUNDED

    @property
    def smooth(self) -> bool:
        """Whether φ' is Lipschitz continuous (all but ReLU and leaky ReLU are analytic)."""
        return self.activation.name not in KINKED or self._slope == 1

    @property
    def lipschitz(self) -> float:
        """The Lipschitz constant sup |φ'| over the real line."""
        low, high = self.enclose(1, -np.inf, np.inf)
        return float(max(-low, high))

    @property
    def at_zero(self) -> float:
        """The value φ(0)."""
        return float(self.value(0, 0.0))

    def value(self, order: int, z: npt.ArrayLike) -> Array:
        """Return φ, φ' or φ'' at z, infinite arguments included.

        Parameters
        ----------
        order : {0, 1, 2}
            Which derivative.
        z : array_like
            The arguments.

        Returns
        -------
        ndarray
            Of the shape of `z`.
        """
        places = np.asarray(z, np.float64)
        if order:
            places = np.clip(places, -1e150, 1e150)  # squares stay finite, and no derivative moves beyond
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return np.asarray(_FORMULAS[self.activation.name](order, places, self.activation.parameter), np.float64)

    def enclose(self, order: int, low: npt.ArrayLike, high: npt.ArrayLike) -> tuple[Array, Array]:
        """Return bounds of φ, φ' or φ'' over the intervals [low, high], exact up to a few roundings outward.

        A function takes its extreme values over an interval at the ends or at its own local extrema, and these are known.

        Parameters
        ----------
        order : {0, 1, 2}
            Which derivative; φ'' of a kinked activation is that of its pieces.
        low, high : array_like
            The ends; infinite ones are accepted.

        Returns
        -------
        low, high : ndarray
            The bounds.

        Examples
        --------
        >>> from etaflow.problem.activations import Activation
        >>> low, high = Curve(Activation("tanh")).enclose(1, -1.0, 2.0)
        >>> bool(1 <= high < 1 + 1e-14), bool(abs(low - (1 - np.tanh(2) ** 2)) < 1e-14)
        (True, True)
        """
        left, right = np.broadcast_arrays(np.asarray(low, np.float64), np.asarray(high, np.float64))
        ends = self.value(order, left), self.value(order, right)
        below, above = np.fmin(*ends), np.fmax(*ends)  # sin(∞) is NaN, which they pass over
        for place, extreme in self._extrema(order):
            inside = _holds(place, left, right)
            below = np.where(inside, np.fmin(below, extreme), below)
            above = np.where(inside, np.fmax(above, extreme), above)
        slack = 16 * np.finfo(float).eps
        return below - slack * np.abs(below), above + slack * np.abs(above)

    def largest(self, order: int, radius: npt.ArrayLike) -> Array:
        """Return an upper bound of |φ|, |φ'| or |φ''| over [−radius, radius].

        Returns
        -------
        ndarray
            Of the shape of `radius`.
        """
        low, high = self.enclose(order, -np.asarray(radius, np.float64), radius)
        return np.maximum(-low, high)

    def window(self, radius: float) -> tuple[float, float]:
        """Return an interval on which φ and its derivatives take together all that they take on [−radius, radius].

        Returns
        -------
        low, high : float
            ±radius; for sin at most ±π.
        """
        limit = min(radius, np.pi) if self.activation.name == "sin" else radius
        return -limit, limit

    @property
    def _slope(self) -> float:
        return self.activation.parameter if self.activation.name == "leaky_relu" else 0.0

    def _extrema(self, order: int) -> list[tuple[Any, float]]:
        name = self.activation.name
        if name == "sin":  # the places are (a, period): a + k·period
            start = (np.pi / 2, 0.0, np.pi / 2)[order]
            return [((start, 2 * np.pi), 1.0 - 2 * (order == 2)), ((start + np.pi, 2 * np.pi), -1.0 + 2 * (order == 2))]
        found: list[tuple[Any, float]] = [(place, float(self.value(order, place))) for place in _EXTREMA[name][order]]
        if order == 1 and name in KINKED:  # the two sides of the jump; σ'(0) is between them or one of them
            found += [(0.0, self._slope), (0.0, 1.0)]
        return found


def _holds(place: Any, low: Array, high: Array) -> npt.NDArray[np.bool_]:
    if not isinstance(place, tuple):
        return np.asarray((low <= place) & (place <= high))
    start, period = place
    with np.errstate(invalid="ignore"):
        gap = np.ceil((low - start) / period) * period + start
    margin = 1e-9 * (1 + np.abs(low))  # a place too many only widens the enclosure
    return np.asarray(~np.isfinite(low) | ~np.isfinite(high) | (gap <= high + margin) | (gap - period >= low - margin))


def supremum(bound: Callable[[Array, Array], Array], low: float, high: float, *, relative: float = 1e-6) -> float:
    """Return an upper bound of a function over [low, high], by branch and bound.

    Cells that could hold the maximum are halved until their bound is within `relative` of a value that is taken.

    Parameters
    ----------
    bound : callable
        Returns an upper bound of the function over the cells [a, b], given the arrays a and b; over a point [a, a] it is
        taken for the value there.
    low, high : float
        The interval. With an infinite end the bound over a last cell beyond 10⁶ must be small.
    relative : float, default 1e-6
        How near to the maximum the answer is at least, relative to it, unless that takes more than 40 rounds.

    Returns
    -------
    float
        The bound.

    Examples
    --------
    >>> from etaflow.problem.activations import Activation
    >>> slope = Curve(Activation("tanh"))
    >>> round(supremum(lambda a, b: slope.enclose(2, a, b)[1], -5, 5), 6), round(4 / 27**0.5, 6)
    (0.7698, 0.7698)
    """
    edges = np.unique(np.clip(np.concatenate([np.linspace(-8, 8, 257), [low, high], *_OCTAVES]), low, high))
    if edges.size == 1:
        return float(bound(edges, edges)[0])
    cells = edges[:-1], edges[1:]
    inner = edges[np.isfinite(edges)]
    taken = float(np.max(bound(inner, inner)))
    ceiling = remaining = -np.inf
    for _ in range(40):
        above = bound(*cells)
        keep = above > taken + relative * abs(taken)
        ceiling = max(ceiling, float(np.max(above, initial=-np.inf, where=~keep)))
        remaining = float(np.max(above, initial=-np.inf, where=keep))
        if not keep.any():
            break
        kept = cells[0][keep], cells[1][keep]
        middle = 0.5 * (kept[0] + kept[1])
        taken = max(taken, float(np.max(bound(middle, middle))))
        cells = np.concatenate([kept[0], middle]), np.concatenate([middle, kept[1]])
    return max(taken, ceiling, remaining)


_OCTAVES = [sign * 8 * 2.0 ** np.arange(1, 18) for sign in (-1, 1)]


def _logistic(order: int, z: Array, _: float) -> Array:
    from scipy.special import expit  # noqa: PLC0415 - SciPy is slow to import

    s, one_minus_s = expit(z), expit(-z)
    return np.asarray((s, s * one_minus_s, s * one_minus_s * (one_minus_s - s))[order])


def _tanh(order: int, z: Array, _: float) -> Array:
    t, slope = np.tanh(z), np.cosh(np.clip(z, -700, 700)) ** -2.0
    return np.asarray((t, slope, -2 * t * slope)[order])


def _arctan(order: int, z: Array, _: float) -> Array:
    slope = 1 / (1 + z * z)
    return np.asarray(2 / np.pi * (np.arctan(z), slope, -2 * z * slope * slope)[order])


def _softplus(order: int, z: Array, _: float) -> Array:
    return np.logaddexp(0.0, z) if order == 0 else _logistic(order - 1, z, 0.0)


def _gelu(order: int, z: Array, _: float) -> Array:
    from scipy.special import ndtr  # noqa: PLC0415 - SciPy is slow to import

    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    if order == 0:
        return np.where(z == -np.inf, 0.0, z * ndtr(z))
    return np.asarray((ndtr(z) + z * density, (2 - z * z) * density)[order - 1])


def _pieces(order: int, z: Array, slope: float) -> Array:
    if order == 0:
        return np.where(z > 0, z, np.where(z == 0, 0.0, slope * z))
    return np.where(z > 0, 1.0, slope) if order == 1 else np.zeros_like(z)


_FORMULAS: dict[str, Callable[[int, Array, float], Array]] = {
    "identity": lambda order, z, _: (z, np.ones_like(z), np.zeros_like(z))[order],
    "logistic": _logistic,
    "tanh": _tanh,
    "arctan": _arctan,
    "relu": lambda order, z, _: _pieces(order, z, 0.0),
    "leaky_relu": _pieces,
    "softplus": _softplus,
    "gelu": _gelu,
    "sin": lambda order, z, _: (np.sin(z), np.cos(z), -np.sin(z))[order],
}
