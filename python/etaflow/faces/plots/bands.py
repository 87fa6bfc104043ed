"""Predicted bands, and the runs inside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_choice, check_int, check_nonnegative_int
from etaflow.diffusion import coverage
from etaflow.diffusion.bands import Bands
from etaflow.faces.plots.axes import legend_beside, new_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from etaflow.dynamics.runs import Runs

RUNS = 25
LABELS = {"theta": "weight θ[{}]", "prediction": "prediction h{} at input {}", "loss": "cost f(θ)"}


def bands(
    bands: Bands,
    quantity: str = "loss",
    *,
    index: int | Sequence[int] = 0,
    runs: Runs | None = None,
    shown: int = RUNS,
    ax: Axes | None = None,
) -> Axes:
    """Draw a predicted band against time, and the runs of an ensemble inside it.

    Parameters
    ----------
    bands : Bands
        What `predict_bands` gave.
    quantity : {"loss", "theta", "prediction"}, default "loss"
        Which of the bands.
    index : int or (int, int), default 0
        Of the weight; of the input, or (input, output) of the prediction.
    runs : Runs, optional
        An ensemble with θ on record at ``bands.steps``; the title says how many of all its runs are in the band.
    shown : int, default 25
        So many of the runs are drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    TypeError
        If an argument has a wrong type.
    ValueError
        If the quantity or the index is not there, or the runs are not those that the bands are of.

    Examples
    --------
    >>> import etaflow as ef
    >>> import numpy as np
    >>> x, y = ef.datasets.xor()
    >>> f = ef.Objective(ef.MLP([2, 3, 1]), x, y)
    >>> flow = ef.flow(f, f.net.init(seed=0), t=2.0)
    >>> bands = ef.predict_bands(f, flow, step_size=0.01, times=np.linspace(0, 2, 21))
    >>> ax = ef.plots.bands(bands, "theta", index=3)
    >>> ax.get_ylabel()
    'weight θ[3]'
    """
    if not isinstance(bands, Bands):
        raise TypeError(f"bands must be the result of etaflow.predict_bands (got a {type(bands).__name__})")
    check_choice("quantity", quantity, [str(name) for name in bands.data])
    count = check_nonnegative_int("shown", shown)
    place = _place(bands, quantity, index)
    chosen: Any = (..., *place)
    lower, center, upper = (bands.data[quantity].sel(bound=bound).values[chosen] for bound in bands.data.bound)
    inside = None
    if runs is not None:
        coverage.check_runs(runs, bands.law, bands.step_size)
        values = coverage.values_of(bands, runs)[quantity][chosen]
        inside = np.mean((values >= lower) & (values <= upper), axis=0)
    axes = new_axes() if ax is None else ax
    axes.fill_between(
        bands.times, lower, upper, color="C0", alpha=0.25, linewidth=0, label=f"{100 * bands.level:g} % band, predicted"
    )
    if runs is not None:
        for i, row in enumerate(values[:count]):
            label = f"{min(count, len(runs))} of {len(runs)} runs" if i == 0 else None
            axes.plot(bands.times, row, color="0.25", linewidth=0.5, alpha=0.55, label=label)
    axes.plot(bands.times, center, color="C0", linewidth=1.8, label="center, predicted")
    axes.set_xlabel("time t = kη")
    axes.set_ylabel(_label(quantity, place))
    axes.set_title(_title(bands, inside), fontsize="medium")
    legend_beside(axes)
    axes.margins(x=0.02)
    return axes


def _place(bands: Bands, quantity: str, index: int | Sequence[int]) -> tuple[int, ...]:
    sizes = bands.data[quantity].shape[2:]
    wanted: tuple[Any, ...] = tuple(index) if isinstance(index, tuple | list) else (index,)
    wanted += (0,) * (len(sizes) - len(wanted))
    if not sizes:
        return ()
    if len(wanted) != len(sizes):
        raise ValueError(f"index must have {len(sizes)} numbers for {quantity!r} (got {index!r})")
    return tuple(check_int("index", one, 0, size - 1) for one, size in zip(wanted, sizes, strict=True))


def _label(quantity: str, place: tuple[int, ...]) -> str:
    if quantity != "prediction":
        return LABELS[quantity].format(*place)
    return LABELS[quantity].format(f"[{place[1]}]" if place[1] else "", place[0])


def _title(bands: Bands, inside: Any) -> str:
    title = f"SGD with step size {bands.step_size:g}"
    if inside is None:
        return title
    later = inside[bands.times > 0]
    share = (
        ""
        if later.size == 0
        else f": at a time, {100 * later.min():.0f} to {100 * later.max():.0f} % of the runs in the band"
    )
    return title + share
