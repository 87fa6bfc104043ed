"""The four problems: data of a model, ten tanh units, the squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.problem.datasets import finnoff_problem
from etaflow.problem.network import MLP
from etaflow.problem.objective import Objective
from etaflow.reproduce.finnoff6.protocol import EXPERIMENTS

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.problem.datasets import SyntheticProblem
    from etaflow.reproduce.finnoff6.protocol import Conditions

HIDDEN = 10
STRIDE = 1_000_000
"""Between the run numbers of two models, so that no two share their starts or their order of observations."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What is minimised, and two yardsticks for it.

    Attributes
    ----------
    name : str
        One of `EXPERIMENTS`.
    objective : Objective
        f, the mean squared error of the network on the data.
    variance : float
        Of the targets: the error of the best constant. Errors are shown as parts of it.
    linear : float
        The error of the best linear function of the inputs, as a part of the variance.
    noise : float
        The variance of the noise in the targets, as a part of the variance.
    beyond : float
        The part of the targets that lie beyond ±1, out of the reach of a tanh output.
    """

    name: str
    objective: Objective
    variance: float
    linear: float
    noise: float
    beyond: float

    def numbers(self, starts: int) -> range:
        """Return the run numbers of the first starts.

        Returns
        -------
        range
            With the seed, the keys of their random numbers.
        """
        first = STRIDE * EXPERIMENTS.index(self.name)
        return range(first, first + starts)

    def draw_starts(self, conditions: Conditions, seed: int, starts: int) -> FloatArray:
        """Draw the first starts; those of fewer are among those of more.

        Returns
        -------
        ndarray, shape (starts, d)
            One row per start.
        """
        width = conditions.start_width
        scheme = "glorot_uniform" if width is None else ("uniform", width)
        return self.objective.net.init(seed, self.numbers(starts), scheme)


def load_problem(name: str, conditions: Conditions, seed: int) -> Problem:
    """Draw the data of a model and set up the objective.

    Parameters
    ----------
    name : {"additive", "product", "rbf", "network"}
        The model.
    conditions : Conditions
        What the paper leaves open.
    seed : int
        Of the data, before `Conditions.data_shift` is added.

    Returns
    -------
    Problem
        The problem.

    Examples
    --------
    >>> from etaflow.reproduce.finnoff6.protocol import Conditions
    >>> problem = load_problem("additive", Conditions(), 0)
    >>> problem.objective.num_params, round(problem.linear, 2)
    (121, 0.51)
    """
    data = _draw(name, conditions, seed + conditions.data_shift)
    net = MLP([data.x.shape[1], HIDDEN, 1], activation="tanh", output=conditions.output)
    variance = float(data.y.var())
    inputs = np.column_stack([data.x, np.ones(len(data.x))])
    left = data.y - inputs @ np.linalg.lstsq(inputs, data.y, rcond=None)[0]
    return Problem(
        name=name,
        objective=Objective(net, data.x, data.y),
        variance=variance,
        linear=float((left**2).mean()) / variance,
        noise=data.noise**2 / variance,
        beyond=float((np.abs(data.y) > 1).mean()),
    )


def _draw(name: str, conditions: Conditions, seed: int) -> SyntheticProblem:
    options: dict[str, Any] = {"n": conditions.samples, "sigma": conditions.sigma, "seed": seed}
    clean = finnoff_problem(name, noise=0.0, **options)
    return finnoff_problem(name, noise=conditions.noise * float(clean.y.std()), **options)
