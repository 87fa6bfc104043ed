"""Numba's kernels, written by hand.

What makes them fast: sizes are constants of the closure, so that LLVM unrolls over them; `error_model="numpy"`, or every
division is a branch; a tanh that vectorises, since Numba from pip has none; runs in the lanes of the ensemble.
"""

# ruff: noqa: C901, PLR0912 -- a fused kernel is one function
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

# `reassoc` lets sums vectorise; nothing assumes the absence of NaN. Not for tanh, whose rounding trick it would remove.
FAST: dict[str, Any] = {"fastmath": {"contract", "nsz", "reassoc"}, "error_model": "numpy", "nogil": True}
EXACT: dict[str, Any] = {"fastmath": {"contract"}, "error_model": "numpy"}


def tanh_of(dtype: Any) -> Any:
    """Return a scalar tanh that LLVM vectorises: 1 − 2/(e^{2x} + 1), with 2^n from the bits of a rounded number."""
    f = np.dtype(dtype).type
    double = f is np.float64
    bits = np.int64 if double else np.int32
    mantissa = bits(52 if double else 23)
    bias, magic = bits((1023 if double else 127) << int(mantissa)), f(1.5 * 2.0 ** int(mantissa))
    limit, scale = f(20 if double else 10), f(2 / np.log(2))
    ln2 = (0.693147180369123816490, 1.90821492927058770002e-10) if double else (0.693359375, -2.12194440e-4)
    high, low = f(ln2[0]), f(ln2[1])
    one, two = f(1), f(2)
    c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12 = (f(1 / np.prod(np.arange(1.0, k + 1))) for k in range(2, 13))

    @njit(**EXACT)
    def tanh64(x: Any) -> Any:
        v = min(max(x, -limit), limit)
        k = v * scale + magic
        n = k - magic
        r = (two * v - n * high) - n * low
        tail = c6 + r * (c7 + r * (c8 + r * (c9 + r * (c10 + r * (c11 + r * c12)))))
        p = one + r * (one + r * (c2 + r * (c3 + r * (c4 + r * (c5 + r * tail)))))
        power = np.int64((np.float64(k).view(np.int64) << mantissa) + bias).view(np.float64)
        return one - two / (p * power + one)

    @njit(**EXACT)
    def tanh32(x: Any) -> Any:
        v = min(max(x, -limit), limit)
        k = v * scale + magic
        n = k - magic
        r = (two * v - n * high) - n * low
        p = one + r * (one + r * (c2 + r * (c3 + r * (c4 + r * (c5 + r * c6)))))
        power = np.int32((np.float32(k).view(np.int32) << mantissa) + bias).view(np.float32)
        return one - two / (p * power + one)

    return tanh64 if double else tanh32


