"""What gradient and Hessian say at a point: the numbers that every verdict rests on, with their rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.polish import DENSE

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

MARGIN = 16
"""What is computed is trusted beyond so many units of its rounding."""

WALK = np.geomspace(1e-6, 1.0, 25)
"""So far, in units of 1 + ‖θ‖, f is followed along a direction."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """The numbers at one point.

    Attributes
    ----------
    theta, gradient : ndarray, shape (d,)
        The point, and ∇f there.
    value, grad_norm : float
        f and ‖∇f‖.
    grad_rounding : float
        The part of ‖∇f‖ that rounding explains.
    value_rounding : float
        Changes of f up to here may be rounding.
    eigenvalues : ndarray, shape (k,)
        Of ∇²f, in ascending order: all, or some at each end.
    vectors : ndarray, shape (d, k)
        The eigenvectors in columns.
    eigenvalue_rounding : float
        What rounding does to an eigenvalue.
    newton_step, predicted_decrease : float
        The length of the least-norm Newton step beyond rounding, and what it would change f by.
    """

    theta: FloatArray
    gradient: FloatArray
    value: float
    grad_norm: float
    grad_rounding: float
    value_rounding: float
    eigenvalues: FloatArray
    vectors: FloatArray
    eigenvalue_rounding: float
    newton_step: float
    predicted_decrease: float

    @property
    def complete(self) -> bool:
        """Whether the whole spectrum is known."""
        return len(self.eigenvalues) == len(self.theta)

    @property
    def lowest(self) -> float:
        """The smallest eigenvalue."""
        return float(self.eigenvalues[0])

    @property
    def highest(self) -> float:
        """The largest eigenvalue."""
        return float(self.eigenvalues[-1])


def gather(objective: Objective, theta: FloatArray, *, dense: int = DENSE, ends: int = 1) -> Evidence:
    """Compute gradient, spectrum and Newton's step at a point.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    theta : ndarray, shape (d,)
        The point.
    dense : int, default 2500
        Up to so many parameters the whole spectrum is computed.
    ends : int, default 1
        Beyond, how many eigenvalues at each end Lanczos is asked for.

    Returns
    -------
    Evidence
        The numbers.
    """
    eps = float(np.finfo(objective.dtype).eps)
    value, gradient = objective.value_and_gradient(theta)
    whole = len(theta) <= max(dense, 2 * ends + 1)
    eigenvalues, vectors = _spectrum(objective, theta) if whole else _spectrum_ends(objective, theta, ends)
    largest = float(np.abs(eigenvalues).max())
    rounding = MARGIN * eps * (_gradient_scale(objective, theta) + largest * float(np.linalg.norm(theta)))
    blur = len(theta) * eps * largest
    if whole:
        newton_step, decrease = _newton(vectors.T @ gradient, eigenvalues, rounding, blur)
    else:
        newton_step, decrease = _newton_by_minres(objective, theta, gradient, rounding)
    invisible = MARGIN * eps * max(abs(float(value)), float(np.abs(objective.losses(theta)).mean()))
    sizes = float(value), float(np.linalg.norm(gradient)), rounding, invisible
    return Evidence(theta, gradient, *sizes, eigenvalues, vectors, blur, newton_step, decrease)


def walk(objective: Objective, theta: FloatArray, vector: FloatArray) -> tuple[float, FloatArray]:
    """Follow f along a direction, both ways.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    theta : ndarray, shape (d,)
        Where to start.
    vector : ndarray, shape (d,)
        The direction, of norm 1.

    Returns
    -------
    fall : float
        How far f falls at most within 1 + ‖θ‖; negative if it only rises.
    direction : ndarray, shape (d,)
        The better of ±`vector`.
    """
    largest = max(float(np.abs(theta).max()), 1.0)  # squares of large weights would overflow
    lengths = (WALK * (1 + largest * np.linalg.norm(theta / largest))).astype(theta.dtype)
    values = [objective.value(_finite(theta + sign * lengths[:, None] * vector)) for sign in (1, -1)]
    falls = [float(objective.value(theta) - np.nanmin(one)) for one in values]
    better = int(np.argmax(falls))
    return falls[better], vector if better == 0 else -vector


def _finite(rows: FloatArray) -> FloatArray:
    return rows[np.isfinite(rows).all(axis=1)]


def _gradient_scale(objective: Objective, theta: FloatArray) -> float:
    rows = max(1, 2**22 // len(theta))  # the memory is bounded: n × d numbers are never held
    chunks = (objective.sample_gradients(theta, slice(i, i + rows)) for i in range(0, objective.n, rows))
    total = sum(float(np.linalg.norm(chunk, axis=1).sum()) for chunk in chunks)
    data = total / objective.n if objective.reduction == "mean" else total
    return data + 2 * objective.l2 * float(np.linalg.norm(theta))


def _spectrum(objective: Objective, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    eigenvalues, vectors = np.linalg.eigh(objective.hessian(theta))
    return eigenvalues, vectors


def _spectrum_ends(objective: Objective, theta: FloatArray, ends: int) -> tuple[FloatArray, FloatArray]:
    from scipy.sparse.linalg import eigsh  # noqa: PLC0415 - slow to import

    operator = objective.hessian_operator(theta)
    start = np.random.default_rng(0).standard_normal(len(theta)).astype(objective.dtype)
    eigenvalues, vectors = eigsh(operator, k=2 * ends, which="BE", v0=start)
    order = np.argsort(eigenvalues)
    return eigenvalues[order], vectors[:, order]


def _newton(components: FloatArray, eigenvalues: FloatArray, rounding: float, blur: float) -> tuple[float, float]:
    excess = np.maximum(np.abs(components) - rounding, 0)
    curved = np.abs(eigenvalues) > blur
    if (excess[~curved] > 0).any():
        return np.inf, np.inf
    step = excess[curved] / np.abs(eigenvalues[curved])
    return float(np.linalg.norm(step)), float(step @ excess[curved] / 2)


def _newton_by_minres(
    objective: Objective, theta: FloatArray, gradient: FloatArray, rounding: float
) -> tuple[float, float]:
    from scipy.sparse.linalg import minres  # noqa: PLC0415 - slow to import

    if float(np.linalg.norm(gradient)) <= rounding:
        return 0.0, 0.0
    step, _ = minres(objective.hessian_operator(theta), gradient, rtol=1e-8)
    unexplained = float(np.linalg.norm(objective.hessian_vector(theta, step) - gradient))
    if unexplained > max(rounding, 0.5 * float(np.linalg.norm(gradient))):
        return np.inf, np.inf
    return float(np.linalg.norm(step)), abs(float(step @ gradient)) / 2
