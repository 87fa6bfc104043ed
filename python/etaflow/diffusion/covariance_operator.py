"""Σ(t)·v without the matrix Σ(t): v is followed back along the flow, and the answer forth.

Σ(t) = ∫_0^t Φ(t, s)·cR(s)·Φ(t, s)ᵀ ds. With w(s) = Φ(t, s)ᵀv, that is dw/ds = −Aw backwards from w(t) = v, the product z = Σ(t)v is
z(t) of z' = Az + cR·w, z(0) = 0. Forth goes the classical Runge–Kutta method, back its adjoint (Hager 2000, "Runge–Kutta
methods in optimal control and the transformed adjoint system"): the operator is then exactly symmetric and positive
semidefinite, and of order 4. A step takes eight products with the Hessian and four with R, for any number of vectors at once.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from scipy.sparse.linalg import LinearOperator

    from etaflow.dynamics.flow import Flow
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

BLOCK_BYTES = 2**29
"""As many vectors are followed at once as this much memory holds: four numbers per parameter, step and vector."""
PROBES = 2
HALVINGS = 8
POWER_STEPS = 12
ORDER = 4
B = np.array([1 / 6, 1 / 3, 1 / 3, 1 / 6])


@dataclass(frozen=True, eq=False)
class CovariancePath:
    """The discrete fluctuations along a flow, on a mesh.

    Attributes
    ----------
    objective : Objective
        The objective f.
    flow : Flow
        Its flow from one start.
    factor : float
        The noise factor c.
    mesh : ndarray, shape (steps + 1,)
        Increasing times from 0; every requested time is among them.
    """

    objective: Objective
    flow: Flow
    factor: float
    mesh: Array

    def place(self, t: float) -> int:
        """Return where a requested time stands in the mesh.

        Returns
        -------
        int
            Its index.
        """
        return int(np.argmin(np.abs(self.mesh - t)))

    def multiply(self, t: float, vectors: Array) -> Array:
        """Return Σ(t)·V for the columns of V.

        Returns
        -------
        ndarray, shape (d, k)
            The product.
        """
        return np.hstack([self._forth(block, self._back(block, t)[1], t).T for block in self._blocks(vectors)])

    def quadratic(self, t: float, vectors: Array) -> Array:
        """Return vᵀΣ(t)v for the columns v of V, for half the work of a product.

        Returns
        -------
        ndarray, shape (k,)
            The variances.
        """
        return np.concatenate([self._back(block, t, keep=False)[0] for block in self._blocks(vectors)])

    def carry(self, start: float, end: float, vectors: Array) -> Array:
        """Return Φ(end, start)·V, or Φ(start, end)ᵀ·V if `end` is before `start`.

        Returns
        -------
        ndarray, shape (d, k)
            The columns, carried.
        """
        rows = np.ascontiguousarray(vectors.T)
        if end < start:
            for n in range(self.place(start) - 1, self.place(end) - 1, -1):
                rows = self._adjoint_step(n, rows)[0]
        else:
            for n in range(self.place(start), self.place(end)):
                rows = self._step(n, rows, None)
        return rows.T

    def operator(self, t: float, s: float) -> LinearOperator:
        """Return Cov(θ̃(t), θ̃(s)) as an operator.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            Of shape (d, d).
        """
        from scipy.sparse.linalg import LinearOperator  # noqa: PLC0415 - slow to import

        def between(late: float, early: float, vectors: Array) -> Array:
            if late >= early:  # Φ(late, early)·Σ(early)
                return self.carry(early, late, self.multiply(early, vectors))
            return self.multiply(late, self.carry(early, late, vectors))

        def forward(vectors: Array) -> Array:
            return between(t, s, np.reshape(vectors, (self.objective.num_params, -1)))

        def adjoint(vectors: Array) -> Array:
            return between(s, t, np.reshape(vectors, (self.objective.num_params, -1)))

        shape = (self.objective.num_params, self.objective.num_params)
        return LinearOperator(
            shape, matvec=forward, rmatvec=adjoint, matmat=forward, rmatmat=adjoint, dtype=np.dtype(np.float64)
        )

    def _blocks(self, vectors: Array) -> list[Array]:
        rows = np.ascontiguousarray(vectors.T, dtype=np.float64)
        width = max(1, BLOCK_BYTES // (32 * rows.shape[1] * max(len(self.mesh) - 1, 1)))
        return [rows[i : i + width] for i in range(0, len(rows), width)]

    def _nodes(self, n: int) -> tuple[float, Array]:
        start, end = self.mesh[n], self.mesh[n + 1]
        return float(end - start), np.asarray(self.flow(np.array([start, (start + end) / 2, end])))

    def _product(self, name: str, theta: Array, rows: Array) -> Array:
        points = np.ascontiguousarray(np.broadcast_to(theta, rows.shape))
        product: Array = getattr(self.objective.core, name)(points, rows, threads=self.objective.threads)
        return product

    def _rate(self, theta: Array, rows: Array) -> Array:
        return -self._product("hessian_vector", theta, rows)

    def _adjoint_step(self, n: int, rows: Array) -> tuple[Array, tuple[Array, ...], tuple[Array, ...]]:
        # w at the step's start, the stages' adjoints κ over h·b, and where they stand
        h, (first, middle, last) = self._nodes(n)
        kappa4 = h / 6 * rows
        pulled4 = self._rate(last, kappa4)
        kappa3 = h / 3 * rows + h * pulled4
        pulled3 = self._rate(middle, kappa3)
        kappa2 = h / 3 * rows + h / 2 * pulled3
        pulled2 = self._rate(middle, kappa2)
        kappa1 = h / 6 * rows + h / 2 * pulled2
        start = rows + pulled4 + pulled3 + pulled2 + self._rate(first, kappa1)
        stages = tuple(kappa / (h * b) for kappa, b in zip((kappa1, kappa2, kappa3, kappa4), B, strict=True))
        return start, stages, (first, middle, middle, last)

    def _back(self, rows: Array, t: float, *, keep: bool = True) -> tuple[Array, list[Array]]:
        # vᵀΣv, and cR·w at the stages of every step
        total, sources = np.zeros(len(rows)), []
        for n in range(self.place(t) - 1, -1, -1):
            h = self.mesh[n + 1] - self.mesh[n]
            rows, stages, points = self._adjoint_step(n, rows)
            noise = [
                self.factor * self._product("covariance_vector", *pair) for pair in zip(points, stages, strict=True)
            ]
            total += h * sum(b * np.sum(w * rw, axis=1) for b, w, rw in zip(B, stages, noise, strict=True))
            if keep:
                sources.append(np.stack(noise))
        return total, sources[::-1]

    def _forth(self, rows: Array, sources: list[Array], t: float) -> Array:
        found = np.zeros_like(rows)
        for n in range(self.place(t)):
            found = self._step(n, found, sources[n])
        return found

    def _step(self, n: int, rows: Array, sources: Array | None) -> Array:
        h, (first, middle, last) = self._nodes(n)
        added = np.zeros((4, 1, 1)) if sources is None else sources
        slope1 = self._rate(first, rows) + added[0]
        slope2 = self._rate(middle, rows + h / 2 * slope1) + added[1]
        slope3 = self._rate(middle, rows + h / 2 * slope2) + added[2]
        slope4 = self._rate(last, rows + h * slope3) + added[3]
        return np.asarray(rows + h / 6 * (slope1 + 2 * slope2 + 2 * slope3 + slope4))


def discretise(
    objective: Objective,
    flow: Flow,
    times: Array,
    factor: float,
    rtol: float,
    report: Callable[[float], Any] | None = None,
) -> tuple[CovariancePath, dict[str, Any]]:
    """Return the fluctuations on a mesh that is fine enough, and how fine it had to be.

    The steps are those of the flow, and at most 1/‖∇²f‖ long; they are halved until the products with random vectors at the first and
    the last time change by no more than 15·rtol, which for order 4 is an error of rtol.

    Returns
    -------
    path : CovariancePath
        The mesh.
    statistics : dict
        ``steps``, ``halvings`` and the relative ``error`` that was estimated.
    """
    probes = np.random.default_rng(0).standard_normal((objective.num_params, PROBES))
    ends = [float(t) for t in (times[0], times[-1]) if t > 0]
    path = CovariancePath(objective, flow, factor, _first_mesh(objective, flow, times))
    before = [path.multiply(t, probes) for t in ends]
    error = np.inf if ends else 0.0
    halvings = 0
    while error > rtol and halvings < HALVINGS:
        halvings += 1
        middles = (path.mesh[1:] + path.mesh[:-1]) / 2
        path = CovariancePath(objective, flow, factor, np.sort(np.concatenate([path.mesh, middles])))
        after = [path.multiply(t, probes) for t in ends]
        error = max(_change(one, two) for one, two in zip(before, after, strict=True)) / (2**ORDER - 1)
        before = after
        if report is not None:
            report(1.0 if error <= rtol else halvings / HALVINGS)
    if error > rtol:
        warnings.warn(
            f"products with the covariance have a relative error of about {error:.1g}, not {rtol:g}, with {len(path.mesh) - 1} steps",
            RuntimeWarning,
            stacklevel=3,
        )
    return path, {"steps": len(path.mesh) - 1, "halvings": halvings, "error": error}


def _change(before: Array, after: Array) -> float:
    size = float(np.linalg.norm(after))
    change = float(np.linalg.norm(after - before))
    if not np.isfinite(change):
        return np.inf
    return change / size if size > 0 else 0.0


def _first_mesh(objective: Objective, flow: Flow, times: Array) -> Array:
    last = times[-1]
    steps = np.asarray(flow.mesh)
    marks = np.unique(np.concatenate([[0.0], steps[(steps > 0) & (steps < last)], times]))
    fastest = _largest_curvature(objective, flow, marks)
    parts = [np.zeros(1)]
    for start, end in pairwise(marks):
        count = max(1, int(np.ceil((end - start) * fastest(end))))
        parts.append(np.linspace(start, end, count + 1)[1:])
    return np.concatenate(parts)


def _largest_curvature(objective: Objective, flow: Flow, marks: Array) -> Callable[[float], float]:
    # ‖∇²f(θ̄(t))‖ as a function of t, from a few steps of the power method at a few times
    places = np.unique(marks[np.linspace(0, len(marks) - 1, 16).astype(int)])
    theta = np.ascontiguousarray(flow(places))
    rows = np.random.default_rng(1).standard_normal(theta.shape)
    for _ in range(POWER_STEPS):
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(float).tiny)
        rows = np.asarray(objective.hessian_vector(theta, rows), np.float64)
    sizes = np.linalg.norm(rows, axis=1)
    return lambda t: float(np.interp(t, places, sizes))
