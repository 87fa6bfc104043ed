"""How long runs stay in a minimum: survival curves, and the mean exit time against the step size."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_choice
from etaflow.diffusion.escape_result import UNITS, EscapeTimes
from etaflow.diffusion.exponent import FEWEST
from etaflow.faces.plots.axes import legend_beside, new_axes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

    from etaflow.diffusion.exponent import Exponent
    from etaflow.diffusion.survival import Survival

MOST = 10
"""So many settings have colours of their own."""

SPREAD = 30
"""From this ratio of the curves' mean times on the axis of time is logarithmic."""

TIMES = {"steps": "step k", "time": "time t = kη"}
SYMBOLS = {"step_size": "η = {:g}", "batch_size": "|B| = {}", "gradient_noise": "{} noise"}
SGD = "SGD"


def survival(
    escapes: EscapeTimes,
    *,
    step_size: float | None = None,
    batch_size: int | None = None,
    gradient_noise: str | None = None,
    unit: str = "time",
    logx: bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the Kaplan–Meier curve of every setting with its pointwise band, and a tick where runs were censored.

    Parameters
    ----------
    escapes : EscapeTimes
        What `escape_times` gave.
    step_size, batch_size, gradient_noise : optional
        Only settings with this value; by default all.
    unit : {"time", "steps"}, default "time"
        The horizontal axis: the time t = kη, or the step k.
    logx : bool, optional
        Whether it is logarithmic; by default if the longest mean time is 30 times the shortest.
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
    TypeError
        If `escapes` is something else.
    ValueError
        If a value is not in the table, or there are more than 10 curves to draw.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0], [1.0]], [-1.0, 1.0])
    >>> escapes = ef.escape_times(f, [0.0], step_size=[0.2, 0.3], runs=100, leave=0.9, steps=500, destinations=False)
    >>> ax = ef.plots.survival(escapes)
    >>> ax.get_legend_handles_labels()[1]
    ['η = 0.2: 100 of 100 left', 'η = 0.3: 100 of 100 left']
    """
    _check(escapes)
    check_choice("unit", unit, UNITS)
    wanted = {"step_size": step_size, "batch_size": batch_size, "gradient_noise": gradient_noise}
    settings = list(_settings(escapes, wanted))
    if len(settings) > MOST:
        raise ValueError(
            f"step_size, batch_size or gradient_noise must be given: {len(settings)} curves cannot be told apart, {MOST} can"
        )
    curves = [escapes.survival(unit=unit, **setting) for setting in settings]
    axes = new_axes() if ax is None else ax
    for i, (setting, curve) in enumerate(zip(settings, curves, strict=True)):
        name = _name(escapes, setting, skip=wanted)
        count = f"{np.count_nonzero(curve.observed)} of {curve.observed.size} left"
        _draw_curve(axes, curve, f"C{i}", f"{name}: {count}" if name else count)
    if _is_spread(curves) if logx is None else logx:
        axes.set_xscale("log")
    else:
        axes.set_xlim(left=0)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(TIMES[unit])
    axes.set_ylabel(f"share still inside, {100 * escapes.level:g} % bands")
    axes.set_title(_title(escapes, wanted), fontsize="medium")
    legend_beside(axes)
    return axes


def escape_rates(
    escapes: EscapeTimes,
    *,
    batch_size: int | None = None,
    gradient_noise: str | None = None,
    power: float = 0.5,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean exit time, on a logarithmic axis, against 1/η: its slope is the exponent.

    The dashed line is the fit of `EscapeTimes.exponent`, the dotted one has the slope that the stationary covariance predicts
    and goes through the mean of the largest step size in the fit. Where no run left an arrow begins at the lower end of the interval.

    Parameters
    ----------
    escapes : EscapeTimes
        What `escape_times` gave, with several step sizes.
    batch_size, gradient_noise : optional
        Only settings with this value; by default all.
    power : float, default 0.5
        As in `EscapeTimes.exponent`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with exponents and their intervals in the legend.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    TypeError
        If `escapes` is something else.
    ValueError
        If a value is not in the table, or there are more than 10 lines to draw.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0], [1.0]], [-1.0, 1.0])
    >>> etas = [0.06, 0.08, 0.1]
    >>> escapes = ef.escape_times(f, [0.0], step_size=etas, runs=200, leave=0.6, steps=100_000, destinations=False)
    >>> ax = ef.plots.escape_rates(escapes)
    >>> ax.get_xlabel()
    '1/η'
    """
    _check(escapes)
    wanted = {"batch_size": batch_size, "gradient_noise": gradient_noise}
    settings = list(_settings(escapes, wanted))
    if len(settings) > MOST:
        raise ValueError(
            f"batch_size or gradient_noise must be given: {len(settings)} lines cannot be told apart, {MOST} can"
        )
    axes = new_axes() if ax is None else ax
    etas = escapes.data["step_size"].values
    for i, setting in enumerate(settings):
        curves = [escapes.survival(step_size=eta, unit="time", **setting) for eta in etas]
        fit = None
        if sum(np.count_nonzero(curve.observed) >= FEWEST for curve in curves) > 1:
            fit = escapes.exponent(power=power, **setting)
            _draw_lines(axes, fit, f"C{i}")
        name = _name(escapes, setting, skip=wanted)
        label = "no fit" if fit is None else _exponents(fit)
        _draw_means(axes, etas, curves, f"C{i}", f"{name}: {label}" if name else label)
    axes.plot([], [], "--", color="0.4", linewidth=1.2, label="log T = E/η + p·log η + c")
    axes.plot([], [], ":", color="0.4", linewidth=1.5, label="slope predicted")
    axes.set_yscale("log")
    axes.set_xlabel("1/η")
    axes.set_ylabel("mean exit time T, in t = kη")
    axes.set_title(_title(escapes, wanted), fontsize="medium")
    legend_beside(axes)
    return axes


