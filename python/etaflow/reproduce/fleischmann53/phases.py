"""The phases of a job, each one call of `descend` with a checkpoint of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from etaflow.dynamics.descent import descend
from etaflow.reproduce._kit.work import Phase as Part
from etaflow.reproduce._kit.work import seconds_per_step

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.dynamics.runs import Runs
    from etaflow.problem.objective import Objective
    from etaflow.reproduce._kit.work import Job
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
    def part(self) -> Part:
        """The phase as a part of the job; its cost is the number of gradients over the whole training set."""
        return Part(self.name, self.words, self.steps * len(self.numbers))


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


@dataclass(frozen=True)
class Worker:
    """Carries out the phases of a job.

    Attributes
    ----------
    objective : Objective
        What is minimised.
    settings : Settings
        What decides the numbers.
    job : Job
        Keeps them.
    """

    objective: Objective
    settings: Settings
    job: Job

    @property
    def theta0(self) -> FloatArray:
        """Where gradient descent begins, shape (d,)."""
        theta = self.objective.net.init(self.settings.seed, scheme=self.settings.protocol.start_scheme)
        return theta.astype(self.objective.dtype)

    def calibrate(self) -> None:
        """Measure how long the job will take, and tell, if anybody listens."""
        _, first, *_ = plan_phases(self.settings)
        sgd = partial(
            descend,
            self.objective,
            self.theta0,
            step_size=min(first.step_sizes),
            batch_size=1,
            runs=first.runs,
            seed=self.settings.seed,
            mean=["grad_norm2"],
            threads=self.job.threads,
        )
        self.job.calibrate(
            lambda: seconds_per_step(lambda steps: sgd(steps=steps), least=_CALIBRATION_SECONDS) / first.runs
        )

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
