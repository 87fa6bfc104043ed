"""The mean of SGD beyond the flow: E θ^η(t) = θ̄(t) + η·m(t) + o(η)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.diffusion.fluctuations import fluctuations
from etaflow.diffusion.noise import noise_factor

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from etaflow.diffusion.law import Fluctuations
    from etaflow.dynamics.flow import Flow
    from etaflow.problem.network import MLP
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.floating[Any]]

NODES = 150
"""At about so many times Σ and the force on the mean are evaluated."""

STEP = 1e-3
"""Of second differences: their relative error is about its square."""

KINKED = ("relu", "leaky_relu")

NEGLIGIBLE = 1e-10
"""Variances below this part of the largest one are left out."""


def mean_shift(objective: Objective, flow: Flow, times: Array, *, batch_size: int, sampling: str) -> Array:
    """Return m(t), from m' = −∇²f·m − ½∇³f[Σ] − ½∇²f∇f along the flow, m(0) = 0.

    The second term is the mean of ∇f over the fluctuations around θ̄, which a curved gradient does not have at θ̄; the third is the
    error of Euler's method, which SGD's drift is. Both follow from the expansion of E∇f(θ̄ + √η·θ̃ + η·m) in η.

    Parameters
    ----------
    objective : Objective
        The objective, three times differentiable.
    flow : Flow
        The flow from one start.
    times : ndarray, shape (k,)
        Increasing times.
    batch_size, sampling
        The noise, as in `noise_factor`.

    Returns
    -------
    ndarray, shape (k, d)
        m, in units of θ per unit of η.
    """
    return shift_with_noise(objective, flow, times, noise_factor(objective, batch_size, sampling))


def shift_with_noise(objective: Objective, flow: Flow, times: Array, factor: float) -> Array:
    """Return what `mean_shift` does, for noise of the covariance c·R.

    Parameters
    ----------
    objective, flow, times
        As there.
    factor : float
        c.

    Returns
    -------
    ndarray, shape (k, d)
        m, in units of θ per unit of η.

    Raises
    ------
    ArithmeticError
        If the equation could not be solved.
    """
    from scipy.integrate import solve_ivp  # noqa: PLC0415 - slow to import
    from scipy.interpolate import CubicSpline  # noqa: PLC0415

    if times[-1] == 0:
        return np.zeros((len(times), objective.num_params))
    nodes = _nodes(flow, times)
    law = finished(fluctuations(objective, flow, times=nodes, method="dense"))
    covariances = factor / law.noise_factor * law.covariance  # Σ is proportional to c
    force = CubicSpline(nodes, [_force(objective, *one) for one in zip(flow(nodes), covariances, strict=True)])

    def slope(t: float, shift: Array) -> Array:
        return np.asarray(force(t) - objective.hessian_vector(flow(t), shift))

    start = np.zeros(objective.num_params)
    scale = float(np.abs(force(nodes)).max())
    solved = solve_ivp(slope, (0.0, times[-1]), start, method="LSODA", rtol=1e-6, atol=1e-9 * scale, t_eval=times)
    if not solved.success:
        raise ArithmeticError(f"the shift of the mean was not found: {solved.message}")
    return np.asarray(solved.y.T)


def finished(law: Fluctuations) -> Fluctuations:
    """Return a law that is there at all times.

    Returns
    -------
    Fluctuations
        The law itself.

    Raises
    ------
    KeyboardInterrupt
        If `fluctuations` was interrupted, which it takes itself.
    """
    if law.status != "finished":
        raise KeyboardInterrupt
    return law


def has_third_derivatives(net: MLP) -> bool:
    """Return whether a network's losses are three times differentiable: whether no activation has a kink.

    Returns
    -------
    bool
        Whether there is a shift of the mean to first order in η.
    """
    return not any(activation.name in KINKED for activation in net.activations)


def second_difference(function: Callable[[Array], Array], theta: Array, covariance: Array) -> Array:
    """Return Σ_kl Σ_kl ∂²F/∂θ_k∂θ_l, the sum over the axes of Σ of its variance times F'' along the axis.

    Parameters
    ----------
    function : callable
        F of parameters (k, d), with one value (k, …) for each.
    theta : ndarray, shape (d,)
        Where.
    covariance : ndarray, shape (d, d)
        Σ.

    Returns
    -------
    ndarray, shape (…)
        To a relative error of about 1e-6.
    """
    variances, axes = np.linalg.eigh(covariance)
    kept = variances > NEGLIGIBLE * max(variances[-1], 0.0)
    moves = STEP * axes[:, kept].T
    values = function(np.concatenate([theta + moves, theta - moves, theta[None]]))
    ahead, behind = values[: len(moves)], values[len(moves) : -1]
    return np.asarray(np.tensordot(variances[kept] / STEP**2, ahead + behind - 2 * values[-1], axes=1))


def _force(objective: Objective, theta: Array, covariance: Array) -> Array:
    bent = second_difference(objective.gradient, theta, covariance)
    return np.asarray(-(bent + objective.hessian_vector(theta, objective.gradient(theta))) / 2)


def _nodes(flow: Flow, times: Array) -> Array:
    mesh = flow.mesh[flow.mesh < times[-1]]
    some = mesh[:: max(1, len(mesh) // NODES)]
    return np.union1d(np.union1d(some, times), [0.0])
