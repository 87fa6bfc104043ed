"""Other data and starts of the network 1-2-1: how much B̂_t moves between the largest and the smallest step size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.reproduce._kit.work import Job, Phase
from etaflow.reproduce.finnoff3.problem import load_problem
from etaflow.theory.small_steps.deviation import deviation

if TYPE_CHECKING:
    from etaflow.reproduce.finnoff3.settings import Settings

    Array = npt.NDArray[np.float64]

NAME = "others"
LIMIT = 0.15
"""A constant that moves by less is called the same."""

BOOTSTRAP = 3.3e5
"""What the intervals of a run cost, in the unit of the other phases."""


@dataclass(frozen=True, eq=False)
class Others:
    """B̂_t for other seeds of data and start.

    Attributes
    ----------
    constants : ndarray, shape (seeds, 2)
        At the largest and at the smallest step size; NaN if all runs diverged.
    diverged : ndarray of int64, shape (seeds, 2)
        Runs that diverged.
    """

    constants: Array
    diverged: npt.NDArray[np.int64]

    @property
    def moved(self) -> Array:
        """B̂_t at the largest step size over that at the smallest, − 1."""
        return np.asarray(self.constants[:, 0] / self.constants[:, 1] - 1)

    @property
    def steady(self) -> int:
        """For how many seeds it moves by less than 15 %."""
        return int((np.abs(self.moved) < LIMIT).sum())


def phase_of(settings: Settings) -> Phase:
    """Return the phase of the other seeds.

    Returns
    -------
    Phase
        The phase.
    """
    own, problem = settings.protocol, load_problem("1-2-1", settings.seed, settings.protocol.step_sizes)
    steps = float((problem.t / problem.step_sizes[[0, -1]]).sum())
    cost = own.others * own.other_runs * (2.0 * steps * (problem.objective.num_params + 10) + BOOTSTRAP)
    return Phase(NAME, f"1-2-1: {own.others} other seeds", cost)


def run_others(job: Job, settings: Settings) -> Others:
    """Measure B̂_t for the seeds after the job's own.

    Returns
    -------
    Others
        The constants.
    """
    own = settings.protocol

    def compute(report: Any) -> dict[str, npt.NDArray[Any]]:
        constants, diverged = np.zeros((own.others, 2)), np.zeros((own.others, 2), np.int64)
        for i in range(own.others):
            problem = load_problem("1-2-1", settings.seed + 1 + i, own.step_sizes)
            found = deviation(
                problem.objective,
                problem.theta0,
                t=problem.t,
                step_sizes=problem.step_sizes[[0, -1]],
                runs=own.other_runs,
                seed=settings.seed + 1 + i,
                times=[problem.t],
                threads=job.threads,
            )
            if not found.complete:
                raise KeyboardInterrupt
            constants[i], diverged[i] = found.data["constant"][:, -1], found.data["diverged"]
            report((i + 1) / own.others)
        return {"constants": constants, "diverged": diverged}

    arrays = job.keep(NAME, compute)
    return Others(arrays["constants"], arrays["diverged"])
