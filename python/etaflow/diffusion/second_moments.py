"""The second moments of SGD near a minimum where the losses are quadratic: their recursion, its fixed point, its stability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.diffusion.minimum import Minimum

    Array = npt.NDArray[np.float64]

SMALL = 400
"""Up to so many entries of a covariance the largest eigenvalue is that of a matrix, beyond of an operator."""
SOLVED = 1e-13
GOOD_ENOUGH = 1e-9
MOST_ITERATIONS = 2000


@dataclass(frozen=True, eq=False)
class SecondMoments:
    """How a step of SGD changes second moments: S − η𝓗S + η²𝓒S, with 𝓗S = HS + SH and 𝓒S = HSH + c·V(S), in the axes of H.

    Attributes
    ----------
    curvatures : ndarray, shape (r,)
        The positive eigenvalues of H.
    deviations : ndarray, shape (n, r, r), or None
        D_i of V(S) = 1/n Σ_i D_iSD_i; None for V = 0.
    factor : float
        c.
    """

    curvatures: Array
    deviations: Array | None
    factor: float

    @classmethod
    def of(cls, minimum: Minimum, factor: float, noise: str) -> SecondMoments:
        """Return the moments at a minimum, with ``sampling`` or ``additive`` noise.

        Returns
        -------
        SecondMoments
            The operators.
        """
        spread = minimum.deviations() if noise == "sampling" and factor > 0 else None
        return cls(minimum.curvatures, spread, factor)

    @property
    def sums(self) -> Array:
        """λ_a + λ_b, by which 𝓗 multiplies, shape (r, r)."""
        return np.asarray(self.curvatures[:, None] + self.curvatures)

    def second(self, matrix: Array) -> Array:
        """Return 𝓒S.

        Returns
        -------
        ndarray, shape (r, r)
            Symmetric if S is.
        """
        found = np.outer(self.curvatures, self.curvatures) * matrix
        if self.deviations is None:
            return found
        n, rank, _ = self.deviations.shape
        products = (self.deviations.reshape(n * rank, rank) @ matrix).reshape(n, rank, rank)
        rows = products.transpose(1, 0, 2).reshape(rank, n * rank)
        return np.asarray(found + self.factor / n * (rows @ self.deviations.reshape(n * rank, rank)))

    def threshold(self) -> float:
        """Return 1/λ_max(𝓗⁻¹𝓒), from the symmetric 𝓗^{-1/2}𝓒𝓗^{-1/2}.

        Returns
        -------
        float
            The largest stable step size; infinite without curvature.
        """
        rank = len(self.curvatures)
        if rank == 0:
            return float("inf")
        if self.deviations is None:
            return float(2 / self.curvatures[-1])
        scale = 1 / np.sqrt(self.sums)

        def multiply(vector: Array) -> Array:
            return np.asarray(scale * self.second(scale * vector.reshape(rank, rank))).ravel()

        if rank**2 <= SMALL:
            matrix = np.stack([multiply(unit) for unit in np.eye(rank**2)])
            return float(1 / np.linalg.eigvalsh((matrix + matrix.T) / 2)[-1])
        from scipy.sparse.linalg import LinearOperator, eigsh  # noqa: PLC0415 - slow to import

        operator = LinearOperator((rank**2, rank**2), matvec=multiply, dtype=np.dtype(np.float64))
        # The eigenvector is a covariance: the identity has a part along it, and everything stays symmetric.
        found = eigsh(operator, k=1, which="LA", v0=np.eye(rank).ravel(), return_eigenvectors=False)
        return float(1 / found[0])

    def solve(self, eta: float, source: Array) -> Array:
        """Return S with 𝓗S − η𝓒S = source, by conjugate gradients: for a stable η the operator is positive definite.

        Returns
        -------
        ndarray, shape (r, r)
            Symmetric.

        Raises
        ------
        ArithmeticError
            If the residual does not get small.
        """
        if self.deviations is None:
            return np.asarray(source / (self.sums - eta * np.outer(self.curvatures, self.curvatures)))
        from scipy.sparse.linalg import LinearOperator, cg  # noqa: PLC0415 - slow to import

        shape, sums = source.shape, self.sums

        def multiply(vector: Array) -> Array:
            matrix = vector.reshape(shape)
            return np.asarray(sums * matrix - eta * self.second(matrix)).ravel()

        operator = LinearOperator((source.size, source.size), matvec=multiply, dtype=np.dtype(np.float64))
        inverse = LinearOperator(
            (source.size, source.size), matvec=lambda v: v / sums.ravel(), dtype=np.dtype(np.float64)
        )
        found = cg(operator, source.ravel(), rtol=SOLVED, maxiter=MOST_ITERATIONS, M=inverse)[0]
        left = float(np.linalg.norm(multiply(found) - source.ravel()))
        if left > GOOD_ENOUGH * np.linalg.norm(source):
            raise ArithmeticError(
                f"the stationary covariance was not found (residual {left:.3g}): step_size {eta:g} is too near to its limit"
            )
        matrix = found.reshape(shape)
        return np.asarray((matrix + matrix.T) / 2)
