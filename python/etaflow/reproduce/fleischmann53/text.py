"""The summary for people, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow.reproduce._kit.answers import Answer
from etaflow.reproduce._kit.text import count, partial, table
from etaflow.reproduce.fleischmann53.problem import DEFAULT_SIDE
from etaflow.reproduce.fleischmann53.verdict import PUBLISHED, SYMBOLS, explain, judge

if TYPE_CHECKING:
    from etaflow.reproduce.fleischmann53.report import Findings
    from etaflow.reproduce.fleischmann53.start import Start
    from etaflow.reproduce.fleischmann53.sweeps import Setting, Sweep

_FROM = {
    "code": "of the author's code, which the published figures were made with; the thesis's text has ten times as much",
    "text": "of the thesis's text; the author's code, and with it the published figures, has a tenth of them",
    "own": "of your own",
}

_SLOPES = """\
- Slopes are of log(mean) against log(α) or log(1/|B|) by least squares; the intervals are percentile bootstraps over the runs
  within each setting ({resamples} resamples, seed {seed})."""

_START = """\
- Start θ₁: {steps} steps of gradient descent with step size {step_size:g} from {scheme} weights and zero biases (the thesis gives
  neither; these are Keras' defaults)."""

_FOUND = """\
- There f = {loss:.4g}, ‖∇f‖² = {grad_norm2:.3g}, {percent:.4g} % of the images are on the right side; tr R = {noise:.3g}, the largest
  eigenvalue of ∇²f is {curvature:.3g}."""

_MEAN = """\
- ‖∇f‖² is of the gradient over the whole training set, averaged over the iterates θ₁ … θ_K before each step, as in eq. (5.3)."""

_AFTER = """\
  The author's code averages over θ₂ … θ_{{K+1}} instead, which changes the mean of no setting by more than {percent:.1g} %."""

_COLUMNS = """\
- *From the noise at θ₁*: α·tr(∇²f·R)/(2|B|), with the Hessian ∇²f and the covariance R of one observation's gradient at θ₁. This is
  what SGD keeps up around a minimum if α is small; nothing is fitted.
- *2f(θ₁)/(Kα)*: the most that the second term of the bound of Theorem 4.8, 2(f(θ₁) − f_inf)/(Kα), can be. It stands for the way
  down from the start; where it is not small against the mean, K may be too few steps, and the slope biased."""

_MNIST = """\
- The thesis used MNIST (n = 12 049, 14 × 14 pixels): `--data DIR` with its IDX files."""

_AVERAGED = """\
  Of the digits bundled with scikit-learn there are only 364, which the network fits exactly with all 8 × 8 pixels (`--size 8`), and
  then nothing grows with α. So they are averaged until, like MNIST, they are not fitted exactly."""

_FITTED = """\
  With the bundled digits, `--size {side}` gives a training set that the network cannot fit exactly."""


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
    parts = [
        "# Experiment 5.3 of Fleischmann (2021): the mean squared gradient norm along SGD",
        *_partial(findings),
    ]
    if findings.start is not None:
        parts += [*_answers(findings), *_problem(findings)]
        for sweep in findings.sweeps:
            if sweep.settings:
                parts += _table(findings, findings.start, sweep)
        parts += _remarks(findings)
    return "\n\n".join(parts) + "\n"


def _partial(findings: Findings) -> list[str]:
    if findings.complete:
        return []
    planned = findings.settings.protocol.total_runs
    return [partial(f"{findings.ended} of {planned} runs have ended", findings.resume_command)]


def _answers(findings: Findings) -> list[str]:
    lines = []
    for sweep, law in zip(findings.sweeps, findings.laws, strict=True):
        answer, sentence = judge(law, sweep.name)
        line = (
            "" if law is None else f" No mean is further than {100 * sweep.deviation(law):.2g} % from the fitted line."
        )
        published = f"The thesis's figure, on MNIST, has the slope {PUBLISHED[sweep.name]}."
        question = f"Is the mean of ‖∇f‖² proportional to {SYMBOLS[sweep.name]}?"
        lines.append(Answer(question, answer, f"{sentence}{line} {published}").to_markdown())
    return ["\n".join(lines)]


def _problem(findings: Findings) -> list[str]:
    objective, own, start = findings.problem.objective, findings.settings.protocol, findings.start
    widths = "-".join(map(str, objective.net.widths))
    lines = [
        f"- Data: {findings.problem.words}; n = {objective.n}.",
        f"- Network: {widths}, ReLU, logistic output, d = {objective.num_params}; f is the mean log loss, in {objective.dtype}.",
        _START.format(steps=count(own.start_steps), step_size=own.start_step_size, scheme=own.start_scheme),
    ]
    if start is not None:
        lines.append(_FOUND.format(percent=100 * start.accuracy, **start.__dict__))
    steps = f"{own.runs} runs of K = {count(own.steps)} steps per setting"
    lines += [
        f"- {steps}, mini-batches drawn with replacement, seed {findings.settings.seed}.",
        f"- The step sizes are those {_FROM[findings.settings.step_sizes]}.",
    ]
    return ["## Problem", "\n".join(lines)]


def _table(findings: Findings, start: Start, sweep: Sweep) -> list[str]:
    if sweep.name == "step size":
        title, place = "## Step sizes, with mini-batches of 1", "α"
    else:
        step_size = findings.settings.protocol.fixed_step_size
        title, place = f"## Mini-batch sizes, with α = {step_size:g}", "size"
    head = (place, "runs", "‖∇f‖² ± standard error", "from the noise at θ₁", "2f(θ₁)/(Kα)")
    rows = [_row(findings, start, one, sweep.name) for one in sweep.settings]
    return [title, table(head, rows, "rrrrr"), explain(start, sweep)]


def _row(findings: Findings, start: Start, one: Setting, name: str) -> tuple[str, ...]:
    place = f"{one.step_size:g}" if name == "step size" else f"{one.batch_size}"
    runs = f"{one.finished.size}" + (f" ({one.diverged} diverged)" if one.diverged else "")
    mean = f"{one.mean:.4g} ± {one.standard_error:.2g}"
    expected = f"{start.expected(one.step_size, one.batch_size):.3g}"
    return place, runs, mean, expected, f"{findings.second_term(one.step_size):.2g}"


def _remarks(findings: Findings) -> list[str]:
    lines = [_MEAN, *_after(findings), _COLUMNS]
    law = next((law for law in findings.laws if law is not None), None)
    if law is not None:
        lines.append(_SLOPES.format(resamples=law.resamples, seed=law.seed))
    lost = sum(sweep.diverged for sweep in findings.sweeps)
    if lost:
        lines.append(f"- Runs that diverged: {lost}. They are in no mean, and the slopes are of the others.")
    if findings.problem.source == "digits":
        fitted = findings.problem.side > DEFAULT_SIDE["digits"]
        lines += [_MNIST, _FITTED.format(side=DEFAULT_SIDE["digits"]) if fitted else _AVERAGED]
    return ["## Remarks", "\n".join(lines)]


def _after(findings: Findings) -> list[str]:
    settings = [one for sweep in findings.sweeps for one in sweep.settings if one.finished.size]
    if not settings:
        return []
    largest = max(abs(float(np.nanmean(one.after)) / one.mean - 1) for one in settings)
    return [_AFTER.format(percent=100 * largest)]
