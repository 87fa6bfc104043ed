"""What the theorem says and what the paper leaves open, as questions, each answered in a word and a sentence with numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from etaflow.reproduce._kit.answers import OPEN, YES, Answer
from etaflow.reproduce._kit.text import interval, percent
from etaflow.reproduce.finnoff4.coverage import QUANTITIES
from etaflow.reproduce.finnoff4.problem import CHOSEN
from etaflow.reproduce.finnoff4.protocol import BAND

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow.reproduce.finnoff4.findings import Findings, Measured
    from etaflow.theory.rates import PowerLaw

NEAR = 0.2
"""A power this near to 1/2 is called about 1/2."""

GOOD, FAIR = 0.02, 0.05
"""A share of runs this near to the level is called right, or nearly right."""


def answer_all(findings: Findings) -> tuple[Answer, ...]:
    """Answer all questions from the problems that are finished.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    tuple of Answer
        In the order of the summary; none without a problem.
    """
    found = tuple(findings.measured.values())
    if not found:
        return ()
    return (_covariance(found), _normality(found), _rate(found), _two_times(found), _paths(found), _bands(found))


def in_words(law: PowerLaw | None) -> str:
    """Return a power of η with its interval.

    Returns
    -------
    str
        For people.

    Examples
    --------
    >>> in_words(None)
    'unknown'
    """
    return "unknown" if law is None else f"{law.slope:.2f} [{interval(law.low, law.high, '.2f')}]"


def _falls(*laws: PowerLaw | None) -> str:
    return YES if all(law is not None and law.low > 0 for law in laws) else OPEN


def _listed(found: tuple[Measured, ...], say: Callable[[Measured], str]) -> str:
    return "; ".join(f"{say(one)} on {one.name}" for one in found)


def _fall(one: Measured, name: str) -> str:
    row = one.at_the_end.data[name].values
    return f"from {percent(row[0], 1)} at η = {one.problem.step_sizes[0]:g} to {percent(row[-1], 1)} at {one.problem.step_sizes[-1]:g}"


def _covariance(found: tuple[Measured, ...]) -> Answer:
    def say(one: Measured) -> str:
        floor = float(one.at_the_end.data["covariance_floor"][-1])
        return f"{_fall(one, 'covariance_error')} (by chance alone: {percent(floor, 1)})"

    return Answer(
        "Does the covariance of Θ = (θ^η − θ̄)/√η tend to Σ(t)?",
        _falls(*(one.at_the_end.rates["covariance"] for one in found)),
        f"The relative error of the ensemble's covariance, in the Frobenius norm, falls {_listed(found, say)}.",
    )


def _normality(found: tuple[Measured, ...]) -> Answer:
    def say(one: Measured) -> str:
        data, sizes = one.at_the_end.data, one.problem.step_sizes
        row, floor = data["kolmogorov"].values, float(data["kolmogorov_floor"][-1])
        return f"from {row[0]:.3f} at η = {sizes[0]:g} to {row[-1]:.3f} at {sizes[-1]:g} (by chance alone: {floor:.3f})"

    return Answer(
        "Are projections of Θ on random directions normal in the limit, with the variance that Σ gives?",
        _falls(*(one.at_the_end.rates["kolmogorov"] for one in found)),
        f"The largest distance between the distribution functions, sup|F − Φ|, falls {_listed(found, say)}.",
    )


def _rate(found: tuple[Measured, ...]) -> Answer:
    def power(name: str) -> str:
        return _listed(found, lambda one: in_words(one.at_the_end.rates[name]))

    laws = [one.at_the_end.rates["kolmogorov"] for one in found]
    near = all(law is not None and abs(law.slope - 0.5) <= NEAR for law in laws)
    return Answer(
        "How fast, the question of Berry and Esseen that the paper leaves open?",
        "about like √η" if near else "not settled by these step sizes",
        (
            f"The power of η with which sup|F − Φ| falls is {power('kolmogorov')}. Most of that is the mean of Θ, √η·m to first order: "
            f"beside N(√η·m, Σ) the power is {power('kolmogorov_shifted')}. That of the covariance's error is {power('covariance')}."
        ),
    )


def _two_times(found: tuple[Measured, ...]) -> Answer:
    def say(one: Measured) -> str:
        first, last = one.two_times[0], one.two_times[-2]
        return (
            f"from {percent(first.errors.mean(), 1)} to {percent(last.errors.mean(), 1)} "
            f"(by chance alone: {percent(last.floors.mean(), 1)})"
        )

    return Answer(
        "Is Cov(Θ(t), Θ(s)) that of the diffusion, Φ(t, s)Σ(s)?",
        _falls(*(one.two_times_power for one in found)),
        f"From the largest to the smallest η its relative error, averaged over four times s, falls {_listed(found, say)}.",
    )


def _paths(found: tuple[Measured, ...]) -> Answer:
    def say(one: Measured) -> str:
        first, last = one.suprema[0], one.suprema[-1]
        return f"from {first.distance:.3f} to {last.distance:.3f} (chance exceeds {last.critical:.3f} once in twenty times)"

    falling = all(late.distance < early.distance for one in found for early, late in pairwise(one.suprema))
    return Answer(
        "Does the largest ‖Θ‖ along a path come to have the law of the largest ‖θ̃‖ along simulated paths of the diffusion?",
        YES if falling else OPEN,
        f"From the largest to the smallest η the distance of the two samples' distribution functions falls {_listed(found, say)}.",
    )


def _bands(found: tuple[Measured, ...]) -> Answer:
    def shares(one: Measured, order: int) -> list[float]:
        return [one.coverage.mean(word, order, CHOSEN) for word in QUANTITIES]

    def say(one: Measured) -> str:
        inside: list[Any] = [percent(share, 1) for share in shares(one, 2)]
        words = ", ".join(f"{name} {share}" for name, share in zip(QUANTITIES.values(), inside, strict=True))
        return f"{words} at η = {one.problem.step_sizes[CHOSEN]:g}"

    off = max(abs(share - BAND) for one in found for share in shares(one, 2))
    worst = min(float(one.coverage.extremes["theta"][0, CHOSEN, 0]) for one in found)
    best = min(float(one.coverage.extremes["theta"][1, CHOSEN, 0]) for one in found)
    return Answer(
        f"Are {percent(BAND)} of SGD's runs within the predicted bands of {percent(BAND)}?",
        YES if off <= GOOD else "nearly" if off <= FAIR else "no",
        (
            f"Averaged over times and numbers: {_listed(found, say)}. These bands are moved by the mean of Θ; around the flow itself, as in "
            f"the paper, the rarest weight and time is within in {percent(worst)} of the runs, instead of {percent(best)}."
        ),
    )
