"""Recorded quantities of training runs, one by one or as bands of quantiles."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_choice, check_float_array
from etaflow.dynamics.recording import QUANTITIES
from etaflow.faces.plots.axes import legend_beside, new_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr
    from matplotlib.axes import Axes

    from etaflow.dynamics.runs import Runs

    Values = npt.NDArray[np.float64]

FEW = 12
"""So many runs are drawn one by one, in colours of their own; more of them as bands of quantiles."""

BANDS = (0.05, 0.25, 0.5, 0.75, 0.95)
LOGARITHMIC = ("loss", "grad_norm2", "batch_loss", "update_norm", "validation_loss")


def curves(
    runs: Runs,
    quantity: str,
    *,
    ax: Axes | None = None,
    quantiles: Sequence[float] | bool | None = None,
    x: str = "step",
    logy: bool | None = None,
) -> Axes:
    """Draw a recorded quantity of training runs against the step or the time.

    Parameters
    ----------
    runs : Runs
        The runs, with `quantity` on record.
    quantity : str
        One of the recorded numbers, for example ``"loss"``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.
    quantiles : sequence of float or bool, optional
        The quantiles across runs to draw instead of every run: those that pair up around 0.5 as shaded bands, the others
        as lines. True means 5, 25, 50, 75 and 95 %, False every run; by default True for more than 12 runs. At each step
        they are of the runs that came that far.
    x : {"step", "time"}, default "step"
        The horizontal axis; time is Σα.
    logy : bool, optional
        Whether the vertical axis is logarithmic; by default for costs, norms and the like that are positive.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with labels, a title and a legend beside the data.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    ValueError
        If `quantity` was not recorded, a quantile is not between 0 and 1, or quantiles over time are asked for although the
        step sizes differ from run to run.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> net = ef.MLP([2, 3, 1])
    >>> f = ef.Objective(net, x, y)
    >>> runs = ef.descend(f, net.init(seed=0, runs=5), steps=50, step_size=0.1, record={"loss": 1})
    >>> ax = ef.plots.curves(runs, "loss")
    >>> ax.get_xlabel()
    'step'
    """
    drawn = [name for name in runs.plan.record.steps if name != "theta"]
    if quantity in QUANTITIES and quantity not in (*drawn, "theta"):
        raise ValueError(
            f'quantity must be on record (got {quantity!r}, on record: {drawn}): descend with record={{"{quantity}": 1}}'
        )
    check_choice("quantity", quantity, drawn)
    check_choice("x", x, ("step", "time"))
    data = runs.data[quantity]
    recorded = np.isin(data["step"].values, runs.plan.record.steps[quantity])
    values, places = data.values[:, recorded], data[x].values[..., recorded]
    levels = _levels(quantiles, len(runs))
    if levels and places.ndim == 2:
        raise ValueError("x must be 'step' for quantiles when the step sizes differ from run to run (got 'time')")
    axes = new_axes() if ax is None else ax
    if levels:
        _draw_bands(axes, places, values, levels)
    else:
        _draw_runs(axes, places, values, runs)
    _decorate(axes, data, x, runs)
    finite = values[np.isfinite(values)]
    if logy or (logy is None and quantity in LOGARITHMIC and finite.size and finite.min() > 0):
        axes.set_yscale("log")
    return axes


def _levels(quantiles: Sequence[float] | bool | None, count: int) -> list[float]:
    if quantiles is None or isinstance(quantiles, bool):
        return list(BANDS) if (count > FEW if quantiles is None else quantiles) else []
    levels = check_float_array("quantiles", quantiles, ndim=1)
    if levels.size == 0 or (levels < 0).any() or (levels > 1).any():
        raise ValueError(f"quantiles must hold numbers between 0 and 1 (got {quantiles!r})")
    return sorted({float(level) for level in levels})


def _draw_runs(axes: Axes, places: npt.NDArray[Any], values: Values, runs: Runs) -> None:
    few = len(runs) <= FEW
    style: dict[str, Any] = {"linewidth": 1.2} if few else {"linewidth": 0.6, "alpha": 0.4, "color": "C0"}
    for row, (number, status) in enumerate(zip(runs.plan.run_numbers, runs.status, strict=True)):
        note = "" if status == "finished" else f" ({status})"
        label = f"run {number}{note}" if few else f"each of {len(runs)} runs" if row == 0 else None
        own = places[row] if places.ndim == 2 else places
        marker = "o" if np.isfinite(values[row]).sum() == 1 else None
        axes.plot(own, values[row], label=label, marker=marker, **style)


def _draw_bands(axes: Axes, places: npt.NDArray[Any], values: Values, levels: list[float]) -> None:
    there = np.isfinite(values).any(axis=0)
    curves_at = dict(zip(levels, np.nanquantile(values[:, there], levels, axis=0), strict=True))
    left = dict(curves_at)
    pairs = [(low, 1 - low) for low in levels if low < 0.5]
    found = [(low, next((high for high in left if np.isclose(high, mirror)), None)) for low, mirror in pairs]
    for i, (low, high) in enumerate(found):
        if high is not None:
            label = f"{100 * low:g}–{100 * high:g} % of runs"
            alpha = 0.15 + 0.2 * i / len(found)
            axes.fill_between(
                places[there], left.pop(low), left.pop(high), alpha=alpha, color="C0", linewidth=0, label=label
            )
    styles = cycle(("--", ":", "-."))
    for level, line in left.items():
        median = np.isclose(level, 0.5)
        label = "median" if median else f"{100 * level:g} % quantile"
        axes.plot(
            places[there], line, color="C0", linewidth=1.5, linestyle="-" if median else next(styles), label=label
        )


def _decorate(axes: Axes, data: xr.DataArray, x: str, runs: Runs) -> None:
    axes.set_xlabel("step" if x == "step" else "time Σα")
    axes.set_ylabel(data.attrs["long_name"])
    axes.set_title(_title(runs), fontsize="medium")
    legend_beside(axes)
    axes.margins(x=0.02)


def _title(runs: Runs) -> str:
    names, counts = np.unique(runs.status, return_counts=True)
    ended = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True) if name != "finished")
    method = runs.plan.update.optimizer.replace("_", " ")
    batch = "full batch" if runs.plan.sampling.name == "all" else f"batch {runs.plan.sampling.batch}"
    total = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    return f"{total} of {method}, {batch}" + (f" ({ended})" if ended else "")
