"""Sontag and Sussmann's statistic t·[w(t+1) − w(t)], which becomes constant where weights grow like log t."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_int, check_number, check_probability
from etaflow.landscape.divergence.blocks import FEWEST, Blocks, drift, in_blocks, regress
from etaflow.landscape.divergence.models import SLOWEST
from etaflow.landscape.divergence.trajectory import one, series

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.landscape.divergence.trajectory import Trajectory

    Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class LogRule:
    """The statistic along a path and whether it is on a plateau, made by `log_rule`.

    Attributes
    ----------
    times, values : ndarray, shape (m,)
        t and t·[w(t+1) − w(t)]; for records farther apart (w_{k+1} − w_k)/log(t_{k+1}/t_k), between the two times.
    plateau : bool or None
        Whether the statistic is constant in the window: its exponent `trend` lies within ±0.1 with confidence; None if the interval
        reaches over both sides.
    slope, slope_low, slope_high : float
        Its height in the middle of the window, and the interval.
    trend, trend_low, trend_high : float
        λ, where the statistic goes like t^λ in the window: 0 for growth like log t, p for t^p, −p for an approach like t^−p.
    window : (float, float)
        The first and the last time that were used.
    level : float
        The intervals' confidence level.
    """

    times: Array
    values: Array
    plateau: bool | None
    slope: float
    slope_low: float
    slope_high: float
    trend: float
    trend_low: float
    trend_high: float
    window: tuple[float, float]
    level: float

    def __repr__(self) -> str:
        """Return whether there is a plateau, its height and the trend.

        Returns
        -------
        str
            One line.
        """
        word = {True: "plateau", False: "no plateau", None: "undecided"}[self.plateau]
        height = f"t·Δw = {self.slope:.4g} [{self.slope_low:.4g}, {self.slope_high:.4g}]"
        return f"LogRule({word}: {height}, going like t^{self.trend:.3g} [{self.trend_low:.3g}, {self.trend_high:.3g}])"


def log_rule(
    trajectory: Trajectory,
    *,
    of: str | int | npt.ArrayLike = "drift",
    run: int | None = None,
    window: float = 30.0,
    blocks: int = 40,
    level: float = 0.95,
) -> LogRule:
    """Follow t·[w(t+1) − w(t)], an estimate of t·ẇ, and test whether it is constant (Sontag & Sussmann 1988, section 3, Figure 5).

    The statistic does not depend on the unit of time. Its height and its trend in the window come from a parabola in log t through
    block means of w, with correlated errors: the differences themselves would magnify the noise.

    Parameters
    ----------
    trajectory : Runs, Flow or (t, θ)
        As in `growth`.
    of : str, int or array_like, shape (d,), default "drift"
        What w is, as in `growth`: a parameter's number for a single weight.
    run : int, optional
        Which run, if there are several.
    window : float, default 30
        The factor of time, before the end, in which a plateau is looked for.
    blocks : int, default 40
        Its blocks in log t.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    LogRule
        The statistic and the test.

    Raises
    ------
    TypeError
        If the trajectory is not one.
    ValueError
        If the points are too few, or an argument is out of range.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1], output="tanh", bias=False), [[1.0]], [1.0])
    >>> runs = ef.descend(f, [0.0], steps=20_000, step_size=1.0, record={"theta": 1})
    >>> rule = ef.divergence.log_rule(runs, of=0)
    >>> rule.plateau, round(rule.slope, 2)
    (True, 0.25)
    """
    from scipy.stats import t as student  # noqa: PLC0415 - slow to import

    factor, count = check_number("window", window, above=1), check_int("blocks", blocks, FEWEST)
    certainty = check_probability("level", level)
    path = one(trajectory, run, fewest=FEWEST)
    w, later = series(path, of), path.times > 0
    times, followed = path.times[later], w[later]
    means = in_blocks(times, followed, window=factor, blocks=count)
    if followed.ndim == 2:
        u = drift(means)
        followed, means = followed @ u, Blocks(means.times, means.values @ u)
    logs = np.log(means.times) - np.log(means.times).mean()
    columns = np.stack([np.ones_like(logs), logs, logs**2 / 2])
    (_, slope, bend), covariance, _ = regress(columns, means.values)
    half = float(student.ppf((1 + certainty) / 2, len(means) - 3))
    low, high = slope - half * covariance[1, 1] ** 0.5, slope + half * covariance[1, 1] ** 0.5
    trend, trend_low, trend_high = _ratio(bend, slope, covariance[1:, 1:], half)
    inside = trend_low >= -SLOWEST and trend_high <= SLOWEST
    outside = trend_low > SLOWEST or trend_high < -SLOWEST
    steps = np.diff(np.log(times))
    return LogRule(
        np.sqrt(times[1:] * times[:-1]),
        np.diff(followed) / steps,
        True if inside else False if outside else None,
        float(slope),
        float(low),
        float(high),
        trend,
        trend_low,
        trend_high,
        (float(means.times[0]), float(means.times[-1])),
        certainty,
    )


def _ratio(bend: float, slope: float, covariance: Array, half: float) -> tuple[float, float, float]:
    # Fieller's interval of bend/slope; the whole line where the slope may be 0.
    var_slope, var_bend, both = covariance[0, 0], covariance[1, 1], covariance[0, 1]
    a = slope**2 - half**2 * var_slope
    if a <= 0:
        return (bend / slope if slope else float("nan")), -np.inf, np.inf
    b, c = slope * bend - half**2 * both, bend**2 - half**2 * var_bend
    root = max(b**2 - a * c, 0.0) ** 0.5
    return float(bend / slope), float((b - root) / a), float((b + root) / a)
