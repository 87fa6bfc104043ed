"""Linear regression, where everything about SGD's fluctuations has a closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg

import etaflow as ef

Array = Any


@dataclass(frozen=True)
class Regression:
    """f(θ) = mean (or sum) of (y_i − x_iᵀθ)², with Hessian H and minimum θ*."""

    n: int = 9
    d: int = 3
    reduction: str = "mean"
    seed: int = 4

    @cached_property
    def data(self) -> tuple[Array, Array]:
        generator = np.random.default_rng(self.seed)
        return generator.normal(size=(self.n, self.d)), generator.normal(size=self.n)

    @cached_property
    def objective(self) -> ef.Objective:
        return ef.Objective(ef.MLP([self.d, 1], bias=False), *self.data, reduction=self.reduction)

    @property
    def weight(self) -> float:
        return 1.0 if self.reduction == "sum" else 1 / self.n

    @cached_property
    def hessian(self) -> Array:
        x, _ = self.data
        return 2 * self.weight * x.T @ x

    @cached_property
    def minimum(self) -> Array:
        x, y = self.data
        return np.linalg.lstsq(x, y, rcond=None)[0]

    def path(self, t: float, start: Array) -> Array:
        """θ̄(t)."""
        return self.minimum + linalg.expm(-t * self.hessian) @ (start - self.minimum)

    def sample_gradients(self, theta: Array) -> Array:
        x, y = self.data
        return -2 * (y - x @ theta)[:, None] * x

    def noise(self, theta: Array) -> Array:
        """R(θ)."""
        return np.cov(self.sample_gradients(theta).T, bias=True).reshape(self.d, self.d)

    def stationary(self, factor: float = 1.0) -> Array:
        """The Σ of HΣ + ΣH = c·R at the minimum."""
        found = linalg.solve_continuous_lyapunov(self.hessian, factor * self.noise(self.minimum))
        return np.reshape(found, (self.d, self.d))


def gaussian_noise(seed: int, run: int, step: int, count: int) -> Array:
    """The Gaussian noise of a step as documented, by NumPy's own Philox and the formula of Box and Muller."""
    words = np.random.Philox(key=[seed, run], counter=[0, 1, step, 0]).random_raw(count + count % 2)
    u = ((words >> np.uint64(11)).astype(float) + 0.5) / 2.0**53
    radius, angle = np.sqrt(-2 * np.log(u[::2])), 2 * np.pi * u[1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()[:count]
