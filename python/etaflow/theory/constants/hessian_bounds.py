"""Upper bounds of ‖∇²L_i(θ)‖₂ over the box [−G, G]^d, layer by layer, proved up to rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.theory.constants.growth import output_errors
from etaflow.theory.constants.ranges import Curve, supremum

if TYPE_CHECKING:
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]


def hessian_bounds(objective: Objective, radius: float) -> Array:
    r"""Return an upper bound of ‖∇²L_i(θ)‖₂ over θ ∈ [−G, G]^d for every observation.

    Along a direction V = (V^1, …, V^L) the second derivative of L_i is

    D²L_i[V, V] = żᴸᵀ(∂²L/∂z²)żᴸ + Σ_ℓ Σ_j (W^{ℓ+1ᵀ}δ^{ℓ+1})_j φ''(z^ℓ_j)(ż^ℓ_j)² + 2Σ_{ℓ≥2} δ^ℓ·V^ℓȧ^{ℓ−1},

    with ż^ℓ = V^ℓa^{ℓ−1} + W^ℓȧ^{ℓ−1} and ȧ^ℓ = φ'(z^ℓ)ż^ℓ. On the box |z^ℓ| ≤ G(Σ|a^{ℓ−1}| + 1) and ‖W^ℓ‖ ≤ G(d_ℓd_{ℓ−1})^{1/2};
    the activations' ranges over these intervals are known exactly. So the expression is at most νᵀQν with ν_ℓ = ‖V^ℓ‖, and the
    largest eigenvalue of Q is the bound. For one hidden layer the suprema over a unit's z are taken jointly, which is
    tighter: ‖żᴸ‖² ≤ (ν_1² + ν_2²)(1 + Σ_j sup_z(φ² + d_2G²X²φ'²)), and each unit's part of the rest is a 2 × 2 matrix.

    Parameters
    ----------
    objective : Objective
        The objective; its activations must be smooth.
    radius : float
        G; may be infinite for a network without hidden layers.

    Returns
    -------
    ndarray, shape (n,)
        The bounds.
    """
    net = objective.net
    reach = np.sqrt(np.sum(objective.x**2, axis=1) + net.bias)
    limits = pre_activations(objective, radius)
    curvature = _output_curvatures(objective, limits[-1])
    if len(net.shapes) == 1:
        return np.asarray(curvature * reach**2)
    errors = output_errors(objective, limits[-1])
    general = _general(objective, radius, limits, curvature, errors)
    if len(net.shapes) > 2:
        return general
    return np.minimum(general, _one_hidden_layer(objective, radius, limits[0], curvature, errors))


def pre_activations(objective: Objective, radius: float) -> list[Array]:
    """Return upper bounds of |z^ℓ_j| over θ ∈ [−G, G]^d for every observation.

    Returns
    -------
    list of ndarray, shape (n,)
        One per layer: the box is the same for all units of a layer.
    """
    net = objective.net
    total = np.sum(np.abs(objective.x), axis=1) + net.bias
    limits = []
    for width, activation in zip(net.widths[1:], net.activations, strict=True):
        with np.errstate(invalid="ignore"):
            limits.append(np.nan_to_num(radius * total, nan=0.0, posinf=np.inf))  # ∞·0: nothing comes in
        total = width * Curve(activation).largest(0, limits[-1]) + net.bias
    return limits


# Bounds of ‖∂²L_i/∂z²‖ at the output.
def _output_curvatures(objective: Objective, limits: Array) -> Array:
    if objective.loss == "softmax":
        return np.full(objective.n, 0.5)  # diag(p) − ppᵀ
    curve = Curve(objective.net.activations[-1])
    if objective.loss == "log":
        return curve.largest(1, limits)
    width = objective.net.widths[-1]
    pairs, where = np.unique(
        np.column_stack([objective.y.ravel(), np.repeat(limits, width)]), axis=0, return_inverse=True
    )
    largest = np.array([_largest_curvature(curve, target, limit) for target, limit in pairs])
    return np.asarray(largest[where.ravel()].reshape(objective.n, width).max(axis=1))


# Of unbounded φ: identity has φ'' = 0, and beyond |z| = 700 the φ'' of softplus and gelu, even times |z|, is below 1e-290
# while φ' is 0 or 1 to as many digits, as it is at 700.
_FAR = 700.0


# An upper bound of |2φ'² + 2(φ − y)φ''| over |z| ≤ limit.
def _largest_curvature(curve: Curve, target: float, limit: float) -> float:

    def bound(low: Array, high: Array) -> Array:
        values, slopes, bends = (curve.enclose(order, low, high) for order in (0, 1, 2))
        products = [(value - target) * bend for value in values for bend in bends]
        squares = [slope * slope for slope in slopes]
        crosses = slopes[0] * slopes[1] < 0
        least = np.minimum.reduce(products) + np.where(crosses, 0.0, np.minimum(*squares))
        most = np.maximum.reduce(products) + np.maximum(*squares)
        return np.asarray(2 * np.maximum(-least, most))

    return supremum(bound, *curve.window(limit if curve.bounded else min(limit, _FAR)))


# The largest eigenvalue of Q for every observation.
def _general(objective: Objective, radius: float, limits: list[Array], curvature: Array, errors: Array) -> Array:
    net, count = objective.net, objective.n
    layers = len(net.shapes)
    curves = [Curve(activation) for activation in net.activations]
    norms = [radius * np.sqrt(rows * columns) for rows, columns in net.shapes]
    slopes = [curve.largest(1, limit) for curve, limit in zip(curves, limits, strict=True)]
    bends = [curve.largest(2, limit) for curve, limit in zip(curves, limits, strict=True)]
    inputs = [np.sqrt(np.sum(objective.x**2, axis=1) + net.bias)]
    for width, curve, limit in zip(net.widths[1:-1], curves, limits, strict=False):
        inputs.append(np.sqrt(width * curve.largest(0, limit) ** 2 + net.bias))
    tangents = np.zeros((layers, count, layers))  # ‖ż^ℓ‖ ≤ tangents[ℓ]·ν
    for layer in range(layers):
        if layer:
            tangents[layer] = norms[layer] * slopes[layer - 1][:, None] * tangents[layer - 1]
        tangents[layer, :, layer] = inputs[layer]
    form = curvature[:, None, None] * _outer(tangents[-1], tangents[-1])
    delta = errors
    for layer in range(layers - 1, 0, -1):
        own = np.zeros((count, layers))
        own[:, layer] = 1.0
        mixed = _outer(own, tangents[layer - 1])
        form += (delta * slopes[layer - 1])[:, None, None] * (mixed + np.swapaxes(mixed, 1, 2))
        pull = radius * np.sqrt(net.widths[layer + 1]) * delta * bends[layer - 1]
        form += pull[:, None, None] * _outer(tangents[layer - 1], tangents[layer - 1])
        delta = delta * norms[layer] * slopes[layer - 1]
    return np.asarray(np.linalg.eigvalsh(form)[:, -1])


def _outer(left: Array, right: Array) -> Array:
    return np.asarray(left[:, :, None] * right[:, None, :])


# The bound with joint suprema over z, for every observation.
def _one_hidden_layer(objective: Objective, radius: float, limits: Array, curvature: Array, errors: Array) -> Array:
    net, curve = objective.net, Curve(objective.net.activations[0])
    square = np.sum(objective.x**2, axis=1) + net.bias
    found = np.empty(objective.n)
    for i in range(objective.n):
        window, reach = curve.window(float(limits[i])), float(np.sqrt(square[i]))
        weight = net.widths[2] * radius**2 * float(square[i])
        pull = radius * np.sqrt(net.widths[2]) * float(square[i])

        def tangent(low: Array, high: Array, weight: float = weight) -> Array:
            return np.asarray(_size(curve, 0, low, high) ** 2 + weight * _size(curve, 1, low, high) ** 2)

        def rest(low: Array, high: Array, pull: float = pull, reach: float = reach) -> Array:
            own, mixed = pull * _size(curve, 2, low, high), reach * _size(curve, 1, low, high)
            return np.asarray((own + np.sqrt(own**2 + 4 * mixed**2)) / 2)

        jacobian = net.bias + net.widths[1] * supremum(tangent, *window)
        found[i] = curvature[i] * jacobian + errors[i] * supremum(rest, *window)
    return found


def _size(curve: Curve, order: int, low: Array, high: Array) -> Array:
    below, above = curve.enclose(order, low, high)
    return np.maximum(-below, above)
