"""A path to infinity on which the gradient of one observation grows as fast as it can: the witness of `growth`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.theory.constants.ranges import Curve

if TYPE_CHECKING:
    from etaflow.problem.activations import Activation
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

LEVEL = 0.5
"""The pre-activation at which units are kept: there no φ and no φ' of the package vanishes."""

WRONG = 8.0
"""The logit of a wrong answer that is given with confidence: the error δ^L is within 1e-3 of its bound."""


def trailing_unbounded(objective: Objective) -> int:
    """Return how many hidden layers directly below the output have an unbounded activation.

    Parameters
    ----------
    objective : Objective
        The objective.

    Returns
    -------
    int
        t of the theorem in `growth`.
    """
    hidden = objective.net.activations[:-1]
    bounded = [Curve(activation).bounded for activation in reversed(hidden)]
    return bounded.index(True) if True in bounded else len(bounded)


def bounded_error(objective: Objective) -> bool:
    """Return whether δ^L = ∂L/∂z^L is bounded over all θ: every loss but the square one with an unbounded output.

    Parameters
    ----------
    objective : Objective
        The objective.

    Returns
    -------
    bool
        Whether sup ‖δ^L‖ is finite.
    """
    return objective.loss != "square" or Curve(objective.net.activations[-1]).bounded


def steepest_level(activation: Activation) -> float:
    """Return a pre-activation at which |φ'| is as large as it gets, or nearly.

    Parameters
    ----------
    activation : Activation
        φ.

    Returns
    -------
    float
        A number.
    """
    places = np.array([1e-9, -1.0, 1.0, np.sqrt(2), 20.0])  # first just beside 0, where ReLU has its kink
    return float(places[np.abs(Curve(activation).value(1, places)).argmax()])


def escaping_point(objective: Objective, size: float, level: float = LEVEL) -> Array:
    """Return the θ of the path with weights of about `size`, for an objective of one observation.

    Weights are of that size while the pre-activations stay at `level`, which biases see to, or, without biases, rows of
    alternating signs: so no φ' goes to zero and ‖δ^ℓ‖ gains a factor `size` per layer. Where δ^L is unbounded, the layers of
    unbounded activations below the output, and the output, have positive weights and no such counterweight: there the
    activations grow as well.

    Parameters
    ----------
    objective : Objective
        The objective of one observation.
    size : float
        The scale of the weights.
    level : float, default 0.5
        Where the pre-activations of hidden units stay.

    Returns
    -------
    ndarray, shape (d,)
        The parameters.
    """
    net, bias = objective.net, objective.net.bias
    outputs = len(net.shapes)
    kept = outputs if bounded_error(objective) else outputs - 1 - trailing_unbounded(objective)
    below = objective.x[0]
    layers: list[tuple[Array, Array]] = []
    for layer, (rows, columns) in enumerate(net.shapes, start=1):
        goal = _output_level(objective) if layer == outputs else np.full(rows, level)
        if layer > kept:
            weights, shift = np.full((rows, columns), size) * np.where(below < 0, -1.0, 1.0), np.full(rows, size)
        elif layer == 1:
            weights, shift = _reach(goal, below, bias=bias)
        else:
            signs = (
                _error_signs(objective, goal) if layer == outputs else _signs(rows, alternate=layer < kept and not bias)
            )
            weights = size * np.outer(signs, np.ones(columns) if bias else _balanced(columns))
            shift = goal - weights @ below
            weights += 0.0 if bias else _reach(goal, below, bias=False)[0]
        layers.append((weights, shift * bias))
        below = Curve(net.activations[layer - 1]).value(0, weights @ below + layers[-1][1])
    return np.asarray(net.flatten([(weights, shift if bias else None) for weights, shift in layers]), np.float64)


def measured_power(objective: Objective, one: Objective, near: float = 1e2, far: float = 1e3) -> tuple[float, Array]:
    """Return the power p with ‖∇f‖ ~ ‖θ‖^p between two points of a path, and the farther point.

    Parameters
    ----------
    objective : Objective
        f.
    one : Objective
        The objective of one observation, whose path it is.
    near, far : float
        The sizes of the weights at the two points.

    Returns
    -------
    power : float
        The measured power; −inf if the gradient vanishes there.
    theta : ndarray, shape (d,)
        The farther point.
    """
    points = [escaping_point(one, size) for size in (near, far)]
    gradients = [float(np.linalg.norm(objective.gradient(point))) for point in points]
    lengths = [float(np.linalg.norm(point)) for point in points]
    if min(gradients) == 0 or lengths[0] == lengths[1]:
        return -np.inf, points[1]
    return float(np.log(gradients[1] / gradients[0]) / np.log(lengths[1] / lengths[0])), points[1]


# The smallest weights and biases with W·below + b = goal; zero where nothing comes in.
def _reach(goal: Array, below: Array, *, bias: bool) -> tuple[Array, Array]:
    extended = np.append(below, 1.0) if bias else below
    square = float(extended @ extended)
    rows = np.outer(goal, extended / square) if square else np.zeros((len(goal), len(extended)))
    return (rows[:, :-1], rows[:, -1]) if bias else (rows, np.zeros(len(goal)))


def _signs(count: int, *, alternate: bool) -> Array:
    return np.where(np.arange(count) % 2 == 0, 1.0, -1.0 if alternate else 1.0)


# Entries ±1 that sum to zero, with a 0 for an odd one left over.
def _balanced(count: int) -> Array:
    row = _signs(count, alternate=True)
    if count % 2:
        row[-1] = 0.0
    return row


# The signs of δ^L at pre-activations z: with them the rows do not cancel in (W^L)ᵀδ^L.
def _error_signs(objective: Objective, z: Array) -> Array:
    y = objective.y[0]
    if objective.loss == "softmax":
        return np.where(np.arange(len(z)) == y[0], -1.0, 1.0)
    if objective.loss == "log":
        return np.asarray(1 - 2 * y)
    curve = Curve(objective.net.activations[-1])
    return np.where((curve.value(0, z) - y) * curve.value(1, z) < 0, -1.0, 1.0)


# Pre-activations of the output at which δ^L is far from zero.
def _output_level(objective: Objective) -> Array:
    width, y = objective.net.widths[-1], objective.y[0]
    if objective.loss == "softmax":
        label = int(y[0])
        return np.asarray(WRONG * (np.eye(width)[(label + 1) % width] - np.eye(width)[label]))
    if objective.loss == "log":
        return np.asarray(WRONG * (1 - 2 * y))
    curve, places = Curve(objective.net.activations[-1]), np.linspace(-4, 4, 801)
    errors = np.abs((curve.value(0, places)[:, None] - y) * curve.value(1, places)[:, None])
    return np.asarray(places[errors.argmax(axis=0)])
