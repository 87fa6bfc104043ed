"""The summary for people, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow.reproduce._kit.text import count, interval, partial, percent, table
from etaflow.reproduce.finnoff6.answers import answer_all, claim
from etaflow.reproduce.finnoff6.comparison import RESAMPLES, SEED
from etaflow.reproduce.finnoff6.protocol import EXPERIMENTS
from etaflow.reproduce.finnoff6.verdicts import KINDS, MAX_ITERATIONS, STUCK

if TYPE_CHECKING:
    from etaflow.reproduce.finnoff6.comparison import Comparison
    from etaflow.reproduce.finnoff6.findings import Findings
    from etaflow.reproduce.finnoff6.races import Race
    from etaflow.reproduce.finnoff6.verdicts import Verdicts

_HEADINGS = {
    "passes": "After equally many passes over the data (the paper's comparison)",
    "best": "After equally many passes, batch training with its best step size",
    "time": "At equal time t = kη, that is after equally many steps",
    "cooled": "At twice that time, SGD's noise switched off half way",
}

_INTERVALS = """\
P is the probability, over starts and the order of the observations, that SGD ends lower, with its Clopper–Pearson interval (95 %). The ratio is
the median of batch training's error divided by SGD's from the same start, with a percentile-bootstrap interval (95 %, {resamples} resamples,
seed {seed}). The data of each model are drawn once: the intervals do not speak of other data; a row of the variations does."""

_OPEN = """\
The paper leaves T, η, the number of passes, the noise, α, σ and the starts open; the generators of the data are those of
`etaflow.datasets.finnoff_problem`, with the minus sign that the paper's radial basis functions lack."""

_TANH = """\
The paper's network has a tanh output, which cannot reach targets beyond ±1 ({beyond}). The default is an identity output; a
variation has tanh."""

_SUM = """\
With the *sum* of the gradients over the data instead of their mean, one step of batch training would have the length Tη = {length:g}. At
the starts it must be below 2/λ_max, about {limit:.2g} here: {verdict}."""


def to_markdown(findings: Findings) -> str:
    """Return the summary as a text.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    str
        What ``summary.md`` holds.
    """
    parts = ["# Finnoff (1992), section 6: does SGD resist local minima that batch training gets stuck in?"]
    if not findings.complete:
        done = f"{len(findings.verdicts)} of {len(EXPERIMENTS)} models and {len(findings.rows)} variations are finished"
        parts.append(partial(done, findings.resume_command))
    if findings.races:
        parts += [*_answers(findings), *_errors(findings), *_comparisons(findings)]
    if findings.stuck:
        parts += _verdicts(findings)
    if findings.rows:
        parts += _variations(findings)
    if findings.races:
        parts += _conditions(findings)
    return "\n\n".join(parts) + "\n"


def _answers(findings: Findings) -> list[str]:
    answers = answer_all(findings)
    lines = [one.to_markdown() for one in answers]
    head = [f"**{claim(answers)}**"] if findings.stuck else []
    return [*head, "\n".join(lines)]


def _errors(findings: Findings) -> list[str]:
    head = ("model", "SGD", "batch", "its best η", "equal time", "linear", "noise")
    rows = [_error_row(race) for race in findings.races]
    words = (
        "Medians over the starts, as parts of the variance of the targets: 1 is the best constant. Batch training is after equally many passes, "
        "with its best η after as many, and at equal time. Compare the batch runs after "
        "equally many passes with the best *linear* function of the inputs: the plateaus in the curves are where the network does "
        "not use its nonlinearity yet."
    )
    lost = findings.base.diverged
    lines = [f"Runs that diverged: {lost}; a run that diverged counts as higher."] if lost else []
    return ["## Training errors at the end", table(head, rows), words, *lines]


def _error_row(race: Race) -> tuple[str, ...]:
    medians = [
        f"{np.median(errors) / race.problem.variance:.3g}" for errors in (race.sgd, race.passes, race.best, race.time)
    ]
    medians[2] += f" ({race.multiple} × η)"
    return race.name, *medians, f"{race.problem.linear:.3g}", f"{race.problem.noise:.2g}"


def _comparisons(findings: Findings) -> list[str]:
    parts = ["## Who ends lower"]
    names = [race.name for race in findings.races]
    for clock, heading in _HEADINGS.items():
        rows = [(name, *_cells(findings.comparison(clock, name))) for name in names]
        rows.append(("all", *_cells(findings.comparison(clock))))
        parts += [f"### {heading}", table(("model", "SGD lower", "P", "batch / SGD"), rows)]
    return [*parts, _INTERVALS.format(resamples=count(RESAMPLES), seed=SEED).replace("\n", " ")]


