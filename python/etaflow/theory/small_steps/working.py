"""Checks and habits that measurements of several step sizes share."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from etaflow._checks import check_float_array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etaflow._checks import FloatArray, IntArray
    from etaflow.dynamics.progress import Progress
    from etaflow.problem.objective import Objective

T = TypeVar("T")
Array: TypeAlias = npt.NDArray[np.floating[Any]]

BAR = 1000
"""How finely the bar is divided."""

DENSE = 500
"""Up to so many parameters a Hessian is formed for its largest eigenvalue."""

LOOKS = 8
"""Points of a path at which the largest curvature is taken."""

EXPLODED = 10.0
"""A run that is so many times the largest ‖θ‖ of its reference away from it has exploded, though it is finite."""


def check_start(objective: Objective, theta0: npt.ArrayLike) -> FloatArray:
    """Return one start θ_0 in float64.

    Returns
    -------
    ndarray, shape (d,)
        The start.

    Raises
    ------
    ValueError
        If the objective is in float32, whose rounding hides small deviations, or θ_0 has another shape.
    """
    if objective.dtype != np.float64:
        raise ValueError(
            f"objective must be float64 to compare small deviations: make x float64 (got {objective.dtype})"
        )
    return check_float_array("theta0", theta0, dtype=np.float64, shape=(objective.num_params,))


def check_sizes(step_sizes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return `step_sizes` as an array; one number is a list of one.

    Returns
    -------
    ndarray, shape (m,)
        η.
    """
    return np.atleast_1d(check_float_array("step_sizes", step_sizes, ndim=(0, 1))).astype(np.float64)


def check_steps(name: str, step_sizes: FloatArray, t: float) -> IntArray:
    """Return how many steps of each size make the time t.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    step_sizes : ndarray, shape (m,)
        η.
    t : float
        The time.

    Returns
    -------
    ndarray of int64, shape (m,)
        t/η.

    Raises
    ------
    ValueError
        If a step size is not positive, comes twice, or does not divide t.

    Examples
    --------
    >>> check_steps("step_sizes", np.array([0.3]), 4.0)
    Traceback (most recent call last):
    ValueError: step_sizes[0] = 0.3 must divide t = 4, but t/η = 13.3333: take η = 4/13 = 0.307692, or t = 3.9
    """
    if step_sizes.size == 0 or not (step_sizes > 0).all() or np.unique(step_sizes).size < step_sizes.size:
        raise ValueError(f"{name} must hold different positive numbers (got {step_sizes.tolist()})")
    steps: IntArray = np.maximum(np.rint(t / step_sizes), 1).astype(np.int64)
    for i in np.flatnonzero(np.abs(steps * step_sizes / t - 1) > 1e-9):
        eta, count = float(step_sizes[i]), int(steps[i])
        raise ValueError(
            f"{name}[{i}] = {eta:g} must divide t = {t:g}, but t/η = {t / eta:g}: "
            f"take η = {t:g}/{count} = {t / count:g}, or t = {count * eta:g}"
        )
    return steps


def one_after_another(
    steps: IntArray, measure: Callable[[int, bool | Callable[[float], Any]], T], bar: Progress
) -> list[T]:
    """Measure one step size after the other, and keep what is finished at Ctrl-C.

    Parameters
    ----------
    steps : ndarray of int64, shape (m,)
        The steps of each size, as a measure of the time that it takes.
    measure : callable
        Is given the number of the step size and what to report its progress to, which is False for nobody.
    bar : Progress
        Of `BAR` steps.

    Returns
    -------
    list
        What `measure` returned for the step sizes that were finished, at least one.

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C came before the first was finished.

    Warns
    -----
    RuntimeWarning
        If it came later.
    """
    done: list[T] = []
    ends = np.cumsum(steps) / steps.sum()
    with bar:
        report = bar.report
        for i, (begin, end) in enumerate(pairwise([0.0, *ends.tolist()])):

            def tell(fraction: float, begin: float = begin, end: float = end) -> None:
                assert report is not None
                report(begin + (end - begin) * fraction)

            try:
                with raising_interrupts():
                    done.append(measure(i, False if report is None else tell))
            except KeyboardInterrupt:
                if not done:
                    raise
                message = f"interrupted after {i} of {len(steps)} step sizes; the result is of these"
                warnings.warn(message, RuntimeWarning, stacklevel=3)
                break
    return done


def warn_of_diverged(step_size: float, status: npt.NDArray[np.str_]) -> None:
    """Warn of runs that diverged."""
    diverged = int((status == "diverged").sum())
    if diverged:
        message = f"{diverged} of {len(status)} runs with step size {step_size:g} diverged and are left out"
        warnings.warn(message, RuntimeWarning, stacklevel=5)


def warn_of_instability(objective: Objective, path: Array, step_sizes: Array) -> None:
    """Warn of step sizes beyond 2/λ_max(∇²f) on a path, where Euler's method, gradient descent, is unstable.

    Parameters
    ----------
    objective : Objective
        f.
    path : ndarray, shape (m, d)
        Points of the path, of which at most 8 are looked at, the ends among them.
    step_sizes : ndarray
        η.
    """
    places = np.unique(np.rint(np.linspace(0, len(path) - 1, LOOKS)).astype(int))
    curvature = max(_largest_curvature(objective, path[place]) for place in places)
    unstable = step_sizes[step_sizes * curvature > 2]
    if unstable.size:
        shown = ", ".join(f"{eta:g}" for eta in unstable)
        warnings.warn(
            f"step_sizes {shown} are beyond 2/λ_max(∇²f) = {2 / curvature:.3g} on the way, where gradient descent itself is unstable: "
            "what is measured with them says nothing of small step sizes",
            RuntimeWarning,
            stacklevel=3,
        )


def warn_of_exploded(step_size: float, move: Array, size: float) -> None:
    """Warn of finite runs that are far beyond the reference's own size from it.

    Parameters
    ----------
    step_size : float
        η.
    move : ndarray, shape (runs, d)
        Where each got, less its reference; or, with d = 1, how far. NaN for a run that diverged.
    size : float
        The largest ‖θ‖ of the reference.
    """
    with np.errstate(over="ignore"):
        distance = np.linalg.norm(move, axis=1)
    exploded = int((distance > EXPLODED * size).sum())
    if size > 0 and exploded:
        message = (
            f"{exploded} of {len(distance)} runs with step size {step_size:g} got up to {np.nanmax(distance):.2g} away, more than "
            f"{EXPLODED:g} times the size {size:.2g} of θ there: finite, so that they count, but exploded; take smaller step sizes"
        )
        warnings.warn(message, RuntimeWarning, stacklevel=5)


def _largest_curvature(objective: Objective, theta: Array) -> float:
    if len(theta) <= DENSE:
        return float(np.linalg.eigvalsh(objective.hessian(theta))[-1])
    from scipy.sparse.linalg import eigsh  # noqa: PLC0415 - slow to import

    start = np.random.default_rng(0).standard_normal(len(theta))
    operator = objective.hessian_operator(theta)
    return float(eigsh(operator, k=1, which="LA", v0=start, tol=1e-3, return_eigenvectors=False)[0])


@contextmanager
def raising_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt where `descend`, which takes Ctrl-C itself, says that it was interrupted.

    Yields
    ------
    None
        While the work is done.

    Raises
    ------
    KeyboardInterrupt
        If so.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="interrupted after", category=RuntimeWarning)
        try:
            yield
        except RuntimeWarning as warning:
            if str(warning).startswith("interrupted after"):
                raise KeyboardInterrupt from warning
            raise
