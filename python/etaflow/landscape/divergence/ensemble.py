"""The verdicts on all runs of an ensemble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_int, check_number, check_probability
from etaflow.dynamics.progress import Progress
from etaflow.landscape.divergence.blocks import FEWEST
from etaflow.landscape.divergence.models import LOG
from etaflow.landscape.divergence.trajectory import minimising, read
from etaflow.landscape.divergence.verdict import BLOCKS, WINDOW, judge

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    import xarray as xr

    from etaflow.landscape.divergence.trajectory import Trajectory
    from etaflow.problem.objective import Objective


def growths(
    trajectory: Trajectory,
    *,
    of: str | int | npt.ArrayLike = "drift",
    window: float = WINDOW,
    blocks: int = BLOCKS,
    level: float = 0.95,
    objective: Objective | None = None,
    progress: bool | Callable[[float], Any] = False,
) -> xr.Dataset:
    """Judge every run of an ensemble: the log rule in many networks at once (Sontag & Sussmann 1988, section 4).

    Parameters
    ----------
    trajectory, of, window, blocks, level, objective
        As in `growth`.
    progress : bool or callable, default False
        A bar, or a function that is given the part of the work that is done.

    Returns
    -------
    xarray.Dataset
        By ``run``: ``kind``, ``law`` (the most likely one), ``slope``, ``slope_low``, ``slope_high``; and over the runs that grow like log t
        ``log_runs``, ``mean_slope`` with Student's interval ``mean_slope_low``, ``mean_slope_high`` (NaN for fewer than two).

    Examples
    --------
    >>> import etaflow as ef
    >>> import numpy as np
    >>> t = np.arange(1.0, 1001.0)
    >>> table = ef.divergence.growths((t, np.stack([np.log(t), 2 - t**-0.5])[:, :, None]))
    >>> table.kind.values.tolist()
    ['log', 'converging']
    """
    import xarray as xr  # noqa: PLC0415 - slow to import

    factor = check_number("window", window, above=1)
    count = check_int("blocks", blocks, FEWEST)
    certainty = check_probability("level", level)
    paths = [minimising(path, objective) for path in read(trajectory, fewest=FEWEST)]
    found = []
    with Progress(progress, len(paths)) as bar:
        for number, path in enumerate(paths, start=1):
            found.append(judge(path, of, factor, count, certainty))
            report = bar.up_to(number)
            if report is not None:
                report(1.0)
    slopes = np.array([one.slope for one in found if one.kind == LOG])
    mean, low, high = _mean_interval(slopes, certainty)
    return xr.Dataset(
        {
            "kind": ("run", [one.kind for one in found]),
            "law": ("run", [one.best.model.name for one in found]),
            "slope": ("run", [one.slope for one in found]),
            "slope_low": ("run", [one.slope_low for one in found]),
            "slope_high": ("run", [one.slope_high for one in found]),
            "log_runs": slopes.size,
            "mean_slope": mean,
            "mean_slope_low": low,
            "mean_slope_high": high,
        },
        {"run": [path.run for path in paths]},
    )


def _mean_interval(values: npt.NDArray[np.float64], level: float) -> tuple[float, float, float]:
    from scipy.stats import t  # noqa: PLC0415 - slow to import

    if values.size < 2:
        return float("nan"), float("nan"), float("nan")
    mean, error = float(values.mean()), float(values.std(ddof=1)) / values.size**0.5
    half = float(t.ppf((1 + level) / 2, values.size - 1)) * error
    return mean, mean - half, mean + half
