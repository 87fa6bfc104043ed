"""The result of `deviation`: means, constants, tails and powers of suprema, each with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow._intervals import RESAMPLES, mean_interval, proportion_interval
from etaflow.theory.rates import PowerLaw, fit_power_law

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from etaflow.dynamics.flow import Flow
    from etaflow.theory.small_steps.gronwall import Constants
    from etaflow.theory.small_steps.suprema import Ensemble, Suprema

Array = npt.NDArray[np.float64]

MATTERS = 0.01
"""From this part of the supremum on, what happens between two steps is counted."""

ROUNDING = 1e-13
"""A norm that is not larger is nothing but rounding."""

WORDS = {
    "mean_sup2": "E sup‖SGD − flow‖²",
    "mean_sup2_between": "upper bound of E sup‖SGD − flow‖² with the time between steps",
    "constant": "B = E sup‖SGD − flow‖²/η",
    "mean_distance2": "E‖SGD − flow‖²",
    "sampling_mean_sup2": "E sup‖SGD − gradient descent‖²",
    "euler_sup": "sup‖gradient descent − flow‖",
    "chord_gap": "(η²/8)·sup‖∇²f∇f‖ since the time before",
    "sup": "sup‖SGD − flow‖",
    "sampling_sup": "sup‖SGD − gradient descent‖",
    "distance": "‖SGD − flow‖",
    "exceedance": "P(sup‖SGD − flow‖ > δ)",
    "exceedance_markov": "E sup²/δ² of the same runs, which they cannot exceed",
    "exceedance_bound": "B·η/δ² with one measured B for all step sizes",
    "log10_proved_constant": "log₁₀ of a proved B",
    "log10_exceedance_proved": "log₁₀ of the proved B·η/δ²",
}


@dataclass(frozen=True, eq=False, repr=False)
class Deviation:
    """What `deviation` measured.

    Attributes
    ----------
    data : xarray.Dataset
        The tables; see `deviation`.
    power : PowerLaw or None
        E sup‖SGD − flow‖² ∝ η^s: Theorem 3.2 i) says s = 1 or more. None with fewer than two step sizes.
    power_at_times : PowerLaw or None
        The same with the maximum over the recorded times, the same for all step sizes, instead of over every step.
    sampling_power : PowerLaw or None
        E sup‖SGD − gradient descent‖² ∝ η^s: 1 for errors that add up like a random walk.
    euler_power : PowerLaw or None
        sup‖gradient descent − flow‖ ∝ η^s, not squared: 1 for Euler's method. Nothing of it is random, so its interval is a
        point.
    flow : Flow
        θ̄.
    level : float
        The confidence level of every interval by itself.
    complete : bool
        False after Ctrl-C; the tables are of the step sizes that were finished.
    """

    data: xr.Dataset
    power: PowerLaw | None
    power_at_times: PowerLaw | None
    sampling_power: PowerLaw | None
    euler_power: PowerLaw | None
    flow: Flow
    level: float
    complete: bool

    def __repr__(self) -> str:
        """Return the result in one line.

        Returns
        -------
        str
            How much was measured, the power and the constant.
        """
        sizes = self.data.sizes
        constants = self.data["constant"].isel(time=-1).values
        fitted = self.power
        power = "no power" if fitted is None else f"power {fitted.slope:.3f} ({fitted.low:.3f} … {fitted.high:.3f})"
        return (
            f"Deviation({sizes['step_size']} step sizes, {sizes['run']} runs each, t = {self.flow_time:g}: {power}, "
            f"constant {constants.min():.3g} … {constants.max():.3g})"
        )

    @property
    def flow_time(self) -> float:
        """The last time."""
        return float(self.data["time"].values[-1])


def build(
    ensembles: Sequence[Ensemble],
    measured: Sequence[Suprema],
    *,
    times: Array,
    deltas: Array,
    level: float,
    seed: int,
    known: Constants | None,
) -> xr.Dataset:
    """Return the tables.

    Parameters
    ----------
    ensembles, measured : sequences of the same length
        The step sizes and what was found for each.
    times : ndarray, shape (m,)
        r.
    deltas : ndarray, shape (k,)
        δ.
    level : float
        The confidence level.
    seed : int
        Of the bootstrap.
    known : Constants or None
        For the proved bound.

    Returns
    -------
    xarray.Dataset
        As `deviation` describes it.
    """
    import xarray as xr  # noqa: PLC0415 - slow to import

    etas = np.array([one.step_size for one in ensembles])
    columns = [_by_time(one, level, seed) for one in measured]
    variables: dict[str, Any] = {
        name: (("step_size", "time"), np.array([column[name] for column in columns])) for name in columns[0]
    }
    runs = {"sup": "total", "sampling_sup": "sampling", "distance": "distance"}
    for name, field in runs.items():
        variables[name] = (("step_size", "run", "time"), np.array([getattr(one, field) for one in measured]))
    for end in ("", "_low", "_high"):
        dims, means = variables[f"mean_sup2{end}"]
        variables[f"constant{end}"] = (dims, means / etas[:, None])
    tails = [_tails(one, deltas, level) for one in measured]
    variables |= {name: (("step_size", "delta"), np.array([one[name] for one in tails])) for name in tails[0]}
    variables["exceedance_bound"] = (
        ("step_size", "delta"),
        _largest(variables["constant_high"][1][:, -1]) * etas[:, None] / deltas**2,
    )
    if known is not None:
        proved = known.log10_bound(times, etas.max())
        variables["log10_proved_constant"] = ("time", proved)
        variables["log10_exceedance_proved"] = (
            ("step_size", "delta"),
            proved[-1] + np.log10(etas)[:, None] - 2 * np.log10(deltas),
        )
    status = np.array([one.status for one in measured])
    coordinates = {
        "step_size": etas,
        "time": times,
        "delta": deltas,
        "run": np.arange(status.shape[1]),
        "steps": ("step_size", [int(one.steps[-1]) for one in ensembles]),
        "diverged": ("step_size", (status == "diverged").sum(axis=1)),
        "run_number": (("step_size", "run"), np.array([list(one.numbers) for one in ensembles])),
    }
    data = xr.Dataset(variables, coordinates, {"level": level, "seed": str(seed)})
    for name, words in WORDS.items():
        if name in data:
            data[name].attrs["long_name"] = words
    return data


def powers(sizes: Array, measured: Sequence[Suprema], level: float, seed: int) -> dict[str, PowerLaw | None]:
    """Fit the powers of η.

    Parameters
    ----------
    sizes : ndarray, shape (m,)
        η.
    measured : sequence of at most m Suprema
        What was found for the first of them.
    level : float
        The confidence level.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict of str to PowerLaw or None
        By the attribute of `Deviation`; None with fewer than two usable step sizes.
    """
    squared = {
        "power": [one.total[one.finished, -1] for one in measured],
        "power_at_times": [one.distance[one.finished].max(axis=1) for one in measured],
        "sampling_power": [one.sampling[one.finished, -1] for one in measured],
    }
    fitted = {name: _fit(sizes, norms, 2, level, seed) for name, norms in squared.items()}
    return fitted | {"euler_power": _fit(sizes, [one.euler[-1] for one in measured], 1, level, seed)}


def _fit(sizes: Array, norms: Sequence[Any], exponent: int, level: float, seed: int) -> PowerLaw | None:
    usable = [
        i
        for i, one in enumerate(norms)
        if np.size(one) > np.ndim(one) and np.isfinite(one).all() and np.min(one) > ROUNDING
    ]
    if len(usable) < 2:
        return None
    samples = [norms[i] ** exponent for i in usable]
    return fit_power_law(sizes[usable], samples, level=level, seed=seed, resamples=RESAMPLES)


def _by_time(one: Suprema, level: float, seed: int) -> dict[str, Array]:
    kept = one.finished
    squares, between = one.total[kept] ** 2, one.between[kept] ** 2
    low, mean, high = _mean_and_interval(squares, level, seed)
    _, upper, upper_high = _mean_and_interval(between, level, seed)
    matters = np.sqrt(upper) > (1 + MATTERS) * np.sqrt(mean)
    sampling_low, sampling_mean, sampling_high = _mean_and_interval(one.sampling[kept] ** 2, level, seed)
    return {
        "mean_sup2": mean,
        "mean_sup2_low": low,
        "mean_sup2_high": np.where(matters, upper_high, high),
        "mean_sup2_between": upper,
        "between_matters": matters,
        "chord_gap": one.gap,
        "mean_distance2": _mean_and_interval(one.distance[kept] ** 2, level, seed)[1],
        "sampling_mean_sup2": sampling_mean,
        "sampling_mean_sup2_low": sampling_low,
        "sampling_mean_sup2_high": sampling_high,
        "euler_sup": one.euler,
    }


def _mean_and_interval(values: Array, level: float, seed: int) -> tuple[Array, Array, Array]:
    nothing = np.full(values.shape[1], math.nan)
    if len(values) == 0:
        return nothing, nothing, nothing
    mean = np.asarray(values.mean(axis=0))
    if len(values) < 2 or not np.isfinite(values).all():
        return nothing, mean, nothing
    low, high = mean_interval(values, level=level, seed=seed)
    return low, mean, high


def _largest(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else math.nan


def _tails(one: Suprema, deltas: Array, level: float) -> dict[str, Array]:
    at_steps, between = one.total[one.finished, -1], one.between[one.finished, -1]
    total = len(at_steps)
    if total == 0:
        names = ("exceedance", "exceedance_low", "exceedance_high", "exceedance_markov")
        return dict.fromkeys(names, np.full(len(deltas), math.nan))
    matters = np.sqrt((between**2).mean()) > (1 + MATTERS) * np.sqrt((at_steps**2).mean())
    certain = [int((at_steps > delta).sum()) for delta in deltas]
    possible = [int((between > delta).sum()) for delta in deltas] if matters else certain
    return {
        "exceedance": np.array(certain) / total,
        "exceedance_low": np.array([proportion_interval(count, total, level=level)[0] for count in certain]),
        "exceedance_high": np.array([proportion_interval(count, total, level=level)[1] for count in possible]),
        "exceedance_markov": (at_steps**2).mean() / deltas**2,
    }
