"""The problems that are timed: a network, data, a start and a step size, in one dtype."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import etaflow as ef

Array = Any


@dataclass(frozen=True)
class Case:
    """A problem, as every tool gets it.

    Attributes
    ----------
    widths : tuple of int
        The network's layers.
    activation : str
        Of the hidden layers.
    loss : str
        "square" (identity output), "log" (logistic output) or "softmax" (identity output).
    x : ndarray, shape (n, d_0)
        The inputs.
    y : ndarray, shape (n, d_L)
        The targets; for "softmax" the labels, (n, 1).
    theta0 : ndarray, shape (d,)
        The start.
    step_size : float
        The step size.
    """

    widths: tuple[int, ...]
    activation: str
    loss: str
    x: Array
    y: Array
    theta0: Array
    step_size: float

    @property
    def dtype(self) -> Any:
        """The dtype of everything."""
        return self.x.dtype

    @property
    def n(self) -> int:
        """The number of observations."""
        return len(self.x)

    @property
    def net(self) -> ef.MLP:
        """The network."""
        return ef.MLP(
            list(self.widths), activation=self.activation, output="logistic" if self.loss == "log" else "identity"
        )

    def objective(self, threads: int) -> ef.Objective:
        """Return the objective."""
        targets = self.y[:, 0].astype(np.int64) if self.loss == "softmax" else self.y
        return ef.Objective(self.net, self.x, targets, loss=self.loss, threads=threads)

    def layers(self, theta: Array | None = None) -> list[tuple[Array, Array]]:
        """Return copies of the weights (out, in) and biases (out,) of every layer at `theta`, by default the start."""
        return [(np.array(w), np.array(b)) for w, b in self.net.layers(self.theta0 if theta is None else theta)]

    def indices(self, steps: int, runs: int = 1, batch: int = 1) -> Array:
        """Return the observations (steps, runs, batch) that `descend` draws with seed 0."""
        draws = [ef._core.sample_indices(self.n, batch, "iid", 0, run, 0, steps) for run in range(runs)]
        return np.stack(draws, axis=1)

    @property
    def weights(self) -> int:
        """The number of weights, without biases."""
        return sum(a * b for a, b in zip(self.widths[:-1], self.widths[1:], strict=True))

    def gradient_flops(self, samples: int) -> float:
        """Return the floating-point operations of a gradient: two per weight and sample for the forward pass, for the
        gradient of the weights and, but for the first layer, for the deltas; activations and biases count nothing.
        """
        first = self.widths[0] * self.widths[1]
        return samples * (6.0 * self.weights - 2.0 * first)

    def sample_gradient_flops(self) -> float:
        """Return the operations of all per-sample gradients, where a weight's gradient is one product."""
        first = self.widths[0] * self.widths[1]
        return self.n * (5.0 * self.weights - 2.0 * first)


def small(dtype: str = "float64") -> Case:
    """Return 10-10-1 tanh on 500 observations: d = 121."""
    return _regression((10, 10, 1), "tanh", n=500, dtype=dtype, step_size=0.01)


def deep(dtype: str = "float64", n: int = 1000) -> Case:
    """Return 196-10-10-10-1 ReLU with log loss, the network of the thesis's experiment 5.3: d = 2 201."""
    case = _regression((196, 10, 10, 10, 1), "relu", n=n, dtype=dtype, step_size=0.01)
    return replace(case, loss="log", y=_labels(case.y))


def circles(dtype: str = "float64") -> Case:
    """Return 2-50-1 leaky ReLU with log loss on 100 observations, near the thesis's experiment 5.1."""
    case = _regression((2, 50, 1), "leaky_relu", n=100, dtype=dtype, step_size=0.05)
    return replace(case, loss="log", y=_labels(case.y))


def wide(dtype: str = "float32") -> Case:
    """Return 784-256-10 ReLU with softmax, the size of MNIST classifiers, on 10 000 observations."""
    case = _regression((784, 256, 10), "relu", n=10_000, dtype=dtype, step_size=0.05)
    labels = np.argmax(case.y, axis=1)[:, None]
    return replace(case, loss="softmax", y=labels.astype(dtype))


def _regression(widths: tuple[int, ...], activation: str, *, n: int, dtype: str, step_size: float) -> Case:
    rng = np.random.default_rng(widths[0] + n)
    x = rng.standard_normal((n, widths[0]))
    y = np.tanh(x @ rng.standard_normal((widths[0], widths[-1])) / np.sqrt(widths[0]))
    theta0 = ef.MLP(list(widths)).init(seed=0)
    theta0 += 0.05 * rng.standard_normal(theta0.size)  # no bias is 0: no unit stands at ReLU's kink, where tools differ
    return Case(widths, activation, "square", x.astype(dtype), y.astype(dtype), theta0.astype(dtype), step_size)


def _labels(y: Array) -> Array:
    return (y > 0).astype(y.dtype)
