"""One flow as it was integrated: the pieces that the integrators made, evaluated at any time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow._checks import FloatArray

Times = npt.NDArray[np.float64]


class Piece(Protocol):
    """A stretch of a flow."""

    @property
    def mesh(self) -> Times:
        """The times between the integrator's steps, shape (steps + 1,)."""

    def at(self, times: Times) -> FloatArray:
        """Return θ̄ at sorted or unsorted times within the mesh, shape (m, d)."""


@dataclass(frozen=True, eq=False)
class CorePiece:
    """A stretch made by the core: five rows of coefficients per step (Hairer, Nørsett & Wanner, section II.6)."""

    mesh: Times
    coefficients: FloatArray

    def at(self, times: Times) -> FloatArray:
        """Return θ̄ at times within the mesh.

        Returns
        -------
        ndarray, shape (m, d)
            Interpolated with order 4.
        """
        step = np.clip(np.searchsorted(self.mesh, times, side="right") - 1, 0, len(self.mesh) - 2)
        s = ((times - self.mesh[step]) / (self.mesh[step + 1] - self.mesh[step]))[:, None]
        s = s.astype(self.coefficients.dtype)
        r0, r1, r2, r3, r4 = np.moveaxis(self.coefficients[step], 1, 0)
        theta: FloatArray = r0 + s * (r1 + (1 - s) * (r2 + s * (r3 + (1 - s) * r4)))
        return theta


@dataclass(frozen=True, eq=False)
class SolverPiece:
    """A stretch made by one of SciPy's solvers: its own interpolant for each step."""

    mesh: Times
    interpolants: list[Callable[[Any], Any]]

    def at(self, times: Times) -> FloatArray:
        """Return θ̄ at times within the mesh.

        Returns
        -------
        ndarray, shape (m, d)
            Interpolated by the solver.
        """
        step = np.clip(np.searchsorted(self.mesh, times, side="right") - 1, 0, len(self.interpolants) - 1)
        out = np.empty((times.size, len(self.interpolants[0](self.mesh[0]))))
        for i in np.unique(step):
            out[step == i] = self.interpolants[i](times[step == i]).T
        return out


@dataclass
class Path:
    """A flow from one start, as far as it came.

    Attributes
    ----------
    theta : ndarray, shape (d,)
        θ̄ at the end.
    time : float
        When that is.
    grad_norm : float
        ‖∇f‖ there.
    status : str
        How it ended.
    pieces : list of Piece
        One after the other.
    evaluations, steps, rejected, jacobians : int
        The work: gradients, accepted and rejected steps, Hessians.
    """

    theta: FloatArray
    time: float
    grad_norm: float
    status: str
    pieces: list[Piece] = field(default_factory=list)
    evaluations: int = 0
    steps: int = 0
    rejected: int = 0
    jacobians: int = 0

    @property
    def mesh(self) -> Times:
        """The times between the steps of the integrators, cut off at the end."""
        if not self.pieces:
            return np.array([0.0])
        whole = np.concatenate([self.pieces[0].mesh[:1], *(piece.mesh[1:] for piece in self.pieces)])
        return np.append(whole[whole < self.time], self.time)

    def at(self, times: Times) -> FloatArray:
        """Return θ̄ at times between 0 and `time`.

        Returns
        -------
        ndarray, shape (m, d)
            In the dtype of `theta`.
        """
        if not self.pieces:
            return np.broadcast_to(self.theta, (times.size, self.theta.size)).copy()
        begins = np.array([piece.mesh[0] for piece in self.pieces])
        of = np.clip(np.searchsorted(begins, times, side="right") - 1, 0, None)
        out = np.empty((times.size, self.theta.size), self.theta.dtype)
        for i, piece in enumerate(self.pieces):
            if (of == i).any():
                out[of == i] = piece.at(times[of == i])
        return out
