"""What goes beyond linear networks at their critical points: flows, ReLUs, and the open questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow._intervals import proportion_interval
from etaflow.reproduce._kit.text import interval
from etaflow.reproduce.kawaguchi.row import ANSWERED, Row, word

if TYPE_CHECKING:
    from etaflow.reproduce.kawaguchi.findings import Findings


def flow(findings: Findings) -> Row:
    """Report: the flow from saddle to saddle.

    Returns
    -------
    Row
        The line.
    """
    flows = list(findings.flows())
    ordered = sum(bool(part["in_order"]) for _, part in flows)
    worst = max(float(part["error"]) for _, part in flows)
    return Row(
        "Not on the slides: the flow from a small start visits the projections onto the top 0, 1, 2, … eigenvectors",
        "Saxe, McClelland & Ganguli 2014",
        "the flow with white inputs; plateaus found by its speed alone",
        word(ordered == len(flows)),
        f"in order for {ordered} of {len(flows)} depths; the plateaus' losses are within {worst:.1g} of tr(YYᵀ) of the saddles'",
    )


def paths(findings: Findings) -> Row:
    """Report: ReLU networks as sums over paths.

    Returns
    -------
    Row
        The line.
    """
    part = findings.parts["paths"]
    error, printed = float(part["error"]), float(part["printed"])
    return Row(
        "A ReLU network is a sum over its paths: ŷ = Σ X A ∏ W, with H + 1 factors (printed: H)",
        "slides, “This paper: non-linear networks”; erratum",
        "the sum over all paths of a 5-4-3-2 network against its prediction; and with the last factor left out",
        word(error < 1e-12 and printed > 1e-3),
        f"{int(part['paths'])} paths; within {error:.1g} of the prediction with H + 1 factors, {printed:.2g} away with H",
    )


def soudry_carmon(findings: Findings) -> Row:
    """Report: Soudry and Carmon's theorem.

    Returns
    -------
    Row
        The line.
    """
    part = findings.parts["sweep-perturbed"]
    within = part["ratio"] <= 1
    poor, zero, kink = (int(part[name][within].sum()) for name in ("poor", "zero", "kink"))
    sizes = ", ".join(
        f"{ratio:g}: {interval(low, high, '.2f')}"
        for ratio, low, high in zip(part["ratio"], part["low"], part["high"], strict=True)
    )
    return Row(
        "If n <= d_0d_1, all differentiable local minima of a perturbed leaky-ReLU network have loss 0",
        "thesis, Theorem 3.6 (Soudry and Carmon 2016)",
        "random labels, noise on X, perturbed activations; ends of training at loss 0, at differentiable minima above, on kinks",
        word(poor == 0),
        f"up to n = d_0d_1 {zero} ends at loss 0, {poor} at differentiable minima above 0, and {kink} on kinks, of which the theorem does not "
        f"speak; success rate (95 %) by n/(d_0d_1): {sizes}",
    )


def without_perturbation(findings: Findings) -> Row:
    """Report: the same without perturbation.

    Returns
    -------
    Row
        The line.
    """
    part = findings.parts["sweep-plain"]
    within = part["ratio"] <= 1
    poor, deficient = (int(part[name][within].sum()) for name in ("poor", "rank_deficient"))
    total = int(within.sum()) * findings.settings.protocol.trials
    low, high = proportion_interval(poor, total)
    return Row(
        "Without the perturbation, too, differentiable local minima are expected to have loss 0 in practice",
        "thesis, after Theorem 3.6",
        "the same without ε, with n <= d_0d_1: differentiable ends at which the loss is convex in W_2 ⊙ W_1 and its gradient 0",
        word(poor == 0),
        f"{poor} of {total} trials with n <= d_0d_1 end in differentiable local minima above 0 ({interval(low, high)}, 95 %); at {deficient} of them the "
        "activation patterns are too few for the proof: its features have a rank below n",
    )


def regularisation(findings: Findings) -> Row:
    """Report: the question about regularisation.

    Returns
    -------
    Row
        The line.
    """
    part = findings.parts["open"]
    values = part["shallow"]
    return Row(
        "What is the impact of regularization?",
        "slides, last page",
        "l2 = 0.5 on the sum of squares: `classify` at W = 0 with two hidden layers, training with one",
        ANSWERED,
        f"with two hidden layers W = 0 becomes a {part['zero_kind']} ({'proved' if part['zero_certified'] else 'not proved'}; smallest eigenvalue "
        f"{float(part['zero_lowest']):.3g} = 2·l2) with loss {float(part['zero_value']):.4g}, where others have {float(part['zero_lower']):.4g}: (ii) fails. "
        f"With one hidden layer all {len(values)} ends have the same loss within {float(np.ptp(values)):.1g}",
    )


def activations(findings: Findings) -> Row:
    """Report: the question about other activations.

    Returns
    -------
    Row
        The line.
    """
    part = findings.parts["open"]
    values, sizes = part["census_value"], part["census_counts"]
    return Row(
        "What about other activation functions? Do local minima have the risk of a global one?",
        "slides, “Critical question” and last page",
        "census of minima of a 2-2-1 tanh network on XOR (l2 = 0.001); a ReLU network whose units are all off",
        ANSWERED,
        f"tanh: {len(values)} minima, losses {values[0]:.4g} to {values[-1]:.4g} ({int(sizes[values > 2 * values[0]].sum())} of {int(sizes.sum())} ends above twice the lowest); "
        f"the highest is {'proved to be' if part['census_certified'] else 'perhaps'} a local minimum. ReLU: loss {float(part['dead_value']):.4g} on a flat piece with "
        f"gradient {float(part['dead_gradient']):.1g}, the lowest of 1000 points around is {float(part['dead_least']):.2g} higher; a linear map has {float(part['dead_lower']):.4g}. (ii) fails for both",
    )