def _cells(comparison: Comparison) -> tuple[str, str, str]:
    return (
        f"{comparison.lower} of {comparison.total}",
        interval(comparison.low, comparison.high, ".3f"),
        f"{comparison.ratio:.3g} ({interval(comparison.ratio_low, comparison.ratio_high)})",
    )


def _verdicts(findings: Findings) -> list[str]:
    found = [kind for kind in KINDS if findings.count(kind)]
    stuck = [one for one in findings.verdicts if one.stuck.any()]
    rows = [_verdict_row(one) for one in stuck]
    kinds = (
        f"- {KINDS[kind]}: " + ", ".join(f"{one.count(kind)} of {one.name}" for one in stuck if one.count(kind))
        for kind in found
    )
    words = (
        f"Stuck are batch runs whose error is more than {STUCK:g} times SGD's after equally many passes. `point_test` calls a point "
        "stationary only if Newton's step to a zero of the gradient is shorter than 1e-6 (1 + ‖θ‖) or changes f by no more than "
        "rounding. A run that is not at a stationary point is continued to SGD's time and to twice that time; if it is still above "
        f"SGD's error, `polish` goes on from there with at most {MAX_ITERATIONS} trust-region steps. ‖∇f‖ and λ_min, the smallest eigenvalue "
        "of ∇²f, are medians."
    )
    head = ("model", "stuck", "negative eigenvalue", "‖∇f‖", "λ_min")
    return ["## What the stuck batch runs are", table(head, rows), "\n".join(kinds), words]


def _verdict_row(one: Verdicts) -> tuple[str, ...]:
    stuck = one.stuck
    norm, lowest = np.median(one.grad_norm[stuck]), np.median(one.eigenvalue_min[stuck])
    concave = f"{(one.concave & stuck).sum()}"
    return (
        one.name,
        f"{stuck.sum()}",
        concave,
        f"{norm:.2g}",
        f"{lowest:.2g}",
    )


def _variations(findings: Findings) -> list[str]:
    parts = ["## If what the paper leaves open were chosen otherwise"]
    for clock, heading in (("passes", "After equally many passes"), ("time", "At equal time")):
        rows = [_variation_row(row.words, getattr(row, clock)) for row in (findings.base, *findings.rows)]
        parts += [f"### {heading}", table(("changed", "starts", "P", "ratio"), rows)]
    lost = sum(row.diverged for row in findings.rows)
    words = f"Runs that diverged in the variations: {lost}; a run that diverged counts as higher." if lost else ""
    return [*parts, *([words] if words else [])]


def _variation_row(words: str, one: Comparison) -> tuple[str, ...]:
    return words, str(one.total), f"{percent(one.share)} ({interval(one.low, one.high, '.2f')})", f"{one.ratio:.3g}"


def _conditions(findings: Findings) -> list[str]:
    own, conditions = findings.settings.protocol, findings.settings.protocol.conditions
    start = "Glorot's uniform weights, zero biases"
    if conditions.start_width is not None:
        start = f"every parameter uniform on ±{conditions.start_width:g}"
    lines = [
        f"- Network: 10-10-1, tanh, {conditions.output} output, d = 121; f is the mean squared error; {start}.",
        (
            f"- T = {count(conditions.samples)} observations, η = {conditions.step_size:g}, {conditions.epochs} passes, noise of "
            f"{conditions.noise:g} times the targets' standard deviation, σ = {conditions.sigma:g}."
        ),
        (
            f"- {count(own.starts)} starts per model, the first {own.variation_starts} of them under every variation; seed "
            f"{findings.settings.seed}."
        ),
        f"- {_OPEN}",
    ]
    beyond = ", ".join(f"{percent(race.problem.beyond)} of {race.name}" for race in findings.races)
    lines += [f"- {_TANH.format(beyond=beyond)}", f"- {_sum(findings)}"]
    return ["## Conditions", "\n".join(line.replace("\n", " ") for line in lines)]


def _sum(findings: Findings) -> str:
    conditions = findings.settings.protocol.conditions
    length = conditions.samples * conditions.step_size
    limit = min(2 / race.curvature for race in findings.races)
    verdict = (
        "such steps do not descend" if length > limit else "such steps descend, and are the comparison at equal time"
    )
    return _SUM.format(length=length, limit=limit, verdict=verdict)
