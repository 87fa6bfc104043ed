"""Every setting of a sweep, run until the runs leave: when each left, and where it was then."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.dynamics import stopping
from etaflow.dynamics.descent import descend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.dynamics.runs import Runs
    from etaflow.problem.objective import Objective

LEFT, DIVERGED, INSIDE, NOT_BEGUN = "left", "diverged", "inside", "not begun"


@dataclass(frozen=True)
class Settings:
    """The axes of a sweep.

    Attributes
    ----------
    step_sizes : tuple of float
        η.
    steps : tuple of int
        How long a run is followed at the most, for each step size.
    batch_sizes : tuple of int
        |B|.
    noises : tuple of str
        Kinds of gradient noise.
    """

    step_sizes: tuple[float, ...]
    steps: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    noises: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many step sizes, batch sizes and kinds of noise."""
        return len(self.step_sizes), len(self.batch_sizes), len(self.noises)

    @property
    def total(self) -> int:
        """The steps of a run in every setting, all together."""
        return sum(self.steps) * len(self.batch_sizes) * len(self.noises)

    def __len__(self) -> int:
        """Return the number of settings.

        Returns
        -------
        int
            The product of `shape`.
        """
        return int(np.prod(self.shape))

    def __iter__(self) -> Iterator[tuple[float, int, int, str]]:
        """Go through all settings, the kind of noise fastest.

        Yields
        ------
        (float, int, int, str)
            Step size, steps, batch size, kind of noise.
        """
        lengths = zip(self.step_sizes, self.steps, strict=True)
        for (step_size, steps), batch_size, noise in product(lengths, self.batch_sizes, self.noises):
            yield step_size, steps, batch_size, noise


@dataclass(frozen=True, eq=False)
class Exits:
    """When and where runs left.

    Attributes
    ----------
    step : ndarray of int64, shape (step sizes, batch sizes, noises, runs)
        The step after which each run was outside; how long it was followed if it was not; 0 if it never began.
    status : ndarray of str, the same shape
        `LEFT`, `DIVERGED` (it is outside, and not finite), `INSIDE`, or `NOT_BEGUN`.
    theta : ndarray, shape (…, d)
        Where it was then; NaN if it did not leave.
    complete : bool
        Whether all was done that was to be done; False after Ctrl-C.
    """

    step: npt.NDArray[np.int64]
    status: npt.NDArray[np.str_]
    theta: FloatArray
    complete: bool

    @property
    def left(self) -> npt.NDArray[np.bool_]:
        """Which runs left, to a finite place or not."""
        return np.isin(self.status, (LEFT, DIVERGED))


@dataclass(frozen=True, eq=False)
class Watch:
    """How the runs of each setting are followed.

    Attributes
    ----------
    objective, theta_star, leave, runs, seed, threads
        As in `escape_times`.
    """

    objective: Objective
    theta_star: FloatArray
    leave: stopping.Rule
    runs: int
    seed: int
    threads: int | None

    def all(self, settings: Settings, report: Callable[[float], Any]) -> Exits:
        """Follow the runs of every setting; after Ctrl-C stop there.

        Parameters
        ----------
        settings : Settings
            The sweep.
        report : callable
            Is told the part that is done.

        Returns
        -------
        Exits
            What happened.
        """
        shape = (len(settings), self.runs)
        step, status = np.zeros(shape, np.int64), np.full(shape, NOT_BEGUN)
        theta = np.full((*shape, self.theta_star.size), np.nan)
        before, complete = 0, True
        for place, setting in enumerate(settings):
            part = _Part(report, before / settings.total, setting[1] / settings.total)
            runs = self._follow(place, setting, part)
            diverged, stopped = runs.status == "diverged", runs.status == "stopped"
            status[place] = np.select([diverged, stopped], [DIVERGED, LEFT], INSIDE)
            step[place] = np.where(diverged, runs.diverged_at, runs.steps_done)
            theta[place, stopped] = runs.theta[stopped]
            before, complete = before + setting[1], not (runs.status == "interrupted").any()
            if not complete:
                break
        grid = (*settings.shape, self.runs)
        return Exits(step.reshape(grid), status.reshape(grid), theta.reshape(*grid, -1), complete)

    def _follow(self, place: int, setting: tuple[float, int, int, str], report: Callable[[float], None]) -> Runs:
        step_size, steps, batch_size, noise = setting
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "interrupted after", RuntimeWarning)  # escape_times has its own words
            return descend(
                self.objective,
                self.theta_star,
                steps=steps,
                step_size=step_size,
                batch_size=batch_size,
                gradient_noise=noise,
                runs=range(place * self.runs, (place + 1) * self.runs),
                seed=self.seed,
                stop=self.leave,
                reference=self.theta_star if isinstance(self.leave, stopping.Leave) else None,
                threads=self.threads,
                progress=report,
            )


@dataclass(frozen=True)
class _Part:
    report: Callable[[float], Any]
    begin: float
    share: float

    def __call__(self, fraction: float) -> None:
        self.report(self.begin + self.share * fraction)
