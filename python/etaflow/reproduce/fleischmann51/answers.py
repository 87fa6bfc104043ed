"""What the thesis says about its local minima, taken apart into questions, each answered in a word and a sentence with numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow._intervals import proportion_interval
from etaflow.reproduce._kit.answers import NO, OPEN, YES, Answer
from etaflow.reproduce._kit.text import count, interval, percent
from etaflow.reproduce.fleischmann51.clusters import THESIS, levels
from etaflow.reproduce.fleischmann51.protocol import FIXED
from etaflow.reproduce.fleischmann51.verdicts import MINIMA

if TYPE_CHECKING:
    from etaflow.reproduce.fleischmann51.findings import Findings

ZERO = 1e-6
"""What the thesis's figure 5.4 calls close to zero."""

ENOUGH = 50
"""n/d₀: from so many neurons on, Theorem 3.6 holds for its own networks and loss."""

LEVEL = 0.95
SHARED = 0.9
"""Levels are sharp if at least this part of the runs is not alone on its own."""


def answer_all(findings: Findings) -> tuple[Answer, ...]:
    """Answer the questions that there are runs for.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    tuple of Answer
        In the order of the summary.
    """
    if not findings.of(1):
        return ()
    found = [are_minima(findings), goes_on(findings), falls_with_width(findings)]
    if findings.costs(1, least=ENOUGH).size:
        found.append(near_zero(findings))
    if findings.of(1)[0][0].width == 1:
        found.append(sharp_levels(findings))
    if len(findings.layers) > 1:
        found.append(depth(findings))
    return tuple(found)


def are_minima(findings: Findings) -> Answer:
    """Say how many ends are local minima.

    Returns
    -------
    Answer
        Yes if the interval of the share is above one half, no if that of the others is.
    """
    total, at = findings.total, findings.count(*MINIMA)
    infinite, falling, endless = (findings.count(kind) for kind in ("infinity", "falling", "ray"))
    kinked = findings.count("kink")
    low, high = proportion_interval(at, total, level=LEVEL)
    lower, _ = proportion_interval(infinite + falling + endless, total, level=LEVEL)
    word = YES if low > 0.5 else NO if lower > 0.5 else OPEN
    sentence = (
        f"Of {count(total)} ends, {count(at)} are at a local minimum (share {interval(low, high, '.3f')}, {percent(LEVEL)}), {count(kinked)} of them "
        f"on kinks, where ∇f does not exist. At {count(infinite)} all observations are on their right sides: scaling the last layer lowers f to 0, "
        f"so that they are no minimum, nor is there one near. From {count(endless)} f falls for ever along a ray, as some observations can be fitted ever better and "
        f"none worse (a linear program finds it){_fall_of(findings, 'ray')}. From {count(falling)} more f falls by over 0.001 on the way down. "
        f"{count(findings.count('undecided'))} are undecided."
    )
    return Answer("Are the ends of the runs local minima?", word, sentence)


def _fall_of(findings: Findings, kind: str) -> str:
    parts = [(one.cost - verdict.lowest)[verdict.kind == kind] for one, verdict in findings.judged]
    falls = np.concatenate(parts)
    return f"; going on lowered f by {np.median(falls):.2g} in the median" if falls.size else ""


def goes_on(findings: Findings) -> Answer:
    """Say why runs end where they do.

    Returns
    -------
    Answer
        How often, and by how much, f falls when runs go on that have not separated the classes.
    """
    falls, early = findings.falls, findings.stopped_early
    question = "Do runs that have not separated the classes end because there is no way down?"
    if falls.size == 0:
        return Answer(question, OPEN, "There are none.")
    down = findings.count("falling", "ray")
    low, high = proportion_interval(down, falls.size, level=LEVEL)
    word = NO if low > 0.5 else YES if high < 0.5 else OPEN
    own = findings.settings.protocol
    frozen = (
        " By the program's rule a step size is halved after 40 steps that have not lowered f by 1e-4, and again every 50 steps: it is "
        f"used up soon after step {count(FIXED)}."
    )
    sentence = (
        f"From {count(down)} of {count(falls.size)} such ends there is (share {interval(low, high, '.3f')}, {percent(LEVEL)}): a ray, or a fall by over 0.001 when "
        f"the run goes on. f falls by {np.median(falls):.2g} in the median, and by up to {falls.max():.2g}. {count(early)} of all {count(findings.total)} runs were stopped before step "
        f"{count(FIXED)}, with the first step size.{frozen if own.rule == 'code' else ''}"
    )
    return Answer(question, word, sentence)


