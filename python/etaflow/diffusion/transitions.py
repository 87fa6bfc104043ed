"""Paths of a linear SDE from its exact Gaussian law between one time and the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow import _core
from etaflow.diffusion.lyapunov import Coefficients, Integrator

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from etaflow._checks import IntArray
    from etaflow.dynamics.flow import Flow
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.floating[Any]]

RTOL = 1e-8
"""Of Φ and Q."""


def transition(objective: Objective, flow: Flow, start: float, end: float, factor: float) -> tuple[Array, Array]:
    """Return Φ and Q with θ̃(end) ~ N(Φ·θ̃(start), Q) given θ̃(start).

    Φ' = AΦ, Φ(start) = I; Q' = AQ + QA + c·R, Q(start) = 0.

    Parameters
    ----------
    objective : Objective
        The objective.
    flow : Flow
        The flow from one start.
    start, end : float
        The times.
    factor : float
        The noise factor c.

    Returns
    -------
    propagator, covariance : ndarray, shape (d, d)
        Φ and Q.
    """
    d, there = objective.num_params, np.array([end])
    drift = Integrator(Coefficients(objective, flow, 0.0), start, np.eye(d), RTOL, two_sided=False)
    both = Integrator(Coefficients(objective, flow, factor), start, np.zeros((d, d)), RTOL)
    return next(drift.reach(there)), next(both.reach(there))


def square_root(covariance: Array) -> Array:
    """Return the symmetric positive semidefinite root of a covariance; it is unique, and what rounding put below 0 counts as 0.

    Returns
    -------
    ndarray, shape (d, d)
        The root.
    """
    variances, axes = np.linalg.eigh(covariance)
    return np.asarray(axes * np.sqrt(variances.clip(min=0)) @ axes.T)


def follow(
    objective: Objective,
    flow: Flow,
    points: Array,
    *,
    paths: Array,
    numbers: IntArray,
    seed: int,
    factor: float,
    tell: Callable[[float], object] | None,
) -> None:
    """Fill `paths` with θ̃ at the points.

    Parameters
    ----------
    objective : Objective
        The objective.
    flow : Flow
        The flow from one start.
    points : ndarray, shape (m,)
        The times, increasing.
    paths : ndarray, shape (runs, m, d)
        Where to write.
    numbers : ndarray, shape (runs,)
        The paths' numbers.
    seed : int
        The seed; point k of path r uses the core's Gaussian noise of (seed, r, k).
    factor : float
        The noise factor c.
    tell : callable or None
        Given the part of the work that is done.
    """
    d, before = objective.num_params, 0.0
    state = np.zeros((len(numbers), d))
    for k, t in enumerate(points):
        if t > before:
            propagator, covariance = transition(objective, flow, before, t, factor)
            both = np.hstack([propagator, square_root(covariance)])
            drawn = np.stack([_core.noise("gaussian", seed, int(run), k, d) for run in numbers])
            # One product of a matrix and a vector per path, so that its bits do not depend on the other paths.
            state = np.matmul(both, np.hstack([state, drawn])[:, :, None])[:, :, 0]
        paths[:, k] = state
        before = t
        if tell is not None:
            tell((k + 1) / len(points))
