"""Figures of Theorem 4.1, which the paper has none of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from etaflow.reproduce._kit.figures import new_figure, shades
from etaflow.reproduce._kit.text import percent
from etaflow.reproduce.finnoff4.answers import in_words
from etaflow.reproduce.finnoff4.coverage import ORDERS, QUANTITIES
from etaflow.reproduce.finnoff4.picture import draw_ensemble
from etaflow.reproduce.finnoff4.problem import LAST
from etaflow.reproduce.finnoff4.protocol import BAND, LEVEL
from etaflow.theory.gaussian_limit.comparison import GROUPS

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etaflow.reproduce.finnoff4.findings import Findings, Measured

    Array = npt.NDArray[np.float64]

TITLES = {"1-1": "1-1, linear regression"}
_GRID = np.linspace(-3.5, 3.5, 281)
_DISTANCES = {
    "kolmogorov": ("beside N(0, Σ)", "C0", "o"),
    "kolmogorov_shifted": ("beside N(√η·m, Σ)", "C2", "s"),
}


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
    found = tuple(findings.measured.values())
    if not found:
        return {}
    figures = {
        "figure-covariance": draw_covariances(found),
        "figure-normality": draw_distances(found),
        "figure-distribution": draw_distributions(found),
        "figure-two-times": draw_two_times(found),
        "figure-coverage": draw_coverage(found),
    }
    drawable = [one for one in found if one.problem.inputs.shape[1] == 1]
    if drawable:
        figures["figure-ensemble"] = draw_ensemble(drawable[0])
    if not findings.complete:
        for figure in figures.values():
            figure.text(0.99, 0.01, "PARTIAL", ha="right", va="bottom", color="red", fontsize="small")
    return figures


def draw_covariances(found: tuple[Measured, ...]) -> Figure:
    """Draw the relative error of the covariance against η: of the ensemble, by chance, and without chance.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure, panels = _panels(found, 4.4)
    for panel, one in zip(panels, found, strict=True):
        data, sizes = one.at_the_end.data, one.problem.step_sizes
        floor, high = (float(data[name][-1]) for name in ("covariance_floor", "covariance_floor_high"))
        panel.axhspan(floor, high, color="0.85", lw=0)
        panel.axhline(floor, color="0.45", lw=1, ls=":", label="by chance (grey: up to once in 20 times)")
        panel.plot(sizes, data["covariance_error"], "o", ms=6, color="C0", label="the ensemble's")
        law = one.at_the_end.rates["covariance"]
        _bars(panel, sizes, data["covariance_distance"].values, "C1", "s", f"without chance: η to the {in_words(law)}")
        if law is not None:
            panel.plot(sizes, law.at(sizes), "--", lw=1, color="C1")
        if one.exact is not None:
            panel.plot(sizes, one.exact, "x", ms=8, mew=1.5, color="black", label="exact, not simulated")
        _logarithmic(panel, sizes)
        panel.legend(fontsize="x-small", loc="upper left")
        low, top = panel.get_ylim()
        panel.set_ylim(max(low, floor / 20), 6 * top)
    panels[0].set_ylabel(f"‖Cov Θ − Σ‖ / ‖Σ‖ at t = {LAST:g}")
    figure.suptitle(
        "The covariance of the fluctuations Θ = (SGD − gradient flow)/√η comes near that of the limit law",
        fontsize="medium",
    )
    return figure


def draw_distances(found: tuple[Measured, ...]) -> Figure:
    """Draw sup|F − Φ| of random projections against η, without chance, with the fitted powers.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure, panels = _panels(found, 4.4)
    for panel, one in zip(panels, found, strict=True):
        data, sizes = one.at_the_end.data, one.problem.step_sizes
        for name, (label, colour, mark) in _DISTANCES.items():
            law = one.at_the_end.rates[name]
            _bars(panel, sizes, data[f"{name}_distance"].values, colour, mark, f"{label}: η to the {in_words(law)}")
            if law is not None:
                panel.plot(sizes, law.at(sizes), "--", lw=1, color=colour)
        _logarithmic(panel, sizes)
        panel.legend(fontsize="x-small", loc="upper left")
        panel.set_ylim(max(panel.get_ylim()[0], float(data["kolmogorov_floor"].min()) / 20), 5 * panel.get_ylim()[1])
        for name, (_, colour, _) in _DISTANCES.items():
            _gone(panel, sizes, data[f"{name}_distance"].values, colour)
    panels[0].set_ylabel("sup|F − Φ|, mean over random directions")
    figure.suptitle(
        "How fast projections of Θ become normal: the question of Berry and Esseen. ▼: nothing left without chance",
        fontsize="medium",
    )
    return figure


def draw_distributions(found: tuple[Measured, ...]) -> Figure:
    """Draw F − Φ along the direction of the largest fluctuations for every step size.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    from scipy.special import ndtr  # noqa: PLC0415 - slow to import

    figure, panels = _panels(found, 4.0)
    for panel, one in zip(panels, found, strict=True):
        modes = one.limit.law.modes(1)
        direction = modes.direction[0] / np.sqrt(modes.variance[0])
        direction = direction * np.sign(direction @ one.limit.shift)
        width = 1.3581 / np.sqrt(one.runs)  # Kolmogorov's distribution: 95 %
        panel.axhspan(-width, width, color="0.85", lw=0, label=f"a normal sample, {percent(LEVEL)}")
        for eta, ensemble, shade in zip(one.problem.step_sizes, one.ensembles, shades(len(one.ensembles)), strict=True):
            values = np.sort(ensemble.ends[np.isfinite(ensemble.ends[:, 0])] @ direction)
            law = np.searchsorted(values, _GRID, side="right") / len(values)
            panel.plot(_GRID, law - ndtr(_GRID), color=shade, lw=1.4, label=f"η = {eta:g}")
        panel.set_xlabel("standard deviations of the limit law")
        panel.set_ylim(1.3 * panel.get_ylim()[0], None)
        panel.legend(fontsize="x-small", loc="lower left")
    panels[0].set_ylabel("F − Φ along the direction of largest variance")
    figure.suptitle("The distribution function of a projection of Θ, minus that of N(0, 1)", fontsize="medium")
    return figure


