"""Rays along which f falls for ever: proved from separable features, or followed as far as numbers go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.landscape.verdict.balls import Ball
from etaflow.landscape.verdict.derivatives import Pass, enclosable
from etaflow.landscape.verdict.separation import separate

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.landscape.verdict.evidence import Evidence
    from etaflow.landscape.verdict.separation import Separation
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]
    Mask = npt.NDArray[np.bool_]

LIMITS = {"tanh": (-1.0, 1.0), "arctan": (-1.0, 1.0), "logistic": (0.0, 1.0)}
"""The limits of the output activations at ∓∞."""

ROWS = 4 * 10**6
"""A linear program is not set up beyond so many entries."""

REACH = np.geomspace(1e-3, 1e4, 29)
"""So far, in units of 1 + ‖θ‖, f is followed."""

ALONG = 0.5
"""A followed ray must have at least this cosine with −∇f: it must be where training goes."""


@dataclass(frozen=True, eq=False)
class Ray:
    """A direction of θ along which f falls, strictly and for ever.

    Attributes
    ----------
    direction : ndarray, shape (d,)
        ν, of norm 1.
    limit : float
        What f(θ + tν) tends to; for a ray that was only followed the value at its far end.
    margin : float
        The smallest distance A_iν of the signed last-layer features from the separating plane; NaN for a ray that was
        only followed.
    proved : bool
        Whether the fall along the whole ray is proved: the features are separable, checked in fractions (inputs) or in
        ball arithmetic (hidden layers).
    everywhere : bool
        Whether it is proved for every θ, so that f has no stationary point at all: separable inputs of a network
        without hidden layers (Sontag and Sussmann 1988, section 3, Lemma).
    arrived : bool
        Whether θ itself separates the data: all observations that decide are on their right side.
    """

    direction: FloatArray
    limit: float
    margin: float
    proved: bool
    everywhere: bool
    arrived: bool

    def __str__(self) -> str:
        """Return where the ray leads in words.

        Returns
        -------
        str
            One line.
        """
        how = "proved to fall for ever" if self.proved else "falls as far as it was followed"
        return f"{how}, towards {self.limit:.4g}" + (
            "" if np.isnan(self.margin) else f", with margin {self.margin:.3g}"
        )


def separable_ray(objective: Objective, theta: FloatArray) -> Ray | None:
    """Look for a direction of the last layer along which no loss rises and some fall, for ever.

    With z the inputs of the output layer that holds if every s_i·z_i can rise at once: s_i = ±1 is the side on which
    the loss falls, for the log loss by the label; for the square loss if the target is at the limit of a sigmoid output
    or beyond (else there is none); for softmax z is the difference between the label's output and each other one. l2 >
    0 forbids it.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    theta : ndarray, shape (d,)
        The point, whose last hidden layer gives the features.

    Returns
    -------
    Ray or None
        None if the features at θ are not separable, or the loss has no such sides.
    """
    sides = _sides(objective)
    if objective.l2 or sides is None or not enclosable(objective):
        return None
    forward = Pass.run(objective, Ball.exact(theta), slice(0, objective.n))
    features = _with_bias(forward.states[-1], objective.net.bias)
    if objective.loss == "softmax":
        return _softmax_ray(objective, theta, features, forward.inputs[-1].mid)
    return _ray_by_outputs(objective, theta, features, forward.inputs[-1].mid, sides)


def _sides(objective: Objective) -> Array | None:
    # The side of every observation and output; 0 in the column of an output that has none.
    y = objective.y.astype(np.float64)
    if objective.loss == "softmax":
        return np.ones_like(y)
    if objective.loss == "log":
        return np.asarray(2 * y - 1)
    name = objective.net.activations[-1].name
    if name not in LIMITS:
        return None
    low, high = LIMITS[name]
    sides = np.where(y >= high, 1.0, np.where(y <= low, -1.0, 0.0))
    sides[:, (sides == 0).any(axis=0)] = 0
    return sides if sides.any() else None


def _with_bias(states: Ball, bias: bool) -> Ball:
    ones = np.ones((len(states.mid), int(bias)))
    return Ball(np.hstack([states.mid, ones]), np.hstack([states.rad, 0 * ones]))


def _ray_by_outputs(objective: Objective, theta: FloatArray, features: Ball, z: Array, sides: Array) -> Ray | None:
    width, found = objective.net.widths[-1], []
    if features.mid.size > ROWS:
        return None
    block = np.zeros((width, features.mid.shape[1]))
    strict = np.zeros(z.shape, dtype=bool)
    for k in np.flatnonzero(sides.any(axis=0)):
        signed = Ball(sides[:, [k]] * features.mid, features.rad)
        one = separate(signed.mid)
        if one is not None:
            block[k], strict[:, k] = one.direction, one.strict
            found.append((_proved(objective, signed, one), _margin(signed.mid, one)))
    if not found:
        return None
    decisive = strict.any(axis=0)
    return Ray(
        _placed(objective, block, theta),
        _limit(objective, theta, z, strict),
        min(margin for _, margin in found),
        proved=any(proved for proved, _ in found),
        everywhere=len(objective.net.shapes) == 1 and any(proved for proved, _ in found),
        arrived=bool((sides * z > 0)[:, decisive].all()),
    )


def _softmax_ray(objective: Objective, theta: FloatArray, features: Ball, z: Array) -> Ray | None:
    count, width = z.shape
    labels = objective.y[:, 0].astype(np.int64)
    size = features.mid.shape[1]
    if count * (width - 1) * width * size > ROWS:
        return None
    others = np.array([[k for k in range(width) if k != label] for label in labels])
    mid, rad = np.zeros((2, count, width - 1, width, size))
    i, j = np.arange(count)[:, None], np.arange(width - 1)
    for table, source, sign in ((mid, features.mid, -1), (rad, features.rad, 1)):
        table[i, j, labels[:, None]] = source[:, None]
        table[i, j, others] = sign * source[:, None]
    signed = Ball(mid.reshape(-1, width * size), rad.reshape(-1, width * size))
    one = separate(signed.mid)
    if one is None:
        return None
    proved, differences = _proved(objective, signed, one), z[i[:, 0], labels][:, None] - z[i, others]
    rest = np.where(one.strict.reshape(differences.shape), -np.inf, -differences)
    losses = np.logaddexp.reduce(np.column_stack([np.zeros(count), rest]), axis=1)
    return Ray(
        _placed(objective, one.direction.reshape(width, size), theta),
        float(losses.mean() if objective.reduction == "mean" else losses.sum()),
        _margin(signed.mid, one),
        proved=proved,
        everywhere=proved and len(objective.net.shapes) == 1,
        arrived=bool((differences > 0).all()),
    )


def _proved(objective: Objective, signed: Ball, found: Separation) -> bool:
    # Inputs are exact numbers; hidden features are known to rounding, so that all must be strictly inside.
    if len(objective.net.shapes) == 1:
        return found.exact
    sides = signed @ Ball.exact(found.direction[:, None])
    return bool((sides.mid > sides.rad).all())


def _margin(rows: Array, found: Separation) -> float:
    return float((rows @ found.direction)[found.strict].min())


def _placed(objective: Objective, block: Array, theta: FloatArray) -> FloatArray:
    direction = np.zeros_like(theta)
    weights, shift = objective.net.layers(direction)[-1]
    weights[:] = block[:, : weights.shape[1]]
    if shift is not None:
        shift[:] = block[:, -1]
    return np.asarray(direction / np.linalg.norm(direction))


def _limit(objective: Objective, theta: FloatArray, z: Array, strict: Mask) -> float:
    # What is strictly separated loses all but its distance from the sigmoid's limit.
    y = objective.y.astype(np.float64)
    if objective.loss == "log":
        losses = np.where(strict, 0.0, np.logaddexp(0.0, (1 - 2 * y) * z))
    else:
        out = objective.net.predict(theta, objective.x).astype(np.float64)
        low, high = LIMITS[objective.net.activations[-1].name]
        losses = np.where(strict, np.minimum((y - high) ** 2, (y - low) ** 2), (y - out) ** 2)
    total = float(losses.sum())
    return total / objective.n if objective.reduction == "mean" else total


def followed_ray(objective: Objective, evidence: Evidence) -> Ray | None:
    """Follow f along the rays on which weights grow, and say whether it falls as far as can be seen.

    The rays are −∇f itself, and its part that lets every unit's entering weights grow in proportion. On one that counts
    ∇f·ν < 0 beyond rounding at θ, and up to 10⁴·(1 + ‖θ‖) neither f nor ∇f·ν rises above 0 beyond rounding.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    evidence : Evidence
        The numbers at the point.

    Returns
    -------
    Ray or None
        None if f rises on all of them. Nothing is proved here.
    """
    if objective.l2 or not evidence.grad_norm > 0 or not _saturates(objective):
        return None
    for direction in (_growth(objective, evidence), -evidence.gradient):
        length = float(np.linalg.norm(direction))
        if length == 0 or -float(direction @ evidence.gradient) < ALONG * length * evidence.grad_norm:
            continue
        unit = (direction / length).astype(objective.dtype)
        limit = _fall(objective, evidence, unit)
        if limit is not None:
            return Ray(unit, limit, np.nan, proved=False, everywhere=False, arrived=True)
    return None


def _saturates(objective: Objective) -> bool:
    # Without a sigmoid a loss that is a polynomial of θ on every piece has no tail along a ray.
    return objective.loss != "square" or any(one.name in LIMITS for one in objective.net.activations)


def _growth(objective: Objective, evidence: Evidence) -> FloatArray:
    direction = np.zeros_like(evidence.theta)
    views = (objective.net.layers(array) for array in (evidence.theta, evidence.gradient, direction))
    for (w, b), (dw, db), (out, shift) in zip(*views, strict=True):
        pull, square = np.sum(w * dw, axis=1), np.sum(w * w, axis=1)
        if b is not None and db is not None:
            pull, square = pull + b * db, square + b * b
        rate = np.maximum(-pull, 0) / np.where(square > 0, square, 1)
        out[:] = rate[:, None] * w
        if b is not None and shift is not None:
            shift[:] = rate * b
    return direction


def _fall(objective: Objective, evidence: Evidence, unit: FloatArray) -> float | None:
    lengths = (REACH * (1 + np.linalg.norm(evidence.theta))).astype(objective.dtype)
    values, gradients = objective.value_and_gradient(evidence.theta + lengths[:, None] * unit)
    rises = np.diff(np.concatenate([[evidence.value], values])) > evidence.value_rounding
    climbs = gradients @ unit > evidence.grad_rounding
    return None if rises.any() or climbs.any() or not np.isfinite(values).all() else float(values[-1])
