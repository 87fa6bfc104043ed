"""Ensembles of SGD's fluctuations and of the linear diffusion, reduced to what is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.diffusion.linear_sde import simulate_linear_sde
from etaflow.dynamics.descent import descend
from etaflow.reproduce._kit.work import Job, Phase
from etaflow.reproduce.finnoff4.limit import EARLIER
from etaflow.reproduce.finnoff4.problem import LAST, TIMES
from etaflow.theory.gaussian_limit.comparison import GROUPS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etaflow.reproduce.finnoff4.problem import Problem
    from etaflow.reproduce.finnoff4.settings import Settings

    Array = npt.NDArray[np.float64]

DRAW_COST = 0.08
"""Microseconds for a number of a path of the diffusion."""

PARTS = (1, 5, 25)
"""The paths of the diffusion are simulated in one of these numbers of calls, each of which finds matrices of its own."""

MOST_NUMBERS = 4e7
"""So many numbers the paths of one call may have."""


@dataclass(frozen=True, eq=False)
class Ensemble:
    """What is kept of many paths of Θ or of θ̃.

    Attributes
    ----------
    ends : ndarray, shape (runs, d)
        At the last time; NaN for a run that diverged.
    two_times : ndarray, shape (GROUPS, 4, d, d)
        The covariance of the last time with each of the `EARLIER` ones, group by group.
    products : ndarray, shape (GROUPS, TIMES + 1)
        The covariance's trace of the last time with every time, group by group.
    squares : ndarray, shape (GROUPS, TIMES + 1)
        The same of every time with itself.
    suprema : ndarray, shape (runs,)
        The largest norm over the times.
    """

    ends: Array
    two_times: Array
    products: Array
    squares: Array
    suprema: Array

    @property
    def diverged(self) -> int:
        """The number of runs that diverged."""
        return int(np.isnan(self.ends[:, 0]).sum())


def phases_of(problem: Problem, settings: Settings) -> list[Phase]:
    """Return the phases of a problem's ensembles: one for each step size, and one for the diffusion.

    Returns
    -------
    list of Phase
        With their costs in microseconds.
    """
    runs, d = problem.runs(settings.protocol), problem.objective.num_params
    phases = [
        Phase(
            f"ensemble-{problem.name}-{i + 1}",
            f"{problem.name}: SGD, η = {eta:g}",
            runs * (0.01 * LAST / eta + 5 + 0.6 * d),
        )
        for i, eta in enumerate(problem.step_sizes)
    ]
    cost = 2e5 + DRAW_COST * settings.protocol.diffusion_paths * TIMES * d
    return [*phases, Phase(f"diffusion-{problem.name}", f"{problem.name}: the linear diffusion", cost)]


def run_sgd(job: Job, problem: Problem, place: int, settings: Settings) -> Ensemble:
    """Run SGD with one step size.

    Parameters
    ----------
    job : Job
        With the phases of `phases_of`.
    problem : Problem
        The problem.
    place : int
        Of the step size among the problem's.
    settings : Settings
        The job's.

    Returns
    -------
    Ensemble
        Of Θ.
    """
    eta, count = float(problem.step_sizes[place]), problem.runs(settings.protocol)
    steps, mean = problem.steps(eta), problem.flow(problem.times)

    def paths(numbers: range) -> Array:
        runs = descend(
            problem.objective,
            problem.theta0,
            steps=int(steps[-1]),
            step_size=eta,
            batch_size=1,
            runs=numbers,
            seed=settings.seed,
            record={"theta": steps},
            threads=job.threads,
        )
        if (runs.status == "interrupted").any():
            raise KeyboardInterrupt
        return np.asarray((runs.records["theta"] - mean) / np.sqrt(eta))

    first = place * count
    name = f"ensemble-{problem.name}-{place + 1}"
    return Ensemble(**job.keep(name, lambda report: _gather(paths, range(first, first + count), report)))


def run_diffusion(job: Job, problem: Problem, settings: Settings) -> Ensemble:
    """Simulate the linear diffusion.

    Returns
    -------
    Ensemble
        Of θ̃.
    """
    count = settings.protocol.diffusion_paths
    numbers = count * len(problem.times) * problem.objective.num_params
    parts = next((parts for parts in PARTS if numbers <= parts * MOST_NUMBERS), PARTS[-1])
    share = count // parts

    def paths(numbers: range) -> Array:
        found = simulate_linear_sde(
            problem.objective, problem.flow, times=problem.times, runs=numbers, seed=settings.seed
        )
        if np.isnan(found.values).any():
            raise KeyboardInterrupt
        return np.asarray(found.values)

    def compute(report: Callable[[float], None]) -> dict[str, npt.NDArray[Any]]:
        reduced = []
        for part in range(parts):
            reduced += _reduce_groups(paths(range(part * share, (part + 1) * share)), GROUPS // parts)
            report((part + 1) / parts)
        return _together(reduced)

    return Ensemble(**job.keep(f"diffusion-{problem.name}", compute))


def _gather(
    paths: Callable[[range], Array], numbers: range, report: Callable[[float], None]
) -> dict[str, npt.NDArray[Any]]:
    size, parts = len(numbers) // GROUPS, []
    for group in range(GROUPS):
        parts += _reduce_groups(paths(numbers[group * size : (group + 1) * size]), 1)
        report((group + 1) / GROUPS)
    return _together(parts)


def _together(parts: Sequence[tuple[Array, ...]]) -> dict[str, npt.NDArray[Any]]:
    ends, two_times, products, squares, suprema = zip(*parts, strict=True)
    return {
        "ends": np.concatenate(ends),
        "two_times": np.stack(two_times),
        "products": np.stack(products),
        "squares": np.stack(squares),
        "suprema": np.concatenate(suprema),
    }


def _reduce_groups(paths: Array, groups: int) -> list[tuple[Array, ...]]:
    return [_reduce(group) for group in np.split(paths, groups)]


def _reduce(paths: Array) -> tuple[Array, ...]:
    finite = np.asarray(np.isfinite(paths).all(axis=(1, 2)))
    alive = paths[finite]
    centred = alive - alive.mean(axis=0)
    last, degrees = centred[:, -1], len(alive) - 1
    two_times = np.stack([last.T @ centred[:, s] for s in EARLIER]) / degrees
    products = np.einsum("rd,rtd->t", last, centred) / degrees
    squares = np.einsum("rtd,rtd->t", centred, centred) / degrees
    ends = np.where(finite[:, None], paths[:, -1], np.nan)
    return ends, two_times, products, squares, np.sqrt((paths**2).sum(axis=2)).max(axis=1)
