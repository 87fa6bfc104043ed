"""Index against loss, the flow from saddle to saddle, and Soudry and Carmon's sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.reproduce._kit.figures import new_figure
from etaflow.reproduce.kawaguchi.problem import load_problem

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etaflow.reproduce.kawaguchi.findings import Findings

    Arrays = dict[str, npt.NDArray[Any]]

SHOWN = (("random", (2,)), ("random", (4,)), ("random", (4, 4)))
"""The networks in the figure of index against loss."""

MARKS = {"global minimum": ("*", "C2", 170), "strict saddle": ("o", "C0", 42), "degenerate saddle": ("D", "C3", 48)}
SWEEPS = (("sweep-perturbed", "perturbed, as in the theorem", "C0"), ("sweep-plain", "not perturbed", "C3"))
KINDS = (("zero", "loss 0", "C2"), ("poor", "differentiable minimum above 0", "C3"), ("kink", "on a kink", "0.75"))


def draw_figures(findings: Findings) -> dict[str, Figure]:
    """Draw all figures that there are numbers for.

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
    if any((name, hidden) in SHOWN for name, hidden, _ in findings.networks()):
        figures["figure-index"] = draw_index(findings)
    if any(True for _ in findings.flows()):
        figures["figure-saddles"] = draw_saddles(findings)
    if any(name in findings.parts for name, _, _ in SWEEPS):
        figures["figure-sweep"] = draw_sweep(findings)
    if not findings.complete:
        for figure in figures.values():
            figure.text(0.99, 0.01, "PARTIAL", ha="right", va="bottom", color="red", fontsize="small")
    return figures


def draw_index(findings: Findings) -> Figure:
    """Draw the Morse index of every critical point against its loss, a panel per network.

    Parameters
    ----------
    findings : Findings
        With at least one of the networks shown.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    chosen = [(hidden, part) for name, hidden, part in findings.networks() if (name, hidden) in SHOWN]
    data = load_problem("random", findings.settings.seed)
    figure = new_figure(4.2 * len(chosen), 4.2)
    panels = np.atleast_1d(figure.subplots(1, len(chosen)))
    for panel, (hidden, part) in zip(panels, chosen, strict=True):
        _draw_points(panel, part)
        widths = "-".join(map(str, (data.x.shape[1], *hidden, data.y.shape[1])))
        panel.set_title(f"linear network {widths}", fontsize="medium")
        panel.set_xlabel("loss / tr(YYᵀ)")
        panel.set_ylim(bottom=-0.6)
        panel.locator_params(axis="y", integer=True)
        panel.grid(visible=True, lw=0.4, alpha=0.5)
    panels[0].set_ylabel("Morse index: negative eigenvalues")
    found = {
        label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=4, fontsize="small", frameon=False)
    return figure


def _draw_points(panel: Axes, part: Arrays) -> None:
    total = float(part["total"])
    for kind, (mark, colour, size) in MARKS.items():
        rows = part["kind"] == kind
        if rows.any():
            label = "degenerate saddle (no negative eigenvalue)" if kind == "degenerate saddle" else kind
            panel.scatter(
                part["loss"][rows] / total,
                part["index"][rows],
                size,
                color=colour,
                marker=mark,
                alpha=0.75,
                lw=0,
                label=label,
            )
    found = "found by minimising ‖∇L‖²"
    panel.scatter(part["found_value"] / total, part["found_index"], 60, color="black", marker="x", lw=0.9, label=found)


def draw_saddles(findings: Findings) -> Figure:
    """Draw the loss and the strengths of the eigenvectors along the flow from a small start, a column per depth.

    Parameters
    ----------
    findings : Findings
        With at least one flow.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    flows = list(findings.flows())
    figure = new_figure(4.2 * len(flows), 5.6)
    panels = figure.subplots(2, len(flows), sharex="col", sharey="row", squeeze=False)
    for (upper, lower), (hidden, part) in zip(panels.T, flows, strict=True):
        begin, end = _departure(part), float(part["plateau_time"][-1]) * 1.2
        for level, gamma in zip(part["plateau_level"], part["plateau_gamma"], strict=True):
            upper.axhline(level, color="black", lw=0.7, ls=":")
            upper.annotate(str(gamma), (begin, level), xytext=(3, 2), textcoords="offset points", fontsize="x-small")
        upper.plot(part["time"], part["loss"], color="C0", lw=1.8)
        slowest = np.maximum(part["plateau_time"], begin)
        upper.plot(slowest, part["plateau_loss"], "o", color="C3", ms=5, label="slowest places", clip_on=False)
        for mode in range(part["strength"].shape[1]):
            lower.plot(part["time"], part["strength"][:, mode], color=f"C{mode}", lw=1.5, label=f"u$_{mode + 1}$")
        layers = len(hidden)
        upper.set_title(f"{layers} hidden layer{'s' * (layers > 1)} of {hidden[0]}", fontsize="medium")
        lower.set(xlabel="time t", xscale="log", xlim=(begin, end))
        upper.set_yscale("log")
        _plain_numbers(upper.yaxis)
        _plain_numbers(lower.xaxis)
    panels[0, 0].set_ylabel("loss Σ‖y − ŷ‖²")
    panels[1, 0].set_ylabel("strength of the eigenvector")
    panels[0, -1].legend(loc="upper right", fontsize="small")
    panels[1, 0].legend(loc="upper left", fontsize="small")
    return figure


