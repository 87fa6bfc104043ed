"""What a point is: a minimum, a strict saddle, a degenerate point, or not stationary at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_ndim, check_positive_number
from etaflow.landscape.polish import DENSE
from etaflow.landscape.verdict.evidence import gather, walk

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.landscape.verdict.evidence import Evidence
    from etaflow.problem.objective import Objective

MINIMUM = "minimum"
DEGENERATE = "degenerate minimum candidate"
SADDLE = "strict saddle"
NOT_STATIONARY = "not stationary"


@dataclass(frozen=True, eq=False, repr=False)
class PointTest:
    """The verdict of `point_test` and its evidence.

    Attributes
    ----------
    verdict : str
        ``minimum``: stationary, and every eigenvalue of ∇²f positive beyond rounding. ``degenerate minimum candidate``:
        stationary, no eigenvalue negative beyond rounding, but some zero within it; the second order cannot tell.
        ``strict saddle``: stationary with a direction of negative curvature along which f was seen to fall. ``not
        stationary``: no zero of ∇f near.
    reason : str
        The same in words, with the numbers.
    value, grad_norm : float
        f and ‖∇f‖.
    grad_rounding : float
        The part of ‖∇f‖ that rounding explains: 16·ε·(mean or sum of ‖∇L_i‖ + 2·l2·‖θ‖ + max|λ|·‖θ‖), with ε the
        rounding unit of the objective's dtype.
    eigenvalue_min, eigenvalue_max : float
        The ends of the spectrum of ∇²f.
    eigenvalue_rounding : float
        d·ε·max|λ|: what rounding does to an eigenvalue.
    newton_step : float
        The length of the least-norm Newton step, after rounding is taken off each component of ∇f: the distance to the
        nearest stationary point, as far as the second order sees. Infinite if ∇f has a part beyond rounding where
        the curvature is zero within rounding.
    predicted_decrease : float
        Σ g_j²/(2|λ_j|), what that step would change f by.
    escape_direction : ndarray, shape (d,), or None
        At a strict saddle the unit eigenvector of the smallest eigenvalue, with the sign with which f falls.
    """

    verdict: str
    reason: str
    value: float
    grad_norm: float
    grad_rounding: float
    eigenvalue_min: float
    eigenvalue_max: float
    eigenvalue_rounding: float
    newton_step: float
    predicted_decrease: float
    escape_direction: FloatArray | None

    @property
    def is_minimum(self) -> bool:
        """Whether the verdict is ``minimum``."""
        return self.verdict == MINIMUM

    @property
    def is_stationary(self) -> bool:
        """Whether the verdict is any but ``not stationary``."""
        return self.verdict != NOT_STATIONARY

    def __repr__(self) -> str:
        """Return verdict and reason.

        Returns
        -------
        str
            One line.
        """
        return f"PointTest({self.verdict}: {self.reason})"


def point_test(objective: Objective, theta: npt.ArrayLike, *, tolerance: float | None = None) -> PointTest:
    r"""Decide by gradient and Hessian what kind of point `theta` is.

    A small gradient alone says little: on a saturated plateau it is small far from any stationary point. So the point
    counts as stationary if a zero of ∇f is *near*: if Newton's step is at most tolerance·(1 + ‖θ‖) long, or would
    change f by no more than f is rounded. Components of ∇f within rounding count as zero. Polish the point first if
    training stopped early.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    theta : array_like, shape (d,)
        The point.
    tolerance : float, optional
        How near, relative to 1 + ‖θ‖; by default 64·√ε: 1e-6 in float64, 0.02 in float32.

    Returns
    -------
    PointTest
        The verdict, with the numbers it rests on.

    Raises
    ------
    TypeError
        If `theta` is of another dtype than the objective.
    ValueError
        If `theta` is not one point with finite entries, or the tolerance is not positive.

    See Also
    --------
    etaflow.classify : the full verdict, with proofs, kinks, rays to infinity and the null space explained.
    etaflow.polish : goes to the stationary point beside.

    Notes
    -----
    Up to 2500 parameters the whole spectrum is computed; beyond, Lanczos finds its ends and MINRES the Newton step, to
    which rounding is not applied component by component.

    Examples
    --------
    The plateau of a saturated unit, and the minimum:

    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1], output="tanh", bias=False), [[1.0], [1.0]], [0.8, 0.9])
    >>> ef.point_test(f, [-9.0]).verdict
    'not stationary'
    >>> ef.point_test(f, ef.polish(f, [1.0]).theta).verdict
    'minimum'
    """
    parameters = objective.check_theta(theta)
    check_ndim("theta", parameters, 1)
    near = nearness(objective, tolerance)
    return judge(objective, gather(objective, parameters, dense=DENSE), near)


def nearness(objective: Objective, tolerance: float | None) -> float:
    """Return the checked tolerance of `point_test`, or its default.

    Returns
    -------
    float
        64·√ε by default.
    """
    eps = float(np.finfo(objective.dtype).eps)
    return 64 * eps**0.5 if tolerance is None else check_positive_number("tolerance", tolerance)


def judge(objective: Objective, evidence: Evidence, near: float) -> PointTest:
    """Decide by the evidence: see `point_test`.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    evidence : Evidence
        The numbers at the point.
    near : float
        How near a stationary point must be, relative to 1 + ‖θ‖.

    Returns
    -------
    PointTest
        The verdict.
    """
    radius = near * (1 + float(np.linalg.norm(evidence.theta)))
    if evidence.newton_step > radius and not evidence.predicted_decrease <= evidence.value_rounding:
        return _verdict(evidence, NOT_STATIONARY, _why_not_stationary(evidence, radius))
    if evidence.lowest < -evidence.eigenvalue_rounding:
        fall, direction = walk(objective, evidence.theta, evidence.vectors[:, 0])
        if fall > evidence.value_rounding:
            return _verdict(evidence, SADDLE, _why_saddle(evidence, fall), direction)
        return _verdict(evidence, DEGENERATE, _why_degenerate(evidence))
    if evidence.lowest > evidence.eigenvalue_rounding:
        return _verdict(evidence, MINIMUM, _why_minimum(evidence))
    return _verdict(evidence, DEGENERATE, _why_degenerate(evidence))


def _verdict(evidence: Evidence, verdict: str, reason: str, direction: FloatArray | None = None) -> PointTest:
    gradient = evidence.value, evidence.grad_norm, evidence.grad_rounding
    curvature = evidence.lowest, evidence.highest, evidence.eigenvalue_rounding
    return PointTest(
        verdict, reason, *gradient, *curvature, evidence.newton_step, evidence.predicted_decrease, direction
    )


def _why_not_stationary(evidence: Evidence, radius: float) -> str:
    flat = f"the gradient norm {evidence.grad_norm:.2g} is beyond rounding ({evidence.grad_rounding:.1g}), "
    if not np.isfinite(evidence.newton_step):
        return flat + "and part of it lies where the curvature is zero within rounding: no stationary point is in sight"
    return flat + (
        f"and Newton's step to the nearest stationary point is {evidence.newton_step:.2g} long (near would be {radius:.1g}) "
        f"and would change f by {evidence.predicted_decrease:.2g} of {evidence.value:.3g}"
    )


def _why_saddle(evidence: Evidence, fall: float) -> str:
    return (
        f"the smallest Hessian eigenvalue {evidence.lowest:.2g} is negative beyond rounding "
        f"({evidence.eigenvalue_rounding:.1g}), and f falls by {fall:.2g} along its eigenvector"
    )


def _why_minimum(evidence: Evidence) -> str:
    return (
        f"a zero of the gradient is {evidence.newton_step:.1g} away, and the Hessian's eigenvalues, {evidence.lowest:.2g} to "
        f"{evidence.highest:.2g}, are positive beyond rounding ({evidence.eigenvalue_rounding:.1g})"
    )


def _why_degenerate(evidence: Evidence) -> str:
    return (
        f"stationary, but the smallest Hessian eigenvalue {evidence.lowest:.2g} is zero within rounding "
        f"({evidence.eigenvalue_rounding:.1g}), or f does not fall along its eigenvector: the second order does not decide"
    )
