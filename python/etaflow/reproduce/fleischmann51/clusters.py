"""The levels at which the costs of many runs lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    Array = npt.NDArray[np.float64]

GAP = 1e-3
"""Costs of neighbours in order that differ by less are on one level."""

THESIS = ((0.595, 19), (0.647, 9), (0.649, 4), (0.683, 18))
"""Levels and runs of width 1 in the table that the author published with the thesis's program."""


@dataclass(frozen=True)
class Level:
    """Runs that ended at the same cost.

    Attributes
    ----------
    low, high : float
        Their costs.
    runs : int
        How many they are.
    """

    low: float
    high: float
    runs: int


def levels(costs: npt.ArrayLike, *, gap: float = GAP) -> tuple[Level, ...]:
    """Cut the ordered costs where neighbours differ by more than `gap`.

    Parameters
    ----------
    costs : array_like, shape (runs,)
        The costs; NaN is left out.
    gap : float, default 0.001
        What parts two levels.

    Returns
    -------
    tuple of Level
        The lowest first.

    Examples
    --------
    >>> [level.runs for level in levels([0.5, 0.7, 0.5004, 0.5008])]
    [3, 1]
    """
    values = np.asarray(costs, np.float64)
    ordered = np.sort(values[np.isfinite(values)])
    if ordered.size == 0:
        return ()
    parts = np.split(ordered, np.flatnonzero(np.diff(ordered) > gap) + 1)
    return tuple(Level(float(part[0]), float(part[-1]), len(part)) for part in parts)
