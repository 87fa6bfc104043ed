"""Ascent of many points at once, with a step length for each: it looks for what would refute a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = npt.NDArray[np.float64]

GROW, SHRINK = 1.6, 0.4
"""What a step length is multiplied with after a step up, and after one that was not."""


def ascend(
    climb: Callable[[Array], tuple[Array, Array]],
    starts: Array,
    *,
    rounds: int = 100,
    low: float = -np.inf,
    high: float = np.inf,
) -> tuple[float, Array]:
    """Climb from every start, and return the largest value met and where.

    Each point moves along its gradient, scaled to a length of its own that grows while it rises and shrinks when it would
    fall, inside the box [low, high]^d. Nothing but the value at the answer is claimed.

    Parameters
    ----------
    climb : callable
        Returns the values (m,) and gradients (m, d) at points (m, d); NaN counts as lowest.
    starts : ndarray, shape (m, d)
        Where to start.
    rounds : int, default 100
        How many steps.
    low, high : float
        The box.

    Returns
    -------
    value : float
        The largest value.
    point : ndarray, shape (d,)
        Where it is taken.

    Examples
    --------
    >>> value, point = ascend(lambda z: (-((z - 1) ** 2).sum(1), 2 - 2 * z), np.zeros((1, 2)))
    >>> bool(abs(value) < 1e-6), point.round(3)
    (True, array([1., 1.]))
    """
    points = np.clip(starts, low, high)
    values, gradients = _at(climb, points)
    lengths = 0.1 * np.maximum(np.linalg.norm(points, axis=1), 0.1)
    for _ in range(rounds):
        norms = np.linalg.norm(gradients, axis=1)
        moves = gradients * (lengths / np.where(norms > 0, norms, 1.0))[:, None]
        proposals = np.clip(points + moves, low, high)
        heights, slopes = _at(climb, proposals)
        up = heights > values
        points[up], values[up], gradients[up] = proposals[up], heights[up], slopes[up]
        lengths *= np.where(up, GROW, SHRINK)
    best = int(np.argmax(values))
    return float(values[best]), points[best]


def wander(
    height: Callable[[Array], Array],
    start: Array,
    *,
    rounds: int = 60,
    proposals: int = 64,
    low: float = -np.inf,
    high: float = np.inf,
) -> Array:
    """Go on from a point by sparse random moves of several sizes, as long as they go up: away from a small local maximum.

    Parameters
    ----------
    height : callable
        Returns the values (m,) at points (m, d).
    start : ndarray, shape (d,)
        Where to start.
    rounds, proposals : int
        How often, and how many moves are tried each time.
    low, high : float
        The box.

    Returns
    -------
    ndarray, shape (d,)
        The highest point met.
    """
    generator = np.random.default_rng(0)
    best, top = start, float(height(start[None])[0])
    shape = (proposals, start.size)
    for _ in range(rounds):
        sizes = generator.choice([0.1, 1.0, 3.0], (proposals, 1))
        moves = generator.normal(size=shape) * sizes * (generator.random(shape) < max(0.15, 1 / start.size))
        tried = np.clip(best + moves, low, high)
        heights = height(tried)
        highest = int(np.argmax(heights))
        if heights[highest] > top:
            best, top = tried[highest], float(heights[highest])
    return best


def _at(climb: Callable[[Array], tuple[Array, Array]], points: Array) -> tuple[Array, Array]:
    values, gradients = climb(points)
    there = np.isfinite(values) & np.isfinite(gradients).all(axis=1)
    return np.where(there, values, -np.inf), np.where(there[:, None], gradients, 0.0)
