"""The limit law along the flow: covariances at one and two times, and the shift of the mean beyond it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.diffusion.fluctuations import fluctuations
from etaflow.diffusion.law import Fluctuations
from etaflow.diffusion.mean_shift import finished, mean_shift
from etaflow.reproduce._kit.work import Job, Phase
from etaflow.reproduce.finnoff4.problem import LAST, TIMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow.reproduce.finnoff4.problem import Problem

    Array = npt.NDArray[np.float64]

RTOL = 1e-8

EARLIER = tuple(TIMES * k // 5 for k in range(1, 5))
"""The places of the earlier times whose covariance with the last is compared: t/5, …, 4t/5."""


@dataclass(frozen=True, eq=False)
class Limit:
    """The law of θ̃, the solution of the linear stochastic differential equation.

    Attributes
    ----------
    law : Fluctuations
        Σ at the problem's times.
    two_times : ndarray, shape (TIMES + 1, d, d)
        Cov(θ̃(t), θ̃(s)) of the last time t with every time s.
    shift : ndarray, shape (d,)
        m(t): E Θ = √η·m + o(√η).
    """

    law: Fluctuations
    two_times: Array
    shift: Array

    @property
    def covariance(self) -> Array:
        """Σ(t) at the last time."""
        return np.asarray(self.law.covariance[-1])


def phase_of(problem: Problem) -> Phase:
    """Return the phase of a limit law.

    Returns
    -------
    Phase
        With its cost in microseconds.
    """
    return Phase(f"limit-{problem.name}", f"{problem.name}: the limit law", 2e5 + 0.4 * problem.objective.num_params**3)


def find_limit(job: Job, problem: Problem) -> Limit:
    """Return the limit law.

    Parameters
    ----------
    job : Job
        With a phase of `phase_of`.
    problem : Problem
        The problem.

    Returns
    -------
    Limit
        The law.
    """
    arrays = job.keep(phase_of(problem).name, lambda report: _compute(problem, report))
    law = Fluctuations(
        problem.objective, problem.flow, problem.times, float(arrays["factor"]), RTOL, 0.0, arrays["covariance"]
    )
    return Limit(law, arrays["two_times"], arrays["shift"])


def _compute(problem: Problem, report: Callable[[float], None]) -> dict[str, npt.NDArray[Any]]:
    f, times = problem.objective, problem.times
    law = finished(fluctuations(f, problem.flow, times=times, rtol=RTOL, method="dense"))
    report(1 / 3)
    steps = [law.propagator(late, early) for early, late in pairwise(times)]
    propagators = [np.eye(f.num_params)]  # Φ(t, s) for s = t and earlier and earlier
    for step in reversed(steps):
        propagators.append(propagators[-1] @ step)
    report(2 / 3)
    shift = mean_shift(f, problem.flow, np.array([LAST]), batch_size=1, sampling="iid")[0]
    return {
        "covariance": law.covariance,
        "two_times": np.stack(propagators[::-1]) @ law.covariance,
        "factor": np.array(law.noise_factor),
        "shift": shift,
    }
