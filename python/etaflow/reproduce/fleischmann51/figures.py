"""The thesis's figures 5.1 to 5.5, and two that show what the ends of the runs are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.reproduce._kit.figures import new_figure
from etaflow.reproduce.fleischmann51.panels import (
    COLOURS,
    draw_boxes,
    draw_classes,
    draw_densities,
    draw_points,
    draw_prediction,
    legend_of_kinds,
)
from etaflow.reproduce.fleischmann51.verdicts import KINDS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from etaflow.reproduce.fleischmann51.findings import Findings
    from etaflow.reproduce.fleischmann51.training import Trained

SHOWN = 4
"""So many predictions are in figure 5.2."""

FLOOR = 1e-12
"""On a logarithmic axis lower costs are drawn here."""


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
    figures = {"figure-5.1": draw_data(findings)}
    if findings.of(1):
        figures["figure-5.2"] = draw_predictions(findings)
        figures["figure-5.3"] = draw_costs(findings, (1,))
        figures["figure-5.4"] = draw_medians(findings)
        figures["figure-verdicts"] = draw_verdicts(findings)
        figures["figure-going-on"] = draw_going_on(findings)
    deep = tuple(layers for layers in findings.layers if layers > 1)
    if deep:
        figures["figure-5.5"] = draw_costs(findings, deep)
    if not findings.complete:
        for figure in figures.values():
            figure.text(0.99, 0.01, "PARTIAL", ha="right", va="bottom", color="red", fontsize="small")
    return figures


def draw_data(findings: Findings) -> Figure:
    """Draw figure 5.1: the training set and the distribution that it is drawn from.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure = new_figure(9.0, 4.2)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    draw_points(left, findings.problem)
    left.set_title("training set", fontsize="medium")
    draw_densities(right)
    right.set_title("densities of the two classes", fontsize="medium")
    draw_classes(figure)
    return figure


def draw_predictions(findings: Findings) -> Figure:
    """Draw figure 5.2: predictions of the best run of some networks with one hidden layer.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    networks = [one for one, _ in findings.of(1) if np.isfinite(one.cost).any()]
    places = np.unique(np.linspace(0, len(networks) - 1, min(SHOWN, len(networks))).round().astype(int))
    figure = new_figure(3.0 * len(places) + 0.8, 3.4)
    panels = figure.subplots(1, len(places), sharex=True, sharey=True, squeeze=False)[0]
    for panel, place in zip(panels, places, strict=True):
        one = networks[place]
        run = int(np.nanargmin(one.cost))
        shades = draw_prediction(panel, findings.problem, one, run)
        draw_points(panel, findings.problem, small=True)
        panel.set_title(f"{one.width} neuron{'s' * (one.width > 1)}, cost {one.cost[run]:.2g}", fontsize="medium")
    figure.colorbar(shades, ax=panels, label="h(x, θ)", shrink=0.9)
    return figure


def draw_costs(findings: Findings, depths: tuple[int, ...]) -> Figure:
    """Draw figures 5.3 and 5.5: the costs of the ends against the number of neurons, coloured by what the ends are.

    Parameters
    ----------
    findings : Findings
        What was found.
    depths : tuple of int
        Numbers of hidden layers, a panel each.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure = new_figure(9.0, 4.4 * len(depths))
    panels = figure.subplots(len(depths), 1, squeeze=False)[:, 0]
    for panel, layers in zip(panels, depths, strict=True):
        draw_boxes(panel, findings.of(layers), findings.problem.linear)
        panel.axhline(findings.problem.linear, color="black", lw=0.8, ls=":", zorder=0)
        panel.annotate(
            "logistic regression",
            (0.995, findings.problem.linear),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize="x-small",
        )
        words = f"{layers} hidden layer{'s' * (layers > 1)}"
        panel.set(xlabel=f"neurons per hidden layer, {words}", ylabel="cost f where a run ended")
    legend_of_kinds(figure, findings, depths)
    return figure


