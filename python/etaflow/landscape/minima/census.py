"""Which ends are the same minimum, and how often each was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from etaflow.landscape.minima.ends import MINIMA
from etaflow.landscape.symmetry import canonical, symmetry_distance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from etaflow._checks import FloatArray
    from etaflow.landscape.minima.ends import End
    from etaflow.problem.objective import Objective

VALUES = 1e-9
"""Minima whose values of f differ by more than this share are different."""

PREDICTIONS = 1e-6
"""Minima whose predictions on the data differ by more than this share of their size are different."""

POINTS = 1e-5
"""Isolated minima farther apart than this, in units of 1 + ‖θ‖ and but for symmetries, are different."""

COARSE = 0.02
"""Of predictions and points in float32, where minima are known to a few digits only."""


class Point(Protocol):
    """A point that can be compared with others."""

    @property
    def theta(self) -> FloatArray:
        """The point, shape (d,)."""

    @property
    def value(self) -> float:
        """Its f."""

    @property
    def grad_norm(self) -> float:
        """How exact it is."""


P = TypeVar("P", bound=Point)


def sort_out(objective: Objective, ends: Sequence[End]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Give the different minima numbers, the lowest first.

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
    members = {run: end for run, end in enumerate(ends) if end.kind in MINIMA}
    return group(objective, len(ends), members, alike=lambda *_: True, isolated=lambda end: end.isolated)


def group(
    objective: Objective,
    runs: int,
    members: Mapping[int, P],
    *,
    alike: Callable[[P, P], bool],
    isolated: Callable[[P], bool],
) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Give the different points numbers, the lowest first.

    Two are the same if f and the predictions on the data agree, and, where both are isolated, the points do but for the symmetries
    of the network. (Points in a continuum are the same as soon as they predict the same.)

    Parameters
    ----------
    objective : Objective
        With the network and the data.
    runs : int
        How many runs there are.
    members : dict of int to point
        The points to compare, by run.
    alike : callable
        Whether two points may be the same at all.
    isolated : callable
        Whether a point lies in no continuum, but for rescaling.

    Returns
    -------
    labels : ndarray of int, shape (runs,)
        The number of each run's point; −1 for the runs that are no members.
    chosen : list of int
        For each point the run that represents it, the one with the smallest gradient.
    """
    eps = float(np.finfo(objective.dtype).eps)
    coarse = 0.0 if objective.dtype == np.float64 else COARSE
    predictions = {run: objective.net.predict(point.theta, objective.x) for run, point in members.items()}

    def same(run: int, other: int) -> bool:
        one, two = members[run], members[other]
        values = abs(one.value - two.value) <= max(VALUES, 64 * eps) * max(abs(one.value), abs(two.value), 1e-6)
        if not (values and alike(one, two) and _agree(predictions[run], predictions[other], max(PREDICTIONS, coarse))):
            return False
        near = max(POINTS, coarse)
        return not (isolated(one) and isolated(two)) or _coincide(objective, one.theta, two.theta, near)

    labels, chosen = np.full(runs, -1), list[int]()
    for run in sorted(members, key=lambda run: members[run].grad_norm):
        label = next((label for label, other in enumerate(chosen) if same(run, other)), len(chosen))
        labels[run] = label
        if label == len(chosen):
            chosen.append(run)
    order = sorted(range(len(chosen)), key=lambda label: (members[chosen[label]].value, chosen[label]))
    number = np.argsort(np.array(order, np.int64))
    labels[list(members)] = number[labels[list(members)]]
    return labels, [chosen[label] for label in order]


def _agree(one: FloatArray, other: FloatArray, near: float) -> bool:
    return bool(np.abs(one - other).max() <= near * (1e-3 + np.abs(other).max()))


def _coincide(objective: Objective, one: FloatArray, other: FloatArray, near: float) -> bool:
    if symmetry_distance(objective.net, one, other) <= near * (1 + float(np.linalg.norm(one))):
        return True
    first, second = (canonical(objective.net, theta) for theta in (one, other))
    return symmetry_distance(objective.net, first, second) <= near * (1 + float(np.linalg.norm(first)))
