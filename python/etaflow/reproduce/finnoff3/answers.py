"""What the theorem says, taken apart into questions, each answered in a word and a sentence with numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from etaflow.reproduce._kit.answers import NO, YES, Answer
from etaflow.reproduce._kit.text import interval, percent
from etaflow.reproduce.finnoff3.batch import PART, QUANTITIES
from etaflow.reproduce.finnoff3.others import LIMIT

if TYPE_CHECKING:
    from etaflow.reproduce.finnoff3.findings import Findings
    from etaflow.reproduce.finnoff3.measured import Growth, Measured
    from etaflow.reproduce.finnoff3.others import Others
    from etaflow.theory.rates import PowerLaw
    from etaflow.theory.small_steps.comparison_result import Comparison

NEAR = 0.1
"""A power this near to 1 is called 1."""

SMALL = 0.2
"""A bound of the tail below which it is told how large the tail is."""

_CONSTANT = f"Does E sup²/η on 1-2-1 move by less than {percent(LIMIT)} between the largest and the smallest step size?"


def answer_all(findings: Findings) -> tuple[Answer, ...]:
    """Answer the questions that there are numbers for.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    tuple of Answer
        In the order of the theorem.
    """
    measured = findings.measured
    answers = [_rate(measured), _tail(measured)] if measured else []
    if "saddle" in measured:
        answers.append(_growth(measured))
    if measured:
        answers.append(_split(measured))
    if "1-2-1" in measured:
        answers.append(_constant(measured["1-2-1"], findings.others))
    if findings.batch is not None:
        answers.append(_batch(findings.batch.comparisons))
    return tuple(answers)


def in_words(law: PowerLaw | None) -> str:
    """Return a power with its interval.

    Returns
    -------
    str
        For people.
    """
    return "unknown" if law is None else f"{law.slope:.3f} [{interval(law.low, law.high, '.3f')}]"


def rate_in_words(growth: Growth) -> str:
    """Return a rate of growth with its interval.

    Returns
    -------
    str
        For people.
    """
    return f"{growth.rate:.2f} [{interval(growth.low, growth.high, '.2f')}]"


def _is_one(law: PowerLaw | None) -> bool:
    return law is not None and 1 - NEAR <= law.low <= law.high <= 1 + NEAR


def _listed(measured: dict[str, Measured], name: str) -> str:
    return ", ".join(f"{in_words(getattr(one, name))} on {problem}" for problem, one in measured.items())


def _rate(measured: dict[str, Measured]) -> Answer:
    laws = [one.local_power for one in measured.values()]
    return Answer(
        "Is E sup² of order η (Theorem 3.2 i)?",
        YES if all(_is_one(law) for law in laws) else "not at these step sizes",
        (
            f"The theorem's power of η is 1. Over the three smallest step sizes the fitted powers are {_listed(measured, 'local_power')}; “yes” "
            f"if these intervals lie between {1 - NEAR:g} and {1 + NEAR:g}. Over all step sizes they are {_listed(measured, 'power')}. Why they are not "
            "exactly 1: see the limit law in the summary."
        ),
    )


def _tail(measured: dict[str, Measured]) -> Answer:
    pairs = [
        (one.data["exceedance"], one.data["exceedance_low"], one.data["exceedance_bound"]) for one in measured.values()
    ]
    told = sum(int((bound < 1).sum()) for _, _, bound in pairs)
    broken = sum(int((low > bound).sum()) for _, low, bound in pairs)
    small = max(float(part.where(bound < SMALL, 0).max()) for part, _, bound in pairs)
    return Answer(
        "Is P(sup > δ) ≤ B·η/δ² (Theorem 3.2 ii), with one measured B for all η?",
        YES if broken == 0 else NO,
        (
            f"P exceeds the bound for {broken} of {told} pairs of η and δ whose bound is below 1; by Markov's inequality it can for none, where B is "
            f"measured on the same runs. The bound gives much away: where it is below {percent(SMALL)}, P is at most {percent(small, 1)}."
        ),
    )


def _growth(measured: dict[str, Measured]) -> Answer:
    saddle = measured["saddle"]
    steep = max(saddle.growths[1:], key=lambda growth: growth.low)  # before that the noise has only begun to add up
    rate = 2 * saddle.problem.instability
    last = ", ".join(f"{rate_in_words(one.growths[-1])} on {name}" for name, one in measured.items())
    settles = all(one.growths[-1].high < steep.low / 2 for one in measured.values())
    return Answer(
        "May B_r grow exponentially with r, as the paper remarks?",
        ("yes, as long as the flow is unstable" if settles else YES) if steep.low > rate / 2 else "not seen",
        (
            f"Near the saddle log B_r grows by {rate_in_words(steep)} per unit of time between r = {steep.begin:g} and {steep.end:g}, where "
            f"deviations grow like exp({rate / 2:.2g}·r) and their squares with twice that rate. In the last fifth of the time, when "
            f"the flow is near a minimum, it grows by {last}."
        ),
    )


def _split(measured: dict[str, Measured]) -> Answer:
    good = all(_is_one(one.euler_power) and _is_one(one.sampling_power) for one in measured.values())
    euler = ", ".join(f"{one.euler_power.slope:.2f}" for one in measured.values() if one.euler_power is not None)
    shares = ", ".join(
        f"{percent(one.euler_share[0], 1)} and {percent(one.euler_share[-1], 1)} on {name}"
        for name, one in measured.items()
    )
    return Answer(
        "Is Euler's error (gradient descent − flow) O(η), and the sampling error (SGD − gradient descent) O(√η)?",
        YES if good else "not quite at these step sizes",
        (
            f"The powers of Euler's error are {euler}; those of E sup² of the sampling error {_listed(measured, 'sampling_power')}. Euler's error is "
            f"the smaller one: at the largest and the smallest step size {shares} of the sampling error's root mean square."
        ),
    )


def _constant(one: Measured, others: Others | None) -> Answer:
    sizes, (value, low, high) = one.problem.step_sizes, one.moved
    sentence = (
        f"From η = {sizes[-1]:g} to η = {sizes[0]:g} it moves by {100 * value:+.1f} [{interval(100 * low, 100 * high, '+.1f')}] %; over all step "
        f"sizes it lies between {one.constants.min():.3g} and {one.constants.max():.3g}."
    )
    word = (
        YES if max(-low, high) < LIMIT else NO if min(abs(low), abs(high)) > LIMIT and low * high > 0 else "undecided"
    )
    if others is None:
        return Answer(_CONSTANT, word, sentence)
    moved, total = others.moved, len(others.moved)
    word += "" if others.steady == total else ", but not for all other data and starts" if word == YES else ""
    sentence += (
        f" With other data and starts it moves by less in {others.steady} of {total} cases ({percent(float(np.median(np.abs(moved))))} in the "
        f"median, {percent(float(np.abs(moved).max()))} at most), and is smaller at the large η in {int((moved < 0).sum())}: a supremum "
        "over few steps misses a part of a rough path, see the limit law."
    )
    return Answer(_CONSTANT, word, sentence)


def _batch(comparisons: dict[str, Comparison]) -> Answer:
    words = [
        f"the {name} by less than {percent(PART)} of {QUANTITIES[name]}{_below(one)}"
        for name, one in comparisons.items()
    ]
    same = all(math.isfinite(one.threshold) for one in comparisons.values())
    powers = " and ".join(in_words(one.power) for one in comparisons.values())
    return Answer(
        "Is SGD with a tiny step size the same as batch training (section 5)?",
        YES if same else "not at these step sizes",
        f"On 1-2-1 their ends differ in {', and in '.join(words)}. The differences vanish with the powers {powers} of η.",
    )


def _below(one: Comparison) -> str:
    if math.isnan(one.threshold):
        return " at none of the step sizes"
    return f" for η ≤ {one.threshold:g} (the fitted power law: for η ≤ {one.fitted_threshold:.2g})"
