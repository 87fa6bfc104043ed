"""The phases of a job: each is done once, kept in the output folder, and told of."""

from __future__ import annotations

import time
import warnings
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from etaflow.dynamics.runs import load
from etaflow.reproduce._kit.arrays import read_arrays, write_arrays
from etaflow.reproduce._kit.reporting import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from etaflow.dynamics.runs import Runs
    from etaflow.problem.objective import Objective
    from etaflow.reproduce._kit.folder import Folder

CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True)
class Phase:
    """A part of a job.

    Attributes
    ----------
    name : str
        The name of its file in ``checkpoints``, without the ending.
    words : str
        What it does, for the progress bar.
    cost : float
        How long it takes, in any unit that all phases of the job share.
    """

    name: str
    words: str
    cost: float


@dataclass
class Job:
    """Does phases, keeps what they give, and tells how far the whole job is.

    Attributes
    ----------
    folder : Folder
        Where results are kept.
    phases : sequence of Phase
        All of them, in order.
    report : callable or None
        Is given a `Progress`.
    threads : int or None
        For `descend`.
    estimate : float
        How many seconds the job will take; set it before the first phase.
    """

    folder: Folder[Any]
    phases: Sequence[Phase]
    report: Callable[[Progress], object] | None = None
    threads: int | None = None
    estimate: float = field(default=0.0, init=False)

    def phase(self, name: str) -> Phase:
        """Return the phase of that name.

        Returns
        -------
        Phase
            The phase.
        """
        return next(phase for phase in self.phases if phase.name == name)

    def tell(self, name: str, fraction: float) -> None:
        """Report that a phase is done to that part, and all before it are done; of those after it, what an earlier call has kept.

        Parameters
        ----------
        name : str
            The phase's.
        fraction : float
            Between 0 and 1.
        """
        if self.report is None:
            return
        place = [phase.name for phase in self.phases].index(name)
        parts = [1.0] * place + [max(fraction, self.kept[place])] + self.kept[place + 1 :]
        done = sum(part * phase.cost for part, phase in zip(parts, self.phases, strict=True))
        self.report(Progress(self.phases[place].words, done / self.cost, self.estimate))

    @cached_property
    def kept(self) -> list[float]:
        """Which part of each phase was done when the job was first told of: what an earlier call had kept."""
        return [self.part_done(phase.name) for phase in self.phases]

    @property
    def cost(self) -> float:
        """The cost of all phases."""
        return sum(phase.cost for phase in self.phases)

    def calibrate(self, seconds_per_cost: Callable[[], float], *, writing: float = 0.0) -> None:
        """Measure how long the job will take, if anybody wants to know, and tell.

        Parameters
        ----------
        seconds_per_cost : callable
            Measures how many seconds a unit of the phases' costs takes.
        writing : float, default 0.0
            The cost of what comes after the phases.
        """
        if self.report is not None:
            self.estimate = (self.cost_left + writing) * seconds_per_cost()
            self.tell(self.phases[0].name, 0.0)

    def part_done(self, name: str) -> float:
        """Return which part of a phase is kept already.

        Returns
        -------
        float
            Between 0 and 1.
        """
        if self.folder.checkpoint(f"{name}.npz").exists():
            return 1.0
        file = self.folder.checkpoint(f"{name}.nc")
        if not file.exists():
            return 0.0
        runs = load(file)
        return float((runs.steps_done / max(runs.plan.steps, 1)).mean())

    @property
    def cost_left(self) -> float:
        """The cost of what is not done yet."""
        return sum(phase.cost * (1 - self.part_done(phase.name)) for phase in self.phases)

    def keep(
        self, name: str, compute: Callable[[Callable[[float], None]], Mapping[str, npt.NDArray[Any]]]
    ) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of a phase, from its file if it was done before.

        Parameters
        ----------
        name : str
            The phase's.
        compute : callable
            A function that is given a function to report its fraction to, and returns arrays by name, none of them of dtype
            object.

        Returns
        -------
        dict of str to ndarray
            The arrays. They are the same, bit for bit, from the function and from the file.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C, also where `descend` inside the function has heard it. The phase is not kept then.
        """
        file = self.folder.checkpoint(f"{name}.npz")
        self.tell(name, 0.0)
        if not file.exists():
            with raising_interrupts(), one_blas_thread():
                arrays = compute(lambda fraction: self.tell(name, fraction))
            write_arrays(file, arrays)
        self.tell(name, 1.0)
        return read_arrays(file)

    def descend(self, name: str, objective: Objective, begin: Callable[..., Runs], **options: Any) -> tuple[Runs, bool]:
        """Return the runs of a phase that is one call of `descend`, or go on with what is left of it.

        Parameters
        ----------
        name : str
            The phase's.
        objective : Objective
            What is minimised, to go on.
        begin : callable
            Calls `descend` with the options that it is given: threads, progress, checkpoint, every.
        **options
            Instead of those that the job gives, for example ``threads=1``.

        Returns
        -------
        runs : Runs
            The runs; after Ctrl-C some of them may have the status ``interrupted``.
        interrupted : bool
            Whether Ctrl-C was pressed, perhaps so late that all runs were finished.
        """
        file = self.folder.checkpoint(f"{name}.nc")
        manner = {
            "threads": self.threads,
            "progress": lambda fraction: self.tell(name, fraction),
            "checkpoint": file,
            "every": CHECKPOINT_SECONDS,
            **options,
        }
        with hearing() as interruptions:
            runs = load(file).resume(objective=objective, **manner) if file.exists() else begin(**manner)
        return runs, bool(interruptions)


def seconds_per_step(run: Callable[[int], object], *, least: float) -> float:
    """Measure how long a step takes, with more and more steps until the watch sees at least so many seconds.

    Parameters
    ----------
    run : callable
        Does so many steps.
    least : float
        Seconds.

    Returns
    -------
    float
        Seconds.
    """
    steps = 4
    while True:
        begin = time.perf_counter()
        with raising_interrupts():
            run(steps)
        elapsed = time.perf_counter() - begin
        if elapsed >= least:
            return elapsed / steps
        steps *= 4


@contextmanager
def hearing() -> Iterator[list[warnings.WarningMessage]]:
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


@contextmanager
def raising_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt at the end if `descend` has been ended by Ctrl-C.

    Yields
    ------
    None
        While the work is done.

    Raises
    ------
    KeyboardInterrupt
        If so.
    """
    with hearing() as interruptions:
        yield
    if interruptions:
        raise KeyboardInterrupt


def one_blas_thread() -> AbstractContextManager[object]:
    """Let NumPy's linear algebra use one thread while the work is done, if threadpoolctl (scikit-learn brings it) is there.

    The matrices of small networks are factorised faster so, much faster beside other work, and to the same bits on any number of cores.

    Returns
    -------
    context manager
        Without threadpoolctl it does nothing.
    """
    if find_spec("threadpoolctl") is None:
        return nullcontext()
    limits: AbstractContextManager[object] = import_module("threadpoolctl").threadpool_limits(1, user_api="blas")
    return limits
