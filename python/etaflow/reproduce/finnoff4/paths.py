"""Θ at two times and along whole paths, beside θ̃: what the covariance at one time does not tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.reproduce.finnoff4.limit import EARLIER
from etaflow.reproduce.finnoff4.protocol import LEVEL
from etaflow.theory.gaussian_limit.pairs import Distance, distance_between_groups

if TYPE_CHECKING:
    from etaflow.reproduce.finnoff4.ensemble import Ensemble
    from etaflow.reproduce.finnoff4.limit import Limit

    Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TwoTimes:
    """An ensemble's covariance of the last time with earlier ones beside the limit's.

    Attributes
    ----------
    errors : ndarray, shape (4,)
        ‖C − C̃‖/‖C̃‖ for the earlier times, in the Frobenius norm.
    floors : ndarray, shape (4,)
        The root mean square of the same for Gaussian ensembles of this size.
    distance : Distance
        The root mean square of the errors over the earlier times, without chance.
    """

    errors: Array
    floors: Array
    distance: Distance


@dataclass(frozen=True)
class Suprema:
    """The law of the largest ‖Θ‖ over the times beside that of the largest ‖θ̃‖.

    Attributes
    ----------
    distance : float
        Of the two samples' distribution functions, after Kolmogorov and Smirnov.
    critical : float
        What two samples of one law exceed with probability 1 − LEVEL.
    p_value : float
        With which probability two samples of one law differ as much.
    ratio : float
        The mean of the largest ‖Θ‖ over that of the largest ‖θ̃‖.
    """

    distance: float
    critical: float
    p_value: float
    ratio: float


def compare_two_times(ensemble: Ensemble, limit: Limit) -> TwoTimes:
    """Compare the covariances of the last time with earlier ones.

    An ensemble of N runs in groups, each centred by itself, has E‖C − C̃‖² = (tr Σ(t)·tr Σ(s) + ‖C̃‖²)/(N − groups) if it is Gaussian.

    Parameters
    ----------
    ensemble : Ensemble
        Of Θ or θ̃.
    limit : Limit
        The limit law.

    Returns
    -------
    TwoTimes
        The errors.
    """
    expected = limit.two_times[list(EARLIER)]
    norms = np.linalg.norm(expected, axis=(1, 2))
    relative = (ensemble.two_times - expected) / norms[:, None, None]
    traces = limit.law.trace[[*EARLIER, -1]]
    runs, groups = len(ensemble.ends) - ensemble.diverged, len(ensemble.two_times)
    return TwoTimes(
        errors=np.linalg.norm(relative.mean(axis=0), axis=(1, 2)),
        floors=np.sqrt((traces[:-1] * traces[-1] / norms**2 + 1) / (runs - groups)),
        distance=distance_between_groups(relative / np.sqrt(len(EARLIER)), LEVEL),
    )


def compare_suprema(ensemble: Ensemble, diffusion: Ensemble) -> Suprema:
    """Compare the largest norms along the paths.

    Parameters
    ----------
    ensemble : Ensemble
        Of Θ.
    diffusion : Ensemble
        Of θ̃.

    Returns
    -------
    Suprema
        How far the two laws are apart.
    """
    from scipy.stats import ks_2samp, kstwobign  # noqa: PLC0415 - slow to import

    own, other = (one.suprema[np.isfinite(one.suprema)] for one in (ensemble, diffusion))
    found = ks_2samp(own, other, method="asymp")
    critical = kstwobign.isf(1 - LEVEL) * np.sqrt(1 / len(own) + 1 / len(other))
    return Suprema(float(found.statistic), float(critical), float(found.pvalue), float(own.mean() / other.mean()))
