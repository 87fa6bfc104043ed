"""Lemma 3.1 ii) of Finnoff 1992: the local Lipschitz constant of the gradient, where there is one."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow._checks import check_number
from etaflow.theory.constants.ascent import ascend, wander
from etaflow.theory.constants.bound import Bound, in_float64, single, step_scale
from etaflow.theory.constants.escaping_path import LEVEL, escaping_point, steepest_level
from etaflow.theory.constants.hessian_bounds import hessian_bounds
from etaflow.theory.constants.kinks import Jump, find_jump
from etaflow.theory.constants.ranges import SLACK, Curve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

SUSPECTS = 3
"""So many observations, those with the largest proved bounds, are searched for the observed constant."""

LOOKS = 50
"""So many observations are looked at for a jump, the longest first, until as many as the suspects have one."""

STARTS = 12
EXACT = 1000
"""Up to so many parameters the eigenvalues of the Hessian at the answer are computed; beyond it a power iteration goes on."""


def lipschitz(objective: Objective, G: float) -> Bound:
    r"""Return the constant L_G of Lemma 3.1 ii), or the reason why there is none.

    The lemma says ‖∇L_i(θ) − ∇L_i(θ')‖ ≤ L_G‖θ − θ'‖ for all i and all θ, θ' ∈ [−G, G]^d, and the same for h = −∇f. The
    box is convex, so L_G = max_i sup ‖∇²L_i(θ)‖₂ if the activations are smooth. ReLU and leaky ReLU have no such constant:
    where a unit's pre-activation passes through zero for one observation, that observation's gradient, and so h, jumps.

    Parameters
    ----------
    objective : Objective
        The network, the data and the loss; float32 is taken to float64. What is bounded is the derivative of an SGD step's
        direction, ∇²L_i + 2·l2·I, with the factor n before ∇²L_i if f is a sum.
    G : float
        Half the side of the box, G > 0. ``math.inf`` asks for the global constant: it is finite for a network without
        hidden layers, and not with them, where the Hessian grows with the weights.

    Returns
    -------
    Bound
        `lower` is the largest ‖∇²L_i(θ)‖₂ that ascent found inside the box, at `theta`; `upper` is proved, by bounds of
        all that enters the Hessian over the box (see `hessian_bounds`). For ReLU `theta` holds two points (2, d) beside a
        kink, `lower` is the difference quotient between them, and `exponent` its power in their distance, −1. With G
        infinite and hidden layers, `exponent` is the power with which ‖∇²L_i‖ grows along a path to infinity. `mean_field`
        is the same for h.

    Raises
    ------
    TypeError
        If `objective` is not an Objective or G not a number.
    ValueError
        If G is not positive.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> smooth = ef.theory.lipschitz(ef.Objective(ef.MLP([2, 3, 1], output="tanh"), x, y), 1.0)
    >>> smooth.status, bool(smooth.lower <= smooth.upper < 4 * smooth.lower)
    ('proved', True)
    >>> kinked = ef.theory.lipschitz(ef.Objective(ef.MLP([2, 3, 1], activation="relu"), x, y), 1.0)
    >>> kinked.status, round(kinked.exponent, 2), kinked.theta.shape
    ('fails', -1.0, (2, 13))

    Linear regression has L_G = 2·max(‖x_i‖² + 1) for every G:

    >>> ef.theory.lipschitz(ef.Objective(ef.MLP([2, 1]), x, y), math.inf)
    Bound(L_G in [6, 6], proved: the activations are smooth and the network has one layer)
    """
    problem = in_float64(objective)
    radius = math.inf if math.inf == G else check_number("G", G, above=0)
    if not all(Curve(activation).smooth for activation in problem.net.activations):
        return _kinked(problem, radius)
    if math.isinf(radius) and len(problem.net.shapes) > 1:
        return _unbounded(problem)
    scale, l2 = step_scale(problem), 2 * problem.l2
    bounds = hessian_bounds(problem, radius)
    layers = "the network has one layer" if len(problem.net.shapes) == 1 else "the box is bounded"
    reason = f"the activations are smooth and {layers}"

    def proved(name: str, f: Objective, factor: float, upper: float, i: int | None, mean: Bound | None) -> Bound:
        lower, theta = _largest_curvature(f, radius)
        return Bound(name, factor * lower, upper * (1 + SLACK), "proved", reason, theta, i, mean_field=mean)

    field = proved("L_G for h", problem, 1, float(scale * bounds.mean() + l2), None, None)
    found = [
        proved("L_G", single(problem, i), scale, float(scale * bounds.max() + l2), i, field)
        for i in map(int, np.argsort(-bounds)[:SUSPECTS])
    ]
    return max(found, key=lambda bound: bound.lower)


def _largest_curvature(objective: Objective, radius: float) -> tuple[float, Array]:
    box = min(radius, 1e3)  # for a global constant, a box beyond which all outputs are saturated
    generator = np.random.default_rng(0)
    shape = (STARTS, objective.num_params)
    starts = [np.zeros(shape[1]), *generator.choice([-box, box], shape), *generator.normal(size=shape)]
    levels = (LEVEL, steepest_level(objective.net.activations[0]))
    starts += [escaping_point(objective, size, level) for size in (0.1 * box, box) for level in levels]
    starts.append(_growing_corner(objective, box))
    _, near = ascend(_climb(objective, len(starts)), np.array(starts), rounds=60, low=-box, high=box)
    far = wander(lambda theta: _rough_norms(objective, theta), near, low=-box, high=box)
    _, end = ascend(_climb(objective, 1), far[None], rounds=60, low=-box, high=box)
    return max(((_spectral_norm(objective, theta), theta) for theta in (near, far, end)), key=lambda pair: pair[0])


# The corner where the pre-activations of the first observation are largest and add up.
def _growing_corner(objective: Objective, box: float) -> Array:
    corner = np.full(objective.num_params, box)
    weights, _ = objective.net.layers(corner)[0]  # a view
    weights *= np.where(objective.x[0] < 0, -1.0, 1.0)
    return corner


# |vᵀ∇²f v| and its gradient, with v from a power iteration that goes on as the points move.
def _climb(objective: Objective, count: int) -> Callable[[Array], tuple[Array, Array]]:
    generator = np.random.default_rng(1)
    directions = [_unit(generator.normal(size=(count, objective.num_params)))]

    def climb(theta: Array) -> tuple[Array, Array]:
        v = directions[0]
        for _ in range(4):
            v = _unit(np.asarray(objective.hessian_vector(theta, v), np.float64))
        directions[0] = v
        quotients = np.sum(v * objective.hessian_vector(theta, v), axis=1)
        step = 1e-4
        sides = [objective.gradient(theta + sign * step * v) for sign in (-1, 0, 1)]
        bend = (sides[0] - 2 * sides[1] + sides[2]) / step**2  # ∇(vᵀ∇²f v), a third derivative
        return np.abs(quotients), np.sign(quotients)[:, None] * bend

    return climb


# ‖∇²f v‖ after a few steps of a power iteration: from below.
def _rough_norms(objective: Objective, theta: Array) -> Array:
    v = _unit(np.random.default_rng(3).normal(size=theta.shape))
    for _ in range(5):
        v = _unit(np.asarray(objective.hessian_vector(theta, v), np.float64))
    return np.asarray(np.linalg.norm(objective.hessian_vector(theta, v), axis=1))


def _unit(vectors: Array) -> Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(lengths > 0, vectors / np.where(lengths > 0, lengths, 1.0), 1 / np.sqrt(vectors.shape[1]))


def _spectral_norm(objective: Objective, theta: Array) -> float:
    if objective.num_params <= EXACT:
        return float(np.max(np.abs(np.linalg.eigvalsh(objective.hessian(theta)))))
    v = _unit(np.random.default_rng(2).normal(size=(1, objective.num_params)))[0]
    for _ in range(100):
        image = objective.hessian_vector(theta, v)
        length = float(np.linalg.norm(image))
        if length == 0:
            break
        v = image / length
    return length


def _kinked(objective: Objective, radius: float) -> Bound:
    box, scale = min(radius, 1.0), step_scale(objective)  # a small part of the box is enough
    jumps = list(islice(_jumps(objective, box), SUSPECTS))
    worst, jump = max(jumps, key=lambda pair: pair[1].size, default=(0, None))
    # The same jump, over n, is one of the mean; only data where two of them cancel could hide it.
    mean = find_jump(objective, box, observation=worst)
    field = _jumping("L_G for h", objective, mean, 1, None, None)
    return _jumping("L_G", objective, jump, scale, worst, field)


# Observations whose gradient jumps, with the jump.
def _jumps(objective: Objective, box: float) -> Iterator[tuple[int, Jump]]:
    for i in map(int, np.argsort(-np.sum(objective.x**2, axis=1))[:LOOKS]):
        jump = find_jump(single(objective, i), box)
        if jump is not None:
            yield i, jump


def _jumping(
    name: str, objective: Objective, jump: Jump | None, scale: int, i: int | None, mean: Bound | None
) -> Bound:
    if jump is None:
        theta, reason = np.zeros(objective.num_params), "a φ' jumps, but no jump of the gradient was found"
        return Bound(name, 0.0, math.inf, "open", reason, theta, i, mean_field=mean)
    reason = (
        f"a φ' jumps: two points {np.linalg.norm(np.diff(jump.points, axis=0)):.1e} apart "
        f"have gradients {scale * jump.size:.3g} apart"
    )
    return Bound(name, scale * jump.quotient, math.inf, "fails", reason, jump.points, i, jump.power, None, mean)


def _unbounded(objective: Objective) -> Bound:
    scale, longest = step_scale(objective), int(np.argmax(np.sum(objective.x**2, axis=1)))
    one = single(objective, longest)

    def failing(name: str, f: Objective, factor: int, i: int | None, mean: Bound | None) -> Bound:
        points = [escaping_point(one, size) for size in (1e2, 1e3)]
        norms = [_spectral_norm(f, point) for point in points]
        lengths = [float(np.linalg.norm(point)) for point in points]
        power = float(np.log(norms[1] / norms[0]) / np.log(lengths[1] / lengths[0]))
        status = "fails" if power > 0.5 else "open"
        reason = f"the Hessian grows like ‖θ‖^{power:.2f} along a path to infinity"
        return Bound(name, factor * norms[1], math.inf, status, reason, points[1], i, power, None, mean)

    return failing("L_G", one, scale, longest, failing("L_G for h", objective, 1, None, None))
