"""Whether inputs and residuals are orthogonal: the step of the proof that makes a minimum of the network one of linear regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.linear_networks.network import product, weights_of
from etaflow.landscape.linear_networks.regression import Regression

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

SMALL = 1e-8
"""Below this share of its bound the norm of Xr counts as zero."""


@dataclass(frozen=True, eq=False, repr=False)
class ResidualReport:
    """What X r is at a point, made by `residual_orthogonality`.

    Attributes
    ----------
    correlation : ndarray, shape (d_x, d_y)
        X r, with r = (Ŷ − Y)ᵀ: each input's inner product with each output's residuals.
    relative : float
        ‖X r‖ as a part of ‖X‖·‖r‖, which bounds it; 0 if the residual is 0.
    grad_norm : float
        ‖∇L‖ of the sum of squares at the point.
    excess : float
        The loss above that of linear regression, as a sum over the observations.
    predicted_excess : float
        The same from X r alone: ‖(XXᵀ)^{−1/2} X r‖², which is 0 only if X r is.
    rank, widest : int
        The rank of the map W_{H+1} ⋯ W_1, and the largest that the network's widths allow.
    """

    correlation: Array
    relative: float
    grad_norm: float
    excess: float
    predicted_excess: float
    rank: int
    widest: int

    @property
    def orthogonal(self) -> bool:
        """Whether X r is zero within rounding."""
        return self.relative < SMALL

    @property
    def reason(self) -> str:
        """What that says about the point, in words."""
        if self.orthogonal:
            return "X r = 0: the map is a global minimiser of linear regression, and so the weights are of the network's loss"
        why = f"X r is not 0 ({self.relative:.2g} of its bound): linear regression is lower by {self.excess:.4g}"
        full = self.widest >= min(self.correlation.shape)
        return why + ("" if full else f"; no map of rank {self.widest} need reach it")

    def __repr__(self) -> str:
        """Return whether X r is 0.

        Returns
        -------
        str
            One line.
        """
        return f"ResidualReport({self.reason})"


def residual_orthogonality(objective: Objective, theta: npt.ArrayLike) -> ResidualReport:
    """Look at X r, the inner products of inputs and residuals (Kawaguchi 2016, proof sketch on the slides).

    The proof shows X r = 0 at a local minimum; the map is then a global minimiser of the convex problem min ‖LX − Y‖². At a saddle X r ≠ 0,
    though the gradient, which is X r multiplied by the other layers, is 0: those layers hide the missing directions.

    Parameters
    ----------
    objective : Objective
        Of a linear network without biases, with the square loss and without l2.
    theta : array_like, shape (d,)
        The point.

    Returns
    -------
    ResidualReport
        X r and what follows. The sketch is for networks as wide as d_y at least; a narrower one cannot reach X r = 0.

    Raises
    ------
    ValueError
        If the network is not linear or has biases, or `theta` is not one parameter vector.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.linear_networks.linear_objective([[1.0], [2.0]], [[2.0], [4.0]], [1, 1])
    >>> ef.linear_networks.residual_orthogonality(f, [1.0, 1.0, 2.0]).orthogonal
    True
    >>> ef.linear_networks.residual_orthogonality(f, [0.0, 0.0, 0.0])
    ResidualReport(X r is not 0 (1 of its bound): linear regression is lower by 20)
    """
    if objective.loss != "square" or objective.l2:
        raise ValueError(
            f"objective must have the square loss without l2 (got {objective.loss!r} with l2 = {objective.l2:g})"
        )
    weights = weights_of(objective, theta)
    data = Regression.of(np.asarray(objective.x, np.float64), np.asarray(objective.y, np.float64))
    found = product(weights)
    residual = data.x @ found.T - data.y
    correlation = data.x.T @ residual
    bound = float(np.linalg.norm(data.x) * np.linalg.norm(residual))
    norm = float(np.linalg.norm(correlation))
    nothing = np.linalg.norm(residual) <= SMALL * np.linalg.norm(data.y)
    least = data.y - data.x @ data.least_squares.T
    scale = objective.n if objective.reduction == "mean" else 1
    inverse = np.linalg.pinv(data.x.T @ data.x, hermitian=True)
    return ResidualReport(
        correlation,
        0.0 if nothing or bound == 0 else norm / bound,
        scale * float(np.linalg.norm(objective.gradient(theta))),
        float(np.sum(residual**2) - np.sum(least**2)),
        float(np.sum(correlation * (inverse @ correlation))),
        int(np.linalg.matrix_rank(found)),
        min(objective.net.widths),
    )
