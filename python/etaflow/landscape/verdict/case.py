"""One point, looked at for one kind after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.landscape.identity import symmetry_distance
from etaflow.landscape.minima.kinks import settle
from etaflow.landscape.verdict import reasons
from etaflow.landscape.verdict.certificate import certify as prove
from etaflow.landscape.verdict.certificate import certify_modulo
from etaflow.landscape.verdict.evidence import walk
from etaflow.landscape.verdict.infinity import followed_ray, separable_ray
from etaflow.landscape.verdict.invariances import symmetry_tangents
from etaflow.landscape.verdict.kinks import find_kinks, near_a_kink
from etaflow.landscape.verdict.lower_bound import loss_lower_bound
from etaflow.landscape.verdict.null_space import explain
from etaflow.landscape.verdict.result import (
    DEGENERATE,
    FLAT,
    INFINITY,
    KINK,
    MINIMUM,
    NOT_STATIONARY,
    SADDLE,
    Verdict,
)
from etaflow.landscape.verdict.saturation import saturating_ray
from etaflow.landscape.verdict.valley import falling_null_direction

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.landscape.minima.kinks import Settled
    from etaflow.landscape.verdict.balls import Array
    from etaflow.landscape.verdict.certificate import Certificate
    from etaflow.landscape.verdict.evidence import Evidence
    from etaflow.landscape.verdict.infinity import Ray
    from etaflow.landscape.verdict.kinks import Kinks
    from etaflow.landscape.verdict.null_space import NullSpace
    from etaflow.problem.objective import Objective

SMALL = 1e-3
"""A gradient is small if it is less than this share of (f − f_inf)/(1 + ‖θ‖)."""

FITTED = 1e-20
"""So near to f_inf a loss counts as there."""

BEYOND = 1e-3
"""A Newton step longer than this, in units of 1 + ‖θ‖, is not excused by a change of f within rounding."""

ASIDE = 0.1
"""A stationary point at kinks with the same f may be so far, in units of 1 + ‖θ‖."""

DEPENDENT = 1e-8
"""Tangents whose pivot is less than this share of the first are dependent."""

SETTLING = 10**7
"""A kink near by is sought for up to so many multiplications for one Newton matrix."""


@dataclass(frozen=True, eq=False)
class Case:
    """One point; every method looks at one kind and returns None if the point is of another.

    Attributes
    ----------
    objective : Objective
        What is minimised.
    evidence : Evidence
        Gradient and spectrum at the point.
    near : float
        How near a stationary point must be, relative to 1 + ‖θ‖.
    certify : bool
        Whether a proof is tried.
    """

    objective: Objective
    evidence: Evidence
    near: float
    certify: bool

    def verdict(self) -> Verdict:
        """Return the verdict: the first kind that the point is of.

        Returns
        -------
        Verdict
            With its evidence.
        """
        return self._separable() or self._on_a_kink() or self._stationary() or self._elsewhere()

    @cached_property
    def size(self) -> float:
        """1 + ‖θ‖."""
        return 1 + float(np.linalg.norm(self.evidence.theta))

    @cached_property
    def zero(self) -> float:
        """Up to here an eigenvalue counts as zero."""
        # Along a symmetry the curvature is of the order of the gradient that is left.
        evidence = self.evidence
        return evidence.eigenvalue_rounding + 16 * (evidence.grad_norm + evidence.grad_rounding)

    @cached_property
    def relative(self) -> float:
        """‖∇f‖·(1 + ‖θ‖)/(f − f_inf); 0 if ‖∇f‖ is rounding."""
        evidence = self.evidence
        if evidence.grad_norm <= evidence.grad_rounding:
            return 0.0
        gain = evidence.value - self.lower_bound
        return evidence.grad_norm * self.size / gain if gain > 0 else np.inf

    @cached_property
    def lower_bound(self) -> float:
        """f_inf."""
        return loss_lower_bound(self.objective)

    @cached_property
    def best(self) -> bool:
        """Whether f is as low as any weights could make it."""
        return self.evidence.value - self.lower_bound <= max(self.evidence.value_rounding, FITTED)

    @cached_property
    def stationary(self) -> bool:
        """Whether Newton's step says that a zero of ∇f is near."""
        evidence = self.evidence
        invisible = evidence.predicted_decrease <= evidence.value_rounding
        return evidence.newton_step <= (BEYOND if invisible else self.near) * self.size

    @cached_property
    def certificate(self) -> Certificate | None:
        """The theorem on a zero of ∇f near, if one was proved."""
        evidence = self.evidence
        if not (self.certify and evidence.complete):
            return None
        theta, values, vectors = evidence.theta, evidence.eigenvalues, evidence.vectors
        if np.abs(values).min() > evidence.eigenvalue_rounding:
            found = prove(self.objective, theta, values, vectors)
            if found is not None:
                return found
        zero = np.abs(values) <= self.zero
        fields, factor = symmetry_tangents(self.objective, np.asarray(theta, np.float64))
        tangents = _independent(np.asarray(fields, np.float64), vectors[:, zero])
        if tangents is None:
            return None
        return certify_modulo(self.objective, theta, values[~zero], vectors[:, ~zero], tangents, factor)

    @cached_property
    def kinks(self) -> Kinks | None:
        """The ReLU pre-activations that are 0."""
        return find_kinks(self.objective, self.evidence)

    @cached_property
    def ray(self) -> Ray | None:
        """The ray along which the last layer separates its features."""
        return separable_ray(self.objective, self.evidence.theta)

    def _on_a_kink(self) -> Verdict | None:
        kinks = self.kinks
        settled = self._settled() if kinks is not None or not self.stationary else None
        if settled is not None and (settled.minimum or kinks is None):
            return self._make(KINK, reasons.settled(settled, self.evidence.value), settled=settled)
        if kinks is None:
            return None
        if kinks.jumps == 0:
            return self._make(KINK, reasons.smooth_kink(kinks)) if self.stationary else None
        if np.isnan(kinks.slope):
            fall = walk(self.objective, self.evidence.theta, self._downhill())[0]
            return None if fall > self.evidence.value_rounding else self._make(KINK, reasons.unknown_kink(kinks))
        if kinks.slope <= 4 * self.evidence.grad_rounding + 1e-7 * self.evidence.grad_norm:
            return self._make(KINK, reasons.clarke_stationary(kinks))
        return None

    def _settled(self) -> Settled | None:
        # Rescaled units are the same point; on a continuum of the same f Newton's method may end beside θ.
        objective, evidence = self.objective, self.evidence
        if objective.n * objective.num_params**2 > SETTLING or not near_a_kink(objective, evidence.theta, self.near):
            return None
        found = settle(objective, evidence.theta)
        if found is None or not found.kinks:
            return None
        level = abs(found.value - evidence.value) <= 1e-10 * abs(evidence.value)
        if level and np.linalg.norm(found.theta - evidence.theta) <= ASIDE * self.size:
            return found
        near = symmetry_distance(objective.net, evidence.theta, found.theta) <= self.near * self.size
        return found if near else None

    def _separable(self) -> Verdict | None:
        ray = self.ray
        if ray is None or not (ray.everywhere or ray.arrived):
            return None
        return self._make(INFINITY, reasons.separable(ray, self.evidence), ray.direction, certified=ray.proved)

    def _stationary(self) -> Verdict | None:
        evidence, certificate = self.evidence, self.certificate if self.stationary else None
        if not self.stationary or self.kinks is not None:
            return None
        if evidence.lowest < -self.zero or (certificate is not None and certificate.index):
            fall, direction = walk(self.objective, evidence.theta, evidence.vectors[:, 0])
            proved = certificate is not None and certificate.index > 0
            if proved or fall > evidence.value_rounding:
                reason = reasons.saddle(evidence, self.zero, fall, certificate)
                return self._make(SADDLE, reason, direction, certified=proved, null_space=self._null_space())
        elif (certificate is not None and certificate.symmetries == 0) or evidence.lowest > self.zero:
            reason = reasons.minimum(evidence, self.zero, certificate)
            return self._make(MINIMUM, reason, certified=certificate is not None)
        return self._degenerate()

    def _degenerate(self) -> Verdict:
        ray = saturating_ray(self.objective, self.evidence)
        if ray is not None:
            return self._make(INFINITY, reasons.saturating(ray, self.evidence), ray.direction, ray=ray)
        null_space = self._null_space()
        if null_space is None:
            return self._make(DEGENERATE, reasons.degenerate(self.evidence, self.zero, None, None, best=self.best))
        found = falling_null_direction(self.objective, self.evidence, null_space)
        reason = reasons.degenerate(self.evidence, self.zero, null_space, found, best=self.best)
        certificate = self.certificate
        proved = certificate is not None and certificate.index == 0
        if certificate is not None and proved:
            reason = reasons.minimum_modulo(certificate, null_space, found)
        direction = None if found is None else found.direction
        return self._make(DEGENERATE, reason, direction, certified=proved, null_space=null_space, fall=found)

    def _null_space(self) -> NullSpace | None:
        if not self.evidence.complete:
            return None
        return explain(self.objective, self.evidence, self.zero, fitted=self.best)

    def _elsewhere(self) -> Verdict:
        evidence = self.evidence
        flat = self.relative <= SMALL
        ray = followed_ray(self.objective, evidence) if flat else None
        if ray is not None:
            return self._make(INFINITY, reasons.followed(ray, evidence), ray.direction, ray=ray)
        ray = saturating_ray(self.objective, evidence) if flat else None
        if ray is not None:
            return self._make(INFINITY, reasons.saturating(ray, evidence), ray.direction, ray=ray)
        reason = reasons.not_stationary(evidence, self.near * self.size, self.relative, self.kinks, self.ray)
        return self._make(FLAT if flat else NOT_STATIONARY, reason, self._downhill())

    def _downhill(self) -> FloatArray:
        if self.kinks is not None and self.kinks.descent is not None:
            return self.kinks.descent
        length = self.evidence.grad_norm
        return np.asarray(-self.evidence.gradient / self.objective.dtype.type(length or 1))

    def _make(
        self, kind: str, reason: str, direction: FloatArray | None = None, *, certified: bool = False, **parts: Any
    ) -> Verdict:
        evidence = self.evidence
        distances, profile = self._profile(direction, far=kind == INFINITY)
        return Verdict(
            kind=kind,
            reason=reason,
            certified=certified,
            theta=evidence.theta,
            value=evidence.value,
            grad_norm=evidence.grad_norm,
            grad_rounding=evidence.grad_rounding,
            relative_gradient=self.relative,
            lower_bound=self.lower_bound,
            eigenvalues=evidence.eigenvalues,
            complete=evidence.complete,
            eigenvalue_zero=self.zero if self.stationary else evidence.eigenvalue_rounding,
            newton_step=evidence.newton_step,
            predicted_decrease=evidence.predicted_decrease,
            direction=direction,
            distances=distances,
            profile=profile,
            certificate=self.certificate if kind in {MINIMUM, SADDLE, DEGENERATE} else None,
            kinks=self.kinks,
            settled=parts.get("settled"),
            null_space=parts.get("null_space"),
            fall=parts.get("fall"),
            ray=parts.get("ray", self.ray),
        )

    def _profile(self, direction: FloatArray | None, *, far: bool) -> tuple[FloatArray, FloatArray]:
        if direction is None:
            return np.empty(0), np.empty(0)
        steps = np.concatenate([[0.0], np.geomspace(1e-8, 1e3 if far else 1.0, 89 if far else 65)])
        distances = (self.size * steps).astype(self.objective.dtype)
        return distances, self.objective.value(self.evidence.theta + distances[:, None] * direction)


def _independent(tangents: Array, basis: FloatArray) -> Array | None:
    # As many tangents as the null space has dimensions; None if they do not span it, or there is none.
    from scipy.linalg import qr  # noqa: PLC0415 - slow to import

    count = basis.shape[1]
    if not 0 < count <= tangents.shape[1]:
        return None
    _, triangle, order = qr(basis.T @ tangents, mode="economic", pivoting=True)
    sizes = np.abs(np.diag(triangle))
    return np.asarray(tangents[:, order[:count]]) if sizes[-1] > DEPENDENT * sizes[0] else None
