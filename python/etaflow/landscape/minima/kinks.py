"""Minima at kinks: where a ReLU unit's input is 0 for some observation, the gradient jumps, and a minimum need not have ∇f = 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.landscape.minima.freedom import constant_directions
from etaflow.landscape.minima.orbits import across
from etaflow.landscape.minima.piecewise import Piecewise, is_piecewise
from etaflow.landscape.minima.recession import recession

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[Any]

NEARNESS = (1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
"""Inputs below this part of their bound by Cauchy and Schwarz are taken for kinks: the first that leads to a minimum decides."""

ITERATIONS = 25
MARGIN = 1e-9
"""A slope, or a unit's sensitivity, counts as inside its bounds from here on: strict complementarity."""


@dataclass(frozen=True, eq=False)
class Settled:
    """A stationary point of a network of linear pieces, made by `settle`.

    Attributes
    ----------
    theta : ndarray, shape (d,)
        The point.
    value : float
        f there.
    residual : float
        The norm of the smallest generalised gradient: the gradient with the best slopes at the kinks.
    kinks : int
        Pairs (unit, observation) at a kink.
    eigenvalue_min : float
        The smallest eigenvalue of the Hessian along the directions that keep the kinks, across the continuum of points that
        predict the same; infinite if there is no such direction.
    eigenvalue_rounding : float
        What rounding does to it.
    isolated : bool
        Whether that continuum comes from rescaling alone.
    minimum : bool
        Whether the point is a local minimum, strict across that continuum, by the sufficient condition in `settle`.
    """

    theta: FloatArray
    value: float
    residual: float
    kinks: int
    eigenvalue_min: float
    eigenvalue_rounding: float
    isolated: bool
    minimum: bool


def settle(objective: Objective, theta: FloatArray, *, tolerance: float = 1e-12) -> Settled | None:
    r"""Find the stationary point of a network of ReLUs or leaky ReLUs beside θ, with the kinks that it lies on.

    At a kink of unit j for observation i let the slope s be free between the two sides of the activation. The point, with these
    slopes, is a zero of (∇f, z at the kinks), which Newton's method finds. It is a local minimum if each slope is strictly between
    the two sides; ∂f/∂a_ij > 0 there, so that f bends up; the other inputs kept their signs; and the Hessian is positive definite
    along the directions that keep the kinks (but for those of rescaling, and of units that are linear on the data, along which f
    is constant). For then f'(θ; v) =
    Σ (∂f/∂a_ij)(σ'(0; ż_ij) − s·ż_ij), where no summand is negative, and all vanish only along these directions.

    With one hidden layer, one output and no zero weight leaving, less is enough: the slopes between the sides or at one of them, and
    f bending up. For f is convex in the products u_j = v_j(w_j, b_j) as long as the signs of the inputs stay, and not below this convex
    function where they change at such a kink. (Where the Hessian is singular, `recession` must not see f fall for ever.)

    Parameters
    ----------
    objective : Objective
        With hidden activations ``relu``, ``leaky_relu`` or ``identity``, in float64.
    theta : ndarray, shape (d,)
        A point near, for example where gradient descent with falling steps ended.
    tolerance : float, default 1e-12
        The residual to reach.

    Returns
    -------
    Settled or None
        A minimum if one was found, else a stationary point of another kind, else None: also for other networks.

    Examples
    --------
    The leaky ReLU through (0, 0), but with the middle observation pulled down: the best kink stays at x = 0.

    >>> import etaflow as ef
    >>> net = ef.MLP([1, 1, 1], activation="leaky_relu")
    >>> f = ef.Objective(net, [[-1.0], [-0.5], [0.0], [0.5], [1.0]], [-0.1, -0.05, -0.2, 0.5, 1.0])
    >>> rule = ef.stopping.halve_on_plateau(after=1000, patience=20, cooldown=0, min_delta=0)
    >>> near = ef.descend(f, [1.0, 0.01, 1.0, 0.0], steps=5000, step_size=0.1, stop=rule).theta[0]
    >>> found = settle(f, near)
    >>> found.minimum, found.kinks, bool(abs(found.theta[1] / found.theta[0]) < 1e-12)
    (True, 1, True)
    """
    if not is_piecewise(objective) or objective.dtype != np.float64:
        return None
    pieces, other, tried = Piecewise(objective), None, set()
    for nearness in NEARNESS:
        kinks = pieces.near(theta, nearness)
        number = sum(int(one.sum()) for one in kinks)
        if number in tried or number > len(theta):
            continue
        tried.add(number)
        found = _newton(pieces, theta, kinks, tolerance)
        settled = None if found is None else _judge(pieces, *found, kinks)
        if settled is not None and settled.minimum:
            return settled
        other = other or settled
    return other


