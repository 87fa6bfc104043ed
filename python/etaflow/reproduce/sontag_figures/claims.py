"""The paper's sentences, each judged by what was computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.perceptron import Problem, case, minima, perceptron_rule, separability
from etaflow.problem.datasets import xor
from etaflow.reproduce.sontag_figures.cases import GRID, least_a_above_4, printed_derivative

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etaflow.reproduce.sontag_figures.findings import Findings

HOLDS, FAILS, ANSWERED = "holds", "fails", "answered"
QUARTER = 0.25


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper.

    Attributes
    ----------
    claim : str
        What is said, or asked.
    where : str
        The section.
    how : str
        How it was checked.
    result : {"holds", "fails", "answered"}
        What became of it.
    numbers : str
        What the result rests on.
    """

    claim: str
    where: str
    how: str
    result: str
    numbers: str


def judge_all(findings: Findings) -> tuple[Claim, ...]:
    """Judge every sentence that there are numbers for.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    tuple of Claim
        In the order of the paper.
    """
    return tuple(_all(findings))


def _all(findings: Findings) -> Iterator[Claim]:
    yield _case_1()
    yield _case_2(findings)
    yield _misprint(findings)
    yield _above_4(findings)
    yield _two_minima(findings)
    if "diagram-arctan" in findings.parts:
        yield _every_sigmoid(findings)
    if "counts" in findings.parts:
        yield _how_many(findings)
    yield _lemma(findings)
    if "weights" in findings.parts:
        yield from _log_rule(findings)
    yield _rule()


def _word(holds: bool) -> str:
    return HOLDS if holds else FAILS


def _case_1() -> Claim:
    found = minima(case(1, 2.0))
    holds = found.complete and found.count == 1 and found.best.image.tolist() == [0.0, 1.0] and found.distance == 1
    return Claim(
        "Case 1: the distance is 1, achieved at the unique point (0, 1)",
        "2",
        "all minima, with proof",
        _word(holds),
        f"{found.count} minimum, dist = {found.distance:g}",
    )


def _case_2(findings: Findings) -> Claim:
    one, flat = findings.case2, minima(case(2, 0.0))
    falls = (
        one.found.complete and not one.found.blocks[0].stationary and one.found.distance == 0 and one.found.count == 1
    )
    holds = falls and flat.complete and flat.count == 1 and flat.best.image.tolist() == [1.0, 0.0]
    return Claim(
        "Case 2: the infimum is at infinity and E' < 0 (for a = 0 the minimum is the point (1, 0))",
        "2, figures 1 and 3",
        "no zero of E' anywhere, proved by intervals; its sign at ±∞ in exact arithmetic",
        _word(holds),
        f"a = {one.a:g}: one minimum, at {_point(one.infinite[0].image)}, dist = {one.found.distance:g}",
    )


def _misprint(findings: Findings) -> Claim:
    a = max(findings.case2.a, 1.0)
    values = printed_derivative(a, GRID)
    k = int(np.argmax(values))
    return Claim(
        "Case 2: E' as printed, with (θ(ax) − 1)² in its second term, is negative",
        "2",
        "evaluated; the derivative of E has θ(ax) − 1 there, without the square",
        _word(bool(values[k] <= 0)),
        f"a = {a:g}: the printed expression is {values[k]:.3g} at x = {GRID[k]:.3g}",
    )


def _above_4(findings: Findings) -> Claim:
    one = findings.case3
    value = float(one.problem.error([1.0]))
    return Claim(
        "Case 3: the cost at x = 1 is larger than 4 for large a",
        "2, figure 2",
        "closed form",
        _word(value > 4 or one.a <= least_a_above_4()),
        f"E(1) = {value:.6g} for a = {one.a:g}; for tanh it exceeds 4 from a = {least_a_above_4():.6g} on",
    )


def _two_minima(findings: Findings) -> Claim:
    one = findings.case3
    holds = one.found.complete and len(one.finite) == len(one.infinite) == 1 and not one.found.best.at_infinity
    places = [f"E = {point.value:.6g} at x = {point.x[0]:.6g}" for point in one.finite]
    places += [f"E = {point.value:g} at x = {'+' if point.image[0] > 0 else '−'}∞" for point in one.infinite]
    return Claim(
        "Case 3 with large a: one minimum at finite x, the global one, and one at x = +∞",
        "2, figures 2 and 4",
        "all minima, with proof",
        _word(holds),
        f"a = {one.a:g}: {'; '.join(places)}; maximum at {', '.join(f'{x:.6g}' for x in one.maxima) or 'none'}",
    )


