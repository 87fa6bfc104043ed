"""Where runs end that left a minimum, once the noise is switched off: the basins, told apart and counted."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.dynamics.flow import flow
from etaflow.landscape.identity import symmetry_distance
from etaflow.landscape.point import DEGENERATE, PointTest, point_test
from etaflow.landscape.polish import INTERRUPTED, polish

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

    Report = Callable[[float], Any]

UNRESOLVED = -1
"""The basin of a run that did not come to rest, or did not leave."""

SMALLER = 1e-3
"""The flow goes on until the gradient is by this factor smaller than the median where it began; Newton's method does the rest."""

EXPLICIT_STEPS, FLOW_STEPS = 10_000, 20_000
"""The most steps of a flow, first explicit, where thousands cost little, then by what suits: one not at rest then goes on for ever."""

EXPLICIT_SHARE, FLOW_SHARE = 0.4, 0.5
"""What the progress counts the explicit steps and all of the flow for; polishing is the rest."""

POLISHING, SHORT_POLISHING = 1000, 100
"""The most steps of polishing a point; the second where most runs are not expected near a point of rest. Beside one, tens are enough."""

NEAR = 1e-4
"""Points so near, relative to 1 + ‖θ‖, with values that agree by `ALIKE`, are the same."""

ALIKE = 1e-8


@dataclass(frozen=True, eq=False)
class Basins:
    """Different points of rest; number 0 is the one that the runs left.

    Attributes
    ----------
    theta : ndarray, shape (basins, d)
        The first point found of each.
    value : ndarray, shape (basins,)
        f there.
    tests : list of PointTest
        What they are.
    """

    theta: FloatArray
    value: FloatArray
    tests: list[PointTest]


def _nobody(_: float) -> None:
    pass


@dataclass(frozen=True, eq=False)
class Rest:
    """Where flows came to rest.

    Attributes
    ----------
    theta : ndarray, shape (runs, d)
        The stationary points, polished; NaN for a flow that did not come to rest, or came to a slope that falls for ever.
    complete : bool
        False after Ctrl-C.
    """

    theta: FloatArray
    complete: bool


def rest(
    objective: Objective,
    theta: FloatArray,
    *,
    threads: int | None,
    polishing: int = POLISHING,
    report: Report = _nobody,
) -> Rest:
    """Follow the gradient flow from each row until it is at rest, and polish the end.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    theta : ndarray, shape (runs, d)
        Where the noise is switched off; rows that are not finite do not come to rest.
    threads : int or None
        As in `descend`.
    polishing : int, default 1000
        The most steps of polishing a point.
    report : callable, optional
        Is told the part that is done.

    Returns
    -------
    Rest
        The points.
    """
    ends = np.full_like(theta, np.nan)
    finite = np.isfinite(theta).all(axis=-1)
    with np.errstate(over="ignore", invalid="ignore"):
        slopes = np.linalg.norm(objective.gradient(theta[finite]), axis=-1) if finite.any() else np.empty(0)
    rows = np.flatnonzero(finite)[np.isfinite(slopes)]
    if rows.size == 0:
        return Rest(ends, complete=True)
    small = SMALLER * float(np.median(slopes[np.isfinite(slopes)]))
    relax = partial(flow, objective, t=math.inf, stop_when=("grad_norm", small), rtol=1e-6, threads=threads)
    path = relax(
        theta[rows], method="explicit", max_steps=EXPLICIT_STEPS, progress=lambda part: report(EXPLICIT_SHARE * part)
    )
    reached, status = path.theta, path.status
    slow = status == "exhausted"
    if slow.any() and not (status == "interrupted").any():
        late = relax(
            reached[slow],
            max_steps=FLOW_STEPS,
            progress=lambda part: report(EXPLICIT_SHARE + (FLOW_SHARE - EXPLICIT_SHARE) * part),
        )
        reached[slow], status[slow] = late.theta, late.status
    still, complete = status == "stopped", not (status == "interrupted").any()
    if not (complete and still.any()):
        return Rest(ends, complete)
    with np.errstate(over="ignore"):
        moved = float(np.median(np.linalg.norm(reached - theta[rows], axis=-1)[still]))
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "interrupted after|not converged", RuntimeWarning
        )  # escape_times has its own words
        polished = polish(
            objective,
            reached[still],
            max_iterations=polishing,
            max_step=min(1.0, 0.1 * max(moved, NEAR)),
            progress=lambda part: report(FLOW_SHARE + (1 - FLOW_SHARE) * part),
        )
    ends[rows[still]] = np.where(polished.converged[:, None], polished.theta, np.nan)
    return Rest(ends, complete=not (polished.message == INTERRUPTED).any())


