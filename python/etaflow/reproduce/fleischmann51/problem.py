"""A point in a circle, both noisy; the networks; and the best that can be done with and without hidden neurons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.polish import polish
from etaflow.problem.datasets import circles
from etaflow.problem.network import MLP
from etaflow.problem.objective import Objective
from etaflow.reproduce.fleischmann51.protocol import RANGES

if TYPE_CHECKING:
    from etaflow._checks import FloatArray

NOISE = 0.35
STRIDE = 1_000_000
"""Between the run numbers of different depths."""

WIDTH_STRIDE = 1_000
"""Between those of different widths: no two networks share their random numbers."""


@dataclass(frozen=True, eq=False)
class Problem:
    """The training set, and what is minimised on it.

    Attributes
    ----------
    x : ndarray, shape (100, 2)
        Inputs.
    y : ndarray, shape (100,)
        1 for the point in the middle, 0 for the circle.
    """

    x: FloatArray
    y: FloatArray

    def objective(self, layers: int, width: int) -> Objective:
        """Return the log loss of a leaky ReLU network with a logistic output unit.

        Parameters
        ----------
        layers : int
            Hidden layers.
        width : int
            Neurons in each.

        Returns
        -------
        Objective
            f.
        """
        net = MLP([2, *[width] * layers, 1], activation="leaky_relu", output="logistic")
        return Objective(net, self.x, self.y, loss="log")

    def starts(self, layers: int, width: int, seed: int, runs: int) -> FloatArray:
        """Draw the starts of a network; those of fewer runs are among those of more.

        Returns
        -------
        ndarray, shape (runs, d)
            Uniform on [−a, a] with a of `RANGES`.
        """
        first = run_number(layers, width, 0)
        net = self.objective(layers, width).net
        return net.init(seed, range(first, first + runs), ("uniform", RANGES[layers]))

    @cached_property
    def linear(self) -> float:
        """The least cost without hidden neurons, a convex problem: that of logistic regression."""
        f = Objective(MLP([2, 1], output="logistic"), self.x, self.y, loss="log")
        return float(polish(f, np.zeros(3)).value)


def run_number(layers: int, width: int, run: int) -> int:
    """Return the number of a run, which with the seed is the key of its start.

    Returns
    -------
    int
        Unique.
    """
    return STRIDE * layers + WIDTH_STRIDE * width + run


def load_problem(seed: int) -> Problem:
    """Draw the training set, as scikit-learn's ``make_circles(100, noise=0.35, factor=0.0, random_state=seed)``.

    Parameters
    ----------
    seed : int
        ``random_state``; the thesis does not state its own.

    Returns
    -------
    Problem
        The problem.

    Examples
    --------
    >>> problem = load_problem(0)
    >>> problem.objective(1, 3).num_params, problem.starts(2, 3, 0, 5).shape
    (13, (5, 25))
    """
    return Problem(*circles(100, noise=NOISE, factor=0.0, seed=seed % 2**32))


def density(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    r"""Return the densities of the two classes.

    A point in the middle with noise is N(0, σ²I). A point on the circle with noise has, at distance r, the density
    e^{−(r² + 1)/2σ²} I_0(r/σ²)/(2πσ²): the mean of N(·, σ²I) over the circle.

    Parameters
    ----------
    points : ndarray, shape (m, 2)
        Where.

    Returns
    -------
    middle, circle : ndarray, shape (m,)
        The densities.
    """
    from scipy.special import i0e  # noqa: PLC0415 - slow to import

    r, s2 = np.linalg.norm(points, axis=1), NOISE**2
    middle = np.exp(-(r**2) / (2 * s2)) / (2 * np.pi * s2)
    circle = np.exp(-((r - 1) ** 2) / (2 * s2)) * i0e(r / s2) / (2 * np.pi * s2)
    return middle, circle
