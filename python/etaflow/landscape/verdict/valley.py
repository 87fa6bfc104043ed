"""Where a flat valley leads: null directions of the Hessian along which f falls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.verdict.balls import Ball
from etaflow.landscape.verdict.derivatives import Pass, enclosable

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.landscape.verdict.evidence import Evidence
    from etaflow.landscape.verdict.null_space import NullSpace
    from etaflow.problem.objective import Objective

PROBES = 64
"""So many null directions of the basis, and so many random ones, are followed."""

PROBED = np.geomspace(1e-4, 1.0, 33)
"""So far, in units of 1 + ‖θ‖."""

KINKED = ("relu", "leaky_relu")


@dataclass(frozen=True, eq=False)
class Fall:
    """A null direction along which f falls.

    Attributes
    ----------
    direction : ndarray, shape (d,)
        The unit vector.
    distance, amount : float
        Where a change of f is first seen, and how far f has fallen there.
    beyond_kink : bool
        Whether a ReLU has switched on the way: then f may be constant up to there, and θ a minimum all the same. If
        not, θ is a saddle of higher order.
    """

    direction: FloatArray
    distance: float
    amount: float
    beyond_kink: bool


def falling_null_direction(objective: Objective, evidence: Evidence, null_space: NullSpace) -> Fall | None:
    """Look for a null direction along which f falls: the second order does not see it, a higher one does.

    Up to 64 vectors of the basis, and 64 random directions of the null space, are followed both ways from 10⁻⁴ to 1, in
    units of 1 + ‖θ‖. The first change of f beyond rounding, and beyond what the rest of the gradient does, must be a
    fall: further off another basin could begin.

    Parameters
    ----------
    objective : Objective
        The objective.
    evidence : Evidence
        The numbers at the point.
    null_space : NullSpace
        Its null space.

    Returns
    -------
    Fall or None
        Best one before any kink; None if f falls along none of them.
    """
    if null_space.dimension == 0:
        return None
    mixed = null_space.basis @ np.random.default_rng(0).standard_normal((null_space.dimension, PROBES))
    mixed /= np.linalg.norm(mixed, axis=0)
    tried = np.hstack([null_space.basis[:, :PROBES], mixed]).T.astype(objective.dtype)
    lengths = (PROBED * (1 + np.linalg.norm(evidence.theta))).astype(objective.dtype)
    behind: Fall | None = None
    for unit in np.concatenate([tried, -tried]):
        changes = objective.value(evidence.theta + lengths[:, None] * unit) - evidence.value
        seen = np.flatnonzero(np.abs(changes) > evidence.value_rounding + 2 * evidence.grad_norm * lengths)
        if not seen.size or changes[seen[0]] > 0:
            continue
        place = evidence.theta + lengths[seen[0]] * unit
        crossed = _signs(objective, place) != _signs(objective, evidence.theta)
        fall = Fall(unit, float(lengths[seen[0]]), float(-changes[seen[0]]), crossed)
        if not crossed:
            return fall
        behind = behind or fall
    return behind


def _signs(objective: Objective, theta: FloatArray) -> bytes:
    if not enclosable(objective):
        return b""
    inputs = Pass.run(objective, Ball.exact(theta), slice(0, objective.n)).inputs
    pairs = zip(inputs, objective.net.activations, strict=True)
    return b"".join(np.packbits(z.mid > 0).tobytes() for z, activation in pairs if activation.name in KINKED)
