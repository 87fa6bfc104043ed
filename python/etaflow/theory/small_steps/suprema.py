"""How far SGD strays from the flow up to a time, and how much of it is Euler's error: suprema over every step."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.dynamics.descent import descend

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow.dynamics.flow import Flow
    from etaflow.dynamics.runs import Runs
    from etaflow.problem.objective import Objective

Array = npt.NDArray[np.float64]

POINTS = 8
"""So many points between two times at which the curvature of the flow is taken."""


@dataclass(frozen=True)
class Ensemble:
    """The runs of one step size.

    Attributes
    ----------
    step_size : float
        η.
    steps : ndarray of int64, shape (m,)
        The last step at or before each of the times.
    numbers : range
        The runs' numbers.
    seed : int
        Their seed.
    batch_size : int
        |B|.
    threads : int or None
        How many.
    """

    step_size: float
    steps: npt.NDArray[np.int64]
    numbers: range
    seed: int
    batch_size: int
    threads: int | None


@dataclass(frozen=True, eq=False)
class Suprema:
    """Suprema over the steps up to each of m times; NaN for runs that diverged.

    Attributes
    ----------
    distance : ndarray, shape (runs, m)
        ‖θ^η − θ̄‖ at that step, SGD to the flow.
    total : ndarray, shape (runs, m)
        The supremum of it.
    sampling : ndarray, shape (runs, m)
        The supremum of ‖SGD − gradient descent‖.
    euler : ndarray, shape (m,)
        The supremum of ‖gradient descent − flow‖.
    gap : ndarray, shape (m,)
        What the time between steps adds at most to ‖θ^η − θ̄‖ since the time before (section 3's interpolation).
    status : ndarray of str, shape (runs,)
        Of the runs.
    """

    distance: Array
    total: Array
    sampling: Array
    euler: Array
    gap: Array
    status: npt.NDArray[np.str_]

    @property
    def finished(self) -> npt.NDArray[np.bool_]:
        """Which runs did all their steps, shape (runs,)."""
        return np.asarray(self.status == "finished")

    @property
    def between(self) -> Array:
        """An upper bound of the supremum over all times of the polygon θ^η(t), shape (runs, m)."""
        return np.maximum.accumulate(self.total + self.gap, axis=1)


def measure(objective: Objective, flow: Flow, ensemble: Ensemble, report: bool | Callable[[float], Any]) -> Suprema:
    """Run gradient descent and the ensemble, and take the suprema in the core, over every step.

    Parameters
    ----------
    objective : Objective
        f.
    flow : Flow
        θ̄ from θ_0.
    ensemble : Ensemble
        The runs.
    report : callable or False
        Is given the part of the work that is done.

    Returns
    -------
    Suprema
        What was found.
    """
    eta, last = ensemble.step_size, int(ensemble.steps[-1])
    path = np.asarray(flow(np.minimum(eta * np.arange(last + 1), flow.t)), np.float64)
    common: dict[str, Any] = {"steps": last, "step_size": eta, "threads": ensemble.threads}
    euler = descend(objective, path[0], **common, reference=path, record={"theta": 1, "sup_distance": ensemble.steps})
    polygon = np.asarray(euler.data["theta"].values[0], np.float64)

    def against(reference: Array, part: int, **record: Any) -> Runs:
        return descend(
            objective,
            path[0],
            **common,
            reference=reference,
            record=record,
            runs=ensemble.numbers,
            seed=ensemble.seed,
            batch_size=ensemble.batch_size,
            progress=(lambda fraction: report((part + fraction) / 2)) if callable(report) else False,
        )

    total = against(path, 0, sup_distance=ensemble.steps, distance=ensemble.steps)
    shape = (len(ensemble.numbers), len(ensemble.steps))
    sampling = np.full(shape, np.nan)
    if euler.status[0] == "finished":
        runs = against(polygon, 1, sup_distance=ensemble.steps)
        sampling = _at(runs, "sup_distance", ensemble.steps)
    return Suprema(
        distance=_at(total, "distance", ensemble.steps),
        total=_at(total, "sup_distance", ensemble.steps),
        sampling=sampling,
        euler=_at(euler, "sup_distance", ensemble.steps)[0],
        gap=chord_gap(objective, flow, eta, ensemble.steps),
        status=total.status,
    )


def chord_gap(objective: Objective, flow: Flow, step_size: float, steps: npt.NDArray[np.int64]) -> Array:
    """Return (η²/8)·sup‖∇²f∇f‖ along the flow, between each of the steps and the one before it in the list.

    It is how far a chord of θ̄ over one step can be from θ̄, as θ̄'' = ∇²f∇f. The supremum is taken over the flow's own mesh and
    8 points between two of the times.

    Parameters
    ----------
    objective : Objective
        f.
    flow : Flow
        θ̄.
    step_size : float
        η.
    steps : ndarray of int64, shape (m,)
        Increasing; the first interval begins at 0.

    Returns
    -------
    ndarray, shape (m,)
        In the unit of θ.
    """
    ends = np.minimum(step_size * np.concatenate([[0], steps]), flow.t)
    fine = [np.linspace(low, high, POINTS + 1) for low, high in pairwise(ends)]
    times = np.unique(np.concatenate([flow.mesh[flow.mesh <= ends[-1]], *fine]))
    path = flow(times)
    bend = np.linalg.norm(objective.hessian_vector(path, objective.gradient(path)), axis=1)
    largest = [bend[(times >= low) & (times <= high)].max() if low < high else 0.0 for low, high in pairwise(ends)]
    return step_size**2 / 8 * np.array(largest)


def _at(runs: Runs, quantity: str, steps: npt.NDArray[np.int64]) -> Array:
    values = runs.data[quantity].sel(step=steps).values.astype(np.float64)
    values[runs.status != "finished"] = np.nan
    return np.asarray(values)
