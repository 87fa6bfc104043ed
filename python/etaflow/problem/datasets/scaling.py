"""Standardisation to mean 0 and standard deviation 1, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import FloatArray, check_float_array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, eq=False)
class Standardizer:
    """The affine map z = (x − mean) / scale, column by column.

    Attributes
    ----------
    mean, scale : ndarray of float64, shape (d,) or ()
        Of the data that `standardize` saw; ``()`` for a vector of targets.
    """

    mean: FloatArray
    scale: FloatArray

    def apply(self, x: ArrayLike) -> FloatArray:
        """Return the standardised array, of the dtype of `x`.

        Parameters
        ----------
        x : array_like, shape (n, d) or (n,)
            New data with the same columns.

        Returns
        -------
        ndarray
            (x − mean) / scale.
        """
        array = self._checked("x", x)
        return _like(array, (array.astype(np.float64) - self.mean) / self.scale)

    def inverse(self, z: ArrayLike) -> FloatArray:
        """Return the array in the original units, of the dtype of `z`.

        Parameters
        ----------
        z : array_like, shape (n, d) or (n,)
            Standardised data or predictions.

        Returns
        -------
        ndarray
            z · scale + mean.
        """
        array = self._checked("z", z)
        return _like(array, array.astype(np.float64) * self.scale + self.mean)

    def _checked(self, name: str, value: ArrayLike) -> FloatArray:
        return check_float_array(name, value, shape=(None, *self.mean.shape), finite=False)

    def __repr__(self) -> str:
        """Return the number of columns and the ranges of mean and scale.

        Returns
        -------
        str
            One line.
        """
        columns = "vector" if self.mean.ndim == 0 else f"{self.mean.size} columns"
        mean, scale = np.atleast_1d(self.mean), np.atleast_1d(self.scale)
        return (
            f"Standardizer({columns}: mean {mean.min():.4g} … {mean.max():.4g},"
            f" scale {scale.min():.4g} … {scale.max():.4g})"
        )


def standardize(x: ArrayLike) -> tuple[FloatArray, Standardizer]:
    """Shift and scale every column to mean 0 and standard deviation 1 (divisor n).

    A constant column becomes exactly 0: its scale is taken as 1. Float32 data are computed in float64 and rounded once.

    Parameters
    ----------
    x : array_like, shape (n, d) or (n,)
        Inputs or targets, n >= 1.

    Returns
    -------
    z : ndarray, shape of x
        The standardised copy; float32 if `x` is, else float64.
    standardizer : Standardizer
        The map, for other data (`apply`) and for the way back (`inverse`).

    Raises
    ------
    TypeError
        If `x` does not hold real numbers.
    ValueError
        If `x` is empty, not finite or of another dimension.

    Examples
    --------
    >>> z, map_ = standardize([[1.0, 5.0], [3.0, 5.0]])
    >>> z
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> map_.inverse(z)
    array([[1., 5.],
           [3., 5.]])
    """
    array = check_float_array("x", x, ndim=(1, 2))
    if array.shape[0] == 0:
        raise ValueError(f"x must hold at least one row (got shape {array.shape})")
    wide = array.astype(np.float64)
    constant = wide.max(axis=0) == wide.min(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        mean = np.where(constant, wide[0], wide.mean(axis=0))
        scale = np.where(constant, 1.0, wide.std(axis=0))
    if not np.isfinite(scale).all() or (scale == 0).any():
        raise ValueError("x must have columns whose squares neither overflow nor vanish in float64")
    standardizer = Standardizer(mean, scale)
    return standardizer.apply(array), standardizer


def _like(array: FloatArray, result: FloatArray) -> FloatArray:
    return np.ascontiguousarray(result, array.dtype)
