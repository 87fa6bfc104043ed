"""Which observations each step looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from etaflow._checks import IntArray, check_choice, check_positive_int

SAMPLINGS = ("iid", "without_replacement", "shuffle_once", "reshuffle")


@dataclass(frozen=True, eq=False)
class Sampling:
    """The rule by which mini-batches are drawn.

    Parameters
    ----------
    name : {"all", "iid", "without_replacement", "shuffle_once", "reshuffle", "explicit"}
        ``all`` is gradient descent, ``explicit`` the user's own indices.
    batch : int
        Observations per step; 0 for ``all``.
    indices : ndarray of int64, shape (1 or runs, steps, batch), optional
        The user's own indices.
    """

    name: str
    batch: int
    indices: IntArray | None = None

    def table(self, first: int, last: int) -> IntArray | None:
        """Return the explicit indices of the steps first+1 … last, or None.

        Returns
        -------
        ndarray of int64, shape (1 or runs, last - first, batch), or None
            Contiguous.
        """
        return None if self.indices is None else np.ascontiguousarray(self.indices[:, first:last])

    def followed_by(self, other: Sampling) -> Sampling:
        """Return the sampling that goes on with the explicit indices of `other` after its own.

        Returns
        -------
        Sampling
            A sampling with the indices of both.

        Raises
        ------
        ValueError
            If one of them has no explicit indices, or their batch sizes differ.
        """
        if self.indices is None or other.indices is None or self.batch != other.batch:
            raise ValueError(
                f"sampling must stay what it was ({self.name!r}, batch {self.batch}) when a descent goes on"
                f" (got {other.name!r}, batch {other.batch})"
            )
        runs = max(len(self.indices), len(other.indices))
        parts = [np.broadcast_to(part, (runs, *part.shape[1:])) for part in (self.indices, other.indices)]
        return Sampling("explicit", self.batch, np.concatenate(parts, axis=1))


def check_sampling(sampling: object, batch_size: object, *, n: int, steps: int, runs: int) -> Sampling:
    """Return the arguments `sampling` and `batch_size` of `descend`, checked.

    Parameters
    ----------
    sampling : str or array_like of int
        A name, or indices of shape ``(steps, batch)`` or ``(runs, steps, batch)``.
    batch_size : int or None
        Observations per step; None for all of them, or for as many as explicit indices have.
    n : int
        The number of observations.
    steps, runs : int
        The size of the descent.

    Returns
    -------
    Sampling
        The rule.

    Raises
    ------
    TypeError
        If `sampling` is neither a name nor an array of integers, or `batch_size` not an integer.
    ValueError
        If the name is unknown, an index is out of range, the shape does not fit, or a batch without replacement is
        larger than n.

    Examples
    --------
    >>> check_sampling("reshuffle", 5, n=100, steps=10, runs=1)
    Sampling(name='reshuffle', batch=5, indices=None)
    """
    if not isinstance(sampling, str):
        return _explicit(sampling, batch_size, n, steps, runs)
    name = check_choice("sampling", sampling, SAMPLINGS)
    if batch_size is None:
        if name != "iid":
            raise ValueError(f"batch_size must be given for sampling={name!r} (got None, which takes all observations)")
        return Sampling("all", 0)
    batch = check_positive_int("batch_size", batch_size)
    if name == "without_replacement" and batch > n:
        raise ValueError(f"batch_size must be <= {n}, the number of observations, without replacement (got {batch})")
    return Sampling(name, batch)


def _explicit(sampling: Any, batch_size: object, n: int, steps: int, runs: int) -> Sampling:
    array: npt.NDArray[Any] = np.asarray(sampling)
    if array.dtype.kind not in "iu":
        raise TypeError(f"sampling must be one of {SAMPLINGS} or an array of integer indices (got dtype {array.dtype})")
    if array.ndim not in {2, 3}:
        raise ValueError(f"sampling must have shape (steps, batch) or (runs, steps, batch) (got {array.shape})")
    indices = (array if array.ndim == 3 else array[None]).astype(np.int64, order="C")
    batch = indices.shape[2]
    if indices.shape[0] not in {1, runs} or indices.shape[1] != steps or batch == 0:
        raise ValueError(f"sampling must have shape ({steps}, batch) or ({runs}, {steps}, batch) (got {array.shape})")
    if batch_size is not None and check_positive_int("batch_size", batch_size) != batch:
        raise ValueError(f"batch_size must be {batch}, as many as sampling has indices per step (got {batch_size})")
    outside = (indices < 0) | (indices >= n)
    if outside.any():
        raise ValueError(f"sampling must hold indices between 0 and {n - 1} (got {indices[outside][0]})")
    return Sampling("explicit", batch, indices)
