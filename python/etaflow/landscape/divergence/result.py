"""The verdict on a path, with its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from etaflow.landscape.divergence.models import Fit


@dataclass(frozen=True, eq=False, repr=False)
class Growth:
    """What `growth` found.

    Attributes
    ----------
    kind : str
        ``converging``, ``log``, ``power`` or ``undecided``.
    reason : str
        Why, in words, with the numbers.
    fits : tuple of Fit
        The fitted laws, the most likely first.
    held_out : dict of str to float
        By law: the root mean square error with which it predicts the late part of the window from the early part.
    slope, slope_low, slope_high : float
        b of a + b·log(t + s), which t·[w(t+1) − w(t)] tends to if the path grows like log t, and its interval.
    level : float
        The interval's confidence level.
    times, values : ndarray, shape (n,)
        The block means that were judged.
    of : str
        What they are, as in `growth`; ``parameter k`` or ``direction``.
    """

    kind: str
    reason: str
    fits: tuple[Fit, ...]
    held_out: dict[str, float]
    slope: float
    slope_low: float
    slope_high: float
    level: float
    times: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    of: str

    @property
    def best(self) -> Fit:
        """The most likely law."""
        return self.fits[0]

    @property
    def data(self) -> xr.Dataset:
        """The laws beside each other: by ``law`` its ``kind``, ``bic`` above the best one's, ``held_out`` and ``formula``."""
        import xarray as xr  # noqa: PLC0415 - slow to import

        lowest = self.best.bic
        return xr.Dataset(
            {
                "kind": ("law", [one.model.kind for one in self.fits]),
                "bic_above_best": ("law", [one.bic - lowest for one in self.fits]),
                "held_out": ("law", [self.held_out.get(one.model.name, np.nan) for one in self.fits]),
                "formula": ("law", [str(one) for one in self.fits]),
            },
            {"law": [one.model.name for one in self.fits]},
        )

    def __repr__(self) -> str:
        """Return kind and reason.

        Returns
        -------
        str
            One line.
        """
        return f"Growth({self.kind}: {self.reason})"

    def __str__(self) -> str:
        """Return kind, reason and the table of laws.

        Returns
        -------
        str
            A few lines.
        """
        rows = [f"{'law':28} {'ΔBIC':>8} {'held out':>9}"]
        for fit in self.fits:
            held = self.held_out.get(fit.model.name, np.nan)
            rows.append(f"{fit.model.name:28} {fit.bic - self.best.bic:8.1f} {held:9.2g}  {fit}")
        return "\n".join([f"{self.kind}: {self.reason}", *rows])
