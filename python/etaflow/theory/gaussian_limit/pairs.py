"""Distances between what an ensemble shows and what a theory says, without the Monte-Carlo floor.

The distance between a sample's covariance and the true one is never 0: it falls like 1/√runs to a floor. But if the ensemble is cut into
independent groups whose errors D_g are unbiased for the same δ, then E⟨D_g, D_h⟩ = ‖δ‖² for g ≠ h, floor or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Distance:
    """An estimated distance ‖δ‖ with its interval.

    Attributes
    ----------
    value, low, high : float
        The estimate and the ends of its interval; 0 where the estimate of ‖δ‖² is negative.
    squares : ndarray, shape (groups,)
        Numbers whose mean is the estimate of ‖δ‖²: the pseudo-values of the jackknife.
    """

    value: float
    low: float
    high: float
    squares: Array

    @property
    def resolved(self) -> bool:
        """Whether the distance is known not to be 0."""
        return self.low > 0


def distance_between_groups(errors: Array, level: float = 0.95) -> Distance:
    """Return ‖δ‖ from the errors of independent groups, each with mean δ.

    Parameters
    ----------
    errors : ndarray, shape (groups, …)
        D_g, of at least three groups.
    level : float, default 0.95
        The confidence level: the jackknife over the groups with the quantiles of Student's t.

    Returns
    -------
    Distance
        The distance.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(50, 100))  # ‖δ‖ = 3 below a floor of 10
    >>> found = distance_between_groups(noise + 0.3)
    >>> found.low < 3 < found.high
    True
    """
    rows = errors.reshape(len(errors), -1)
    count = len(rows)
    products = rows @ rows.sum(axis=0) - np.einsum("gi,gi->g", rows, rows)  # ⟨D_g, Σ_{h≠g} D_h⟩
    total = products.sum()
    without = (total - 2 * products) / ((count - 1) * (count - 2))
    return of_squares(total / (count - 1) - (count - 1) * without, level)


def of_squares(squares: Array, level: float = 0.95) -> Distance:
    """Return the distance whose square the numbers estimate.

    Parameters
    ----------
    squares : ndarray, shape (groups,)
        Independent unbiased estimates of ‖δ‖², or the jackknife's pseudo-values.
    level : float, default 0.95
        The confidence level.

    Returns
    -------
    Distance
        The distance.
    """
    mean, half = _mean_and_half_width(squares, level)
    value, low, high = np.sqrt(np.clip([mean, mean - half, mean + half], 0, None))
    return Distance(float(value), float(low), float(high), squares)


def mean_with_interval(values: Array, level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of independent numbers and its interval by Student's t.

    Returns
    -------
    mean, low, high : float
        The mean and the ends.
    """
    mean, half = _mean_and_half_width(values, level)
    return mean, mean - half, mean + half


def _mean_and_half_width(values: Array, level: float) -> tuple[float, float]:
    from scipy.stats import t  # noqa: PLC0415 - slow to import

    error = values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(t.isf((1 - level) / 2, len(values) - 1) * error)
