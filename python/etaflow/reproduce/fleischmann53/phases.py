"""The phases of a job, each one call of `descend` with a checkpoint of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from etaflow.dynamics.descent import descend
from etaflow.reproduce._kit.work import Job, raising_interrupts
from etaflow.reproduce._kit.work import Phase as Part

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow._checks import FloatArray
    from etaflow.dynamics.runs import Runs
    from etaflow.problem.objective import Objective
    from etaflow.reproduce._kit.folder import Folder
    from etaflow.reproduce._kit.reporting import Progress
    from etaflow.reproduce.fleischmann53.settings import Settings

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
    folder: Folder[Settings]
    threads: int | None
    report: Callable[[Progress], object] | None
    phases: tuple[Phase, ...] = field(init=False)
    job: Job = field(init=False)

    def __post_init__(self) -> None:
        """Plan the phases."""
        self.phases = plan_phases(self.settings)
        parts = [Part(phase.name, phase.words, phase.gradients) for phase in self.phases]
        self.job = Job(self.folder, parts, self.report, self.threads)

    @property
    def theta0(self) -> FloatArray:
        """Where gradient descent begins, shape (d,)."""
        theta = self.objective.net.init(self.settings.seed, scheme=self.settings.protocol.start_scheme)
        return theta.astype(self.objective.dtype)

    def calibrate(self) -> None:
        """Measure how long the job will take, and tell."""
        first = self.phases[1]
        per_gradient = self._seconds_per_gradient(first)
        self.job.estimate = per_gradient * self.job.cost_left
        self.job.tell(self.phases[0].name, 0.0)

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
        begin = partial(
            descend,
            self.objective,
            theta,
            steps=phase.steps,
            step_size=np.repeat(phase.step_sizes, phase.runs)[:, np.newaxis],
            batch_size=phase.batch_size,
            runs=phase.numbers,
            seed=self.settings.seed,
            record={"grad_norm2": phase.steps},
            mean=["grad_norm2"],
        )
        alone = {"threads": 1} if phase.batch_size is None else {}  # one run of small work
        return self.job.descend(phase.name, self.objective, begin, **alone)

    def _seconds_per_gradient(self, phase: Phase) -> float:
        steps, elapsed = 1, 0.0
        while elapsed < _CALIBRATION_SECONDS:
            begin = time.perf_counter()
            with raising_interrupts():
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
            elapsed = time.perf_counter() - begin
            steps *= 4
        return elapsed / (steps // 4 * phase.runs)
