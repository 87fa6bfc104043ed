"""From a point where training ended to the stationary point beside it, to machine precision."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_positive_int, check_positive_number
from etaflow.dynamics.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

DENSE = 2_500
"""Up to so many parameters the Hessian is formed and factorised; beyond, it is only multiplied with."""

CUTOFFS = (1e-15, 1e-13, 1e-11, 1e-9, 1e-7, 1e-5)
"""Eigenvalues below this share of the largest count as zero in a least-norm Newton step: the best of these is taken."""

BLUR = 1e-10
"""A change of f by this share is taken from the gradients at both ends: a difference of two values would be rounding."""

PATIENCE = 10
"""So many steps in a row that lower f by no more than rounding end the descent."""

CONVERGED = "the gradient norm is within the tolerance"
ROUNDING = "no step lowers the gradient norm any further: rounding, or no stationary point near"
USED_UP = "max_iterations are used up"
INTERRUPTED = "interrupted"


@dataclass(frozen=True, eq=False, repr=False)
class Polished:
    """Points from which no step goes on, made by `polish`.

    Attributes
    ----------
    theta : ndarray, shape (d,) or (runs, d)
        The points.
    grad_norm, value : ndarray, shape () or (runs,)
        ‖∇f‖ and f there.
    iterations : ndarray of int, shape () or (runs,)
        Trust-region and Newton steps taken.
    converged : ndarray of bool, shape () or (runs,)
        Whether ‖∇f‖ is within the tolerance. It is at a minimum in finite distance unless rounding forbids it; it also is
        far out on a slope that falls for ever: `point_test` tells the two apart.
    message : ndarray of str, shape () or (runs,)
        Why each ended.
    moved : ndarray, shape () or (runs,)
        How far each is from where it started, in θ: far means that the start was not beside this point.

    Notes
    -----
    NumPy reads it as its `theta`, so that every function that takes a point also takes what `polish` returns.
    """

    theta: FloatArray
    grad_norm: FloatArray
    value: FloatArray
    iterations: npt.NDArray[np.int64]
    converged: npt.NDArray[np.bool_]
    message: npt.NDArray[np.str_]
    moved: FloatArray

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> FloatArray:
        """Return `theta`: NumPy's protocol.

        Returns
        -------
        ndarray, shape (d,) or (runs, d)
            The points.
        """
        if copy:
            return np.array(self.theta, dtype)
        return np.asarray(self.theta, dtype)

    def __repr__(self) -> str:
        """Return how many points there are, how many converged and the largest gradient norm.

        Returns
        -------
        str
            One line.
        """
        what = f"{self.converged.size} points" if self.converged.ndim else "1 point"
        return f"Polished({what}: {self.converged.sum()} converged, gradient norm at most {self.grad_norm.max():.1e})"


def polish(
    objective: Objective,
    theta: npt.ArrayLike,
    *,
    tolerance: float = 1e-12,
    max_iterations: int = 1000,
    max_step: float = 1.0,
    progress: bool | Callable[[float], Any] = False,
) -> Polished:
    r"""Go downhill from `theta` to a point with ‖∇f‖ ≤ `tolerance`.

    SciPy's trust-region method with the exact Hessian (``trust-exact``; ``trust-ncg``, which only multiplies with it, for
    more than 2500 parameters) goes as far down as f can be told apart from its rounding. Least-norm Newton steps, which look
    at the gradient alone, go on from there: each must lower ‖∇f‖ and must not raise f. So the result is not above its start,
    and a saddle that SGD was near is left downhill.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    theta : array_like, shape (d,) or (runs, d)
        Where to start: one point or several, each on its own.
    tolerance : float, default 1e-12
        The gradient norm to reach.
    max_iterations : int, default 1000
        The most steps of either kind for each point.
    max_step : float, default 1.0
        The longest trust-region step, in the distance of θ. A small one stays nearer to the gradient flow and so, from a
        start near the border, more surely in the same basin.
    progress : bool or callable, default False
        True for a progress bar (tqdm) over the points; or a function that is given the part that is done.

    Returns
    -------
    Polished
        The points. After Ctrl-C those that were not reached are where they were, with the message "interrupted".

    Raises
    ------
    TypeError
        If `theta` is of another dtype than the objective.
    ValueError
        If an argument has a wrong shape or value.

    Warns
    -----
    RuntimeWarning
        If a point has not converged: `max_iterations` are used up, as on a slope that falls for ever, or no step goes on where
        `etaflow.point_test` sees no stationary point. It says how far the point moved.

    See Also
    --------
    etaflow.point_test : what the point is.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> f = ef.Objective(ef.MLP([2, 3, 1]), x, y)
    >>> trained = ef.descend(f, f.net.init(seed=0), steps=50, step_size=0.2)
    >>> bool(np.linalg.norm(f.gradient(trained.theta[0])) > 1e-3)
    True
    >>> ef.polish(f, trained.theta[0])
    Polished(1 point: 1 converged, gradient norm at most ...)
    """
    starts = objective.check_theta(theta)
    polisher = _Polisher(
        objective,
        check_positive_number("tolerance", tolerance),
        check_positive_int("max_iterations", max_iterations),
        check_positive_number("max_step", max_step),
    )
    rows = np.atleast_2d(starts)
    found = [(row, 0, INTERRUPTED) for row in rows]
    try:
        with Progress(progress, len(rows)) as bar:
            for place, row in enumerate(rows):
                found[place] = polisher(np.array(row))
                if bar.report is not None:
                    bar.report((place + 1) / len(rows))
    except KeyboardInterrupt:
        done = sum(message != INTERRUPTED for _, _, message in found)
        warnings.warn(f"interrupted after {done} of {len(rows)} points", RuntimeWarning, stacklevel=2)
    ends = _collect(objective, starts, found, polisher.tolerance)
    _warn(objective, ends)
    return ends


def _collect(
    objective: Objective, starts: FloatArray, found: list[tuple[FloatArray, int, str]], tolerance: float
) -> Polished:
    shape = starts.shape
    theta = np.stack([row for row, _, _ in found]).reshape(shape)
    value, gradient = objective.value_and_gradient(theta)
    grad_norm = np.asarray(np.linalg.norm(gradient, axis=-1))
    iterations = np.array([count for _, count, _ in found]).reshape(shape[:-1])
    message = np.array([text for _, _, text in found]).reshape(shape[:-1])
    with np.errstate(over="ignore"):
        moved = np.asarray(np.linalg.norm(theta - starts, axis=-1))
    return Polished(theta, grad_norm, np.asarray(value), iterations, np.asarray(grad_norm <= tolerance), message, moved)


def _warn(objective: Objective, ends: Polished) -> None:
    rows, messages = np.atleast_2d(ends.theta), np.atleast_1d(ends.message)
    left = np.flatnonzero(messages == USED_UP).tolist()
    left += [i for i in np.flatnonzero(messages == ROUNDING).tolist() if not _is_stationary(objective, rows[i])]
    if not left:
        return
    worst = max(left, key=lambda i: float(np.atleast_1d(ends.grad_norm)[i]))
    which = "the point" if len(rows) == 1 else f"{len(left)} of {len(rows)} points, of which number {worst}"
    warnings.warn(
        f"not converged: {which} has moved by {np.atleast_1d(ends.moved)[worst]:.3g} to a gradient norm of "
        f"{np.atleast_1d(ends.grad_norm)[worst]:.2g} ({messages[worst]}); it may be on a slope that falls for ever: see point_test, start "
        "nearer to a minimum, or raise max_iterations",
        RuntimeWarning,
        stacklevel=3,
    )


def _is_stationary(objective: Objective, theta: FloatArray) -> bool:
    from etaflow.landscape.point import point_test  # noqa: PLC0415 - which looks at DENSE here

    with np.errstate(over="ignore"):
        return point_test(objective, theta).is_stationary


@dataclass(frozen=True)
class _Polisher:
    objective: Objective
    tolerance: float
    max_iterations: int
    max_step: float

    def __call__(self, start: FloatArray) -> tuple[FloatArray, int, str]:
        if self._norm(start) <= self.tolerance:
            return start, 0, CONVERGED
        theta, iterations = self._descend(start)
        while iterations < self.max_iterations:
            if self._norm(theta) <= self.tolerance:
                return theta, iterations, CONVERGED
            better = self._newton(theta)
            if better is None:
                return theta, iterations, ROUNDING
            theta, iterations = better, iterations + 1
        return theta, iterations, CONVERGED if self._norm(theta) <= self.tolerance else USED_UP

    def _norm(self, theta: FloatArray) -> float:
        return float(np.linalg.norm(self.objective.gradient(theta)))

    def _descend(self, start: FloatArray) -> tuple[FloatArray, int]:
        from scipy.optimize import minimize  # noqa: PLC0415 - slow to import

        dense = self.objective.num_params <= DENSE
        curvature = {"hess": self.objective.hessian} if dense else {"hessp": self.objective.hessian_vector}
        # Not trust-krylov: in SciPy 1.17 it now and then warns of a NaN that depends on what was in memory before.
        radii = {"initial_trust_radius": 0.1 * self.max_step, "max_trust_radius": self.max_step}
        result = minimize(
            self.objective.value_and_gradient,
            start,
            jac=True,
            method="trust-exact" if dense else "trust-ncg",
            callback=_Stall(float(self.objective.value(start)), self.objective.dtype),
            options={"gtol": self.tolerance, "maxiter": self.max_iterations} | radii,
            **curvature,
        )
        return np.asarray(result.x, self.objective.dtype), int(result.nit)

    def _newton(self, theta: FloatArray) -> FloatArray | None:
        # Of the least-norm Newton steps the one that ends in the smallest gradient; None if none is smaller, and as low.
        value, gradient = self.objective.value_and_gradient(theta)
        steps = _dense_steps if len(theta) <= DENSE else _krylov_steps
        candidates = theta - steps(self.objective, theta, gradient)
        candidates = candidates[np.isfinite(candidates).all(axis=1)]
        if len(candidates) == 0:
            return None
        values, gradients = self.objective.value_and_gradient(candidates)
        norms = np.linalg.norm(gradients, axis=1)
        rises = values - value
        blurred = np.abs(rises) <= BLUR * abs(value)
        rises[blurred] = np.sum((gradients + gradient) * (candidates - theta), axis=1)[blurred] / 2
        norms[~(rises <= _rounding(float(value), self.objective.dtype))] = np.inf
        best = int(np.argmin(norms))
        return candidates[best] if norms[best] < np.linalg.norm(gradient) else None


class _Stall:
    """Ends SciPy's descent once f falls no more than it is rounded."""

    def __init__(self, value: float, dtype: np.dtype[Any]) -> None:
        self.value, self.dtype, self.waited = value, dtype, 0

    def __call__(self, intermediate_result: Any) -> None:
        value = float(intermediate_result.fun)
        fell = value < self.value - _rounding(self.value, self.dtype)
        self.value, self.waited = min(value, self.value), 0 if fell else self.waited + 1
        if self.waited >= PATIENCE:
            raise StopIteration


def _rounding(value: float, dtype: np.dtype[Any]) -> float:
    return 4 * float(np.finfo(dtype).eps) * abs(value)


def _dense_steps(objective: Objective, theta: FloatArray, gradient: FloatArray) -> FloatArray:  # (m, d)
    eigenvalues, vectors = np.linalg.eigh(objective.hessian(theta))
    size = np.abs(eigenvalues)
    kept = size > np.array(CUTOFFS)[:, None] * size.max()
    inverse = np.divide(1.0, eigenvalues, out=np.zeros(kept.shape, theta.dtype), where=kept)
    steps: FloatArray = np.concatenate([inverse, inverse / 2]) * (vectors.T @ gradient) @ vectors.T
    return steps


def _krylov_steps(objective: Objective, theta: FloatArray, gradient: FloatArray) -> FloatArray:  # (1, d)
    from scipy.sparse.linalg import minres  # noqa: PLC0415 - slow to import

    step, _ = minres(objective.hessian_operator(theta), gradient, rtol=1e-10)
    return np.asarray(step, theta.dtype)[None]
