"""Upper bounds of ‖∇L_i(θ)‖ over the box [−G, G]^d, proved up to rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.theory.constants.growth import output_errors
from etaflow.theory.constants.hessian_bounds import pre_activations
from etaflow.theory.constants.ranges import Curve

if TYPE_CHECKING:
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]


def gradient_bounds(objective: Objective, radius: float) -> Array:
    r"""Return an upper bound of ‖∇L_i(θ)‖ over θ ∈ [−G, G]^d for every observation, without the term of l2.

    By backpropagation ‖∇L_i‖² = Σ_ℓ ‖δ^ℓ‖²(‖a^{ℓ−1}‖² + 1), without the 1 if there are no biases, and
    ‖δ^ℓ‖ ≤ ‖W^{ℓ+1}‖‖δ^{ℓ+1}‖·sup|φ'|. On the box ‖W^ℓ‖ ≤ G(d_ℓd_{ℓ−1})^{1/2} and |z^ℓ| ≤ G(Σ|a^{ℓ−1}| + 1), and the ranges of the
    activations and of their derivatives over these intervals are known; those of ReLU too, whatever φ'(0) is between its
    one-sided values.

    Parameters
    ----------
    objective : Objective
        The objective, with any activations.
    radius : float
        G, finite.

    Returns
    -------
    ndarray, shape (n,)
        The bounds.

    Examples
    --------
    Linear regression with one observation x = 1, y = 0: the gradient is 2(w + b)·(1, 1).

    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1]), [[1.0]], [0.0])
    >>> bool(abs(gradient_bounds(f, 3.0)[0] - 12 * 2**0.5) < 1e-10)
    True
    """
    net = objective.net
    limits = pre_activations(objective, radius)
    inputs = [np.sqrt(np.sum(objective.x**2, axis=1) + net.bias)]
    for width, activation, limit in zip(net.widths[1:-1], net.activations, limits, strict=False):
        inputs.append(np.sqrt(width * Curve(activation).largest(0, limit) ** 2 + net.bias))
    error = output_errors(objective, limits[-1])
    total = (error * inputs[-1]) ** 2
    for layer in range(len(net.shapes) - 1, 0, -1):
        rows, columns = net.shapes[layer]
        slope = Curve(net.activations[layer - 1]).largest(1, limits[layer - 1])
        error = error * slope * radius * np.sqrt(rows * columns)
        total += (error * inputs[layer - 1]) ** 2
    return np.asarray(np.sqrt(total))
