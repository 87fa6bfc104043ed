"""A race: the same work by etaflow and its peers, checked for agreement, then timed in turns in one session."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from kit.works import Work

#: The largest deviation from our result, relative to its largest entry (or 1).
TOLERANCE = {"float64": 1e-10, "float32": 5e-4}
#: A contender whose turn takes longer than this gets only `FEW_TURNS`.
LONG_TURN, FEW_TURNS = 0.4, 3
TURNS = 15


@dataclass(frozen=True)
class Contender:
    """One way to do the work.

    Attributes
    ----------
    tool : str
        Whose way it is.
    how : str
        Which way, in a few words.
    work : callable
        One turn; returns the result.
    units : float
        How many units of work (steps, gradients) a turn makes.
    expected : callable or None
        What the result must be near to; None if there is nothing to compare.
    answer : callable
        Makes of a turn's result the array to compare.
    blas : int or None
        The number of BLAS threads, where it differs from the work's threads.
    own_watch : bool
        Whether a turn returns the seconds that count, instead of being timed.
    """

    tool: str
    how: str
    work: Callable[[], Any]
    units: float
    expected: Callable[[], Any] | None = None
    answer: Callable[[Any], Any] = np.asarray
    blas: int | None = None
    own_watch: bool = False


@dataclass(frozen=True)
class Absent:
    """A contender that cannot race here, and why."""

    tool: str
    reason: str


@dataclass
class Timing:
    """What was measured of one contender: seconds per unit, turn by turn, and the seconds of its first turn."""

    contender: Contender
    preparation: float
    seconds: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        """The best turn, in seconds per unit."""
        return min(self.seconds)

    def turn(self, threads: int) -> None:
        """Take one turn."""
        if len(self.seconds) >= FEW_TURNS and self.best * self.contender.units > LONG_TURN:
            return
        with machine.threads(threads, blas=self.contender.blas):
            machine.settle()
            start = time.perf_counter()
            result = self.contender.work()
            seconds = result if self.contender.own_watch else time.perf_counter() - start
        self.seconds.append(seconds / self.contender.units)


@dataclass(frozen=True)
class Result:
    """A race's end: ours, the peers, those who were absent, and the operations of one unit."""

    work: Work
    ours: Timing
    peers: list[Timing]
    absent: list[Absent]
    flops: float | None


@cache
def load(tool: str) -> ModuleType | Absent:
    """Import the peers of a tool, ``peers.<tool>``, or say why not."""
    try:
        return import_module(f"peers.with_{tool.lower().replace('-', '')}")
    except ImportError as error:
        return Absent(tool, f"not installed: {error}")


def enter(tool: str, build: Callable[[Any], Contender]) -> Contender | Absent:
    """Return the contender that `build` makes of the tool's peers, if the tool is installed."""
    module = load(tool)
    return module if isinstance(module, Absent) else build(module)


def run_race(
    work: Work, benchmark: Any, ours: Contender, entrants: list[Contender | Absent], flops: float | None = None
) -> Result:
    """Check that everybody agrees, then let them work in turns; pytest-benchmark holds the watch for ours."""
    absent = [one for one in entrants if isinstance(one, Absent)]
    timings = []
    for contender in [ours, *(one for one in entrants if isinstance(one, Contender))]:
        try:
            timings.append(_prepare(work, contender))
        except RuntimeError as error:  # a compiler that is not there, or not for this machine
            if contender is ours:
                raise
            absent.append(Absent(contender.tool, f"{contender.how}: {str(error).splitlines()[0]}"))
    first, *others = timings

    def peers_turn() -> None:
        for timing in others:
            timing.turn(work.threads)

    benchmark.pedantic(lambda: first.turn(work.threads), setup=peers_turn, rounds=TURNS, iterations=1)
    return Result(work, first, others, absent, flops)


def _prepare(work: Work, contender: Contender) -> Timing:
    with machine.threads(work.threads, blas=contender.blas):
        start = time.perf_counter()
        result = contender.work()
        preparation = time.perf_counter() - start
    if contender.expected is not None:
        error = deviation(contender.answer(result), contender.expected())
        if not error < TOLERANCE[work.dtype]:
            who = f"{contender.tool} ({contender.how})"
            raise AssertionError(f"{work.title}: {who} deviates by {error:.2g} from etaflow")
    return Timing(contender, preparation)


def deviation(result: Any, expected: Any) -> float:
    """Return the largest deviation, relative to the largest expected entry or 1."""
    got, wanted = np.asarray(result, np.float64), np.asarray(expected, np.float64)
    if got.shape != wanted.shape:
        raise AssertionError(f"expected a result of shape {wanted.shape} (got {got.shape})")
    return float(np.abs(got - wanted).max() / max(1.0, np.abs(wanted).max()))
