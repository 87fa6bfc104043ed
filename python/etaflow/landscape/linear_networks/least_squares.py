"""Linear regression by itself: the convex problem inside every linear network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.linear_networks import exact
from etaflow.landscape.linear_networks.regression import Regression

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class LeastSquares:
    """The solution of linear regression, made by `ols`.

    Attributes
    ----------
    coefficients : ndarray, shape (d_y, d_x)
        L*; the shortest minimiser in the Frobenius norm if there are several.
    value : float
        The least Σ‖y_i − L x_i‖².
    rank : int
        The rank of X in exact arithmetic.
    numerical_rank : int
        The rank with singular values below rounding taken for zero, which `coefficients` are made with.
    curvatures : ndarray, shape (d_x,)
        The eigenvalues of XXᵀ, ascending. The Hessian of the loss is 2·XXᵀ for every row of L, so they are what makes it convex.
    unique : bool
        Whether L* is the only minimiser: XXᵀ is invertible, and the formula YXᵀ(XXᵀ)⁻¹ holds.
    """

    coefficients: Array
    value: float
    rank: int
    numerical_rank: int
    curvatures: Array
    unique: bool

    @property
    def reason(self) -> str:
        """Whether XXᵀ is invertible, in words."""
        size = self.coefficients.shape[1]
        if not self.unique:
            free = self.coefficients.shape[0] * (size - self.rank)
            return f"XXᵀ is not invertible: its rank is {self.rank} of {size}; minimisers fill a space of dimension {free}, and L* is the shortest"
        if self.numerical_rank < size:
            return f"XXᵀ is invertible, but in float64 its rank is {self.numerical_rank} of {size}: L* is the shortest of nearly equal maps"
        return f"XXᵀ is invertible (rank {size}): L* = YXᵀ(XXᵀ)⁻¹ is the only minimiser"

    def __repr__(self) -> str:
        """Return the value and whether it is reached once.

        Returns
        -------
        str
            One line.
        """
        return f"LeastSquares(value = {self.value:.6g}; {self.reason})"


def ols(x: npt.ArrayLike, y: npt.ArrayLike) -> LeastSquares:
    """Fit the linear map with the least Σ‖y_i − L x_i‖² (slides on Kawaguchi 2016, "Baldi-Hornik: 1-hidden linear networks").

    If XXᵀ is invertible, it is L* = YXᵀ(XXᵀ)⁻¹. If not, the minimisers are an affine space, of which the shortest is returned.

    Parameters
    ----------
    x : array_like, shape (n, d_x)
        The inputs, an observation per row: the transpose of the slides' X.
    y : array_like, shape (n, d_y) or (n,)
        The targets.

    Returns
    -------
    LeastSquares
        The map, its loss, and whether it is unique.

    Raises
    ------
    TypeError
        If one is not float64 (integers are converted).
    ValueError
        If a shape is wrong, there is no observation, or NaN or Inf.

    Examples
    --------
    >>> import etaflow as ef
    >>> fit = ef.linear_networks.ols([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [[1.0], [3.0], [5.0]])
    >>> fit.coefficients.round(12)
    array([[1., 2.]])
    >>> ef.linear_networks.ols([[1.0, 2.0], [2.0, 4.0]], [[1.0], [2.0]]).unique
    False
    """
    data = Regression.of(x, y)
    coefficients = data.least_squares
    residual = data.y - data.x @ coefficients.T
    true_rank = exact.rank(_gram(data))
    curvatures = np.zeros(data.inputs)
    lengths = np.linalg.svd(data.x, compute_uv=False)
    curvatures[data.inputs - len(lengths) :] = lengths[::-1] ** 2
    return LeastSquares(
        coefficients, float(np.sum(residual**2)), true_rank, data.rank, curvatures, true_rank == data.inputs
    )


def _gram(data: Regression) -> exact.Integers:
    columns = exact.scaled_columns(data.x)
    return exact.product_with_transpose(columns, columns)  # as long as d_x, and of the rank of X
