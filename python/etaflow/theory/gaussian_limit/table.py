"""The table of `central_limit`, and the rates of its distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.theory.gaussian_limit import normality
from etaflow.theory.gaussian_limit.comparison import SEED, TWIN_SAMPLES, Comparison, Limit
from etaflow.theory.gaussian_limit.pairs import mean_with_interval
from etaflow.theory.rates import PowerLaw, fit_power_law

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from etaflow._checks import IntArray
    from etaflow.theory.gaussian_limit.pairs import Distance

    Array = npt.NDArray[np.float64]

LONG_NAMES = {
    "covariance_error": "‖S − Σ‖/‖Σ‖ of the ensemble",
    "covariance_floor": "the same by chance",
    "covariance_floor_high": "what chance exceeds with probability 1 − level",
    "covariance_distance": "‖Cov Θ − Σ‖/‖Σ‖",
    "mean_error": "‖mean of Θ‖/√tr Σ of the ensemble",
    "mean_floor": "the same by chance",
    "mean_predicted": "‖√η·m‖/√tr Σ",
    "mean_distance": "‖E Θ‖/√tr Σ",
    "skewness_distance": "skewness, root mean square over directions",
    "kolmogorov": "sup|F − Φ| of the ensemble, mean over directions",
    "kolmogorov_floor": "the same by chance",
    "kolmogorov_distance": "sup|F − Φ|, mean over directions",
    "kolmogorov_shifted_distance": "sup|F − Φ| with the mean √η·m, mean over directions",
    "wasserstein": "W₂ of the ensemble in standard deviations, mean over directions",
    "wasserstein_floor": "the same by chance",
    "anderson": "Anderson–Darling statistic, mean over directions; 1 by chance",
}


def build(
    compared: Sequence[Comparison], limit: Limit, step_sizes: Array, steps: IntArray, samples: Sequence[Array]
) -> xr.Dataset:
    """Return the table: see `central_limit`.

    Returns
    -------
    xarray.Dataset
        By step size.
    """
    import xarray as xr  # noqa: PLC0415 - slow to import

    diverged = np.array([np.isnan(one[:, 0]).sum() for one in samples])
    counts = [len(one) - int(lost) for one, lost in zip(samples, diverged, strict=True)]
    floors = {count: _floors(limit, count) for count in set(counts)}
    rows = [_row(one, floors[count], limit.level) for one, count in zip(compared, counts, strict=True)]
    variables = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        dims = ("step_size", "estimate")[: values.ndim]
        variables[name] = (dims, values, {"long_name": LONG_NAMES[name]})
    coords: dict[str, Any] = {
        "step_size": ("step_size", step_sizes, {"long_name": "step size η"}),
        "estimate": ["value", "low", "high"],
        "steps": ("step_size", steps),
        "diverged": ("step_size", diverged),
    }
    return xr.Dataset(variables, coords, {"level": limit.level, "projections": limit.projections})


def fit_rates(compared: Sequence[Comparison], step_sizes: Array, level: float, seed: int) -> dict[str, PowerLaw | None]:
    """Return the powers of η with which the distances fall.

    Settings whose distance may be 0 are left out; the others count by their precision.

    Returns
    -------
    dict of str to PowerLaw or None
        None for fewer than two settings.
    """
    found: dict[str, PowerLaw | None] = {}
    for name in compared[0].distances:
        found[name] = fit_distance(step_sizes, [one.distances[name] for one in compared], level, seed)
    for name in compared[0].suprema:
        found[name] = _fit(step_sizes, [one.suprema[name] for one in compared], level, seed)
    return found


def fit_distance(step_sizes: Array, distances: Sequence[Distance], level: float, seed: int) -> PowerLaw | None:
    """Return the power of η with which a distance falls.

    Settings whose distance may be 0 are left out; the others count by their precision.

    Returns
    -------
    PowerLaw or None
        None for fewer than two settings.
    """
    law = _fit(step_sizes, [one.squares for one in distances], level, seed)
    if law is None:
        return None
    return PowerLaw(law.slope / 2, law.low / 2, law.high / 2, law.factor**0.5, law.level, law.resamples, law.seed)


def _row(one: Comparison, floors: dict[str, float], level: float) -> dict[str, Any]:
    distances = {name: [found.value, found.low, found.high] for name, found in one.distances.items()}
    suprema = {name: np.clip(mean_with_interval(found, level), 0, None) for name, found in one.suprema.items()}
    return one.numbers | floors | {f"{name}_distance": found for name, found in (distances | suprema).items()}


def _floors(limit: Limit, count: int) -> dict[str, float]:
    mean, high = limit.covariance_floor(count)
    twins = np.sort(np.random.default_rng(SEED).normal(size=(TWIN_SAMPLES, count)), axis=1)
    return {
        "covariance_floor": mean,
        "covariance_floor_high": high,
        "mean_floor": float(1 / np.sqrt(count)),
        "kolmogorov_floor": float(normality.KOLMOGOROV_MEAN / np.sqrt(count)),
        "wasserstein_floor": float(normality.wasserstein(twins).mean()),
    }


def _fit(step_sizes: Array, values: Sequence[Array], level: float, seed: int) -> PowerLaw | None:
    known = [i for i, one in enumerate(values) if mean_with_interval(one, level)[1] > 0]
    if len(known) < 2:
        return None
    samples = [values[i] for i in known]
    return fit_power_law(
        step_sizes[known], samples, statistic=_positive_mean, weights="precision", level=level, seed=seed
    )


def _positive_mean(values: Array, axis: int = -1) -> Any:
    return values.mean(axis).clip(min=np.finfo(float).tiny)  # a resample's mean can be negative, once in a thousand
