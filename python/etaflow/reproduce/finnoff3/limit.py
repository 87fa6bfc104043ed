"""The limit law of Theorem 4.1 looked at as often as SGD makes steps: what B̂_r must tend to, and how a supremum over steps gets there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow._intervals import mean_interval
from etaflow.diffusion.linear_sde import simulate_linear_sde
from etaflow.reproduce._kit.work import Job, Phase
from etaflow.reproduce.finnoff3.protocol import LEVEL

if TYPE_CHECKING:
    from etaflow.reproduce.finnoff3.problem import Problem
    from etaflow.reproduce.finnoff3.settings import Settings

    Array = npt.NDArray[np.float64]

NAMES = ("1-2-1", "saddle")
"""The problems that it is simulated for: its cost grows with the square of the number of parameters."""

CHUNK = 1 << 23
"""So many numbers of paths at a time."""

COST = 4e3
"""What a time of a path costs, in the unit of the other phases."""


@dataclass(frozen=True, eq=False)
class Limit:
    """E max_k ‖θ̃(kη)‖² for the step sizes of a problem.

    Attributes
    ----------
    mean, low, high : ndarray, shape (m,)
        With its interval.
    squares : ndarray, shape (paths, m)
        max_k ‖θ̃(kη)‖² of every path.
    """

    mean: Array
    low: Array
    high: Array
    squares: Array


def phase_of(problem: Problem, settings: Settings) -> Phase:
    """Return the phase that simulates the limit law of a problem.

    Returns
    -------
    Phase
        The phase.
    """
    finest = problem.t / problem.step_sizes[-1]
    cost = COST * settings.protocol.limit_runs * finest
    return Phase(f"limit-{problem.name}", f"{problem.name}: the limit law", cost)


def run_limit(job: Job, problem: Problem, settings: Settings) -> Limit:
    """Simulate θ̃ at the times of the smallest step size, and look at it as often as each step size does.

    Returns
    -------
    Limit
        The means.
    """
    steps = np.rint(problem.t / problem.step_sizes).astype(np.int64)
    finest, runs = int(steps[-1]), settings.protocol.limit_runs
    times = problem.t * np.arange(1, finest + 1) / finest

    def compute(report: Any) -> dict[str, npt.NDArray[Any]]:
        maxima, at_once = [], max(CHUNK // (finest * len(problem.theta0)), 1)
        for first in range(0, runs, at_once):
            some = range(first, min(first + at_once, runs))

            def tell(fraction: float, some: range = some) -> None:
                report((some.start + fraction * len(some)) / runs)

            paths = simulate_linear_sde(
                problem.objective, problem.flow, times=times, runs=some, seed=settings.seed, progress=tell
            )
            norms = np.linalg.norm(paths.values, axis=2)
            if not np.isfinite(norms).all():  # Ctrl-C, which leaves NaN
                raise KeyboardInterrupt
            maxima.append(np.stack([norms[:, finest // k - 1 :: finest // k].max(axis=1) for k in steps], axis=1))
        return {"maxima": np.concatenate(maxima)}

    squares = job.keep(phase_of(problem, settings).name, compute)["maxima"] ** 2
    low, high = mean_interval(squares, level=LEVEL, seed=settings.seed)
    return Limit(squares.mean(axis=0), low, high, squares)
