"""The table of exit times, and what can be asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_choice
from etaflow._intervals import proportion_interval
from etaflow.diffusion.barrier import Barrier
from etaflow.diffusion.exponent import Exponent, fit_exponent
from etaflow.diffusion.survival import Survival, kaplan_meier, logrank
from etaflow.dynamics import stopping

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from etaflow.diffusion.destinations import Basins
    from etaflow.diffusion.exits import Exits, Settings

AXES = ("step_size", "batch_size", "gradient_noise")
UNITS = ("steps", "time")


@dataclass(frozen=True, eq=False, repr=False)
class EscapeTimes:
    """When and where runs left a minimum, made by `escape_times`.

    Attributes
    ----------
    data : xarray.Dataset
        By ``step_size``, ``batch_size``, ``gradient_noise`` and ``run``: ``exit_step``, the first step with the run outside, or
        the last one if it stayed; ``status``: ``left``, ``diverged`` (outside, and not finite), ``inside`` (censored) or
        ``not begun``; ``left``, whether it left or diverged; ``destination``, the number of its basin, −1 for none.
        By the first three: ``exits``, and ``mean_steps`` with ``mean_steps_low`` and ``mean_steps_high`` (`Survival.mean`);
        ``barrier``, ``barrier_rise``, ``barrier_noise`` and ``barrier_crowd`` (`Barrier`) do not depend on the step size.
        By ``basin``: ``basin_value``, ``basin_verdict`` and ``basin_theta``; number 0 is the minimum itself, whose runs came back.
    leave : rule
        What counted as outside.
    level : float
        The confidence level of the intervals.
    """

    data: xr.Dataset
    leave: stopping.Rule
    level: float

    def survival(
        self,
        *,
        step_size: float | None = None,
        batch_size: int | None = None,
        gradient_noise: str | None = None,
        unit: str = "steps",
    ) -> Survival:
        """Return the Kaplan–Meier curve of one setting.

        Parameters
        ----------
        step_size, batch_size, gradient_noise : optional
            Which setting; what has only one value need not be given.
        unit : {"steps", "time"}, default "steps"
            Steps k, or the time t = kη.

        Returns
        -------
        Survival
            The curve, with quantiles and means.

        Raises
        ------
        ValueError
            If the setting is not in the table or not given although there are several, or its runs never began.
        """
        chosen = self._select(step_size=step_size, batch_size=batch_size, gradient_noise=gradient_noise)
        scale = float(chosen.step_size) if check_choice("unit", unit, UNITS) == "time" else 1.0
        steps, left = chosen.exit_step.values, chosen.left.values
        began = steps > 0
        if not began.any():
            raise ValueError(f"step_size {float(chosen.step_size):g} was not reached before the interruption")
        return kaplan_meier(scale * steps[began], left[began], level=self.level)

    def compare(
        self, first: str, second: str, *, step_size: float | None = None, batch_size: int | None = None
    ) -> float:
        """Return the p-value of the log-rank test that two kinds of noise have the same law of exit times.

        Parameters
        ----------
        first, second : str
            Kinds of gradient noise.
        step_size, batch_size : optional
            Which setting, as in `survival`.

        Returns
        -------
        float
            Small if the laws differ; the runs of all settings are independent.
        """
        curves = [
            self.survival(step_size=step_size, batch_size=batch_size, gradient_noise=one) for one in (first, second)
        ]
        return logrank(*curves)

    def exponent(
        self, *, batch_size: int | None = None, gradient_noise: str | None = None, power: float = 0.5
    ) -> Exponent:
        """Fit how the mean exit time grows as the step size shrinks: log T = E/η + power·log η + c.

        Parameters
        ----------
        batch_size, gradient_noise : optional
            Which settings, as in `survival`.
        power : float, default 0.5
            The power of η before the exponential. It is ½ for a border with the flow pointing inwards, crossed near one point (or
            finitely many), and 0 for a mean time over a saddle (Eyring and Kramers).

        Returns
        -------
        Exponent
            E with its bootstrap interval, beside the prediction. The prediction is of η → 0, a quadratic f and Gaussian noise of
            constant covariance, as near the minimum: with E/η of 2 to 5 expect deviations of tens of per cent, for E < η, beyond a
            saddle or in a crowd (`Barrier`) it says nothing. The noise of a batch is bounded and may be skewed: at a fixed
            distance its E differs from the Gaussian twin's even for η → 0 (`etaflow.theory.exit_exponent` has both, in one dimension).

        Raises
        ------
        ValueError
            If fewer than two step sizes have ten exits.
        """
        which = {"batch_size": batch_size, "gradient_noise": gradient_noise}
        etas = [float(eta) for eta in self.data.step_size.values]
        curves = [
            self.survival(step_size=eta, batch_size=batch_size, gradient_noise=gradient_noise, unit="time")
            for eta in etas
        ]
        chosen = self._select(step_size=etas[0], **which)
        return fit_exponent(
            etas,
            curves,
            Barrier(*(float(chosen[name]) for name in ("barrier", "barrier_rise", "barrier_noise", "barrier_crowd"))),
            power,
        )

    def destinations(
        self, *, step_size: float | None = None, batch_size: int | None = None, gradient_noise: str | None = None
    ) -> xr.Dataset:
        """Return how many of the runs that left one setting came to rest where.

        Parameters
        ----------
        step_size, batch_size, gradient_noise : optional
            Which setting, as in `survival`.

        Returns
        -------
        xarray.Dataset
            By ``basin`` (−1: not at rest): ``count``, ``share`` of the runs that left, with the exact interval ``low``, ``high`` (Clopper
            and Pearson 1934), ``value`` of f and ``verdict``.
        """
        chosen = self._select(step_size=step_size, batch_size=batch_size, gradient_noise=gradient_noise)
        numbers = np.append(chosen.basin.values, -1)
        went = chosen.destination.values[chosen.left.values]
        counts = [int(np.count_nonzero(went == number)) for number in numbers]
        intervals = [
            proportion_interval(count, went.size, level=self.level) if went.size else (0.0, 1.0) for count in counts
        ]
        columns = {
            "count": counts,
            "share": np.divide(counts, max(went.size, 1)),
            "low": [low for low, _ in intervals],
            "high": [high for _, high in intervals],
            "value": np.append(chosen.basin_value.values, np.nan),
            "verdict": [*chosen.basin_verdict.values, "not at rest"],
        }
        return _dataset({name: ("basin", values) for name, values in columns.items()}, {"basin": numbers})

    def _select(self, **which: Any) -> xr.Dataset:
        chosen = self.data
        for axis, wanted in which.items():
            known = self.data[axis].values
            if wanted is None and known.size > 1:
                raise ValueError(f"{axis} must be given: one of {known.tolist()}")
            matches = [0] if wanted is None else np.flatnonzero(known == wanted)
            if len(matches) == 0:
                raise ValueError(f"{axis} must be one of {known.tolist()} (got {wanted!r})")
            chosen = chosen.isel({axis: int(matches[0])})
        return chosen

    def __repr__(self) -> str:
        """Return how many runs of how many settings left, and into how many basins.

        Returns
        -------
        str
            One line.
        """
        left, runs = int(self.data.left.sum()), self.data.sizes["run"]
        leave: Any = self.leave
        border = f"radius {leave.radius:g}" if isinstance(leave, stopping.Leave) else f"f >= {leave.value:g}"
        settings = self.data.left.size // runs
        basins, back = self.data.sizes["basin"] - 1, int((self.data.destination == 0).sum())
        came_back = f", {back} of them would come back" if back else ""
        return (
            f"EscapeTimes({runs} runs × {settings} setting{'s' * (settings != 1)}, {border}: {left} of {self.data.left.size} left{came_back}; "
            f"{basins} other basin{'s' * (basins != 1)})"
        )


def assemble(
    leave: stopping.Rule,
    settings: Settings,
    exits: Exits,
    basins: Basins,
    destination: npt.NDArray[np.int64],
    barriers: npt.NDArray[np.float64],
    level: float,
) -> EscapeTimes:
    """Return the result, with the means of each setting.

    Returns
    -------
    EscapeTimes
        The table.
    """
    runs = (*AXES, "run")
    columns: dict[str, Any] = {
        "exit_step": (runs, exits.step),
        "status": (runs, exits.status),
        "left": (runs, exits.left),
        "destination": (runs, destination),
        "exits": (AXES, exits.left.sum(axis=-1)),
        "barrier": (AXES[1:], barriers[..., 0]),
        "barrier_rise": (AXES[1:], barriers[..., 1]),
        "barrier_noise": (AXES[1:], barriers[..., 2]),
        "barrier_crowd": (AXES[1:], barriers[..., 3]),
        "basin_value": ("basin", basins.value),
        "basin_verdict": ("basin", [one.verdict for one in basins.tests]),
        "basin_theta": (("basin", "parameter"), basins.theta),
    }
    coordinates = dict(zip(AXES, (settings.step_sizes, settings.batch_sizes, settings.noises), strict=True))
    data = _dataset(columns, {**coordinates, "basin": np.arange(len(basins.value))})
    means = np.full((*settings.shape, 3), np.nan)
    for place in np.ndindex(settings.shape):
        began = exits.step[place] > 0
        if began.any():
            means[place] = kaplan_meier(exits.step[place][began], exits.left[place][began], level=level).mean()
    named = zip(("mean_steps", "mean_steps_low", "mean_steps_high"), np.moveaxis(means, -1, 0), strict=True)
    return EscapeTimes(data.assign({name: (AXES, values) for name, values in named}), leave, level)


def _dataset(columns: dict[str, Any], coordinates: dict[str, Any]) -> xr.Dataset:
    import xarray as xr  # noqa: PLC0415 - slow to import

    return xr.Dataset(columns, {name: list(values) for name, values in coordinates.items()})
