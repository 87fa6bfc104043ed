"""Both methods from common starts: SGD and batch training with the same step size, and what is kept of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.dynamics.descent import descend
from etaflow.reproduce._kit.work import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow._checks import FloatArray
    from etaflow.dynamics.runs import Runs
    from etaflow.reproduce._kit.work import Job
    from etaflow.reproduce.finnoff6.problem import Problem
    from etaflow.reproduce.finnoff6.protocol import Conditions
    from etaflow.reproduce.finnoff6.settings import Settings

    Array = npt.NDArray[np.float64]

MULTIPLES = (1, 3, 10, 30, 100)
"""Batch training may take a larger step than SGD can: these multiples of η are tried on it, for the same number of passes."""

SGD_COST = 2.0
"""What a step of SGD costs, in units of one observation's share of a step of batch training."""

_POINTS = 80
"""Steps of batch training beyond the passes at which its error is recorded."""


@dataclass(frozen=True, eq=False)
class Race:
    """Both methods on one problem. Errors are f; that of a run that diverged is infinite.

    Attributes
    ----------
    problem : Problem
        The problem.
    conditions : Conditions
        The conditions.
    sgd : ndarray, shape (starts,)
        SGD after all passes.
    passes : ndarray, shape (starts,)
        Batch training after as many passes, which is one step each.
    best : ndarray, shape (starts,)
        Batch training after as many passes, with the best of `MULTIPLES` of η for this problem (of the smallest median).
    multiple : int
        Which that is.
    time : ndarray, shape (starts,)
        Batch training after as many steps, and so at the same time t = kη, as SGD.
    twice : ndarray, shape (starts,)
        Batch training at twice that time.
    cooled : ndarray, shape (starts,)
        Batch training for that time from where SGD ended: SGD whose noise was switched off half way to twice the time.
    sgd_steps, sgd_curves : ndarray, shape (m,) and (starts, m)
        The errors of SGD on the way.
    batch_steps, batch_curves : ndarray, shape (m',) and (starts, m')
        The errors of batch training on the way.
    theta0 : ndarray, shape (starts, d)
        The starts.
    ends : ndarray, shape (starts, d)
        Where batch training was after all passes.
    later : ndarray, shape (starts, d)
        Where it was at twice SGD's time.
    """

    problem: Problem
    conditions: Conditions
    sgd: Array
    passes: Array
    best: Array
    multiple: int
    time: Array
    twice: Array
    cooled: Array
    sgd_steps: npt.NDArray[np.int64]
    sgd_curves: Array
    batch_steps: npt.NDArray[np.int64]
    batch_curves: Array
    theta0: FloatArray
    ends: FloatArray
    later: FloatArray

    @property
    def name(self) -> str:
        """The model of the data."""
        return self.problem.name

    @property
    def starts(self) -> int:
        """The number of starts."""
        return len(self.sgd)

    @property
    def curvature(self) -> float:
        """The median, over the starts, of the largest Hessian eigenvalue there."""
        objective = self.problem.objective
        return float(np.median([np.linalg.eigvalsh(objective.hessian(theta))[-1] for theta in self.theta0]))


def phases_of(name: str, settings: Settings) -> list[Phase]:
    """Return the phases of `run_race`.

    Returns
    -------
    list of Phase
        With their costs in steps of batch training per observation.
    """
    conditions, starts = settings.protocol.conditions, settings.protocol.starts
    long = float(starts * conditions.steps * conditions.samples)
    return [
        Phase(f"{name}-sgd", f"{name}: SGD", SGD_COST * starts * conditions.steps),
        Phase(
            f"{name}-multiples", f"{name}: batch training with larger steps", long * len(MULTIPLES) / conditions.samples
        ),
        Phase(f"{name}-batch", f"{name}: batch training", 2 * long),
        Phase(f"{name}-cooled", f"{name}: SGD with its noise switched off", long),
    ]


