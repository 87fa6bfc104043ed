"""Confidence intervals: the bootstrap for means of repeated runs, Clopper and Pearson for proportions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from etaflow._checks import (
    check_float_array,
    check_nonnegative_int,
    check_positive_int,
    check_probability,
    check_seed,
)

Array = npt.NDArray[np.float64]

RESAMPLES = 1_999
CHUNK = 1 << 22
"""So many resampled indices at a time."""


def mean_interval(
    samples: npt.ArrayLike, *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Array, Array]:
    """Return the percentile-bootstrap interval of the mean over runs.

    Every resample takes whole runs, so that the columns (times, say) of one resample belong together. For one column it is
    the interval of `scipy.stats.bootstrap` with ``method="percentile"``, without its copies of all columns.

    Parameters
    ----------
    samples : array_like, shape (runs,) or (runs, m)
        One row per run, at least two.
    level : float, default 0.95
        The confidence level of each interval by itself.
    resamples : int, default 1999
        The number of resamples.
    seed : int, default 0
        Of NumPy's default generator.

    Returns
    -------
    low, high : ndarray, shape () or (m,)
        The ends.

    Raises
    ------
    ValueError
        If there are fewer than two runs or the level is not between 0 and 1.

    Examples
    --------
    >>> low, high = mean_interval([1.0, 2.0, 3.0, 4.0])
    >>> bool(1 < low < 2.5 < high < 4)
    True
    """
    rows = check_float_array("samples", samples, ndim=(1, 2)).astype(np.float64)
    runs, count, share = len(rows), check_positive_int("resamples", resamples), check_probability("level", level)
    if runs < 2:
        raise ValueError(f"samples must hold at least two runs (got {runs})")
    generator = np.random.default_rng(check_seed(seed))
    means, step = [], max(CHUNK // runs, 1)
    for first in range(0, count, step):
        size = min(step, count - first)
        drawn = generator.integers(0, runs, (size, runs)) + runs * np.arange(size)[:, None]
        times_drawn = np.bincount(drawn.ravel(), minlength=size * runs).reshape(size, runs)
        means.append(times_drawn @ rows / runs)
    low, high = np.quantile(np.concatenate(means), [(1 - share) / 2, (1 + share) / 2], axis=0)
    return low, high


def proportion_interval(count: int, total: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of Clopper and Pearson for a probability.

    Parameters
    ----------
    count : int
        How often it happened.
    total : int
        Of how many times.
    level : float, default 0.95
        The confidence level, which the interval has for every probability.

    Returns
    -------
    low, high : float
        The ends.

    Raises
    ------
    ValueError
        If the count is beyond the total, or the level is not between 0 and 1.

    Examples
    --------
    >>> low, high = proportion_interval(0, 100)
    >>> low, round(high, 4)  # 1 - 0.025**(1/100)
    (0.0, 0.0362)
    """
    from scipy.stats import binomtest  # noqa: PLC0415 - slow to import

    number = check_positive_int("total", total)
    if check_nonnegative_int("count", count) > number:
        raise ValueError(f"count must be <= {number}, the total (got {count})")
    interval = binomtest(count, number).proportion_ci(check_probability("level", level), method="exact")
    return float(interval.low), float(interval.high)
