"""The picture of the theorem: an ensemble of SGD inside the bands that are predicted without running it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.reproduce._kit.figures import new_figure
from etaflow.reproduce._kit.text import count, percent
from etaflow.reproduce.finnoff4.problem import CHOSEN, LAST
from etaflow.reproduce.finnoff4.protocol import BAND

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etaflow.reproduce.finnoff4.findings import Measured

    Array = npt.NDArray[np.float64]

BLUE, DARK, RUN, OUT = "#6baed6", "#08306b", "#555555", "#e6550d"
"""The band, the flow, a run, and a run that ends outside."""

MAIN, SMALL = 30, 10
"""So many runs are in the large panel, and in the small ones."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A number along the training.

    Attributes
    ----------
    words : str
        What it is.
    band : ndarray, shape (3, times + 1)
        Lower end, center and upper end.
    runs : ndarray, shape (runs, steps + 1)
        The runs, at every step.
    ends : ndarray, shape (runs,)
        More runs at the last time.
    flow : ndarray, shape (times + 1,)
        The gradient flow.
    """

    words: str
    band: Array
    runs: Array
    ends: Array
    flow: Array

    def outside(self, values: Array) -> npt.NDArray[np.bool_]:
        """Return which values are outside the band at the last time.

        Returns
        -------
        ndarray of bool
            Of the shape of `values`.
        """
        return np.asarray((values < self.band[0, -1]) | (values > self.band[2, -1]))


def draw_ensemble(one: Measured) -> Figure:
    """Draw runs of SGD inside their predicted bands: a prediction with its law at the end, a weight, and the loss.

    Parameters
    ----------
    one : Measured
        A problem with one input and one output.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure = new_figure(10.0, 5.0)
    axes = figure.subplot_mosaic([["main", "law", "weight"], ["main", "law", "loss"]], width_ratios=(5.2, 1.0, 3.4))
    prediction = _prediction(one)
    _draw(axes["main"], one, prediction, MAIN)
    _draw_law(axes["law"], axes["main"], prediction)
    for name, curve in (("weight", _weight(one)), ("loss", _loss(one))):
        _draw(axes[name], one, curve, SMALL)
        axes[name].set_title(f"{curve.words}: {_share(curve)} in the band", fontsize="small", loc="left")
        axes[name].tick_params(labelsize="small")
    total = count(len(prediction.ends))
    axes["main"].set_title(
        f"{prediction.words}: {_share(prediction)} of {total} runs end in the band", fontsize="small", loc="left"
    )
    axes["weight"].tick_params(labelbottom=False)
    axes["weight"].set_xlabel("")
    axes["loss"].set_yscale("log")
    _plain_numbers(axes["loss"])
    handles, labels = axes["main"].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize="small", frameon=False)
    eta = one.problem.step_sizes[CHOSEN]
    figure.suptitle(
        f"Where SGD will be: runs with step size η = {eta:g} from one start, and the bands predicted from the gradient flow",
        fontsize="medium",
    )
    return figure


def _prediction(one: Measured) -> Curve:
    found, flow = one.coverage, one.problem.flow(one.problem.times)
    widths = found.bands["prediction"][2, -1] - found.bands["prediction"][0, -1]
    place = int(np.argmax(widths[:, 0]))
    return Curve(
        f"prediction h(x, θ) at x = {one.problem.inputs[place, 0]:g}",
        found.bands["prediction"][..., place, 0],
        found.runs["prediction"][..., place, 0],
        found.ends["prediction"][:, place, 0],
        np.asarray(one.problem.objective.net.predict(flow, one.problem.inputs), np.float64)[:, place, 0],
    )


def _weight(one: Measured) -> Curve:
    found, flow = one.coverage, one.problem.flow(one.problem.times)
    place = int(np.argmax(np.abs(flow[-1] - flow[0])))
    band, runs, ends = found.bands["theta"], found.runs["theta"], found.ends["theta"]
    return Curve(
        f"weight θ[{place}]", band[..., place], runs[..., place], ends[:, place], np.asarray(flow[:, place], np.float64)
    )


def _loss(one: Measured) -> Curve:
    found, flow = one.coverage, one.problem.flow(one.problem.times)
    values = np.asarray(one.problem.objective.value(np.ascontiguousarray(flow)), np.float64)
    return Curve("cost f(θ)", found.bands["loss"], found.runs["loss"], found.ends["loss"], values)


def _draw(axes: Axes, one: Measured, curve: Curve, runs: int) -> None:
    times, rows = one.problem.times, curve.runs[:runs]
    at = np.linspace(0, LAST, rows.shape[1])
    axes.fill_between(
        times, curve.band[0], curve.band[2], color=BLUE, alpha=0.45, lw=0, label=f"{percent(BAND)} band, predicted"
    )
    out = curve.outside(rows[:, -1])
    for some, colour, label in ((rows[~out], RUN, "SGD"), (rows[out], OUT, "SGD that ends outside the band")):
        for i, row in enumerate(some):
            axes.plot(at, row, color=colour, lw=0.6, alpha=0.6, label=label if i == 0 else None)
    axes.plot(times, curve.flow, color=DARK, lw=2.2, label="gradient flow")
    axes.set(xlabel="time t = kη after k steps", xlim=(0, LAST))
    axes.spines[["top", "right"]].set_visible(False)


def _draw_law(axes: Axes, beside: Axes, curve: Curve) -> None:
    from scipy.stats import norm  # noqa: PLC0415 - slow to import

    low, center, high = curve.band[:, -1]
    deviation = (high - low) / (2 * norm.isf((1 - BAND) / 2))
    grid = center + deviation * np.linspace(-4.5, 4.5, 200)
    density, edges = np.histogram(curve.ends, bins=grid[::5], density=True)
    axes.axhspan(low, high, color=BLUE, alpha=0.45, lw=0)
    axes.stairs(density, edges, orientation="horizontal", fill=True, color=RUN, alpha=0.5)
    axes.plot(norm.pdf(grid, center, deviation), grid, color=DARK, lw=1.6)
    axes.sharey(beside)
    axes.tick_params(left=False, labelleft=False, bottom=False, labelbottom=False)
    axes.set_xlim(0, None)
    axes.set_xlabel("grey: all runs\nline: predicted", fontsize="small")
    axes.set_title(f"at t = {LAST:g}", fontsize="small")
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def _plain_numbers(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415 - slow, and only figures need it

    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _share(curve: Curve) -> str:
    return percent(1 - curve.outside(curve.ends).mean())
