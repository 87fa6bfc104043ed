"""How much a census has not seen: the coverage of Good and Turing, and Chao's estimate of the number of kinds."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_probability
from etaflow._intervals import proportion_interval

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True)
class Unseen:
    """What the counts of a sample tell about what it does not hold; made by `estimate_unseen`.

    Attributes
    ----------
    draws : int
        The size of the sample.
    seen : int
        Different kinds in it.
    singletons, doubletons : int
        Kinds that were seen once, and twice.
    coverage : float
        The probability that the next draw is of a kind that was seen: 1 − singletons/draws (Good 1953, after Turing).
    coverage_low, coverage_high : float
        Its interval, of Esty (1983); widened, where that has no width, to Clopper and Pearson's for singletons among draws.
    total : float
        At least so many kinds are to be expected: Chao's (1984) estimate of a lower bound, in the form for finite samples.
    total_low, total_high : float
        Its interval, log-normal in total − seen (Chao 1987).
    """

    draws: int
    seen: int
    singletons: int
    doubletons: int
    coverage: float
    coverage_low: float
    coverage_high: float
    total: float
    total_low: float
    total_high: float


def estimate_unseen(counts: npt.ArrayLike, *, level: float = 0.95) -> Unseen:
    """Estimate what was not seen from how often each kind was.

    Parameters
    ----------
    counts : array_like of int, shape (kinds,)
        How often each kind was seen; zeros are left out.
    level : float, default 0.95
        The confidence level of both intervals.

    Returns
    -------
    Unseen
        The estimates. Without any draw the coverage is 0, in the interval from 0 to 1, and the total is 0, and unbounded.

    Raises
    ------
    TypeError
        If `counts` are no whole numbers.
    ValueError
        If a count is negative or the level not between 0 and 1.

    Examples
    --------
    The spiders under girdled trees of Chao et al. (2014): 26 species, 12 of them seen once and 4 twice.

    >>> spiders = [46, 22, 17, 15, 15, 9, 8, 6, 6, 4] + [2] * 4 + [1] * 12
    >>> found = estimate_unseen(spiders)
    >>> found.seen, round(found.total, 3), round(found.total_low, 3), round(found.total_high, 3)
    (26, 43.893, 30.511, 96.971)
    """
    numbers = np.asarray(counts)
    if numbers.size and not np.issubdtype(numbers.dtype, np.integer):
        raise TypeError(f"counts must be whole numbers (got dtype {numbers.dtype})")
    if (numbers < 0).any():
        raise ValueError(f"counts must be >= 0 (got {int(numbers.min())})")
    share = check_probability("level", level)
    numbers = numbers[numbers > 0]
    draws, seen = int(numbers.sum()), len(numbers)
    once, twice = int((numbers == 1).sum()), int((numbers == 2).sum())
    if draws == 0:
        return Unseen(0, 0, 0, 0, 0.0, 0.0, 1.0, 0.0, 0.0, inf)
    z = _quantile(share)
    total, deviation = _chao1(draws, seen, once, twice)
    low, high = _around(total, deviation, draws, seen, z)
    return Unseen(draws, seen, once, twice, *_coverage(draws, once, twice, z, share), total, low, high)


def _quantile(level: float) -> float:
    from scipy.special import ndtri  # noqa: PLC0415 - slow to import

    return float(ndtri((1 + level) / 2))


def _coverage(draws: int, once: int, twice: int, z: float, level: float) -> tuple[float, float, float]:
    coverage = 1 - once / draws
    half = z * sqrt(once * (1 - once / draws) + 2 * twice) / draws
    low, high = proportion_interval(draws - once, draws, level=level)
    return coverage, max(min(coverage - half, low), 0.0), min(max(coverage + half, high), 1.0)


def _chao1(draws: int, seen: int, once: int, twice: int) -> tuple[float, float]:
    # Chao 1984 and 1987; the factor and the case without doubletons as in Chao et al. 2014 and Colwell's EstimateS.
    factor = (draws - 1) / draws
    if twice:
        ratio = once / twice
        total = seen + factor * once * ratio / 2
        return total, sqrt(twice * (factor * ratio**2 / 2 + factor**2 * ratio**3 + factor**2 * ratio**4 / 4))
    total = seen + factor * once * (once - 1) / 2
    variance = factor * once * (once - 1) / 2 + factor**2 * once * (2 * once - 1) ** 2 / 4
    return total, sqrt(max(variance - factor**2 * once**4 / (4 * total), 0.0))


def _around(total: float, deviation: float, draws: int, seen: int, z: float) -> tuple[float, float]:
    missing = total - seen
    if missing > 0:
        spread = exp(z * sqrt(log(1 + (deviation / missing) ** 2)))
        return seen + missing / spread, seen + missing * spread
    # No sign of unseen kinds: as if the seen ones were equally frequent, each is missed with this probability (EstimateS).
    missed = exp(-draws / seen)
    middle, half = seen / (1 - missed), z * sqrt(seen * missed) / (1 - missed)
    return max(float(seen), middle - half), middle + half
