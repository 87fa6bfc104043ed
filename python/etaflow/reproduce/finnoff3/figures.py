"""Figures of Theorem 3.2, which the paper has none of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.reproduce._kit.figures import new_figure, shades
from etaflow.reproduce.finnoff3.measured import PLACES
from etaflow.reproduce.finnoff3.others import LIMIT
from etaflow.reproduce.finnoff3.panels import (
    draw_law,
    draw_points,
    draw_tail,
    legend_below,
    ticks_at,
    with_slope,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etaflow.reproduce.finnoff3.findings import Findings
    from etaflow.reproduce.finnoff3.measured import Measured
    from etaflow.reproduce.finnoff3.others import Others

DIFFERENCES = {
    "loss": "size of the difference of the losses",
    "predictions": "root mean square difference of predictions",
}
TITLES = {"1-2-1": "1-2-1", "10-10-1": "10-10-1", "saddle": "1-1-1 from near a saddle"}


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
    if findings.measured:
        figures["figure-rate"] = draw_rates(findings)
        figures["figure-constant"] = draw_constants(findings)
        figures["figure-tail"] = draw_tails(findings)
    if findings.limits:
        figures["figure-limit"] = draw_limit(findings)
    if findings.batch is not None:
        figures["figure-batch"] = draw_batch(findings)
    if not findings.complete:
        for figure in figures.values():
            figure.text(0.99, 0.01, "PARTIAL", ha="right", va="bottom", color="red", fontsize="small")
    return figures


def draw_rates(findings: Findings) -> Figure:
    """Draw E sup² against η with its parts and the fitted powers, a panel per problem.

    Parameters
    ----------
    findings : Findings
        With at least one problem.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure, panels = _panels(findings, height=5.0)
    for panel, one in zip(panels, findings.measured.values(), strict=True):
        ends, sizes = one.data.isel(time=-1), one.problem.step_sizes
        for name, label, law, colour, style in (
            ("mean_sup2", "SGD − flow", one.power, "C0", {"ms": 9, "mfc": "none"}),
            ("sampling_mean_sup2", "SGD − gradient descent", one.sampling_power, "C1", {"ms": 4}),
        ):
            values = [ends[f"{name}{end}"].values for end in ("", "_low", "_high")]
            draw_points(panel, sizes, values, with_slope(label, law), color=colour, **style)
            draw_law(panel, sizes, law, colour)
        label = with_slope("gradient descent − flow", one.euler_power, 2)
        panel.plot(sizes, ends["euler_sup"].values ** 2, "^", ms=5, color="C2", label=label)
        draw_law(panel, sizes, one.euler_power, "C2", 2)
        panel.set(xscale="log", yscale="log", xlabel="step size η")
        ticks_at(panel, sizes)
        legend_below(panel)
    panels[0].set_ylabel("E sup² of the difference up to t")
    figure.suptitle("How far SGD strays from the gradient flow: E sup² and its two parts", fontsize="medium")
    return figure


def draw_constants(findings: Findings) -> Figure:
    """Draw B̂_r against r for every step size, a panel per problem.

    Parameters
    ----------
    findings : Findings
        With at least one problem.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure, panels = _panels(findings, height=4.6)
    for panel, one in zip(panels, findings.measured.values(), strict=True):
        times = one.data["time"].values
        for i, (eta, shade) in enumerate(zip(one.problem.step_sizes, shades(len(one.problem.step_sizes)), strict=True)):
            low, high = (one.data[f"constant_{end}"].values[i] for end in ("low", "high"))
            panel.plot(times, one.data["constant"].values[i], color=shade, lw=1.4, label=f"η = {eta:g}")
            panel.fill_between(times, low, high, color=shade, alpha=0.2, lw=0)
        panel.set(xlabel="r")
        if one.problem.name == "saddle":
            _draw_instability(panel, one)
        else:
            panel.set_ylim(0, None)
        legend_below(panel, columns=3)
    panels[0].set_ylabel("B = E sup² up to r, divided by η")
    figure.suptitle(
        "The constant B of Theorem 3.2 against r, measured at each η, with intervals of 95 %", fontsize="medium"
    )
    return figure


def _draw_instability(panel: Axes, one: Measured) -> None:
    rate, times = 2 * one.problem.instability, one.data["time"].values
    begin, end = PLACES[1], PLACES[3]
    line = times[begin : end + 1]
    level = 3 * float(one.data["constant"][-1, begin]) * np.exp(rate * (line - line[0]))
    panel.plot(line, level, "k:", lw=1.2, label=f"∝ exp({rate:.2g}·r)")
    panel.set_yscale("log")


def draw_tails(findings: Findings) -> Figure:
    """Draw P(sup > δ) beside the theorem's bound, a panel per problem.

    Parameters
    ----------
    findings : Findings
        With at least one problem.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure, panels = _panels(findings, height=4.8)
    for panel, one in zip(panels, findings.measured.values(), strict=True):
        draw_tail(panel, one.data)
        legend_below(panel, columns=3)
    panels[0].set_ylabel("P(sup ‖SGD − flow‖ > δ)")
    figure.suptitle("The tail of the supremum, and the bound of Theorem 3.2 ii) with one measured B", fontsize="medium")
    return figure


