"""The paper's figure, and those that it could not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.reproduce._kit.figures import new_figure
from etaflow.reproduce._kit.text import count
from etaflow.reproduce.finnoff6.protocol import PAPER_STARTS
from etaflow.reproduce.finnoff6.verdicts import KINDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etaflow.reproduce.finnoff6.findings import Findings
    from etaflow.reproduce.finnoff6.races import Race

    Array = npt.NDArray[np.float64]

TITLES = {
    "additive": "additive: Σ sin(αᵏxᵏ)",
    "product": "product: x¹x²x³",
    "rbf": "eight radial basis functions",
    "network": "a network's output",
}
MARKS = {"additive": "o", "product": "s", "rbf": "^", "network": "D"}
_ERROR = "training error / variance of y"
_COLOURS = {
    "minimum": "#b2182b",
    "flat": "#ef8a62",
    "saddle": "#fddbc7",
    "time": "#2166ac",
    "twice": "#67a9cf",
    "downhill": "#a6cee3",
    "trapped": "#762a83",
    "undecided": "#999999",
}
_DIVERGED = 1e6
"""An error, as a part of the variance, that is not drawn."""

_DARK = ("minimum", "time", "trapped")
_PAIRS = {
    "passes": ("after equally many passes", "SGD", "batch training"),
    "time": ("at equal time t = kη", "SGD", "batch training"),
    "cooled": ("at twice that time, SGD without noise since half way", "SGD", "batch training"),
}


def draw_figures(findings: Findings) -> dict[str, Figure]:
    """Draw all figures that there are runs for.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        By the name of the file.
    """
    figures = {}
    if findings.races:
        figures["figure-epochs"] = draw_curves(findings, over_time=False)
        figures["figure-time"] = draw_curves(findings, over_time=True)
        figures["figure-pairs"] = draw_pairs(findings)
    if findings.stuck:
        figures["figure-verdicts"] = draw_verdicts(findings)
    if findings.rows:
        figures["figure-sensitivity"] = draw_sensitivity(findings)
    if not findings.complete:
        for figure in figures.values():
            figure.text(0.99, 0.01, "PARTIAL", ha="right", va="bottom", color="red", fontsize="small")
    return figures


def draw_curves(findings: Findings, *, over_time: bool) -> Figure:
    """Draw the training errors from the paper's three starts, one panel per model.

    Parameters
    ----------
    findings : Findings
        With at least one race.
    over_time : bool
        Against the time t = kη, up to which batch training is then continued, instead of against passes over the data.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure = new_figure(9.0, 6.6)
    panels = figure.subplots(2, 2, sharex=True).ravel()
    for panel, race in zip(panels, findings.races, strict=False):
        for start in range(min(PAPER_STARTS, race.starts)):
            _draw_pair(panel, race, start, over_time=over_time)
        panel.set_xscale("log" if over_time else "linear")
        panel.axhline(race.problem.linear, color="black", lw=0.8, ls=":", label="best linear function")
        panel.set_yscale("log")
        _plain_numbers(panel)
        panel.set_title(TITLES[race.name], fontsize="medium")
        panel.grid(visible=True, which="major", lw=0.4, alpha=0.5)
    for panel in panels[len(findings.races) :]:
        panel.set_axis_off()
    for panel in panels[::2]:
        panel.set_ylabel(_ERROR)
    for panel in panels[max(len(findings.races) - 2, 0) :]:
        panel.set_xlabel("time t = kη" if over_time else "passes over the data (epochs)")
        panel.tick_params(labelbottom=True)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize="small", frameon=False)
    conditions = findings.settings.protocol.conditions
    clock = "from the same starts, " + ("at equal time t = kη" if over_time else "pass by pass")
    figure.suptitle(f"SGD and batch training, η = {conditions.step_size:g}, {clock}", fontsize="medium")
    return figure


def _draw_pair(panel: Axes, race: Race, start: int, *, over_time: bool) -> None:
    colour, eta = f"C{start}", race.conditions.step_size
    sgd, batch = (_shown(curves[start] / race.problem.variance) for curves in (race.sgd_curves, race.batch_curves))
    labels = [f"{method}, start {start + 1}" for method in ("SGD", "batch")]
    if over_time:
        rows = race.batch_steps <= race.conditions.steps
        panel.plot(race.sgd_steps[1:] * eta, sgd[1:], "-", color=colour, lw=0.9, alpha=0.7, label=labels[0])
        panel.plot(race.batch_steps[rows][1:] * eta, batch[rows][1:], "--", color=colour, lw=1.8, label=labels[1])
        return
    passes = race.batch_steps <= race.conditions.epochs
    panel.plot(race.sgd_steps / race.conditions.samples, sgd, "-", color=colour, lw=0.9, label=labels[0])
    panel.plot(race.batch_steps[passes], batch[passes], "--", color=colour, lw=1.8, label=labels[1])
    panel.set_xlim(0, race.conditions.epochs)


