"""The statistics of `central_limit`: an ensemble of Θ against N(0, Σ)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from etaflow.theory.gaussian_limit import normality
from etaflow.theory.gaussian_limit.pairs import Distance, distance_between_groups

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

GROUPS = 25
"""An ensemble is cut into so many groups for the distances without a floor and for all intervals."""

TWINS = 400
"""So many exactly Gaussian ensembles say how large a covariance's error is by chance."""

TWIN_SAMPLES = 64
SEED = 41


@dataclass(frozen=True)
class Limit:
    """N(0, Σ), and the directions along which samples are compared with it.

    Attributes
    ----------
    covariance : ndarray, shape (d, d)
        Σ, not 0.
    shift : ndarray, shape (d,), or None
        m, with which the mean is √η·m to first order; None where the network has kinks.
    projections : int
        How many random directions, uniform on the sphere.
    level : float
        The confidence level of intervals.
    """

    covariance: Array
    shift: Array | None
    projections: int
    level: float

    @cached_property
    def directions(self) -> Array:
        """The directions, shape (d, projections), over the standard deviation along them."""
        drawn = np.random.default_rng(SEED).normal(size=(len(self.covariance), self.projections))
        return np.asarray(drawn / np.sqrt(np.einsum("ip,ij,jp->p", drawn, self.covariance, drawn)))

    def covariance_floor(self, runs: int) -> tuple[float, float]:
        """Return how large ‖S − Σ‖/‖Σ‖ is for the covariance S of an exactly Gaussian ensemble.

        E‖S − Σ‖² = (‖Σ‖² + (tr Σ)²)/(runs − 1), in the Frobenius norm. The quantile is that of 400 simulated ensembles.

        Parameters
        ----------
        runs : int
            The size of the ensemble.

        Returns
        -------
        mean, high : float
            The root of the mean square, and what is exceeded with probability 1 − level.
        """
        from scipy.stats import wishart  # noqa: PLC0415 - slow to import

        variances = np.linalg.eigvalsh(self.covariance).clip(min=0)
        norm2, free, root = variances @ variances, runs - 1, np.sqrt(variances)
        law, generator = wishart(free, np.eye(len(variances)) / free), np.random.default_rng(SEED)
        twins = (
            root[:, None] * np.reshape(law.rvs(random_state=generator), (len(root), -1)) * root for _ in range(TWINS)
        )
        errors = [np.linalg.norm(twin - np.diag(variances)) for twin in twins]
        mean = np.sqrt((norm2 + variances.sum() ** 2) / free / norm2)
        return float(mean), float(np.quantile(errors, self.level) / np.sqrt(norm2))


@dataclass(frozen=True)
class Comparison:
    """An ensemble beside its limit.

    Attributes
    ----------
    numbers : dict of str to float
        What the ensemble shows, chance included, and the predicted mean.
    distances : dict of str to Distance
        Of the law itself: ``covariance``, ``mean``, ``skewness``.
    suprema : dict of str to ndarray, shape (groups,)
        sup|F − Φ| of the law itself, group by group: ``kolmogorov``, ``kolmogorov_shifted``.
    """

    numbers: dict[str, float]
    distances: dict[str, Distance]
    suprema: dict[str, Array]


def compare(samples: Array, limit: Limit, step_size: float) -> Comparison:
    """Compare an ensemble with its Gaussian limit.

    Parameters
    ----------
    samples : ndarray, shape (runs, d)
        Θ.
    limit : Limit
        N(0, Σ).
    step_size : float
        η.

    Returns
    -------
    Comparison
        The distances.
    """
    size = len(samples) // GROUPS
    groups = samples[: size * GROUPS].reshape(GROUPS, size, -1)
    norm, spread = np.linalg.norm(limit.covariance), np.sqrt(np.trace(limit.covariance))
    means = groups.mean(axis=1)
    centred = groups - means[:, None]
    covariances = centred.swapaxes(1, 2) @ centred / (size - 1)
    third = size / ((size - 1) * (size - 2)) * ((centred @ limit.directions) ** 3).sum(axis=1)  # the k-statistic
    projected = (samples @ limit.directions).T
    ordered = np.sort(projected, axis=1)
    numbers = {
        "covariance_error": np.linalg.norm(np.atleast_2d(np.cov(samples.T)) - limit.covariance) / norm,
        "mean_error": np.linalg.norm(samples.mean(axis=0)) / spread,
        "kolmogorov": normality.kolmogorov_smirnov(ordered).mean(),
        "wasserstein": normality.wasserstein(ordered).mean(),
        "anderson": normality.anderson_darling(ordered).mean(),
    }
    errors = {
        "covariance": (covariances - limit.covariance) / norm,
        "mean": means / spread,
        "skewness": third / np.sqrt(third.shape[1]),
    }
    beside = {"kolmogorov": projected}
    if limit.shift is not None:
        shift = np.sqrt(step_size) * limit.shift
        numbers["mean_predicted"] = np.linalg.norm(shift) / spread
        beside["kolmogorov_shifted"] = projected - (shift @ limit.directions)[:, None]
    return Comparison(
        numbers={name: float(value) for name, value in numbers.items()},
        distances={name: distance_between_groups(one, limit.level) for name, one in errors.items()},
        suprema={
            name: normality.cross_validated_supremum(normality.cells(one, GROUPS)) for name, one in beside.items()
        },
    )
