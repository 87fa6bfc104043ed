"""Where batch training ended, by a test of the point and by going on from there, not by a look at the curve."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.landscape.point import DEGENERATE, MINIMUM, SADDLE, point_test
from etaflow.landscape.polish import polish

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow.reproduce._kit.work import Job
    from etaflow.reproduce.finnoff6.races import Race

    Array = npt.NDArray[np.float64]
    Words = npt.NDArray[np.str_]

STUCK = 1.5
"""A batch run whose error is more than so many times SGD's from the same start is called stuck, as the paper's curves are."""

MAX_ITERATIONS = 300

TEST_COST = 1e5
"""What one test of a point costs, in units of one observation's share of a step of batch training."""

KINDS = {
    "minimum": "at a local minimum",
    "flat": "at a point where the second order does not decide",
    "saddle": "at a saddle",
    "time": "on its way: as low as SGD by the same time t",
    "twice": "on its way: as low as SGD by twice that time",
    "downhill": "slower still, but `polish` goes on down below SGD",
    "trapped": "on its way into a local minimum above SGD",
    "undecided": "undecided",
}
"""What becomes of a stuck run, from what the paper says to what it does not."""

IN_A_MINIMUM = ("minimum", "trapped")
"""The kinds that bear the paper out."""

_STATIONARY = {MINIMUM: "minimum", DEGENERATE: "flat", SADDLE: "saddle"}


@dataclass(frozen=True, eq=False)
class Verdicts:
    """The points where the batch runs of one race were after all passes.

    Attributes
    ----------
    name : str
        The model of the data.
    stuck : ndarray of bool, shape (starts,)
        Whether the error is more than `STUCK` times SGD's.
    verdict : ndarray of str, shape (starts,)
        Of `point_test`.
    grad_norm, eigenvalue_min, eigenvalue_rounding, newton_step : ndarray, shape (starts,)
        Its evidence.
    kind : ndarray of str, shape (starts,)
        One of `KINDS`; empty for a run that is not stuck.
    """

    name: str
    stuck: npt.NDArray[np.bool_]
    verdict: Words
    grad_norm: Array
    eigenvalue_min: Array
    eigenvalue_rounding: Array
    newton_step: Array
    kind: Words

    @property
    def concave(self) -> npt.NDArray[np.bool_]:
        """Where the Hessian has an eigenvalue that is negative beyond rounding, which no local minimum has."""
        return self.eigenvalue_min < -self.eigenvalue_rounding

    def count(self, kind: str) -> int:
        """Return how many stuck runs are of a kind.

        Returns
        -------
        int
            The number.
        """
        return int((self.kind[self.stuck] == kind).sum())


def judge_ends(job: Job, race: Race) -> Verdicts:
    """Test the points where batch training was after all passes, and see where it goes from there.

    Parameters
    ----------
    job : Job
        With a phase ``NAME-verdicts``.
    race : Race
        Both methods on one problem.

    Returns
    -------
    Verdicts
        One verdict per start.
    """
    arrays = job.keep(f"{race.name}-verdicts", lambda report: _judge(race, report))
    return Verdicts(race.name, **arrays)


def _judge(race: Race, report: Callable[[float], None]) -> dict[str, npt.NDArray[Any]]:
    finite = np.isfinite(race.passes)
    stuck = finite & (race.passes > STUCK * race.sgd)
    tests = []
    for i, theta in enumerate(race.ends):
        tests.append(point_test(race.problem.objective, theta) if finite[i] else None)
        report((i + 1) / (race.starts + 1))
    names = ("grad_norm", "eigenvalue_min", "eigenvalue_rounding", "newton_step")
    verdict = np.array(["diverged" if test is None else test.verdict for test in tests])
    return {
        "stuck": stuck,
        "verdict": verdict,
        **{name: np.array([np.nan if test is None else getattr(test, name) for test in tests]) for name in names},
        "kind": _kinds(race, stuck, verdict),
    }


def _kinds(race: Race, stuck: npt.NDArray[np.bool_], verdict: Words) -> Words:
    kinds = np.full(race.starts, "", dtype="U16")
    for word, kind in _STATIONARY.items():
        kinds[stuck & (verdict == word)] = kind
    kinds[stuck & (kinds == "") & (race.time <= race.sgd)] = "time"
    kinds[stuck & (kinds == "") & (race.twice <= race.sgd)] = "twice"
    left = np.flatnonzero(stuck & (kinds == ""))
    if left.size:
        kinds[left] = _go_on(race, left)
    return kinds


def _go_on(race: Race, rows: npt.NDArray[np.int64]) -> list[str]:
    objective = race.problem.objective
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "not converged", RuntimeWarning)  # "undecided" says so
        polished = polish(objective, race.later[rows], max_iterations=MAX_ITERATIONS)
    kinds = []
    for theta, value, sgd in zip(polished.theta, polished.value, race.sgd[rows], strict=True):
        if value <= sgd:
            kinds.append("downhill")
        else:
            kinds.append("trapped" if point_test(objective, theta).is_minimum else "undecided")
    return kinds
