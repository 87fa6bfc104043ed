"""A trajectory, whatever it came from: times and weights, one path per run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from etaflow._checks import check_choice, check_float_array, check_int
from etaflow.dynamics.dataset import times_of
from etaflow.dynamics.flow import Flow
from etaflow.dynamics.runs import Runs

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

Trajectory: TypeAlias = "Runs | Flow | tuple[npt.ArrayLike, npt.ArrayLike]"

LARGEST = 1e100
"""A path ends where a weight is larger: it has diverged by any measure, and its square would overflow."""

FLOW_POINTS = 400
"""A flow is looked at so many times, evenly in log t."""

FLOW_DECADES = 12
"""So many powers of ten before its end."""

SERIES = ("drift", "norm", "distance")


@dataclass(frozen=True, eq=False)
class Path:
    """One path.

    Attributes
    ----------
    run : int
        Its number.
    times : ndarray, shape (m,)
        Increasing, ≥ 0.
    theta : ndarray, shape (m, d)
        The weights at these times, in float64.
    objective : Objective or None
        What the run minimises, if that is known.
    """

    run: int
    times: Array
    theta: Array
    objective: Objective | None = None


def read(trajectory: Trajectory, *, fewest: int = 2) -> list[Path]:
    """Return the paths of runs, of a flow or of arrays.

    Parameters
    ----------
    trajectory : Runs, Flow or (t, θ)
        Runs with θ on record, a flow, or times ``(m,)`` with θ of shape ``(m,)``, ``(m, d)`` or ``(runs, m, d)``.
    fewest : int, default 2
        So many times > 0 a path must have.

    Returns
    -------
    list of Path
        One per run; what follows a divergence, to NaN or beyond 1e100, or a stop is cut off.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If θ is not on record, shapes do not fit, times do not increase, or there are too few of them.
    """
    if isinstance(trajectory, Runs):
        paths = _of_runs(trajectory)
    elif isinstance(trajectory, Flow):
        paths = _of_flow(trajectory)
    else:
        paths = _of_arrays(trajectory)
    for path in paths:
        later = int((path.times > 0).sum())
        if later < fewest:
            raise ValueError(
                f"trajectory must have at least {fewest} finite points at times > 0 (got {later} in run {path.run})"
            )
    return paths


def one(trajectory: Trajectory, run: int | None, *, fewest: int = 2) -> Path:
    """Return one path of a trajectory.

    Parameters
    ----------
    trajectory : Runs, Flow or (t, θ)
        As in `read`.
    run : int or None
        The run's number; None if there is only one.
    fewest : int, default 2
        As in `read`.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    ValueError
        If there are several and none is chosen, or no run has that number.
    """
    paths = read(trajectory, fewest=fewest)
    if run is None and len(paths) > 1:
        raise ValueError(f"run must say which of the {len(paths)} runs is meant (got None)")
    if run is None:
        return paths[0]
    number = check_int("run", run)
    for path in paths:
        if path.run == number:
            return path
    raise ValueError(f"run must be one of the trajectory's, {paths[0].run} to {paths[-1].run} (got {number})")


def minimising(path: Path, objective: Objective | None) -> Path:
    """Return the path with what it minimises, if that is given.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    ValueError
        If θ is not of the objective's network.
    """
    if objective is None:
        return path
    objective.net.check_theta(path.theta)
    return replace(path, objective=objective)


def series(path: Path, of: str | int | npt.ArrayLike) -> Array:
    """Return the number that is followed.

    Parameters
    ----------
    path : Path
        The path.
    of : str, int or array_like, shape (d,)
        ``drift``: θ itself, of which `drift` is the direction of the main movement; ``norm``: ‖θ‖; ``distance``: ‖θ − θ(0)‖, from the path's
        first point; a parameter's number; or a direction u, for ⟨u, θ⟩.

    Returns
    -------
    ndarray, shape (m,), for ``drift`` (m, d)
        The numbers.

    Raises
    ------
    ValueError
        If the name is unknown, or the number or the direction does not fit θ.
    """
    if isinstance(of, str):
        name = check_choice("of", of, SERIES)
        if name == "drift":
            return path.theta
        moved = path.theta - path.theta[0] if name == "distance" else path.theta
        return np.asarray(np.linalg.norm(moved, axis=1))
    width = path.theta.shape[1]
    if isinstance(of, int | np.integer) and not isinstance(of, bool):
        return path.theta[:, check_int("of", of, 0, width - 1)]
    direction = check_float_array("of", of, dtype=np.float64, shape=(width,))
    return np.asarray(path.theta @ direction)


def spread(times: Array, points: int) -> npt.NDArray[np.intp]:
    """Choose times that are spread evenly in log t.

    Returns
    -------
    ndarray of int
        Their indices, at most `points`; none of time 0.
    """
    later = np.flatnonzero(times > 0)
    wanted = np.geomspace(times[later[0]], times[-1], points)
    return np.unique(np.clip(np.searchsorted(times, wanted * (1 - 1e-12)), later[0], len(times) - 1))


def _of_runs(runs: Runs) -> list[Path]:
    if "theta" not in runs.records:
        raise ValueError('trajectory must have θ on record: descend with record={"theta": stride}')
    steps = runs.plan.record.steps["theta"]
    theta = np.asarray(runs.records["theta"], np.float64)
    times = np.broadcast_to(times_of(runs.plan, runs.records, steps), theta.shape[:2])
    known = runs.objectives.objective
    return [_finite(int(run), t, rows, known) for run, t, rows in zip(runs.plan.run_numbers, times, theta, strict=True)]


def _of_flow(flow: Flow) -> list[Path]:
    paths = []
    for run, path in enumerate(flow.paths):
        end = path.time
        first = max(path.mesh[min(1, len(path.mesh) - 1)], end * 10.0**-FLOW_DECADES)
        times = np.append(0.0, np.geomspace(first, end, FLOW_POINTS)) if end > 0 else np.zeros(1)
        times = np.unique(np.minimum(times, end))
        paths.append(Path(run, times, np.asarray(path.at(times), np.float64), flow.objective))
    return paths


def _of_arrays(trajectory: Any) -> list[Path]:
    if not isinstance(trajectory, Sequence) or isinstance(trajectory, str) or len(trajectory) != 2:
        raise TypeError(
            f"trajectory must be Runs, a Flow or a pair (t, theta) of arrays (got a {type(trajectory).__name__})"
        )
    times = check_float_array("t", trajectory[0], ndim=1).astype(np.float64)
    theta = check_float_array("theta", trajectory[1], ndim=(1, 2, 3), finite=False).astype(np.float64)
    theta = theta[:, None] if theta.ndim == 1 else theta
    theta = theta[None] if theta.ndim == 2 else theta
    if theta.shape[1] != len(times):
        raise ValueError(f"theta must have one row per time, {len(times)} (got shape {np.shape(trajectory[1])})")
    if len(times) == 0 or times[0] < 0 or not (np.diff(times) > 0).all():
        raise ValueError(f"t must increase from a time >= 0 (got {len(times)} times{_where(times)})")
    return [_finite(run, times, rows) for run, rows in enumerate(theta)]


def _where(times: FloatArray) -> str:
    if len(times) and times[0] < 0:
        return f", the first {times[0]:g}"
    wrong = np.flatnonzero(np.diff(times) <= 0)
    return f", {times[wrong[0]]:g} before {times[wrong[0] + 1]:g}" if len(wrong) else ""


def _finite(run: int, times: Array, theta: Array, objective: Objective | None = None) -> Path:
    good = np.asarray((np.abs(theta) <= LARGEST).all(axis=1))
    end = len(good) if good.all() else int(np.argmin(good))
    return Path(run, np.asarray(times[:end], np.float64), theta[:end], objective)