def run_race(job: Job, problem: Problem, settings: Settings) -> Race:
    """Run both methods on a problem, or what is left of it.

    Parameters
    ----------
    job : Job
        With the phases of `phases_of`.
    problem : Problem
        The problem.
    settings : Settings
        The job's.

    Returns
    -------
    Race
        What they did.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C; what was done is kept.
    """
    conditions = settings.protocol.conditions
    theta0 = problem.draw_starts(conditions, settings.seed, settings.protocol.starts)
    name, one = problem.name, partial(_carry_out, job, problem)
    sgd = one(f"{name}-sgd", sgd_of(problem, conditions, settings.seed, theta0, curve=True))
    multiples = job.keep(f"{name}-multiples", lambda _: try_multiples(problem, conditions, theta0, job.threads))[
        "errors"
    ]
    batch = one(f"{name}-batch", batch_of(problem, conditions, theta0))
    cooled = one(
        f"{name}-cooled",
        partial(descend, problem.objective, sgd.theta, steps=conditions.steps, step_size=conditions.step_size),
    )
    chosen = int(np.argmin(np.median(multiples, axis=1)))
    at = partial(error_at, batch)
    return Race(
        problem=problem,
        conditions=conditions,
        sgd=error_at(sgd, conditions.steps),
        passes=at(conditions.epochs),
        best=multiples[chosen],
        multiple=MULTIPLES[chosen],
        time=at(conditions.steps),
        twice=at(2 * conditions.steps),
        cooled=np.where(sgd.status == "finished", end_errors(problem, cooled), np.inf),
        sgd_steps=sgd.data["step"].values,
        sgd_curves=sgd.data["loss"].values,
        batch_steps=batch.data["step"].values,
        batch_curves=batch.data["loss"].values,
        theta0=theta0,
        ends=batch.data["theta"].sel(step_theta=conditions.epochs).values,
        later=batch.theta,
    )


def _carry_out(job: Job, problem: Problem, name: str, begin: Callable[..., Runs]) -> Runs:
    runs, interrupted = job.descend(name, problem.objective, begin)
    if interrupted:
        raise KeyboardInterrupt
    return runs


def sgd_of(
    problem: Problem, conditions: Conditions, seed: int, theta0: FloatArray, *, curve: bool
) -> Callable[..., Runs]:
    """Return simple backpropagation, ready to run: one observation per step, drawn at random, constant step size.

    Returns
    -------
    callable
        It takes the other options of `descend`.
    """
    last = conditions.steps
    first = np.unique(np.geomspace(1, conditions.samples, 20).astype(np.int64))
    every_pass = np.arange(conditions.samples, last + 1, conditions.samples)
    return partial(
        descend,
        problem.objective,
        theta0,
        steps=last,
        step_size=conditions.step_size,
        batch_size=1,
        runs=problem.numbers(len(theta0)),
        seed=seed,
        record={"loss": np.union1d(first, every_pass) if curve else last},
    )


def batch_of(problem: Problem, conditions: Conditions, theta0: FloatArray) -> Callable[..., Runs]:
    """Return batch training, ready to run up to twice the time of SGD.

    Returns
    -------
    callable
        It takes the other options of `descend`.
    """
    passes, last = conditions.epochs, 2 * conditions.steps
    beyond = np.geomspace(passes, last, _POINTS).astype(np.int64)
    looks = np.unique(np.concatenate([np.arange(passes + 1), beyond, [conditions.steps, last]]))
    record: dict[str, Any] = {"loss": looks, "theta": [passes]}
    return partial(descend, problem.objective, theta0, steps=last, step_size=conditions.step_size, record=record)


def try_multiples(
    problem: Problem, conditions: Conditions, theta0: FloatArray, threads: int | None = None
) -> dict[str, Array]:
    """Run batch training with larger step sizes for the same number of passes.

    Returns
    -------
    dict
        ``errors`` of shape (multiples, starts).
    """
    errors = []
    for multiple in MULTIPLES:
        faster = replace(conditions, step_size=multiple * conditions.step_size)
        runs = descend(problem.objective, theta0, steps=faster.epochs, step_size=faster.step_size, threads=threads)
        errors.append(end_errors(problem, runs))
    return {"errors": np.array(errors)}


def error_at(runs: Runs, step: int) -> Array:
    """Return the recorded error of every run at a step.

    Returns
    -------
    ndarray, shape (runs,)
        Infinite for a run that had diverged.
    """
    values = np.asarray(runs.data["loss"].sel(step=step).values, np.float64)
    return np.where(np.isfinite(values), values, np.inf)


def end_errors(problem: Problem, runs: Runs) -> Array:
    """Return the error of every run at its end.

    Returns
    -------
    ndarray, shape (runs,)
        Infinite for a run that diverged.
    """
    return np.where(runs.status == "finished", problem.objective.value(runs.theta), np.inf)
