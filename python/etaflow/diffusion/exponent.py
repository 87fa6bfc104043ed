"""The exponent of mean exit times: log T = E/η + p·log η + c, fitted to several step sizes, with a bootstrap interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.diffusion.survival import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from etaflow.diffusion.barrier import Barrier
    from etaflow.diffusion.survival import Survival

    Array = npt.NDArray[np.float64]

FEWEST = 10
"""So many exits a step size needs to count."""

CROWDED = 0.5
"""With `Barrier.crowd` times η beyond this exits are not rare."""

RESAMPLES = 4_999
SEED = 20


@dataclass(frozen=True, eq=False, repr=False)
class Exponent:
    """The fit of `EscapeTimes.exponent`.

    Attributes
    ----------
    fitted : Estimate
        E with its interval, in the unit of η: the mean time grows as e^{E/η}.
    predicted : Barrier
        What the stationary covariance at the minimum says, for η → 0, and how far f is quadratic there.
    intercept, power : float
        c and p.
    step_sizes : ndarray, shape (m,)
        The step sizes that count: those with ten exits or more.
    times : list of m Estimate
        Their mean exit times, in the time η·k.
    level : float
        The confidence level.
    """

    fitted: Estimate
    predicted: Barrier
    intercept: float
    power: float
    step_sizes: Array
    times: list[Estimate]
    level: float

    def at(self, step_size: npt.ArrayLike) -> Array:
        """Return the fitted mean exit time.

        Returns
        -------
        ndarray
            Of the shape of `step_size`, in the time η·k.
        """
        eta = np.asarray(step_size, np.float64)
        return np.asarray(np.exp(self.fitted.value / eta + self.power * np.log(eta) + self.intercept))

    def __repr__(self) -> str:
        """Return the exponent, its interval and the prediction.

        Returns
        -------
        str
            One line.
        """
        value, low, high = self.fitted
        exponent, rise, noise, crowd = self.predicted
        largest = float(self.step_sizes.max())
        doubt = "" if 0.7 < rise < 1.4 else f", where f rises {rise:.2g} of what a quadratic does"
        if noise > 1.4:
            doubt += f", where the noise is {noise:.2g} of what it is at the minimum"
        if exponent < largest or crowd * largest > CROWDED:
            doubt += f", but at η = {largest:g} runs come to the border without a rare chance"
        fit = f"{value:.3g} [{low:.3g}, {high:.3g}] from {len(self.times)} step sizes"
        return f"Exponent({fit}; predicted {exponent:.3g}{doubt})"


def fit_exponent(step_sizes: Sequence[float], curves: Sequence[Survival], predicted: Barrier, power: float) -> Exponent:
    """Fit E by least squares of log(mean time), each weighted by its number of exits, the inverse of its variance.

    The interval is the percentile bootstrap of `scipy.stats.bootstrap`, with the runs of each step size resampled.

    Parameters
    ----------
    step_sizes : sequence of float
        η.
    curves : sequence of Survival
        The exit times of each, in the time η·k.
    predicted : Barrier
        For the record.
    power : float
        p, held fixed.

    Returns
    -------
    Exponent
        The fit.

    Raises
    ------
    ValueError
        If fewer than two step sizes have enough exits.
    """
    counted = [(eta, one) for eta, one in zip(step_sizes, curves, strict=True) if one.observed.sum() >= FEWEST]
    if len(counted) < 2:
        exits = {f"{eta:g}": int(one.observed.sum()) for eta, one in zip(step_sizes, curves, strict=True)}
        raise ValueError(
            f"an exponent needs two step sizes with at least {FEWEST} exits each (got exits {exits}): follow the runs for longer"
        )
    etas, kept = np.array([eta for eta, _ in counted]), [one for _, one in counted]
    weights = np.array([float(one.observed.sum()) for one in kept])
    centred = 1 / etas - weights @ (1 / etas) / weights.sum()
    slope_of = weights * centred / (weights @ centred**2)
    times = [one.mean() for one in kept]
    logs = np.log([time.value for time in times]) - power * np.log(etas)
    slope = float(slope_of @ logs)
    intercept = float(weights @ (logs - slope / etas) / weights.sum())
    low, high = _interval(kept, slope_of, power * np.log(etas), kept[0].level)
    return Exponent(Estimate(slope, low, high), predicted, intercept, power, etas, times, kept[0].level)


def _interval(curves: Sequence[Survival], slope_of: Array, shift: Array, level: float) -> tuple[float, float]:
    from scipy.stats import bootstrap  # noqa: PLC0415 - slow to import

    signed = [
        np.where(one.observed, one.durations, -one.durations) for one in curves
    ]  # censored times as negative ones

    def statistic(*samples: Array, axis: int = -1) -> Any:
        means = [np.abs(one).sum(axis) / np.maximum((one > 0).sum(axis), 1) for one in samples]
        return sum(s * (np.log(mean) - back) for s, mean, back in zip(slope_of, means, shift, strict=True))

    interval = bootstrap(
        signed,
        statistic,
        vectorized=True,
        method="percentile",
        n_resamples=RESAMPLES,
        batch=500,
        confidence_level=level,
        random_state=np.random.default_rng(SEED),
    ).confidence_interval
    return float(interval.low), float(interval.high)
