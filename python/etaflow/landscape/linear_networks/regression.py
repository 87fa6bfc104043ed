"""Linear regression, whose spectrum holds every critical point of a linear network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_float_array, check_same_length

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Regression:
    """Data for a linear map, and what linear algebra says about them.

    Rows are observations: `x` is the transpose of the slides' X, and `y` of their Y. Sums, not means, over the observations are meant throughout.

    Attributes
    ----------
    x : ndarray, shape (n, d_x)
        The inputs.
    y : ndarray, shape (n, d_y)
        The targets.
    """

    x: Array
    y: Array

    @classmethod
    def of(cls, x: npt.ArrayLike, y: npt.ArrayLike) -> Regression:
        """Check the data.

        Parameters
        ----------
        x : array_like, shape (n, d_x)
            The inputs.
        y : array_like, shape (n, d_y) or (n,)
            The targets.

        Returns
        -------
        Regression
            The data in float64.

        Raises
        ------
        TypeError
            If one is not float64 (integers are converted).
        ValueError
            If a shape is wrong, there is no observation, or NaN or Inf.
        """
        inputs = check_float_array("x", x, dtype=np.float64, ndim=2, integers=True)
        targets = check_float_array("y", y, dtype=np.float64, ndim=(1, 2), integers=True)
        if check_same_length("x", inputs, "y", targets) == 0:
            raise ValueError(f"x must hold at least one observation (got shape {inputs.shape})")
        targets = targets.reshape(len(inputs), -1)
        if 0 in {*inputs.shape, *targets.shape}:
            raise ValueError(f"x and y must have columns (got shapes {inputs.shape} and {targets.shape})")
        return cls(np.asarray(inputs, np.float64), np.asarray(targets, np.float64))

    @property
    def inputs(self) -> int:
        """d_x."""
        return int(self.x.shape[1])

    @property
    def outputs(self) -> int:
        """d_y, the m of Baldi and Hornik."""
        return int(self.y.shape[1])

    @cached_property
    def total(self) -> float:
        """tr(YYᵀ), the loss of the zero map."""
        return float(np.sum(self.y**2))

    @cached_property
    def _scales(self) -> Array:
        # Powers of two near the lengths of X's columns: the rank must not hang on the units of an input.
        lengths = np.linalg.norm(self.x, axis=0)
        return np.asarray(2.0 ** np.round(np.log2(np.where(lengths > 0, lengths, 1.0))))

    @cached_property
    def _decomposed(self) -> tuple[Array, Array, Array]:
        return np.linalg.svd(self.x / self._scales, full_matrices=False)

    @property
    def singular_values(self) -> Array:
        """Of X with its columns scaled to similar lengths, shape (min(n, d_x),), descending."""
        return self._decomposed[1]

    @cached_property
    def rank(self) -> int:
        """The rank of X, with singular values below max(n, d_x)·ε of the largest taken for zero."""
        return _numerical_rank(self.singular_values, max(self.x.shape))

    @cached_property
    def least_squares(self) -> Array:
        """L* = YXᵀ(XXᵀ)⁺, shape (d_y, d_x): the least-squares map, the shortest one if there are several."""
        if self.rank < self.inputs:
            return np.asarray(np.linalg.lstsq(self.x, self.y, rcond=None)[0].T)
        left, values, right = self._decomposed
        return np.asarray((self.y.T @ left) / values @ right / self._scales)

    @cached_property
    def _spectrum(self) -> tuple[Array, Array]:
        # Σ = MMᵀ with M = YᵀQ, Q an orthonormal basis of X's columns: the singular values of M lose no digits to squares.
        explained = self.y.T @ self._decomposed[0][:, : self.rank]
        vectors, values, _ = np.linalg.svd(explained)
        return np.append(values, np.zeros(self.outputs - len(values))), vectors

    @property
    def eigenvalues(self) -> Array:
        """λ_1 >= … >= λ_m of Σ = YXᵀ(XXᵀ)⁺XYᵀ, shape (m,)."""
        return np.asarray(self._spectrum[0] ** 2)

    @property
    def eigenvectors(self) -> Array:
        """u_1, …, u_m as columns, shape (m, m), each with its largest entry positive."""
        vectors = self._spectrum[1]
        largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)[0]
        return np.asarray(vectors * np.sign(largest))

    @cached_property
    def sigma_rank(self) -> int:
        """The numerical rank of Σ."""
        return _numerical_rank(self._spectrum[0], max(self.outputs, self.inputs))

    @cached_property
    def closest(self) -> tuple[int, float]:
        """The i with the smallest gap between √λ_i and √λ_{i+1}, and that gap as a part of √λ_1; (0, inf) if m is 1."""
        roots = self._spectrum[0]
        if len(roots) < 2:
            return 0, np.inf
        gaps = roots[:-1] - roots[1:]
        place = int(gaps.argmin())
        return place, float(gaps[place] / roots[0]) if roots[0] > 0 else 0.0

    def require_theorem(self, theorem: str) -> None:
        """Raise a ValueError that names the condition of a theorem on critical points that the data fail in float64.

        Parameters
        ----------
        theorem : str
            Its name, for the message.

        Raises
        ------
        ValueError
            If XXᵀ or Σ has not full rank, or two eigenvalues of Σ are equal within rounding.
        """
        if self.rank < self.inputs:
            raise ValueError(
                f"x fails a condition of {theorem}, that XXᵀ be invertible: "
                f"its rank in float64 must be d_x = {self.inputs} (got {self.rank}, from {len(self.x)} observations)"
            )
        if self.sigma_rank < self.outputs:
            raise ValueError(
                f"x and y fail a condition of {theorem}, that Σ = YXᵀ(XXᵀ)⁻¹XYᵀ have full rank: "
                f"it must be d_y = {self.outputs} (got {self.sigma_rank})"
            )
        place, gap = self.closest
        if gap <= max(self.x.shape) * np.finfo(np.float64).eps:
            raise ValueError(
                f"x and y fail a condition of {theorem}, that the eigenvalues of Σ be distinct: "
                f"λ_{place + 1} = {self.eigenvalues[place]:.6g} and λ_{place + 2} are equal within rounding"
            )


def _numerical_rank(singular_values: Array, size: int) -> int:
    if singular_values.size == 0:
        return 0
    return int((singular_values > size * np.finfo(np.float64).eps * singular_values[0]).sum())
