"""What the end of a run is, after polishing: a minimum, a saddle, or a point on the way to infinity."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.landscape.classify import classify
from etaflow.landscape.minima.glide import glide
from etaflow.landscape.minima.kinks import settle
from etaflow.landscape.minima.orbits import across
from etaflow.landscape.minima.piecewise import is_piecewise
from etaflow.landscape.minima.recession import recession
from etaflow.landscape.polish import DENSE, polish
from etaflow.landscape.polish import INTERRUPTED as STOPPED
from etaflow.landscape.symmetry import canonical
from etaflow.landscape.verdict import result as verdicts
from etaflow.landscape.verdict.result import DEGENERATE, MINIMUM, SADDLE

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.landscape.minima.kinks import Settled
    from etaflow.landscape.verdict.result import Verdict
    from etaflow.problem.objective import Objective

KINK = "minimum at a kink"
INFINITY = "on its way to infinity"
UNFINISHED = "not settled"
DIVERGED = "diverged"
INTERRUPTED = "interrupted"

MINIMA = (MINIMUM, KINK)
KINDS = (MINIMUM, KINK, DEGENERATE, SADDLE, INFINITY, UNFINISHED, DIVERGED, INTERRUPTED)
"""What a run can end as, from the best to the worst known."""

GROWTH = 4.0
"""A point that is not stationary, and whose weights polishing has multiplied by more than this, is on its way to infinity."""

FITTED = 1e-10
"""Residuals below this share of the predictions are what polishing leaves of an exact fit."""


@dataclass(frozen=True, eq=False)
class End:
    """The end of one run.

    Attributes
    ----------
    theta : ndarray, shape (d,)
        The polished point.
    kind : str
        One of `KINDS`.
    reason : str
        Why, in words.
    value, grad_norm : float
        f and ‖∇f‖ there; at a kink the norm of the smallest generalised gradient.
    eigenvalue_min : float
        The smallest eigenvalue of the Hessian across the continuum of points that compute the same; NaN if unknown.
    kinks : int
        Pairs (unit, observation) at a kink.
    isolated : bool
        Whether no other point near computes the same but by rescaling ReLU units.
    """

    theta: FloatArray
    kind: str
    reason: str
    value: float
    grad_norm: float
    eigenvalue_min: float = np.nan
    kinks: int = 0
    isolated: bool = False


def unjudged(objective: Objective, theta: FloatArray, kind: str, reason: str) -> End:
    """Return the end of a run that is not looked at any further.

    Returns
    -------
    End
        With f and ‖∇f‖ as they are.
    """
    with np.errstate(over="ignore"):  # of a run that diverged
        value, gradient = objective.value_and_gradient(theta)
        return End(theta, kind, reason, float(value), float(np.linalg.norm(gradient)))


def judge(objective: Objective, theta: FloatArray, *, tolerance: float, max_iterations: int) -> End:
    """Polish the end of a run and say what it is.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    theta : ndarray, shape (d,)
        Where the run ended.
    tolerance : float
        The gradient norm to reach.
    max_iterations : int
        Of `polish`.

    Returns
    -------
    End
        The polished point and its verdict.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C.
    """
    if is_piecewise(objective):
        found = _of_pieces(objective, theta, tolerance)
        if found is None:
            there = glide(objective, _polished(objective, theta, tolerance, max_iterations))
            found = _of_pieces(objective, there, tolerance) or _smooth(objective, theta, there)
        return found
    return _to_infinity(objective, theta) or _after_polishing(objective, theta, tolerance, max_iterations)


def _of_pieces(objective: Objective, theta: FloatArray, tolerance: float) -> End | None:
    end = _to_infinity(objective, theta)
    if end is not None:
        return end
    settled = settle(objective, theta, tolerance=tolerance)
    if settled is not None and settled.minimum:
        return _at_kinks(settled)
    if recession(objective, theta) is None:
        return None
    words = "some observations can be fitted ever better and none worse, as weights grow: there is no minimum on this side of the kinks"
    return unjudged(objective, theta, INFINITY, words)


def _to_infinity(objective: Objective, theta: FloatArray) -> End | None:
    if not is_separated(objective, theta):
        return None
    words = "every observation is on its right side: f falls to its infimum as the output layer is scaled up"
    return unjudged(objective, theta, INFINITY, words)


def _after_polishing(objective: Objective, theta: FloatArray, tolerance: float, max_iterations: int) -> End:
    there = _polished(objective, theta, tolerance, max_iterations)
    return _to_infinity(objective, there) or _smooth(objective, theta, there)


def is_separated(objective: Objective, theta: FloatArray) -> bool:
    """Return whether the network puts every observation on its right side, so that no finite minimum is near.

    With log or softmax loss and no penalty, f falls along the ray on which the last layer is scaled up, to its infimum 0: the
    derivative along it is negative, and so the point is neither stationary nor a minimum (Sontag and Sussmann 1988, section 3).

    Parameters
    ----------
    objective : Objective
        The objective.
    theta : ndarray, shape (d,)
        The point.

    Returns
    -------
    bool
        False for other losses.
    """
    if objective.l2 or objective.loss == "square":
        return False
    h, y = objective.net.predict(theta, objective.x), np.asarray(objective.y)
    if objective.loss == "softmax":
        right = np.take_along_axis(h, y.astype(int).reshape(-1, 1), axis=1)
        others = np.where(np.arange(h.shape[1]) == y.astype(int).reshape(-1, 1), -np.inf, h)
        return bool((right[:, 0] > others.max(axis=1)).all())
    targets = y.reshape(h.shape)
    return bool(((targets == 0) | (targets == 1)).all() and ((h > 0.5) == (targets == 1)).all() and (h != 0.5).all())


def _polished(objective: Objective, theta: FloatArray, tolerance: float, max_iterations: int) -> FloatArray:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="interrupted after|not converged", category=RuntimeWarning)
        found = polish(objective, theta, tolerance=tolerance, max_iterations=max_iterations)
    if found.message == STOPPED:
        raise KeyboardInterrupt
    return found.theta


def _at_kinks(settled: Settled) -> End:
    kind = KINK if settled.kinks else MINIMUM
    at = f"{settled.kinks} kinks, with" if settled.kinks else "no kink,"
    words = (
        f"{at} a generalised gradient of {settled.residual:.1g}; across the points that predict the same the smallest "
        f"eigenvalue is {settled.eigenvalue_min:.2g}"
    )
    isolated = settled.isolated
    return End(
        settled.theta, kind, words, settled.value, settled.residual, settled.eigenvalue_min, settled.kinks, isolated
    )


def _smooth(objective: Objective, start: FloatArray, theta: FloatArray) -> End:
    from scipy.sparse.linalg import ArpackNoConvergence  # noqa: PLC0415 - slow to import

    try:
        verdict = classify(objective, theta, certify=False)
    except ArpackNoConvergence:  # of a large network
        return unjudged(objective, theta, UNFINISHED, "the ends of the Hessian's spectrum could not be found")
    numbers: dict[str, Any] = {"value": verdict.value, "grad_norm": verdict.grad_norm}
    if verdict.kind in {MINIMUM, SADDLE}:
        lowest, isolated = float(verdict.eigenvalues[0]), verdict.kind == MINIMUM
        return End(theta, verdict.kind, verdict.reason, eigenvalue_min=lowest, isolated=isolated, **numbers)
    if verdict.kind == verdicts.INFINITY:
        return End(theta, INFINITY, verdict.reason, **numbers)
    before, after = (float(np.linalg.norm(canonical(objective.net, one))) for one in (start, theta))
    if after > GROWTH * (1 + before):
        words = f"‖θ‖, rescaled, grew from {before:.3g} to {after:.3g} while f fell to {verdict.value:.6g}, and no minimum came in sight"
        return End(theta, INFINITY, words, **numbers)
    if verdict.kind == DEGENERATE:
        return _degenerate(objective, theta, verdict)
    return End(theta, UNFINISHED, verdict.reason, **numbers)


def _degenerate(objective: Objective, theta: FloatArray, verdict: Verdict) -> End:
    numbers: dict[str, Any] = {"value": verdict.value, "grad_norm": verdict.grad_norm}
    if _is_fitted(objective, theta, verdict.value):
        return End(theta, MINIMUM, "every observation is fitted exactly: f is at its lower bound 0", **numbers)
    lowest = _across(objective, theta)
    if lowest > verdict.eigenvalue_zero:
        words = (
            f"f is constant along the symmetries of the network, and its Hessian across them is at least {lowest:.2g}"
        )
        return End(theta, MINIMUM, words, eigenvalue_min=lowest, isolated=not _is_linear(objective), **numbers)
    return End(theta, DEGENERATE, verdict.reason, eigenvalue_min=float(verdict.eigenvalues[0]), **numbers)


def _is_linear(objective: Objective) -> bool:
    return any(one.name == "identity" for one in objective.net.activations[:-1])


def _is_fitted(objective: Objective, theta: FloatArray, value: float) -> bool:
    # With square loss: the residuals are as small as polishing makes them.
    if objective.loss != "square" or objective.l2:
        return False
    return value <= FITTED**2 * float(np.square(objective.net.predict(theta, objective.x)).sum())


def _across(objective: Objective, theta: FloatArray) -> float:
    if len(theta) > DENSE:
        return -np.inf
    basis = across(objective, theta)
    if basis.shape[1] == len(theta):
        return -np.inf
    return float(np.linalg.eigvalsh(basis.T @ objective.hessian(theta) @ basis)[0]) if basis.shape[1] else np.inf
