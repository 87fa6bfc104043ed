"""Continuing a diverging run in one step: the weights are moved along their limiting growth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_choice, check_number, check_positive_int, check_positive_number
from etaflow.dynamics import stopping
from etaflow.dynamics.descent import descend
from etaflow.landscape.divergence.blocks import FEWEST
from etaflow.landscape.divergence.models import LOG, POWER
from etaflow.landscape.divergence.trajectory import minimising, one
from etaflow.landscape.divergence.verdict import BLOCKS, WINDOW, judge

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.landscape.divergence.result import Growth
    from etaflow.landscape.divergence.trajectory import Path, Trajectory
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

WAYS = ("weights", "scale")

RECENT = 3.0
"""The growth of each weight is taken from the last part of the path: from the last time over this on."""


@dataclass(frozen=True, eq=False, repr=False)
class Extrapolation:
    """Where a diverging run would be later, made by `extrapolate`.

    Attributes
    ----------
    objective : Objective
        f.
    begin, theta : ndarray, shape (d,)
        θ(T) at the end of the path, and the extrapolated θ(T').
    time, later : float
        T and T'.
    loss_before, loss : float
        f at the two.
    growth : Growth
        The verdict on the path that licenses it: on ‖θ‖ for ``scale``, else on the weights along their main movement.
    along : str
        ``weights`` or ``scale``.
    """

    objective: Objective
    begin: npt.NDArray[Any]
    theta: npt.NDArray[Any]
    time: float
    later: float
    loss_before: float
    loss: float
    growth: Growth
    along: str

    @property
    def improved(self) -> bool:
        """Whether f is lower at the extrapolated point."""
        return self.loss < self.loss_before

    def steps_saved(self, *, step_size: float, most: int = 1_000_000) -> int | None:
        """Measure how many steps of gradient descent from θ(T) it takes to come as low as the extrapolation did.

        Parameters
        ----------
        step_size : float
            η of these steps.
        most : int, default 1 000 000
            So many are made at most.

        Returns
        -------
        int or None
            The steps; 0 if the extrapolation did not improve f; None if `most` steps were not enough.
        """
        if not self.improved:
            return 0
        rule = stopping.below("loss", self.loss)
        count = check_positive_int("most", most)
        runs = descend(self.objective, self.begin, steps=count, step_size=step_size, stop=rule)
        return int(runs.steps_done[0]) if runs.status[0] == "stopped" else None

    def __repr__(self) -> str:
        """Return the times and the losses.

        Returns
        -------
        str
            One line.
        """
        return (
            f"Extrapolation(along {self.along}, from t = {self.time:.4g} to {self.later:.4g}: "
            f"f from {self.loss_before:.3g} to {self.loss:.3g})"
        )


def extrapolate(
    objective: Objective,
    trajectory: Trajectory,
    *,
    factor: float = 100.0,
    along: str = "weights",
    run: int | None = None,
    window: float = WINDOW,
) -> Extrapolation:
    """Move the weights to where they will be after `factor` times the time, if they are in logarithmic (or power) growth.

    "One may increase these values while preserving whatever proportions are needed, in order to improve network performance" (Sontag & Sussmann 1988, section 3).
    The law g comes from `growth`. ``weights`` continues every weight by the same law with its own factor, θ(T) + b·[g(T') − g(T)], b from
    the last third of the time; ``scale`` multiplies all by one number so that ‖θ‖ is as predicted. After extrapolating, gradient descent can go on from `theta`.

    Parameters
    ----------
    objective : Objective
        f.
    trajectory : Runs, Flow or (t, θ)
        As in `growth`.
    factor : float, default 100
        T'/T.
    along : {"weights", "scale"}, default "weights"
        Each weight by its own growth, or all in proportion.
    run : int, optional
        Which run, if there are several.
    window : float, default 100
        As in `growth`.

    Returns
    -------
    Extrapolation
        The point, its loss, and a way to measure the steps it saves.

    Raises
    ------
    ValueError
        If the path neither grows like log t nor like a power, or an argument is wrong.

    Examples
    --------
    >>> import etaflow as ef
    >>> problem = ef.divergence.scalar_problem("tanh")
    >>> runs = ef.descend(problem.objective, [0.0], steps=2000, step_size=1.0, record={"theta": 1})
    >>> jump = ef.divergence.extrapolate(problem.objective, runs, factor=100)
    >>> bool(abs(jump.theta[0] - problem.position(200_000.0)) < 0.02)
    True
    """
    times_later = check_number("factor", factor, above=1)
    way = check_choice("along", along, WAYS)
    path = minimising(one(trajectory, run, fewest=FEWEST), objective)
    end = objective.check_theta(path.theta[-1].astype(objective.dtype))
    found = judge(path, "norm" if way == "scale" else "drift", check_positive_number("window", window), BLOCKS, 0.95)
    if found.kind not in {LOG, POWER}:
        raise ValueError(
            f"trajectory must grow like log t or a power to be extrapolated (got {found.kind}: {found.reason})"
        )
    now = float(path.times[-1])
    later = now * times_later
    if way == "scale":
        theta = path.theta[-1] * float(found.best.at(later) / found.best.at(now))
    else:
        theta = path.theta[-1] + _growth_of_weights(path, found) * _law_difference(found, now, later)
    moved = theta.astype(objective.dtype)
    losses = float(objective.value(end)), float(objective.value(moved))
    return Extrapolation(objective, end, moved, now, later, *losses, found, way)


def _law_difference(found: Growth, now: float, later: float) -> float:
    return float(found.best.at(later) - found.best.at(now)) / found.best.b


def _growth_of_weights(path: Path, found: Growth) -> Array:
    # b of θ_j = a_j + b_j·g(t) by least squares for every weight, evenly weighted in log t
    recent = path.times >= path.times[-1] / RECENT
    times, theta = path.times[recent], path.theta[recent]
    g = (found.best.at(times) - found.best.a) / found.best.b
    weights = np.gradient(np.log(times)) if len(times) > 1 else np.ones(1)
    centred = g - np.average(g, weights=weights)
    return np.asarray((weights * centred) @ theta / ((weights * centred) @ centred))
