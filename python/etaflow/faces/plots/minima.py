"""The census of minima, and the index of stationary points against f."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow.faces.plots.axes import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from etaflow.landscape.minima.result import Minima
    from etaflow.landscape.minima.stationary_result import StationaryPoints


def census(minima: Minima, *, ax: Axes | None = None) -> Axes:
    """Draw how often training ended in each minimum, against its f.

    Parameters
    ----------
    minima : Minima
        What `find_minima` gave.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    ValueError
        If no run ended in a minimum.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> f = ef.Objective(ef.MLP([2, 2, 1]), x, y, l2=1e-3)
    >>> ax = ef.plots.census(ef.find_minima(f, starts=40, seed=1))
    >>> ax.get_ylabel()
    'share of the starts'
    """
    if len(minima) == 0:
        raise ValueError(f"minima must hold at least one minimum (got {minima!r})")
    axes = new_axes() if ax is None else ax
    data = minima.data
    values, share = data["value"].values, data["share"].values
    ends = np.abs(np.array([data["share_low"].values, data["share_high"].values]) - share)
    at_kinks = data["kinks"].values > 0
    for kinked, colour, label in ((False, "C0", "∇f = 0"), (True, "C1", "at a kink")):
        some = at_kinks == kinked
        if some.any():
            axes.vlines(values[some], 0, share[some], color=colour, lw=1.2)
            axes.errorbar(
                values[some],
                share[some],
                yerr=ends[:, some],
                fmt="o",
                ms=4,
                color=colour,
                capsize=2,
                lw=0.7,
                label=label,
            )
    axes.set(xlabel="cost f of the minimum", ylabel="share of the starts", ylim=(0, None))
    if at_kinks.any():
        axes.legend(fontsize="small")
    one = minima.unseen
    axes.set_title(
        f"{len(minima)} minima from {one.draws} of {len(minima.ends)} runs; coverage {one.coverage:.2f} "
        f"({one.coverage_low:.2f} … {one.coverage_high:.2f})",
        fontsize="medium",
    )
    return axes


def index_against_loss(points: StationaryPoints, *, ax: Axes | None = None) -> Axes:
    """Draw the part of negative eigenvalues at each stationary point against f, as Dauphin et al. (2014) do.

    Parameters
    ----------
    points : StationaryPoints
        What `find_stationary_points` gave.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    ValueError
        If no stationary point was found.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> f = ef.Objective(ef.MLP([2, 2, 1]), x, y, l2=1e-3)
    >>> ax = ef.plots.index_against_loss(ef.find_stationary_points(f, starts=40, seed=1))
    >>> ax.get_ylabel()
    'index / number of parameters'
    """
    if len(points) == 0:
        raise ValueError(f"points must hold at least one stationary point (got {points!r})")
    axes = new_axes() if ax is None else ax
    fraction = points.data["fraction"].values
    for some, colour, label in (
        (points.index == 0, "C0", "index 0"),
        (points.index > 0, "C3", "saddles and maxima"),
    ):
        if some.any():
            axes.plot(points.value[some], fraction[some], "o", ms=5, mew=0, alpha=0.6, color=colour, label=label)
    axes.set(xlabel="cost f", ylabel="index / number of parameters")
    axes.set_ylim(-0.02, max(0.1, 1.1 * float(fraction.max())))
    axes.legend(fontsize="small", loc="upper left")
    axes.set_title(f"{len(points)} stationary points from {len(points.found)} starts", fontsize="medium")
    return axes
