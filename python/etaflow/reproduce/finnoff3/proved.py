"""The constant B_r that Gronwall's inequality proves, where Lemma 3.1 holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.theory.constants.growth import growth
from etaflow.theory.constants.lipschitz import lipschitz
from etaflow.theory.small_steps.gronwall import check_constants

if TYPE_CHECKING:
    from etaflow.reproduce.finnoff3.problem import Problem

    Array = npt.NDArray[np.float64]


def log10_proved(problem: Problem, times: Array) -> Array:
    """Return log₁₀ of the proved B_r, each from the ball that no path can leave before that r.

    Parameters
    ----------
    problem : Problem
        The problem; the bound holds for all its step sizes.
    times : ndarray, shape (m,)
        r.

    Returns
    -------
    ndarray, shape (m,)
        NaN where Lemma 3.1 i) fails: the gradient grows faster than linearly, and nothing keeps the paths in a ball.
    """
    linear = growth(problem.objective)
    if not linear.holds:
        return np.full(len(times), np.nan)
    constants: dict[str, Any] = {"K": linear, "L": lambda G: lipschitz(problem.objective, G)}
    size, largest = float(np.linalg.norm(problem.theta0)), float(problem.step_sizes.max())
    return np.array([check_constants(constants, start=size, t=r).log10_bound(r, largest) for r in times.tolist()])
