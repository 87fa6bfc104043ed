"""The reasons of a verdict in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from etaflow.landscape.minima.kinks import Settled
    from etaflow.landscape.verdict.certificate import Certificate
    from etaflow.landscape.verdict.evidence import Evidence
    from etaflow.landscape.verdict.infinity import Ray
    from etaflow.landscape.verdict.kinks import Kinks
    from etaflow.landscape.verdict.null_space import NullSpace
    from etaflow.landscape.verdict.valley import Fall


def minimum(evidence: Evidence, zero: float, certificate: Certificate | None) -> str:
    """Return why a point is a minimum.

    Returns
    -------
    str
        A clause.
    """
    if certificate is not None:
        return (
            f"within {certificate.radius:.2g} there is exactly one zero of the gradient, and every eigenvalue of the Hessian there is "
            f"at least {certificate.curvature:.3g}: proved in interval arithmetic"
        )
    return (
        f"a zero of the gradient is {evidence.newton_step:.1g} away, and the Hessian's eigenvalues, {evidence.lowest:.2g} to "
        f"{evidence.highest:.2g}, are positive beyond rounding ({zero:.1g})"
    )


def minimum_modulo(certificate: Certificate, null_space: NullSpace, fall: Fall | None) -> str:
    """Return why a degenerate point is a proved minimum.

    Returns
    -------
    str
        A clause.
    """
    return (
        f"stationary, with {null_space}; a minimum, but not a strict one: proved in interval arithmetic, within {certificate.radius:.2g}, "
        f"and strict but for the {certificate.symmetries} dimensions of the network's symmetries{_valley(fall)}"
    )


def saddle(evidence: Evidence, zero: float, fall: float, certificate: Certificate | None) -> str:
    """Return why a point is a strict saddle.

    Returns
    -------
    str
        A clause.
    """
    proof = ""
    if certificate is not None:
        proof = (
            f"; proved in interval arithmetic: a zero of the gradient within {certificate.radius:.2g}, "
            f"where {certificate.index} eigenvalues are negative"
        )
    return (
        f"the smallest Hessian eigenvalue {evidence.lowest:.2g} is negative beyond rounding ({zero:.1g}), and f falls by "
        f"{fall:.2g} along its eigenvector{_all_negative(evidence, zero)}{proof}"
    )


def _all_negative(evidence: Evidence, zero: float) -> str:
    return "; all eigenvalues are negative: a local maximum" if evidence.complete and evidence.highest < -zero else ""


def degenerate(evidence: Evidence, zero: float, null_space: NullSpace | None, fall: Fall | None, best: bool) -> str:
    """Return why a point is degenerate, and what more can be said.

    Returns
    -------
    str
        A clause.
    """
    start = "stationary, but "
    if null_space is None:
        return f"{start}the smallest Hessian eigenvalue {evidence.lowest:.2g} is zero within rounding ({zero:.1g})"
    if null_space.dimension == 0:
        return f"{start}f does not fall along the eigenvector of the smallest Hessian eigenvalue {evidence.lowest:.2g}"
    start += f"the Hessian has {null_space}"
    if fall is not None and not fall.beyond_kink:
        return (
            f"{start}; along one of them f falls, by {fall.amount:.2g} where it is first seen: a saddle of higher order"
        )
    if evidence.lowest < -zero:
        return f"{start}; f was not seen to fall along the eigenvector of {evidence.lowest:.2g}"
    return f"{start}; {_along(evidence, null_space, best)}{_valley(fall)}"


def _valley(fall: Fall | None) -> str:
    return "" if fall is None else f", in a valley that leads down: beyond a kink at {fall.distance:.2g} f falls"


def _along(evidence: Evidence, null_space: NullSpace, best: bool) -> str:
    if best:
        return (
            f"f = {evidence.value:.3g} is the least that it can be, to rounding: a global minimum, but not a strict one"
        )
    if null_space.unexplained == 0:
        return "across them the eigenvalues are positive, along them f did not fall: a minimum, but not a strict one"
    return "across them the eigenvalues are positive, and f was not seen to fall along them"


def not_stationary(evidence: Evidence, radius: float, relative: float, kinks: Kinks | None, ray: Ray | None) -> str:
    """Return why a point is not stationary, or gradient-flat.

    Returns
    -------
    str
        A clause.
    """
    parts = [
        f"the gradient norm {evidence.grad_norm:.2g} is {relative:.1g} of (f − f_inf)/(1 + ‖θ‖) and beyond rounding ({evidence.grad_rounding:.1g})"
    ]
    if not np.isfinite(evidence.newton_step):
        parts.append("part of it lies where the curvature is zero within rounding: no stationary point is in sight")
    elif evidence.newton_step > radius:
        parts.append(
            f"Newton's step to the nearest stationary point is {evidence.newton_step:.2g} long (near would be {radius:.1g}) and "
            f"would change f by {evidence.predicted_decrease:.2g} of {evidence.value:.3g}"
        )
    if kinks is not None and np.isfinite(kinks.slope):
        parts.append(
            f"the kinks there ({kinks}) do not hold it: f falls at a rate of {kinks.slope:.2g} on every side of them"
        )
    if ray is not None:
        parts.append(
            f"the last layer's features are separable, so that f falls for ever along `ray`, to {ray.limit:.2g}"
        )
    return "; ".join(parts)


def separable(ray: Ray, evidence: Evidence) -> str:
    """Return why a point is on the way to infinity.

    Returns
    -------
    str
        A clause.
    """
    where = "the data are" if ray.everywhere else "the last layer's features are"
    how = "checked exactly" if ray.proved else "as far as linear programming in floating point tells"
    more = ": f has no stationary point at all" if ray.everywhere else ""
    return (
        f"{where} linearly separable ({how}, margin {ray.margin:.2g}), so that along `direction` f falls strictly and for ever, from "
        f"{evidence.value:.3g} towards {ray.limit:.3g}{more}"
    )


def followed(ray: Ray, evidence: Evidence) -> str:
    """Return why a point seems to be on the way to infinity.

    Returns
    -------
    str
        A clause.
    """
    return (
        f"the gradient, {evidence.grad_norm:.2g}, makes weights grow, Newton's step ({evidence.newton_step:.2g}) ends at no stationary point "
        f"near, and along `direction` f falls as far as it was followed, from {evidence.value:.6g} to {ray.limit:.6g}"
    )


def saturating(ray: Ray, evidence: Evidence) -> str:
    """Return why a point with saturated units is on the way to infinity.

    Returns
    -------
    str
        A clause.
    """
    fall = evidence.value - ray.limit
    much = "by less than it is rounded" if fall <= evidence.value_rounding else f"by {fall:.2g} at its far end"
    return (
        "hidden units are saturated on all but a few observations, so that the Hessian is singular within rounding; f still falls as the "
        f"weights that enter them grow along `direction`, {much}: the sign of what is left of their slopes says so"
    )


def settled(found: Settled, value: float) -> str:
    """Return what the stationary point at kinks is.

    Returns
    -------
    str
        A clause.
    """
    what = (
        "a local minimum, as every such slope is strictly inside, f bends up there, and the Hessian is positive along the kinks"
        if found.minimum
        else "stationary in the generalised sense; whether it is a minimum the first and second order do not tell"
    )
    where = "there" if abs(found.value - value) <= 1e-10 * abs(value) else f"beside, where f is {found.value:.6g},"
    return (
        f"{where} {_zeros(found.kinks)}, and with slopes between the two sides the "
        f"gradient is {found.residual:.1g}: {what}"
    )


def _zeros(number: int) -> str:
    return "1 ReLU pre-activation is 0" if number == 1 else f"{number} ReLU pre-activations are 0"


def smooth_kink(kinks: Kinks) -> str:
    """Return what a kink does that the gradient does not feel.

    Returns
    -------
    str
        A clause.
    """
    return (
        f"{_zeros(len(kinks.places))} ({kinks}); nothing depends on them to first order, so that the gradient is "
        "continuous and zero, but the Hessian jumps and its eigenvalues say nothing"
    )


def unknown_kink(kinks: Kinks) -> str:
    """Return what is known of a kink whose slopes were not searched.

    Returns
    -------
    str
        A clause.
    """
    return (
        f"{_zeros(len(kinks.places))} ({kinks}), the gradient jumps at {kinks.jumps} of them, and f does not "
        "fall against the gradient"
    )


def clarke_stationary(kinks: Kinks) -> str:
    """Return what a kink is whose generalised gradients hold 0.

    Returns
    -------
    str
        A clause.
    """
    return (
        f"{_zeros(len(kinks.places))} ({kinks}), the gradient jumps at {kinks.jumps} of them, and 0 is among the "
        f"generalised gradients (the shortest is {kinks.slope:.1g}): no first-order way down; f has no Hessian there"
    )