def draw_pairs(findings: Findings) -> Figure:
    """Draw batch training's end error against SGD's, a point per start: after equal passes, at equal time, and cooled.

    Parameters
    ----------
    findings : Findings
        With at least one race.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure = new_figure(12.6, 4.6)
    panels = figure.subplots(1, len(_PAIRS))
    for panel, (clock, (title, across, up)) in zip(panels, _PAIRS.items(), strict=True):
        for race in findings.races:
            sgd, other = map(_shown, findings.errors(clock, race.name))
            panel.plot(sgd, other, MARKS[race.name], ms=4, alpha=0.5, mew=0, label=race.name)
        _square(panel, findings, clock)
        compared = findings.comparison(clock)
        panel.set_title(f"{title}\nSGD lower: {compared.lower} of {compared.total}", fontsize="small")
        panel.set(xlabel=f"{across}: error / variance", ylabel=f"{up}: error / variance")
    panels[0].legend(loc="lower right", fontsize="small")
    figure.suptitle("Training errors at the end, SGD against batch training: a point per start", fontsize="medium")
    return figure


def _square(panel: Axes, findings: Findings, clock: str) -> None:
    values = _shown(np.concatenate(findings.errors(clock)))
    values = values[np.isfinite(values)]
    limits = [0.8 * values.min(), 1.25 * values.max()] if values.size else [0.1, 1.0]
    panel.plot(limits, limits, "-", color="black", lw=0.8, zorder=0)
    panel.set(xscale="log", yscale="log", xlim=limits, ylim=limits, aspect="equal")
    panel.text(0.04, 0.96, "SGD lower", transform=panel.transAxes, va="top", fontsize="small", color="gray")
    _plain_numbers(panel)


def draw_verdicts(findings: Findings) -> Figure:
    """Draw what becomes of the stuck batch runs, a bar per model.

    Parameters
    ----------
    findings : Findings
        With at least one stuck run.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure = new_figure(9.0, 3.8)
    axes = figure.subplots()
    names = [one.name for one in findings.verdicts]
    left = np.zeros(len(names))
    for kind, words in KINDS.items():
        numbers = np.array([one.count(kind) for one in findings.verdicts])
        if numbers.any():
            bars = axes.barh(names, numbers, left=left, color=_COLOURS[kind], label=words.replace("`", ""))
            ink = "white" if kind in _DARK else "black"
            labels = [str(n) if n else "" for n in numbers]
            axes.bar_label(bars, labels, label_type="center", fontsize="small", color=ink)
        left += numbers
    axes.invert_yaxis()
    axes.margins(x=0.02)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("batch runs that ended much higher than SGD after equally many passes")
    concave = f"Hessian with a negative eigenvalue at {findings.concave} of {findings.stuck} ends"
    axes.set_title(f"What the “stuck” batch runs are: {concave}", fontsize="medium")
    figure.legend(loc="outside lower center", ncols=2, fontsize="small", frameon=False)
    return figure


def draw_sensitivity(findings: Findings) -> Figure:
    """Draw the probability that SGD ends lower, under every variation, on both clocks.

    Parameters
    ----------
    findings : Findings
        With at least one variation.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    rows = (findings.base, *findings.rows)
    figure = new_figure(8.4, 1.6 + 0.33 * len(rows))
    axes = figure.subplots()
    places = np.arange(len(rows))
    clocks = (("passes", "after equally many passes", "C3", -0.12), ("time", "at equal time t = kη", "C0", 0.12))
    for clock, label, colour, shift in clocks:
        found = [getattr(row, clock) for row in rows]
        share = np.array([one.share for one in found])
        ends = np.array([[one.share - one.low, one.high - one.share] for one in found]).T
        axes.errorbar(
            share, places + shift, xerr=ends, fmt="o", color=colour, ms=4, capsize=2, label=label, clip_on=False
        )
    axes.axvline(0.5, color="black", lw=0.8, ls=":")
    axes.set_yticks(places, [f"{row.words} ({count(row.passes.total)} pairs)" for row in rows], fontsize="small")
    axes.invert_yaxis()
    axes.set(xlim=(-0.01, 1.01), xlabel="probability that SGD ends lower (Clopper–Pearson, 95 %)")
    figure.legend(loc="outside lower center", ncols=2, fontsize="small", frameon=False)
    figure.suptitle("Who ends lower if what the paper leaves open is chosen otherwise", fontsize="medium")
    return figure


def _shown(errors: Array) -> Array:
    return np.where(errors < _DIVERGED, errors, np.nan)


def _plain_numbers(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415 - slow, and only figures need it

    for side, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        if side.get_scale() == "log":
            side.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 50 * low else (1.0,)))
            side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            side.set_minor_formatter(NullFormatter())
