"""Two ways to a zero of the gradient that do not care whether f falls: Newton's method, and the least gradient norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

CUTOFF = 1e-9
"""Eigenvalues below this share of the largest count as zero in a least-norm Newton step."""


def newton(
    objective: Objective, theta: FloatArray, *, tolerance: float, max_iterations: int, falling: bool = False
) -> FloatArray:
    r"""Follow Newton's steps θ ← θ − H⁺∇f, no longer than 1 + ‖θ‖, whether ‖∇f‖ falls or not.

    Saddles attract it as minima do (Dauphin et al. 2014; Fleischmann 2021, section 3.3). A demand that ‖∇f‖ fall would leave many
    searches where H is singular.

    Parameters
    ----------
    objective : Objective
        With its Hessian.
    theta : ndarray, shape (d,)
        The start.
    tolerance : float
        The gradient norm to reach.
    max_iterations : int
        The most steps.
    falling : bool, default False
        Whether to end as soon as ‖∇f‖ does not fall.

    Returns
    -------
    ndarray, shape (d,)
        The first point with ‖∇f‖ ≤ `tolerance`, or else the one with the smallest.
    """
    best, least = theta, np.inf
    for _ in range(max_iterations + 1):
        gradient = objective.gradient(theta)
        norm = float(np.linalg.norm(gradient))
        if not norm < np.inf or (falling and not norm < least):
            break
        if norm < least:
            best, least = theta, norm
        if norm <= tolerance:
            break
        way = _least_norm(objective.hessian(theta), gradient)
        length, longest = float(np.linalg.norm(way)), 1 + float(np.linalg.norm(theta))
        theta = (theta - (longest / length if length > longest else 1.0) * way).astype(theta.dtype)
    return best


def gradient_norm(objective: Objective, theta: FloatArray, *, tolerance: float, max_iterations: int) -> FloatArray:
    r"""Minimise ‖∇f‖² by SciPy's trust-region method for least squares, with the Hessian as Jacobian, and finish by `newton`.

    It comes nearer to the start than Newton's method does, but may end where ‖∇f‖ has a local minimum above 0: a
    gradient-flat point, at which H∇f = 0 (Frye et al. 2021).

    Parameters
    ----------
    objective : Objective
        With its Hessian.
    theta : ndarray, shape (d,)
        The start.
    tolerance : float
        The gradient norm to reach.
    max_iterations : int
        The most evaluations.

    Returns
    -------
    ndarray, shape (d,)
        Where it ended.
    """
    from scipy.optimize import least_squares  # noqa: PLC0415 - slow to import

    accuracy = 4 * float(np.finfo(theta.dtype).eps)
    found = least_squares(
        lambda point: objective.gradient(point.astype(theta.dtype)),  # SciPy works in float64
        theta,
        jac=lambda point: objective.hessian(point.astype(theta.dtype)),
        xtol=accuracy,
        ftol=accuracy,
        gtol=accuracy,
        max_nfev=max_iterations,
    )
    return newton(objective, found.x.astype(theta.dtype), tolerance=tolerance, max_iterations=20, falling=True)


def _least_norm(hessian: FloatArray, gradient: FloatArray) -> FloatArray:
    eigenvalues, vectors = np.linalg.eigh(hessian)
    size = np.abs(eigenvalues)
    kept = size > CUTOFF * size.max()
    inverse = np.divide(1.0, eigenvalues, out=np.zeros_like(eigenvalues), where=kept)
    way: FloatArray = vectors @ (inverse * (vectors.T @ gradient))
    return way
