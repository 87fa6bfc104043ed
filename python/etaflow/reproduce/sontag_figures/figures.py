"""The paper's five figures, and the diagram of minima."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow.reproduce._kit.figures import new_figure
from etaflow.reproduce.sontag_figures.cases import GRID

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etaflow.reproduce.sontag_figures.cases import Case
    from etaflow.reproduce.sontag_figures.findings import Findings

    Array = npt.NDArray[np.float64]

_BLUE, _RED, _GREEN, _GREY = "#1f5fa8", "#b2182b", "#2a7f3f", "#777777"
_REACH = 3.0
_TICKS = (-1.0, -0.5, 0.0, 0.5, 1.0)
_DIAGRAM_TICKS = (-300, -30, -3, 0, 3, 30, 300)
_INFINITY = float(np.arcsinh(3000))
"""Where the diagram of minima has infinity."""


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
    figures = {
        "figure-1": draw_error(findings.case2, "Figure 1: E in case 2"),
        "figure-2": draw_error(findings.case3, "Figure 2: E in case 3"),
        "figure-3": draw_image(findings.case2, "Figure 3: the image T𝒱 in case 2"),
        "figure-4": draw_image(findings.case3, "Figure 4: the image T𝒱 in case 3"),
    }
    if "weights" in findings.parts:
        figures["figure-5"] = draw_statistic(findings)
    if "diagram-arctan" in findings.parts:
        figures["figure-diagram"] = draw_diagram(findings)
    if not findings.complete:
        for figure in figures.values():
            figure.text(0.99, 0.01, "PARTIAL", ha="right", va="bottom", color="red", fontsize="small")
    return figures


def draw_error(one: Case, title: str) -> Figure:
    """Draw E against x, with its minima; an arrow points to a minimum at infinity.

    Parameters
    ----------
    one : Case
        The case.
    title : str
        Above the axes.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure = new_figure(6.4, 4.2)
    axes = figure.subplots()
    axes.plot(GRID, one.errors, color=_BLUE, lw=1.8)
    for point in one.finite:
        words = f"minimum {point.value:.3f}\nat x = {_number(point.x[0])}"
        _mark(axes, (float(point.x[0]), point.value), "o", _GREEN, words, (-8, -2), "right", "top")
    for place in one.maxima:
        value = float(one.problem.error([place]))
        _mark(axes, (place, value), "^", _RED, f"maximum at x = {_number(place)}", (6, 8), "left", "bottom")
    for point in one.infinite:
        way = 1 if point.image[0] > 0 else -1
        axes.axhline(point.value, color=_GREEN, lw=0.8, ls="--")
        words = f"minimum {point.value:g} at x = {'+' if way > 0 else '−'}∞"
        shift = 8 if point.value < 1 else -8
        where = ("right" if way > 0 else "left", "bottom" if shift > 0 else "top")
        _mark(axes, (way * _REACH, point.value), "", _GREEN, words, (-6 * way, shift), *where)
    axes.set(
        xlim=(-_REACH, _REACH),
        ylim=(-0.35, max(float(one.errors.max()), 4) * 1.12),
        xlabel="x",
        ylabel="E(x) = ‖e − TAx‖²",
    )
    sign = "" if one.number == 2 else "−"
    axes.set_title(f"{title}, 𝒱 = span (1, {sign}{one.a:g}), θ = tanh".replace("𝒱", "V"), fontsize="medium")
    axes.grid(visible=True, lw=0.4, alpha=0.5)
    return figure


