"""The point where the runs begin, and what its noise lets one expect of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective


@dataclass(frozen=True)
class Start:
    """The point θ_1 that gradient descent found.

    Attributes
    ----------
    loss : float
        f(θ_1).
    accuracy : float
        The part of the images on the right side of 1/2.
    grad_norm2 : float
        ‖∇f(θ_1)‖².
    noise : float
        tr R(θ_1), the variance of one observation's gradient.
    noise_floor : float
        tr(∇²f(θ_1)·R(θ_1))/2. Around a minimum, and for small α/|B|, SGD has the stationary covariance Σ with
        ∇²f·Σ + Σ·∇²f = (α/|B|)·R, and so the mean of ‖∇f‖² = ‖∇²f·(θ − θ*)‖² is this number times α/|B|.
    curvature : float
        The largest eigenvalue of ∇²f(θ_1), which L of Theorem 4.8 cannot be less than.
    """

    loss: float
    accuracy: float
    grad_norm2: float
    noise: float
    noise_floor: float
    curvature: float

    def expected(self, step_size: float, batch_size: int) -> float:
        """Return the mean of ‖∇f‖² that the noise at θ_1 alone would keep up around a minimum with the curvature of θ_1.

        Returns
        -------
        float
            `noise_floor`·α/|B|.
        """
        return self.noise_floor * step_size / batch_size


def examine(objective: Objective, theta: FloatArray) -> Start:
    """Return what there is to know of the start.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    theta : ndarray, shape (d,)
        θ_1.

    Returns
    -------
    Start
        Its loss, gradient, noise and curvature.

    Examples
    --------
    In one dimension, with f(θ) = ((θ − 1)² + (θ + 1)²)/2 = θ² + 1, the noise has variance 4 and the curvature is 2:

    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0], [1.0]], [1.0, -1.0])
    >>> start = examine(f, f.net.flatten([([[0.0]], None)]))
    >>> start.loss, start.noise, start.curvature, start.noise_floor
    (1.0, 4.0, 2.0, 4.0)
    """
    value, gradient = objective.value_and_gradient(theta)
    hessian = np.asarray(objective.hessian(theta), np.float64)
    covariance = np.asarray(objective.gradient_covariance(theta), np.float64)
    slope = np.asarray(gradient, np.float64)
    return Start(
        loss=float(value),
        accuracy=float(objective.accuracy(theta)),
        grad_norm2=float(slope @ slope),
        noise=float(np.trace(covariance)),
        noise_floor=float((hessian * covariance).sum() / 2),
        curvature=float(np.linalg.eigvalsh(hessian)[-1]),
    )
