"""The flow from saddle to saddle, and the success rates of Soudry and Carmon's sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.faces.plots.axes import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from etaflow.landscape.linear_networks import SaddleToSaddle, SoudryCarmon

LOWEST = 1e-4
"""A last plateau below this share of the first makes the axis of the losses linear."""


def saddle_to_saddle(found: SaddleToSaddle, *, ax: Axes | None = None) -> Axes:
    """Draw the loss along a flow, with the losses of the critical points that it passes.

    Parameters
    ----------
    found : SaddleToSaddle
        What `etaflow.linear_networks.saddle_to_saddle` gave.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes. The dotted lines are the critical points' losses, with Γ; time begins at a third of when the loss has fallen by a percent.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.

    Examples
    --------
    >>> import etaflow as ef
    >>> import numpy as np
    >>> ax = ef.plots.saddle_to_saddle(ef.linear_networks.saddle_to_saddle(np.eye(3), np.diag([4.0, 2.0, 1.0]), 3))
    >>> len(ax.lines[-1].get_xdata())  # the slowest places
    4
    """
    axes = new_axes() if ax is None else ax
    times, losses = found.data["time"].values, found.data["loss"].values
    begin = float(times[np.argmax(losses < 0.99 * losses[0])]) / 3 or float(times[1])
    for one in found.plateaus:
        axes.axhline(one.level, color="black", lw=0.7, ls=":")
        gamma = "{" + ", ".join(map(str, one.gamma)) + "}"
        axes.annotate(gamma, (begin, one.level), xytext=(3, 2), textcoords="offset points", fontsize="small")
    axes.plot(times[1:], losses[1:], color="C0", lw=1.8)
    slowest = np.maximum([one.time for one in found.plateaus], begin)
    axes.plot(slowest, [one.loss for one in found.plateaus], "o", color="C3", label="slowest places", clip_on=False)
    axes.set(xscale="log", xlim=(begin, 1.2 * found.plateaus[-1].time), xlabel="time t", ylabel="loss Σ‖y − ŷ‖²")
    if found.plateaus[-1].level > LOWEST * found.plateaus[0].level:  # a perfect fit is not on a logarithmic axis
        axes.set_yscale("log")
        _plain_numbers(axes.yaxis)
    _plain_numbers(axes.xaxis)
    axes.legend(fontsize="small")
    return axes


def success_rate(found: SoudryCarmon, *, ax: Axes | None = None) -> Axes:
    """Draw the share of trials that end at loss 0 against the size of the data, with Clopper–Pearson intervals.

    Parameters
    ----------
    found : SoudryCarmon
        What `etaflow.linear_networks.soudry_carmon` gave.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure. Several sweeps can be drawn into one.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.

    Examples
    --------
    >>> import etaflow as ef
    >>> sweep = ef.linear_networks.soudry_carmon(inputs=2, hidden=2, ratios=[0.5, 1, 2], trials=5, iterations=100)
    >>> ef.plots.success_rate(sweep).get_xlabel()
    'n / (d$_0$d$_1$)'
    """
    axes = new_axes() if ax is None else ax
    data = found.data
    share = data["success"].values
    ends = np.array([share - data["low"].values, data["high"].values - share])
    label = "perturbed" if found.perturbed else "not perturbed"
    axes.errorbar(data["ratio"].values, share, yerr=ends, fmt="o-", ms=5, capsize=3, label=label, clip_on=False)
    axes.axvline(1.0, color="black", lw=0.8, ls=":")
    axes.set(ylim=(0, 1), xlabel="n / (d$_0$d$_1$)", ylabel="share of trials that end at loss 0")
    axes.legend(fontsize="small")
    return axes


def _plain_numbers(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415 - slow, and only plots need it

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
