"""The frame in which a linear matrix equation with a symmetric A(t) is nearly diagonal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]


@dataclass(eq=False)
class Frame:
    """The eigenvectors of A at some time: A(t) = D + E there, with D diagonal and E what A has changed since.

    Attributes
    ----------
    eigenvalues : ndarray, shape (d,)
        λ, increasing.
    basis : ndarray, shape (d, d)
        The eigenvectors, as columns.
    two_sided : bool
        Whether the equation is Y' = AY + YA + cR or Y' = AY.
    """

    eigenvalues: Array
    basis: Array
    two_sided: bool

    @classmethod
    def of(cls, rate: Array, *, two_sided: bool) -> Frame:
        """Return the frame of A.

        Returns
        -------
        Frame
            Its eigenvectors.
        """
        eigenvalues, basis = np.linalg.eigh(rate)
        return cls(eigenvalues, basis, two_sided)

    @property
    def rates(self) -> tuple[Array, ...]:
        """The terms of D: λ_a + λ_b, or λ_a if the equation is one-sided."""
        column = self.eigenvalues[:, None]
        return (column, self.eigenvalues) if self.two_sided else (column,)

    def excess(self, rate: Array) -> Array:
        """Return E, the part of A that is not in D.

        Returns
        -------
        ndarray, shape (…, d, d)
            For stacks of A too.
        """
        turned = np.asarray((self.basis.T @ rate) @ self.basis)
        diagonal = np.arange(len(self.basis))
        turned[..., diagonal, diagonal] -= self.eigenvalues
        return turned

    def source(self, noise: Array) -> Array:
        """Return cR in the frame.

        Returns
        -------
        ndarray, shape (…, d, d)
            For stacks too.
        """
        return noise if noise.shape[-1] == 1 else np.asarray((self.basis.T @ noise) @ self.basis)

    def enter(self, value: Array) -> Array:
        """Return Y in the frame.

        Returns
        -------
        ndarray
            Of Y's shape.
        """
        turned = self.basis.T @ value
        return np.asarray(turned @ self.basis if self.two_sided else turned)

    def leave(self, value: Array) -> Array:
        """Return Y in the original coordinates.

        Returns
        -------
        ndarray
            Of Y's shape.
        """
        turned = self.basis @ value
        return np.asarray(turned @ self.basis.T if self.two_sided else turned)

    def slope(self, excess: Array, value: Array, source: Array) -> Array:
        """Return N for stacks of E, Y and cR.

        Returns
        -------
        ndarray
            Of Y's shape.
        """
        product = excess @ value
        if self.two_sided:
            product = product + np.swapaxes(product, -1, -2)
        return np.asarray(product + source)

    def change(self, excess: Array, h: float) -> float:
        """Return how much E moves Y in a time h, or in the time in which D forgets if that is shorter.

        Returns
        -------
        float
            Relative to Y.
        """
        reach = np.sqrt(1 / np.maximum(1 / h, -self.eigenvalues))
        return 2 * float(np.linalg.norm(excess * np.outer(reach, reach)))
