"""How many runs lie within bands: shares with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.diffusion.noise import SAMPLINGS, noise_factor

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from etaflow.diffusion.bands import Bands
    from etaflow.diffusion.law import Fluctuations
    from etaflow.dynamics.runs import Runs

    Array = npt.NDArray[np.floating[Any]]
    Inside = npt.NDArray[np.bool_]

ESTIMATE = ("share", "low", "high")
ROUNDING = 1e-12


def check_runs(runs: Runs, law: Fluctuations, step_size: float) -> None:
    """Raise a ValueError unless the runs are what the bands are of.

    Raises
    ------
    ValueError
        If they have another objective, start, step size or noise, or have momentum.
    """
    if runs.objectives.fingerprints()[0] != law.objective.fingerprint():
        raise ValueError(f"runs must be of the bands' objective {law.objective!r}")
    if any(
        one.kind != "constant" or not np.isclose(one.values[0], step_size, rtol=1e-12) for one in runs.plan.step_sizes
    ):
        raise ValueError(f"runs must have the bands' constant step size {step_size:g} (got {runs!r})")
    if runs.plan.update.optimizer != "sgd":
        raise ValueError(f"runs must be of sgd without momentum (got {runs!r})")
    _check_noise(runs, law)
    if "theta" not in runs.records:
        raise ValueError(
            f'runs must have θ on record at the steps of the bands: descend with record={{"theta": bands.steps}} (got {runs!r})'
        )
    if not (runs.records["theta"][:, 0] == law.flow.theta0).all():
        raise ValueError("runs must start where the flow does")


def _check_noise(runs: Runs, law: Fluctuations) -> None:
    sampling = runs.plan.sampling
    drawn = f"batch_size {sampling.batch} and sampling {sampling.name!r}"
    if sampling.name not in SAMPLINGS:
        raise ValueError(f"runs must draw their batches by one of {SAMPLINGS}, as the bands suppose (got {drawn})")
    factor = noise_factor(law.objective, sampling.batch, sampling.name)
    if not np.isclose(factor, law.noise_factor, rtol=1e-12):
        raise ValueError(
            f"runs must have the batch_size and sampling of the bands: theirs is the noise factor {law.noise_factor:g} "
            f"(got {drawn}: {factor:g})"
        )


def measure(bands: Bands, runs: Runs, confidence: float) -> xr.Dataset:
    """Return the shares of runs within the bands: see `Bands.coverage`.

    Returns
    -------
    xarray.Dataset
        Shares and intervals.
    """
    import xarray as xr  # noqa: PLC0415 - slow to import

    found: dict[str, Any] = {}
    for name, values in values_of(bands, runs).items():
        inside = _within(bands, name, values)
        dims = bands.data[name].dims[1:]
        together = inside.reshape(*inside.shape[:2], -1)
        found[name] = (("estimate", *dims), proportion(inside, confidence))
        found[f"{name}_all"] = (("estimate", "time"), proportion(np.asarray(together.all(2)), confidence))
        found[f"{name}_always"] = (("estimate",), proportion(np.asarray(together.all((1, 2))), confidence))
        if len(dims) > 1:
            found[f"{name}_average"] = (("estimate", "time"), _mean(together.mean(2), confidence))
    attrs = {"runs": len(runs), "confidence": confidence, "level": bands.level}
    coords = {name: values for name, values in bands.data.coords.items() if name != "bound"}
    return xr.Dataset(found, {"estimate": list(ESTIMATE), **coords}, attrs)


def proportion(successes: Inside, confidence: float) -> Array:
    """Return shares along the first axis with Clopper–Pearson intervals.

    Parameters
    ----------
    successes : ndarray of bool, shape (runs, …)
        What happened in each run.
    confidence : float
        The level of the intervals.

    Returns
    -------
    ndarray, shape (3, …)
        The share, and the ends of its interval.
    """
    from scipy.stats import beta  # noqa: PLC0415 - slow to import

    total, count = len(successes), np.asarray(successes.sum(axis=0), np.float64)
    tail = (1 - confidence) / 2
    low = np.where(count > 0, beta.ppf(tail, np.maximum(count, 1), total - count + 1), 0.0)
    high = np.where(count < total, beta.isf(tail, count + 1, np.maximum(total - count, 1)), 1.0)
    return np.stack([count / total, low, high])


def values_of(bands: Bands, runs: Runs) -> dict[str, Array]:
    """Return what the bands are of, run by run.

    Parameters
    ----------
    bands : Bands
        The bands.
    runs : Runs
        The ensemble, with θ on record.

    Returns
    -------
    dict of str to ndarray, shape (runs, times, …)
        ``theta``, ``loss`` and, with inputs, ``prediction``; NaN where a run has ended.
    """
    theta = runs.at(bands.times)
    alive: Inside = np.asarray(np.isfinite(theta).all(axis=2))
    points = np.where(alive[..., None], theta, bands.law.flow.theta0)  # any numbers that can be evaluated
    columns = [np.ascontiguousarray(points[:, place]) for place in range(alive.shape[1])]
    found: dict[str, Array] = {"theta": points}
    found["loss"] = np.stack([bands.law.objective.value(column) for column in columns], axis=1)
    if bands.inputs is not None:
        net = bands.law.objective.net
        found["prediction"] = np.stack([net.predict(column, bands.inputs) for column in columns], axis=1)
    for values in found.values():
        values[~alive] = np.nan
    return found


def _within(bands: Bands, name: str, values: Array) -> Inside:
    lower, upper = (bands.data[name].sel(bound=bound).values for bound in ("lower", "upper"))
    slack = ROUNDING * np.maximum(np.abs(lower), np.abs(upper))  # at time 0 the band has no width
    return np.asarray((values >= lower - slack) & (values <= upper + slack))


def _mean(values: Array, confidence: float) -> Array:
    from scipy.stats import norm  # noqa: PLC0415 - slow to import

    mean = values.mean(axis=0)
    error = norm.isf((1 - confidence) / 2) * values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return np.stack([mean, (mean - error).clip(min=0), (mean + error).clip(max=1)])
