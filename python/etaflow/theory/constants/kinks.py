"""Two points beside a kink of ReLU between which the gradient, or the Hessian, jumps: the witness that it is not continuous."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.theory.constants.ranges import Curve

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

GAPS = (1e-3, 1e-5, 1e-7)
"""The distances of the two points, relative to the box: the quotient grows like their inverse if the gradient jumps."""

TRIES = 40
ROUNDING = 1e-13
"""A difference that is smaller, relative to what is compared, is taken for rounding and not for a jump."""


@dataclass(frozen=True, eq=False)
class Jump:
    """A jump of the gradient, or of the Hessian's product with a unit vector v: read ∇²f·v for ∇f.

    Attributes
    ----------
    points : ndarray, shape (2, d)
        Two points on either side of the kink, at the smallest distance.
    quotient : float
        ‖∇f(θ) − ∇f(θ')‖/‖θ − θ'‖ between them.
    size : float
        ‖∇f(θ) − ∇f(θ')‖.
    power : float
        The measured power of the distance in the quotient: −1 for a jump.
    """

    points: Array
    quotient: float
    size: float
    power: float


def find_jump(objective: Objective, radius: float, *, order: int = 1, observation: int = 0) -> Jump | None:
    """Look for a jump of the gradient or of the Hessian inside [−G, G]^d.

    Random parameters are moved onto the kink of one unit for one observation, and both sides are compared.

    Parameters
    ----------
    objective : Objective
        The objective, of one observation or of several.
    radius : float
        G.
    order : {1, 2}, default 1
        Of the derivative: the gradient, or the Hessian's product with a random unit vector.
    observation : int, default 0
        Whose pre-activation is moved to the kink.

    Returns
    -------
    Jump or None
        The largest jump that was found; None if there was none.
    """
    kinked = [layer for layer, activation in enumerate(objective.net.activations) if not Curve(activation).smooth]
    generator = np.random.default_rng(0)
    derivative = _derivative(objective, order)
    jumps = []
    for attempt in range(TRIES if kinked else 0):
        theta = 0.9 * radius * generator.uniform(-1, 1, objective.num_params)  # what is left is for the gap
        sides = _sides(objective, theta, kinked[attempt % len(kinked)], observation, radius)
        if sides is not None:
            jumps.append(_compare(derivative, *sides, radius))
    real = [jump for jump in jumps if jump.power < -0.9 and jump.size > 0]
    return max(real, key=lambda jump: jump.size) if real else None


def _derivative(objective: Objective, order: int) -> Callable[[Array], Array]:
    direction = np.random.default_rng(1).normal(size=objective.num_params)
    direction /= np.linalg.norm(direction)

    def derivative(points: Array) -> Array:
        if order == 1:
            return np.asarray(objective.gradient(points), np.float64)
        return np.asarray(objective.hessian_vector(points, np.tile(direction, (len(points), 1))), np.float64)

    return derivative


# A point of the box where unit 0 of the layer is at its kink, and the direction in which its pre-activation grows.
def _sides(
    objective: Objective, theta: Array, layer: int, observation: int, radius: float
) -> tuple[Array, Array] | None:
    net = objective.net
    below = objective.x[observation]
    layers = net.layers(theta)  # views: what is written to them is written to θ
    for (weights, shift), activation in zip(layers[:layer], net.activations, strict=False):
        below = Curve(activation).value(0, weights @ below + (0.0 if shift is None else shift))
    weights, shift = layers[layer]
    extended = np.append(below, 1.0) if net.bias else np.asarray(below)
    square = float(extended @ extended)
    if square == 0:
        return None
    row = np.append(weights[0], shift[0]) if shift is not None else weights[0].copy()
    row -= (row @ extended) / square * extended  # the nearest row with z = 0
    row *= min(1.0, 0.9 * radius / max(float(np.max(np.abs(row))), 1e-300))
    direction = np.zeros_like(theta)
    step_weights, step_shift = net.layers(direction)[layer]
    length = np.sqrt(square)
    weights[0], step_weights[0] = row[: len(below)], extended[: len(below)] / length
    if shift is not None and step_shift is not None:
        shift[0], step_shift[0] = row[-1], 1 / length
    return theta, direction


def _compare(derivative: Callable[[Array], Array], theta: Array, direction: Array, radius: float) -> Jump:
    gaps = radius * np.array(GAPS)
    pairs = [np.stack([theta - gap / 2 * direction, theta + gap / 2 * direction]) for gap in gaps]
    values = [derivative(pair) for pair in pairs]
    sizes = np.array([np.linalg.norm(value[1] - value[0]) for value in values])
    sizes[sizes < ROUNDING * np.linalg.norm(values[0])] = 0.0
    with np.errstate(divide="ignore"):
        quotients = sizes / gaps
        power = np.polyfit(np.log(gaps), np.log(np.maximum(quotients, 1e-300)), 1)[0]
    return Jump(pairs[-1], float(quotients[-1]), float(sizes[-1]), float(power))
