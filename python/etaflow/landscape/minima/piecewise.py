"""A network of linear pieces in NumPy, with a slope of its own for every unit and observation.

With the slopes of its activations it is the network. At a kink, where a unit's input is 0, any slope between the two sides gives a
generalised gradient (Clarke 1983): so a minimum at kinks is a smooth stationary point in θ *and* these slopes, under the condition
that the inputs are 0. All functions take complex numbers too, for derivatives by a complex step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[Any]

PIECEWISE = ("relu", "leaky_relu", "identity")
STEP = 1e-30
CHUNK = 1 << 21
"""So many activations at a time."""


def is_piecewise(objective: Objective) -> bool:
    """Return whether all hidden activations are made of linear pieces, and some have a kink.

    Returns
    -------
    bool
        True for ReLU and leaky ReLU with an output unit that goes with the loss.
    """
    *hidden, output = objective.net.activations
    usual = {"square": "identity", "log": "logistic", "softmax": "identity"}[objective.loss]
    kinked = any(one.name != "identity" for one in hidden)
    return kinked and all(one.name in PIECEWISE for one in hidden) and output.name == usual


@dataclass(frozen=True, eq=False)
class Piecewise:
    """f with free slopes.

    Attributes
    ----------
    objective : Objective
        For which `is_piecewise` holds.
    """

    objective: Objective

    @cached_property
    def low(self) -> list[float]:
        """The slope to the left of 0 of each hidden layer."""
        slopes = {"relu": 0.0, "identity": 1.0}
        return [slopes.get(one.name, one.parameter) for one in self.objective.net.activations[:-1]]

    def inputs(self, theta: Array) -> list[Array]:
        """Return the inputs z of all hidden units.

        Parameters
        ----------
        theta : ndarray, shape (d,)
            The point.

        Returns
        -------
        list of ndarray, shape (n, d_ℓ)
            By layer.
        """
        a, found = np.asarray(self.objective.x, np.float64), []
        for (w, b), low in zip(self._layers(theta[None]), self.low, strict=False):
            z = a @ w[0].T + b[0]
            found.append(z)
            a = np.where(z < 0, low * z, z)
        return found

    def sizes(self, theta: Array) -> list[Array]:
        """Return a bound on each hidden unit's input by Cauchy and Schwarz, to measure the input by.

        Returns
        -------
        list of ndarray, shape (n, d_ℓ)
            ‖(w, b)‖·‖(a, 1)‖, by layer; 1 where it is 0.
        """
        a, found = np.asarray(self.objective.x, np.float64), []
        for (w, b), low in zip(self._layers(theta[None]), self.low, strict=False):
            ones = np.ones((len(a), 1)) * self.objective.net.bias
            size = np.outer(np.linalg.norm(np.hstack([a, ones]), axis=1), np.hypot(np.linalg.norm(w[0], axis=1), b[0]))
            found.append(np.where(size > 0, size, 1.0))
            z = a @ w[0].T + b[0]
            a = np.where(z < 0, low * z, z)
        return found

    def near(self, theta: Array, nearness: float) -> list[Array]:
        """Return which hidden units are at a kink, or near it, for which observations.

        Parameters
        ----------
        theta : ndarray, shape (d,)
            The point.
        nearness : float
            Inputs below this part of their bound count.

        Returns
        -------
        list of ndarray of bool, shape (n, d_ℓ)
            By layer.
        """
        parts = zip(self.inputs(theta), self.sizes(theta), self.low, strict=True)
        return [(np.abs(z) < nearness * size) & (low < 1) for z, size, low in parts]

    def nearest(self, theta: Array, nearness: float, most: int) -> list[Array]:
        """Return the kinks of `near`, but not more than so many: the nearest.

        Returns
        -------
        list of ndarray of bool, shape (n, d_ℓ)
            By layer.
        """
        kinks = self.near(theta, nearness)
        if sum(int(one.sum()) for one in kinks) <= most:
            return kinks
        shares = [np.abs(z) / size for z, size in zip(self.inputs(theta), self.sizes(theta), strict=True)]
        border = np.sort(np.concatenate([share[one] for share, one in zip(shares, kinks, strict=True)]))[most]
        return [one & (share < border) for share, one in zip(shares, kinks, strict=True)]

    @staticmethod
    def put(arrays: list[Array], kinks: list[Array], values: Array) -> None:
        """Write a value for each kink into arrays of shape (n, d_ℓ)."""
        for array, kink in zip(arrays, kinks, strict=True):
            number = int(kink.sum())
            array[kink] = values[:number]
            values = values[number:]

    def slopes(self, inputs: list[Array]) -> list[Array]:
        """Return the slopes of the activations at these inputs.

        Returns
        -------
        list of ndarray, shape (n, d_ℓ)
            By layer.
        """
        return [np.where(z < 0, low, 1.0) for z, low in zip(inputs, self.low, strict=True)]

    def gradient(self, theta: Array, slopes: list[Array]) -> tuple[Array, list[Array], list[Array]]:
        """Return ∇f with these slopes, for several points at once.

        Parameters
        ----------
        theta : ndarray, shape (m, d)
            The points.
        slopes : list of ndarray, shape (m, n, d_ℓ) or (n, d_ℓ)
            By hidden layer.

        Returns
        -------
        gradient : ndarray, shape (m, d)
            ∇f.
        inputs : list of ndarray, shape (m, n, d_ℓ)
            z of the hidden units.
        sensitivities : list of ndarray, shape (m, n, d_ℓ)
            ∂f/∂a of the hidden units, whose sign says which way a kink bends f.
        """
        objective, layers = self.objective, self._layers(theta)
        outputs, inputs = self._forward(layers, slopes)
        delta = self._residual(inputs.pop())
        parts: list[Array] = []
        sensitivities: list[Array] = []
        for layer in range(len(layers) - 1, -1, -1):
            by_bias = [delta.sum(axis=1)] if objective.net.bias else []
            by_weight = np.swapaxes(delta, 1, 2) @ outputs[layer]
            parts[:0] = [by_weight.reshape(len(theta), -1), *by_bias]
            if layer > 0:
                sensitivities.insert(0, delta @ layers[layer][0])
                delta = sensitivities[0] * slopes[layer - 1]
        return np.concatenate(parts, axis=1) + 2 * objective.l2 * theta, inputs, sensitivities

    def jacobian(self, theta: FloatArray, slopes: list[Array], kinks: list[Array]) -> Array:
        """Return the derivatives of (∇f, z at the kinks) by (θ, slopes at the kinks), by a complex step: exact to rounding.

        Parameters
        ----------
        theta : ndarray, shape (d,)
            The point.
        slopes : list of ndarray, shape (n, d_ℓ)
            By layer.
        kinks : list of ndarray of bool, shape (n, d_ℓ)
            Which units are at a kink, for which observations.

        Returns
        -------
        ndarray, shape (d + k, d + k)
            The square matrix of Newton's method.
        """
        d, where = len(theta), _places(kinks)
        size = d + len(where)
        out = np.empty((size, size))
        rows = max(1, CHUNK // max(sum(one.size for one in slopes), 1))
        for begin in range(0, size, rows):
            columns = np.arange(begin, min(begin + rows, size))
            moved = np.tile(theta.astype(np.complex128), (len(columns), 1))
            bent = [np.tile(one.astype(np.complex128), (len(columns), 1, 1)) for one in slopes]
            for row, column in enumerate(columns):
                if column < d:
                    moved[row, column] += STEP * 1j
                else:
                    layer, i, j = where[column - d]
                    bent[layer][row, i, j] += STEP * 1j
            gradient, inputs, _ = self.gradient(moved, bent)
            at = [z[:, kink] for z, kink in zip(inputs, kinks, strict=True)]
            out[:, columns] = np.concatenate([gradient, *at], axis=1).imag.T / STEP
        return out

    def features(self, theta: FloatArray, slopes: list[Array], kinks: list[Array]) -> Array:
        """Return the derivatives by θ of all that f and the kinks depend on: the output unit's inputs, and z at the kinks.

        Parameters
        ----------
        theta : ndarray, shape (d,)
            The point.
        slopes : list of ndarray, shape (n, d_ℓ)
            By layer.
        kinks : list of ndarray of bool, shape (n, d_ℓ)
            Which units are at a kink, for which observations.

        Returns
        -------
        ndarray, shape (n·d_L + k, d)
            The Jacobian matrix, by a complex step.
        """
        moved = np.tile(theta.astype(np.complex128), (len(theta), 1)) + STEP * 1j * np.eye(len(theta))
        _, inputs = self._forward(self._layers(moved), slopes)
        parts = [inputs[-1].reshape(len(theta), -1)]
        parts += [z[:, kink] for z, kink in zip(inputs, kinks, strict=False)]
        derivatives: Array = np.concatenate(parts, axis=1).imag.T / STEP
        return derivatives

    def _forward(self, layers: list[tuple[Array, Array]], slopes: list[Array]) -> tuple[list[Array], list[Array]]:
        # What enters each layer, and the inputs z of its units, the output layer's included.
        outputs: list[Array] = [np.asarray(self.objective.x, np.float64)[None]]
        inputs: list[Array] = []
        for layer, (w, b) in enumerate(layers):
            inputs.append(outputs[-1] @ np.swapaxes(w, 1, 2) + b[:, None])
            if layer < len(slopes):
                outputs.append(slopes[layer] * inputs[-1])
        return outputs, inputs

    def _layers(self, theta: Array) -> list[tuple[Array, Array]]:
        found, start, net = [], 0, self.objective.net
        for rows, columns in net.shapes:
            middle = start + rows * columns
            end = middle + rows * net.bias
            w = theta[:, start:middle].reshape(-1, rows, columns)
            found.append((w, theta[:, middle:end] if net.bias else np.zeros((len(theta), rows))))
            start = end
        return found

    def _residual(self, z: Array) -> Array:
        # ∂f/∂z of the output layer's inputs, shape (m, n, d_L).
        objective = self.objective
        if objective.loss == "softmax":
            power = np.exp(z - z.real.max(axis=-1, keepdims=True))
            labels = np.eye(z.shape[-1])[np.asarray(objective.y).astype(int).ravel()]
            residual = power / power.sum(axis=-1, keepdims=True) - labels
        else:
            y = np.asarray(objective.y, np.float64).reshape(z.shape[1:])
            residual = 2 * (z - y) if objective.loss == "square" else _logistic(z) - y
        scaled: Array = residual / objective.n if objective.reduction == "mean" else residual
        return scaled


def _places(kinks: list[Array]) -> list[tuple[int, int, int]]:
    return [(layer, i, j) for layer, kink in enumerate(kinks) for i, j in np.argwhere(kink)]


def _logistic(z: Array) -> Array:
    power = np.exp(np.where(z.real < 0, z, -z))
    share: Array = np.where(z.real < 0, power, 1.0) / (1 + power)
    return share
