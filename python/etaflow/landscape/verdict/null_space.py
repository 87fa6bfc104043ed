"""Why a Hessian is singular: the directions along which the network computes the same, and how many are left unexplained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.verdict.invariances import invariant_directions

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.landscape.verdict.evidence import Evidence
    from etaflow.problem.objective import Objective

INSIDE = 1e-6
"""A direction counts as a null vector if the Hessian multiplies it by less than this share of its largest eigenvalue."""


OTHERS = "all the directions that change no prediction to first order"


@dataclass(frozen=True, eq=False)
class NullSpace:
    """The null space of ∇²f at a point, against the directions that are known to change nothing.

    Attributes
    ----------
    dimension : int
        How many eigenvalues count as zero.
    causes : dict of str to int
        For every cause the dimension of the null vectors that were found for it. They can overlap.
    explained : int
        The dimension of what they span together.
    unexplained : int
        What is left: 0 if the null space is understood.
    basis : ndarray, shape (d, dimension)
        An orthonormal basis of the null space.
    """

    dimension: int
    causes: dict[str, int]
    explained: int
    basis: FloatArray

    @property
    def unexplained(self) -> int:
        """The dimension of the null space beyond the explained one."""
        return self.dimension - self.explained

    def __str__(self) -> str:
        """Return the dimension and its causes in words.

        Returns
        -------
        str
            One line.
        """
        parts = [f"{count} by {cause}" for cause, count in self.causes.items()]
        rest = f"{self.unexplained} of them unexplained" if self.unexplained else "all explained"
        return f"{self.dimension} null direction{'s' * (self.dimension != 1)}, {rest}" + (
            f": {', '.join(parts)}" if parts else ""
        )


def explain(objective: Objective, evidence: Evidence, bound: float, *, fitted: bool = False) -> NullSpace:
    """Count the null vectors of the Hessian that symmetries and deficient ranks explain.

    Parameters
    ----------
    objective : Objective
        The objective.
    evidence : Evidence
        The numbers at a stationary point, with the whole spectrum.
    bound : float
        Up to here an eigenvalue counts as zero.
    fitted : bool, default False
        Whether f is as low as any predictions could make it, so that ∇²f is the Gauss–Newton matrix.

    Returns
    -------
    NullSpace
        The dimension of the null space and of the found directions in it.

    Notes
    -----
    The directions and their causes: a factor for each ReLU or leaky ReLU unit; GL(d_ℓ) and shifts for linear layers,
    and for units that are linear on the data; layers whose inputs, or hidden features, are linearly dependent on the
    data, together with the constant 1: deficient inputs, units that are dead, constant, copies of each other or
    otherwise dependent; units without leaving weights, or without a slope on the data (dead or saturated), whose
    entering weights do nothing; the common shift of all outputs of a softmax; and a Jacobian ∂h/∂θ of deficient rank at
    a perfect fit, where the Hessian is the Gauss–Newton matrix. A direction counts only if the Hessian annihilates it.
    Where these do not span the null space, its vectors that the Gauss–Newton matrix annihilates too, and so change no
    prediction to first order, are added.
    """
    small = np.abs(evidence.eigenvalues) <= bound
    basis = evidence.vectors[:, small]
    causes: dict[str, list[FloatArray]] = {}
    for cause, direction in invariant_directions(objective, evidence, bound, fitted=fitted):
        length = float(np.linalg.norm(direction))
        if length == 0:
            continue
        unit = direction / length
        if np.linalg.norm(unit - basis @ (basis.T @ unit)) <= INSIDE or _annihilated(objective, evidence, unit, bound):
            causes.setdefault(cause, []).append(unit)
    known = [one for found in causes.values() for one in found]
    if _rank(basis, known) < basis.shape[1]:
        causes[OTHERS] = list(_unfelt(objective, evidence, basis, bound).T)
    counted = {cause: _rank(basis, found) for cause, found in causes.items()}
    together = _rank(basis, [one for found in causes.values() for one in found])
    return NullSpace(int(small.sum()), {cause: count for cause, count in counted.items() if count}, together, basis)


def _annihilated(objective: Objective, evidence: Evidence, unit: FloatArray, bound: float) -> bool:
    product = objective.hessian_vector(evidence.theta, np.ascontiguousarray(unit, objective.dtype))
    return bool(np.linalg.norm(product) <= 16 * bound)


def _unfelt(objective: Objective, evidence: Evidence, basis: FloatArray, bound: float) -> FloatArray:
    # The null vectors that the Gauss–Newton matrix annihilates too.
    product = objective.gauss_newton_operator(evidence.theta) @ np.ascontiguousarray(basis)
    eigenvalues, vectors = np.linalg.eigh(basis.T @ product)
    found: FloatArray = basis @ vectors[:, np.abs(eigenvalues) <= bound]
    return found


def _rank(basis: FloatArray, found: list[FloatArray]) -> int:
    if not found or basis.shape[1] == 0:
        return 0
    sizes = np.linalg.svd(basis.T @ np.stack(found, axis=1), compute_uv=False)
    return int((sizes > INSIDE).sum())
