"""The result of `compare`: how far SGD ends from batch training, and the test of being the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow._intervals import RESAMPLES, mean_interval
from etaflow.theory.rates import PowerLaw, fit_power_law

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

Array = npt.NDArray[np.float64]

WORDS = {
    "loss": "f(SGD) − f(batch)",
    "predictions": "root mean square of SGD's predictions − batch training's",
    "theta": "‖SGD − batch‖",
}


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What `compare` measured.

    Attributes
    ----------
    data : xarray.Dataset
        The table; see `compare`.
    quantity : str
        What is compared.
    power : PowerLaw or None
        E D ∝ η^s. The null hypothesis that D does not vanish as η → 0, s ≤ 0, is rejected where ``power.low > 0``: at the
        one-sided error probability (1 − level)/2. None with fewer than two usable step sizes.
    tolerance : float
        What counts as the same.
    threshold : float
        The largest of the step sizes up to which every one passes the test of being the same; NaN if not even the smallest
        does.
    level : float
        1 − the probability that `threshold` is too large for any reason of chance, and the level of each interval.
    complete : bool
        False after Ctrl-C; the table is of the step sizes that were finished.
    """

    data: xr.Dataset
    quantity: str
    power: PowerLaw | None
    tolerance: float
    threshold: float
    level: float
    complete: bool

    @property
    def fitted_threshold(self) -> float:
        """The step size at which the fitted power law reaches the tolerance; NaN without one that increases."""
        if self.power is None or self.power.slope <= 0:
            return math.nan
        return float((self.tolerance / self.power.factor) ** (1 / self.power.slope))

    def __repr__(self) -> str:
        """Return the result in one line.

        Returns
        -------
        str
            What was compared, the power and the threshold.
        """
        power = "no power" if self.power is None else f"power {self.power.slope:.3f}"
        below = "no step size" if math.isnan(self.threshold) else f"η ≤ {self.threshold:g}"
        return (
            f"Comparison({self.quantity}, {self.data.sizes['step_size']} step sizes, "
            f"{self.data.sizes['run']} runs each: {power}; same to {self.tolerance:g} for {below})"
        )


def conclude(sizes: Array, signed: Array, *, quantity: str, tolerance: float, level: float, seed: int) -> Comparison:
    """Make the table, the fit and the test.

    Parameters
    ----------
    sizes : ndarray, shape (m,)
        η.
    signed : ndarray, shape (at most m, runs)
        D, with its sign if it has one, for the first of them; NaN for runs that diverged.
    quantity : str
        What it is of.
    tolerance, level, seed
        As in `compare`.

    Returns
    -------
    Comparison
        The result.
    """
    done = sizes[: len(signed)]
    data = _table(done, signed, quantity, tolerance, level, seed)
    data["difference"].attrs["long_name"] = WORDS[quantity]
    return Comparison(
        data=data,
        quantity=quantity,
        power=_power(done, np.abs(signed), level, seed),
        tolerance=tolerance,
        threshold=_threshold(done, data["p_value"].values, level),
        level=level,
        complete=len(done) == len(sizes),
    )


def _table(sizes: Array, signed: Array, kind: str, tolerance: float, level: float, seed: int) -> xr.Dataset:
    import xarray as xr  # noqa: PLC0415 - slow to import

    columns = {"mean": np.abs(signed), **({"bias": signed} if kind == "loss" else {})}
    variables: dict[str, Any] = {"difference": (("step_size", "run"), signed)}
    for name, values in columns.items():
        rows = [_mean(row[np.isfinite(row)], level, seed) for row in values]
        for end, column in zip(("", "_low", "_high"), zip(*rows, strict=True), strict=True):
            variables[f"{name}{end}"] = ("step_size", np.array(column))
    variables["p_value"] = ("step_size", np.array([_p_value(row, tolerance) for row in np.abs(signed)]))
    coordinates = {"step_size": sizes, "run": np.arange(signed.shape[1])}
    return xr.Dataset(variables, coordinates, {"level": level, "tolerance": tolerance, "seed": str(seed)})


def _mean(values: Array, level: float, seed: int) -> tuple[float, float, float]:
    if len(values) < 2:
        return (float(values[0]) if len(values) else math.nan), math.nan, math.nan
    low, high = mean_interval(values, level=level, seed=seed)
    return float(values.mean()), float(low), float(high)


def _p_value(difference: Array, tolerance: float) -> float:
    from scipy.stats import ttest_1samp  # noqa: PLC0415 - slow to import

    if not np.isfinite(difference).all():
        return 1.0  # an ensemble that lost runs passes no test
    if np.ptp(difference) == 0:
        return 0.0 if difference[0] < tolerance else 1.0
    return float(ttest_1samp(difference, tolerance, alternative="less").pvalue)


def _threshold(sizes: Array, p_values: Sequence[float] | Array, level: float) -> float:
    threshold = math.nan
    for i in np.argsort(sizes):
        if p_values[i] > 1 - level:
            break
        threshold = float(sizes[i])
    return threshold


def _power(sizes: Array, difference: Array, level: float, seed: int) -> PowerLaw | None:
    samples = [row[np.isfinite(row)] for row in difference]
    usable = [i for i, row in enumerate(samples) if len(row) > 1 and row.any()]
    if len(usable) < 2:
        return None
    chosen = [samples[i] for i in usable]
    return fit_power_law(sizes[usable], chosen, statistic=np.mean, level=level, seed=seed, resamples=RESAMPLES)
