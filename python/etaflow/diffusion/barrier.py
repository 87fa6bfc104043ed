"""How high the noise sees the walls of a minimum: the exponent of the mean exit time, from the stationary covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from etaflow.diffusion.noise import noise_factor
from etaflow.dynamics.stopping import Leave

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.dynamics.stopping import Rule
    from etaflow.problem.objective import Objective

DENSE = 2_500
"""Beyond so many parameters nothing is predicted: the Hessian and the covariance are formed."""


class Barrier(NamedTuple):
    """The exponent of the mean exit time, and whether to trust it.

    Attributes
    ----------
    exponent : float
        E with log(mean exit time) ≈ E/η, in the unit of the step size.
    rise : float
        How much f rises from θ* to where the runs should leave, over what the quadratic with the Hessian at θ* rises: 1 for a
        quadratic f. Far from 1, and above all if it is small or negative, because the border lies beyond a saddle, E is too large.
    noise : float
        The variance of the gradient there, along the way, over that at θ*: 1 for constant noise. Beyond 1, E is too large.
    crowd : float
        η·crowd is the mean height of the stationary law, in ½‖x‖² or in f, over that of the border. From about ½ on the runs come to
        the border without a rare chance, above all in many dimensions, and E says nothing: see it to be small.
    """

    exponent: float
    rise: float
    noise: float
    crowd: float


def exit_barrier(
    objective: Objective,
    theta_star: FloatArray,
    *,
    leave: Rule,
    batch_size: int = 1,
    gradient_noise: str = "sampling",
) -> Barrier:
    r"""Return E with log(mean exit time) ≈ E/η for small η, near the minimum, where f is quadratic and the noise constant.

    There the runs fluctuate as N(θ*, η·Σ), HΣ + ΣH = C with H = ∇²f(θ*) and C = c·R(θ*) the covariance of one step's
    gradient, and they leave where ½·xᵀΣ⁻¹x, the quasi-potential, is least on the border (Freidlin and Wentzell, Random
    Perturbations of Dynamical Systems, section 4.4): E = r²/(2 λ_max(Σ)) for the ball ‖θ − θ*‖ ≤ r, and
    E = (level − f(θ*))/λ_max(H^{1/2} Σ H^{1/2}) for {f < level}.

    Parameters
    ----------
    objective : Objective
        The objective f.
    theta_star : ndarray, shape (d,)
        The minimum.
    leave : rule
        `stopping.leave(radius)`, or `stopping.above("loss", level)`.
    batch_size : int, default 1
        |B|; E is proportional to it.
    gradient_noise : {"sampling", "gaussian", "isotropic"}, default "sampling"
        Isotropic noise has C = (tr c·R/d)·I instead. Of Gaussian noise the exponent is that of sampling in this approximation.

    Returns
    -------
    Barrier
        The exponent: 0 if noise acts along a direction without positive curvature, so that nothing holds the runs; infinite if
        there is no noise; NaN for more than 2500 parameters. And what it assumes; NaN where that has no meaning.

    Examples
    --------
    f = ½·mean (θ ∓ 1)² has H = 1 and R = 1, so Σ = ½:

    >>> import etaflow as ef
    >>> half = 0.5**0.5
    >>> f = ef.Objective(ef.MLP([1, 1], bias=False), [[half], [half]], [-half, half])
    >>> found = exit_barrier(f, np.zeros(1), leave=ef.stopping.leave(0.5))
    >>> round(found.exponent, 12), round(found.rise, 12), round(found.noise, 12)
    (0.25, 1.0, 1.0)
    """
    if objective.num_params > DENSE:
        return Barrier(np.nan, np.nan, np.nan, np.nan)
    noise = noise_factor(objective, batch_size) * objective.gradient_covariance(theta_star)
    if gradient_noise == "isotropic":
        noise = np.trace(noise) / len(noise) * np.eye(len(noise))
    curvatures, vectors = np.linalg.eigh(objective.hessian(theta_star))
    turned = vectors.T @ noise @ vectors
    rounding = len(noise) * float(np.finfo(noise.dtype).eps)
    held = curvatures > rounding * np.abs(curvatures).max()
    if (np.diag(turned)[~held] > rounding * np.trace(noise)).any():
        return Barrier(0.0, np.nan, np.nan, np.inf)
    if not held.any() or not turned.any():
        return Barrier(np.inf, np.nan, np.nan, 0.0)
    curvature = curvatures[held]
    covariance = turned[np.ix_(held, held)] / (curvature[:, None] + curvature)
    exponent, place, crowd = _weakest(curvature, covariance, leave, float(objective.value(theta_star)))
    with np.errstate(over="ignore", invalid="ignore"):
        way, quadratic = vectors[:, held] @ place, curvature @ place**2 / 2
    if not np.isfinite(quadratic):
        return Barrier(exponent, np.nan, np.nan, crowd)
    ends = theta_star + np.array([[1.0], [-1.0]]) * way
    rise = float((objective.value(ends) - objective.value(theta_star)).min() / quadratic)
    here, *there = (_variance(objective, theta, way, gradient_noise) for theta in (theta_star, *ends))
    return Barrier(exponent, rise, max(there) / here, crowd)


def _variance(objective: Objective, theta: FloatArray, way: FloatArray, gradient_noise: str) -> float:
    if gradient_noise == "isotropic":
        return float(objective.noise_trace(theta))
    return float(way @ objective.gradient_covariance(theta) @ way)


def _weakest(
    curvature: FloatArray, covariance: FloatArray, leave: Any, value: float
) -> tuple[float, FloatArray, float]:
    # The exponent, the place on the border where the quasi-potential is least, along eigenvectors of H, and the crowd.
    if isinstance(leave, Leave):
        root, height = np.ones_like(curvature), leave.radius * leave.radius / 2
    else:
        root, height = np.sqrt(curvature), leave.value - value
    eigenvalues, vectors = np.linalg.eigh(root[:, None] * covariance * root)
    place = np.sqrt(2 * height) * vectors[:, -1] / root
    return height / float(eigenvalues[-1]), place, float(eigenvalues.sum()) / 2 / height
