"""Figures 5.7, 5.8 and 5.9 of the thesis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.reproduce._kit.figures import new_figure
from etaflow.reproduce._kit.text import count
from etaflow.reproduce.fleischmann53.problem import DIGITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etaflow.reproduce.fleischmann53.problem import Problem
    from etaflow.reproduce.fleischmann53.sweeps import Sweep
    from etaflow.theory.rates import PowerLaw

SAMPLES = 8
"""Images of each digit in figure 5.7."""

_X_LABELS = {"step size": "step size α", "batch size": "1 / mini-batch size, 1/|B|"}


def draw_samples(problem: Problem) -> Figure:
    """Draw the first images of both digits, and what is left of them if they were averaged (figure 5.7), with more contrast.

    Parameters
    ----------
    problem : Problem
        The images.

    Returns
    -------
    matplotlib.figure.Figure
        A row of images for each digit, or two.
    """
    given, seen, label = problem.originals, problem.images, problem.labels
    kinds = [given] if given.shape == seen.shape else [given, seen]
    rows = [(place, images) for place in range(len(DIGITS)) for images in kinds]
    figure = new_figure(8.0, 1.0 * len(rows) + 0.6)
    grid = figure.subplots(len(rows), SAMPLES, squeeze=False)
    for axes, (place, images) in zip(grid, rows, strict=True):
        shown = images[label == place][:SAMPLES]
        low, high = (0.0, 1.0) if images is given else (float(seen.min()), float(seen.max()))
        for one, image in zip(axes, shown, strict=False):
            one.imshow(image, cmap="gray", vmin=low, vmax=high)
        for one in axes:
            one.set(xticks=[], yticks=[])
        side = images.shape[1]
        scale = "" if images is given else f"\n{low:.2f} … {high:.2f}"
        axes[0].set_ylabel(f"{DIGITS[place]}: y = {place}\n{side} × {side}{scale}", fontsize="small")
    figure.suptitle(f"{problem.objective.n} images: {problem.words}", fontsize="small")
    return figure


def draw_sweep(sweep: Sweep, law: PowerLaw | None, axes: Axes, *, steps: int, logarithmic: bool) -> Axes:
    """Draw every run as a dot, the means as joined squares, and the fitted power law (figures 5.8 and 5.9).

    Parameters
    ----------
    sweep : Sweep
        The runs.
    law : PowerLaw or None
        The fit.
    axes : matplotlib.axes.Axes
        Where to draw.
    steps : int
        K.
    logarithmic : bool
        Whether both axes are logarithmic.

    Returns
    -------
    matplotlib.axes.Axes
        `axes`.
    """
    x = sweep.x
    for place, setting in zip(x, sweep.settings, strict=True):
        first = place == x[0]
        label = "one run" if first else None
        axes.plot(
            np.full(setting.finished.size, place), setting.finished, ".", color="black", ms=4, alpha=0.7, label=label
        )
    axes.plot(x, sweep.means, "s-", color="red", ms=6, lw=1.2, label="mean of the runs", zorder=3)
    if law is not None:
        fine = np.geomspace(x.min(), x.max(), 200)
        axes.plot(fine, law.at(fine), "--", color="C0", lw=1.5, label=_words(law), zorder=4)
    if logarithmic:
        axes.set(xscale="log", yscale="log")
        _plain_ticks(axes, x)
        _at_least_a_decade(axes)
    else:
        axes.set_xlim(0, 1.05 * x.max())
        axes.set_ylim(0, 1.08 * max(one.finished.max(initial=0) for one in sweep.settings))
        axes.ticklabel_format(axis="both", style="sci", scilimits=(-2, 3), useMathText=True)
    axes.set_xlabel(_X_LABELS[sweep.name])
    axes.set_ylabel(f"mean of ‖∇f(θₖ)‖² over k = 1 … {count(steps)}")
    axes.legend(fontsize="small")
    return axes


def draw_figures(
    problem: Problem, sweeps: tuple[Sweep, ...], laws: tuple[PowerLaw | None, ...], *, steps: int, partial: bool
) -> dict[str, Figure]:
    """Draw all figures that there are runs for.

    Parameters
    ----------
    problem : Problem
        The images.
    sweeps : tuple of Sweep
        The sweep of step sizes and the sweep of mini-batch sizes.
    laws : tuple of PowerLaw or None
        Their fits.
    steps : int
        K.
    partial : bool
        Whether runs are missing.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        By the name of the file.
    """
    figures = {"figure-5.7": draw_samples(problem)}
    for name, sweep, law in zip(("figure-5.8", "figure-5.9"), sweeps, laws, strict=True):
        if any(setting.finished.size for setting in sweep.settings):
            figure = new_figure(6.4, 4.6)
            batches = sweep.name == "batch size"
            axes = draw_sweep(sweep, law, figure.subplots(), steps=steps, logarithmic=batches)
            axes.set_title(_title(sweep, partial=partial), fontsize="medium")
            figures[name] = figure
    return figures


def _title(sweep: Sweep, *, partial: bool) -> str:
    first = sweep.settings[0]
    what = "SGD, mini-batches of 1" if sweep.name == "step size" else f"mini-batch SGD, α = {first.step_size:g}"
    counts = {setting.finished.size for setting in sweep.settings}
    many = f"{min(counts)}" if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
    return f"{what}: {many} runs per setting" + (" (PARTIAL)" if partial else "")


def _words(law: PowerLaw) -> str:
    level = f"{100 * law.level:g} %"
    return f"power law, slope {law.slope:.3f} ({level}: {law.low:.3f} … {law.high:.3f})"


def _plain_ticks(axes: Axes, x: Any) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: PLC0415 - as above

    axes.xaxis.set_major_locator(FixedLocator(x))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: "1" if value > 0.999 else f"1/{1 / value:.0f}"))


def _at_least_a_decade(axes: Axes) -> None:
    low, high = axes.get_ylim()
    if high < 10 * low:  # a slope of next to nothing should look like that
        middle = np.sqrt(low * high)
        axes.set_ylim(middle / np.sqrt(10), middle * np.sqrt(10))
