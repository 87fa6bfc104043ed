"""The networks, data, starts and step sizes: a small network, a line whose moments are known, and the paper's network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.dynamics.flow import flow
from etaflow.problem.datasets import finnoff_problem
from etaflow.problem.network import MLP
from etaflow.problem.objective import Objective
from etaflow.theory.weak.quadratic_moments import exact_moments

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.dynamics.flow import Flow
    from etaflow.reproduce.finnoff4.protocol import Protocol

    Array = npt.NDArray[np.float64]

HALVINGS = 5
"""Step sizes per problem, each half of the one before."""

CHOSEN = 2
"""The step size whose bands are drawn."""

LAST = 4.0
"""The time t."""

TIMES = 50
"""Runs are looked at so many times after the start, at equal distances; the largest step size allows it."""

RTOL, ATOL = 1e-10, 1e-12
"""Of the flow: its error over √η is to be far below every fluctuation."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What SGD and its limit are compared on.

    Attributes
    ----------
    name : str
        One of the protocol's.
    words : str
        What it is.
    objective : Objective
        f.
    theta0 : ndarray, shape (d,)
        θ_0.
    step_sizes : ndarray, shape (5,)
        η, falling; each is half of the one before.
    quadratic : bool
        Whether the moments of SGD are known.
    """

    name: str
    words: str
    objective: Objective
    theta0: FloatArray
    step_sizes: Array
    quadratic: bool = False

    @property
    def times(self) -> Array:
        """The times at which runs are looked at, 0 the first of them; shape (TIMES + 1,)."""
        return np.linspace(0.0, LAST, TIMES + 1)

    @cached_property
    def flow(self) -> Flow:
        """θ̄."""
        return flow(self.objective, self.theta0, t=LAST, rtol=RTOL, atol=ATOL)

    @property
    def inputs(self) -> Array:
        """Where predictions are made: on a grid for one input, else at the first of the data."""
        x = np.asarray(self.objective.x, np.float64)
        return np.linspace(-1.2, 1.2, 49)[:, None] if x.shape[1] == 1 else x[:20]

    def runs(self, protocol: Protocol) -> int:
        """Return how many runs per step size there are.

        Returns
        -------
        int
            Fewer for the large network.
        """
        return protocol.large_runs if self.name == "10-10-1" else protocol.runs

    def steps(self, step_size: float) -> npt.NDArray[np.int64]:
        """Return the steps at the times.

        Returns
        -------
        ndarray, shape (TIMES + 1,)
            Whole numbers.
        """
        return np.rint(self.times / step_size).astype(np.int64)

    def covariance(self, step_size: float) -> Array:
        """Return the covariance of Θ at the last time, exactly.

        Parameters
        ----------
        step_size : float
            η.

        Returns
        -------
        ndarray, shape (d, d)
            Of a quadratic problem.
        """
        moments = exact_moments(self.objective, self.theta0, t=LAST, step_size=step_size)
        return np.asarray(moments.covariance / step_size)


def load_problem(name: str, seed: int) -> Problem:
    """Return a problem.

    Parameters
    ----------
    name : {"1-2-1", "1-1", "10-10-1"}
        Two tanh units and a tanh output on 8 observations of 0.8·sin 2x and noise; a line through the same observations; or the
        paper's ten tanh units on 200 observations of another network's output.
    seed : int
        Of data and start.

    Returns
    -------
    Problem
        With five step sizes.
    """
    return {"1-2-1": _small, "1-1": _line, "10-10-1": _paper}[name](seed)


def _halved(largest: float) -> Array:
    return np.asarray(largest * 0.5 ** np.arange(HALVINGS), np.float64)


def _observations(seed: int) -> tuple[Array, Array]:
    x = np.linspace(-1, 1, 8)[:, None]
    return x, 0.8 * np.sin(2 * x[:, 0]) + 0.1 * np.random.default_rng(seed).normal(size=8)


def _small(seed: int) -> Problem:
    net = MLP([1, 2, 1], output="tanh")
    words = "1-2-1, tanh hidden and output units (d = 7), 8 observations of 0.8·sin 2x + N(0, 0.1²)"
    return Problem("1-2-1", words, Objective(net, *_observations(seed)), net.init(seed=seed), _halved(0.08))


def _line(seed: int) -> Problem:
    words = (
        "a line y = ax + b through the same observations (d = 2), from a = −1, b = 1; its moments are known at every η"
    )
    objective = Objective(MLP([1, 1]), *_observations(seed))
    return Problem("1-1", words, objective, np.array([-1.0, 1.0]), _halved(0.08), quadratic=True)


def _paper(seed: int) -> Problem:
    data = finnoff_problem("network", n=200, seed=seed)
    net = MLP([10, 10, 1])
    words = "10-10-1, tanh hidden units (d = 121), 200 observations of a network's output with a tenth of noise"
    return Problem("10-10-1", words, Objective(net, data.x, data.y), net.init(seed=seed), _halved(0.02))
