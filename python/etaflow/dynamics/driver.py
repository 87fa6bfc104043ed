"""The calls to the core: up to the next pause, with progress, checkpoints and moments at the pauses.

Nothing here loops over steps. A descent pauses where the moments of θ are taken, where one table of a schedule ends,
and when a checkpoint is due; usually it is one call.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow._checks import FloatArray
    from etaflow.dynamics.plan import Plan
    from etaflow.dynamics.progress import Progress
    from etaflow.problem.objective import Objective

Arrays = dict[str, npt.NDArray[Any]]

RUNNING, DIVERGED, STOPPED = 0, 1, 2
PENDING = -1
"""The count of a moment that was not taken yet."""


@dataclass
class Work:
    """A descent under way: the core changes `state` and `records` in place.

    Attributes
    ----------
    objective : Objective
        What is minimised.
    validation : Objective or None
        The validation set.
    plan : Plan
        What is to be done.
    state : dict of str to ndarray
        Where every run is: ``theta``, ``slot1``, ``slot2``, ``step``, ``status``, ``scale``, ``time``, ``rules``,
        ``sums``.
    records : dict of str to ndarray
        What was recorded, ``(runs, m)``; theta ``(runs, m, d)``. NaN where a run has not come.
    moments : dict of str to ndarray
        ``mean (m, d)``, ``cov (m, d, d)`` and ``count (m,)``.
    """

    objective: Objective
    validation: Objective | None
    plan: Plan
    state: Arrays
    records: Arrays
    moments: Arrays

    def next_step(self, default: int) -> int:
        """Return the number of steps done by the run that is furthest behind, or `default` if none is running.

        Returns
        -------
        int
            A number of steps.
        """
        steps = self.state["step"][self.state["status"] == RUNNING]
        return min(int(steps.min()), default) if steps.size else default

    def take_moments(self, step: int) -> None:
        """Take mean and covariance of θ across the runs that have just done `step` steps, if the plan wants them."""
        steps = self.plan.moment_steps
        position = int(np.searchsorted(steps, step))
        if position == steps.size or steps[position] != step:
            return
        rows = self.state["theta"][self.state["step"] == step].astype(np.float64)
        self.moments["count"][position] = len(rows)
        if len(rows) > 0:
            self.moments["mean"][position] = rows.mean(axis=0)
        if len(rows) > 1:
            self.moments["cov"][position] = np.cov(rows, rowvar=False)


@dataclass
class Checkpoint:
    """When and how the work is saved on the way.

    Attributes
    ----------
    save : callable or None
        Writes the file; None for no checkpoints.
    every : float
        Seconds between two of them.
    due : float
        The time of the next one.
    """

    save: Callable[[], None] | None
    every: float
    due: float = 0.0

    def __post_init__(self) -> None:
        """Start the clock."""
        self.due = time.monotonic() + self.every

    def seconds_left(self) -> float:
        """Return how long the core may work until the next checkpoint; 0 means without limit.

        Returns
        -------
        float
            Seconds.
        """
        return 0.0 if self.save is None else max(self.due - time.monotonic(), 1e-3)

    def save_if_due(self) -> None:
        """Write the file if its time has come."""
        if self.save is not None and time.monotonic() >= self.due:
            self.save_now()
            self.due = time.monotonic() + self.every

    def save_now(self) -> None:
        """Write the file; a full disk is a warning, since the work itself can go on."""
        if self.save is not None:
            try:
                self.save()
            except OSError as error:
                warnings.warn(
                    f"the checkpoint was not written, the descent goes on: {error}", RuntimeWarning, stacklevel=2
                )


def drive(work: Work, *, threads: int, progress: Progress, checkpoint: Checkpoint) -> bool:
    """Work until every run has done all its steps, or Ctrl-C.

    Returns
    -------
    bool
        Whether it was interrupted.
    """
    pending = work.plan.moment_steps[work.moments["count"] == PENDING] if work.moments else []
    interrupted = False
    with progress:
        try:
            for target in [*(int(step) for step in pending if step < work.plan.steps), work.plan.steps]:
                interrupted = _advance(work, target, threads, progress, checkpoint)
                if interrupted:
                    break
                work.take_moments(target)
        except KeyboardInterrupt:  # between two calls; during one, the core takes the signal
            interrupted = True
        checkpoint.save_now()
    return interrupted


def begin(plan: Plan, objective: Objective, validation: Objective | None, theta0: FloatArray) -> Work:
    """Return the work before the first step.

    Returns
    -------
    Work
        With new arrays.
    """
    d = objective.num_params
    records, moments = empty_records(plan, d, objective.dtype), empty_moments(plan, d)
    return Work(objective, validation, plan, first_state(plan, theta0), records, moments)


def first_state(plan: Plan, theta0: FloatArray) -> Arrays:
    """Return the state before the first step.

    Parameters
    ----------
    plan : Plan
        What is to be done.
    theta0 : ndarray, shape (runs, d)
        The starts.

    Returns
    -------
    dict of str to ndarray
        New arrays.
    """
    runs = plan.runs
    shapes = [theta0.shape if i <= plan.update.slots else (0, 0) for i in (1, 2)]
    rules = np.zeros((runs, len(plan.rules), 3))
    rules[:, :, 0] = np.inf
    return {
        "theta": np.array(theta0, order="C"),
        **{f"slot{i}": np.zeros(shape, theta0.dtype) for i, shape in enumerate(shapes, start=1)},
        "step": np.zeros(runs, np.int64),
        "status": np.zeros(runs, np.int8),
        "scale": plan.step_sizes[0].scale(runs),
        "time": np.zeros(runs),
        "rules": rules,
        "sums": np.zeros((runs, len(plan.mean))),
        "sup": np.zeros(runs),
    }


def empty_records(plan: Plan, num_params: int, dtype: npt.DTypeLike) -> Arrays:
    """Return the arrays that the core will fill.

    Returns
    -------
    dict of str to ndarray
        ``(runs, m)`` of float64; theta ``(runs, m, d)`` of `dtype`; all NaN.
    """
    records: Arrays = {}
    for name, steps in plan.core_record.items():
        shape = (plan.runs, steps.size)
        records[name] = np.full((*shape, num_params), np.nan, dtype) if name == "theta" else np.full(shape, np.nan)
    return records


def empty_moments(plan: Plan, num_params: int) -> Arrays:
    """Return the arrays for the moments of θ.

    Returns
    -------
    dict of str to ndarray
        Empty if there are none.
    """
    m = plan.moment_steps.size
    if m == 0:
        return {}
    mean, cov = np.full((m, num_params), np.nan), np.full((m, num_params, num_params), np.nan)
    return {"mean": mean, "cov": cov, "count": np.full(m, PENDING, np.int64)}


def _advance(work: Work, target: int, threads: int, progress: Progress, checkpoint: Checkpoint) -> bool:
    validation = None if work.validation is None else work.validation.core
    while True:
        first = work.next_step(target)
        stretch, end = work.plan.stretch_at(first)
        last = stretch.longest_call(first, min(target, end))
        outcome = work.objective.core.descend(
            work.plan.for_core(first, last, validation, work.objective.dtype),
            work.state,
            work.records,
            last,
            checkpoint.seconds_left(),
            threads,
            progress.up_to(last),
        )
        if outcome == "interrupted":
            return True
        checkpoint.save_if_due()
        if outcome == "done" and last == target:
            return False
