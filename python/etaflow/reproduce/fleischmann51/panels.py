"""What the figures are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.reproduce.fleischmann51.problem import density
from etaflow.reproduce.fleischmann51.verdicts import KINDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etaflow.reproduce.fleischmann51.findings import Findings
    from etaflow.reproduce.fleischmann51.problem import Problem
    from etaflow.reproduce.fleischmann51.training import Trained
    from etaflow.reproduce.fleischmann51.verdicts import Verdicts

COLOURS = {
    "minimum": "#2166ac",
    "kink": "#67a9cf",
    "infinity": "#4dac26",
    "ray": "#b8e186",
    "falling": "#d6604d",
    "undecided": "#b0b0b0",
    "diverged": "#000000",
}
CLASSES = {1: ("#b2182b", "o", "y = 1"), 0: ("#2166ac", "s", "y = 0")}
RANGE = 2.5
"""The plane is drawn up to here on all sides."""

PIXELS = 201
JITTER = 0.16


def draw_points(panel: Axes, problem: Problem, *, small: bool = False) -> None:
    """Draw the training set."""
    for label, (colour, mark, _) in CLASSES.items():
        some = problem.y == label
        size = 2.5 if small else 4.5
        panel.plot(*problem.x[some].T, mark, ms=size, mew=0.4, color=colour, mec="white", label=CLASSES[label][2])
    panel.set(xlim=(-RANGE, RANGE), ylim=(-RANGE, RANGE), aspect="equal", xlabel="x₁")
    place = panel.get_subplotspec()
    if place is None or place.is_first_col():
        panel.set_ylabel("x₂")


def draw_densities(panel: Axes) -> None:
    """Draw the densities of both classes as lines of equal height."""
    grid, points = _plane()
    for heights, label in zip(density(points), (1, 0), strict=True):
        colour = CLASSES[label][0]
        levels = heights.max() * np.array([0.1, 0.3, 0.5, 0.7, 0.9])
        shape = heights.reshape(PIXELS, PIXELS)
        panel.contourf(grid, grid, shape, levels=[*levels, 2 * heights.max()], colors=colour, alpha=0.18)
        panel.contour(grid, grid, shape, levels=levels, colors=colour, linewidths=0.8)
    panel.set(xlabel="x₁", aspect="equal")


def draw_classes(figure: Figure) -> None:
    """Put the legend of the classes below a figure."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize="small", frameon=False)


def draw_prediction(panel: Axes, problem: Problem, trained: Trained, run: int) -> Any:
    """Draw what a network predicts in the plane.

    Returns
    -------
    matplotlib.contour.QuadContourSet
        For a colour bar.
    """
    grid, points = _plane()
    net = problem.objective(trained.layers, trained.width).net
    shown = net.predict(trained.theta[run], points).reshape(PIXELS, PIXELS)
    return panel.contourf(grid, grid, shown, levels=np.linspace(0, 1, 11), cmap="RdBu_r", alpha=0.6)


def draw_boxes(panel: Axes, pairs: tuple[tuple[Trained, Verdicts], ...], linear: float) -> None:
    """Draw a box plot of the costs for each width, and every run as a point in the colour of its verdict."""
    finite = [one.cost[np.isfinite(one.cost)] for one, _ in pairs]
    places = np.arange(len(pairs))
    panel.boxplot(
        finite,
        positions=places,
        widths=0.6,
        showfliers=False,
        boxprops={"color": "0.4"},
        medianprops={"color": "black"},
        whiskerprops={"color": "0.4"},
        capprops={"color": "0.4"},
    )
    generator = np.random.default_rng(0)
    for place, (one, verdict) in zip(places, pairs, strict=True):
        beside = place + generator.uniform(-JITTER, JITTER, len(one.cost))
        for kind, colour in COLOURS.items():
            some = verdict.kind == kind
            panel.plot(beside[some], one.cost[some], "o", ms=3.5, mew=0, alpha=0.75, color=colour)
    panel.set_xticks(places, [str(one.width) for one, _ in pairs])
    highest = max(float(one.max()) for one in finite)
    panel.set_ylim(-0.02, 1.06 * max(highest, linear))


def legend_of_kinds(figure: Figure, findings: Findings, depths: tuple[int, ...]) -> None:
    """Explain the colours of the verdicts that occur below a figure."""
    from matplotlib.patches import Patch  # noqa: PLC0415 - slow, and only figures need it

    seen = [
        kind
        for kind in KINDS
        if any(findings.count(kind, layers=layers, later=later) for layers in depths for later in (False, True))
    ]
    patches = [Patch(color=COLOURS[kind], label=KINDS[kind]) for kind in seen]
    figure.legend(handles=patches, loc="outside lower center", ncols=2, fontsize="small", frameon=False)


def _plane() -> tuple[Any, Any]:
    grid = np.linspace(-RANGE, RANGE, PIXELS)
    return grid, np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