def _departure(part: Arrays) -> float:
    # A third of the time when the loss has fallen by one percent.
    return float(part["time"][np.argmax(part["loss"] < 0.99 * part["loss"][0])]) / 3


def _plain_numbers(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415 - slow, and only figures need it

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def draw_sweep(findings: Findings) -> Figure:
    """Draw the success rates of Soudry and Carmon's sweep with their intervals, and where training ended.

    Parameters
    ----------
    findings : Findings
        With at least one sweep.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    sweeps = [(findings.parts[name], words, colour) for name, words, colour in SWEEPS if name in findings.parts]
    figure = new_figure(4.2 * (1 + len(sweeps)), 4.2)
    panels = figure.subplots(1, 1 + len(sweeps))
    for shift, (part, words, colour) in zip((-0.012, 0.012), sweeps, strict=False):
        ends = np.array([part["success"] - part["low"], part["high"] - part["success"]])
        panels[0].errorbar(
            part["ratio"] + shift,
            part["success"],
            yerr=ends,
            fmt="o-",
            color=colour,
            ms=5,
            capsize=3,
            label=words,
            clip_on=False,
        )
    panels[0].axvline(1.0, color="black", lw=0.8, ls=":")
    panels[0].set(ylim=(0, 1), xlabel="n / (d$_0$d$_1$)", ylabel="share of trials that end at loss 0 (95 %)")
    panels[0].legend(fontsize="small")
    for panel, (part, words, _) in zip(panels[1:], sweeps, strict=True):
        _draw_ends(panel, part)
        panel.set_title(words, fontsize="medium")
    panels[1].set_ylabel("share of trials")
    found = {label: handle for handle, label in zip(*panels[1].get_legend_handles_labels(), strict=True)}
    figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=4, fontsize="small", frameon=False)
    return figure


def _draw_ends(panel: Axes, part: Arrays) -> None:
    total = np.sum([part[name] for name in ("zero", "poor", "kink", "unfinished")], axis=0)
    places, low = np.arange(len(total)), np.zeros(len(total))
    for name, words, colour in (*KINDS, ("unfinished", "unfinished", "C1")):
        panel.bar(places, part[name] / total, bottom=low, color=colour, label=words)
        low = low + part[name] / total
    panel.set_xticks(places, [f"{ratio:g}" for ratio in part["ratio"]])
    panel.set(xlabel="n / (d$_0$d$_1$)", ylim=(0, 1))
