"""The records of runs as an xarray Dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from etaflow._checks import IntArray
    from etaflow.dynamics.driver import Arrays
    from etaflow.dynamics.flow import Flow
    from etaflow.dynamics.plan import Plan

LONG_NAMES = {
    "loss": "cost f(θ)",
    "grad_norm2": "‖∇f(θ)‖²",
    "batch_loss": "cost of the last mini-batch",
    "accuracy": "accuracy",
    "update_norm": "length of the last step",
    "rayleigh": "Rayleigh quotient of ∇²f along ∇f",
    "validation_loss": "cost on the validation set",
    "distance": "distance to the reference",
    "sup_distance": "largest distance to the reference so far",
    "theta": "θ",
    "time": "time Σα",
    "step": "step",
}


def build(plan: Plan, state: Arrays, records: Arrays, moments: Arrays) -> xr.Dataset:
    """Return everything that was recorded, with named dimensions and coordinates.

    Parameters
    ----------
    plan : Plan
        What the runs did.
    state, records, moments : dict of str to ndarray
        As in `Work`.

    Returns
    -------
    xarray.Dataset
        Dimensions ``run``, ``step``, ``parameter``; see `Runs.data`.
    """
    import xarray as xr  # noqa: PLC0415 - half a second that a run without records need not wait for

    steps = plan.scalar_steps if plan.scalar_steps.size else plan.record.steps.get("theta", plan.scalar_steps)
    coords: dict[str, Any] = {"run": plan.run_numbers, **_axis(plan, records, "", steps)}
    variables: dict[str, Any] = {}
    for name, own in plan.record.steps.items():
        if name != "theta":
            variables[name] = (("run", "step"), _on_union(records[name], own, steps), _long_name(name))
    if "theta" in records:
        own = plan.record.steps["theta"]
        suffix = "" if np.array_equal(own, steps) else "_theta"
        coords |= _axis(plan, records, suffix, own) if suffix else {}
        variables["theta"] = (("run", f"step{suffix}", "parameter"), records["theta"], _long_name("theta"))
    for column, name in enumerate(plan.mean):
        with np.errstate(invalid="ignore"):
            values = state["sums"][:, column] / (state["step"] + (state["status"] != 0))
        variables[f"mean_{name}"] = ("run", values, {"long_name": f"mean of {LONG_NAMES[name]} before each step"})
    if moments:
        coords |= _axis(plan, records, "_moments", plan.moment_steps)
        axes = ("step_moments", "parameter", "other_parameter")
        variables["theta_mean"] = (axes[:2], moments["mean"], {"long_name": "mean of θ across runs"})
        variables["theta_cov"] = (axes, moments["cov"], {"long_name": "covariance of θ across runs, divisor count - 1"})
        variables["theta_count"] = (axes[:1], moments["count"], {"long_name": "runs in the moments"})
    return xr.Dataset(variables, coords)


def fluctuations(plan: Plan, records: Arrays, flow: Flow) -> xr.DataArray:
    """Return (θ − θ̄)/√η at the recorded steps; see `Runs.fluctuations`.

    Returns
    -------
    xarray.DataArray
        Dimensions ``run``, ``time``, ``parameter``.

    Raises
    ------
    ValueError
        If θ is not on record, the step size is not one constant, or the flow ends earlier.
    """
    import xarray as xr  # noqa: PLC0415 - as above

    if "theta" not in records:
        raise ValueError('fluctuations need θ on record: descend with record={"theta": stride}')
    steps = plan.record.steps["theta"]
    unit = plan.time(np.arange(plan.steps + 1))
    step_size = unit[-1] / plan.steps if unit.ndim == 1 and plan.steps else np.nan
    if plan.has_own_clock or not np.allclose(np.diff(unit), step_size, rtol=1e-9):
        raise ValueError("fluctuations need one constant step size for all runs (that of these runs varies)")
    times = plan.time(steps)
    end = float(np.min(flow.t))
    if times[-1] > end * (1 + 1e-9):
        raise ValueError(f"flow must reach the time of the last step, {times[-1]:g} (it ends at {end:g})")
    path = flow(np.minimum(times, end))
    values = (records["theta"] - path) / np.sqrt(step_size)
    return xr.DataArray(
        values,
        {"run": plan.run_numbers, "time": times},
        ("run", "time", "parameter"),
        attrs={"long_name": "(θ − θ̄)/√η", "step_size": step_size},
    )


def times_of(plan: Plan, records: Arrays, steps: IntArray) -> npt.NDArray[np.float64]:
    """Return the time Σα after each of the recorded `steps`.

    Parameters
    ----------
    plan : Plan
        What the runs did.
    records : dict of str to ndarray
        The records, with ``time`` if a rule may have lowered step sizes.
    steps : ndarray of int64, shape (m,)
        Steps at which something was recorded.

    Returns
    -------
    ndarray of float64, shape (m,) or (runs, m)
        The second if the step sizes differ, or may differ, from run to run.
    """
    if plan.has_own_clock and steps.size:
        return records["time"][:, np.searchsorted(plan.noted_steps, steps)]
    return plan.time(steps)


def _axis(plan: Plan, records: Arrays, suffix: str, steps: IntArray) -> dict[str, Any]:
    dim = f"step{suffix}"
    times = times_of(plan, records, steps)
    return {
        dim: (dim, steps, _long_name("step")),
        f"time{suffix}": ((dim,) if times.ndim == 1 else ("run", dim), times, _long_name("time")),
    }


def _on_union(values: npt.NDArray[Any], own: IntArray, union: IntArray) -> npt.NDArray[Any]:
    if own.size == union.size:
        return values
    spread = np.full((values.shape[0], union.size), np.nan)
    spread[:, np.searchsorted(union, own)] = values
    return spread


def _long_name(name: str) -> dict[str, str]:
    return {"long_name": LONG_NAMES[name]}
