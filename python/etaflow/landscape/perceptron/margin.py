"""The largest margin of separable data, which Novikoff's bound needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.perceptron.separation import STRICT, separability

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.landscape.perceptron.problem import Problem

    Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Margin:
    """The hyperplane through 0 that is farthest from all observations.

    Attributes
    ----------
    direction : ndarray, shape (m,)
        Its unit normal u.
    margin : float
        γ = min_i y_i a_i·u.
    radius : float
        R = max_i ‖a_i‖.
    support : ndarray of int
        The observations at the distance γ that determine u.
    """

    direction: Array
    margin: float
    radius: float
    support: npt.NDArray[np.intp]

    @property
    def novikoff(self) -> float:
        """The bound (R/γ)² on the mistakes of the perceptron rule."""
        return (self.radius / self.margin) ** 2


def largest_margin(problem: Problem) -> Margin:
    """Return the direction of largest margin: the support vector machine without bias.

    min ‖v‖² with b_i·v ≥ 1 is a least-distance problem, which non-negative least squares solves by finitely many exchanges (Lawson and Hanson
    1974, chapter 23). The rows are not scaled.

    Parameters
    ----------
    problem : Problem
        Strictly separable.

    Returns
    -------
    Margin
        The direction and its margin.

    Raises
    ------
    TypeError
        If it is no `Problem`.
    ValueError
        If the data are not strictly separable.

    Examples
    --------
    >>> from etaflow.landscape.perceptron import Problem, largest_margin
    >>> found = largest_margin(Problem([[3.0, 1.0], [-1.0, 1.0]], [1, 1]))
    >>> round(found.margin, 12), round(found.novikoff, 12)
    (1.0, 10.0)
    """
    verdict = separability(problem)
    if verdict.kind != STRICT or not problem.A.any(axis=1).all():
        raise ValueError(f"problem must be strictly separable (it is: {verdict.kind})")
    from scipy.optimize import nnls  # noqa: PLC0415 - slow to import

    rows = problem.A * problem.y[:, None]
    scale = float(np.linalg.norm(rows, axis=1).max())
    system = np.vstack([rows.T / scale, np.ones(problem.n)])
    weights, _ = nnls(system, np.append(np.zeros(problem.m), 1.0), maxiter=50 * problem.n)
    residual = system @ weights - np.append(np.zeros(problem.m), 1.0)
    normal = -residual[:-1] / residual[-1]
    unit = normal / np.linalg.norm(normal)
    return Margin(unit, float((rows @ unit).min()), scale, np.flatnonzero(weights > 0))
