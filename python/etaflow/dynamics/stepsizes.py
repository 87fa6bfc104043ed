"""The step sizes α_k of a stretch of steps, and the time Σα that they add up to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow._checks import check_float_array, check_number
from etaflow.dynamics import schedules

if TYPE_CHECKING:
    from collections.abc import Callable

Float64Array = npt.NDArray[np.float64]

CHUNK = 1 << 18
"""Steps for which a schedule is evaluated at once, so that its values never need memory for all steps."""


@dataclass(frozen=True, eq=False)
class StepSizes:
    """α_k for the steps k > `first_step`.

    Parameters
    ----------
    kind : {"constant", "per_run", "array", "schedule"}
        How `values` is to be read.
    first_step : int
        Steps taken before this stretch.
    values : ndarray of float64
        ``(1,)`` for a constant, ``(runs,)`` for one number per run, ``(count,)`` for one number per step, ``(0,)`` for
        a schedule.
    schedule : Schedule, optional
        The schedule; its k is counted from 1 at the start of the run.
    """

    kind: str
    first_step: int
    values: Float64Array
    schedule: schedules.Schedule | None = None

    def table(self, first: int, last: int) -> Float64Array:
        """Return α of the steps first+1 … last, or the one value that all of them share.

        Returns
        -------
        ndarray of float64, shape (1,) or (last - first,)
            The table that the core reads; it multiplies it by `scale`.
        """
        if self.kind == "per_run" or first == last:
            return np.ones(1)
        if self.kind == "array":
            return np.ascontiguousarray(self.values[first - self.first_step : last - self.first_step])
        return self.values if self.schedule is None else evaluate(self.schedule, first, last)

    def scale(self, runs: int) -> Float64Array:
        """Return the factor of each run at the start of this stretch.

        Returns
        -------
        ndarray of float64, shape (runs,)
            One number per run if the user gave that, else ones.
        """
        return self.values.copy() if self.kind == "per_run" else np.ones(runs)

    def longest_call(self, first: int, last: int) -> int:
        """Return the last step, at most `last`, up to which one table should go.

        Returns
        -------
        int
            A step number.
        """
        return min(last, first + CHUNK) if self.kind == "schedule" else last

    def elapsed(self, steps: npt.NDArray[np.int64]) -> Float64Array:
        """Return the sum of α_k over this stretch up to and including each of the `steps`.

        Parameters
        ----------
        steps : ndarray of int64, shape (m,)
            Sorted step numbers ≥ `first_step`.

        Returns
        -------
        ndarray of float64, shape (m,) or (runs, m)
            The second if the step sizes differ from run to run.
        """
        counts = steps - self.first_step
        if self.kind == "per_run":
            return np.outer(self.values, counts)
        if self.kind == "constant":
            return self.values * counts
        last = int(steps[-1]) if steps.size else self.first_step
        result = np.zeros(steps.size)
        total = 0.0
        for first in range(self.first_step, last, CHUNK):
            end = min(last, first + CHUNK)
            sums = total + np.cumsum(self.table(first, end))
            inside = (steps > first) & (steps <= end)
            result[inside] = sums[steps[inside] - first - 1]
            total = float(sums[-1])
        return result

    def describe(self) -> dict[str, Any]:
        """Return everything but `values` as plain values, for a file.

        Returns
        -------
        dict
            What `restore` reads.
        """
        schedule = None if self.schedule is None else self.schedule.to_dict()
        return {"kind": self.kind, "first_step": self.first_step, "schedule": schedule}

    @classmethod
    def restore(cls, description: dict[str, Any], values: Float64Array) -> StepSizes:
        """Return the step sizes that `describe` described.

        Returns
        -------
        StepSizes
            The same step sizes.
        """
        schedule = description["schedule"]
        function = None if schedule is None else schedules.from_dict(schedule)
        return cls(description["kind"], int(description["first_step"]), values, function)


def elapsed_time(stretches: tuple[StepSizes, ...], steps: npt.NDArray[np.int64]) -> Float64Array:
    """Return the time Σα after each of the `steps`, over all stretches of a descent.

    Parameters
    ----------
    stretches : tuple of StepSizes
        In order; each begins where the one before ends.
    steps : ndarray of int64, shape (m,)
        Sorted step numbers.

    Returns
    -------
    ndarray of float64, shape (m,) or (runs, m)
        The second if the step sizes differ from run to run.
    """
    ends = [later.first_step for later in stretches[1:]]
    start: Any = np.zeros(1)
    parts = []
    for position, (stretch, end) in enumerate(zip(stretches, [*ends, None], strict=True)):
        inside = (steps >= stretch.first_step) if position == 0 else (steps > stretch.first_step)
        if end is not None:
            inside &= steps <= end
        parts.append(start + stretch.elapsed(steps[inside]))
        if end is not None:
            start = start + stretch.elapsed(np.array([end]))
    if all(part.ndim == 1 for part in parts):
        return np.concatenate(parts)
    runs = max(part.shape[0] for part in parts if part.ndim == 2)
    return np.concatenate([np.broadcast_to(part, (runs, part.shape[-1])) for part in parts], axis=1)


def check_step_size(value: object, *, steps: int, runs: int, first_step: int = 0) -> StepSizes:
    """Return the argument `step_size` of `descend`, checked.

    Parameters
    ----------
    value : float or array_like or callable
        A number; one number per run; one per step; shape ``(runs, 1)`` or ``(1, steps)`` says which of the two; or a
        schedule.
    steps : int
        The number of steps that the step sizes are for.
    runs : int
        The number of runs.
    first_step : int, default 0
        Steps taken before.

    Returns
    -------
    StepSizes
        The step sizes.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If a step size is not positive and finite, or the length fits neither runs nor steps, or both.

    Examples
    --------
    >>> check_step_size(0.1, steps=10, runs=1).kind
    'constant'
    >>> check_step_size([0.1, 0.2], steps=10, runs=2).kind
    'per_run'
    """
    if callable(value):
        return _from_schedule(value, steps, first_step)
    if not isinstance(value, list | tuple | np.ndarray) or (isinstance(value, np.ndarray) and value.ndim == 0):
        number = check_number("step_size", value[()] if isinstance(value, np.ndarray) else value, above=0)
        return StepSizes("constant", first_step, np.array([number]))
    array = check_float_array("step_size", value, ndim=(1, 2))
    kind = _axis_of(array.shape, steps, runs)
    values = array.astype(np.float64).reshape(-1)
    if not (values > 0).all():
        raise ValueError(f"step_size must be > 0 (step_size[{np.argmin(values)}] is {values.min():g})")
    return StepSizes(kind, first_step, values)


def evaluate(schedule: Callable[[Any], Any], first: int, last: int) -> Float64Array:
    """Return the schedule's values for the steps first+1 … last, checked.

    Returns
    -------
    ndarray of float64, shape (last - first,)
        The step sizes.

    Raises
    ------
    TypeError
        If the schedule is not vectorised over k.
    ValueError
        If a value is negative, NaN or infinite.
    """
    k = np.arange(first + 1, last + 1)
    values = np.asarray(schedule(k))
    if values.dtype.kind not in "fiu" or values.shape != k.shape:
        raise TypeError(
            f"step_size must be vectorised: a schedule called with {k.size} step numbers must return {k.size} numbers"
            f" (got shape {values.shape}, dtype {values.dtype})"
        )
    good = np.isfinite(values) & (values >= 0)
    if not good.all():
        bad = int(np.argmin(good))
        raise ValueError(
            f"step_size must be finite and >= 0 at every step of a schedule (step {k[bad]}: {values[bad]})"
        )
    return np.ascontiguousarray(values, np.float64)


def check_schedule(schedule: Callable[[Any], Any], first: int, last: int) -> None:
    """Raise the error of `evaluate` if a step size of the steps first+1 … last is wrong."""
    for start in range(first, last, CHUNK):
        evaluate(schedule, start, min(last, start + CHUNK))


def _from_schedule(schedule: Callable[[Any], Any], steps: int, first_step: int) -> StepSizes:
    last = first_step + steps
    if not isinstance(
        schedule, schedules.Schedule
    ):  # somebody's own function: its values are kept, as a file cannot hold it
        return StepSizes("array", first_step, evaluate(schedule, first_step, last))
    check_schedule(schedule, first_step, last)
    return StepSizes("schedule", first_step, np.empty(0), schedule)


def _axis_of(shape: tuple[int, ...], steps: int, runs: int) -> str:
    fits_runs = shape in {(runs,), (runs, 1)}
    fits_steps = shape in {(steps,), (1, steps)}
    if fits_runs and fits_steps and runs > 1:
        raise ValueError(
            f"step_size of shape {shape} fits the {runs} runs and the {steps} steps: "
            "write step_size[:, None] for one number per run, step_size[None, :] for one per step"
        )
    if not (fits_runs or fits_steps):
        raise ValueError(f"step_size must have one entry per run ({runs}) or per step ({steps}) (got shape {shape})")
    return "per_run" if fits_runs else "array"
