"""Where runs should be: the path that a descent measures its distance to, after every step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_float_array
from etaflow.dynamics.stopping import Leave

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.dynamics.plan import Plan

DISTANCES = ("distance", "sup_distance")
LARGEST = 2**33
"""Bytes that a reference along all steps may have."""


def check_reference(reference: Any, plan: Plan, num_params: int, dtype: np.dtype[Any]) -> FloatArray | None:
    """Return the argument `reference` of `descend` as one row for all steps, or one after each of 0 … steps.

    Parameters
    ----------
    reference : array_like, shape (d,) or (steps + 1, d), or Flow, or None
        The path; of a flow its values at the times of the steps.
    plan : Plan
        What the runs are to do.
    num_params : int
        d.
    dtype : dtype
        The objective's dtype.

    Returns
    -------
    ndarray, shape (1 or steps + 1, d), or None
        The rows.

    Raises
    ------
    TypeError
        If it has another dtype.
    ValueError
        If its shape does not fit, the step times of a flow are not known before the runs, a flow ends earlier, or a
        distance is asked for although there is no reference.
    """
    if reference is None:
        wanted = [name for name in DISTANCES if name in plan.record.steps]
        wanted += ["stopping.leave"] * any(isinstance(rule, Leave) for rule in plan.rules)
        if wanted:
            raise ValueError(f"reference must be given for {wanted[0]} (got None)")
        return None
    if callable(reference):
        return _along_flow(reference, plan, num_params, dtype)
    array = check_float_array("reference", reference, dtype=dtype, ndim=(1, 2))
    rows = np.ascontiguousarray(np.atleast_2d(array))
    if rows.shape[1] != num_params or (array.ndim == 2 and len(rows) != plan.steps + 1):
        raise ValueError(
            f"reference must have shape ({num_params},) or ({plan.steps + 1}, {num_params}), one row after each of the steps "
            f"0 … {plan.steps} (got {array.shape})"
        )
    return rows


def check_start_inside(starts: FloatArray, reference: FloatArray | None, plan: Plan) -> None:
    """Raise a ValueError if a run would start where a rule ends it.

    Raises
    ------
    ValueError
        If a start is farther from the reference than the radius of a `Leave` rule.
    """
    for rule in plan.rules:
        if isinstance(rule, Leave) and reference is not None:
            distance = float(np.max(np.linalg.norm(starts - reference[0], axis=1)))
            if distance > rule.radius:
                raise ValueError(
                    f"radius must be at least the distance of every start from the reference, {distance:g} (got {rule.radius:g})"
                )


def _along_flow(flow: Any, plan: Plan, num_params: int, dtype: np.dtype[Any]) -> FloatArray:
    times = plan.time(np.arange(plan.steps + 1))
    if plan.has_own_clock or times.ndim != 1:
        raise ValueError(
            "reference must be an array if step sizes differ from run to run: a flow is then at several places after a step "
            f"(got {flow!r})"
        )
    size = times.size * num_params * dtype.itemsize
    if size > LARGEST:
        raise ValueError(
            f"reference needs {size / 2**30:.1f} GB for {times.size} rows of {num_params} parameters, more than {LARGEST >> 30}: "
            "take fewer steps"
        )
    end = float(np.max(flow.t))
    if times[-1] > end:
        if times[-1] > end * (1 + 1e-9):
            raise ValueError(f"reference must reach the time of the last step, {times[-1]:g} (it ends at {end:g})")
        times = np.minimum(times, end)  # the sum of the step sizes, rounded
    rows: FloatArray = np.ascontiguousarray(flow(times), dtype=dtype)
    if rows.shape != (times.size, num_params):
        raise ValueError(f"reference must be a flow from one start in {num_params} parameters (got {flow!r})")
    return rows
