"""What a point is: a minimum, a strict saddle, a degenerate point, or not stationary at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_ndim, check_positive_number
from etaflow.landscape.polish import DENSE

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

    Float64Array = npt.NDArray[np.float64]

MINIMUM = "minimum"
DEGENERATE = "degenerate minimum candidate"
SADDLE = "strict saddle"
NOT_STATIONARY = "not stationary"

MARGIN = 16
"""What is computed is trusted beyond so many units of its rounding."""

WALK = np.geomspace(1e-6, 1.0, 25)
"""So far, in units of 1 + ‖θ‖, f is followed along the direction of most negative curvature."""


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
        The part of ‖∇f‖ that rounding explains: 16·ε·(mean or sum of ‖∇L_i‖ + 2·l2·‖θ‖ + max|λ|·‖θ‖), with ε the rounding
        unit of the objective's dtype.
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

    A small gradient alone says little: on a saturated plateau it is small far from any stationary point. So the point counts
    as stationary if a zero of ∇f is *near*: if Newton's step is at most tolerance·(1 + ‖θ‖) long, or would change f by no more
    than f is rounded. Components of ∇f within rounding count as zero. Polish the point first if training stopped early.

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
    etaflow.polish : goes to the stationary point beside.

    Notes
    -----
    Up to 2500 parameters the whole spectrum is computed; beyond, Lanczos finds its ends and MINRES the Newton step, to which
    rounding is not applied component by component.

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
    eps = float(np.finfo(objective.dtype).eps)
    near = 64 * eps**0.5 if tolerance is None else check_positive_number("tolerance", tolerance)
    evidence = _gather(objective, parameters, eps)
    radius = near * (1 + float(np.linalg.norm(parameters)))
    invisible = MARGIN * eps * max(abs(evidence.value), float(np.abs(objective.losses(parameters)).mean()))
    if evidence.newton_step > radius and not evidence.predicted_decrease <= invisible:
        return evidence.with_verdict(NOT_STATIONARY, _why_not_stationary(evidence, radius))
    if evidence.lowest < -evidence.eigenvalue_rounding:
        fall, direction = _walk(objective, parameters, evidence.vector)
        if fall > invisible:
            return evidence.with_verdict(SADDLE, _why_saddle(evidence, fall), direction)
        return evidence.with_verdict(DEGENERATE, _why_degenerate(evidence))
    if evidence.lowest > evidence.eigenvalue_rounding:
        return evidence.with_verdict(MINIMUM, _why_minimum(evidence))
    return evidence.with_verdict(DEGENERATE, _why_degenerate(evidence))


@dataclass(frozen=True)
class _Evidence:
    value: float
    grad_norm: float
    grad_rounding: float
    lowest: float
    highest: float
    eigenvalue_rounding: float
    newton_step: float
    predicted_decrease: float
    vector: FloatArray

    def with_verdict(self, verdict: str, reason: str, direction: FloatArray | None = None) -> PointTest:
        numbers = (self.value, self.grad_norm, self.grad_rounding, self.lowest, self.highest, self.eigenvalue_rounding)
        return PointTest(verdict, reason, *numbers, self.newton_step, self.predicted_decrease, direction)


def _gather(objective: Objective, theta: FloatArray, eps: float) -> _Evidence:
    value, gradient = objective.value_and_gradient(theta)
    dense = len(theta) <= DENSE
    eigenvalues, vectors = (_spectrum if dense else _spectrum_ends)(objective, theta)
    largest = float(np.abs(eigenvalues).max())
    rounding = MARGIN * eps * (_gradient_scale(objective, theta) + largest * float(np.linalg.norm(theta)))
    blur = len(theta) * eps * largest
    if dense:
        newton_step, decrease = _newton(vectors.T @ gradient, eigenvalues, rounding, blur)
    else:
        newton_step, decrease = _newton_by_minres(objective, theta, gradient, rounding)
    norm = float(np.linalg.norm(gradient))
    ends = float(eigenvalues[0]), float(eigenvalues[-1])
    return _Evidence(float(value), norm, rounding, *ends, blur, newton_step, decrease, vectors[:, 0])


def _gradient_scale(objective: Objective, theta: FloatArray) -> float:
    rows = max(1, 2**22 // len(theta))  # the memory is bounded: n × d numbers are never held
    chunks = (objective.sample_gradients(theta, slice(i, i + rows)) for i in range(0, objective.n, rows))
    total = sum(float(np.linalg.norm(chunk, axis=1).sum()) for chunk in chunks)
    data = total / objective.n if objective.reduction == "mean" else total
    return data + 2 * objective.l2 * float(np.linalg.norm(theta))


def _spectrum(objective: Objective, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    eigenvalues, vectors = np.linalg.eigh(objective.hessian(theta))
    return eigenvalues, vectors


def _spectrum_ends(objective: Objective, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    from scipy.sparse.linalg import eigsh  # noqa: PLC0415 - slow to import

    operator = objective.hessian_operator(theta)
    start = np.random.default_rng(0).standard_normal(len(theta)).astype(objective.dtype)
    return eigsh(operator, k=2, which="BE", v0=start)  # type: ignore[no-any-return]


def _newton(components: FloatArray, eigenvalues: FloatArray, rounding: float, blur: float) -> tuple[float, float]:
    excess = np.maximum(np.abs(components) - rounding, 0)
    curved = np.abs(eigenvalues) > blur
    if (excess[~curved] > 0).any():
        return np.inf, np.inf
    step = excess[curved] / np.abs(eigenvalues[curved])
    return float(np.linalg.norm(step)), float(step @ excess[curved] / 2)


def _newton_by_minres(
    objective: Objective, theta: FloatArray, gradient: FloatArray, rounding: float
) -> tuple[float, float]:
    from scipy.sparse.linalg import minres  # noqa: PLC0415 - slow to import

    if float(np.linalg.norm(gradient)) <= rounding:
        return 0.0, 0.0
    step, _ = minres(objective.hessian_operator(theta), gradient, rtol=1e-8)
    unexplained = float(np.linalg.norm(objective.hessian_vector(theta, step) - gradient))
    if unexplained > max(rounding, 0.5 * float(np.linalg.norm(gradient))):
        return np.inf, np.inf
    return float(np.linalg.norm(step)), abs(float(step @ gradient)) / 2


def _walk(objective: Objective, theta: FloatArray, vector: FloatArray) -> tuple[float, FloatArray]:
    # How far f falls along the better of ±vector, and which it is.
    lengths = (WALK * (1 + np.linalg.norm(theta))).astype(theta.dtype)
    values = [objective.value(theta + sign * lengths[:, None] * vector) for sign in (1, -1)]
    falls = [float(objective.value(theta) - np.nanmin(one)) for one in values]
    better = int(np.argmax(falls))
    return falls[better], vector if better == 0 else -vector


def _why_not_stationary(evidence: _Evidence, radius: float) -> str:
    flat = f"the gradient norm {evidence.grad_norm:.2g} is beyond rounding ({evidence.grad_rounding:.1g}), "
    if not np.isfinite(evidence.newton_step):
        return flat + "and part of it lies where the curvature is zero within rounding: no stationary point is in sight"
    return flat + (
        f"and Newton's step to the nearest stationary point is {evidence.newton_step:.2g} long (near would be {radius:.1g}) "
        f"and would change f by {evidence.predicted_decrease:.2g} of {evidence.value:.3g}"
    )


def _why_saddle(evidence: _Evidence, fall: float) -> str:
    return (
        f"the smallest Hessian eigenvalue {evidence.lowest:.2g} is negative beyond rounding "
        f"({evidence.eigenvalue_rounding:.1g}), and f falls by {fall:.2g} along its eigenvector"
    )


def _why_minimum(evidence: _Evidence) -> str:
    return (
        f"a zero of the gradient is {evidence.newton_step:.1g} away, and the Hessian's eigenvalues, {evidence.lowest:.2g} to "
        f"{evidence.highest:.2g}, are positive beyond rounding ({evidence.eigenvalue_rounding:.1g})"
    )


def _why_degenerate(evidence: _Evidence) -> str:
    return (
        f"stationary, but the smallest Hessian eigenvalue {evidence.lowest:.2g} is zero within rounding "
        f"({evidence.eigenvalue_rounding:.1g}), or f does not fall along its eigenvector: the second order does not decide"
    )
