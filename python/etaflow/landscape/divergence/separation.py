"""How far every observation is on the right side, and the direction in which a perceptron separates best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.problem.network import MLP

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

HOMOGENEOUS = {"identity", "relu", "leaky_relu"}

OUTPUT_AT_ZERO = {"identity": 0.0, "tanh": 0.0, "arctan": 0.0, "logistic": 0.5}


@dataclass(frozen=True, eq=False, repr=False)
class MaxMargin:
    """The hard-margin support vector machine through the origin of θ-space, made by `max_margin`.

    Attributes
    ----------
    direction : ndarray, shape (d,)
        The unit vector û that maximises min_i of the margins.
    margin : float
        That maximum, max_{‖u‖=1} min_i ⟨z_i, u⟩.
    theta : ndarray, shape (d,)
        û/margin: the shortest θ with all margins ≥ 1.
    support : ndarray of int
        The rows z_i that hold it: θ = Σ α_i z_i over them.
    multipliers : ndarray
        Their α_i > 0.
    """

    direction: Array
    margin: float
    theta: Array
    support: npt.NDArray[np.intp]
    multipliers: Array

    def __repr__(self) -> str:
        """Return the margin and the number of support vectors.

        Returns
        -------
        str
            One line.
        """
        return f"MaxMargin(margin {self.margin:.4g}, {len(self.support)} support vectors, {len(self.direction)} parameters)"


def margins(objective: Objective, theta: npt.ArrayLike) -> FloatArray:
    """Return how far every observation is on the right side of its boundary, in units of the last pre-activation.

    With one output and two target values it is ±z, z the pre-activation of the output, positive where `accuracy` counts the observation;
    for "softmax" z_y − max_{k≠y} z_k. Unlike a probability it does not saturate.

    Parameters
    ----------
    objective : Objective
        With labels: "log" or "softmax", or "square" with two target values in the middle of which the output's activation is at 0.
    theta : array_like, shape (d,) or (runs, d)
        The parameters.

    Returns
    -------
    ndarray, shape (n,) or (runs, n)
        The margins.

    Raises
    ------
    ValueError
        If the objective is not a classification.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1], output="tanh", bias=False), [[1.0], [-2.0]], [1.0, -1.0])
    >>> ef.divergence.margins(f, [3.0])
    array([3., 6.])
    """
    signs = _signs(objective)
    z = _linear_output(objective.net).predict(objective.check_theta(theta), objective.x)
    if objective.loss != "softmax":
        return np.asarray(z[..., 0] * signs)
    labels = objective.y[:, 0].astype(int)
    rows = np.arange(objective.n)
    own = z[..., rows, labels]
    others = z.copy()
    others[..., rows, labels] = -np.inf
    return np.asarray(own - others.max(axis=-1))


def degree(net: MLP) -> int | None:
    """Return L if the network's pre-activation is positively homogeneous of degree L in θ, else None.

    Returns
    -------
    int or None
        The number of layers, for ReLU, leaky ReLU and identity without biases; 1 without a hidden layer.
    """
    layers = len(net.shapes)
    homogeneous = all(one.name in HOMOGENEOUS for one in net.activations[:-1])
    return layers if layers == 1 or (homogeneous and not net.bias) else None


def max_margin(objective: Objective) -> MaxMargin:
    """Return the direction in which a perceptron separates the data with the largest margin, biases counting as weights.

    Gradient descent on an exponentially decreasing loss goes there (Soudry, Hoffer, Nacson, Gunasekar & Srebro 2018, Theorem 3). The
    problem min ‖θ‖ with ⟨z_i, θ⟩ ≥ 1 is solved exactly, as least distance programming by non-negative least squares (Lawson & Hanson 1974, chapter 23).

    Parameters
    ----------
    objective : Objective
        Of a network without hidden layer, with labels as in `margins`.

    Returns
    -------
    MaxMargin
        The direction, the margin and the support vectors.

    Raises
    ------
    ValueError
        If the network has hidden layers, or no θ has all margins > 0.

    Examples
    --------
    >>> import etaflow as ef
    >>> net = ef.MLP([2, 1], output="logistic", bias=False)
    >>> f = ef.Objective(net, [[1.0, 0.0], [0.0, 2.0], [5.0, 5.0]], [1, 1, 1], loss="log")
    >>> ef.divergence.max_margin(f).theta
    array([1. , 0.5])
    """
    from scipy.optimize import nnls  # noqa: PLC0415 - slow to import

    rows = constraints(objective)
    scale = float(np.linalg.norm(rows, axis=1).max())
    z = rows / (scale or 1.0)
    matrix = np.vstack([z.T, np.ones(len(z))])
    target = np.append(np.zeros(z.shape[1]), 1.0)
    u, _ = nnls(matrix, target, maxiter=max(30 * len(z), 100))
    residual = target - matrix @ u
    theta = -residual[:-1] / residual[-1] if residual[-1] > 0 else np.zeros(z.shape[1])
    length = float(np.linalg.norm(theta))
    direction = theta / length if length > 0 else theta
    if length == 0 or not (rows @ direction).min() > 1e-10 * scale:
        raise ValueError(
            f"objective must have separable data (got {objective!r} with {objective.n} observations, for which no theta has all margins > 0)"
        )
    margin = float((rows @ direction).min())
    support = np.flatnonzero(u > 0)
    multipliers = u[support] / residual[-1] / scale**2
    return MaxMargin(direction, margin, direction / margin, support, multipliers)


def constraints(objective: Objective) -> Array:
    """Return the rows z_i with margins = min over an observation's rows of ⟨z_i, θ⟩, for a network without hidden layer.

    Returns
    -------
    ndarray, shape (n, d), for "softmax" (n·(d_1 − 1), d)
        The rows, in float64; for "softmax" those of observation i stand together.

    Raises
    ------
    ValueError
        If there is a hidden layer.
    """
    net = objective.net
    if len(net.shapes) > 1:
        raise ValueError(
            f"objective must be of a network without hidden layers, two widths (got {net!r}): elsewhere no single "
            "direction has the largest margin"
        )
    x = objective.x.astype(np.float64)
    signs = _signs(objective)
    if objective.loss != "softmax":
        inputs = np.column_stack([x, np.ones(len(x))]) if net.bias else x
        return np.asarray(signs[:, None] * inputs)
    return _softmax_rows(x, objective.y[:, 0].astype(int), net)


def _softmax_rows(x: Array, labels: npt.NDArray[Any], net: MLP) -> Array:
    classes, inputs = net.shapes[0]
    rows = []
    for features, label in zip(x, labels, strict=True):
        for other in set(range(classes)) - {int(label)}:
            difference = np.zeros(classes)
            difference[[int(label), other]] = 1, -1
            weights = np.outer(difference, features).reshape(classes * inputs)
            rows.append(np.concatenate([weights, difference]) if net.bias else weights)
    return np.array(rows)


def _signs(objective: Objective) -> Array:
    net, y = objective.net, objective.y
    if objective.loss == "softmax":
        return np.ones(len(y))
    if net.widths[-1] != 1:
        raise ValueError(f'objective must have one output, or loss="softmax" (got {net.widths[-1]} outputs)')
    values = np.unique(y) if objective.loss == "square" else np.array([0.0, 1.0])
    middle = OUTPUT_AT_ZERO.get(net.activations[-1].name)
    if len(values) == 1 and middle is not None:  # one class only: Sontag's reduction to y = e
        return np.asarray(np.sign(y[:, 0] - middle), np.float64)
    if len(values) != 2 or middle is None or not np.isclose(values.mean(), middle):
        raise ValueError(
            f"objective must have two target values about the output's value at 0, like -1 and 1 for tanh or 0 and 1 for logistic "
            f"(got {values[:4].tolist()} for output {net.activations[-1].name!r})"
        )
    return np.where(y[:, 0] > middle, 1.0, -1.0)


def _linear_output(net: MLP) -> MLP:
    return MLP(net.widths, activation=list(net.activations[:-1]), output="identity", bias=net.bias)
