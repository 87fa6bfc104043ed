"""Theorem 3.2 on one problem: the phase that measures it, and what is read off its tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow._intervals import RESAMPLES
from etaflow.reproduce._kit.work import Job, Phase
from etaflow.reproduce.finnoff3.keeping import from_arrays, to_arrays
from etaflow.reproduce.finnoff3.protocol import LEVEL
from etaflow.reproduce.finnoff3.proved import log10_proved
from etaflow.theory.rates import PowerLaw, fit_power_law
from etaflow.theory.small_steps.deviation import deviation

if TYPE_CHECKING:
    import xarray as xr

    from etaflow.reproduce.finnoff3.problem import Problem
    from etaflow.reproduce.finnoff3.settings import Settings

    Array = npt.NDArray[np.float64]

TIMES = 50
"""Recorded times, which are times of steps for every step size."""

PARTS = 5
"""B̂_r is told of at the end of every fifth of the time, and at the first recorded one."""

DELTAS = np.geomspace(0.02, 2.0, 29)
"""δ, as parts of how far the flow gets from θ_0."""

ALL, FINEST = slice(None), slice(-3, None)
"""Which step sizes make a power: all, or the three smallest."""

PLACES = np.append(0, np.arange(1, PARTS + 1) * (TIMES // PARTS) - 1)
"""The numbers of the times at which B̂_r is told."""

BOOTSTRAP = 1.6e6
"""What the intervals of a run cost, in the unit of a parameter of a step."""


@dataclass(frozen=True)
class Growth:
    """How B̂_r grew between two times.

    Attributes
    ----------
    begin, end : float
        The times.
    rate : float
        log(B̂_end/B̂_begin)/(end − begin).
    low, high : float
        Its interval.
    """

    begin: float
    end: float
    rate: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Measured:
    """What `etaflow.theory.deviation` gave for a problem.

    Attributes
    ----------
    problem : Problem
        The problem.
    data : xarray.Dataset
        The tables.
    seed : int
        Of the bootstrap.
    """

    problem: Problem
    data: xr.Dataset
    seed: int

    @cached_property
    def power(self) -> PowerLaw | None:
        """E sup‖SGD − flow‖² ∝ η^s over all step sizes."""
        return self._law("sup")

    @cached_property
    def local_power(self) -> PowerLaw | None:
        """The same over the three smallest."""
        return self._law("sup", FINEST)

    @cached_property
    def power_at_times(self) -> PowerLaw | None:
        """The same with the maximum over 50 times, the same for all step sizes."""
        return self._fit((self.data["distance"].max("time") ** 2).values)

    @cached_property
    def sampling_power(self) -> PowerLaw | None:
        """E sup‖SGD − gradient descent‖² ∝ η^s."""
        return self._law("sampling_sup")

    @cached_property
    def euler_power(self) -> PowerLaw | None:
        """The same of sup‖gradient descent − flow‖, not squared."""
        return self._fit(
            np.tile(self.data["euler_sup"].values[:, -1:], 2)
        )  # nothing is random: an interval of no length

    @property
    def constants(self) -> Array:
        """B̂_t for each step size."""
        return np.asarray(self.data["constant"][:, -1].values)

    @cached_property
    def moved(self) -> tuple[float, float, float]:
        """B̂_t at the largest step size over that at the smallest, − 1, and its interval; NaN if too many runs diverged."""
        sizes = self.problem.step_sizes
        law = self._law("sup", slice(None, None, len(sizes) - 1))
        if law is None:
            return np.nan, np.nan, np.nan
        value, low, high = (
            float((sizes[0] / sizes[-1]) ** (power - 1) - 1) for power in (law.slope, law.low, law.high)
        )
        return value, low, high

    @property
    def triangle(self) -> float:
        """The largest part, over runs and step sizes, that the whole is of the sum of Euler's error and the sampling error."""
        parts = self.data["sampling_sup"] + self.data["euler_sup"]
        return float((self.data["sup"] / parts).isel(time=-1).max())

    @property
    def euler_share(self) -> Array:
        """Euler's sup over the root of E sup² of the sampling error, for each step size."""
        sampling = np.sqrt(self.data["sampling_mean_sup2"][:, -1].values)
        return np.asarray(self.data["euler_sup"][:, -1].values / sampling)

    @property
    def log10_proved(self) -> Array:
        """log₁₀ of the proved B_r at the times at which B̂_r is told; NaN where Lemma 3.1 does not hold."""
        return np.asarray(self.data["log10_proved"].values)

    @cached_property
    def growths(self) -> tuple[Growth, ...]:
        """How fast B̂_r grew from each of those times to the next, at the smallest step size."""
        squares = self.data["sup"][-1].values ** 2
        squares = squares[np.isfinite(squares).all(axis=1)]
        return tuple(self._growth(squares, i, j) for i, j in pairwise(PLACES.tolist()))

    def _growth(self, squares: Array, i: int, j: int) -> Growth:
        from scipy.stats import bootstrap  # noqa: PLC0415 - slow to import

        begin, end = (float(time) for time in self.data["time"].values[[i, j]])

        def rate(before: Any, after: Any, axis: int = -1) -> Any:
            return np.log(after.mean(axis) / before.mean(axis)) / (end - begin)

        interval = bootstrap(
            (squares[:, i], squares[:, j]),
            rate,
            paired=True,
            vectorized=True,
            method="percentile",
            n_resamples=RESAMPLES,
            batch=200,
            confidence_level=LEVEL,
            random_state=np.random.default_rng(self.seed),
        ).confidence_interval
        value = float(rate(squares[:, i], squares[:, j]))
        return Growth(begin, end, value, float(interval.low), float(interval.high))

    def _law(self, name: str, which: slice = ALL) -> PowerLaw | None:
        return self._fit(self.data[name].isel(time=-1).values ** 2, which)

    def _fit(self, squares: Array, which: slice = ALL) -> PowerLaw | None:
        samples = [row[np.isfinite(row)] for row in squares[which]]
        usable = [i for i, row in enumerate(samples) if len(row) > 1]
        if len(usable) < 2:
            return None
        sizes, chosen = self.problem.step_sizes[which][usable], [samples[i] for i in usable]
        return fit_power_law(sizes, chosen, level=LEVEL, seed=self.seed, resamples=RESAMPLES)


