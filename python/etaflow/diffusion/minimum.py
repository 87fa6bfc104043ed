"""A minimum as the stationary law of SGD sees it: curvatures, the directions that hold, and how observations differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_ndim, check_number
from etaflow.problem.objective import Objective

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

LARGEST = 4e9
"""Bytes that the Hessians of all observations may take."""

NEAR = 1e-6
"""How near a stationary point must be by Newton's step, relative to 1 + ‖θ*‖, as in `point_test`."""


@dataclass(frozen=True, eq=False)
class Minimum:
    """A checked minimum.

    Attributes
    ----------
    objective : Objective
        The objective f.
    theta : ndarray, shape (d,)
        θ*.
    eigenvalues : ndarray, shape (d,)
        Of ∇²f(θ*), increasing.
    curvatures : ndarray, shape (r,)
        The positive ones.
    axes : ndarray, shape (d, r)
        Their eigenvectors: the range of ∇²f.
    flat : ndarray, shape (d, d − r)
        The eigenvectors of the others: its null space.
    tolerance : float
        What counts as zero.
    """

    objective: Objective
    theta: Array
    eigenvalues: Array
    curvatures: Array
    axes: Array
    flat: Array
    tolerance: float

    @classmethod
    def of(cls, objective: object, theta_star: object, tolerance: object) -> Minimum:
        """Return the minimum, checked.

        Returns
        -------
        Minimum
            With its curvatures.

        Raises
        ------
        TypeError
            If `objective` is none.
        ValueError
            If it is float32, θ* is not stationary, or a curvature is negative.
        """
        if not isinstance(objective, Objective):
            raise TypeError(f"objective must be an Objective (got {objective!r})")
        if objective.dtype != np.float64:
            raise ValueError(f"objective must be float64 (got {objective.dtype}): make x float64")
        theta: Any = objective.check_theta(theta_star)
        check_ndim("theta_star", theta, 1)
        zero = check_number("tolerance", tolerance, above=0)
        eigenvalues, vectors = np.linalg.eigh(objective.hessian(theta))
        largest = float(np.abs(eigenvalues).max())
        _check_gradient(objective, theta, zero, largest)
        _check_step(objective, theta, zero, np.maximum(np.abs(eigenvalues), zero * largest), vectors)
        if eigenvalues[0] < -zero * largest:
            raise ValueError(
                f"theta_star must be a minimum (the smallest eigenvalue of the Hessian is {eigenvalues[0]:.3g}, the largest {eigenvalues[-1]:.3g})"
            )
        held = eigenvalues > zero * largest
        return cls(objective, theta, eigenvalues, eigenvalues[held], vectors[:, held], vectors[:, ~held], zero)

    def noise(self, factor: float) -> Array:
        """Return c·R(θ*) on the range of the Hessian, in its axes.

        Returns
        -------
        ndarray, shape (r, r)
            The noise.

        Raises
        ------
        ValueError
            If there is noise along a flat direction: nothing brings θ back there, and there is no stationary law.
        """
        covariance = factor * np.asarray(self.objective.gradient_covariance(self.theta), np.float64)
        loose = float(np.sum(self.flat * (covariance @ self.flat)))
        if loose > self.tolerance * np.trace(covariance):
            raise ValueError(
                f"theta_star has no stationary law: the share {loose / np.trace(covariance):.3g} of the noise acts along the "
                f"{self.flat.shape[1]} directions without curvature, where the variance grows without bound"
            )
        return np.asarray(self.axes.T @ covariance @ self.axes)

    def deviations(self) -> Array:
        """Return ∇²L_i(θ*) less their mean, on the range of the Hessian and in its axes.

        Returns
        -------
        ndarray, shape (n, r, r)
            The deviations.

        Raises
        ------
        ValueError
            If they would take more than 4 GB, or mix the range with flat directions.
        """
        f, rank = self.objective, len(self.curvatures)
        size = 8.0 * f.n * rank**2
        if size > LARGEST:
            raise ValueError(
                f'noise must be "additive" for n = {f.n} observations and {rank} directions: the Hessians of all observations would '
                f"take {size / 1e9:.3g} GB"
            )
        found, mixed, whole = np.empty((f.n, rank, rank)), 0.0, 0.0
        for i in range(f.n):
            single = Objective(f.net, f.x[i : i + 1], f.y[i : i + 1], loss=f.loss, threads=1)
            hessian = np.asarray(single.hessian(self.theta), np.float64)
            found[i] = self.axes.T @ hessian @ self.axes
            mixed += float(np.sum((hessian @ self.flat) ** 2))
            whole += float(np.sum(hessian**2))
        if mixed > self.tolerance * whole:
            raise ValueError(
                f"theta_star has no stationary law at any step size: the Hessians of single observations do not vanish along the "
                f"{self.flat.shape[1]} directions without curvature (their share there is {mixed / whole:.3g})"
            )
        found -= found.mean(axis=0)
        return found


def _check_gradient(objective: Objective, theta: Array, tolerance: float, largest: float) -> None:
    norm = float(np.linalg.norm(objective.gradient(theta)))
    allowed = tolerance * largest * (1 + float(np.linalg.norm(theta)))
    if norm > allowed:
        raise ValueError(
            f"theta_star must be a stationary point (the gradient norm is {norm:.3g}, more than tolerance·‖∇²f‖·(1 + ‖θ*‖) = "
            f"{allowed:.3g}); etaflow.polish goes to the one beside"
        )


def _check_step(objective: Objective, theta: Array, tolerance: float, curvatures: Array, vectors: Array) -> None:
    # The gradient alone says little where curvatures are small: where they count as zero the step is at least this long.
    step = float(np.linalg.norm(vectors.T @ objective.gradient(theta) / np.where(curvatures > 0, curvatures, np.inf)))
    allowed = max(NEAR, tolerance) * (1 + float(np.linalg.norm(theta)))
    if step > allowed:
        raise ValueError(
            f"theta_star must be a stationary point (by Newton's step the nearest one is {step:.3g} away, more than {allowed:.3g}, "
            "although the gradient is small: a plateau, or a slope that falls for ever); etaflow.polish says whether it converged"
        )
