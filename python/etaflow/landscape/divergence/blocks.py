"""The late part of a path as means over blocks of equal length in log t, and least squares with correlated residuals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

FEWEST = 12
"""So many blocks a judgement needs."""

RHO = np.array([0.0, 0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.96])
"""Correlations of neighbouring residuals that are tried."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Block means.

    Attributes
    ----------
    times : ndarray, shape (n,)
        The geometric mean of the times in each block.
    values : ndarray, shape (n,) or (n, d)
        The mean value there.
    """

    times: Array
    values: Array

    def __len__(self) -> int:
        """Return how many blocks there are.

        Returns
        -------
        int
            n.
        """
        return len(self.times)

    def until(self, time: float) -> tuple[Blocks, Blocks]:
        """Return the blocks up to a time, and those after it.

        Returns
        -------
        tuple of two Blocks
            Before and after.
        """
        early = self.times <= time
        return Blocks(self.times[early], self.values[early]), Blocks(self.times[~early], self.values[~early])


def in_blocks(times: Array, values: Array, *, window: float, blocks: int) -> Blocks:
    """Return the means over blocks that are equally long in log t.

    Averaging takes out noise that is shorter than a block, and gives every factor of time the same say.

    Parameters
    ----------
    times : ndarray, shape (m,)
        Increasing; time 0 is left out.
    values : ndarray, shape (m,) or (m, d)
        The path.
    window : float
        The blocks begin at the last time / window.
    blocks : int
        How many, at most: an empty one does not count.

    Returns
    -------
    Blocks
        The means, of shape (n,) or (n, d).

    Raises
    ------
    ValueError
        If too few blocks hold a point.
    """
    inside = (times > 0) & (times >= times[-1] / window)
    t, w = times[inside], values[inside]
    edges = np.geomspace(t[0], t[-1], blocks + 1)[1:-1]
    begins = np.unique(np.searchsorted(t, np.append(t[0], edges)))
    begins = begins[begins < len(t)]
    if len(begins) < FEWEST:
        raise ValueError(
            f"trajectory must have points in at least {FEWEST} of the {blocks} blocks of log t between {t[0]:.3g} and {t[-1]:.3g} "
            f"(got {len(begins)}): record more often"
        )
    counts = np.diff(np.append(begins, len(t)))
    middle = np.exp(np.add.reduceat(np.log(t), begins) / counts)
    divisor = counts if w.ndim == 1 else counts[:, None]
    mean = np.add.reduceat(w - w[-1], begins, axis=0) / divisor + w[-1]  # a constant stays one to the last bit
    return Blocks(middle, mean)


def drift(means: Blocks) -> Array:
    """Return the direction in which a path of many weights moves most: the first principal component of its block means.

    Where all weights follow one law, θ = a + b·g(t), it is that of b. Noise alone has a first component too, but without a trend in time.

    Parameters
    ----------
    means : Blocks
        With values of shape (n, d).

    Returns
    -------
    ndarray, shape (d,)
        A unit vector u; ⟨u, θ⟩ is larger at the end than at the beginning.
    """
    moved = means.values - means.values[0]
    _, _, rows = np.linalg.svd(moved - moved.mean(axis=0), full_matrices=False)
    return np.asarray(rows[0] if rows[0] @ moved[-1] >= 0 else -rows[0], np.float64)


def whiten(values: Array, rho: float) -> Array:
    """Return values whose AR(1) errors with correlation `rho` have become independent, on the last axis.

    Returns
    -------
    ndarray
        Of the same shape.
    """
    out = values.copy()
    out[..., 1:] -= rho * values[..., :-1]
    out[..., 0] *= np.sqrt(1 - rho**2)
    return out


def regress(columns: Array, values: Array) -> tuple[Array, Array, float]:
    """Fit values = columnsᵀ·coefficients with AR(1) errors, of the correlation that is most likely.

    Parameters
    ----------
    columns : ndarray, shape (k, n)
        The regressors.
    values : ndarray, shape (n,)
        What is fitted.

    Returns
    -------
    coefficients : ndarray, shape (k,)
        Their estimate.
    covariance : ndarray, shape (k, k)
        Its covariance, with divisor n − k.
    rho : float
        The correlation.
    """
    n, best = len(values), None
    for rho in RHO:
        x, w = whiten(columns, rho).T, whiten(values, rho)
        coefficients = np.linalg.lstsq(x, w, rcond=None)[0]
        rss = max(float(((w - x @ coefficients) ** 2).sum()), floor(values))
        score = n * np.log(rss) - np.log(1 - rho**2)
        if best is None or score < best[0]:
            best = score, coefficients, rss / (n - len(columns)) * np.linalg.pinv(x.T @ x), float(rho)
    assert best is not None
    return np.asarray(best[1], np.float64), np.asarray(best[2], np.float64), best[3]


def floor(values: Array) -> float:
    """Return the sum of squares that rounding leaves: no fit is better than this.

    Returns
    -------
    float
        n·(16·ε·max|w|)², and never 0.
    """
    unit = 16 * np.finfo(np.float64).eps * max(float(np.abs(values).max()), np.finfo(np.float64).tiny ** 0.4)
    return len(values) * unit**2