def draw_medians(findings: Findings) -> Figure:
    """Draw figure 5.4: median and quartiles of the costs of the networks with one hidden layer, on a logarithmic axis.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure = new_figure(7.5, 4.2)
    axes = figure.subplots()
    networks = [one for one, _ in findings.of(1) if np.isfinite(one.cost).any()]
    widths = [one.width for one in networks]
    low, middle, high = np.array([_quartiles(one) for one in networks]).T
    axes.fill_between(widths, low, high, color="0.8", label="first to third quartile")
    axes.plot(widths, middle, "o-", color="#b2182b", ms=4, label="median")
    axes.axhline(1e-6, color="black", lw=0.8, ls=":")
    axes.axvline(50, color="black", lw=0.8, ls=":")
    axes.annotate(
        "n = d₀d₁",
        (50, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-3, -10),
        textcoords="offset points",
        ha="right",
        fontsize="small",
    )
    axes.set(yscale="log", xlabel="neurons in the hidden layer", ylabel="cost f where a run ended")
    axes.legend(loc="lower left", fontsize="small")
    return figure


def _quartiles(one: Trained) -> npt.NDArray[np.float64]:
    return np.maximum(np.nanquantile(one.cost, [0.25, 0.5, 0.75]), FLOOR)


def draw_verdicts(findings: Findings) -> Figure:
    """Draw what the ends are, and what they are after going on: a pair of bars for each network.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    depths = findings.layers
    figure = new_figure(9.0, 1.2 + 2.3 * len(depths))
    panels = figure.subplots(len(depths), 1, squeeze=False)[:, 0]
    for panel, layers in zip(panels, depths, strict=True):
        pairs = findings.of(layers)
        places = np.arange(len(pairs))
        for shift, later in ((-0.2, False), (0.2, True)):
            bottom = np.zeros(len(pairs))
            for kind in KINDS:
                share = np.array([one.count(kind, later=later) / len(one.kind) for _, one in pairs])
                hatch = {"edgecolor": "white", "hatch": "////", "linewidth": 0} if later else {}
                panel.bar(places + shift, share, 0.36, bottom=bottom, color=COLOURS[kind], **hatch)
                bottom += share
        panel.set_xticks(places, [str(one.width) for one, _ in pairs])
        words = f"{layers} hidden layer{'s' * (layers > 1)}"
        panel.set(ylim=(0, 1), ylabel="share of the runs", xlabel=f"neurons per hidden layer, {words}")
    figure.suptitle("What the ends are (plain), and what going on leads to (hatched)", fontsize="medium")
    legend_of_kinds(figure, findings, depths)
    return figure


def draw_going_on(findings: Findings) -> Figure:
    """Draw the cost after going on against the cost at the end, a point per run.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    depths = findings.layers
    figure = new_figure(4.0 * len(depths) + 0.5, 4.6)
    panels = figure.subplots(1, len(depths), squeeze=False, sharex=True, sharey=True)[0]
    for panel, layers in zip(panels, depths, strict=True):
        for kind, colour in COLOURS.items():
            x = np.concatenate([one.cost[v.kind == kind] for one, v in findings.of(layers)])
            y = np.concatenate([one.later_cost[v.kind == kind] for one, v in findings.of(layers)])
            panel.plot(np.maximum(x, FLOOR), np.maximum(y, FLOOR), "o", ms=3.5, mew=0, alpha=0.6, color=colour)
        panel.axline((1e-3, 1e-3), (1e-2, 1e-2), color="black", lw=0.7, zorder=0)
        panel.set(xscale="log", yscale="log", aspect="equal", xlabel="cost where the run ended")
        panel.set_title(f"{layers} hidden layer{'s' * (layers > 1)}", fontsize="medium")
    panels[0].set_ylabel(f"cost after {findings.settings.protocol.further} steps more")
    legend_of_kinds(figure, findings, depths)
    return figure