def _check(escapes: object) -> None:
    if not isinstance(escapes, EscapeTimes):
        raise TypeError(f"escapes must be the result of etaflow.escape_times (got a {type(escapes).__name__})")


def _settings(escapes: EscapeTimes, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    choices = []
    for axis, value in wanted.items():
        known = escapes.data[axis].values.tolist()
        if value is not None and value not in known:
            raise ValueError(f"{axis} must be one of {known} (got {value!r})")
        choices.append(known if value is None else [value])
    return (dict(zip(wanted, combination, strict=True)) for combination in product(*choices))


def _name(escapes: EscapeTimes, setting: dict[str, Any], *, skip: dict[str, Any]) -> str:
    # What tells the setting from the others that are drawn: not what was chosen by the caller.
    varied = [axis for axis in setting if skip[axis] is None and escapes.data.sizes[axis] > 1]
    return ", ".join(_word(axis, setting[axis]) for axis in varied)


def _word(axis: str, value: Any) -> str:
    return SGD if value == "sampling" else SYMBOLS[axis].format(value)


def _title(escapes: EscapeTimes, wanted: dict[str, Any]) -> str:
    leave: Any = escapes.leave
    border = (
        f"leaving the ball of radius {leave.radius:g}" if leave.kind == "leave" else f"reaching f = {leave.value:g}"
    )
    return ", ".join([border, *(_word(axis, value) for axis, value in wanted.items() if value is not None)])


def _is_spread(curves: list[Survival]) -> bool:
    means = [curve.durations.mean() for curve in curves]
    return bool(max(means) > SPREAD * min(means))


def _draw_curve(axes: Axes, curve: Survival, color: str, label: str) -> None:
    times = np.concatenate([[0.0], curve.times])
    low, middle, high = (np.concatenate([[1.0], one]) for one in (curve.low, curve.survival, curve.high))
    axes.fill_between(times, low, high, step="post", color=color, alpha=0.2, linewidth=0)
    axes.step(times, middle, where="post", color=color, linewidth=1.5, label=label)
    censored = np.unique(curve.durations[~curve.observed])
    axes.plot(censored, curve.at(censored), "|", color=color, markersize=9, markeredgewidth=1.5)


def _draw_means(axes: Axes, etas: Any, curves: list[Survival], color: str, label: str) -> None:
    value, low, high = np.array([curve.mean() for curve in curves]).T
    met = np.isfinite(value)
    bars = np.stack([value[met] - low[met], high[met] - value[met]])
    axes.errorbar(
        1 / etas[met],
        value[met],
        yerr=bars,
        fmt="o",
        markersize=4.5,
        capsize=2.5,
        linewidth=1.2,
        color=color,
        label=label,
    )
    if not met.all():
        up = (low[~met] * 0.6)[None]  # on a logarithmic axis: an arrow of one length for all
        axes.errorbar(1 / etas[~met], low[~met], yerr=up, lolims=True, fmt="none", linewidth=1.2, color=color)


def _draw_lines(axes: Axes, fit: Exponent, color: str) -> None:
    etas = 1 / np.linspace(1 / fit.step_sizes.max(), 1 / fit.step_sizes.min(), 100)
    axes.plot(1 / etas, fit.at(etas), "--", color=color, linewidth=1.2)
    predicted = fit.predicted.exponent
    if np.isfinite(predicted):
        first = int(np.argmax(fit.step_sizes))
        growth = predicted * (1 / etas - 1 / fit.step_sizes[first])
        line = fit.times[first].value * np.exp(growth) * (etas / fit.step_sizes[first]) ** fit.power
        axes.plot(1 / etas, line, ":", color=color, linewidth=1.5)


def _exponents(fit: Exponent) -> str:
    value, low, high = fit.fitted
    return f"E = {value:.3g} ({low:.3g} … {high:.3g})\npredicted {fit.predicted.exponent:.3g}"
