"""The results of a sweep: one number per run, for each of its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.reproduce._kit.text import to_csv as as_csv
from etaflow.theory.rates import PowerLaw, fit_power_law

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etaflow.dynamics.runs import Runs
    from etaflow.reproduce.fleischmann53.phases import Phase

    Array = npt.NDArray[np.float64]

COLUMNS = (
    "sweep",
    "step_size",
    "batch_size",
    "run",
    "seed",
    "key",
    "steps",
    "status",
    "mean_grad_norm2",
    "mean_grad_norm2_after_each_step",
)


@dataclass(frozen=True)
class Setting:
    """The runs of one setting that ended, finished or diverged; those that were interrupted are not among them.

    Attributes
    ----------
    step_size : float
        α.
    batch_size : int
        |B|.
    first_run : int
        The number of the setting's first run, ended or not.
    numbers : ndarray of int64, shape (runs,)
        The runs' numbers: with the seed, the keys of their random numbers.
    steps : ndarray of int64, shape (runs,)
        How many steps each run did.
    status : ndarray of str, shape (runs,)
        ``finished`` or ``diverged``.
    means : ndarray, shape (runs,)
        The mean of ‖∇f(θ_k)‖² over θ_1 … θ_K, as in the thesis's text.
    after : ndarray, shape (runs,)
        The mean over θ_2 … θ_{K+1}, as in the author's code.
    """

    step_size: float
    batch_size: int
    first_run: int
    numbers: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]
    status: npt.NDArray[np.str_]
    means: Array
    after: Array

    @property
    def finished(self) -> Array:
        """The means of the runs that did all their steps."""
        rows = self.status == "finished"
        return np.asarray(self.means[rows])

    @property
    def diverged(self) -> int:
        """The number of runs that diverged."""
        return int((self.status == "diverged").sum())

    @property
    def mean(self) -> float:
        """The mean over the finished runs, eq. (5.3); NaN if there is none."""
        return float(self.finished.mean()) if self.finished.size else np.nan

    @property
    def standard_error(self) -> float:
        """The standard error of `mean`; NaN if there are fewer than two runs."""
        count = self.finished.size
        return float(self.finished.std(ddof=1) / np.sqrt(count)) if count > 1 else np.nan


@dataclass(frozen=True)
class Sweep:
    """The settings of a sweep that have runs.

    Attributes
    ----------
    name : {"step size", "batch size"}
        What is varied.
    settings : tuple of Setting
        In order.
    """

    name: str
    settings: tuple[Setting, ...]

    @property
    def x(self) -> Array:
        """What the mean is thought to be proportional to: α or 1/|B|."""
        if self.name == "step size":
            return np.array([setting.step_size for setting in self.settings])
        return np.array([1 / setting.batch_size for setting in self.settings])

    @property
    def means(self) -> Array:
        """The mean of each setting."""
        return np.array([setting.mean for setting in self.settings])

    @property
    def runs(self) -> int:
        """The number of runs."""
        return sum(setting.means.size for setting in self.settings)

    @property
    def diverged(self) -> int:
        """The number of runs that diverged."""
        return sum(setting.diverged for setting in self.settings)

    def law(self) -> PowerLaw | None:
        """Fit a power law through the means.

        Returns
        -------
        PowerLaw or None
            None if fewer than two settings have two finished runs each.
        """
        usable = [i for i, setting in enumerate(self.settings) if setting.finished.size > 1]
        if len(usable) < 2:
            return None
        return fit_power_law(self.x[usable], [self.settings[i].finished for i in usable])

    def deviation(self, law: PowerLaw) -> float:
        """Return how far the mean that lies furthest from a fitted power law is from it, as a part of the latter.

        Parameters
        ----------
        law : PowerLaw
            The fit.

        Returns
        -------
        float
            The largest of ``abs(mean/law - 1)``.
        """
        return float(np.nanmax(np.abs(self.means / law.at(self.x) - 1)))


def settings_of(phase: Phase, runs: Runs) -> list[Setting]:
    """Return what the runs of a phase gave, setting by setting.

    Parameters
    ----------
    phase : Phase
        A sweep's phase.
    runs : Runs
        Its runs, perhaps interrupted.

    Returns
    -------
    list of Setting
        Those settings of which a run has ended.
    """
    norms = runs.data["grad_norm2"].values
    means = np.asarray(runs.data["mean_grad_norm2"].values, np.float64)
    change = np.asarray(norms[:, -1], np.float64) - np.asarray(norms[:, 0], np.float64)  # NaN unless finished
    table = {
        "numbers": runs.plan.run_numbers,
        "steps": runs.steps_done,
        "status": runs.status,
        "means": np.where(runs.status == "finished", means, np.nan),
        "after": means + change / phase.steps,
    }
    settings = []
    for i, step_size in enumerate(phase.step_sizes):
        rows = np.arange(i * phase.runs, (i + 1) * phase.runs)
        ended = rows[runs.status[rows] != "interrupted"]
        if ended.size:
            columns: dict[str, Any] = {name: column[ended] for name, column in table.items()}
            settings.append(Setting(float(step_size), phase.batch_size or 0, phase.numbers[rows[0]], **columns))
    return settings


def to_csv(sweeps: Sequence[Sweep], seed: int) -> str:
    """Return one line per run that ended.

    Parameters
    ----------
    sweeps : sequence of Sweep
        The sweeps.
    seed : int
        The job's seed.

    Returns
    -------
    str
        The table. Numbers are written so that reading them gives the same bits; ``run`` counts from 1 in each setting, and
        (``seed``, ``key``) is the key of the run's random numbers.
    """
    return as_csv(COLUMNS, (row for sweep in sweeps for one in sweep.settings for row in _rows(sweep.name, one, seed)))


def _rows(name: str, one: Setting, seed: int) -> Iterator[list[Any]]:
    for i, key in enumerate(one.numbers.tolist()):
        where = [name, one.step_size, one.batch_size, key - one.first_run + 1, seed, key]
        yield [*where, int(one.steps[i]), str(one.status[i]), float(one.means[i]), float(one.after[i])]