def _every_sigmoid(findings: Findings) -> Claim:
    tanh, arctan = (findings.parts[f"diagram-{theta}"] for theta in ("tanh", "arctan"))
    right, left, fold = tanh["threshold_right"], tanh["threshold_left"], arctan["fold"]
    return Claim(
        "The second minimum is at x = +∞ for every sigmoid",
        "2",
        "exact comparison of the tails; counts proved on both sides of the fold",
        _word(len(arctan["threshold_right"]) > 0),
        f"tanh: at +∞ exactly for a > {right.mean():.9g} and at −∞ for a < {left.mean():.9g}; arctan: never, but a second finite one from "
        f"a = {fold[0]:.9g} … {fold[1]:.9g} on",
    )


def _how_many(findings: Findings) -> Claim:
    part = findings.parts["counts"]
    rows = list(
        zip(
            part["each"].tolist(),
            part["weights"].tolist(),
            part["count"].tolist(),
            part["complete"].tolist(),
            strict=True,
        )
    )
    fine = all(complete and count == each**weights for each, weights, count, complete in rows)
    largest = max(rows, key=lambda row: row[2])
    return Claim(
        "Can the number of local minima be exponential in the number of weights?",
        "4",
        "the construction of Auer, Herbster and Warmuth with targets ±1: k observations for each of m weights; every minimum proved",
        ANSWERED,
        f"{'yes' if fine else 'not shown'}: k^m in {len(rows)} problems, up to {largest[2]} for k = {largest[0]}, m = {largest[1]}",
    )


def _lemma(findings: Findings) -> Claim:
    problem = findings.case2.problem
    verdict = separability(problem)
    nu = verdict.direction
    slopes = np.zeros(1) if nu is None else problem.gradient(GRID[np.abs(GRID) < 15][:, None]) @ nu
    return Claim(
        "Lemma: if the data are separable, ∇E·ν < 0, and the gradient system has no bounded solution",
        "3",
        "ν by linear programming, checked in fractions; the sign evaluated on case 2 for |x| < 15",
        _word(verdict.kind == "strict" and bool((slopes < 0).all())),
        f"case 2 is separable ({verdict.kind}), largest ∇E·ν = {slopes.max():.2g}; case 3 is not: {separability(findings.case3.problem).kind}",
    )


def _log_rule(findings: Findings) -> Iterator[Claim]:
    part, solved = findings.parts["weights"], findings.solved
    slopes, plateaus = part["slope"][solved], part["plateau"][solved]
    own = findings.settings.protocol
    if not solved.any():
        return
    yield Claim(
        "On XOR, t·[w(t+1) − w(t)] becomes constant: weights grow like log t",
        "3, figure 5",
        f"gradient descent from {own.starts} starts, {own.steps} steps; trend of the smallest margin y·z, z the output unit's input",
        _word(bool((plateaus == 1).all())),
        f"{solved.sum()} of {own.starts} runs learn XOR; a plateau within t^±0.1 in {(plateaus == 1).sum()} of them{_stuck(part['loss'][~solved])}",
    )
    gap = np.abs(slopes - QUARTER).max()
    yield Claim(
        "There x(t) = tanh⁻¹ y = log((1 + y)/(1 − y)), so that b = ½ in a + b·log t",
        "3",
        "the heights of the plateaus; tanh⁻¹ y is ½·log((1 + y)/(1 − y)), so that b = ¼ for the input of a tanh unit",
        _word(bool(np.abs(slopes - 0.5).max() < gap)),
        f"b from {slopes.min():.4f} to {slopes.max():.4f}, at most {gap:.4f} from ¼",
    )


def _stuck(losses: np.ndarray) -> str:
    if not len(losses):
        return ""
    low, high = (f"{value:.4g}" for value in (losses.min(), losses.max()))
    return f"; the others end with E = {low}" + (f" to {high}" if high != low else "")


def _rule() -> Claim:
    generator = np.random.default_rng(1988)
    rows = generator.normal(size=(40, 3))
    learned = perceptron_rule(Problem(rows, np.sign(rows @ np.array([1.0, -2.0, 0.5]))))
    x, y = xor()
    never = perceptron_rule(Problem(np.column_stack([x, np.ones(len(x))]), np.ravel(y)), max_mistakes=1000)
    return Claim(
        "Any linearly separable relation is learned in finite time by the classical perceptron procedure",
        "2",
        "the rule on 40 random points in three dimensions; XOR for contrast",
        _word(learned.status == "learned" and learned.mistakes <= learned.bound),
        f"{learned.mistakes} mistakes, Novikoff's bound {learned.bound:.4g}; on XOR it is {never.status} after {never.mistakes}",
    )


def _point(image: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:g}" for value in image) + ")"
