"""All that was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.reproduce._kit.text import resume_command
from etaflow.reproduce._kit.work import one_blas_thread
from etaflow.reproduce.finnoff4.paths import compare_suprema, compare_two_times
from etaflow.reproduce.finnoff4.protocol import LEVEL
from etaflow.reproduce.finnoff4.settings import LAYOUT
from etaflow.theory.gaussian_limit.central_limit import of_samples
from etaflow.theory.gaussian_limit.table import fit_distance

if TYPE_CHECKING:
    from pathlib import Path

    from etaflow.reproduce.finnoff4.coverage import Coverage
    from etaflow.reproduce.finnoff4.ensemble import Ensemble
    from etaflow.reproduce.finnoff4.limit import Limit
    from etaflow.reproduce.finnoff4.paths import Suprema, TwoTimes
    from etaflow.reproduce.finnoff4.problem import Problem
    from etaflow.reproduce.finnoff4.settings import Settings
    from etaflow.theory.gaussian_limit.central_limit import CentralLimit
    from etaflow.theory.rates import PowerLaw

    Array = npt.NDArray[np.float64]

PROJECTIONS = 32
"""Random directions for the distribution functions."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured on one problem.

    Attributes
    ----------
    problem : Problem
        The problem.
    limit : Limit
        The limit law.
    ensembles : tuple of Ensemble
        SGD's, by step size.
    diffusion : Ensemble
        The linear diffusion's.
    coverage : Coverage
        Of the bands.
    at_the_end : CentralLimit
        The ensembles at the last time beside N(0, Σ): ``at_the_end.data`` is the table of `etaflow.theory.central_limit`.
    simulated : CentralLimit
        The same of the diffusion's ensemble, under a step size of 1, which means nothing: there chance is all.
    two_times : tuple of TwoTimes
        Covariances with earlier times, by step size, and the diffusion's last.
    two_times_power : PowerLaw or None
        The power of η with which their distance falls.
    suprema : tuple of Suprema
        The largest norms along paths, by step size.
    exact : ndarray, shape (step sizes,), or None
        ‖Cov Θ − Σ‖/‖Σ‖ without simulation, for a quadratic problem.
    """

    problem: Problem
    limit: Limit
    ensembles: tuple[Ensemble, ...]
    diffusion: Ensemble
    coverage: Coverage
    at_the_end: CentralLimit
    simulated: CentralLimit
    two_times: tuple[TwoTimes, ...]
    two_times_power: PowerLaw | None
    suprema: tuple[Suprema, ...]
    exact: Array | None

    @property
    def name(self) -> str:
        """The problem's name."""
        return self.problem.name

    @property
    def runs(self) -> int:
        """The number of runs for every step size."""
        return len(self.ensembles[0].ends)

    @property
    def diverged(self) -> int:
        """The number of runs that diverged, over all step sizes."""
        return sum(one.diverged for one in self.ensembles)


def measure(
    problem: Problem,
    limit: Limit,
    ensembles: tuple[Ensemble, ...],
    diffusion: Ensemble,
    coverage: Coverage,
    seed: int,
) -> Measured:
    """Compare the ensembles of a problem with its limit law.

    Returns
    -------
    Measured
        The tables.
    """
    sizes = problem.step_sizes
    with one_blas_thread():
        ends, simulated = (
            of_samples(
                [one.ends for one in some],
                places,
                limit.law,
                shift,
                projections=PROJECTIONS,
                level=LEVEL,
                seed=seed,
            )
            for some, places, shift in ((ensembles, sizes, limit.shift), ((diffusion,), np.ones(1), None))
        )
        two_times = tuple(compare_two_times(one, limit) for one in (*ensembles, diffusion))
        power = fit_distance(sizes, [one.distance for one in two_times[:-1]], LEVEL, seed)
        exact = np.array([_relative(problem.covariance(eta), limit) for eta in sizes]) if problem.quadratic else None
    suprema = tuple(compare_suprema(one, diffusion) for one in ensembles)
    return Measured(problem, limit, ensembles, diffusion, coverage, ends, simulated, two_times, power, suprema, exact)


def _relative(covariance: Array, limit: Limit) -> float:
    return float(np.linalg.norm(covariance - limit.covariance) / np.linalg.norm(limit.covariance))


@dataclass(frozen=True, eq=False)
class Findings:
    """All that a summary tells.

    Attributes
    ----------
    settings : Settings
        What was asked for.
    measured : dict of str to Measured
        By the name of the problem; those that are finished.
    out : Path
        The output folder.
    """

    settings: Settings
    measured: dict[str, Measured]
    out: Path

    @property
    def complete(self) -> bool:
        """Whether everything was done."""
        return len(self.measured) == len(self.settings.protocol.problems)

    @property
    def resume_command(self) -> str:
        """The command that goes on."""
        return resume_command(LAYOUT.experiment, self.out)
