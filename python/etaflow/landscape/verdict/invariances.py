"""The directions of θ along which a network computes the same on its data, with the reason for each."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.symmetry_groups import HOMOGENEOUS, join, split
from etaflow.landscape.verdict.balls import Ball
from etaflow.landscape.verdict.derivatives import Pass, enclosable
from etaflow.landscape.verdict.saturation import RANK, blind_units, null_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etaflow._checks import FloatArray
    from etaflow.landscape.symmetry_groups import Layers
    from etaflow.landscape.verdict.evidence import Evidence
    from etaflow.problem.network import MLP
    from etaflow.problem.objective import Objective

LINEAR = "units that are linear on the data"
IDLE = "units without leaving weights"


def invariant_directions(
    objective: Objective, evidence: Evidence, bound: float, *, fitted: bool
) -> Iterator[tuple[str, FloatArray]]:
    """List directions along which f is constant, as far as symmetries and deficient ranks tell.

    Parameters
    ----------
    objective : Objective
        The objective.
    evidence : Evidence
        The numbers at the point.
    bound : float
        Up to here an eigenvalue of the Gauss–Newton matrix counts as zero.
    fitted : bool
        Whether f is as low as any predictions could make it, so that ∇²f is the Gauss–Newton matrix.

    Yields
    ------
    cause : str
        Why, in words.
    direction : ndarray, shape (d,)
        The direction, of any length.
    """
    if objective.l2:
        return  # every symmetry but the discrete ones changes ‖θ‖
    net, theta = objective.net, evidence.theta
    yield from _symmetries(net, theta)
    if enclosable(objective):
        yield from _from_data(objective, theta)
    if objective.loss == "softmax":
        yield from _common_shift(net, theta)
    if fitted:
        yield from _perfect_fit(objective, evidence, bound)


def symmetry_tangents(objective: Objective, theta: FloatArray) -> tuple[FloatArray, float]:
    """Return vector fields along which f is constant, for certain: at θ and at every point near with the same ReLUs on and off.

    They are the continuous symmetries of the network, and what the pieces of ReLU and leaky ReLU add on the data: units that are
    linear there, or on and off together, can be mixed, and dead ones changed at will.

    Parameters
    ----------
    objective : Objective
        The objective.
    theta : ndarray, shape (d,)
        The point.

    Returns
    -------
    fields : ndarray, shape (d, m)
        In columns, not independent in general. Their entries are 0, 1, or entries of θ times a factor.
    factor : float
        The largest factor.
    """
    net = objective.net
    if objective.l2:
        return np.zeros((len(theta), 0)), 1.0
    found = [direction for cause, direction in _symmetries(net, theta) if cause != IDLE]
    if objective.loss == "softmax":
        found += [direction for _, direction in _common_shift(net, theta)]
    forward = Pass.run(objective, Ball.exact(theta), slice(0, objective.n)) if enclosable(objective) else None
    factor = 1.0
    for layer, activation in enumerate(net.activations[:-1] if forward is not None else ()):
        if forward is None or activation.name not in HOMOGENEOUS:
            continue
        slopes = forward.slopes[layer].mid
        sizes = np.abs(slopes[slopes != 0])
        factor = max(factor, float(sizes.max() / sizes.min()), float(sizes.max())) if sizes.size else factor
        found += [direction for _, direction in _linear(net, theta, layer, slopes)]
        for unit in np.flatnonzero(~slopes.any(axis=0)):
            found += [direction for _, direction in _entering(net, theta, layer, int(unit))]
            found += list(_leaving(net, theta, layer, int(unit)))
    return np.array(found).reshape(len(found), len(theta)).T, 1.01 * factor


def _leaving(net: MLP, theta: FloatArray, layer: int, unit: int) -> Iterator[FloatArray]:
    for row in range(net.widths[layer + 2]):
        direction = np.zeros_like(theta)
        net.layers(direction)[layer + 1][0][row, unit] = 1
        yield direction


def _symmetries(net: MLP, theta: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    layers = split(net, theta)
    for layer, activation in enumerate(net.activations[:-1]):
        if activation.name == "identity":
            for i, j in np.ndindex(net.widths[layer + 1], net.widths[layer + 1]):
                yield "invertible matrices between linear layers", join(net, _exchange(layers, layer, i, j))
        elif activation.name in HOMOGENEOUS:
            for j in range(net.widths[layer + 1]):
                yield "the scales of ReLU units", join(net, _exchange(layers, layer, j, j))
        for j in np.flatnonzero(~layers[layer + 1][0].any(axis=0)):
            yield from _entering(net, theta, layer, int(j))


def _from_data(objective: Objective, theta: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    net, forward = objective.net, Pass.run(objective, Ball.exact(theta), slice(0, objective.n))
    for one in blind_units(net, forward):
        for change in one.directions:
            yield one.cause, one.placed(net, change).astype(theta.dtype)
    for layer in range(len(net.shapes) - 1):
        yield from _linear(net, theta, layer, forward.slopes[layer].mid)
    for layer, state in enumerate(forward.states):
        yield from _dependent(net, theta, layer, state.mid.astype(theta.dtype))


def _exchange(layers: Layers, layer: int, i: int, j: int) -> Layers:
    # The derivative of (C W, C b, V C⁻¹) at C = 1 along E_ij.
    moved = [(np.zeros_like(w), np.zeros_like(b)) for w, b in layers]
    (w, b), (v, _) = layers[layer], layers[layer + 1]
    moved[layer][0][i], moved[layer][1][i] = w[j], b[j]
    moved[layer + 1][0][:, j] = -v[:, i]
    return moved


def _linear(net: MLP, theta: FloatArray, layer: int, slopes: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    # Units of pieces with the same slopes, up to a factor, can be mixed; linear ones be shifted against the next bias.
    name, layers = net.activations[layer].name, split(net, theta)
    if name not in HOMOGENEOUS:
        return
    linear = (slopes == slopes[0]).all(axis=0) & (slopes[0] != 0)
    for i, j in () if name == "identity" else permutations(range(slopes.shape[1]), 2):
        place = int(np.argmax(np.abs(slopes[:, j])))
        ratio = slopes[place, i] / slopes[place, j] if slopes[place, j] else 0.0
        if ratio and (slopes[:, i] == ratio * slopes[:, j]).all():
            mixed = _exchange(layers, layer, i, j)
            mixed[layer + 1][0][:, j] *= ratio
            yield (LINEAR if linear[i] else "units that are on and off together"), join(net, mixed)
    for j in np.flatnonzero(linear).tolist() if net.bias else ():
        moved = [(np.zeros_like(w), np.zeros_like(b)) for w, b in layers]
        moved[layer][1][j] = 1
        moved[layer + 1][1][:] = -slopes[0, j] * layers[layer + 1][0][:, j]
        yield ("the biases of linear layers" if name == "identity" else LINEAR), join(net, moved)


def _entering(net: MLP, theta: FloatArray, layer: int, unit: int) -> Iterator[tuple[str, FloatArray]]:
    for column in range(net.widths[layer] + net.bias):
        direction = np.zeros_like(theta)
        w, b = net.layers(direction)[layer]
        if b is not None and column == net.widths[layer]:
            b[unit] = 1
        else:
            w[unit, column] = 1
        yield IDLE, direction


def _dependent(net: MLP, theta: FloatArray, layer: int, state: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    features = np.hstack([state, np.ones((len(state), int(net.bias)), state.dtype)])
    for cause, relation in _relations(features, layer, net.widths[layer]):
        for unit in range(net.widths[layer + 1]):
            direction = np.zeros_like(theta)
            w, b = net.layers(direction)[layer]
            w[unit] = relation[: w.shape[1]]
            if b is not None:
                b[unit] = relation[-1]
            yield cause, direction


def _relations(features: FloatArray, layer: int, units: int) -> Iterator[tuple[str, FloatArray]]:
    # The linear relations between the columns: the simple ones by name, then what is independent of them.
    named = list(_named(features, units)) if layer else []
    yield from named
    scale = features.dtype.type(np.abs(features).max())
    below = [scale * relation[None] for _, relation in named]
    for relation in null_vectors(np.concatenate([features, *below])):
        yield "dependent hidden features" if layer else "the deficient rank of the inputs", relation


def _named(features: FloatArray, units: int) -> Iterator[tuple[str, FloatArray]]:
    bound = RANK * float(np.abs(features).max())
    unit_vectors = np.eye(features.shape[1], dtype=features.dtype)
    dead = np.abs(features[:, :units]).max(axis=0) <= bound
    for column in np.flatnonzero(dead):
        yield "dead units", unit_vectors[column]
    alive = np.flatnonzero(~dead)
    for place, column in enumerate(alive):
        for other in alive[:place]:
            for sign in (1, -1):
                if np.abs(features[:, column] - sign * features[:, other]).max() <= bound:
                    yield "duplicate units", unit_vectors[column] - sign * unit_vectors[other]
        value = features[0, column]
        if features.shape[1] > units and np.abs(features[:, column] - value).max() <= bound:
            yield "constant units", unit_vectors[column] - value * unit_vectors[-1]


def _common_shift(net: MLP, theta: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    for column in range(net.widths[-2] + net.bias):
        direction = np.zeros_like(theta)
        w, b = net.layers(direction)[-1]
        if b is not None and column == w.shape[1]:
            b[:] = 1
        else:
            w[:, column] = 1
        yield "the common shift of softmax's outputs", direction


def _perfect_fit(objective: Objective, evidence: Evidence, bound: float) -> Iterator[tuple[str, FloatArray]]:
    # The residuals of equal inputs add up to 0; null vectors of the Gauss–Newton matrix change no prediction.
    operator = objective.gauss_newton_operator(evidence.theta)
    matrix = operator @ np.eye(len(evidence.theta), dtype=objective.dtype)
    eigenvalues, vectors = np.linalg.eigh(matrix)
    for column in np.flatnonzero(np.abs(eigenvalues) <= bound):
        yield "more parameters than equations of a perfect fit", vectors[:, column]
