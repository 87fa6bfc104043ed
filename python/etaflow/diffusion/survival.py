"""How long runs stay: survival curves of censored exit times, their means and quantiles, each with an interval."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from etaflow._checks import check_float_array, check_number, check_probability, check_same_length

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]


class Estimate(NamedTuple):
    """A number with the ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False, repr=False)
class Survival:
    """The Kaplan–Meier estimate of P(still inside after t), made by `kaplan_meier`.

    Attributes
    ----------
    durations : ndarray, shape (runs,)
        How long each run was followed.
    observed : ndarray of bool, shape (runs,)
        Whether it left then; else it was still inside.
    times : ndarray, shape (m,)
        The different durations, sorted.
    survival, low, high : ndarray, shape (m,)
        The estimate from each of the `times` on, and its pointwise interval.
    at_risk, exits : ndarray, shape (m,)
        The runs inside just before each of the `times`, and those that leave then.
    level : float
        The confidence level of every interval.
    """

    durations: Array
    observed: npt.NDArray[np.bool_]
    times: Array
    survival: Array
    low: Array
    high: Array
    at_risk: Array
    exits: Array
    level: float

    def at(self, t: npt.ArrayLike) -> Array:
        """Return the estimate after t: a step function, 1 before the first exit, NaN after the last duration unless it is 0.

        Returns
        -------
        ndarray
            Of the shape of `t`.
        """
        places = np.asarray(t, np.float64)
        values = np.concatenate([[1.0], self.survival])[np.searchsorted(self.times, places, side="right")]
        return np.where((places > self.times[-1]) & (values > 0), np.nan, values)

    def quantile(self, share: float) -> Estimate:
        """Return the time by which this share of the runs has left, with the interval of Brookmeyer and Crowley (1982).

        Parameters
        ----------
        share : float
            Between 0 and 1; 0.5 is the median.

        Returns
        -------
        Estimate
            Infinite where the curve (or its band) does not come down so far.
        """
        remaining = 1 - check_probability("share", share)
        value, low, high = (
            _first(self.times, one <= remaining + 1e-12) for one in (self.survival, self.low, self.high)
        )
        return Estimate(value, low, high)

    def mean(self) -> Estimate:
        """Return the mean exit time of an exponential law: the total time inside over the number of exits.

        Without censoring that is the sample mean. The interval is exact for exponential times, by the χ² law of the total
        time (Epstein and Sobel 1953; Lawless, Statistical Models and Methods for Lifetime Data, section 4.1), with two more
        degrees of freedom below if runs were censored, which makes it conservative. Exit times from a well are exponential
        but for the time it takes to forget the start, which makes them less spread, and the interval wider than need be.

        Returns
        -------
        Estimate
            Infinite if no run left.
        """
        from scipy.stats import chi2  # noqa: PLC0415 - slow to import

        total, exits, tail = float(self.durations.sum()), int(self.observed.sum()), (1 - self.level) / 2
        more = 0 if exits == self.observed.size else 2
        low = 2 * total / float(chi2.ppf(1 - tail, 2 * exits + more))
        if exits == 0:
            return Estimate(np.inf, low, np.inf)
        return Estimate(total / exits, low, 2 * total / float(chi2.ppf(tail, 2 * exits)))

    def restricted_mean(self, horizon: float | None = None) -> Estimate:
        """Return the mean of min(exit time, horizon), which needs no assumption: the area under the curve.

        Parameters
        ----------
        horizon : float, optional
            By default the longest duration.

        Returns
        -------
        Estimate
            With the normal interval of Greenwood's variance.

        Raises
        ------
        ValueError
            If the horizon is not positive, or beyond the longest duration while runs were still inside.
        """
        from scipy.stats import norm  # noqa: PLC0415 - slow to import

        last = float(self.times[-1])
        end = last if horizon is None else check_number("horizon", horizon, above=0)
        if end > last and self.survival[-1] > 0:
            raise ValueError(f"horizon must be at most {last:g}, as long as the runs were followed (got {end:g})")
        edges = np.concatenate([[0.0], np.minimum(self.times, end), [end]])
        areas = np.diff(edges) * np.concatenate([[1.0], self.survival])
        beyond = np.cumsum(areas[::-1])[::-1][1:]  # the area right of each time
        rest = self.at_risk - self.exits
        share = np.divide(self.exits, self.at_risk * rest, out=np.zeros(len(rest)), where=rest > 0)
        half = float(norm.ppf((1 + self.level) / 2) * np.sqrt(beyond**2 @ share))
        return Estimate(float(areas.sum()), float(areas.sum()) - half, float(areas.sum()) + half)

    def __repr__(self) -> str:
        """Return the counts and the median.

        Returns
        -------
        str
            One line.
        """
        value, low, high = self.quantile(0.5)
        shown = f"median exit time {value:g} [{low:g}, {high:g}]"
        if not np.isfinite(value):  # the curve did not come down to a half
            beyond = f"median exit time > {self.durations.max():g}"
            shown = beyond if np.isinf(low) else f"{beyond} [{low:g}, {high:g}]"
        return f"Survival({self.observed.sum()} of {self.observed.size} runs left; {shown})"


