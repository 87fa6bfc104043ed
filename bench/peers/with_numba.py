"""Numba, written by hand: the kernels of `numba_kernels` on the cases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.linalg.blas  # noqa: F401  np.dot inside Numba needs it
from kit.race import Contender

from peers import numba_deep, numba_kernels

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.cases import Case

Array = Any


def chain(case: Case, indices: Array, expected: Callable[[], Array]) -> Contender:
    """One chain, units in the lanes."""
    kernel = numba_kernels.chain(case.dtype, case.widths[0], case.widths[1])
    index, y = np.ascontiguousarray(indices[:, 0, 0]), case.y[:, 0].copy()

    def work() -> Array:
        theta = case.theta0.copy()
        kernel(theta, case.x, y, index, case.dtype.type(case.step_size))
        return theta

    return Contender("Numba", "by hand, units in the lanes", work, len(index), expected)


def ensemble(case: Case, indices: Array, expected: Callable[[], Array]) -> Contender:
    """Many chains, runs in the lanes."""
    kernel = numba_kernels.ensemble(case.dtype, case.widths[0], case.widths[1])
    index, y = np.ascontiguousarray(indices[:, :, 0], np.int32), case.y[:, 0].copy()

    def work() -> Array:
        theta = np.tile(case.theta0, (index.shape[1], 1))
        kernel(theta, case.x, y, index, case.dtype.type(case.step_size))
        return theta

    return Contender("Numba", "by hand, runs in the lanes, prange", work, index.size, expected)


def descents(case: Case, steps: int, runs: int, expected: Callable[[], Array]) -> Contender:
    """Gradient descent, samples in the lanes."""
    kernel = numba_kernels.descents(case.dtype, case.widths[0], case.widths[1], case.n)
    columns, y = np.ascontiguousarray(case.x.T), case.y[:, 0].copy()

    def work() -> Array:
        theta = np.tile(case.theta0, (runs, 1))
        kernel(theta, columns, y, steps, case.dtype.type(case.step_size / case.n))
        return theta

    return Contender("Numba", "by hand, samples in the lanes, prange", work, steps * runs, expected)


def gradient(case: Case, expected: Callable[[], Array], repeats: int = 200) -> Contender:
    """Full gradient of one hidden layer, samples in the lanes."""
    kernel = numba_kernels.gradient(case.dtype, case.widths[0], case.widths[1])
    padding = -case.n % 32
    rows = np.pad(case.x, ((0, padding), (0, 0))).reshape(-1, 32, case.widths[0])
    panels = np.ascontiguousarray(rows.transpose(0, 2, 1))
    y, weight = np.pad(case.y[:, 0], (0, padding)), np.pad(np.full(case.n, 2 / case.n, case.dtype), (0, padding))
    y, weight = y.reshape(-1, 32), weight.reshape(-1, 32)
    out = np.empty_like(case.theta0)

    def work() -> Array:
        for _ in range(repeats):
            kernel(case.theta0, panels, y, weight, out)
        return out

    return Contender("Numba", "by hand, samples in the lanes", work, repeats, expected)


def monitored(case: Case, indices: Array, expected: Callable[[], Array], workers: int) -> Contender:
    """SGD with the full gradient by BLAS; runs over `workers` Python threads, or BLAS has the threads."""
    kernel = numba_deep.monitored(case.dtype, case.widths)
    y, rate = case.y[:, 0].copy(), case.dtype.type(case.step_size)
    columns = [np.ascontiguousarray(column) for column in indices[:, :, 0].T]

    def one(index: Array) -> Array:
        theta = case.theta0.copy()
        mean = kernel(theta, case.x, y, index, rate)
        return np.append(theta, mean)

    def work() -> Array:
        if workers == 1:
            return np.stack([one(index) for index in columns])
        with ThreadPoolExecutor(workers) as pool:
            return np.stack(list(pool.map(one, columns)))

    how = "by hand, BLAS" if workers == 1 else f"by hand, BLAS, {workers} Python threads"
    return Contender("Numba", how, work, indices.size, expected, blas=None if workers == 1 else 1)


def sample_gradients(case: Case, expected: Callable[[], Array], repeats: int) -> Contender:
    """Per-sample gradients into one array that is used again."""
    kernel = numba_deep.sample_gradients(case.dtype, case.widths, case.activation)
    y, out = case.y[:, 0].copy(), np.empty((case.n, case.theta0.size), case.dtype)

    def work() -> Array:
        for _ in range(repeats):
            kernel(case.theta0, case.x, y, out)
        return out

    return Contender("Numba", "by hand, prange", work, repeats, expected)
