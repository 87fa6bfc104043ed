"""What a run has learnt when it classifies everything correctly, and what it learns by going on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_float_array, check_positive_int
from etaflow.dynamics import stopping
from etaflow.dynamics.descent import descend
from etaflow.dynamics.objectives import Objectives
from etaflow.dynamics.progress import Progress
from etaflow.landscape.divergence.separation import margins, max_margin
from etaflow.landscape.divergence.towards import angles, look

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    import xarray as xr

    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]


def stop_at_correct(
    objective: Objective,
    theta0: npt.ArrayLike,
    *,
    steps: int,
    step_size: float,
    factors: Sequence[float] = (1, 10, 100, 1000),
    batch_size: int | None = None,
    seed: int = 0,
    validation: Objective | None = None,
    progress: bool | Callable[[float], Any] = False,
) -> xr.Dataset:
    """Stop at correct classification, then go on for 10, 100, 1000 times as long: a table of what stopping leaves out.

    Sontag & Sussmann (1988, section 3) doubt that a network stopped at correct classification has learnt *what* there is to learn.

    Parameters
    ----------
    objective : Objective
        With labels, as in `margins`.
    theta0 : array_like, shape (d,) or (runs, d)
        The starts.
    steps : int
        How many steps a run may take to classify all observations correctly.
    step_size : float
        η.
    factors : sequence of float, default (1, 10, 100, 1000)
        The stages: multiples, ≥ 1, of the number of steps to correct classification.
    batch_size : int, optional
        Observations per step; by default all of them.
    seed : int, default 0
        As in `descend`.
    validation : Objective, optional
        The same network on other data.
    progress : bool or callable, default False
        A bar, or a function that is given the part of the work that is done.

    Returns
    -------
    xarray.Dataset
        By ``run`` and ``factor``: ``step``, ``loss``, ``accuracy``, ``norm``, ``margin``, ``normalized_margin`` (see `direction`), ``angle`` to the maximum-margin direction
        (without hidden layers, for separable data; else to the last stage), ``turn``, the angle from the first stage, and ``validation_accuracy``.
        NaN for runs that never classified everything correctly, and for what Ctrl-C left undone. The attributes say what ``angle`` is to, and the ``max_margin``.

    Raises
    ------
    ValueError
        If an argument is wrong.

    Examples
    --------
    >>> import etaflow as ef
    >>> net = ef.MLP([2, 1], output="logistic", bias=False)
    >>> f = ef.Objective(net, [[1.0, 0.1], [0.1, 1.0], [-1.0, 0.3]], [1, 1, 0], loss="log")
    >>> table = ef.divergence.stop_at_correct(f, [0.0, -1.0], steps=1000, step_size=0.5)
    >>> bool((table.normalized_margin.diff("factor") > 0).all())
    True
    """
    import xarray as xr  # noqa: PLC0415 - slow to import

    Objectives.of(objective, validation)
    starts = np.atleast_2d(objective.check_theta(theta0))
    margins(objective, starts[:1])  # says at once if this is no classification
    most = check_positive_int("steps", steps)
    stages = check_float_array("factors", factors, dtype=np.float64, ndim=1)
    if len(stages) == 0 or (stages < 1).any() or (np.diff(stages) <= 0).any():
        raise ValueError(f"factors must increase from a number >= 1 (got {stages.tolist()})")
    options: dict[str, Any] = {"step_size": step_size, "batch_size": batch_size, "seed": seed}
    target, name, best = _target(objective)
    shape = (len(starts), len(stages))
    columns = {key: np.full(shape, np.nan) for key in _NAMES if key != "validation_accuracy" or validation is not None}
    bar = Progress(progress, len(starts) + 1)
    with bar:
        report = bar.up_to(len(starts) + 1)
        watch = [
            False if report is None else partial(_part, report, i, len(starts) + 1) for i in range(len(starts) + 1)
        ]
        rule = stopping.above("accuracy", 1.0)
        first = descend(objective, starts, steps=most, stop=rule, progress=watch[0], **options)
        done = (first.status == "stopped") | (objective.accuracy(first.theta) == 1)
        for run in np.flatnonzero(done):
            at = np.ceil(stages * max(int(first.steps_done[run]), 1)).astype(np.int64)
            path = descend(
                objective,
                starts[run : run + 1],
                steps=int(at[-1]),
                runs=range(run, run + 1),
                record={"theta": at},
                progress=watch[run + 1],
                **options,
            )
            if path.status[0] == "interrupted":
                break
            theta = path.records["theta"][0, np.searchsorted(path.plan.record.steps["theta"], at)]
            measured = _measure(objective, theta, theta[-1] if target is None else target, validation)
            for key, values in ({"step": at.astype(float)} | measured).items():
                columns[key][run] = values
    attributes: dict[str, Any] = {"angle_to": name} | ({} if best is None else {"max_margin": best})
    data = {key: (("run", "factor"), values) for key, values in columns.items()}
    return xr.Dataset(data, {"run": np.arange(len(starts)), "factor": stages}, attributes)


_NAMES = (
    "step",
    "loss",
    "accuracy",
    "norm",
    "margin",
    "normalized_margin",
    "angle",
    "turn",
    "validation_accuracy",
)


def _part(report: Callable[[float], Any], i: int, parts: int, fraction: float) -> None:
    report((i + fraction) / parts)


def _target(objective: Objective) -> tuple[Array | None, str, float | None]:
    if len(objective.net.shapes) == 1:
        try:
            found = max_margin(objective)
        except ValueError:  # not separable: then no run classifies everything correctly
            return None, "last stage", None
        return found.direction, "maximum margin", found.margin
    return None, "last stage", None


def _measure(objective: Objective, theta: Any, target: Array, validation: Objective | None) -> dict[str, Any]:
    finite = np.isfinite(theta).all(axis=1)
    theta = np.where(finite[:, None], theta, 0)  # after a divergence; made NaN again below
    weights = theta.astype(np.float64)
    found = look(objective, theta, target) | {
        "accuracy": objective.accuracy(theta),
        "turn": angles(weights, weights[0]),
    }
    if validation is not None:
        found["validation_accuracy"] = validation.accuracy(theta)
    return {key: np.where(finite, values, np.nan) for key, values in found.items()}
