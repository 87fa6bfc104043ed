"""Data for linear networks: random ones, and the slides' irises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.problem import datasets

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

WORDS = {
    "random": "40 observations, 5 inputs, 4 outputs: a linear map plus noise",
    "iris": "measurements of the slides' 100 irises, centred, as inputs and as targets",
}

STRENGTHS = (6.0, 4.0, 2.5, 1.5)
"""The square roots of Σ's eigenvalues for the random data, but for the noise."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Inputs and targets, an observation per row.

    Attributes
    ----------
    name : {"random", "iris"}
        Which.
    x, y : ndarray, shape (n, d_x) and (n, d_y)
        The data.
    """

    name: str
    x: Array
    y: Array


def load_problem(name: str, seed: int) -> Problem:
    """Return the data of that name.

    Parameters
    ----------
    name : {"random", "iris"}
        ``random``: a linear map with well separated singular values, plus noise. ``iris``: an autoencoder on versicolor and virginica, whose
        Σ is XXᵀ: the best map of rank p is the projection on p principal components.
    seed : int
        Of the random data.

    Returns
    -------
    Problem
        The data.
    """
    if name == "iris":
        flowers = datasets.iris_pair()[0]
        centred = np.asarray(flowers - flowers.mean(axis=0), np.float64)
        return Problem(name, centred, centred)
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((40, 5))
    left = np.linalg.qr(x)[0][:, : len(STRENGTHS)]
    rotation = np.linalg.qr(generator.standard_normal((len(STRENGTHS), len(STRENGTHS))))[0]
    return Problem(name, x, left * STRENGTHS @ rotation + 0.1 * generator.standard_normal((40, len(STRENGTHS))))
