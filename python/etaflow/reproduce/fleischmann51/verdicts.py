"""What the end of a run is, and what the point is that going on led to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.landscape.minima.ends import is_separated
from etaflow.landscape.minima.glide import glide
from etaflow.landscape.minima.kinks import settle
from etaflow.landscape.minima.recession import recession
from etaflow.reproduce._kit.work import Phase
from etaflow.reproduce.fleischmann51.training import name_of, parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective
    from etaflow.reproduce._kit.work import Job
    from etaflow.reproduce.fleischmann51.problem import Problem
    from etaflow.reproduce.fleischmann51.settings import Settings
    from etaflow.reproduce.fleischmann51.training import Trained

    Array = npt.NDArray[np.float64]
    Words = npt.NDArray[np.str_]

KINDS = {
    "minimum": "at a local minimum with ∇f = 0",
    "kink": "at a local minimum on kinks",
    "infinity": "all observations right: the minimum is at infinity",
    "ray": "not at a minimum: f falls for ever along a ray",
    "falling": "not at a minimum: going on lowers f by more than 0.001",
    "undecided": "undecided",
    "diverged": "diverged",
}
"""What an end is."""

MINIMA = ("minimum", "kink")

SAME = 1e-4
"""A minimum counts as reached if f there is lower by less than this …"""

NEAR = 0.05
"""… and it is not farther away than this, in units of 1 + ‖θ‖."""

FALL = 1e-3
"""An end from which going on lowers f by more than this is not at a minimum."""

LARGEST = 160
"""No stationary point at kinks is sought for more parameters: it takes long, and these runs are far from one."""

GLIDE_STEPS = 60
"""So many steps along kinks are made after gradient descent has gone on."""

SETTLE_COST = 1e6
"""What the search for a minimum at kinks costs, in the unit of the other phases, per parameter and run."""

FAST_COST = 1e4


@dataclass(frozen=True, eq=False)
class Verdicts:
    """The verdicts on the runs of one network.

    Attributes
    ----------
    layers, width : int
        The network.
    kind, later_kind : ndarray of str, shape (runs,)
        What the end is, one of `KINDS`, and what the point is that going on led to, by gradient descent and then by `glide`.
    lowest : ndarray, shape (runs,)
        f at that last point.
    grad_norm, later_grad_norm : ndarray, shape (runs,)
        ‖∇f‖ there.
    right, later_right : ndarray of int, shape (runs,)
        How many observations are on their right sides.
    kinks, later_kinks : ndarray of int, shape (runs,)
        Pairs (unit, observation) at a kink of the minimum; −1 if there is none.
    exact, later_exact : ndarray, shape (runs,)
        f at the minimum beside; NaN if there is none.
    """

    layers: int
    width: int
    kind: Words
    later_kind: Words
    lowest: Array
    grad_norm: Array
    later_grad_norm: Array
    right: npt.NDArray[np.int64]
    later_right: npt.NDArray[np.int64]
    kinks: npt.NDArray[np.int64]
    later_kinks: npt.NDArray[np.int64]
    exact: Array
    later_exact: Array

    def count(self, *kinds: str, later: bool = False) -> int:
        """Return how many runs are of these kinds, at their ends or after going on.

        Returns
        -------
        int
            The number.
        """
        return int(np.isin(self.later_kind if later else self.kind, kinds).sum())


def phase_of(layers: int, width: int, settings: Settings) -> Phase:
    """Return the phase that judges the ends of a network.

    Returns
    -------
    Phase
        The phase.
    """
    d = parameters(layers, width)
    cost = settings.protocol.runs_of(layers) * d * (SETTLE_COST if d <= LARGEST else FAST_COST)
    words = f"{width} neurons in {layers} hidden layer{'s' * (layers > 1)}: verdicts"
    return Phase(name_of(layers, width, "verdicts"), words, cost)


def judge(job: Job, problem: Problem, trained: Trained) -> Verdicts:
    """Judge the ends of the runs of a network, and where going on led.

    Parameters
    ----------
    job : Job
        With the phase of `phase_of`.
    problem : Problem
        The data.
    trained : Trained
        The runs.

    Returns
    -------
    Verdicts
        One for each run.
    """
    f = problem.objective(trained.layers, trained.width)
    name = name_of(trained.layers, trained.width, "verdicts")
    arrays = job.keep(name, lambda report: _judge_all(f, trained, report))
    return Verdicts(trained.layers, trained.width, **arrays)


def _judge_all(f: Objective, trained: Trained, report: Callable[[float], None]) -> dict[str, npt.NDArray[Any]]:
    found: list[dict[str, Any]] = []
    for run in range(len(trained.cost)):
        end = judge_point(f, trained.theta[run], float(trained.cost[run]))
        theta, cost = trained.later[run], float(trained.later_cost[run])
        later = judge_point(f, theta, cost)
        if later["kind"] == "undecided" and f.num_params <= LARGEST:
            theta = glide(f, theta, max_iterations=GLIDE_STEPS)
            cost = float(f.value(theta))
            later = judge_point(f, theta, cost)
        if end["kind"] == "undecided" and cost < trained.cost[run] - FALL:
            end["kind"] = "falling"
        found.append({**end, **{f"later_{name}": value for name, value in later.items()}, "lowest": cost})
        report((run + 1) / len(trained.cost))
    return {name: np.array([one[name] for one in found]) for name in found[0]}


def judge_point(f: Objective, theta: FloatArray, cost: float) -> dict[str, Any]:
    """Say what a point is, as far as it can be seen without going on from it.

    Parameters
    ----------
    f : Objective
        What was minimised.
    theta : ndarray, shape (d,)
        The point.
    cost : float
        f there; NaN for a run that diverged.

    Returns
    -------
    dict
        ``kind``, ``grad_norm``, ``right``, ``kinks`` and ``exact`` of `Verdicts`.
    """
    with np.errstate(over="ignore"):
        norm = float(np.linalg.norm(f.gradient(theta)))
    right = round(float(f.accuracy(theta)) * f.n)
    seen: dict[str, Any] = {"grad_norm": norm, "right": right, "kinks": -1, "exact": np.nan}
    if np.isnan(cost):
        return {**seen, "kind": "diverged"}
    if is_separated(f, theta):
        return {**seen, "kind": "infinity"}
    settled = settle(f, theta, tolerance=1e-11) if f.num_params <= LARGEST else None
    near = NEAR * (1 + np.linalg.norm(theta))
    if (
        settled is None
        or not settled.minimum
        or abs(cost - settled.value) > SAME
        or np.linalg.norm(settled.theta - theta) > near
    ):
        return {**seen, "kind": "undecided" if recession(f, theta) is None else "ray"}
    kind = "kink" if settled.kinks else "minimum"
    return {**seen, "kind": kind, "kinks": settled.kinks, "exact": settled.value}
