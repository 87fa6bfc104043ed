"""A proof, rounding included, that a stationary point is near, and how the Hessian is curved there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.verdict.balls import GROW, Ball, joined
from etaflow.landscape.verdict.derivatives import enclosable, enclose_gradient, enclose_hessian

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.landscape.verdict.balls import Array
    from etaflow.problem.objective import Objective

WORK = 4e10
"""No certificate is tried beyond so many multiplications for one Hessian."""

LADDER = (2.0, 4.0, 16.0, 64.0)
"""The boxes that are tried, in units of Newton's step along each eigenvector."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """A theorem on one point, proved by Krawczyk's test in ball arithmetic.

    There is exactly one point θ* with ∇f(θ*) = 0 in a box around θ; its distance is at most `radius`; ∇²f(θ*) has
    `index` negative eigenvalues, and no eigenvalue nearer to 0 than `curvature`. f is meant with the data as its dtype
    holds it.

    Attributes
    ----------
    radius : float
        An upper bound of ‖θ* − θ‖.
    curvature : float
        A lower bound of |λ| for every eigenvalue λ of ∇²f(θ*), and of the Hessian everywhere in the box.
    index : int
        The number of negative eigenvalues: 0 at a minimum.
    box : ndarray, shape (d,)
        The half-widths of the box, in the coordinates of the Hessian's approximate eigenvectors.
    symmetries : int, default 0
        The dimension of the continuous symmetries that were divided out. If it is not 0, the theorem is about f on the
        affine subspace through θ that crosses the orbits, spanned by the eigenvectors of the other eigenvalues:
        "exactly one" and "no eigenvalue nearer to 0" hold there, and θ* is a stationary point of f itself, a local
        minimum if the index is 0.
    """

    radius: float
    curvature: float
    index: int
    box: Array
    symmetries: int = 0


def certify(
    objective: Objective, theta: FloatArray, eigenvalues: FloatArray, vectors: FloatArray
) -> Certificate | None:
    r"""Try to prove that a non-degenerate stationary point is near θ.

    In the coordinates s of the approximate eigenvectors, θ + Vs, the zeros of G(s) = Vᵀ∇f(θ + Vs) are sought in a box S
    around 0. With D the approximate eigenvalues and M an enclosure of Vᵀ∇²f V over S, Krawczyk's operator K = −D⁻¹G(0)
    + (I − D⁻¹M)S lies inside S only if G has exactly one zero there, and it is in K (Krawczyk 1969; Moore 1977). Then
    also ‖I − D⁻¹M‖ < 1 in the maximum norm weighted by the box, so that M is regular along the way from D: by
    Sylvester's law its inertia, and so the Hessian's, is that of D.

    Parameters
    ----------
    objective : Objective
        The objective.
    theta : ndarray, shape (d,)
        The point.
    eigenvalues : ndarray, shape (d,)
        Of ∇²f(θ), approximately.
    vectors : ndarray, shape (d, d)
        Its eigenvectors in columns, approximately.

    Returns
    -------
    Certificate or None
        None if nothing could be proved: the Hessian is singular or nearly so, a kink is near, the network is too large
        or has gelu units.
    """
    work = float(objective.n) * sum(objective.net.widths[1:]) * objective.num_params**2
    if not enclosable(objective) or work > WORK or not np.abs(eigenvalues).min() > 0:
        return None
    frame = Ball.exact(vectors)
    scale = np.asarray(eigenvalues, np.float64)
    place = np.asarray(theta, np.float64)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        gradient = frame.T @ enclose_gradient(objective, Ball.exact(place)).reshape(-1, 1)
        step = (gradient / scale[:, None]).largest[:, 0]
        for factor in LADDER:
            box = factor * step + 1e-300
            hessian = enclose_hessian(objective, Ball(place, np.abs(frame.mid) @ box * GROW))
            turned = frame.T @ (hessian @ frame)
            shrunk = (np.eye(len(scale)) - turned / scale[:, None]).largest @ box * GROW
            if not (shrunk < box).all():
                return None  # in a larger box the Hessian is known even less
            if ((step + shrunk) * GROW < box).all():
                return _theorem(frame, turned, scale, (step + shrunk) * GROW, box)
    return None


def certify_modulo(
    objective: Objective,
    theta: FloatArray,
    eigenvalues: FloatArray,
    vectors: FloatArray,
    tangents: Array,
    factor: float = 1.0,
) -> Certificate | None:
    r"""Try to prove that a stationary point is near θ that is degenerate by symmetries only.

    Let S be the affine subspace θ + span V of the k eigenvectors whose eigenvalues are not 0, and T(θ) vector fields
    along which f is constant, linear in θ. `certify` proves a zero θ* of Vᵀ∇f in S. If (V, T(θ*)) is regular, the flows
    of these fields through S near θ* fill a neighbourhood, so that f there is what it is on S; and as T(θ*)ᵀ∇f(θ*) = 0,
    also ∇f(θ*) = 0.

    Parameters
    ----------
    objective : Objective
        The objective.
    theta : ndarray, shape (d,)
        The point.
    eigenvalues : ndarray, shape (k,)
        Those of ∇²f(θ) that are not 0, approximately.
    vectors : ndarray, shape (d, k)
        Their eigenvectors in columns, approximately.
    tangents : ndarray, shape (d, d − k)
        T(θ): their entries are constants, or entries of θ times a factor.
    factor : float, default 1
        A bound of these factors.

    Returns
    -------
    Certificate or None
        None if nothing could be proved.
    """
    found = certify(objective, theta, eigenvalues, vectors) if eigenvalues.size else None
    if found is None:
        return None
    square = joined([Ball.exact(vectors), Ball(tangents, np.full_like(tangents, found.radius * factor * GROW))], axis=1)
    try:
        inverse = np.linalg.inv(square.mid)
    except np.linalg.LinAlgError:
        return None
    rest = (np.eye(len(theta)) - Ball.exact(inverse) @ square).largest
    if not (rest.sum(axis=1) * GROW < 1).all():
        return None
    return replace(found, symmetries=tangents.shape[1])


def _theorem(frame: Ball, turned: Ball, scale: Array, image: Array, box: Array) -> Certificate | None:
    places = np.arange(len(scale))
    curvature = float((turned.smallest[places, places] - _off_diagonal(turned.largest)).min())
    if not curvature > 0:
        return None
    stretch = float((frame.T @ frame).largest.sum(axis=1).max()) * GROW  # ‖V‖₂²
    radius = np.sqrt(stretch) * np.linalg.norm(image) * GROW
    return Certificate(float(radius), curvature / stretch / GROW, int((scale < 0).sum()), box)


def _off_diagonal(sizes: Array) -> Array:
    rest = sizes.copy()
    np.fill_diagonal(rest, 0)
    return np.asarray(rest.sum(axis=1) * GROW)
