"""How far samples of one variable are from N(0, 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

KOLMOGOROV_MEAN = float(np.sqrt(np.pi / 2) * np.log(2))
"""The mean of √N·sup|F_N − Φ| for a normal sample as N → ∞ (Kolmogorov 1933)."""

CELLS = 1024


def kolmogorov_smirnov(ordered: Array) -> Array:
    """Return sup|F_N − Φ| for samples of shape (…, N), each in order.

    Returns
    -------
    ndarray, shape (…)
        The distances.
    """
    from scipy.special import ndtr  # noqa: PLC0415 - slow to import

    count = ordered.shape[-1]
    law, ranks = ndtr(ordered), np.arange(count + 1) / count
    return np.asarray(np.maximum((ranks[1:] - law).max(-1), (law - ranks[:-1]).max(-1)))


def wasserstein(ordered: Array) -> Array:
    """Return the distance W₂ between the empirical law of samples (…, N), each in order, and N(0, 1).

    W₂² = ∫(F_N⁻¹ − Φ⁻¹)² dp, in closed form on each of the N intervals.

    Returns
    -------
    ndarray, shape (…)
        The distances, in standard deviations.
    """
    from scipy.special import ndtri  # noqa: PLC0415 - slow to import

    count = ordered.shape[-1]
    edges = ndtri(np.arange(count + 1) / count)
    density = np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi)
    means = density[:-1] - density[1:]  # ∫Φ⁻¹ over each interval
    square = (ordered**2).mean(-1) - 2 * ordered @ means + 1
    return np.asarray(np.sqrt(square.clip(min=0)))


def anderson_darling(ordered: Array) -> Array:
    """Return A² = N∫(F_N − Φ)²/(Φ(1 − Φ)) dΦ for samples (…, N), each in order; its mean for a normal sample is 1.

    Returns
    -------
    ndarray, shape (…)
        The statistics.
    """
    from scipy.special import log_ndtr  # noqa: PLC0415 - slow to import

    count = ordered.shape[-1]
    weights = (2 * np.arange(1, count + 1) - 1) / count
    return np.asarray(-count - (log_ndtr(ordered) + log_ndtr(-ordered[..., ::-1])) @ weights)


def cells(samples: Array, groups: int) -> Array:
    """Return F_g − Φ at the edges of 1 024 cells that are alike likely under N(0, 1), for groups of a sample.

    Parameters
    ----------
    samples : ndarray, shape (k, N)
        k samples; N is cut into groups of equal size, and what is left over is not used.
    groups : int
        How many groups.

    Returns
    -------
    ndarray, shape (groups, k, CELLS - 1)
        The differences.
    """
    from scipy.special import ndtr  # noqa: PLC0415 - slow to import

    size = samples.shape[1] // groups
    place = (ndtr(samples[:, : size * groups]) * CELLS).astype(np.int64).clip(max=CELLS - 1)
    row = np.arange(len(samples))[:, None] * groups + np.arange(size * groups) // size
    counts = np.bincount((row * CELLS + place).ravel(), minlength=len(samples) * groups * CELLS)
    shares = counts.reshape(len(samples), groups, CELLS).cumsum(axis=-1)[..., :-1] / size
    return np.asarray((shares - np.arange(1, CELLS) / CELLS).swapaxes(0, 1))


def cross_validated_supremum(differences: Array) -> Array:
    """Return estimates of sup|F − Φ| that are 0 on average for a normal law, one per group.

    Where |F − Φ| is largest is looked up in the other groups, and its value there is taken, with that sign, from the group
    itself. On average it is at most the supremum, and reaches it as the groups grow.

    Parameters
    ----------
    differences : ndarray, shape (groups, k, m)
        F_g − Φ of k samples at m places.

    Returns
    -------
    ndarray, shape (groups,)
        The mean over the samples, group by group.
    """
    count = len(differences)
    others = (differences.sum(axis=0) - differences) / (count - 1)
    largest = np.abs(others).argmax(axis=-1)[..., None]
    signed = np.sign(np.take_along_axis(others, largest, -1)) * np.take_along_axis(differences, largest, -1)
    return np.asarray(signed[..., 0].mean(axis=1))