def _mark(
    axes: Axes,
    place: tuple[float, float],
    mark: str,
    colour: str,
    words: str,
    shift: tuple[float, float],
    ha: str,
    va: str,
) -> None:
    axes.plot(*place, mark, color=colour)
    axes.annotate(words, place, shift, textcoords="offset points", ha=ha, va=va, color=colour, fontsize="small")


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def draw_image(one: Case, title: str) -> Figure:
    """Draw the curve of outputs in the square, the target e, and the circle around it that the curve touches.

    Parameters
    ----------
    one : Case
        The case.
    title : str
        Above the axes.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    from matplotlib.patches import Circle  # noqa: PLC0415 - slow, and only figures need it

    figure = new_figure(5.4, 5.2)
    axes = figure.subplots()
    curve = one.image
    axes.plot(*curve.T, color=_BLUE, lw=1.8, label="outputs (θ(a₁x), θ(a₂x))")
    axes.plot(*curve[[0, -1]].T, "o", mfc="white", color=_BLUE, label="limits at x = ±∞")
    axes.plot(1, 1, "*", color="black", ms=13, label="target e = (1, 1)", clip_on=False, zorder=5)
    for k, point in enumerate(one.found.points):
        label = "local minima of the distance" if k == 0 else None
        ring = {"ms": 14, "mfc": "none"} if point.distance == 0 else {"ms": 7}
        axes.plot(*point.image, "o", color=_GREEN, label=label, clip_on=False, zorder=4, **ring)
        if point.distance > 0:
            axes.plot([1, point.image[0]], [1, point.image[1]], color=_GREEN, lw=0.9, ls=":")
            axes.add_patch(Circle((1, 1), point.distance, fill=False, ec=_GREY, lw=0.7, ls="--"))
    axes.set(xlim=(-1.12, 1.12), ylim=(-1.12, 1.12), aspect="equal", xlabel="first output", ylabel="second output")
    axes.set(xticks=_TICKS, yticks=_TICKS)
    axes.plot([-1, 1, 1, -1, -1], [-1, -1, 1, 1, -1], color=_GREY, lw=0.6)
    axes.set_title(f"{title}".replace("𝒱", "V") + f"; distance to e: {one.found.distance:.4g}", fontsize="medium")
    figure.legend(loc="outside lower center", ncols=2, fontsize="small", frameon=False)
    return figure


def draw_statistic(findings: Findings) -> Figure:
    """Draw t·[w(t+1) − w(t)]: for all weights of one run that has learnt XOR, and for the smallest margins of all runs that have.

    Parameters
    ----------
    findings : Findings
        With the part ``weights``.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    part, solved = findings.parts["weights"], findings.solved
    run = int(np.argmax(solved))
    figure = new_figure(10.4, 4.4)
    left, right = figure.subplots(1, 2)
    hidden = findings.settings.protocol.hidden
    inner = 3 * hidden
    for k, values in enumerate(part["statistic"][run].T):
        colour = _BLUE if k < inner else _RED
        left.plot(
            part["t"],
            values,
            color=colour,
            lw=1.1,
            alpha=0.8,
            label={0: "weights of the hidden layer", inner: "weights of the output unit"}.get(k),
        )
    left.set(xscale="log", xlabel="step t", ylabel="t·[w(t+1) − w(t)]")
    _frame(left, part["statistic"][run])
    left.set_title(f"Figure 5: every weight of one run on XOR (start {run + 1})", fontsize="medium")
    left.legend(fontsize="small", loc="upper left")
    for values in part["margins"][solved]:
        right.plot(part["t"], values.min(axis=1), color=_BLUE, lw=0.7, alpha=0.5)
    right.axhline(0.25, color="black", lw=0.9, ls="--", label="1/4")
    right.axhline(0.5, color=_GREY, lw=0.9, ls=":", label="1/2, as printed")
    right.set(xscale="log", xlabel="step t", ylabel="t·[margin(t+1) − margin(t)]", ylim=(-0.6, 1.2))
    right.set_title(f"the slowest margin of all {int(solved.sum())} runs that learn XOR", fontsize="medium")
    right.legend(fontsize="small", loc="upper left")
    for axes in (left, right):
        axes.grid(visible=True, lw=0.4, alpha=0.5)
    return figure


def _frame(axes: Axes, values: Array) -> None:
    late = values[len(values) // 2 :]
    reach = max(2.5 * float(np.abs(late).max()), 0.1)
    axes.set_ylim(-reach, reach)


def draw_diagram(findings: Findings) -> Figure:
    """Draw all minima and maxima of case 3 against a, one panel for each sigmoid.

    Parameters
    ----------
    findings : Findings
        With both diagrams.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure = new_figure(10.4, 4.6)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, theta in zip(panels, ("tanh", "arctan"), strict=True):
        part = findings.parts[f"diagram-{theta}"]
        for name, mark, colour in (("minimum", "o", _GREEN), ("maximum", "^", _RED)):
            a = np.repeat(part["a"], part[name].shape[1])
            axes.plot(a, np.arcsinh(part[name].ravel()), mark, ms=3.2, color=colour, label=f"{name} at finite x")
        for side, sign in (("right", 1), ("left", -1)):
            there = part["a"][part[side]]
            label = "minimum at ±∞" if sign > 0 else None
            axes.plot(there, np.full(len(there), sign * _INFINITY), "s", ms=3.2, color=_BLUE, label=label)
        folds = [*part["fold"][:1], *(1 / part["fold"][:1])]  # x → −x/a makes the problem of a that of 1/a
        for end in (*part["threshold_left"][:1], *part["threshold_right"][:1], *folds):
            axes.axvline(end, color=_GREY, lw=0.8, ls="--")
            axes.annotate(f" {end:.5g}", (end, 0.02), xycoords=("data", "axes fraction"), fontsize="small", color=_GREY)
        labels = ["−∞", *(f"{tick:g}".replace("-", "−") for tick in _DIAGRAM_TICKS), "+∞"]
        axes.set_yticks([-_INFINITY, *np.arcsinh(_DIAGRAM_TICKS), _INFINITY], labels)
        axes.set(xscale="log", xlabel="a", ylim=(-_INFINITY - 1.2, _INFINITY + 0.6))
        axes.set_title(f"θ = {theta}", fontsize="medium")
        axes.grid(visible=True, lw=0.4, alpha=0.5)
    panels[0].set_ylabel("x")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small", frameon=False)
    figure.suptitle("All local minima and maxima of E(x) = (1 − θ(x))² + (1 + θ(ax))²", fontsize="medium")
    return figure
