"""Enclosures of the value of an objective."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.verdict.balls import GROW, Ball
from etaflow.landscape.verdict.derivatives import Pass
from etaflow.landscape.verdict.functions import enclose, exp_of_negative, softplus

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.problem.objective import Objective


def enclose_value(objective: Objective, theta: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Return a lower and an upper bound of f(θ), roundings included.

    Parameters
    ----------
    objective : Objective
        The objective, without gelu units. Its data is meant exactly, whatever its dtype.
    theta : ndarray, shape (d,)
        The parameters, meant exactly.

    Returns
    -------
    low, high : float
        The bounds.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1], bias=False), [[3.0]], [0.0])
    >>> low, high = enclose_value(f, np.array([0.1]))  # 0.09, but that 0.1 is no float
    >>> low < 0.09 < high < low + 1e-15
    True
    """
    place = Ball.exact(theta)
    z = Pass.run(objective, place, slice(0, objective.n)).inputs[-1]
    total = _losses(objective, z).reshape(1, -1).sum(axis=1)
    if objective.reduction == "mean":
        total = total / float(objective.n)
    total += (place * place).reshape(1, -1).sum(axis=1) * objective.l2
    low, high = (float(total.mid[0] + sign * total.rad[0] * GROW) for sign in (-1, 1))
    return float(np.nextafter(low, -np.inf)), float(np.nextafter(high, np.inf))


def _losses(objective: Objective, z: Ball) -> Ball:
    y = objective.y.astype(np.float64)
    if objective.loss == "log":
        return softplus((1.0 - 2.0 * y) * z)
    if objective.loss == "softmax":
        return _log_of_sum(z, y[:, 0].astype(np.int64))
    error = enclose(objective.net.activations[-1], z)[0] - y
    return error * error


def _log_of_sum(z: Ball, labels: npt.NDArray[np.int64]) -> Ball:
    # log Σ exp(z_k) − z_y, with the largest z taken out of the sum.
    rows = np.arange(len(labels))
    top = z.mid.max(axis=1)
    total = exp_of_negative(z - top[:, None]).sum(axis=1)
    guess = np.log(total.mid)
    # log(total) = guess + log(1 + δ) with 1 + δ = total·exp(−guess), and |log(1 + δ)| ≤ 2|δ| for |δ| ≤ ½
    delta = (total * exp_of_negative(Ball.exact(-guess)) - 1.0).largest
    logarithm = Ball(guess, np.where(delta <= 0.5, 2 * delta * GROW, np.inf))
    return logarithm + (Ball.exact(top) - z[rows, labels])