def tell_apart(objective: Objective, theta_star: FloatArray, ends: FloatArray) -> tuple[Basins, npt.NDArray[np.int64]]:
    """Return the different points among `theta_star` and `ends`, and which of them each end is.

    What `point_test` does not call stationary, as an end far out on a slope that falls for ever, is none of them. Two are the
    same if f agrees and they are near each other after hidden units are matched (`symmetry_distance`), or, where the Hessian
    is singular, as along a valley of minima, if they predict the same for all the data.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    theta_star : ndarray, shape (d,)
        The point number 0.
    ends : ndarray, shape (m, d)
        Points of rest, NaN for none.

    Returns
    -------
    Basins
        The different points.
    ndarray of int64, shape (m,)
        The number of each end's point, or `UNRESOLVED`.
    """
    numbers = np.full(len(ends), UNRESOLVED)
    left = np.flatnonzero(np.isfinite(ends).all(axis=-1))
    values = np.asarray(objective.value(ends[left])) if left.size else np.empty(0)
    found: list[_Place] = []
    place = _Place.of(objective, theta_star)
    while True:
        same = place.holds(objective, ends[left], values)
        if place.test.is_stationary or not found:
            numbers[left[same]] = len(found)
            found.append(place)
        left, values = left[~same], values[~same]
        if left.size == 0:
            break
        place = _Place.of(objective, ends[left[0]])
    heights = np.array([one.value for one in found])
    return Basins(np.stack([one.theta for one in found]), heights, [one.test for one in found]), numbers


@dataclass(frozen=True, eq=False)
class _Place:
    theta: FloatArray
    value: float
    test: PointTest

    @classmethod
    def of(cls, objective: Objective, theta: FloatArray) -> _Place:
        return cls(theta, float(objective.value(theta)), point_test(objective, theta))

    def holds(self, objective: Objective, rows: FloatArray, values: FloatArray) -> npt.NDArray[np.bool_]:
        # Whether each of the rows, with these values of f, is here.
        here = objective.net.predict(self.theta, objective.x)
        scale = float(np.abs(here).max()) + 1e-300
        radius = NEAR * (1 + float(np.linalg.norm(self.theta)))
        alike = np.abs(values - self.value) <= ALIKE * max(abs(self.value), ALIKE * scale**2)
        same = alike & (np.linalg.norm(rows - self.theta, axis=-1) <= radius)
        waiting = np.flatnonzero(alike & ~same)
        while waiting.size:
            copy = rows[waiting[0]]
            near = np.linalg.norm(rows[waiting] - copy, axis=-1) <= radius  # one is matched for all that are beside it
            near[0] = True
            if self._is_copy(objective, copy, here, radius, NEAR * scale):
                same[waiting[near]] = True
            waiting = waiting[~near]
        return np.asarray(same)

    def _is_copy(self, objective: Objective, theta: FloatArray, here: FloatArray, radius: float, blur: float) -> bool:
        if symmetry_distance(objective.net, self.theta, theta) <= radius:
            return True
        if self.test.verdict != DEGENERATE:
            return False
        return bool(np.abs(objective.net.predict(theta, objective.x) - here).max() <= blur)
