"""Numbers against step sizes, and the power laws through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_float_array
from etaflow.faces.plots.axes import legend_beside, new_axes

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from etaflow.theory.rates import PowerLaw


FEW = 10
"""So many places have ticks of their own."""


def power(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    interval: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    law: PowerLaw | None = None,
    label: str = "measured",
    ax: Axes | None = None,
) -> Axes:
    """Draw numbers against step sizes with logarithmic axes, and the fitted power law with its slope in the legend.

    Parameters
    ----------
    x : array_like, shape (m,)
        Step sizes, say: positive numbers.
    y : array_like, shape (m,)
        What was measured; what is not positive has no place on the axis and is left out.
    interval : (low, high), optional
        The ends of the intervals of `y`, each of shape (m,). One that reaches down to 0 is drawn to the edge.
    law : PowerLaw, optional
        The fitted line.
    label : str, default "measured"
        The name in the legend.
    ax : matplotlib.axes.Axes, optional
        Where to draw, beside what is there; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    ValueError
        If the shapes differ, or an `x` is not positive.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = [0.1, 0.2, 0.4], [1.1, 1.9, 4.2]
    >>> law = ef.theory.fit_power_law(x, [[1.0, 1.2], [1.8, 2.0], [4.1, 4.3]])
    >>> ax = ef.plots.power(x, y, law=law, label="error")
    >>> ax.get_legend_handles_labels()[1]
    ['error: slope 0.97 (0.89 … 1.05)']
    """
    places = check_float_array("x", x, ndim=1)
    values = check_float_array("y", y, shape=places.shape)
    if not (places > 0).all():
        raise ValueError(f"x must be positive (got {places.tolist()})")
    error = None if interval is None else _error_bars(values, *interval)
    axes = new_axes() if ax is None else ax
    shown = values > 0
    color = f"C{len(axes.containers)}"
    axes.errorbar(
        places[shown],
        values[shown],
        yerr=None if error is None else error[:, shown],
        fmt="o",
        markersize=4.5,
        capsize=2.5,
        linewidth=1.2,
        color=color,
        label=label if law is None else f"{label}: slope {law.slope:.2f} ({law.low:.2f} … {law.high:.2f})",
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    if law is not None:
        ends = np.array([places.min(), places.max()])
        axes.plot(ends, law.at(ends), color=color, linewidth=1.2, linestyle="--")
    if len(places) <= FEW:
        axes.set_xticks(places, [f"{place:g}" for place in places])
        axes.tick_params(axis="x", which="minor", labelbottom=False)
    if not axes.get_xlabel():
        axes.set_xlabel("step size η")
    legend_beside(axes)
    return axes


def _error_bars(values: Any, low: npt.ArrayLike, high: npt.ArrayLike) -> npt.NDArray[np.float64]:
    below = check_float_array("interval[0]", low, shape=values.shape)
    above = check_float_array("interval[1]", high, shape=values.shape)
    return np.stack([values - below, above - values]).clip(min=0)
