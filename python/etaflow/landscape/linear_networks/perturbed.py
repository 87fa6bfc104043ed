"""Networks with one hidden layer of perturbed leaky ReLUs, many at a time, each on data of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-2, 1e-15, 1e15


@dataclass(frozen=True, eq=False)
class PerturbedNets:
    r"""The losses f(θ) = (1/n) Σ_i (y_i − W_2 diag(a_i) W_1 x_i)², with a_i = ε_i · (1 or the slope) (Fleischmann 2021, section 3.3).

    Attributes
    ----------
    x : ndarray, shape (trials, n, d_0)
        The inputs.
    y : ndarray, shape (trials, n)
        The targets.
    gain : ndarray, shape (trials, n, d_1)
        ε; ones for leaky ReLUs without perturbation.
    slope : float
        Of the leaky ReLU below 0.
    """

    x: Array
    y: Array
    gain: Array
    slope: float

    @property
    def hidden(self) -> int:
        """d_1."""
        return int(self.gain.shape[2])

    def some(self, chosen: npt.NDArray[np.bool_]) -> PerturbedNets:
        """Return some of the trials.

        Returns
        -------
        PerturbedNets
            Those where `chosen` is True.
        """
        return PerturbedNets(self.x[chosen], self.y[chosen], self.gain[chosen], self.slope)

    def split(self, theta: Array) -> tuple[Array, Array]:
        """Return W_1 and W_2 of every trial.

        Returns
        -------
        first : ndarray, shape (trials, d_1, d_0)
            W_1.
        last : ndarray, shape (trials, d_1)
            W_2.
        """
        inner = self.hidden * self.x.shape[2]
        return theta[:, :inner].reshape(len(theta), self.hidden, -1), theta[:, inner:]

    def preactivations(self, theta: Array) -> Array:
        """Return W_1 x_i, shape (trials, n, d_1).

        Returns
        -------
        ndarray
            A zero in it is a kink.
        """
        return np.asarray(self.x @ np.swapaxes(self.split(theta)[0], 1, 2))

    def residuals(self, theta: Array) -> tuple[Array, Array]:
        """Return the residuals ŷ − y and their Jacobian.

        Returns
        -------
        residuals : ndarray, shape (trials, n)
            The predictions less the targets.
        jacobian : ndarray, shape (trials, n, d)
            Their derivatives, with the convention that a kink has slope 1.
        """
        last = self.split(theta)[1]
        z = self.preactivations(theta)
        a = self.gain * np.where(z >= 0, 1.0, self.slope)
        inner = (a * last[:, None, :])[..., None] * self.x[:, :, None, :]
        jacobian = np.concatenate([inner.reshape(*z.shape[:2], -1), a * z], axis=2)
        return (a * z * last[:, None, :]).sum(axis=2) - self.y, jacobian

    def values(self, theta: Array) -> Array:
        """Return f, shape (trials,).

        Returns
        -------
        ndarray
            The mean squared residual.
        """
        z = self.preactivations(theta)
        a = self.gain * np.where(z >= 0, 1.0, self.slope)
        residuals = (a * z * self.split(theta)[1][:, None, :]).sum(axis=2) - self.y
        return np.asarray((residuals**2).mean(axis=1))

    def features(self, theta: Array) -> Array:
        """Return what multiplies v_k = W_2,k W_1,k in the prediction Σ_k a_ik v_k·x_i, shape (trials, n, d_1·d_0).

        Returns
        -------
        ndarray
            As long as no pre-activation changes its sign, the prediction is linear in v: f is a convex function of v there.
        """
        a = self.gain * np.where(self.preactivations(theta) >= 0, 1.0, self.slope)
        return np.asarray((a[..., None] * self.x[:, :, None, :]).reshape(*self.y.shape, -1))

    def anneal(self, theta: Array, *, iterations: int, step_size: float) -> Array:
        """Go downhill by Adam on the whole data, with a step size that falls along a cosine to 0: it crosses kinks, which Gauss-Newton steps do not.

        Parameters
        ----------
        theta : ndarray, shape (trials, d)
            The starts.
        iterations : int
            The number of steps.
        step_size : float
            The first.

        Returns
        -------
        ndarray, shape (trials, d)
            Where each ended.
        """
        first, second = np.zeros_like(theta), np.zeros_like(theta)
        ends = theta.copy()
        for k in range(1, iterations + 1):
            residuals, jacobian = self.residuals(ends)
            gradient = 2 / self.y.shape[1] * (residuals[:, None, :] @ jacobian)[:, 0]
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            size = step_size * (1 + np.cos(np.pi * k / iterations)) / 2
            ends -= size * (first / (1 - 0.9**k)) / (np.sqrt(second / (1 - 0.999**k)) + 1e-12)
        return ends

    def fit(self, theta: Array, *, iterations: int, enough: Array) -> Array:
        """Go downhill by the method of Levenberg and Marquardt, each trial with a damping of its own.

        Parameters
        ----------
        theta : ndarray, shape (trials, d)
            The starts.
        iterations : int
            The most steps.
        enough : ndarray, shape (trials,)
            A trial whose loss is below this is done.

        Returns
        -------
        ndarray, shape (trials, d)
            Where each ended: no loss is higher than at its start.
        """
        ends, damping = theta.copy(), np.full(len(theta), FIRST_DAMPING)
        losses = self.values(ends)
        for _ in range(iterations):
            going = (losses > enough) & (damping < MOST_DAMPING)
            if not going.any():
                break
            part = self.some(going)
            trial = ends[going] - part.steps(ends[going], damping[going])
            found = part.values(trial)
            better = found < losses[going]
            places = np.flatnonzero(going)
            ends[places[better]], losses[places[better]] = trial[better], found[better]
            damping[places] = np.maximum(damping[places] * np.where(better, 0.3, 4.0), LEAST_DAMPING)
        return ends

    def steps(self, theta: Array, damping: Array) -> Array:
        """Return the steps (JᵀJ + μ·diag)⁻¹Jᵀr, shape (trials, d).

        Returns
        -------
        ndarray
            To be subtracted; μ is relative to the largest diagonal entry of JᵀJ.
        """
        residuals, jacobian = self.residuals(theta)
        normal = np.swapaxes(jacobian, 1, 2) @ jacobian
        places = np.arange(theta.shape[1])
        normal[:, places, places] += (damping * normal[:, places, places].max(axis=1))[:, None]
        return np.asarray(np.linalg.solve(normal, np.swapaxes(jacobian, 1, 2) @ residuals[..., None])[..., 0])
