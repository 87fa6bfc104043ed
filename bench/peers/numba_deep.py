"""Numba's kernels for deep networks with one output, written by hand."""

# ruff: noqa: C901, PLR0915 -- a fused kernel is one function
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from peers.numba_kernels import FAST, tanh_of


def sample_gradient(dtype: Any, widths: tuple[int, ...], activation: str) -> Any:
    """Return the gradient of one sample for a deep network with one output, on θ as it lies in memory."""
    tanh, half, two, one, zero = tanh_of(dtype), *(np.dtype(dtype).type(v) for v in (0.5, 2.0, 1.0, 0.0))
    depth, is_tanh = len(widths) - 1, activation == "tanh"
    layer = np.array(widths)
    begins = np.concatenate([[0], np.cumsum((layer[:-1] + 1) * layer[1:])])
    widest = max(widths)

    @njit(**FAST)
    def run(theta: Any, row: Any, target: Any, a: Any, delta: Any, out: Any) -> None:
        # a (depth, widest) and delta (2, widest) are scratch
        a[0, : layer[0]] = row
        e = zero
        for j in range(depth):
            begin, fan_in, fan_out = begins[j], layer[j], layer[j + 1]
            for o in range(fan_out):
                z = theta[begin + fan_in * fan_out + o]
                for i in range(fan_in):
                    z += theta[begin + o * fan_in + i] * a[j, i]
                if j == depth - 1:
                    e = two * (z - target) if is_tanh else half + half * tanh(half * z) - target
                else:
                    a[j + 1, o] = tanh(z) if is_tanh else max(z, zero)
        delta[depth & 1, 0] = e
        for j in range(depth - 1, -1, -1):
            begin, fan_in, fan_out = begins[j], layer[j], layer[j + 1]
            d, below = delta[(j + 1) & 1], delta[j & 1]
            for o in range(fan_out):
                for i in range(fan_in):
                    out[begin + o * fan_in + i] = d[o] * a[j, i]
                out[begin + fan_in * fan_out + o] = d[o]
            if j == 0:
                break
            for i in range(fan_in):
                total = zero
                for o in range(fan_out):
                    total += theta[begin + o * fan_in + i] * d[o]
                v = a[j, i]
                below[i] = total * (one - v * v) if is_tanh else (total if v > zero else zero)

    return run, depth, widest


def sample_gradients(dtype: Any, widths: tuple[int, ...], activation: str) -> Any:
    """Return the gradients of all samples, in parallel."""
    one_gradient, depth, widest = sample_gradient(dtype, widths, activation)
    parts = 8

    @njit(parallel=True, **FAST)
    def run(theta: Any, x: Any, y: Any, out: Any) -> None:
        for part in prange(parts):
            a, delta = np.empty((depth, widest), dtype), np.empty((2, widest), dtype)
            for k in range(part * len(x) // parts, (part + 1) * len(x) // parts):
                one_gradient(theta, x[k], y[k], a, delta, out[k])

    return run


def monitored(dtype: Any, widths: tuple[int, ...]) -> Any:
    """Return SGD on a ReLU network with log loss and the squared norm of the full gradient (BLAS) before every step."""
    one_gradient, depth, widest = sample_gradient(dtype, widths, "relu")
    tanh, half, zero = tanh_of(dtype), *(np.dtype(dtype).type(v) for v in (0.5, 0.0))
    layer = np.array(widths)
    begins = np.concatenate([[0], np.cumsum((layer[:-1] + 1) * layer[1:])])

    @njit(**FAST)
    def rectified(x: Any, w: Any, b: Any) -> Any:
        z = np.dot(x, w.T)
        for s in range(z.shape[0]):
            for o in range(z.shape[1]):
                z[s, o] = max(z[s, o] + b[o], zero)
        return z

    @njit(**FAST)
    def back(delta: Any, w: Any, a: Any) -> Any:
        below = np.dot(delta, w)
        for s in range(below.shape[0]):
            for i in range(below.shape[1]):
                if not a[s, i] > zero:
                    below[s, i] = zero
        return below

    @njit(**FAST)
    def norm2(delta: Any, a: Any) -> Any:
        g = np.dot(delta.T, a)
        total = zero
        for o in range(g.shape[0]):
            for i in range(g.shape[1]):
                total += g[o, i] * g[o, i]
        for o in range(delta.shape[1]):
            bias = zero
            for s in range(delta.shape[0]):
                bias += delta[s, o]
            total += bias * bias
        return total

    @njit(**FAST)
    def weights(theta: Any, j: int) -> Any:
        begin, fan_in, fan_out = begins[j], layer[j], layer[j + 1]
        middle = begin + fan_in * fan_out
        return theta[begin:middle].reshape((fan_out, fan_in)), theta[middle : middle + fan_out]

    @njit(**FAST)
    def full_norm2(theta: Any, x: Any, y: Any) -> Any:
        w1, b1 = weights(theta, 0)
        w2, b2 = weights(theta, 1)
        w3, b3 = weights(theta, 2)
        w4, b4 = weights(theta, 3)
        a1 = rectified(x, w1, b1)
        a2 = rectified(a1, w2, b2)
        a3 = rectified(a2, w3, b3)
        d4 = np.dot(a3, w4.T)
        for s in range(d4.shape[0]):
            d4[s, 0] = (half + half * tanh(half * (d4[s, 0] + b4[0])) - y[s]) / y.dtype.type(y.size)
        d3 = back(d4, w4, a3)
        d2 = back(d3, w3, a2)
        d1 = back(d2, w2, a1)
        return norm2(d1, x) + norm2(d2, a1) + norm2(d3, a2) + norm2(d4, a3)

    @njit(**FAST)
    def run(theta: Any, x: Any, y: Any, index: Any, eta: Any) -> Any:
        a, delta, g = np.empty((depth, widest), dtype), np.empty((2, widest), dtype), np.empty(theta.size, dtype)
        total = 0.0
        for s in range(index.size):
            total += full_norm2(theta, x, y)
            one_gradient(theta, x[index[s]], y[index[s]], a, delta, g)
            for j in range(theta.size):
                theta[j] -= eta * g[j]
        return total / index.size

    return run
