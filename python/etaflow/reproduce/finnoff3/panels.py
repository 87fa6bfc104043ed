"""What the panels of the figures share: marks with intervals, fitted lines, shades of step sizes, ticks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.reproduce._kit.figures import shades

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr
    from matplotlib.axes import Axes

    from etaflow.theory.rates import PowerLaw

    Array = npt.NDArray[np.float64]


def draw_points(panel: Axes, places: Array, values: Any, label: str, **style: Any) -> None:
    """Draw marks with their intervals.

    Parameters
    ----------
    panel : matplotlib.axes.Axes
        Where to.
    places : ndarray, shape (m,)
        Step sizes.
    values : three ndarrays, each of shape (m,)
        The means and the ends of their intervals.
    label : str
        For the legend.
    **style
        Of `Axes.errorbar`.
    """
    mean, low, high = values
    error = np.stack([mean - low, high - mean]).clip(min=0)
    look: dict[str, Any] = {"fmt": "o", "ms": 5, "capsize": 2} | style
    panel.errorbar(places, mean, error, label=label, **look)


def draw_law(panel: Axes, sizes: Array, law: PowerLaw | None, colour: str, exponent: int = 1) -> None:
    """Draw a fitted power law, raised to an exponent, as a dashed line.

    Parameters
    ----------
    panel : matplotlib.axes.Axes
        Where to.
    sizes : ndarray, shape (m,)
        The step sizes of the fit.
    law : PowerLaw or None
        The law.
    colour : str
        The line's.
    exponent : int, default 1
        2 for a law of norms among squares.
    """
    if law is not None:
        ends = np.array([sizes.min(), sizes.max()])
        panel.plot(ends, law.at(ends) ** exponent, "--", color=colour, lw=1)


def with_slope(label: str, law: PowerLaw | None, exponent: int = 1) -> str:
    """Return a label with the slope of a fitted line.

    Returns
    -------
    str
        For a legend.
    """
    if law is None:
        return label
    slope, low, high = (exponent * number for number in (law.slope, law.low, law.high))
    return f"{label}: slope {slope:.2f}" + ("" if low == high else f" ({low:.2f} … {high:.2f})")


def draw_tail(panel: Axes, data: xr.Dataset) -> None:
    """Draw P(sup > δ) against δ for every step size, with its intervals, and the bound B·η/δ² of Theorem 3.2 ii).

    The first δ that no run exceeded has the upper end of its interval, as a triangle.

    Parameters
    ----------
    panel : matplotlib.axes.Axes
        Where to.
    data : xarray.Dataset
        The table of a `Deviation`.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415 - slow, and only figures need it

    deltas, last = data["delta"].values, 0.0
    for i, shade in enumerate(shades(data.sizes["step_size"])):
        seen, low, high = (data[f"exceedance{end}"].values[i] for end in ("", "_low", "_high"))
        there = int((seen > 0).sum())  # P falls with δ
        row = [values[:there] for values in (seen, low, high)]
        label = f"η = {float(data['step_size'][i]):g}"
        draw_points(panel, deltas[:there], row, label, fmt="o-", ms=3, lw=1, color=shade)
        panel.plot(deltas[there : there + 1], high[there : there + 1], "v", ms=4, color=shade)
        panel.plot(deltas, data["exceedance_bound"].values[i], "--", lw=1, color=shade)
        last = max(last, float(deltas[min(there, len(deltas) - 1)]))
    panel.plot([], [], "k--", lw=1, label="bound B·η/δ²")
    panel.plot([], [], "kv", ms=4, ls="", label="none seen: at most")
    panel.set(xscale="log", yscale="log", xlabel="δ", ylim=(0.3 / data.sizes["run"], 1.5), xlim=(None, 2 * last))
    panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda delta, _: f"{delta:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())


def ticks_at(panel: Axes, sizes: Array) -> None:
    """Label the step sizes themselves."""
    panel.set_xticks(sizes, [f"{size:g}" for size in sizes], fontsize="small")
    panel.tick_params(axis="x", which="minor", labelbottom=False)


def legend_below(panel: Axes, columns: int = 1) -> None:
    """Put the legend below the axis, where it hides nothing."""
    from matplotlib.container import ErrorbarContainer  # noqa: PLC0415 - slow, and only figures need it

    both = zip(*panel.get_legend_handles_labels(), strict=True)
    marks_first = sorted(both, key=lambda pair: not isinstance(pair[0], ErrorbarContainer))
    handles, labels = zip(*marks_first, strict=True)
    place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16)}
    panel.legend(handles, labels, ncols=columns, fontsize="small", frameon=False, **place)
