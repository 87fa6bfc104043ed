"""Who ended lower: how often, with which confidence, and by how much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from etaflow._checks import check_float_array, check_same_length
from etaflow._intervals import proportion_interval

LEVEL = 0.95
RESAMPLES = 1_999
SEED = 6
"""Of the bootstrap: how certain, from how many resamples, with which seed of NumPy's default generator."""


@dataclass(frozen=True)
class Comparison:
    """SGD against another way of training from the same starts.

    Attributes
    ----------
    lower, total : int
        How often SGD ended lower, and of how many starts.
    low, high : float
        The interval of Clopper and Pearson for the probability that it does, at the level 95 %.
    ratio : float
        The median, over starts, of the other's error divided by SGD's.
    ratio_low, ratio_high : float
        Its percentile-bootstrap interval.
    """

    lower: int
    total: int
    low: float
    high: float
    ratio: float
    ratio_low: float
    ratio_high: float

    @property
    def share(self) -> float:
        """How often SGD ended lower, as a part of 1."""
        return self.lower / self.total


def compare(sgd: npt.ArrayLike, other: npt.ArrayLike) -> Comparison:
    """Compare the end errors of pairs.

    Parameters
    ----------
    sgd, other : array_like, shape (starts,)
        Positive errors; infinite for a run that diverged. At least two.

    Returns
    -------
    Comparison
        Who ended lower. Two runs that both diverged count as not lower.

    Raises
    ------
    ValueError
        If there are fewer than two pairs, or errors that are negative or NaN.

    Examples
    --------
    >>> compare([1.0, 1.0, 2.0], [3.0, 2.0, 1.0])
    Comparison(lower=2, total=3, low=0.094..., high=0.991..., ratio=2.0, ratio_low=0.5, ratio_high=3.0)
    """
    first, second = (
        check_float_array(name, values, ndim=1, finite=False) for name, values in (("sgd", sgd), ("other", other))
    )
    total = check_same_length("sgd", first, "other", second)
    if total < 2 or not ((first > 0).all() and (second > 0).all()):
        raise ValueError("sgd and other must hold at least two positive errors each")
    lower = int((first < second).sum())
    ratios = np.where(np.isfinite(first), second / np.where(np.isfinite(first), first, 1), 0.0)
    low, high = proportion_interval(lower, total, level=LEVEL)
    ratio, ratio_low, ratio_high = _median(ratios)
    return Comparison(lower, total, low, high, ratio, ratio_low, ratio_high)


def _median(ratios: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    generator = np.random.default_rng(SEED)
    drawn = generator.integers(0, len(ratios), (RESAMPLES, len(ratios)))
    medians = np.median(ratios[drawn], axis=1)
    low, high = np.quantile(medians, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="inverted_cdf")  # of inf too
    return float(np.median(ratios)), float(low), float(high)
