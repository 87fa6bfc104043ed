"""Stationary points of every index, as `find_stationary_points` returns them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import xarray as xr

    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

STATIONARY, FLAT, UNFINISHED, INTERRUPTED = "stationary", "gradient-flat", "not settled", "interrupted"
STATUSES = (STATIONARY, FLAT, UNFINISHED, INTERRUPTED)


@dataclass(frozen=True, eq=False)
class Found:
    """Where the search from one start ended.

    Attributes
    ----------
    theta : ndarray, shape (d,)
        The point.
    status : str
        ``stationary``: ‖∇f‖ is within the tolerance. ``gradient-flat``: it is not, but ‖∇f‖ has a stationary point, H∇f ≈ 0.
        ``not settled``, or ``interrupted``.
    value, grad_norm : float
        f and ‖∇f‖.
    index, nullity : int
        Negative eigenvalues of the Hessian, and zero ones.
    eigenvalue_min, eigenvalue_max : float
        The ends of its spectrum.
    """

    theta: FloatArray
    status: str
    value: float
    grad_norm: float
    index: int
    nullity: int
    eigenvalue_min: float
    eigenvalue_max: float


@dataclass(frozen=True, eq=False, repr=False)
class StationaryPoints:
    """Minima, saddles and maxima, made by `find_stationary_points`.

    Attributes
    ----------
    objective : Objective
        f.
    starts : ndarray, shape (runs, d)
        Where the searches began.
    found : tuple of Found
        Where each ended.
    label : ndarray of int, shape (runs,)
        The number of each search's point, a row of `theta`; −1 for one that found none.
    chosen : tuple of int
        The search that represents each point.
    """

    objective: Objective
    starts: FloatArray
    found: tuple[Found, ...]
    label: npt.NDArray[np.int64]
    chosen: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of different stationary points.

        Returns
        -------
        int
            But for the symmetries of the network.
        """
        return len(self.chosen)

    @property
    def theta(self) -> FloatArray:
        """The different points, the lowest first, shape (points, d)."""
        return np.array([self.found[run].theta for run in self.chosen]).reshape(len(self), self.starts.shape[1])

    @property
    def value(self) -> npt.NDArray[np.float64]:
        """The f of each point, shape (points,)."""
        return np.array([self.found[run].value for run in self.chosen])

    @property
    def index(self) -> npt.NDArray[np.int64]:
        """The number of negative eigenvalues of the Hessian at each point, shape (points,)."""
        return np.array([self.found[run].index for run in self.chosen], np.int64)

    @property
    def nullity(self) -> npt.NDArray[np.int64]:
        """The number of zero eigenvalues at each point, shape (points,)."""
        return np.array([self.found[run].nullity for run in self.chosen], np.int64)

    @property
    def status(self) -> npt.NDArray[np.str_]:
        """How each search ended, shape (runs,)."""
        return np.array([one.status for one in self.found])

    @property
    def complete(self) -> bool:
        """Whether no search was interrupted."""
        return INTERRUPTED not in self.status

    @cached_property
    def data(self) -> xr.Dataset:
        """The table of points, as an `xarray.Dataset` with the dimensions ``point`` and ``parameter``.

        ``fraction`` is the index divided by the number of parameters, what Dauphin et al. (2014) draw against f.
        """
        import xarray as xr  # noqa: PLC0415 - slow to import

        counts = np.bincount(self.label[self.label >= 0], minlength=len(self))
        columns = {
            "value": self.value,
            "index": self.index,
            "nullity": self.nullity,
            "fraction": self.index / self.starts.shape[1],
            "count": counts,
            **{
                name: np.array([getattr(self.found[run], name) for run in self.chosen])
                for name in ("grad_norm", "eigenvalue_min", "eigenvalue_max")
            },
        }
        table = {name: ("point", values) for name, values in columns.items()}
        return xr.Dataset({**table, "theta": (("point", "parameter"), self.theta)})

    def __repr__(self) -> str:
        """Return how many points of which index there are, and how the other searches ended.

        Returns
        -------
        str
            One line.
        """
        indices, counts = np.unique(self.index, return_counts=True)
        kinds = ", ".join(f"{count} of index {index}" for index, count in zip(indices, counts, strict=True))
        others = [f"{count} {status}" for status in STATUSES[1:] if (count := int((self.status == status).sum()))]
        return (
            f"StationaryPoints({len(self)} from {len(self.found)} starts{': ' + kinds if kinds else ''}"
            f"{'; ' + ', '.join(others) if others else ''})"
        )
