"""What f cannot fall below, whatever the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

RANGES: dict[str, tuple[float, float]] = {
    "tanh": (-1.0, 1.0),
    "arctan": (-1.0, 1.0),
    "sin": (-1.0, 1.0),
    "logistic": (0.0, 1.0),
    "relu": (0.0, np.inf),
    "softplus": (0.0, np.inf),
    "gelu": (-0.17, np.inf),
}
"""The closure of the values of an output activation, or a little more."""


def loss_lower_bound(objective: Objective) -> float:
    """Return a lower bound f_inf of f (Fleischmann 2021, Assumption 3.4).

    Every loss is at least 0. More is left where equal inputs have different targets, which get the same prediction (for
    the square loss their mean is the best, else their frequencies), and where a target lies outside the range of the
    output activation. A network that can take any value at every different input comes as near to the bound as one
    likes.

    Parameters
    ----------
    objective : Objective
        What is minimised.

    Returns
    -------
    float
        f_inf.

    Examples
    --------
    Finnoff's sum of five sines has targets far outside the range of his tanh output; and 0 and 1 at the same input:

    >>> import etaflow as ef
    >>> ef.loss_lower_bound(ef.Objective(ef.MLP([1, 1], output="tanh"), [[0.0], [1.0]], [3.0, -0.5]))
    2.0
    >>> ef.loss_lower_bound(ef.Objective(ef.MLP([1, 1]), [[2.0], [2.0]], [0.0, 1.0]))
    0.25
    """
    _, group, sizes = np.unique(objective.x, axis=0, return_inverse=True, return_counts=True)
    group = group.ravel()
    targets = np.asarray(objective.y, np.float64)
    if objective.loss == "softmax":
        targets = np.eye(objective.net.widths[-1])[targets[:, 0].astype(np.int64)]
    means = _means(targets, group, sizes)
    if objective.loss == "square":
        low, high = RANGES.get(objective.net.activations[-1].name, (-np.inf, np.inf))
        total = float(np.square(targets - np.clip(means, low, high)[group]).sum())
    else:
        both = objective.loss == "log"
        total = float(sizes @ (_entropy(means) + (_entropy(1 - means) if both else 0.0)))
    return total / objective.n if objective.reduction == "mean" else total


def _means(targets: Array, group: npt.NDArray[np.int64], sizes: npt.NDArray[Any]) -> Array:
    totals = np.zeros((len(sizes), targets.shape[1]))
    np.add.at(totals, group, targets)
    return np.asarray(totals / sizes[:, None])


def _entropy(shares: Array) -> Array:
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(np.maximum(-(shares * logs).sum(axis=1), 0.0))
