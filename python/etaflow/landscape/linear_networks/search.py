"""Stationary points of a linear network that are found and not constructed: by training, and by minimising the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.linear_networks.curvature import inertia
from etaflow.landscape.linear_networks.network import product, weights_of
from etaflow.landscape.polish import polish

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.landscape.linear_networks.regression import Regression
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]

CRITICAL = 1e-9
"""A point is critical if its gradient is below this share of tr(YYᵀ)."""

KICK = 0.05
"""The standard deviation of the kick that shows whether a point without negative curvature is a minimum."""

MATCHED = 1e-5
"""A map is that of a set of eigenvectors if it is so near, as a part of L*, on the inputs."""


@dataclass(frozen=True, eq=False)
class Found:
    """Points, and what they are.

    Attributes
    ----------
    theta : ndarray, shape (points, d)
        The points.
    value : ndarray, shape (points,)
        The loss, a sum over the observations.
    critical : ndarray of bool, shape (points,)
        Whether the gradient is 0 within 1e-9 of tr(YYᵀ).
    negative : ndarray of int, shape (points,)
        The number of negative eigenvalues of the Hessian.
    matched : ndarray of bool, shape (points,)
        Whether the map is U_Γ U_Γᵀ L* for some Γ.
    best : ndarray of bool, shape (points,)
        Whether that Γ is the best of all: the point is a global minimum.
    degenerate : ndarray of bool, shape (points,)
        Whether it is critical, has no negative eigenvalue, and yet training from beside it goes below it: a saddle that curvature does not show.
    middle_rank : ndarray of int, shape (points,)
        The rank of W_H ⋯ W_2.
    """

    theta: Array
    value: Array
    critical: Flags
    negative: npt.NDArray[np.int64]
    matched: Flags
    best: Flags
    degenerate: Flags
    middle_rank: npt.NDArray[np.int64]

    @property
    def saddle(self) -> Flags:
        """Whether it is a critical point from which the loss falls."""
        return np.asarray(self.critical & ((self.negative > 0) | self.degenerate))


@dataclass(frozen=True, eq=False)
class Ends:
    """Points of both searches.

    Attributes
    ----------
    trained : Found
        By `polish`, downhill from random starts.
    searched : Found
        By least squares on the gradient, which goes to saddles as well.
    """

    trained: Found
    searched: Found


def train(objective: Objective, data: Regression, starts: int, generator: np.random.Generator) -> Found:
    """Go downhill from random starts.

    Parameters
    ----------
    objective : Objective
        With reduction "sum".
    data : Regression
        Its data.
    starts : int
        How many.
    generator : numpy.random.Generator
        Of the starts.

    Returns
    -------
    Found
        The ends.
    """
    begin = _starts(objective, starts, generator)
    return _describe(objective, data, _polished(objective, begin, data), generator)


def find_stationary(objective: Objective, data: Regression, starts: int, generator: np.random.Generator) -> Found:
    """Minimise ‖∇f‖² from random starts, by SciPy's trust-region least squares with the Hessian as Jacobian.

    Parameters
    ----------
    objective : Objective
        With reduction "sum".
    data : Regression
        Its data.
    starts : int
        How many.
    generator : numpy.random.Generator
        Of the starts.

    Returns
    -------
    Found
        The ends; those that are not critical are minima of ‖∇f‖² above 0, or were not reached in time.
    """
    from scipy.optimize import least_squares  # noqa: PLC0415 - slow to import

    tight = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}
    found = [
        least_squares(objective.gradient, start, jac=objective.hessian, max_nfev=500, **tight).x
        for start in _starts(objective, starts, generator)
    ]
    return _describe(objective, data, np.array(found), generator)


def _starts(objective: Objective, starts: int, generator: np.random.Generator) -> Array:
    widths = objective.net.widths
    parts = [
        generator.standard_normal((starts, rows * columns)) / np.sqrt((rows + columns) / 2)
        for rows, columns in zip(widths[1:], widths[:-1], strict=True)
    ]
    return np.concatenate(parts, axis=1)


def _polished(objective: Objective, begin: Array, data: Regression) -> Array:
    return np.asarray(polish(objective, begin, tolerance=1e-11 * data.total).theta, np.float64)


def _describe(objective: Objective, data: Regression, theta: Array, generator: np.random.Generator) -> Found:
    values, gradients = objective.value_and_gradient(theta)
    critical = np.linalg.norm(gradients, axis=1) <= CRITICAL * data.total
    p = min(*objective.net.widths[1:-1], data.outputs)
    negative = np.array([inertia(objective, one).negative for one in theta])
    gammas = [_gamma(objective, data, one) for one in theta]
    matched = np.array([gamma is not None for gamma in gammas])
    best = np.array([gamma == tuple(range(p)) for gamma in gammas])
    degenerate = critical & (negative == 0)
    if degenerate.any():
        beside = theta[degenerate] + KICK * generator.standard_normal(theta[degenerate].shape)
        lower = objective.value(_polished(objective, beside, data)) < values[degenerate] - CRITICAL * data.total
        degenerate[degenerate] = lower
    ranks = np.array([_middle_rank(objective, one) for one in theta])
    return Found(theta, np.asarray(values, np.float64), critical, negative, matched, best, degenerate, ranks)


def _middle_rank(objective: Objective, theta: Array) -> int:
    first, *middle, _ = weights_of(objective, theta)
    return int(np.linalg.matrix_rank(product([np.eye(len(first)), *middle]), tol=MATCHED))


def _gamma(objective: Objective, data: Regression, theta: Array) -> tuple[int, ...] | None:
    # The eigenvectors that the map holds, if it holds them as a whole, and nothing else.
    found = product(weights_of(objective, theta))
    held = np.einsum("mi,md,dk,ki->i", data.eigenvectors, found, data.x.T @ data.y, data.eigenvectors)
    gamma = tuple(int(i) for i in np.flatnonzero(held / data.eigenvalues > 0.5))
    basis = data.eigenvectors[:, gamma]
    away = np.linalg.norm((found - basis @ (basis.T @ data.least_squares)) @ data.x.T)
    return gamma if away <= MATCHED * np.sqrt(data.eigenvalues.sum()) else None
