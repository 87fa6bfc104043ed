"""Points on a kink of ReLU or leaky ReLU, where the gradient jumps and need not vanish at a minimum."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.landscape.minima.piecewise import Piecewise, is_piecewise
from etaflow.landscape.verdict.balls import Ball
from etaflow.landscape.verdict.derivatives import Pass, enclosable

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.landscape.verdict.evidence import Evidence
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[Any]

KINKED = ("relu", "leaky_relu")
PATTERNS = 4096
"""No more combinations of slopes are tried."""


@dataclass(frozen=True, eq=False)
class Kinks:
    """The pre-activations that are 0 within rounding.

    Attributes
    ----------
    places : ndarray of int, shape (k, 3)
        Layer (1, …, L), unit and observation of each.
    jumps : int
        At how many of them ∂L_i/∂a ≠ 0, so that ∇f jumps.
    slope : float
        The norm of the shortest generalised gradient (Clarke 1983): of the convex hull of the gradients' limits, for
        all slopes that the kinks allow. NaN if it was not sought: other networks than ReLU, leaky ReLU and linear ones,
        or too many kinks.
    descent : ndarray, shape (d,), or None
        The unit vector opposite to it. f falls along it at least at this rate if the slope is beyond rounding.
    """

    places: npt.NDArray[np.int64]
    jumps: int
    slope: float
    descent: FloatArray | None

    def __str__(self) -> str:
        """Return where they are in words.

        Returns
        -------
        str
            The first three by name.
        """
        named = [f"unit {unit} of layer {layer} for observation {i}" for layer, unit, i in self.places[:3]]
        more = len(self.places) - len(named)
        return ", ".join(named) + (f" and {more} more" if more else "")


def find_kinks(objective: Objective, evidence: Evidence) -> Kinks | None:
    """Return the kinks at a point.

    Parameters
    ----------
    objective : Objective
        The objective.
    evidence : Evidence
        The numbers at the point.

    Returns
    -------
    Kinks or None
        None if every ReLU's pre-activation has a sure sign, or there are no ReLUs; pre-activations that are 0 for every
        θ near, as those of an input 0 without bias, do not count. A network that has gelu units too is not looked at.
    """
    kinked = [activation.name in KINKED for activation in objective.net.activations]
    if not any(kinked) or not enclosable(objective):
        return None
    forward = Pass.run(objective, Ball.exact(evidence.theta), slice(0, objective.n))
    grain = float(np.finfo(objective.dtype).eps) / float(np.finfo(np.float64).eps)
    unsure = [
        (np.abs(z.mid) <= grain * z.rad) & ~still & bends
        for z, still, bends in zip(forward.inputs, forward.still, kinked, strict=True)
    ]
    places = [(layer + 1, unit, i) for layer, mask in enumerate(unsure) for i, unit in np.argwhere(mask)]
    if not places:
        return None
    pulls = [*forward.pulls, Ball.exact(objective.y)]  # an output at its kink is 0, and differs from its target by that
    jumps = sum(int((mask & (pull.smallest > 0)).sum()) for mask, pull in zip(unsure, pulls, strict=True))
    shortest = _shortest(objective, evidence.theta, unsure)
    slope = float("nan") if shortest is None else float(np.linalg.norm(shortest))
    descent = None if shortest is None or slope == 0 else (-shortest / slope).astype(objective.dtype)
    return Kinks(np.array(places, np.int64), jumps, slope, descent)


def near_a_kink(objective: Objective, theta: FloatArray, near: float) -> bool:
    """Return whether some pre-activation of a network of linear pieces is 0 for a θ near.

    Parameters
    ----------
    objective : Objective
        The objective.
    theta : ndarray, shape (d,)
        The point.
    near : float
        How near, relative to the weights; 100 times as much is allowed for what the layers below do.

    Returns
    -------
    bool
        False for other networks.
    """
    if not is_piecewise(objective):
        return False
    pieces, point = Piecewise(objective), np.asarray(theta, np.float64)
    pairs = zip(pieces.inputs(point), pieces.sizes(point), strict=True)
    return any(bool((np.abs(z) <= 100 * near * size).any()) for z, size in pairs)


def _shortest(objective: Objective, theta: FloatArray, unsure: list[Array]) -> Array | None:
    # The generalised gradients are a sum over observations of the convex hulls over their kinks' slopes.
    if not is_piecewise(objective):
        return None
    pieces, point = Piecewise(objective), np.asarray(theta, np.float64)
    slopes = pieces.slopes(pieces.inputs(point))
    choices = [(i, pattern) for i in range(objective.n) for pattern in _patterns(pieces, unsure, i)]
    if not 0 < len(choices) <= PATTERNS:
        return None
    base = pieces.gradient(point[None], slopes)[0][0]
    differences = np.empty((len(choices), len(point)))
    for row, (i, pattern) in enumerate(choices):
        bent = [one.copy() for one in slopes]
        for layer, unit, slope in pattern:
            bent[layer][i, unit] = slope
        differences[row] = pieces.gradient(point[None], bent)[0][0] - base
    return _nearest_to_zero(base, differences, np.array([i for i, _ in choices]))


def _patterns(pieces: Piecewise, unsure: list[Array], i: int) -> list[list[tuple[int, int, float]]]:
    places = [(layer, int(unit)) for layer, mask in enumerate(unsure[:-1]) for unit in np.flatnonzero(mask[i])]
    if not places or 2 ** len(places) > PATTERNS:
        return [[]] * (PATTERNS + 1 if places else 0)
    sides = [(pieces.low[layer], 1.0) for layer, _ in places]
    return [[(*place, slope) for place, slope in zip(places, one, strict=True)] for one in product(*sides)]


def _nearest_to_zero(base: Array, differences: Array, group: Array) -> Array:
    # min ‖base + Σ λ·difference‖ with λ ≥ 0 that sum to 1 in every group: non-negative least squares with a weight tell
    # which λ are positive, and least squares among those whose sums stay as they are make up for the weight's rounding.
    from scipy.linalg import lstsq, null_space  # noqa: PLC0415 - slow to import
    from scipy.optimize import nnls  # noqa: PLC0415 - slow to import

    members = (np.unique(group)[:, None] == group).astype(np.float64)
    scale = max(float(np.abs(differences).max()), float(np.abs(base).max()), 1e-300)
    weight = 1e6
    system = np.vstack([differences.T / scale, weight * members])
    target = np.concatenate([-base / scale, np.full(len(members), weight)])
    shares, _ = nnls(system, target, maxiter=100 * system.shape[1])
    shares /= (members.T * (members @ shares)).sum(axis=1)
    free = np.flatnonzero(shares > 0)
    moves = null_space(members[:, free])
    if moves.shape[1] > 0:
        step, *_ = lstsq((moves.T @ differences[free]).T / scale, -(base + shares @ differences) / scale)
        exact = shares[free] + moves @ step
        if exact.min() >= 0:
            shares[free] = exact
    return np.asarray(base + shares @ differences)
