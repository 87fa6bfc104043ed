"""The networks, data, starts and step sizes: a small network, the paper's, and one that starts near a saddle."""

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

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.dynamics.flow import Flow

NAMES = ("1-2-1", "10-10-1", "saddle")


@dataclass(frozen=True, eq=False)
class Problem:
    """What SGD and the flow are compared on.

    Attributes
    ----------
    name : str
        One of `NAMES`.
    words : str
        Name, network, data and start.
    objective : Objective
        f.
    theta0 : ndarray, shape (d,)
        θ_0.
    t : float
        The last time.
    step_sizes : ndarray, shape (m,)
        η, falling; each is half of the one before.
    """

    name: str
    words: str
    objective: Objective
    theta0: FloatArray
    t: float
    step_sizes: npt.NDArray[np.float64]

    @property
    def steps(self) -> int:
        """The steps of all sizes together."""
        return round(float((self.t / self.step_sizes).sum()))

    @property
    def instability(self) -> float:
        """How fast deviations grow near θ = 0: −λ for the smallest eigenvalue λ of ∇²f there."""
        return -float(np.linalg.eigvalsh(self.objective.hessian(np.zeros(self.objective.num_params)))[0])

    @cached_property
    def flow(self) -> Flow:
        """θ̄."""
        return flow(self.objective, self.theta0, t=self.t, rtol=1e-10, atol=1e-12)


def load_problem(name: str, seed: int, sizes: int) -> Problem:
    """Return a problem.

    Parameters
    ----------
    name : {"1-2-1", "10-10-1", "saddle"}
        A network with two tanh units and a tanh output on 8 observations of 0.8·sin 2x and noise, the paper's network of ten
        tanh units on 200 observations of another network's output, or one tanh unit that starts near the strict saddle at 0.
    seed : int
        Of data and start; nothing of "saddle" is random.
    sizes : int
        How many step sizes.

    Returns
    -------
    Problem
        With its largest step size, half of it, and so on.
    """
    return {"1-2-1": _small, "10-10-1": _paper, "saddle": _saddle}[name](seed, sizes)


def _halved(largest: float, sizes: int) -> npt.NDArray[np.float64]:
    return np.asarray(largest * 0.5 ** np.arange(sizes), np.float64)


def _small(seed: int, sizes: int) -> Problem:
    x = np.linspace(-1, 1, 8)[:, None]
    y = 0.8 * np.sin(2 * x[:, 0]) + 0.1 * np.random.default_rng(seed).normal(size=8)
    net = MLP([1, 2, 1], output="tanh")
    words = "1-2-1: tanh hidden and output units, 8 observations of 0.8·sin 2x + N(0, 0.1²)"
    return Problem("1-2-1", words, Objective(net, x, y), net.init(seed=seed), 4.0, _halved(0.08, sizes))


def _paper(seed: int, sizes: int) -> Problem:
    data = finnoff_problem("network", n=200, seed=seed)
    net = MLP([10, 10, 1])
    words = (
        "10-10-1: the paper's network, tanh hidden units, 200 observations of a network's output with a tenth of noise"
    )
    return Problem("10-10-1", words, Objective(net, data.x, data.y), net.init(seed=seed), 4.0, _halved(0.02, sizes))


def _saddle(seed: int, sizes: int) -> Problem:  # noqa: ARG001 - nothing is random
    x, y = np.array([[1.0], [1.0], [-1.0], [-1.0]]), np.array([0.75, 0.25, -0.75, -0.25])
    net = MLP([1, 1, 1], bias=False)
    words = "saddle: 1-1-1 without biases, a tanh hidden unit, 4 observations, from (0.02, 0.01), near the strict saddle at 0"
    return Problem("saddle", words, Objective(net, x, y), np.array([0.02, 0.01]), 6.0, _halved(0.04, sizes))
