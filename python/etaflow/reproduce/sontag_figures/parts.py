"""What takes time: the diagram of minima over a, the counts of exponentially many minima, and training on XOR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.dynamics.descent import descend
from etaflow.landscape.divergence import log_rule
from etaflow.landscape.perceptron import bifurcation, exponentially_many, fold, minima, threshold
from etaflow.problem.datasets import xor
from etaflow.problem.network import MLP
from etaflow.problem.objective import Objective

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from etaflow.dynamics.runs import Runs
    from etaflow.reproduce.sontag_figures.protocol import Protocol
    from etaflow.reproduce.sontag_figures.settings import Settings

    Array = npt.NDArray[np.float64]
    Arrays = dict[str, npt.NDArray[Any]]
    Tell = Callable[[float], None]

SIGMOIDS = ("tanh", "arctan")
FOLD_BETWEEN = (6.0, 8.0)
SCHEME = ("uniform", 1.0)
RECORDS = 200
"""Times t at which t·[w(t+1) − w(t)] is taken, evenly on a logarithmic scale."""

SOLVED = 0.5
"""A run whose E is less has learnt XOR: one wrong sign costs at least 1."""


def diagram_part(settings: Settings, theta: str, tell: Tell) -> Arrays:
    """Find all minima of case 3 for many a, and where their number changes.

    Returns
    -------
    dict of str to ndarray
        The columns of `bifurcation`, and the thresholds: ``right``, ``left`` for minima at ±∞, ``fold`` for a finite one; empty if none.
    """
    tell(0.0)
    table = bifurcation(theta, 2.0 ** np.linspace(-5, 5, settings.protocol.diagram))
    found: Arrays = {
        name: table[name].values for name in ("a", "count", "left", "right", "complete", "minimum", "maximum", "value")
    }
    for side in ("right", "left"):
        ends = threshold(theta, side=side)
        found[f"threshold_{side}"] = np.array([] if ends is None else sorted(map(float, ends)))
    found["fold"] = np.array(fold(theta, *FOLD_BETWEEN) if theta == "arctan" else [])
    return found


def counts_part(settings: Settings, tell: Tell) -> Arrays:
    """Count the minima of problems with k observations for each of m weights.

    Returns
    -------
    dict of str to ndarray
        ``each`` (k), ``weights`` (m), ``count`` and ``complete``, whether it is proved; in words, as it may exceed any integer type.
    """
    sizes = [(each, 1) for each in range(2, settings.protocol.most + 1)] + [(4, 2), (4, 5), (4, 10)]
    rows = []
    for number, (each, weights) in enumerate(sizes):
        found = minima(exponentially_many(each * weights, weights))
        rows.append((each, weights, found.count, found.complete))
        tell((number + 1) / len(sizes))
    return {
        name: np.array(column)
        for name, column in zip(("each", "weights", "count", "complete"), zip(*rows, strict=True), strict=True)
    }


def xor_objective(protocol: Protocol) -> Objective:
    """Return the sum of the squared errors of a network of tanh units on XOR with inputs and targets ±1.

    Returns
    -------
    Objective
        The paper's (**).
    """
    x, y = xor()
    return Objective(MLP([2, protocol.hidden, 1], activation="tanh", output="tanh"), x, y, reduction="sum")


def record_times(protocol: Protocol) -> npt.NDArray[np.int64]:
    """Return the times t at which the statistic is taken.

    Returns
    -------
    ndarray of int
        From 1 to the last step but one.
    """
    return np.unique(np.geomspace(1, protocol.steps - 1, RECORDS).astype(np.int64))


def train(objective: Objective, settings: Settings, **manner: Any) -> Runs:
    """Run gradient descent from all starts, and record the weights at t and t + 1.

    Returns
    -------
    Runs
        One run per start.
    """
    own = settings.protocol
    times = record_times(own)
    theta0 = objective.net.init(settings.seed, range(own.starts), SCHEME)
    steps = np.union1d(times, times + 1)
    return descend(objective, theta0, steps=own.steps, step_size=own.step_size, record={"theta": steps}, **manner)


def weights_part(runs: Runs, objective: Objective, settings: Settings) -> Arrays:
    """Return Sontag's statistic for every weight and for every margin.

    Returns
    -------
    dict of str to ndarray
        ``t`` (times); ``statistic`` (run, time, weight), t·[w(t+1) − w(t)]; ``margins`` (run, time, observation), the same of y·(input of the output
        unit); ``loss`` (run), E at the end; ``slope``, ``low``, ``high``, ``trend``, ``plateau`` (run): `log_rule` of the smallest margin, with plateau
        −1 for undecided.
    """
    own, t = settings.protocol, record_times(settings.protocol)
    data = runs.data["theta"]
    theta = data.sel(step=t).values, data.sel(step=t + 1).values
    x, y = xor()
    inner = MLP([2, own.hidden, 1], activation="tanh", output="identity")

    def margins(points: Array) -> Array:
        flat = inner.predict(points.reshape(-1, points.shape[-1]), x)
        return np.asarray(flat.reshape(*points.shape[:-1], len(y)) * np.ravel(y))

    before, after = (margins(one) for one in theta)
    rules = [log_rule((t[t > 0].astype(float), one.min(axis=1)[:, None]), of=0) for one in before]
    return {
        "t": t,
        "statistic": t[:, None] * (theta[1] - theta[0]),
        "margins": t[:, None] * (after - before),
        "smallest": before.min(axis=2)[:, -1],
        "loss": objective.value(runs.theta),
        "slope": np.array([rule.slope for rule in rules]),
        "low": np.array([rule.slope_low for rule in rules]),
        "high": np.array([rule.slope_high for rule in rules]),
        "trend": np.array([rule.trend for rule in rules]),
        "plateau": np.array([-1 if rule.plateau is None else int(rule.plateau) for rule in rules]),
    }
