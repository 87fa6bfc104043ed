"""The path that fluctuations are looked at around: its checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_float_array
from etaflow.dynamics.flow import Flow
from etaflow.problem.objective import Objective

if TYPE_CHECKING:
    import numpy.typing as npt


def check_path(objective: Objective, flow: Any, times: object) -> npt.NDArray[np.float64]:
    """Return `times` if fluctuations around the flow can be looked at there.

    Parameters
    ----------
    objective : Objective
        What is minimised, in float64.
    flow : Flow
        Its flow from one start.
    times : array_like, shape (m,) or ()
        Increasing times between 0 and the end of the flow.

    Returns
    -------
    ndarray of float64, shape (m,)
        The times.

    Raises
    ------
    TypeError
        If `objective` or `flow` is none, or `times` are not numbers.
    ValueError
        If the objective is float32, the flow is of another network or has several starts, or the times are none, do not
        increase or lie outside the flow.
    """
    if not isinstance(objective, Objective):
        raise TypeError(f"objective must be an Objective (got {objective!r})")
    if objective.dtype != np.float64:
        raise ValueError(f"objective must be float64 (got {objective.dtype}): make x float64")
    if not isinstance(flow, Flow):
        raise TypeError(
            f"flow must be a Flow, as etaflow.flow(objective, theta0, t=…) returns (got a {type(flow).__name__})"
        )
    if flow.theta0.shape != (objective.num_params,):
        raise ValueError(
            f"flow must have one start of {objective.num_params} parameters (its theta0 has shape {flow.theta0.shape})"
        )
    points = np.atleast_1d(check_float_array("times", times, ndim=(0, 1))).astype(np.float64)
    if points.size == 0:
        raise ValueError("times must hold at least one time (got none)")
    falls = np.flatnonzero(np.diff(points) <= 0)
    if falls.size:
        i = int(falls[0])
        raise ValueError(f"times must increase (times[{i}] is {points[i]:g}, times[{i + 1}] is {points[i + 1]:g})")
    if points[0] < 0 or points[-1] > flow.t:
        outside = points[0] if points[0] < 0 else points[-1]
        raise ValueError(f"times must lie between 0 and {flow.t:g}, the end of the flow (got {outside:g})")
    return points