def chain(dtype: Any, inputs: int, hidden: int) -> Any:
    """Return SGD with batch 1 on one hidden layer of tanh: units in the lanes, each update fused with the next pass."""
    tanh, two, one = tanh_of(dtype), np.dtype(dtype).type(2), np.dtype(dtype).type(1)
    padded = -(-hidden // 8) * 8
    size = hidden * inputs

    @njit(**FAST)
    def run(theta: Any, x: Any, y: Any, index: Any, eta: Any) -> None:
        w1, b1, w2 = np.zeros((inputs, padded), dtype), np.zeros(padded, dtype), np.zeros(padded, dtype)
        z, h, delta = np.zeros(padded, dtype), np.zeros(padded, dtype), np.zeros(padded, dtype)
        for o in range(hidden):
            for i in range(inputs):
                w1[i, o] = theta[o * inputs + i]
            b1[o] = theta[size + o]
            w2[o] = theta[size + hidden + o]
        b2 = theta[size + 2 * hidden]
        before = index[0]
        for s in range(index.size):
            k = index[s]
            for o in range(padded):
                b1[o] -= delta[o]
                total = b1[o]
                for i in range(inputs):
                    w = w1[i, o] - delta[o] * x[before, i]
                    w1[i, o] = w
                    total += w * x[k, i]
                z[o] = total
            out = b2
            for o in range(padded):
                h[o] = tanh(z[o])
            for o in range(padded):
                out += w2[o] * h[o]
            e = two * eta * (out - y[k])
            b2 -= e
            for o in range(padded):
                g = h[o]
                delta[o] = e * w2[o] * (one - g * g)
                w2[o] -= e * g
            before = k
        for o in range(hidden):
            for i in range(inputs):
                theta[o * inputs + i] = w1[i, o] - delta[o] * x[before, i]
            theta[size + o] = b1[o] - delta[o]
            theta[size + hidden + o] = w2[o]
        theta[size + 2 * hidden] = b2

    return run


def ensemble(dtype: Any, inputs: int, hidden: int) -> Any:
    """Return SGD with batch 1 of many runs on one hidden layer of tanh: 16 runs in the lanes, blocks over threads."""
    tanh, two, one = tanh_of(dtype), np.dtype(dtype).type(2), np.dtype(dtype).type(1)
    lanes, size = 16, hidden * inputs

    @njit(parallel=True, **FAST)
    def run(theta: Any, x: Any, y: Any, index: Any, eta: Any) -> None:
        for block in prange(theta.shape[0] // lanes):
            w1, b1 = np.empty((hidden, inputs, lanes), dtype), np.empty((hidden, lanes), dtype)
            w2, b2 = np.empty((hidden, lanes), dtype), np.empty(lanes, dtype)
            rows, targets = np.empty((inputs, lanes), dtype), np.empty(lanes, dtype)
            h, e = np.empty((hidden, lanes), dtype), np.empty(lanes, dtype)
            for lane in range(lanes):
                t = theta[block * lanes + lane]
                for o in range(hidden):
                    for i in range(inputs):
                        w1[o, i, lane] = t[o * inputs + i]
                    b1[o, lane] = t[size + o]
                    w2[o, lane] = t[size + hidden + o]
                b2[lane] = t[size + 2 * hidden]
            for s in range(index.shape[0]):
                for lane in range(lanes):
                    k = index[s, block * lanes + lane]
                    targets[lane] = y[k]
                    for i in range(inputs):
                        rows[i, lane] = x[k, i]
                for o in range(hidden):
                    for lane in range(lanes):
                        total = b1[o, lane]
                        for i in range(inputs):
                            total += w1[o, i, lane] * rows[i, lane]
                        h[o, lane] = tanh(total)
                for lane in range(lanes):
                    total = b2[lane]
                    for o in range(hidden):
                        total += w2[o, lane] * h[o, lane]
                    e[lane] = two * eta * (total - targets[lane])
                    b2[lane] -= e[lane]
                for o in range(hidden):
                    for lane in range(lanes):
                        g = h[o, lane]
                        delta = e[lane] * w2[o, lane] * (one - g * g)
                        w2[o, lane] -= e[lane] * g
                        b1[o, lane] -= delta
                        for i in range(inputs):
                            w1[o, i, lane] -= delta * rows[i, lane]
            for lane in range(lanes):
                t = theta[block * lanes + lane]
                for o in range(hidden):
                    for i in range(inputs):
                        t[o * inputs + i] = w1[o, i, lane]
                    t[size + o] = b1[o, lane]
                    t[size + hidden + o] = w2[o, lane]
                t[size + 2 * hidden] = b2[lane]

    return run


def descents(dtype: Any, inputs: int, hidden: int, n: int) -> Any:
    """Return gradient descent of many runs, leaky ReLU and log loss: samples in the lanes, runs over threads."""
    tanh, slope, half, zero = tanh_of(dtype), *(np.dtype(dtype).type(v) for v in (0.1, 0.5, 0.0))
    one, size = np.dtype(dtype).type(1), hidden * inputs

    @njit(parallel=True, **FAST)
    def run(theta: Any, columns: Any, y: Any, steps: int, eta: Any) -> None:
        for r in prange(theta.shape[0]):
            t = theta[r]
            h, out = np.empty((hidden, n), dtype), np.empty(n, dtype)
            for _ in range(steps):
                for s in range(n):
                    out[s] = t[size + 2 * hidden]
                for o in range(hidden):
                    w, b = t[size + hidden + o], t[size + o]
                    for s in range(n):
                        z = b
                        for i in range(inputs):
                            z += t[o * inputs + i] * columns[i, s]
                        z = max(z, slope * z)
                        h[o, s] = z
                        out[s] += w * z
                total = zero
                for s in range(n):
                    e = eta * (half + half * tanh(half * out[s]) - y[s])
                    out[s] = e
                    total += e
                t[size + 2 * hidden] -= total
                for o in range(hidden):
                    w, gw, gb = t[size + hidden + o], zero, zero
                    for s in range(n):
                        a = h[o, s]
                        delta = w * out[s] * (one if a > zero else slope)
                        gw += out[s] * a
                        gb += delta
                        h[o, s] = delta
                    t[size + hidden + o] -= gw
                    t[size + o] -= gb
                    for i in range(inputs):
                        g = zero
                        for s in range(n):
                            g += h[o, s] * columns[i, s]
                        t[o * inputs + i] -= g

    return run


def gradient(dtype: Any, inputs: int, hidden: int) -> Any:
    """Return the full gradient of one hidden layer of tanh with the square loss: samples in the lanes, 32 at a time."""
    tanh, zero, one = tanh_of(dtype), *(np.dtype(dtype).type(v) for v in (0.0, 1.0))
    chunk, size = 32, hidden * inputs

    @njit(**FAST)
    def run(theta: Any, panels: Any, y: Any, weight: Any, out: Any) -> None:
        # panels (·, inputs, chunk), y and weight (·, chunk), weight 2/n or 0 for padding
        h, e = np.empty((hidden, chunk), dtype), np.empty(chunk, dtype)
        out[:] = 0
        for p in range(len(panels)):
            part, target, factor = panels[p], y[p], weight[p]
            for s in range(chunk):
                e[s] = theta[size + 2 * hidden]
            for o in range(hidden):
                for s in range(chunk):
                    z = theta[size + o]
                    for i in range(inputs):
                        z += theta[o * inputs + i] * part[i, s]
                    h[o, s] = tanh(z)
                for s in range(chunk):
                    e[s] += theta[size + hidden + o] * h[o, s]
            total = zero
            for s in range(chunk):
                e[s] = (e[s] - target[s]) * factor[s]
                total += e[s]
            out[size + 2 * hidden] += total
            for o in range(hidden):
                gw, gb = zero, zero
                for s in range(chunk):
                    a = h[o, s]
                    gw += e[s] * a
                    h[o, s] = theta[size + hidden + o] * e[s] * (one - a * a)
                    gb += h[o, s]
                out[size + hidden + o] += gw
                out[size + o] += gb
                for i in range(inputs):
                    g = zero
                    for s in range(chunk):
                        g += h[o, s] * part[i, s]
                    out[o * inputs + i] += g

    return run
