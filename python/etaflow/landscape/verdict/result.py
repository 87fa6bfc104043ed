"""What `classify` returns: the kind of a point, the reason in words, and the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.landscape.minima.kinks import Settled
    from etaflow.landscape.verdict.certificate import Certificate
    from etaflow.landscape.verdict.infinity import Ray
    from etaflow.landscape.verdict.kinks import Kinks
    from etaflow.landscape.verdict.null_space import NullSpace
    from etaflow.landscape.verdict.valley import Fall

MINIMUM = "minimum"
SADDLE = "strict saddle"
DEGENERATE = "degenerate"
NOT_STATIONARY = "not stationary"
FLAT = "gradient-flat"
KINK = "kink"
INFINITY = "minimum at infinity"

KINDS = (MINIMUM, SADDLE, DEGENERATE, NOT_STATIONARY, FLAT, KINK, INFINITY)


@dataclass(frozen=True, eq=False, repr=False)
class Verdict:
    """What kind of point θ is, made by `classify`, with the evidence.

    Attributes
    ----------
    kind : str
        ``minimum``: stationary, every eigenvalue of ∇²f positive. ``strict saddle``: stationary, with a direction of
        negative curvature along which f was seen to fall. ``degenerate``: stationary, but ∇²f is singular within
        rounding and the second order does not decide. ``kink``: a minimum, or a stationary point in the generalised
        sense, where a ReLU's pre-activation is 0 and f has no Hessian. ``minimum at infinity``: f falls along a ray for
        ever, and training goes there. ``gradient-flat``: the gradient is small against what f could still fall, but no
        stationary point is near. ``not stationary``: the gradient is not even small.
    reason : str
        Why, in words, with the numbers.
    certified : bool
        Whether the kind is proved, roundings included: a minimum or a strict saddle within `certificate.radius` of θ, at a
        degenerate point a minimum that is strict but for the network's symmetries; a fall for ever along `ray`.
    theta : ndarray, shape (d,)
        The point.
    value, grad_norm : float
        f and ‖∇f‖.
    grad_rounding : float
        The part of ‖∇f‖ that rounding explains.
    relative_gradient : float
        ‖∇f‖·(1 + ‖θ‖)/(f − f_inf): what share of all that can be gained a step as long as 1 + ‖θ‖ would gain at this
        slope; gradient-flat is below 10⁻³. 0 if ‖∇f‖ is rounding.
    lower_bound : float
        f_inf, which f cannot fall below: see `loss_lower_bound`.
    eigenvalues : ndarray, shape (d,) or (k,)
        Of ∇²f in ascending order: all, or some at both ends for more than 2500 parameters.
    complete : bool
        Whether they are all.
    eigenvalue_zero : float
        Up to here an eigenvalue counts as zero: its rounding and, at a stationary point, what the rest of the gradient
        can do to it.
    newton_step, predicted_decrease : float
        The length of Newton's step to the nearest stationary point, and what it would change f by.
    direction : ndarray, shape (d,), or None
        A unit vector along which f falls: of most negative curvature at a saddle, of the ray to infinity, of steepest
        descent at a point that is not stationary; at a degenerate point a null direction along which f falls, if one
        was found.
    distances, profile : ndarray, shape (m,)
        f(θ + t·direction) at distances t, beginning with 0; empty without a direction.
    certificate : Certificate or None
        The theorem about the stationary point beside θ.
    kinks : Kinks or None
        The ReLU pre-activations that are 0.
    settled : Settled or None
        The stationary point at kinks there or beside, found by Newton's method in θ and the slopes.
    null_space : NullSpace or None
        What explains the zero eigenvalues of a degenerate point or a saddle.
    fall : Fall or None
        Where, at a degenerate point, f falls along a null direction.
    ray : Ray or None
        The way to infinity; it may be there although training has not yet gone it.
    """

    kind: str
    reason: str
    certified: bool
    theta: FloatArray
    value: float
    grad_norm: float
    grad_rounding: float
    relative_gradient: float
    lower_bound: float
    eigenvalues: FloatArray
    complete: bool
    eigenvalue_zero: float
    newton_step: float
    predicted_decrease: float
    direction: FloatArray | None
    distances: FloatArray
    profile: FloatArray
    certificate: Certificate | None
    kinks: Kinks | None
    settled: Settled | None
    null_space: NullSpace | None
    fall: Fall | None
    ray: Ray | None

    @property
    def is_minimum(self) -> bool:
        """Whether the kind is ``minimum``."""
        return self.kind == MINIMUM

    @property
    def is_local_minimum(self) -> bool:
        """Whether the evidence is that of a local minimum of any sort.

        A strict one (``minimum``), proved or not; one at kinks, by a sufficient condition; or a degenerate point with
        no negative eigenvalue, whose null space is explained and along which f was not seen to fall before a ReLU
        switches; or where f is at its lower bound.
        """
        if self.kind == DEGENERATE and self.null_space is not None:
            fitted = self.value - self.lower_bound <= 1e-12 * abs(self.value) + 1e-20
            if self.certified:
                return True
            rises = self.fall is None or self.fall.beyond_kink
            return self.index == 0 and rises and (self.null_space.unexplained == 0 or fitted)
        at_kinks = self.kind == KINK and self.settled is not None and self.settled.minimum
        return self.kind == MINIMUM or at_kinks

    @property
    def is_stationary(self) -> bool:
        """Whether the gradient vanishes near: a minimum, a strict saddle or a degenerate point."""
        return self.kind in {MINIMUM, SADDLE, DEGENERATE}

    @property
    def index(self) -> int | None:
        """The number of negative eigenvalues; None if only the ends of the spectrum are known and the lower end is all negative."""
        negative = int((self.eigenvalues < -self.eigenvalue_zero).sum())
        known = self.complete or self.eigenvalues[len(self.eigenvalues) // 2 - 1] >= -self.eigenvalue_zero
        return negative if known else None

    @property
    def nullity(self) -> int | None:
        """The number of eigenvalues that count as zero; None if only the ends of the spectrum are known."""
        return int((np.abs(self.eigenvalues) <= self.eigenvalue_zero).sum()) if self.complete else None

    def __repr__(self) -> str:
        """Return kind and reason.

        Returns
        -------
        str
            One line.
        """
        return f"Verdict({self.kind}{', certified' if self.certified else ''}: {self.reason})"

    def __str__(self) -> str:
        """Return a small table of the evidence.

        Returns
        -------
        str
            One line for each part.
        """
        rows = [("verdict", self.kind + (" (certified)" if self.certified else "")), ("because", self.reason)]
        rows.append(("loss", f"{self.value:.6g} (at least {self.lower_bound:.4g} for any weights)"))
        rounding = f"rounding explains {self.grad_rounding:.1g}; {self.relative_gradient:.1g} of (f − f_inf)/(1 + ‖θ‖)"
        rows.append(("gradient norm", f"{self.grad_norm:.3g} ({rounding})"))
        rows.append(("Newton's step", f"{self.newton_step:.3g} long, changes f by {self.predicted_decrease:.1g}"))
        rows.append(("eigenvalues", self._spectrum()))
        if self.certificate is not None:
            proof = f"a zero of ∇f within {self.certificate.radius:.1g}, |eigenvalues| ≥ {self.certificate.curvature:.3g} there"
            rows.append(("proved", f"{proof}, {self.certificate.index} of them negative"))
        rows += [
            (name, str(part))
            for name, part in (
                ("null space", self.null_space if self.nullity else None),
                ("kinks", self.kinks),
                ("ray", self.ray),
            )
            if part
        ]
        if self.direction is not None:
            rows.append(("descent", f"f falls by {self.value - float(np.nanmin(self.profile)):.3g} along `direction`"))
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)

    def _spectrum(self) -> str:
        ends = f"{self.eigenvalues[0]:.4g} to {self.eigenvalues[-1]:.4g}"
        if not self.complete:
            return f"{ends} (the ends, by Lanczos)"
        return f"{ends}: {self.index} negative, {self.nullity} zero (up to {self.eigenvalue_zero:.1g}), of {len(self.eigenvalues)}"

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415 - only notebooks need it

        return f"<pre>{escape(str(self))}</pre>"
