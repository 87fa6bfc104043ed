"""Objectives whose weights cannot grow faster than log t, whatever a path looks like for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etaflow.landscape.divergence.separation import degree, margins

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

EXPONENTIAL_OUTPUTS = {"tanh", "logistic"}


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
    if objective.loss in {"log", "softmax"}:
        if perceptron:
            return True
        known = degree(objective.net) is not None
    else:
        known = perceptron and objective.net.activations[-1].name in EXPONENTIAL_OUTPUTS
    if not known:
        return False
    try:
        return bool(margins(objective, theta.astype(objective.dtype)).min() > 0)
    except ValueError:  # no classification
        return False
