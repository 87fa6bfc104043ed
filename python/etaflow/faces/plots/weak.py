"""Weak errors of SGD's approximations against the step size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_choice
from etaflow.faces.plots.axes import legend_beside
from etaflow.faces.plots.rates import power

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from etaflow.theory.weak.weak_result import WeakError


def weak_error(found: WeakError, *, test: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw |E g(SGD) − E g(X)| against the step size for every approximation X, with the fitted powers.

    Parameters
    ----------
    found : WeakError
        What `etaflow.theory.weak_error` returned.
    test : str, optional
        Which test function g; by default the first.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with a legend beside the data.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    ValueError
        If there is no such test function.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1], bias=False), [[-1.0], [-0.9], [0.7]], [0.2, 0.1, 0.4])
    >>> ax = ef.plots.weak_error(ef.theory.weak_error(f, [-1.7], t=0.6, step_sizes=[0.1, 0.05, 0.025]))
    >>> ax.get_legend_handles_labels()[1]
    ['order 1: slope 1.02', 'order 2: slope 1.98']
    """
    tests = [str(name) for name in found.data["test"].values]
    chosen = tests[0] if test is None else check_choice("test", test, tests)
    table = found.data.sel(test=chosen)
    sizes = table["step_size"].values
    axes = ax
    for name in map(str, table["approximation"].values):
        row, law = table.sel(approximation=name), found.power(name, chosen)
        errors = np.abs(row["error"].values)
        fitted = bool(np.isfinite(law.slope))
        if not found.exact:
            interval = (row["low"].values, row["high"].values)
            axes = power(sizes, errors, interval=interval, law=law if fitted else None, label=name, ax=axes)
            continue
        axes = power(sizes, errors, label=f"{name}: slope {law.slope:.2f}" if fitted else f"{name}: none", ax=axes)
        if fitted:
            ends = np.array([sizes.min(), sizes.max()])
            axes.plot(ends, law.at(ends), color=f"C{len(axes.containers) - 1}", linewidth=1.2, linestyle="--")
    assert axes is not None
    axes.set_ylabel(f"|E {chosen}(SGD) − E {chosen}(approximation)|")
    how = "exact" if found.exact else f"{found.data.attrs['runs']} runs each"
    axes.set_title(f"weak errors at the same time, {how}", fontsize="medium")
    legend_beside(axes)
    return axes
