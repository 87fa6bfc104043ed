"""The laws compared over one window of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.divergence import models
from etaflow.landscape.divergence.models import CONVERGING, MODELS, TRANSIENT

if TYPE_CHECKING:
    from etaflow.landscape.divergence.blocks import Blocks
    from etaflow.landscape.divergence.models import Fit, Model

UNDECIDED = "undecided"

DECISIVE = 6.0
"""A difference of BIC that counts: odds of about 20 to 1 ("strong" in Kass & Raftery 1995)."""

SPLIT = 0.6
"""The part of the window, in log t, that the laws are fitted to before they predict the rest."""

NEGLIGIBLE = 0.01
"""A path without a trend counts as converged if ten times the time could change it by no more than this part of it."""

APPROACHES = {"exponential approach", "power approach", "approach out of sight"}

WHY_NOT = {
    "faster than can last": "growth faster than √t cannot last along a gradient flow",
    "approach out of sight": "the limit of so slow an approach is too far from what was seen",
}


@dataclass(frozen=True, eq=False)
class Assessment:
    """What one window says.

    Attributes
    ----------
    kind, reason : str
        As in `Growth`.
    fits : list of Fit
        The most likely first.
    held_out : dict of str to float
        By law, the error of its prediction.
    means : Blocks
        What was judged.
    """

    kind: str
    reason: str
    fits: list[Fit]
    held_out: dict[str, float]
    means: Blocks

    @property
    def without_trend(self) -> bool:
        """Whether a constant is not decisively worse than the best law."""
        return _flat(self.fits)

    def contradicts(self, kind: str) -> bool:
        """Return whether every law of a kind is decisively worse than the best one.

        Returns
        -------
        bool
            Also if none could be fitted.
        """
        scores = [fit.bic for fit in self.fits if fit.model.kind == kind]
        return not scores or min(scores) - self.fits[0].bic >= DECISIVE


def assess(means: Blocks, size: float, *, endless: bool = False) -> Assessment:
    """Compare the laws over one window.

    Parameters
    ----------
    means : Blocks
        The path.
    size : float
        How large the weights are, for what counts as negligible.
    endless : bool, default False
        Whether it is known that the path does not converge: then no approach is among the laws.

    Returns
    -------
    Assessment
        Kind, reason and evidence.
    """
    laws = [model for model in MODELS if not (endless and model.name in APPROACHES)]
    fits = sorted((fit for model in laws if (fit := models.fit(model, means)) is not None), key=lambda fit: fit.bic)
    held_out = _held_out(means, laws)
    if not _flat(fits):
        return Assessment(*_decide(fits, held_out), fits, held_out, means)
    kind, reason = _without_trend(fits, size, means)
    if endless and kind == CONVERGING:
        kind, reason = UNDECIDED, f"{reason}; but the loss has no minimum here that it could converge to"
    return Assessment(kind, reason, fits, held_out, means)


def _flat(fits: list[Fit]) -> bool:
    constant = next(fit for fit in fits if fit.model.name == "constant")
    return constant.bic - fits[0].bic < DECISIVE


def _held_out(means: Blocks, laws: list[Model]) -> dict[str, float]:
    early, late = means.until(float(means.times[0] * (means.times[-1] / means.times[0]) ** SPLIT))
    errors = {}
    for model in laws:
        fit = models.fit(model, early)
        if fit is not None:
            errors[model.name] = float(np.sqrt(np.mean((fit.at(late.times) - late.values) ** 2)))
    return errors


def _decide(fits: list[Fit], held_out: dict[str, float]) -> tuple[str, str]:
    best = fits[0]
    rival = next(fit for fit in fits if fit.model.kind != best.model.kind)
    lead = rival.bic - best.bic
    if lead < DECISIVE:
        return (
            UNDECIDED,
            f"{best} is most likely, but {rival} is only {lead:.1f} of BIC behind: {DECISIVE:g} would count",
        )
    predictor = min(held_out, key=held_out.__getitem__)
    predicts = next(model for model in MODELS if model.name == predictor)
    if predicts.kind != best.model.kind:
        return UNDECIDED, (
            f"{best} fits best, by {lead:.1f} of BIC, but the law {predicts.formula} ({predicts.kind}) "
            "predicts the late part from the early part better"
        )
    evidence = (
        f"{best}, ahead of every other kind by {lead:.1f} of BIC, and it predicts the late part from the early one with an error of "
        f"{held_out[predictor]:.1g}"
    )
    if best.model.kind == TRANSIENT:
        return UNDECIDED, f"{evidence}; but {WHY_NOT[best.model.name]}: run longer"
    return best.model.kind, evidence


def _without_trend(fits: list[Fit], size: float, means: Blocks) -> tuple[str, str]:
    from scipy.stats import t  # noqa: PLC0415 - slow to import

    fit = next(fit for fit in fits if fit.model.name == "logarithm")
    steepest = abs(fit.b) + float(t.ppf(0.975, fit.size - 3)) * fit.b_error
    change = steepest * float(np.log(10))
    bound = f"growth like log t of up to {change:.2g} in ten times the time, of {size:.3g}"
    if change <= NEGLIGIBLE * size or np.ptp(means.values) == 0:
        return CONVERGING, f"no trend beyond the noise; it would hide no more than {bound}"
    return UNDECIDED, f"no trend beyond the noise, which could hide {bound}"