def draw_two_times(found: tuple[Measured, ...]) -> Figure:
    """Draw the traces of Cov Θ(s) and of Cov(Θ(t), Θ(s)) against s beside the limit's.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure, rows = _rows_of_panels(found, 2, 6.6)
    for column, one in zip(rows.T, found, strict=True):
        expected = {"squares": one.limit.law.trace, "products": np.einsum("tii->t", one.limit.two_times)}
        for panel, (name, values) in zip(column, expected.items(), strict=True):
            panel.plot(one.problem.times, values, color="black", lw=1.4, label="limit law")
            for place, mark, colour in ((0, "^", "C1"), (-1, "o", "C0")):
                label = f"SGD, η = {one.problem.step_sizes[place]:g}"
                _points(panel, one.problem.times, getattr(one.ensembles[place], name), mark, colour, label)
            panel.set_ylim(0, 1.3 * panel.get_ylim()[1])  # for the legend
            panel.legend(fontsize="x-small", loc="upper left")
        column[1].set_xlabel("s")
    rows[0, 0].set_ylabel("E‖Θ(s)‖², trace of Σ(s)")
    rows[1, 0].set_ylabel(f"E⟨Θ({LAST:g}), Θ(s)⟩, trace of Φ({LAST:g}, s)Σ(s)")
    figure.suptitle("Fluctuations at one time and at two, mean removed, beside the limit law", fontsize="medium")
    return figure


def draw_coverage(found: tuple[Measured, ...]) -> Figure:
    """Draw the share of runs within the predicted bands against η, a row of panels per quantity.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure, rows = _rows_of_panels(found, len(QUANTITIES), 7.6, sharey="row")
    for row, (word, name) in zip(rows, QUANTITIES.items(), strict=True):
        for panel, one in zip(row, found, strict=True):
            sizes = one.problem.step_sizes
            for order, colour, shift in zip(ORDERS, ("C0", "C1"), (0.96, 1.04), strict=True):
                middle = np.array([one.coverage.mean(word, order, i) for i in range(len(sizes))])
                label = "around the flow, as in the paper" if order == 1 else "moved by the mean of Θ"
                panel.vlines(shift * sizes, *one.coverage.extremes[word][order - 1].T, color=colour, alpha=0.3, lw=5)
                panel.plot(shift * sizes, middle, "o", ms=5, color=colour, label=label)
            panel.axhline(BAND, color="black", lw=0.8, ls=":")
            _logarithmic(panel, sizes, vertical=False)
            panel.set_xlabel("step size η" if word == "loss" else "")
        row[0].set_ylabel(name)
    figure.supylabel("share of the runs within the band", fontsize="medium")
    handles, labels = rows[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize="small", frameon=False)
    figure.suptitle(
        f"How many runs are within the predicted bands of {percent(BAND)}: means over numbers and times (points), and from the least to the most (bars)",
        fontsize="medium",
    )
    return figure


def _panels(found: tuple[Measured, ...], height: float) -> tuple[Figure, list[Axes]]:
    figure, rows = _rows_of_panels(found, 1, height)
    return figure, list(rows[0])


def _rows_of_panels(
    found: tuple[Measured, ...], rows: int, height: float, *, sharey: Literal["none", "row"] = "none"
) -> tuple[Figure, npt.NDArray[Any]]:
    figure = new_figure(1.2 + 3.7 * len(found), height)
    panels = figure.subplots(rows, len(found), squeeze=False, sharex="col", sharey=sharey)
    for panel, one in zip(panels[0], found, strict=True):
        panel.set_title(TITLES.get(one.name, one.name), fontsize="medium")
    return figure, panels


def _bars(panel: Axes, sizes: Array, estimates: Array, colour: str, mark: str, label: str) -> None:
    value, low, high = estimates.T
    there = value > 0
    error = np.stack([value - low, high - value]).clip(min=0)[:, there]
    panel.errorbar(sizes[there], value[there], error, fmt=mark, ms=4.5, lw=1, capsize=2, color=colour, label=label)


def _gone(panel: Axes, sizes: Array, estimates: Array, colour: str) -> None:
    gone = sizes[estimates[:, 0] <= 0]  # a logarithmic axis has no place for them
    panel.plot(gone, np.full(len(gone), 1.15 * panel.get_ylim()[0]), "v", ms=6, color=colour)


def _points(panel: Axes, times: Array, groups: Array, mark: str, colour: str, label: str) -> None:
    some = slice(2, None, 4)
    mean, error = groups.mean(axis=0)[some], groups.std(axis=0, ddof=1)[some] / np.sqrt(GROUPS)
    style: dict[str, Any] = {"fmt": mark, "ms": 4, "lw": 1, "capsize": 2, "color": colour, "label": label}
    panel.errorbar(times[some], mean, 2 * error, **style)


def _logarithmic(panel: Axes, sizes: Array, *, vertical: bool = True) -> None:
    panel.set(xscale="log", xlabel="step size η")
    if vertical:
        panel.set_yscale("log")
    panel.set_xticks(sizes, [f"{size:g}" for size in sizes])
    panel.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
