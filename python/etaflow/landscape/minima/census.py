"""Which ends are the same minimum, and how often each was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.landscape.minima.ends import MINIMA
from etaflow.landscape.symmetry import canonical, symmetry_distance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etaflow._checks import FloatArray
    from etaflow.landscape.minima.ends import End
    from etaflow.problem.objective import Objective

VALUES = 1e-9
"""Minima whose values of f differ by more than this share are different."""

PREDICTIONS = 1e-6
"""Minima whose predictions on the data differ by more than this share of their size are different."""

POINTS = 1e-5
"""Isolated minima farther apart than this, in units of 1 + ‖θ‖ and but for symmetries, are different."""


def sort_out(objective: Objective, ends: Sequence[End]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Give the different minima numbers, the lowest first.

    Two ends are the same minimum if f and the predictions on the data agree, and, where both are isolated, the points do but for the
    symmetries of the network. (Ends in a continuum of minima are the same as soon as they predict the same.)

    Parameters
    ----------
    objective : Objective
        With the network and the data.
    ends : sequence of End
        One per run.

    Returns
    -------
    labels : ndarray of int, shape (runs,)
        The number of each run's minimum; −1 for a run that ended in none.
    chosen : list of int
        For each minimum the run that represents it, the one with the smallest gradient.
    """
    labels = np.full(len(ends), -1)
    found = [run for run, end in enumerate(ends) if end.kind in MINIMA]
    predictions = {run: objective.net.predict(ends[run].theta, objective.x) for run in found}
    chosen: list[int] = []
    for run in sorted(found, key=lambda run: ends[run].grad_norm):
        for label, other in enumerate(chosen):
            if _agree(predictions[run], predictions[other]) and _are_same(objective, ends[run], ends[other]):
                labels[run] = label
                break
        else:
            labels[run] = len(chosen)
            chosen.append(run)
    order = sorted(range(len(chosen)), key=lambda label: (ends[chosen[label]].value, chosen[label]))
    number = np.argsort(order) if order else np.zeros(0, np.int64)
    labels[found] = number[labels[found]]
    return labels, [chosen[label] for label in order]


def share_interval(count: int, total: int, level: float) -> tuple[float, float]:
    """Return the interval of Clopper and Pearson for a probability.

    Returns
    -------
    low, high : float
        The ends.

    Examples
    --------
    >>> low, high = share_interval(0, 100, 0.95)
    >>> low, round(high, 4)  # 1 - 0.025**(1/100)
    (0.0, 0.0362)
    """
    from scipy.stats import binomtest  # noqa: PLC0415 - slow to import

    interval = binomtest(count, total).proportion_ci(level, method="exact")
    return float(interval.low), float(interval.high)


def _agree(one: FloatArray, other: FloatArray) -> bool:
    return bool(np.abs(one - other).max() <= PREDICTIONS * (1e-3 + np.abs(other).max()))


def _are_same(objective: Objective, one: End, other: End) -> bool:
    if abs(one.value - other.value) > VALUES * max(abs(one.value), abs(other.value), 1e-6):
        return False
    if not (one.isolated and other.isolated):
        return True
    first, second = (canonical(objective.net, end.theta) for end in (one, other))
    return symmetry_distance(objective.net, first, second) <= POINTS * (1 + float(np.linalg.norm(first)))
