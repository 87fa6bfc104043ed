"""Downhill along kinks: Newton steps for networks of ReLUs that see the kinks in their way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.landscape.minima.piecewise import Piecewise, is_piecewise

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[Any]

NEAR = 0.1
"""Inputs below this part of their bound by Cauchy and Schwarz are kinks that a step may meet; the nearest `MOST` are looked at."""

MOST = 80
FLOOR = 1e-10
"""Eigenvalues below this share of the largest are raised to it."""

DAMPING = (1e-8, 1e8)
"""The least damping beside none, and the most, in units of the largest eigenvalue."""

LENGTHS = 0.5 ** np.arange(12)
PATIENCE = 12
"""After so many steps in a row that lower f by less than `LITTLE` the way is over."""

LITTLE = 1e-13


def glide(objective: Objective, theta: FloatArray, *, max_iterations: int = 200) -> FloatArray:
    r"""Go downhill from θ to a local minimum of a network of ReLUs or leaky ReLUs, along kinks where they are in the way.

    Each step v minimises ½vᵀBv + gᵀv + Σ c_k·σ(z_k + ∇z_k·v), where the sum is over the kinks near by that bend f up, z_k is the unit's
    input, c_k = ∂f/∂a_k, σ the activation, and B the Hessian with its eigenvalues made positive. Its dual is a least-squares problem
    for the slopes at the kinks, between bounds (SciPy's ``lsq_linear``). f itself decides the length of the step; where none lowers f, B
    is raised by a multiple of the identity, as Levenberg and Marquardt do. With one hidden layer the weights that leave it are kept: as f is then convex between kinks, B is the Hessian
    itself.

    Parameters
    ----------
    objective : Objective
        With hidden activations ``relu``, ``leaky_relu`` or ``identity``, in float64.
    theta : ndarray, shape (d,)
        The start.
    max_iterations : int, default 200
        The most steps.

    Returns
    -------
    ndarray, shape (d,)
        A point that is not above the start; `settle` makes it exact. For other networks the start.
    """
    if not is_piecewise(objective) or objective.dtype != np.float64:
        return theta
    pieces, value, damping, waited = Piecewise(objective), float(objective.value(theta)), 0.0, 0
    scales, free = _balance(objective, theta)
    theta = theta * scales
    for _ in range(max_iterations):
        better = _step(pieces, theta, free, value, damping)
        if better is None:
            damping = max(100 * damping, DAMPING[0])
            if damping > DAMPING[1]:
                break
            continue
        damping = damping / 10 if damping > DAMPING[0] else 0.0
        waited = 0 if better[1] < value - LITTLE * abs(value) else waited + 1
        theta, value = better
        if waited >= PATIENCE:
            break
    return theta / scales


def _balance(objective: Objective, theta: FloatArray) -> tuple[FloatArray, Array]:
    # With one hidden layer rescaling makes all leaving weights ±1, and they stay so: f is then convex as long as no input changes its
    # sign, and the inputs at kinks are linear. Returned are the factors of all parameters, and which of them may move.
    scales, free = np.ones_like(theta), np.ones(len(theta), bool)
    net = objective.net
    if len(net.widths) != 3 or net.widths[2] != 1 or objective.l2:
        return scales, free
    (entering, bias), (leaving, _) = net.layers(scales)  # views
    size = np.abs(net.layers(theta)[1][0][0])
    size[size == 0] = 1
    entering *= size[:, None]
    if bias is not None:
        bias *= size
    leaving /= size
    marks = np.ones_like(theta)
    net.layers(marks)[1][0][:] = 0
    return scales, marks > 0


def _step(
    pieces: Piecewise, theta: FloatArray, free: Array, value: float, damping: float
) -> tuple[FloatArray, float] | None:
    inputs, d = pieces.inputs(theta), len(theta)
    slopes = pieces.slopes(inputs)
    kinks = pieces.nearest(theta, NEAR, MOST)
    way = np.zeros(d)
    for _ in range(2):  # the second time with the Hessian for the slopes that the first time chose
        gradient, _, sensitivities = pieces.gradient(theta[None], slopes)
        matrix = pieces.jacobian(theta, slopes, kinks)
        hessian, kinked = matrix[:d, :d][np.ix_(free, free)], matrix[d:, :d][:, free]
        weights = np.concatenate([up[0][one] for up, one in zip(sensitivities, kinks, strict=True)])
        heights = np.concatenate([z[one] for z, one in zip(inputs, kinks, strict=True)])
        chosen = np.concatenate([slope[one] for slope, one in zip(slopes, kinks, strict=True)])
        low = np.concatenate([np.full(int(one.sum()), low) for one, low in zip(kinks, pieces.low, strict=True)])
        up = weights > 0
        root = _inverse_root(hessian, damping)
        bends = kinked[up].T * weights[up]
        rest = gradient[0][free] - bends @ chosen[up]
        chosen[up] = _dual(root @ bends, root @ rest, weights[up] * heights[up], low[up])
        way[free] = -root @ (root @ (rest + bends @ chosen[up]))
        pieces.put(slopes, kinks, chosen)
    candidates = theta + LENGTHS[:, None] * way
    candidates = candidates[np.isfinite(candidates).all(axis=1)]
    if len(candidates) == 0:
        return None
    values = pieces.objective.value(candidates)
    best = int(np.argmin(np.where(np.isfinite(values), values, np.inf)))
    return (candidates[best], float(values[best])) if values[best] < value else None


def _inverse_root(hessian: Array, damping: float) -> Array:
    eigenvalues, axes = np.linalg.eigh((hessian + hessian.T) / 2)
    largest = max(float(np.abs(eigenvalues).max()), 1e-300)
    size = np.maximum(np.abs(eigenvalues), FLOOR * largest) + damping * largest
    root: Array = axes / np.sqrt(size) @ axes.T
    return root


def _dual(bends: Array, rest: Array, gains: Array, low: Array) -> Array:
    # The slopes s between low and 1 that minimise ½‖rest + bends·s‖² − gains·s.
    from scipy.optimize import lsq_linear  # noqa: PLC0415 - slow to import

    if len(low) == 0:
        return low
    shift = np.linalg.lstsq(bends.T, gains, rcond=1e-12)[0]
    scale = np.linalg.norm(bends, axis=0)
    scale[scale == 0] = 1
    found = lsq_linear(bends / scale, shift - rest, (low * scale, scale), method="bvls", max_iter=5 * len(low) + 20)
    slopes: Array = np.clip(found.x / scale, low, 1.0)
    return slopes
