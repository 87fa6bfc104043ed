"""Hidden units that are flat on nearly all of the data: dead ReLUs, and sigmoids on their way to a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.landscape.verdict.balls import Ball
from etaflow.landscape.verdict.derivatives import Pass, enclosable
from etaflow.landscape.verdict.infinity import LIMITS, REACH, Ray

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etaflow._checks import FloatArray
    from etaflow.landscape.verdict.evidence import Evidence
    from etaflow.problem.network import MLP
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

FLAT = 1e-5
"""A unit does not see an observation where its slope is below this."""

DIGITS = 1e-9
"""The relative error that a tail of a sigmoid is granted."""

RANK = 1e-9
"""Singular values below this share of the largest count as zero."""


@dataclass(frozen=True, eq=False)
class BlindUnit:
    """A unit that is flat for so many observations that some changes of its entering weights do next to nothing.

    Attributes
    ----------
    layer, unit : int
        Which one, both counted from 0.
    sees : int
        The number of observations where it is not flat.
    directions : ndarray, shape (k, d_{ℓ−1} + 1) or (k, d_{ℓ−1})
        An orthonormal basis of the changes of (w, b) that leave its pre-activation at these observations as it is.
    sigmoid : bool
        Whether it is flat because it is saturated.
    """

    layer: int
    unit: int
    sees: int
    directions: Array
    sigmoid: bool

    @property
    def cause(self) -> str:
        """What it is, in words."""
        state = "saturated" if self.sigmoid else "dead"
        return f"{state} units" if self.sees == 0 else f"units that are {state} for all but a few observations"

    def placed(self, net: MLP, change: Array) -> FloatArray:
        """Return the direction of θ with this change of the unit's entering weights.

        Returns
        -------
        ndarray, shape (d,)
            0 elsewhere.
        """
        direction = np.zeros(net.num_params)
        w, b = net.layers(direction)[self.layer]
        w[self.unit] = change[: w.shape[1]]
        if b is not None:
            b[self.unit] = change[-1]
        return direction


def blind_units(net: MLP, forward: Pass) -> Iterator[BlindUnit]:
    """Find the hidden units that are flat on so much of the data that their entering weights are not determined.

    Parameters
    ----------
    net : MLP
        The network.
    forward : Pass
        One pass over the data.

    Yields
    ------
    BlindUnit
        Layer by layer. Relations between the features that hold for all observations are left out.
    """
    for layer, activation in enumerate(net.activations[:-1]):
        state = forward.states[layer].mid
        features = np.hstack([state, np.ones((len(state), int(net.bias)))])
        always = null_vectors(features)
        for unit in range(net.widths[layer + 1]):
            seen = np.abs(forward.slopes[layer].mid[:, unit]) > FLAT
            directions = null_vectors(np.concatenate([features[seen], always]))
            if len(directions):
                yield BlindUnit(layer, unit, int(seen.sum()), directions, activation.name in LIMITS)


def null_vectors(matrix: Array) -> Array:
    """Return an orthonormal basis of the null space, as rows.

    Returns
    -------
    ndarray, shape (k, columns)
        All unit vectors if there are no rows.
    """
    if len(matrix) == 0:
        return np.eye(matrix.shape[1])
    _, sizes, vectors = np.linalg.svd(matrix, full_matrices=True)
    rank = int((sizes > RANK * sizes[0]).sum()) if sizes[0] else 0
    return np.asarray(vectors[rank:])


def saturating_ray(objective: Objective, evidence: Evidence) -> Ray | None:
    """Say whether f still falls as the weights of saturated units grow.

    What is left of such a unit's slopes is small, but its sign is known: the derivative of f along the growth of (w, b)
    that keeps the few observations which the unit sees where they are. f must not rise up to 10⁴·(1 + ‖θ‖).

    Parameters
    ----------
    objective : Objective
        What is minimised.
    evidence : Evidence
        The numbers at the point.

    Returns
    -------
    Ray or None
        None if there are no saturated units, or f does not fall along any of them beyond rounding.
    """
    if objective.l2 or not enclosable(objective):
        return None
    net, theta = objective.net, np.asarray(evidence.theta, np.float64)
    forward = Pass.run(objective, Ball.exact(theta), slice(0, objective.n))
    direction = np.zeros(len(theta))
    for one in blind_units(net, forward):
        w, b = net.layers(theta)[one.layer]
        entering = w[one.unit] if b is None else np.append(w[one.unit], b[one.unit])
        growth = one.directions.T @ (one.directions @ entering)
        if one.sigmoid and _falls(net, forward, one, growth):
            direction += one.placed(net, growth)
    length = float(np.linalg.norm(direction))
    if length == 0:
        return None
    unit = (direction / length).astype(objective.dtype)
    lengths = (REACH * (1 + np.linalg.norm(theta))).astype(objective.dtype)
    values = objective.value(evidence.theta + lengths[:, None] * unit)
    if (np.diff(values, prepend=evidence.value) > evidence.value_rounding).any():
        return None
    return Ray(unit, float(values[-1]), np.nan, proved=False, everywhere=False, arrived=True)


def _falls(net: MLP, forward: Pass, one: BlindUnit, growth: Array) -> bool:
    # Far out the slopes are tiny, but known to many digits relative to themselves: not from 1 − tanh².
    state = forward.states[one.layer].mid
    features = np.hstack([state, np.ones((len(state), len(growth) - state.shape[1]))])
    pulls, z = forward.pulls[one.layer][:, one.unit], forward.inputs[one.layer].mid[:, one.unit]
    slopes = _tails(net.activations[one.layer].name, z)
    slopes[slopes > FLAT] = 0  # there the pre-activation stays as it is
    moves = slopes * (features @ growth)
    terms, doubt = pulls.mid * moves, (pulls.rad + DIGITS * np.abs(pulls.mid)) * np.abs(moves)
    return bool(terms.sum() < -doubt.sum())


def _tails(name: str, z: Array) -> Array:
    if name == "arctan":
        return np.asarray(2 / np.pi / (1 + z * z))
    rate = 2 if name == "tanh" else 1
    small = np.exp(-rate * np.abs(z))
    return np.asarray(rate * rate * small / (1 + small) ** 2)
