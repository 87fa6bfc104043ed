"""NumPy by hand: backpropagation on whole batches, and a loop over steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from kit.race import Contender

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.cases import Case

Array = Any
Layers = list[tuple[Array, Array]]


def _activate(name: str, z: Array) -> Array:
    """Apply the activation in place."""
    if name == "tanh":
        return np.tanh(z, out=z)
    return np.maximum(z, 0 if name == "relu" else 0.1 * z, out=z)


def _chain_rule(name: str, delta: Array, a: Array) -> Array:
    """Multiply delta by the activation's derivative, in place."""
    if name == "tanh":
        delta *= 1 - a * a
    else:
        delta *= a > 0 if name == "relu" else np.where(a > 0, a.dtype.type(1), a.dtype.type(0.1))
    return delta


def _output_delta(loss: str, z: Array, y: Array) -> Array:
    if loss == "square":
        return 2 * (z - y)
    if loss == "log":
        return 1 / (1 + np.exp(-z)) - y
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(p)), y[:, 0].astype(np.intp)] -= 1
    return p


def passes(case: Case, layers: Layers, x: Array, y: Array) -> tuple[list[Array], list[Array]]:
    """Return every layer's input (n, in) and delta (n, out)."""
    inputs = [x]
    for w, b in layers[:-1]:
        z = inputs[-1] @ w.T
        z += b
        inputs.append(_activate(case.activation, z))
    w, b = layers[-1]
    deltas = [_output_delta(case.loss, inputs[-1] @ w.T + b, y)]
    for (w, _), a in zip(layers[:0:-1], inputs[:0:-1], strict=True):
        deltas.append(_chain_rule(case.activation, deltas[-1] @ w, a))
    return inputs, deltas[::-1]


def _gradient(case: Case, layers: Layers, x: Array, y: Array) -> list[tuple[Array, Array]]:
    inputs, deltas = passes(case, layers, x, y)
    scale = case.dtype.type(1 / len(x))
    parts = []
    for a, delta in zip(inputs, deltas, strict=True):
        np.multiply(delta, scale, out=delta)
        parts.append((delta.T @ a, delta.sum(axis=0)))
    return parts


def _descend(layers: Layers, gradients: Layers, rate: Any) -> None:
    """Take one step, in place; the gradients are used up."""
    for part, grads in zip(layers, gradients, strict=True):
        for p, g in zip(part, grads, strict=True):
            np.multiply(g, rate, out=g)
            np.subtract(p, g, out=p)


def flat(parts: Any) -> Array:
    """Return weights and biases as one vector in etaflow's order."""
    return np.concatenate([np.ravel(np.asarray(one)) for part in parts for one in part])


def chain(case: Case, indices: Array, expected: Callable[[], Array]) -> Contender:
    """SGD with batch 1 on one hidden layer of tanh: vectors and outer products, in place."""
    steps = indices[:, 0, 0].tolist()
    rate = 2 * case.step_size

    def work() -> list[Array]:
        (w1, b1), (w2, b2) = case.layers()
        out = w2[0]
        x, y = case.x, case.y[:, 0].tolist()
        for i in steps:
            row = x[i]
            h = np.tanh(w1.dot(row) + b1)
            e = rate * (float(out.dot(h)) + b2[0] - y[i])
            delta = e * out * (1 - h * h)
            out -= e * h
            b2[0] -= e
            w1 -= np.outer(delta, row)
            b1 -= delta
        return [(w1, b1), (w2, b2)]

    return Contender("NumPy", "loop over steps", work, len(steps), expected, flat)


def gradient(case: Case, expected: Callable[[], Array], repeats: int = 20) -> Contender:
    """Full gradient by hand."""
    layers = case.layers()

    def work() -> Array:
        for _ in range(repeats):
            parts = _gradient(case, layers, case.x, case.y)
        return parts

    return Contender("NumPy", "by hand", work, repeats, expected, flat)


def minibatch(case: Case, indices: Array, expected: Callable[[], Array]) -> Contender:
    """SGD with mini-batches by hand, weights updated in place."""
    rate = case.dtype.type(case.step_size)

    def work() -> Layers:
        layers = case.layers()
        for batch in indices[:, 0]:
            _descend(layers, _gradient(case, layers, case.x[batch], case.y[batch]), rate)
        return layers

    return Contender("NumPy", "by hand", work, len(indices), expected, flat)


def descents(case: Case, steps: int, runs: int, expected: Callable[[], Array]) -> Contender:
    """Gradient descent of one run after another, by hand."""

    def work() -> Array:
        ends = []
        for _ in range(runs):
            layers = case.layers()
            for _ in range(steps):
                _descend(layers, _gradient(case, layers, case.x, case.y), case.step_size)
            ends.append(flat(layers))
        return np.stack(ends)

    return Contender("NumPy", "by hand", work, steps * runs, expected)


def monitored(case: Case, indices: Array, expected: Callable[[], Array]) -> Contender:
    """SGD with batch 1, and the squared norm of the full gradient before every step."""

    def work() -> Array:
        layers, total = case.layers(), 0.0
        for i in indices[:, 0, 0]:
            total += sum(float((g * g).sum()) for part in _gradient(case, layers, case.x, case.y) for g in part)
            _descend(layers, _gradient(case, layers, case.x[[i]], case.y[[i]]), case.step_size)
        return np.append(flat(layers), total / len(indices))

    return Contender("NumPy", "by hand", work, len(indices), expected)


def _sample_gradients(case: Case, layers: Layers, out: Array) -> Array:
    inputs, deltas = passes(case, layers, case.x, case.y)
    begin = 0
    for a, delta in zip(inputs, deltas, strict=True):
        rows, columns = delta.shape[1], a.shape[1]
        target = out[:, begin : begin + rows * columns].reshape(case.n, rows, columns)
        np.multiply(delta[:, :, None], a[:, None, :], out=target)
        out[:, begin + rows * columns : begin + rows * (columns + 1)] = delta
        begin += rows * (columns + 1)
    return out


def sample_gradients(case: Case, expected: Callable[[], Array], repeats: int) -> Contender:
    """Per-sample gradients as outer products, into one array that is used again."""
    layers, out = case.layers(), np.empty((case.n, case.theta0.size), case.dtype)

    def work() -> Array:
        for _ in range(repeats):
            _sample_gradients(case, layers, out)
        return out

    return Contender("NumPy", "by hand", work, repeats, expected)


def covariance(case: Case, expected: Callable[[], Array], repeats: int) -> Contender:
    """Covariance of the per-sample gradients: centre, then one product (BLAS sees that it is symmetric)."""
    layers, out = case.layers(), np.empty((case.n, case.theta0.size), case.dtype)

    def work() -> Array:
        for _ in range(repeats):
            g = _sample_gradients(case, layers, out)
            g -= g.mean(axis=0)
            r = g.T @ g
            r /= case.n
        return r

    return Contender("NumPy", "by hand", work, repeats, expected)
