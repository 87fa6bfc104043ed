"""Problems in one dimension with a shallow and a deep minimum, and their exit times from integral equations."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import norm

import etaflow as ef

X = [0.7, 0.3, 0.9, 1.3, 0.3, 0.8, 3.0, 2.4]
Y = [1.8, 0.3, 0.9, 1.5, 0.3, 1.0, -0.2, 0.5]


def wells(**options: Any) -> ef.Objective:
    """mean (y_i − sin(θ x_i))²: shallow minima at 5.29 (value 1.83) and 6.33, saddles at 4.71 and 5.81, a deep one at 1.15 (0.19)."""
    return ef.Objective(ef.MLP([1, 1], output="sin", bias=False), np.array(X)[:, None], Y, **options)


def shallow() -> Any:
    return ef.polish(wells(), [5.29], max_step=0.05).theta


def sample_gradients(f: ef.Objective, places: Any) -> Any:
    """∇L_i at every place, shape (n, m)."""
    return f.sample_gradients(np.ascontiguousarray(places[:, None]))[..., 0].T


def sgd_moves(f: ef.Objective, step_size: float, batch_size: int = 1) -> Any:
    """All equally likely moves of a batch drawn with replacement: n^|B| of them."""

    def moves(places: Any) -> Any:
        gradients = sample_gradients(f, places)
        batches = np.stack(np.meshgrid(*[np.arange(f.n)] * batch_size), axis=-1).reshape(-1, batch_size)
        return places - step_size * gradients[batches].mean(axis=1)

    return moves


def gaussian_exit(f: ef.Objective, centre: float, radius: float, step_size: float, steps: int | None = None) -> Any:
    """For Gaussian noise of variance R(θ): the mean exit time by Nyström's method, or P(T > k) for k = 0 … steps."""
    nodes, weights = np.polynomial.legendre.leggauss(300)
    places = centre + radius * nodes
    drift, spread = (
        -step_size * f.gradient(places[:, None])[:, 0],
        step_size * f.gradient_covariance(places[:, None])[:, 0, 0] ** 0.5,
    )
    kernel = norm.pdf(places, (places + drift)[:, None], spread[:, None]) * radius * weights
    start = norm.pdf(places, centre, step_size * f.gradient_covariance([centre])[0, 0] ** 0.5) * radius * weights
    if steps is None:
        return float(1 + start @ np.linalg.solve(np.eye(300) - kernel, np.ones(300)))
    inside, survival = np.ones(300), [1.0]
    for _ in range(steps):
        survival.append(float(start @ inside))
        inside = kernel @ inside
    return np.array(survival)


def escape(**options: Any) -> Any:
    settings: dict[str, Any] = {"step_size": 0.05, "runs": 200, "leave": 0.58, "steps": 20_000, "seed": 1}
    return ef.escape_times(wells(), shallow(), **(settings | options))


def negative(f: ef.Objective) -> Any:
    """−f, as far as `polish` needs it: its minima are the saddles of f on the line."""

    class Negative:
        num_params, dtype = f.num_params, f.dtype

        def __getattr__(self, name: str) -> Any:
            if name == "check_theta":
                return f.check_theta
            if name == "value_and_gradient":
                return lambda theta: tuple(-one for one in f.value_and_gradient(theta))
            return lambda theta: -getattr(f, name)(theta)

    return Negative()
