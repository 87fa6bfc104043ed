"""The rows of the table of conditions: what each says, its verdict, and the argument for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.theory.conditions.table import FAILS, NOT_NEEDED, PROVED, SUPPORTED, Condition
from etaflow.theory.constants.bound import step_scale
from etaflow.theory.constants.gradient_bounds import gradient_bounds
from etaflow.theory.constants.growth import growth
from etaflow.theory.constants.kinks import find_jump
from etaflow.theory.constants.lipschitz import lipschitz
from etaflow.theory.constants.ranges import SLACK, Curve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etaflow.problem.objective import Objective
    from etaflow.theory.constants.bound import Bound
    from etaflow.theory.constants.kinks import Jump

VERDICTS = {"proved": PROVED, "open": SUPPORTED, "fails": FAILS}
"""By the status of a Bound."""

LOOKS = 50
"""So many observations, the longest first, are searched for a jump of the Hessian."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is computed for the table.

    Attributes
    ----------
    objective : Objective
        The objective, in float64.
    radius : float
        G.
    growth, lipschitz : Bound
        K and L_G of Lemma 3.1.
    largest : float
        C_1 ≥ ‖H‖ on the box.
    smooth : bool
        Whether all activations are analytic.
    bend : Jump or None
        A jump of ∂h/∂θ, looked for if h itself does not jump.
    """

    objective: Objective
    radius: float
    growth: Bound
    lipschitz: Bound
    largest: float
    smooth: bool
    bend: Jump | None

    @property
    def drift(self) -> Bound:
        """The Lipschitz constant of h."""
        assert self.lipschitz.mean_field is not None, "a bound of Lemma 3.1 has one for h"
        return self.lipschitz.mean_field


def gather(objective: Objective, radius: float) -> Evidence:
    """Compute what the verdicts rest on.

    Parameters
    ----------
    objective : Objective
        The objective, in float64.
    radius : float
        G.

    Returns
    -------
    Evidence
        The constants and the witnesses.
    """
    smooth = all(Curve(activation).smooth for activation in objective.net.activations)
    # A kink is looked for far from 0 even if the box is small: the conditions are of every compact set.
    linear, local = growth(objective), lipschitz(objective, radius if smooth else math.inf)
    open_drift = local.mean_field is not None and local.mean_field.status == "open"
    bend = _bend(objective) if open_drift else None
    return Evidence(objective, radius, linear, local, _largest(objective, radius, linear), smooth, bend)


def _largest(objective: Objective, radius: float, linear: Bound) -> float:
    corner = radius * float(np.sqrt(objective.num_params))  # the largest ‖θ‖
    layers = step_scale(objective) * float(gradient_bounds(objective, radius).max()) + 2 * objective.l2 * corner
    return min(layers * (1 + SLACK), linear.upper * (1 + corner))


def _bend(objective: Objective) -> Jump | None:
    longest = np.argsort(-np.sum(objective.x**2, axis=1))[:LOOKS]
    jumps = (find_jump(objective, 1.0, order=2, observation=int(i)) for i in longest)
    return next((jump for jump in jumps if jump is not None), None)


def draws(evidence: Evidence) -> list[Condition]:
    """Return A1 to A3.

    Parameters
    ----------
    evidence : Evidence
        The constants.

    Returns
    -------
    list of Condition
        A1, A2, A3.
    """
    bounded = (
        f"backpropagation is a product of factors that are bounded on a compact set, whatever the activations, and there are "
        f"{evidence.objective.n} observations: on the box ‖H‖ ≤ C_1 = {evidence.largest:.4g}, with q = 0"
    )
    return [
        Condition(
            "A1", "step sizes are positive, do not grow, and sum to infinity", PROVED, "the step size η is constant"
        ),
        Condition(
            "A2",
            "given the past, the law Π_θ of the next observation depends on θ and the last one only",
            PROVED,
            f"drawn independently of the past and of θ, uniformly from {evidence.objective.n} observations",
        ),
        Condition(
            "A3", "‖H(θ, x)‖ ≤ C_1(1 + ‖x‖^q) for θ in a compact set", PROVED, bounded, {"C_1": evidence.largest}
        ),
    ]


def drift(evidence: Evidence) -> list[Condition]:
    """Return A4 and A5.

    Parameters
    ----------
    evidence : Evidence
        The constants.

    Returns
    -------
    list of Condition
        A4, A5.
    """
    bound = evidence.drift
    poisson = "(I − Π_θ)ν = H − h is solved by ν = H, bounded by A3, with Π_θν = h, since draws are independent"
    if evidence.smooth:
        why = f"the activations and the loss are analytic, so h is locally Lipschitz: on the box with L = {bound.upper:.4g}; {poisson}"
    elif bound.status == "fails":
        why = f"h is not locally Lipschitz: {bound.reason}"
    else:
        why = f"h: {bound.reason}; {poisson}"
    x, y = evidence.objective.x, evidence.objective.y
    longest = float(np.sqrt(np.max(np.sum(x**2, axis=1) + np.sum(y**2, axis=1))))
    return [
        Condition(
            "A4",
            "h is locally Lipschitz; Poisson's equation for H − h has a solution ν, bounded, and with Π_θν Lipschitz, on compact sets",
            VERDICTS[bound.status],
            why,
            {"L_h": bound.upper, "L_h_observed": bound.lower},
        ),
        Condition(
            "A5",
            "all moments of the observations are bounded, as long as θ stays in a compact set",
            PROVED,
            f"there are finitely many observations: ‖(x, y)‖ ≤ {longest:.4g}",
            {"data_radius": longest},
        ),
    ]


def noise(evidence: Evidence) -> list[Condition]:
    """Return A6 and A7, in one row, and A8.

    Parameters
    ----------
    evidence : Evidence
        The constants.

    Returns
    -------
    list of Condition
        A6–A7, A8.
    """
    unused = (
        "Theorems 3.2 and 4.1 do not use them: the step size is constant, and the time finite. That f falls along the flow, "
        "⟨∇f, h⟩ = −‖∇f‖², holds wherever h is continuous"
    )
    variation = 2 * evidence.largest * evidence.lipschitz.upper
    if evidence.smooth:
        verdict, why = (
            PROVED,
            (
                "the activations and the loss are analytic, so h is; (I − Π_θ)w = w − R is solved by w = HHᵀ − hhᵀ, bounded by A3, with "
                f"Π_θw = R, since draws are independent; R is Lipschitz by Lemma 3.1 ii): on the box with 2·C_1·L_G = {variation:.4g}"
            ),
        )
    elif evidence.drift.status == "fails":
        verdict, why = FAILS, "h is not even continuous (A4)"
    elif evidence.bend is not None:
        apart = float(np.linalg.norm(np.diff(evidence.bend.points, axis=0)))
        verdict, why = (
            FAILS,
            (
                f"∂h/∂θ jumps: at two points {apart:.1e} apart its products with a unit vector are {evidence.bend.size:.3g} apart"
            ),
        )
    else:
        verdict, why = SUPPORTED, "a φ' jumps, but no jump of h or of ∂h/∂θ was found"
    return [
        Condition("A6, A7", "of convergence as k → ∞ with decreasing step sizes", NOT_NEEDED, unused),
        Condition(
            "A8",
            "h is twice continuously differentiable; Poisson's equation for HHᵀ − hhᵀ − R has a solution w, bounded, and with Π_θw "
            "Lipschitz, on compact sets",
            verdict,
            why,
            {"L_R": variation},
        ),
    ]


def lemma(evidence: Evidence) -> list[Condition]:
    """Return the two parts of Lemma 3.1.

    Parameters
    ----------
    evidence : Evidence
        The constants.

    Returns
    -------
    list of Condition
        Lemma 3.1 i, Lemma 3.1 ii.
    """
    linear, local = evidence.growth, evidence.lipschitz
    return [
        Condition(
            "Lemma 3.1 i",
            "‖H(θ, x)‖ ≤ K(1 + ‖θ‖) for all θ",
            VERDICTS[linear.status],
            _interval("K", linear),
            {"K": linear.upper, "K_observed": linear.lower},
        ),
        Condition(
            "Lemma 3.1 ii",
            "‖H(θ, x) − H(θ', x)‖ ≤ L_G‖θ − θ'‖ for θ, θ' ∈ [−G, G]^d",
            VERDICTS[local.status],
            _interval("L_G", local),
            {"L_G": local.upper, "L_G_observed": local.lower},
        ),
    ]


def _interval(name: str, bound: Bound) -> str:
    numbers = f": {bound.lower:.4g} ≤ {name} ≤ {bound.upper:.4g}" if bound.holds else ""
    return f"{bound.reason}{numbers}"


def theorems(found: Mapping[str, Condition]) -> list[Condition]:
    """Return what follows for the hypotheses of the theorems.

    Parameters
    ----------
    found : mapping of str to Condition
        The conditions by name.

    Returns
    -------
    list of Condition
        Theorem 3.2 i, Theorem 3.2 ii, Theorem 4.1.
    """
    basic = ["A1", "A2", "A3", "A4", "A5"]
    statements = {
        "Theorem 3.2 i": ("the hypotheses of: E sup‖θ^η − θ̄‖² ≤ B_r·η", [*basic, "Lemma 3.1 i"]),
        "Theorem 3.2 ii": ("the hypotheses of: P(sup‖θ^η − θ̄‖ > δ) ≤ B_r·η/δ²", basic),
        "Theorem 4.1": ("the hypotheses of: (θ^η − θ̄)/√η converges in law to a Gaussian diffusion", [*basic, "A8"]),
    }
    local = not found["Lemma 3.1 i"].holds
    return [_theorem(name, text, [found[key] for key in used], local) for name, (text, used) in statements.items()]


def _theorem(name: str, statement: str, used: list[Condition], local: bool) -> Condition:
    for verdict in (FAILS, SUPPORTED):
        weak = [row.name for row in used if row.verdict == verdict]
        if weak:
            tail = (
                "the proof does not apply, which does not refute the conclusion"
                if verdict == FAILS
                else "the others are proved"
            )
            what = "not fulfilled" if verdict == FAILS else "only supported numerically"
            return Condition(name, statement, verdict, f"{', '.join(weak)} {what}; {tail}")
    names = f"{', '.join(row.name for row in used)} are proved"
    if local and name != "Theorem 3.2 i":
        constant = "; the constant depends on δ too" if name == "Theorem 3.2 ii" else ""
        names += (
            f", and without linear growth (Lemma 3.1 i) compact sets are enough: ‖θ̄(t) − θ_0‖² ≤ t·f(θ_0), and SGD is compared "
            f"until it leaves a neighbourhood of θ̄{constant}"
        )
    return Condition(name, statement, PROVED, names)
