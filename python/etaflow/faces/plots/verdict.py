"""The evidence of a verdict: the Hessian's spectrum, and the loss along the way down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow.faces.plots.axes import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from etaflow.landscape.verdict.result import Verdict

SIGNS = (("negative", "C3", -1), ("zero", "0.5", 0), ("positive", "C0", 1))


def spectrum(verdict: Verdict, *, ax: Axes | None = None) -> Axes:
    """Draw the eigenvalues of the Hessian in ascending order, on a scale that is linear below what counts as zero.

    Parameters
    ----------
    verdict : Verdict
        What `etaflow.classify` returned.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; negative, zero and positive eigenvalues are in different colours, with their numbers in the legend.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1.0]], [3.0])
    >>> ax = ef.plots.spectrum(ef.classify(f, [0.0, 0.0]))
    >>> ax.get_legend_handles_labels()[1]
    ['1 negative', '1 positive']
    """
    axes = new_axes() if ax is None else ax
    values, zero = np.asarray(verdict.eigenvalues, np.float64), verdict.eigenvalue_zero
    signs = np.where(np.abs(values) <= zero, 0, np.sign(values))
    places = np.arange(1, len(values) + 1)
    for name, color, sign in SIGNS:
        chosen = signs == sign
        if chosen.any():
            label = f"{chosen.sum()} {name}"
            axes.plot(places[chosen], values[chosen], "o", markersize=4, color=color, label=label)
    largest = float(np.abs(values).max())
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.axhspan(-zero, zero, color="0.92", zorder=-1)
    axes.set_yscale("symlog", linthresh=max(zero, 1e-16 * largest, 1e-300))
    _few_ticks(axes, largest, zero)
    whole = "" if verdict.complete else f" (the {len(values)} at the ends)"
    axes.set_xlabel(f"number in ascending order{whole}")
    axes.set_ylabel("eigenvalue of ∇²f")
    axes.set_title(f"{verdict.kind}{', certified' if verdict.certified else ''}", fontsize="medium")
    axes.legend(fontsize="small", frameon=False)
    return axes


def _few_ticks(axes: Axes, largest: float, zero: float) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator  # noqa: PLC0415 - only plots need it

    top = int(np.ceil(np.log10(largest))) if largest > 0 else 0
    bottom = int(np.floor(np.log10(zero))) + 1 if zero > 0 else top - 16
    powers = 10.0 ** np.arange(top, bottom, -max(1, (top - bottom) // 4))
    axes.yaxis.set_major_locator(FixedLocator(np.concatenate([-powers, [0.0], powers[::-1]]).tolist()))
    axes.yaxis.set_minor_locator(NullLocator())
    lowest, highest = axes.get_ylim()
    axes.set_ylim(min(lowest, -2 * zero), max(highest, 2 * zero))


def way_down(verdict: Verdict, *, ax: Axes | None = None) -> Axes:
    """Draw the loss along the direction of a verdict: out of a saddle, down a slope, or on the ray to infinity.

    Parameters
    ----------
    verdict : Verdict
        What `etaflow.classify` returned.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes. On the ray to infinity both are logarithmic, as far as f is positive, with the limit dashed if it is.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    ValueError
        If the verdict has no direction, as that of a minimum.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1.0]], [3.0])
    >>> ax = ef.plots.way_down(ef.classify(f, [0.0, 0.0]))
    >>> ax.get_ylabel()
    'f(θ + t·direction)'
    """
    if verdict.direction is None:
        raise ValueError(f"verdict must have a direction along which f falls (got {verdict!r})")
    axes = new_axes() if ax is None else ax
    distances, profile = verdict.distances, verdict.profile
    axes.plot(distances[1:], profile[1:], color="C3")
    axes.set_xscale("log")
    seen = np.abs(profile - verdict.value) > 1e-3 * np.ptp(profile)
    axes.set_xlim(left=distances[1:][np.argmax(seen[1:])] / 30)
    if verdict.kind == "minimum at infinity" and (profile[1:] > 0).all() and profile.min() < 1e-2 * profile.max():
        axes.set_yscale("log")
    axes.axhline(verdict.value, color="0.6", linewidth=0.8, label=f"f(θ) = {verdict.value:.4g}")
    if verdict.kind == "minimum at infinity" and verdict.ray is not None and axes.get_yscale() == "linear":
        axes.axhline(
            verdict.ray.limit, color="k", linewidth=0.8, linestyle="--", label=f"limit {verdict.ray.limit:.4g}"
        )
    axes.set_xlabel("distance t")
    axes.set_ylabel("f(θ + t·direction)")
    axes.set_title(f"{verdict.kind}{', certified' if verdict.certified else ''}", fontsize="medium")
    axes.legend(fontsize="small", frameon=False)
    return axes
