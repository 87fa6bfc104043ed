"""The phases of a job, each one call of `descend` with a checkpoint of its own."""

from __future__ import annotations

import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.dynamics.descent import descend
from etaflow.dynamics.runs import load
from etaflow.reproduce.fleischmann53.reporting import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from etaflow._checks import FloatArray
    from etaflow.dynamics.runs import Runs
    from etaflow.problem.objective import Objective
    from etaflow.reproduce.fleischmann53.folder import Folder
    from etaflow.reproduce.fleischmann53.settings import Settings

CHECKPOINT_SECONDS = 60.0
_CALIBRATION_SECONDS = 0.2


@dataclass(frozen=True)
class Phase:
    """One call of `descend`.

    Attributes
    ----------
    name : str
        The name of its checkpoint.
    words : str
        What it does.
    batch_size : int or None
        None for gradient descent.
    step_sizes : tuple of float
        One per setting; each setting is run `runs` times.
    first_run : int
        The number of its first run: with the seed, the key of its random numbers.
    runs : int
        Runs per setting.
    steps : int
        Steps per run.
    """

    name: str
    words: str
    batch_size: int | None
    step_sizes: tuple[float, ...]
    first_run: int
    runs: int
    steps: int

    @property
    def numbers(self) -> range:
        """The run numbers, setting by setting."""
        return range(self.first_run, self.first_run + self.runs * len(self.step_sizes))

    @property
    def gradients(self) -> int:
        """How many gradients over the whole training set it takes."""
        return self.steps * len(self.numbers)


def plan_phases(settings: Settings) -> tuple[Phase, ...]:
    """Return the phases of a job: the start, the sweep of step sizes, then one for each mini-batch size.

    No run number occurs twice, so that no two settings share their random numbers.

    Parameters
    ----------
    settings : Settings
        The job's.

    Returns
    -------
    tuple of Phase
        In their order.
    """
    own = settings.protocol
    start = Phase(
        "start", "start: gradient descent", None, (own.start_step_size,), first_run=0, runs=1, steps=own.start_steps
    )
    first = Phase("step-sizes", "step sizes", 1, own.step_sizes, first_run=0, runs=own.runs, steps=own.steps)
    batches = (
        Phase(f"batch-{batch}", f"mini-batches of {batch}", batch, (own.fixed_step_size,), number, own.runs, own.steps)
        for batch, number in zip(own.batch_sizes, range(first.numbers.stop, own.total_runs, own.runs), strict=True)
    )
    return start, first, *batches


@dataclass
class Worker:
    """Carries out phases and tells how far the whole job is.

    Attributes
    ----------
    objective : Objective
        What is minimised.
    settings : Settings
        The job's.
    folder : Folder
        Where the checkpoints are.
    threads : int or None
        How many threads.
    report : callable or None
        Is given a `Progress`.
    """

    objective: Objective
    settings: Settings
    folder: Folder
    threads: int | None
    report: Callable[[Progress], object] | None
    phases: tuple[Phase, ...] = ()
    estimate: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Plan the phases."""
        self.phases = plan_phases(self.settings)

    @property
    def theta0(self) -> FloatArray:
        """Where gradient descent begins, shape (d,)."""
        theta = self.objective.net.init(self.settings.seed, scheme=self.settings.protocol.start_scheme)
        return theta.astype(self.objective.dtype)

    def calibrate(self) -> None:
        """Measure how long the job will take, and tell."""
        first = self.phases[1]
        per_gradient = self._seconds_per_gradient(first)
        left = sum(phase.gradients * (1 - self._part_done(phase)) for phase in self.phases)
        self.estimate = per_gradient * left
        self._tell(self.phases[0], 0.0)

    def carry_out(self, phase: Phase, theta: FloatArray) -> tuple[Runs, bool]:
        """Carry out a phase, or what is left of it.

        Parameters
        ----------
        phase : Phase
            Which.
        theta : ndarray, shape (d,)
            Where its runs begin.

        Returns
        -------
        runs : Runs
            Its runs; after Ctrl-C some of them may have the status ``interrupted``.
        interrupted : bool
            Whether Ctrl-C was pressed, perhaps so late that all runs were finished.
        """
        file = self.folder.checkpoint(phase.name)
        options: dict[str, Any] = {
            "threads": 1 if phase.batch_size is None else self.threads,  # one run of small work
            "progress": lambda fraction: self._tell(phase, fraction),
            "checkpoint": file,
            "every": CHECKPOINT_SECONDS,
        }
        with _hearing() as interruptions:
            runs = self._resumed(file, options) if file.exists() else self._begun(phase, theta, options)
        return runs, bool(interruptions)

    def _resumed(self, file: Path, options: dict[str, Any]) -> Runs:
        return load(file).resume(objective=self.objective, **options)

    def _begun(self, phase: Phase, theta: FloatArray, options: dict[str, Any]) -> Runs:
        return descend(
            self.objective,
            theta,
            steps=phase.steps,
            step_size=np.repeat(phase.step_sizes, phase.runs)[:, np.newaxis],
            batch_size=phase.batch_size,
            runs=phase.numbers,
            seed=self.settings.seed,
            record={"grad_norm2": phase.steps},
            mean=["grad_norm2"],
            **options,
        )

    def _tell(self, phase: Phase, fraction: float) -> None:
        if self.report is not None:
            before = sum(one.gradients for one in self.phases[: self.phases.index(phase)])
            total = sum(one.gradients for one in self.phases)
            self.report(Progress(phase.words, (before + fraction * phase.gradients) / total, self.estimate))

    def _part_done(self, phase: Phase) -> float:
        file = self.folder.checkpoint(phase.name)
        return float(load(file).steps_done.mean()) / phase.steps if file.exists() else 0.0

    def _seconds_per_gradient(self, phase: Phase) -> float:
        steps, elapsed = 1, 0.0
        while elapsed < _CALIBRATION_SECONDS:
            begin = time.perf_counter()
            with _hearing() as interruptions:
                descend(
                    self.objective,
                    self.theta0,
                    steps=steps,
                    step_size=min(phase.step_sizes),
                    batch_size=1,
                    runs=phase.runs,
                    seed=self.settings.seed,
                    mean=["grad_norm2"],
                    threads=self.threads,
                )
            if interruptions:
                raise KeyboardInterrupt
            elapsed = time.perf_counter() - begin
            steps *= 4
        return elapsed / (steps // 4 * phase.runs)


@contextmanager
def _hearing() -> Iterator[list[warnings.WarningMessage]]:
    """Collect what `descend` says when Ctrl-C has ended it, as it takes the signal itself; pass other warnings on.

    Yields
    ------
    list of WarningMessage
        Filled at the end.
    """
    heard: list[warnings.WarningMessage] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", message="interrupted after", category=RuntimeWarning)
        yield heard
    for one in caught:
        if str(one.message).startswith("interrupted after"):
            heard.append(one)
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
