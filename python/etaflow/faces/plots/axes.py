"""What all plots share: new axes, and a legend that hides no data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (7.5, 4.2)
"""Width and height of a new figure, in inches."""


def new_axes(width: float = SIZE[0], height: float = SIZE[1]) -> Axes:
    """Return the axes of a new figure.

    Parameters
    ----------
    width, height : float
        The figure's size, in inches.

    Returns
    -------
    matplotlib.axes.Axes
        Empty axes.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt  # noqa: PLC0415 - slow, and only plots need it
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "etaflow[lab]"') from error
    _, axes = plt.subplots(figsize=(width, height), layout="constrained")
    return axes


def legend_beside(axes: Axes) -> None:
    """Put the legend to the right of the axes, with opaque lines."""
    legend = axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small", frameon=False)
    for line in legend.get_lines():
        line.set_alpha(1.0)