def draw_limit(findings: Findings) -> Figure:
    """Draw B̂_t against η beside the limit law, and how much it moves for other seeds.

    Parameters
    ----------
    findings : Findings
        With at least one limit law.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    count = len(findings.limits) + (findings.others is not None)
    figure = new_figure(max(4.4 * count, 5.0), 4.4)
    panels = figure.subplots(1, count, squeeze=False)[0]
    for panel, (name, limit) in zip(panels, findings.limits.items(), strict=False):
        one = findings.measured[name]
        ends, sizes = one.data.isel(time=-1), one.problem.step_sizes
        measured = [ends[f"constant{end}"].values for end in ("", "_low", "_high")]
        draw_points(panel, sizes * 0.97, measured, "SGD")
        draw_points(
            panel,
            sizes * 1.03,
            [limit.mean, limit.low, limit.high],
            "limit law, looked at as often",
            fmt="D",
        )
        top = 1.05 * max(np.nanmax(measured), limit.high.max())
        panel.set(xscale="log", xlabel="step size η", ylim=(0, top))
        panel.set_title(f"{TITLES[name]}, t = {one.problem.t:g}", fontsize="medium")
        ticks_at(panel, sizes)
        panel.legend(fontsize="small", loc="lower left")
    panels[0].set_ylabel("B = E sup² up to t, divided by η")
    if findings.others is not None:
        _draw_others(panels[-1], findings.measured["1-2-1"], findings.others)
    figure.suptitle(
        "What B tends to as η → 0, and how much it moves on other data and from other starts", fontsize="medium"
    )
    return figure


def _draw_others(panel: Axes, one: Measured, others: Others) -> None:
    moved, sizes = np.sort(100 * others.moved), one.problem.step_sizes
    panel.axhspan(-100 * LIMIT, 100 * LIMIT, color="C2", alpha=0.12, lw=0, label=f"less than {100 * LIMIT:.0f} %")
    panel.plot(np.arange(1, len(moved) + 1), moved, "o", ms=4, color="C0", label="other data and another start")
    value, low, high = (100 * number for number in one.moved)
    panel.axhline(value, color="C3", lw=1, label="this job's own, with interval")
    panel.axhspan(low, high, color="C3", alpha=0.15, lw=0)
    panel.set(xlabel="cases, in order", ylabel=f"change of B from η = {sizes[-1]:g} to η = {sizes[0]:g}, %")
    panel.locator_params(axis="x", integer=True)
    panel.set_title("1-2-1, other data and starts", fontsize="medium")
    panel.legend(fontsize="small", loc="lower right")


def draw_batch(findings: Findings) -> Figure:
    """Draw how far SGD ends from batch training, against η.

    Parameters
    ----------
    findings : Findings
        With the comparison.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    assert findings.batch is not None
    figure = new_figure(9.0, 4.2)
    panels = figure.subplots(1, len(findings.batch.comparisons))
    for panel, (name, one) in zip(panels, findings.batch.comparisons.items(), strict=True):
        sizes = one.data["step_size"].values
        values = [one.data[f"mean{end}"].values for end in ("", "_low", "_high")]
        draw_points(panel, sizes, values, with_slope("mean of the runs", one.power))
        draw_law(panel, sizes, one.power, "C0")
        panel.axhline(one.tolerance, color="C3", lw=1, label="tolerance")
        left, right = sizes.min() / 1.5, sizes.max() * 1.5
        if np.isfinite(one.threshold):
            panel.axvspan(left, one.threshold * 1.2, color="C2", alpha=0.12, lw=0, label="tested as the same")
        panel.set(xscale="log", yscale="log", xlabel="step size η", xlim=(left, right))
        panel.set_title(DIFFERENCES[name], fontsize="medium")
        ticks_at(panel, sizes)
        panel.legend(fontsize="small", loc="lower right")
    figure.suptitle("SGD beside batch training with the same step size and time, network 1-2-1", fontsize="medium")
    return figure


def _panels(findings: Findings, height: float) -> tuple[Figure, Any]:
    count = len(findings.measured)
    figure = new_figure(max(4.4 * count, 5.0), height)
    panels = figure.subplots(1, count, squeeze=False)[0]
    for panel, one in zip(panels, findings.measured.values(), strict=True):
        panel.set_title(f"{TITLES[one.problem.name]}, t = {one.problem.t:g}", fontsize="medium")
    return figure, panels