def phase_of(problem: Problem, settings: Settings) -> Phase:
    """Return the phase that measures a problem.

    Returns
    -------
    Phase
        Its cost is that of both ensembles and of the intervals.
    """
    cost = settings.protocol.runs * (2.0 * problem.steps * (problem.objective.num_params + 10) + BOOTSTRAP)
    return Phase(f"deviation-{problem.name}", f"{problem.name}: SGD beside the flow", cost)


def run_measurement(job: Job, problem: Problem, settings: Settings) -> Measured:
    """Measure a problem, or read what was measured.

    Returns
    -------
    Measured
        The tables.
    """

    def compute(report: Any) -> dict[str, npt.NDArray[Any]]:
        times = problem.t * np.arange(1, TIMES + 1) / TIMES
        proved = log10_proved(problem, times[PLACES])
        found = deviation(
            problem.objective,
            problem.theta0,
            t=problem.t,
            step_sizes=problem.step_sizes,
            runs=settings.protocol.runs,
            seed=settings.seed,
            deltas=DELTAS * float(np.linalg.norm(problem.flow(times) - problem.theta0, axis=1).max()),
            times=times,
            level=LEVEL,
            flow=problem.flow,
            threads=job.threads,
            progress=report,
        )
        return to_arrays(found.data.assign(log10_proved=("place", proved)))

    arrays = job.keep(phase_of(problem, settings).name, compute)
    return Measured(problem, from_arrays(arrays), settings.seed)