def kaplan_meier(durations: npt.ArrayLike, observed: npt.ArrayLike, *, level: float = 0.95) -> Survival:
    """Estimate the survival curve of right-censored exit times (Kaplan and Meier 1958).

    The band is that of `scipy.stats.ecdf`, normal for log(−log S); where it is undefined, before the first exit, its lower end is
    the exact one of a binomial with no success (Clopper and Pearson 1934), and where the curve is 0 its upper end is the last one.

    Parameters
    ----------
    durations : array_like, shape (runs,)
        How long each run was followed, > 0.
    observed : array_like of bool, shape (runs,)
        Whether it left then.
    level : float, default 0.95
        The confidence level.

    Returns
    -------
    Survival
        The curve, with quantiles and means.

    Raises
    ------
    TypeError
        If `observed` is not of bools.
    ValueError
        If the lengths differ, there is no run, a duration is not positive, or the level not between 0 and 1.

    Examples
    --------
    >>> curve = kaplan_meier([1.0, 2.0, 2.0, 3.0], [True, True, False, False])
    >>> curve.survival
    array([0.75, 0.5 , 0.5 ])
    >>> curve.mean().value
    4.0
    """
    from scipy.stats import CensoredData, ecdf  # noqa: PLC0415 - slow to import

    times, left = _check_durations(durations, observed)
    confidence = check_probability("level", level)
    curve = ecdf(CensoredData(uncensored=times[left], right=times[~left])).sf
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The confidence interval is undefined", RuntimeWarning)
        band = curve.confidence_interval(confidence, method="log-log")
    places, survival = np.asarray(curve.quantiles), np.asarray(curve.probabilities)
    at_risk = times.size - np.searchsorted(np.sort(times), places, side="left").astype(np.float64)
    exits = np.array([np.count_nonzero(times[left] == place) for place in places], np.float64)
    low = np.where(survival == 1, ((1 - confidence) / 2) ** (1 / at_risk), np.nan_to_num(band.low.probabilities))
    high = np.where(survival == 1, 1.0, band.high.probabilities)
    if survival[-1] == 0:
        high[-1] = high[-2] if high.size > 1 else 1.0
    return Survival(times, left, places, survival, low, high, at_risk, exits, confidence)


def logrank(first: Survival, second: Survival) -> float:
    """Return the two-sided p-value of the log-rank test that both laws are the same (Mantel 1966; `scipy.stats.logrank`).

    Parameters
    ----------
    first, second : Survival
        Independent samples in the same unit of time.

    Returns
    -------
    float
        The p-value.

    Raises
    ------
    ValueError
        If in neither sample a run left.

    Examples
    --------
    >>> a = kaplan_meier([1.0, 2.0, 3.0, 4.0], [True] * 4)
    >>> b = kaplan_meier([5.0, 6.0, 7.0, 8.0], [True] * 4)
    >>> round(logrank(a, b), 3)
    0.007
    """
    from scipy.stats import logrank as test  # noqa: PLC0415 - slow to import

    if not (first.observed.any() or second.observed.any()):
        raise ValueError("first or second must hold an exit: nothing left to compare (got none)")
    return float(test(_censored(first), _censored(second)).pvalue)


def _censored(sample: Survival) -> Any:
    from scipy.stats import CensoredData  # noqa: PLC0415 - slow to import

    return CensoredData(uncensored=sample.durations[sample.observed], right=sample.durations[~sample.observed])


def _first(times: Array, reached: npt.NDArray[np.bool_]) -> float:
    return float(times[np.argmax(reached)]) if reached.any() else np.inf


def _check_durations(durations: npt.ArrayLike, observed: npt.ArrayLike) -> tuple[Array, npt.NDArray[np.bool_]]:
    times = check_float_array("durations", durations, ndim=1).astype(np.float64)
    left = np.asarray(observed)
    if left.dtype != bool:
        raise TypeError(f"observed must be an array of bools (got dtype {left.dtype})")
    if check_same_length("durations", times, "observed", left) == 0:
        raise ValueError("durations must hold at least one run (got none)")
    if not (times > 0).all():
        raise ValueError(f"durations must be > 0 (durations[{np.argmin(times)}] is {times.min():g})")
    return times, left
