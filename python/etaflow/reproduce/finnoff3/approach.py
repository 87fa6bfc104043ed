"""How fast E sup²/η comes to the limit law looked at as often: the power of η in the quotient of both − 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.reproduce.finnoff3.protocol import LEVEL

if TYPE_CHECKING:
    from etaflow.reproduce.finnoff3.limit import Limit
    from etaflow.reproduce.finnoff3.measured import Measured

    Array = npt.NDArray[np.float64]

POWERS = np.linspace(0.0, 3.0, 301)
"""Those that are tried."""


@dataclass(frozen=True)
class Approach:
    """The fit of quotient = 1 + c·η^p to the quotients of all step sizes.

    Attributes
    ----------
    power : float
        The p that fits best, of `POWERS`.
    low, high : float
        All p in between that a likelihood-ratio test does not reject, and perhaps a few that it does.
    factor : float
        c for the best p.
    root, linear : float
        The probability that normal errors make √η, or η, fit as badly as it does.
    """

    power: float
    low: float
    high: float
    factor: float
    root: float
    linear: float

    @property
    def known(self) -> bool:
        """Whether any power is excluded."""
        return bool(self.low > POWERS[0] or self.high < POWERS[-1])


def fit_approach(one: Measured, limit: Limit) -> Approach | None:
    """Fit the quotients of a problem.

    Returns
    -------
    Approach or None
        None if too many runs diverged.
    """
    suprema = [row[np.isfinite(row)] ** 2 for row in one.data["sup"].isel(time=-1).values]
    if min(map(len, suprema)) < 2 or len(limit.squares) < 2:
        return None
    return fit_quotients(one.problem.step_sizes, suprema, limit.squares)


def fit_quotients(sizes: Array, suprema: list[Array], paths: Array) -> Approach:
    """Fit 1 + c·η^p to the quotients of two means by generalised least squares.

    Parameters
    ----------
    sizes : ndarray, shape (m,)
        η.
    suprema : list of m ndarrays
        sup² of SGD's runs, other runs for each η.
    paths : ndarray, shape (paths, m)
        max‖θ̃‖² of the same paths, looked at as often as each step size does.

    Returns
    -------
    Approach
        The fit.
    """
    from scipy.special import chdtrc, chdtri  # noqa: PLC0415 - slow to import

    constants = [row / size for row, size in zip(suprema, sizes, strict=True)]
    means, expected = np.array([row.mean() for row in constants]), paths.mean(axis=0)
    own = [row.var(ddof=1) / len(row) / mean**2 for row, mean in zip(constants, means, strict=True)]
    theirs = np.cov(paths, rowvar=False) / len(paths) / np.outer(expected, expected)
    quotients = means / expected
    weights = np.linalg.inv((np.diag(own) + theirs) * np.outer(quotients, quotients))
    excess = quotients - 1

    def misfit(power: float) -> tuple[float, float]:
        shape = sizes**power
        along = float(shape @ weights @ excess)
        square = float(shape @ weights @ shape)
        return float(excess @ weights @ excess) - along**2 / square, along / square

    tried = np.array([misfit(power)[0] for power in POWERS])
    best = int(np.argmin(tried))
    good = POWERS[tried <= tried[best] + chdtri(1, 1 - LEVEL)]
    root, linear = (float(chdtrc(len(sizes) - 1, misfit(power)[0])) for power in (0.5, 1.0))
    power = float(POWERS[best])
    return Approach(power, float(good[0]), float(good[-1]), misfit(power)[1], root, linear)
