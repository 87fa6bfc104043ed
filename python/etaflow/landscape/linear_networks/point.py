"""A critical point of a linear network, with what is known about it without looking."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_float_array
from etaflow.landscape.linear_networks.network import flattened, product

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from etaflow._checks import FloatArray

    Array = npt.NDArray[np.float64]

GLOBAL_MINIMUM = "global minimum"
STRICT_SADDLE = "strict saddle"
DEGENERATE_SADDLE = "degenerate saddle"


@dataclass(frozen=True, eq=False, repr=False)
class CriticalPoint:
    r"""A critical point of Σ‖y_i − W_{H+1} ⋯ W_1 x_i‖², where the map is the projection U_Γ U_Γᵀ L* of the least-squares map.

    Attributes
    ----------
    gamma : tuple of int
        Γ, which eigenvectors of Σ it projects onto, counted from 1 as in the theorem: λ_1 is the largest eigenvalue.
    weights : tuple of ndarray
        W_1, …, W_{H+1}.
    value : float
        The loss tr(YYᵀ) − Σ_{i ∈ Γ} λ_i, a sum over the observations.
    index : int
        The Morse index, the number of negative eigenvalues of the Hessian.
    nullity : int
        The number of its eigenvalues that are zero.
    kind : str
        ``global minimum``, ``strict saddle`` (the index is not 0), or ``degenerate saddle``: no eigenvalue is negative, yet the loss falls
        along `escape`, at a higher order than the second.
    escape_weights : tuple of ndarray
        A direction in which the loss falls, as matrices; empty at a global minimum.
    """

    gamma: tuple[int, ...]
    weights: tuple[Array, ...]
    value: float
    index: int
    nullity: int
    kind: str
    escape_weights: tuple[Array, ...]

    @property
    def theta(self) -> Array:
        """The parameters in the order of `MLP`, shape (d,)."""
        return flattened(self.weights)

    @property
    def escape(self) -> Array | None:
        """A direction in which the loss falls, shape (d,) and of length 1; None at a global minimum."""
        if not self.escape_weights:
            return None
        direction = flattened(self.escape_weights)
        return np.asarray(direction / np.linalg.norm(direction))

    @property
    def map(self) -> Array:
        """The linear map W_{H+1} ⋯ W_1, shape (d_y, d_x)."""
        return product(self.weights)

    def transformed(self, *matrices: npt.ArrayLike) -> CriticalPoint:
        """Return the point of the same orbit with C between two layers: W_1 → C⁻¹W_1, W_2 → W_2·C for one hidden layer.

        Parameters
        ----------
        *matrices : array_like, shape (d_k, d_k)
            C_1, …, C_H, one invertible matrix per hidden layer.

        Returns
        -------
        CriticalPoint
            With the same map, loss, index and nullity.

        Raises
        ------
        ValueError
            If a matrix is missing, of a wrong shape, or not invertible.
        """
        weights = transform(self.weights, matrices)
        escape = transform(self.escape_weights, matrices) if self.escape_weights else ()
        return replace(self, weights=weights, escape_weights=escape)

    def __repr__(self) -> str:
        """Return what is known.

        Returns
        -------
        str
            One line.
        """
        gamma = ", ".join(map(str, self.gamma))
        numbers = f"value = {self.value:.6g}, index {self.index}, nullity {self.nullity}"
        return f"CriticalPoint(Γ = {{{gamma}}}: {self.kind}, {numbers})"


def transform(weights: Sequence[FloatArray], matrices: Sequence[npt.ArrayLike]) -> tuple[Array, ...]:
    r"""Return the weights with C_k between layers k and k + 1: W_k → C_k⁻¹ W_k C_{k−1}, with C_0 and C_{H+1} the identity.

    Parameters
    ----------
    weights : sequence of ndarray
        W_1, …, W_{H+1}.
    matrices : sequence of array_like
        C_1, …, C_H.

    Returns
    -------
    tuple of ndarray
        Weights with the same product.

    Raises
    ------
    ValueError
        If a matrix is missing, of a wrong shape, or not invertible.

    Examples
    --------
    >>> first, last = transform([np.eye(2), np.eye(2)], [[[2.0, 0.0], [0.0, 4.0]]])
    >>> first.diagonal(), last.diagonal()
    (array([0.5 , 0.25]), array([2., 4.]))
    """
    if len(matrices) != len(weights) - 1:
        raise ValueError(f"matrices must hold one per hidden layer, {len(weights) - 1} (got {len(matrices)})")
    moved = [np.array(one, np.float64) for one in weights]
    for k, matrix in enumerate(matrices):
        width = weights[k].shape[0]
        name = f"matrices[{k}]"
        between = check_float_array(name, matrix, dtype=np.float64, shape=(width, width), integers=True)
        values = np.linalg.svd(between, compute_uv=False)
        if values[-1] <= width * np.finfo(np.float64).eps * values[0]:
            raise ValueError(
                f"{name} must be invertible (its smallest singular value is {values[-1]:.3g} of {values[0]:.3g})"
            )
        moved[k] = np.asarray(np.linalg.solve(between, moved[k]), np.float64)
        moved[k + 1] = np.asarray(moved[k + 1] @ between, np.float64)
    return tuple(moved)