def _newton(
    pieces: Piecewise, start: FloatArray, kinks: list[Array], tolerance: float
) -> tuple[FloatArray, list[Array], Array] | None:
    theta, d = start.copy(), len(start)
    slopes = pieces.slopes(pieces.inputs(theta))
    for slope, kink, low in zip(slopes, kinks, pieces.low, strict=True):
        slope[kink] = (1 + low) / 2
    for _ in range(ITERATIONS):
        left = _left(pieces, theta, slopes, kinks)
        matrix = pieces.jacobian(theta, slopes, kinks)
        if np.linalg.norm(left[:d]) <= tolerance and np.abs(left[d:]).max(initial=0) <= tolerance:
            return theta, slopes, matrix
        step = np.linalg.lstsq(matrix, -left, rcond=1e-11)[0]
        if not np.isfinite(step).all() or np.linalg.norm(step[:d]) > 1 + np.linalg.norm(start):
            return None
        theta, moved = theta + step[:d], step[d:]
        for slope, kink in zip(slopes, kinks, strict=True):
            slope[kink] += moved[: kink.sum()]
            moved = moved[kink.sum() :]
    return None


def _left(pieces: Piecewise, theta: FloatArray, slopes: list[Array], kinks: list[Array]) -> Array:
    gradient, inputs, _ = pieces.gradient(theta[None], slopes)
    return np.concatenate([gradient[0], *(z[0, kink] for z, kink in zip(inputs, kinks, strict=True))])


def _judge(
    pieces: Piecewise, theta: FloatArray, slopes: list[Array], matrix: Array, kinks: list[Array]
) -> Settled | None:
    # None if other inputs changed their signs on the way: then the slopes are not those of the network there.
    d = len(theta)
    gradient, _, sensitivities = pieces.gradient(theta[None], slopes)
    right = pieces.slopes(pieces.inputs(theta))
    if any((slope != here)[~kink].any() for slope, here, kink in zip(slopes, right, kinks, strict=True)):
        return None
    margin = -MARGIN if _is_convex(pieces.objective, theta) else MARGIN
    inside = all(
        (slope[kink] > low + margin).all() and (slope[kink] < 1 - margin).all() and (up[0][kink] > 0).all()
        for slope, up, kink, low in zip(slopes, sensitivities, kinks, pieces.low, strict=True)
    )
    free = constant_directions(pieces, theta, slopes, kinks)
    basis, rescaled = across(pieces.objective, theta, free), d - across(pieces.objective, theta).shape[1]
    lowest, rounding = _curvature(matrix[:d, :d], matrix[d:, :d], basis)
    residual = float(np.linalg.norm(gradient[0]))
    number = sum(int(one.sum()) for one in kinks)
    value = float(pieces.objective.value(theta))
    flat_but_bounded = margin < 0 and recession(pieces.objective, theta) is None
    is_minimum = bool(inside and (lowest > rounding or flat_but_bounded))
    return Settled(theta, value, residual, number, lowest, rounding, free.shape[1] <= rescaled, is_minimum)


def _is_convex(objective: Objective, theta: FloatArray) -> bool:
    # One hidden layer, of which every unit counts: see `settle`.
    net = objective.net
    return len(net.widths) == 3 and net.widths[2] == 1 and not objective.l2 and bool(net.layers(theta)[1][0].all())


def _curvature(hessian: Array, kinked: Array, basis: Array) -> tuple[float, float]:
    # The smallest eigenvalue on the directions of the basis that do not change the inputs at the kinks.
    rounding = len(hessian) * np.finfo(np.float64).eps * float(np.abs(hessian).max()) * len(hessian) ** 0.5
    if len(kinked):
        _, sizes, vectors = np.linalg.svd(kinked @ basis)
        basis = basis @ vectors[int((sizes > 1e-10 * sizes[0]).sum()) :].T
    if basis.shape[1] == 0:
        return np.inf, rounding
    inner = basis.T @ hessian @ basis
    return float(np.linalg.eigvalsh((inner + inner.T) / 2)[0]), rounding
