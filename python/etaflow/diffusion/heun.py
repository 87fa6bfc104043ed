"""Paths of a linear SDE by Heun's method, without a matrix: Hessian-vector products and weighted gradients."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow import _core

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from etaflow._checks import IntArray
    from etaflow.dynamics.flow import Flow
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.floating[Any]]

STEP = 1 / 8
"""The time step in units of 1/‖∇²f‖: at a minimum the stationary variance is then right to 0.5 %."""

NODES = 64
"""At so many times of the flow the norm of the Hessian is estimated."""

ITERATIONS = 20
NUMBERS_AT_ONCE = 2**22
"""Entries of the arrays made for a block of runs: 32 MiB."""


def grid(objective: Objective, flow: Flow, points: Array, limit: float) -> Array:
    """Return the times between which Heun's method makes one step.

    Parameters
    ----------
    objective : Objective
        The objective.
    flow : Flow
        The flow from one start.
    points : ndarray, shape (m,)
        The times wanted, increasing.
    limit : float
        The largest step.

    Returns
    -------
    ndarray, shape (steps + 1,)
        Increasing from 0, with all of `points` (exactly) and of the flow's own mesh between them, which knows how fast θ̄
        changes.
    """
    mesh = flow.mesh[flow.mesh < points[-1]]
    nodes = np.union1d(np.union1d(mesh, points), [0.0])
    looked_at = nodes[np.unique(np.linspace(0, len(nodes) - 1, NODES).round().astype(int))]
    norms = hessian_norms(objective, flow(looked_at))
    before = np.searchsorted(looked_at, nodes[:-1], side="right") - 1
    after = np.searchsorted(looked_at, nodes[1:], side="left")
    largest = np.maximum(norms[before], norms[after])
    counts = np.ceil(np.diff(nodes) * np.maximum(largest / STEP, 1 / limit)).astype(int).clip(min=1)
    stretches = zip(pairwise(nodes), counts, strict=True)
    parts = [np.linspace(begin, end, count, endpoint=False) for (begin, end), count in stretches]
    return np.concatenate([*parts, nodes[-1:]])


def hessian_norms(objective: Objective, theta: Array) -> Array:
    """Return the spectral norms ‖∇²f(θ)‖ by power iteration: a few per cent too small where eigenvalues are close.

    Parameters
    ----------
    objective : Objective
        The objective.
    theta : ndarray, shape (k, d)
        The points.

    Returns
    -------
    ndarray, shape (k,)
        The norms.
    """
    vectors: Array = np.random.default_rng(0).normal(size=theta.shape)
    sizes = np.linalg.norm(vectors, axis=1, keepdims=True)
    for _ in range(ITERATIONS):
        vectors = objective.hessian_vector(theta, vectors / np.where(sizes > 0, sizes, 1))
        sizes = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(sizes[:, 0])


def follow(
    objective: Objective,
    flow: Flow,
    steps: Array,
    *,
    paths: Array,
    wanted: IntArray,
    numbers: IntArray,
    seed: int,
    factor: float,
    tell: Callable[[float], object] | None,
) -> None:
    """Fill `paths` with θ̃ at the wanted steps.

    One step from t to t + h is x* = x + h·A(t)x + ΔM, x' = x + h/2·(A(t)x + A(t+h)x*) + ΔM, where ΔM ~ N(0, h·c·R) is drawn
    at t + h/2: of order 2 for the law and of order 1 for a path (Kloeden and Platen 1992, sections 10.3, 15.1).

    Parameters
    ----------
    objective : Objective
        The objective.
    flow : Flow
        The flow from one start.
    steps : ndarray, shape (steps + 1,)
        The times, as `grid` returns them.
    paths : ndarray, shape (runs, m, d)
        Where to write.
    wanted : ndarray, shape (m,)
        Which of `steps` to write.
    numbers : ndarray, shape (runs,)
        The paths' numbers.
    seed : int
        The seed; step k of path r uses the core's Gaussian noise of (seed, r, k).
    factor : float
        The noise factor c.
    tell : callable or None
        Given the part of the work that is done.
    """
    runs, _, d = paths.shape
    block = max(1, NUMBERS_AT_ONCE // (objective.n + 4 * d))
    state = np.zeros((runs, d))
    places = {int(step): place for place, step in enumerate(wanted)}
    if 0 in places:
        paths[:, places[0]] = 0.0
    here = flow(steps[0])
    for k, (t, later) in enumerate(pairwise(steps)):
        middle, there = flow((t + later) / 2), flow(later)
        scale = np.sqrt(factor * (later - t) / objective.n)
        for first in range(0, runs, block):
            rows = slice(first, first + block)
            moved = state[rows]
            kick = _kick(objective, middle, numbers[rows], seed=seed, step=k, scale=scale)
            slope = _drift(objective, here, moved)
            end = _drift(objective, there, moved + (later - t) * slope + kick)
            moved += (later - t) / 2 * (slope + end) + kick
        here = there
        if k + 1 in places:
            paths[:, places[k + 1]] = state
        if tell is not None:
            tell((k + 1) / (len(steps) - 1))


def _kick(objective: Objective, theta: Array, numbers: IntArray, *, seed: int, step: int, scale: float) -> Array:
    weights = np.stack([_core.noise("gaussian", seed, int(run), step, objective.n) for run in numbers])
    weights -= weights.mean(axis=1, keepdims=True)  # R is centred
    weights *= scale
    return np.asarray(objective.weighted_gradient(_copies(theta, len(numbers)), weights))


def _drift(objective: Objective, theta: Array, vectors: Array) -> Array:
    return np.asarray(-objective.hessian_vector(_copies(theta, len(vectors)), vectors))


def _copies(theta: Array, count: int) -> Array:
    return np.ascontiguousarray(np.broadcast_to(theta, (count, len(theta))))
