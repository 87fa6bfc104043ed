"""What the loss itself says about the end of a path: that it cannot converge, or that it grows like log t at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.divergence.separation import degree, margins

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

ASYMPTOTES = {"tanh": (-1.0, 1.0), "arctan": (-1.0, 1.0), "logistic": (0.0, 1.0)}

EXPONENTIAL_OUTPUTS = {"tanh", "logistic"}


def no_finite_end(objective: Objective, theta: FloatArray) -> bool:
    """Return whether it is certain that a path does not converge from here on.

    Where all margins are positive and the loss falls with every margin, larger weights of the output layer lower f: no such point is stationary. So it is for
    log and softmax loss, and for square loss with targets at the limits of a tanh, arctan or logistic output, without a penalty.

    Parameters
    ----------
    objective : Objective
        f.
    theta : ndarray, shape (d,)
        Where the path ends.

    Returns
    -------
    bool
        False where nothing is known.
    """
    return _falls_with_margins(objective) and _separated(objective, theta)


def at_most_logarithmic(objective: Objective, theta: FloatArray) -> bool:
    """Return whether it is proved that ‖θ‖ grows no faster than log t from here on.

    Where the loss falls exponentially with the margins, ‖∇f‖ ≤ C·f and f ≤ C'/t. That is so for a perceptron with log or softmax loss, separable data or not
    (Ji & Telgarsky 2019), for homogeneous networks once all margins are positive (Lyu & Li 2020, Theorem 4.3), and for a perceptron with square loss
    and tanh or logistic output there.

    Parameters
    ----------
    objective : Objective
        f.
    theta : ndarray, shape (d,)
        Where the path ends.

    Returns
    -------
    bool
        False where nothing is known.
    """
    perceptron = len(objective.net.shapes) == 1
    if not _falls_with_margins(objective):
        return False
    if objective.loss in {"log", "softmax"}:
        return perceptron or (degree(objective.net) is not None and _separated(objective, theta))
    return perceptron and objective.net.activations[-1].name in EXPONENTIAL_OUTPUTS and _separated(objective, theta)


def _falls_with_margins(objective: Objective) -> bool:
    if objective.l2 > 0:
        return False
    if objective.loss == "softmax":
        return True
    limits = ASYMPTOTES.get(objective.net.activations[-1].name)
    return limits is not None and objective.net.widths[-1] == 1 and bool(np.isin(objective.y, limits).all())


def _separated(objective: Objective, theta: FloatArray) -> bool:
    return bool(margins(objective, theta.astype(objective.dtype)).min() > 0)
