"""A power law y = c·xˢ through the means of repeated runs, with a bootstrap interval for the slope s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow._checks import check_float_array, check_same_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = npt.NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 9_999
SEED = 53
"""How certain, from how many resamples, with which seed of NumPy's default generator."""


@dataclass(frozen=True)
class PowerLaw:
    """A fitted line log y = log c + s·log x.

    Attributes
    ----------
    slope : float
        s.
    low, high : float
        The interval of s.
    factor : float
        c.
    level : float
        The interval's confidence level.
    resamples, seed : int
        Of the bootstrap.
    """

    slope: float
    low: float
    high: float
    factor: float
    level: float
    resamples: int
    seed: int

    def at(self, x: npt.ArrayLike) -> Array:
        """Return c·xˢ.

        Returns
        -------
        ndarray
            Of the shape of `x`.
        """
        return np.asarray(self.factor * np.asarray(x, np.float64) ** self.slope)

    def contains(self, slope: float) -> bool:
        """Return whether the interval contains a slope.

        Returns
        -------
        bool
            Whether low ≤ slope ≤ high.
        """
        return self.low <= slope <= self.high


def fit_power_law(
    x: npt.ArrayLike,
    samples: Sequence[npt.ArrayLike],
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> PowerLaw:
    """Fit a power law to the mean of each sample by least squares of the logarithms.

    The interval is the percentile bootstrap of `scipy.stats.bootstrap` with the runs resampled within each setting,
    as the settings are fixed and only the runs are random. With 20 runs per setting such an interval is a little too short:
    one of 95 % covers the true slope in 91 to 94 of 100 experiments.

    Parameters
    ----------
    x : array_like, shape (m,)
        The settings: at least two different positive numbers.
    samples : sequence of m array_like, each of shape (runs,)
        What the runs of each setting gave; at least two per setting, positive on average.
    level : float, default 0.95
        The confidence level.
    resamples : int, default 9999
        The number of bootstrap resamples.
    seed : int, default 53
        Their seed.

    Returns
    -------
    PowerLaw
        The line.

    Raises
    ------
    ValueError
        If there are too few settings or runs, or numbers that have no logarithm.

    Examples
    --------
    >>> law = fit_power_law([1, 2, 4], [[2.9, 3.1], [5.9, 6.1], [11.9, 12.1]])
    >>> round(law.slope, 3), law.contains(1.0)
    (1.0, True)
    """
    from scipy.stats import bootstrap  # noqa: PLC0415 - slow to import

    places = _numbers("x", x)
    check_same_length("x", places, "samples", samples)
    runs = tuple(_numbers(f"samples[{i}]", one) for i, one in enumerate(samples))
    _check(places, runs)
    weights = np.log(places) - np.log(places).mean()
    weights /= weights @ weights  # least squares: slope = weights @ log(means)

    def slope_of(*resampled: Array, axis: int = -1) -> Any:
        return sum(weight * np.log(one.mean(axis)) for weight, one in zip(weights, resampled, strict=True))

    slope = float(slope_of(*runs))
    means = np.array([one.mean() for one in runs])
    factor = float(np.exp(np.log(means).mean() - slope * np.log(places).mean()))
    if all(np.ptp(one) == 0 for one in runs):  # nothing is random
        return PowerLaw(slope, slope, slope, factor, level, resamples, seed)
    interval = bootstrap(
        runs,
        slope_of,
        vectorized=True,
        method="percentile",
        n_resamples=resamples,
        batch=1000,
        confidence_level=level,
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return PowerLaw(slope, float(interval.low), float(interval.high), factor, level, resamples, seed)


def _numbers(name: str, values: npt.ArrayLike) -> Array:
    return np.asarray(check_float_array(name, values, ndim=1), np.float64)


def _check(x: Array, samples: Sequence[Array]) -> None:
    if not (x > 0).all() or np.unique(x).size < 2:
        raise ValueError(f"x must hold at least two different positive numbers (got {x.tolist()})")
    for i, one in enumerate(samples):
        if one.size < 2 or not (one > 0).all():
            raise ValueError(f"samples[{i}] must hold at least two positive numbers (got {one.tolist()})")
