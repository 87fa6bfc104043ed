"""How weights grow: a path against log t with the fitted laws, and Sontag's statistic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_number
from etaflow.faces.plots.axes import legend_beside, new_axes
from etaflow.landscape.divergence.models import TRANSIENT

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr
    from matplotlib.axes import Axes

    from etaflow.landscape.divergence import Growth, LogRule

    Array = npt.NDArray[np.float64]

POINTS = 300

NAMES = {"drift": "⟨u, θ⟩, u the main movement", "norm": "‖θ‖", "distance": "‖θ − θ(0)‖"}

MOST_SHOWN = 2000
"""More points of the statistic than this are thinned out evenly in log t."""


EARLIER = 5.0
"""The y axis of the statistic holds it from so long before the window on."""


def growth_law(found: Growth, *, ahead: float = 10.0, name: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw a path against log t with the best law of every kind, and what the laws foretell.

    Parameters
    ----------
    found : Growth
        From `etaflow.divergence.growth`.
    ahead : float, default 10
        The laws are drawn up to so many times the last time, there dashed.
    name : str, optional
        What was followed; by default as the verdict says.
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
        If `ahead` is less than 1.

    Examples
    --------
    >>> import etaflow as ef
    >>> problem = ef.divergence.scalar_problem("tanh")
    >>> found = ef.divergence.growth(ef.flow(problem.objective, [0.0], t=1e4))
    >>> ax = ef.plots.growth_law(found)
    >>> ax.get_title(loc="left")
    'verdict: log'
    """
    farther = check_number("ahead", ahead, minimum=1)
    axes = new_axes(8.5) if ax is None else ax
    first, last = float(found.times[0]), float(found.times[-1])
    axes.plot(found.times, found.values, "o", color="black", markersize=3.5, label="path (block means)", zorder=3)
    seen, future = np.geomspace(first, last, POINTS), np.geomspace(last, last * farther, POINTS)
    kinds: set[str] = set()
    for fit in found.fits:
        idle = fit.model.kind == TRANSIENT or fit.model.name == "constant"
        if fit.model.kind in kinds or (idle and fit is not found.best):  # these would take the y axis and say nothing
            continue
        kinds.add(fit.model.kind)
        color = f"C{len(kinds) - 1}"
        label = f"{fit.model.formula} ({fit.model.kind}): ΔBIC {fit.bic - found.best.bic:.3g}"
        axes.plot(seen, fit.at(seen), color=color, linewidth=1.3, label=label)
        if farther > 1:
            axes.plot(future, fit.at(future), color=color, linewidth=1.3, linestyle="--")
    axes.axvline(last, color="gray", linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set_xlabel("time t")
    axes.set_ylabel(NAMES.get(found.of, found.of) if name is None else name)
    axes.set_title(f"verdict: {found.kind}", loc="left", fontsize="medium")
    legend_beside(axes)
    return axes


def log_rule(rule: LogRule, *, name: str = "⟨u, θ⟩", ax: Axes | None = None) -> Axes:
    """Draw t·[w(t+1) − w(t)] against log t, with the height and its interval where a plateau was looked for (Sontag & Sussmann 1988, Figure 5).

    Parameters
    ----------
    rule : LogRule
        From `etaflow.divergence.log_rule`.
    name : str, default "⟨u, θ⟩"
        What w is.
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

    Examples
    --------
    >>> import etaflow as ef
    >>> problem = ef.divergence.scalar_problem("tanh")
    >>> rule = ef.divergence.log_rule(ef.flow(problem.objective, [0.0], t=1e4))
    >>> ef.plots.log_rule(rule, name="x").get_ylabel()
    't·[w(t+1) − w(t)], w = x'
    """
    axes = new_axes() if ax is None else ax
    times, values = _thinned(rule)
    axes.plot(times, values, ".", color="C0", markersize=3, label="t·[w(t+1) − w(t)]")
    inside = np.geomspace(*rule.window, 50)
    word = {True: "plateau", False: "no plateau", None: "undecided"}[rule.plateau]
    axes.plot(inside, np.full(50, rule.slope), color="C1", linewidth=1.5, label=f"{word}: {rule.slope:.4g}")
    label = f"{rule.level:.0%} interval"
    axes.fill_between(inside, rule.slope_low, rule.slope_high, color="C1", alpha=0.25, linewidth=0, label=label)
    middle = float(np.sqrt(inside[0] * inside[-1]))
    trend = rule.slope * (1 + rule.trend * np.log(inside / middle))
    axes.plot(inside, trend, color="C2", linewidth=1.2, linestyle="--", label=f"trend: t^{rule.trend:.2g}")
    late = values[times >= inside[0] / EARLIER]
    low, high = min(late.min(), rule.slope_low, 0), max(late.max(), rule.slope_high, 0)
    axes.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))  # the first, wild steps are cut off
    axes.set_xscale("log")
    axes.set_xlabel("time t")
    axes.set_ylabel(f"t·[w(t+1) − w(t)], w = {name}")
    legend_beside(axes)
    return axes


def direction(table: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the angles of θ and of its growth to the limiting direction, with logarithmic axes.

    Parameters
    ----------
    table : xarray.Dataset
        From `etaflow.divergence.direction`.
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

    Examples
    --------
    >>> import etaflow as ef
    >>> net = ef.MLP([2, 1], output="logistic", bias=False)
    >>> f = ef.Objective(net, [[1.0, 0.0], [0.0, 2.0], [5.0, 5.0]], [1, 1, 1], loss="log")
    >>> ax = ef.plots.direction(ef.divergence.direction(f, ef.flow(f, [0.0, 0.0], t=1e4)))
    >>> ax.get_ylabel()
    'angle to the maximum margin (rad)'
    """
    axes = new_axes() if ax is None else ax
    for name, label in (("angle", "θ/‖θ‖"), ("growth_angle", "its growth, −∇f/‖∇f‖")):
        shown = table[name] > 0  # the end of the path has no place on a logarithmic axis if it is the direction itself
        axes.plot(table.time[shown], table[name][shown], linewidth=1.5, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("time t")
    axes.set_ylabel(f"angle to the {table.attrs['towards']} (rad)".replace("the given", "the given direction"))
    legend_beside(axes)
    return axes


def _thinned(rule: LogRule) -> tuple[Array, Array]:
    if len(rule.times) <= MOST_SHOWN:
        return rule.times, rule.values
    wanted = np.geomspace(rule.times[0], rule.times[-1], MOST_SHOWN)
    shown = np.unique(np.clip(np.searchsorted(rule.times, wanted), 0, len(rule.times) - 1))
    return rule.times[shown], rule.values[shown]
