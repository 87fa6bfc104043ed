"""Enclosures of the gradient and the Hessian of an objective over balls of parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.verdict.balls import Ball, joined
from etaflow.landscape.verdict.functions import ENCLOSED, enclose, exp_of_negative

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.landscape.verdict.balls import Array
    from etaflow.problem.network import MLP
    from etaflow.problem.objective import Objective

    Mask = npt.NDArray[np.bool_]

CHUNK = 2**21
"""So many numbers of ∂z/∂θ are held at a time."""


def enclosable(objective: Objective) -> bool:
    """Return whether every activation of the network has an enclosure.

    Returns
    -------
    bool
        False with gelu.
    """
    return all(activation.name in ENCLOSED for activation in objective.net.activations)


def enclose_gradient(objective: Objective, theta: Ball) -> Ball:
    """Return an enclosure of ∇f over a ball of parameters.

    Parameters
    ----------
    objective : Objective
        The objective. Its data is meant exactly, whatever its dtype.
    theta : Ball, shape (d,)
        The parameters.

    Returns
    -------
    Ball, shape (d,)
        The gradient, proved.
    """
    with np.errstate(invalid="ignore"):
        parts = [Pass.run(objective, theta, rows).gradient() for rows in _chunks(objective, 1)]
        return _reduced(objective, sum(parts[1:], parts[0])) + theta * (2 * objective.l2)


def enclose_hessian(objective: Objective, theta: Ball) -> Ball:
    """Return an enclosure of ∇²f over a ball of parameters.

    With z̈^ℓ = 2V^ℓȧ^{ℓ−1} + W^ℓä^{ℓ−1} and ä = σ''ż² + σ'z̈ the second derivative of a loss along V is
    żᴸᵀ(∂²L/∂z²)żᴸ + 2Σ_ℓ δ^ℓ·V^ℓȧ^{ℓ−1} + Σ_ℓ Σ_j (W^{ℓ+1ᵀ}δ^{ℓ+1})_j σ''(z^ℓ_j)(ż^ℓ_j)²; here for all V at once.

    Parameters
    ----------
    objective : Objective
        The objective. Its data is meant exactly, whatever its dtype.
    theta : Ball, shape (d,)
        The parameters.

    Returns
    -------
    Ball, shape (d, d)
        The Hessian, proved. Where a kink is in the balls the radius is infinite or NaN.
    """
    with np.errstate(invalid="ignore"):
        size = objective.num_params
        total = Ball.exact(np.zeros((size, size)))
        for rows in _chunks(objective, size):
            total += Pass.run(objective, theta, rows).hessian()
        return _reduced(objective, total) + 2 * objective.l2 * np.eye(size)


def _constant_zeros(net: MLP, x: Array, inputs: list[Ball]) -> list[Mask]:
    # Where z is 0 for every θ near, because nothing enters a unit and there is no bias.
    nothing, found = x == 0, []
    for z, activation in zip(inputs, net.activations, strict=True):
        still = np.broadcast_to(nothing.all(axis=1)[:, None] & (not net.bias), z.mid.shape)
        found.append(still)
        off = (activation.name == "relu") & (z.mid < -z.rad)
        nothing = off | (still & (activation.name not in {"logistic", "softplus"}))
    return found


def _chunks(objective: Objective, columns: int) -> list[slice]:
    size = max(1, CHUNK // (max(objective.net.widths) * columns))
    return [slice(i, i + size) for i in range(0, objective.n, size)]


def _reduced(objective: Objective, total: Ball) -> Ball:
    return total / float(objective.n) if objective.reduction == "mean" else total


@dataclass(frozen=True, eq=False)
class Pass:
    """One forward and backward pass in ball arithmetic over some observations; the lists run over the layers.

    Attributes
    ----------
    net : MLP
        The network.
    weights : list of Ball, shape (d_ℓ, d_{ℓ−1})
        W^ℓ.
    inputs : list of Ball, shape (m, d_ℓ)
        z^ℓ.
    still : list of ndarray of bool, shape (m, d_ℓ)
        Where z^ℓ is 0 for every θ near.
    states : list of Ball, shape (m, d_{ℓ−1})
        a^0, …, a^{L−1}.
    slopes, bends : list of Ball, shape (m, d_ℓ)
        σ'(z^ℓ) and σ''(z^ℓ).
    deltas : list of Ball, shape (m, d_ℓ)
        ∂L_i/∂z^ℓ.
    pulls : list of Ball, shape (m, d_ℓ)
        ∂L_i/∂a^ℓ of the hidden layers.
    curvature : Ball, shape (m, d_L, d_L)
        ∂²L_i/∂z² at the output.
    """

    net: MLP
    weights: list[Ball]
    inputs: list[Ball]
    still: list[Mask]
    states: list[Ball]
    slopes: list[Ball]
    bends: list[Ball]
    deltas: list[Ball]
    pulls: list[Ball]
    curvature: Ball

    @classmethod
    @np.errstate(invalid="ignore")
    def run(cls, objective: Objective, theta: Ball, rows: slice) -> Pass:
        """Go through the network, forward and backward.

        Returns
        -------
        Pass
            All its quantities.
        """
        net = objective.net
        weights, shifts = _layers(net, theta)
        states, curves, zs = [Ball.exact(objective.x[rows])], [], []
        for weight, shift, activation in zip(weights, shifts, net.activations, strict=True):
            zs.append(states[-1] @ weight.T + shift)
            curves.append(enclose(activation, zs[-1]))
            states.append(curves[-1][0])
        slopes, bends = [curve[1] for curve in curves], [curve[2] for curve in curves]
        still = _constant_zeros(net, states[0].mid, zs)
        bends = [Ball(bend.mid, np.where(dead, 0.0, bend.rad)) for bend, dead in zip(bends, still, strict=True)]
        delta, curvature = _output(objective, rows, zs[-1], states[-1], slopes[-1], bends[-1])
        deltas: list[Ball] = [delta]
        pulls: list[Ball] = []
        for weight, slope in zip(weights[:0:-1], slopes[-2::-1], strict=True):
            pulls.insert(0, deltas[0] @ weight)
            deltas.insert(0, pulls[0] * slope)
        return cls(net, weights, zs, still, states[:-1], slopes, bends, deltas, pulls, curvature)

    def gradient(self) -> Ball:
        """Return Σ ∇L_i over the observations.

        Returns
        -------
        Ball, shape (d,)
            In the order of θ.
        """
        parts = []
        for delta, state in zip(self.deltas, self.states, strict=True):
            parts.append((delta.T @ state).reshape(-1))
            if self.net.bias:
                parts.append(delta.sum(axis=0))
        return joined(parts)

    def hessian(self) -> Ball:
        """Return Σ ∇²L_i over the observations.

        Returns
        -------
        Ball, shape (d, d)
            In the order of θ.
        """
        size, start = self.net.num_params, 0
        total = Ball.exact(np.zeros((size, size)))
        tangent: Ball | None = None  # ∂a^{ℓ−1}/∂θ, of shape (n, d_{ℓ−1}, d)
        for layer, (rows, columns) in enumerate(self.net.shapes):
            inner = self._own(layer, start)
            if tangent is not None:
                inner += self.weights[layer] @ tangent
                total += self._mixed(layer, start, tangent)
            if layer < len(self.slopes) - 1:
                force = self.pulls[layer] * self.bends[layer]
                total += _gram(inner, _scaled(force, inner))
                tangent = _scaled(self.slopes[layer], inner)
            else:
                total += _gram(inner, self.curvature @ inner)
            start += rows * (columns + self.net.bias)
        return total

    def _own(self, layer: int, start: int) -> Ball:
        # ∂z^ℓ/∂θ by the layer's own weights: z_j = Σ_k W_jk a_k + b_j.
        rows, columns = self.net.shapes[layer]
        state, count = self.states[layer], len(self.states[layer].mid)
        own = Ball.exact(np.zeros((count, rows, self.net.num_params)))
        for j in range(rows):
            places = slice(start + j * columns, start + (j + 1) * columns)
            own.mid[:, j, places], own.rad[:, j, places] = state.mid, state.rad
            if self.net.bias:
                own.mid[:, j, start + rows * columns + j] = 1
        return own

    def _mixed(self, layer: int, start: int, tangent: Ball) -> Ball:
        # Σ_i δ_ij ∂a_ik/∂θ in the row of W_jk, and its transpose.
        rows, columns = self.net.shapes[layer]
        count, size = len(tangent.mid), self.net.num_params
        block = (self.deltas[layer].T @ tangent.reshape(count, columns * size)).reshape(rows * columns, size)
        full = Ball.exact(np.zeros((size, size)))
        full.mid[start : start + rows * columns], full.rad[start : start + rows * columns] = block.mid, block.rad
        return full + full.T


def _layers(net: MLP, theta: Ball) -> tuple[list[Ball], list[Ball | float]]:
    weights: list[Ball] = []
    shifts: list[Ball | float] = []
    start = 0
    for rows, columns in net.shapes:
        end = start + rows * columns
        weights.append(theta[start:end].reshape(rows, columns))
        start = end + rows * net.bias
        shifts.append(theta[end:start] if net.bias else 0.0)
    return weights, shifts


def _scaled(factor: Ball, tangent: Ball) -> Ball:
    # An unknown σ'' of a unit that does not move does no harm: 0 times whatever is 0.
    product = Ball(factor.mid[:, :, None], factor.rad[:, :, None]) * tangent
    still = (tangent.mid == 0) & (tangent.rad == 0)
    return Ball(np.where(still, 0.0, product.mid), np.where(still, 0.0, product.rad))


def _gram(left: Ball, right: Ball) -> Ball:
    size = left.mid.shape[-1]
    return left.reshape(-1, size).T @ right.reshape(-1, size)


def _output(objective: Objective, rows: slice, z: Ball, out: Ball, slope: Ball, bend: Ball) -> tuple[Ball, Ball]:
    y = objective.y[rows].astype(np.float64)
    width = objective.net.widths[-1]
    if objective.loss == "softmax":
        return _softmax(z, y[:, 0].astype(np.int64))
    if objective.loss == "log":
        delta, second = out - y, slope
    else:
        error = 2.0 * (out - y)
        delta, second = error * slope, 2.0 * (slope * slope) + error * bend
    diagonal = np.eye(width)
    return delta, Ball(second.mid[:, :, None] * diagonal, second.rad[:, :, None] * diagonal)


def _softmax(z: Ball, labels: npt.NDArray[np.int64]) -> tuple[Ball, Ball]:
    powers = exp_of_negative(z - z.mid.max(axis=1, keepdims=True))
    total = powers.sum(axis=1)
    shares = powers / Ball(total.mid[:, None], total.rad[:, None])
    column = Ball(shares.mid[:, :, None], shares.rad[:, :, None])
    diagonal = np.eye(z.mid.shape[1])
    spread = Ball(column.mid * diagonal, column.rad * diagonal) - column * column.T
    return shares - diagonal[labels], spread
