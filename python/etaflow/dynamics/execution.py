"""From a plan to runs: the checks of how to work, the work, and what to say when it was interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_positive_int, check_positive_number
from etaflow.dynamics import driver, extension, storage
from etaflow.dynamics.progress import Progress
from etaflow.dynamics.reports import warn_of_interruption
from etaflow.dynamics.runs import Runs

if TYPE_CHECKING:
    from pathlib import Path

    from etaflow.dynamics.driver import Work
    from etaflow.dynamics.objectives import Objectives
    from etaflow.dynamics.plan import Plan


@dataclass(frozen=True)
class Manner:
    """How to work, checked: nothing of this changes a bit of the result.

    Attributes
    ----------
    threads : int
        0 for the default.
    progress : Progress
        Who is told.
    target : Path or None
        The checkpoint.
    every : float
        Seconds between two of them.
    """

    threads: int
    progress: Progress
    target: Path | None
    every: float


def check_manner(
    objectives: Objectives, steps: int, *, threads: object, progress: object, checkpoint: object, every: object
) -> Manner:
    """Return the arguments of `descend` and `Runs.resume` that say how to work.

    Returns
    -------
    Manner
        Checked.
    """
    return Manner(
        threads=objectives.known.threads if threads is None else check_positive_int("threads", threads),
        progress=Progress(progress, steps),
        target=None if checkpoint is None else storage.check_checkpoint(checkpoint, objectives.source),
        every=check_positive_number("every", every),
    )


def carry_out(work: Work, objectives: Objectives, manner: Manner) -> Runs:
    """Do the work and return the runs; say how to go on if it was interrupted.

    Returns
    -------
    Runs
        The result.
    """
    target = manner.target

    def save() -> None:
        if target is not None:
            storage.write(Runs.of(work, objectives), target)

    checkpoint = driver.Checkpoint(None if target is None else save, manner.every)
    interrupted = driver.drive(work, threads=manner.threads, progress=manner.progress, checkpoint=checkpoint)
    runs = Runs.of(work, objectives)
    if interrupted:
        warn_of_interruption(runs, target)
    return runs


def continued(runs: Runs, plan: Plan, objectives: Objectives) -> Work:
    """Return the work that goes on from where the runs are.

    Parameters
    ----------
    runs : Runs
        The runs, which stay as they are.
    plan : Plan
        Their plan or a longer one.
    objectives : Objectives
        What is minimised.

    Returns
    -------
    Work
        With new arrays, which hold what was recorded.
    """
    d, dtype = runs.theta.shape[1], runs.theta.dtype
    records, moments = driver.empty_records(plan, d, dtype), driver.empty_moments(plan, d)
    extension.spread(runs.records, records, runs.plan.core_record, plan.core_record)
    for name, values in runs.moments.items():
        moments[name][np.searchsorted(plan.moment_steps, runs.plan.moment_steps)] = values
    state = {name: values.copy() for name, values in runs.state.items()}
    return driver.Work(objectives.known, objectives.validation, plan, state, records, moments)