def falls_with_width(findings: Findings) -> Answer:
    """Say whether the cost falls with the number of neurons.

    Returns
    -------
    Answer
        By Spearman's rank correlation over the runs.
    """
    from scipy.stats import spearmanr  # noqa: PLC0415 - slow to import

    question = "Does the cost fall with the number of hidden neurons?"
    pairs = [(one.width, cost) for one, _ in findings.of(1) for cost in one.cost if np.isfinite(cost)]
    widths, costs = zip(*pairs, strict=True)
    if len(set(widths)) < 2:
        return Answer(question, OPEN, "Only one width was tried.")
    found = spearmanr(widths, costs)
    word = YES if found.statistic < 0 and found.pvalue < 1e-3 else NO if found.pvalue < 1e-3 else OPEN
    medians = {one.width: float(np.nanmedian(one.cost)) for one, _ in findings.of(1)}
    shown = ", ".join(f"{width}: {cost:.2g}" for width, cost in medians.items())
    chance = f"p = {found.pvalue:.1g}" if found.pvalue > 0 else "p < 1e-300"
    sentence = (
        f"With one hidden layer the rank correlation is {found.statistic:.3f} ({chance}); medians by width {shown}."
    )
    return Answer(question, word, sentence)


def near_zero(findings: Findings) -> Answer:
    """Say whether all costs are near zero from n ≤ d₀d₁ on.

    Returns
    -------
    Answer
        Yes if more than half are below 1e-6, and all below 0.01.
    """
    costs = findings.costs(1, least=ENOUGH)
    small = int((costs < ZERO).sum())
    word = YES if small > costs.size / 2 and costs.max() < 0.01 else NO
    sentence = (
        f"With one hidden layer of {ENOUGH} neurons or more (n ≤ d₀d₁) {count(small)} of {count(costs.size)} runs end below 1e-6, and the highest at "
        f"{costs.max():.2g}. The thesis calls them minima close to global ones; they are points on the way to infinity, where the infimum 0 is."
    )
    return Answer("Are all costs near zero with 50 neurons and more?", word, sentence)


def sharp_levels(findings: Findings) -> Answer:
    """Say on how many levels the costs of width 1 lie.

    Returns
    -------
    Answer
        Beside those of the author's table.
    """
    trained = findings.of(1)[0][0]
    found = levels(trained.cost)
    runs = sum(level.runs for level in found)
    together = sum(level.runs for level in found if level.runs > 1)
    word = YES if together >= SHARED * runs else NO
    largest = sorted(found, key=lambda level: -level.runs)[:4]
    shown = ", ".join(f"{level.low:.4f} × {level.runs}" for level in sorted(largest, key=lambda level: level.low))
    thesis = ", ".join(f"{cost:g} × {number}" for cost, number in THESIS)
    linear = findings.problem.linear
    at = sum(level.runs for level in found if level.low - 1e-3 < linear < level.high + 1e-3)
    sentence = (
        f"{count(runs)} runs end on {len(found)} levels, parted by gaps of over 0.001, {count(together)} of them not alone; the largest are {shown}. At {linear:.4f}, the least cost without "
        f"hidden neurons (logistic regression), lie {at}: their neuron sees all observations on one side of its kink. The author's table has 50 runs on four levels, "
        f"{thesis}. Its data are of a seed that the thesis does not state and that was not found among the random states of `make_circles` from 0 "
        "to 2999, so that only the pattern can be compared."
    )
    return Answer("Do the costs of width 1 lie on sharp levels?", word, sentence)


def depth(findings: Findings) -> Answer:
    """Say whether deeper networks separate the classes with fewer neurons per layer.

    Returns
    -------
    Answer
        By the smallest width of which at least half of the runs do.
    """
    question = "Do deeper networks come near zero with fewer neurons per layer?"
    least = {layers: findings.half_right_at(layers) for layers in findings.layers}
    shown = ", ".join(
        f"{layers} hidden layer{'s' * (layers > 1)}: {'none that was tried' if width is None else width}"
        for layers, width in least.items()
    )
    one = least.pop(1)
    deep = [width for width in least.values() if width is not None]
    word = OPEN if one is None or len(deep) < len(least) else YES if max(deep) < one else NO
    sentence = f"The smallest width of which at least half of the runs have all observations right: {shown}."
    return Answer(question, word, sentence)
