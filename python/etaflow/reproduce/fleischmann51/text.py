"""The summary for people, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow.reproduce._kit.text import count, partial, table
from etaflow.reproduce.fleischmann51.answers import answer_all
from etaflow.reproduce.fleischmann51.clusters import levels
from etaflow.reproduce.fleischmann51.protocol import FIXED, RANGES, RULES, STEP_SIZES, STOP
from etaflow.reproduce.fleischmann51.verdicts import FALL, KINDS, LARGEST, NEAR, SAME

if TYPE_CHECKING:
    from etaflow.reproduce.fleischmann51.findings import Findings
    from etaflow.reproduce.fleischmann51.training import Trained
    from etaflow.reproduce.fleischmann51.verdicts import Verdicts


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
    parts = ["# Fleischmann (2021), experiment 5.1: local minima and the number of hidden neurons"]
    if not findings.complete:
        done = f"{len(findings.verdicts)} of {len(findings.settings.protocol.networks)} networks are finished"
        parts.append(partial(done, findings.resume_command))
    answers = answer_all(findings)
    if answers:
        parts.append("\n".join(answer.to_markdown() for answer in answers))
        parts += _costs(findings)
        parts += _verdicts(findings)
    if findings.of(1) and findings.of(1)[0][0].width == 1:
        parts += _levels(findings)
    return "\n\n".join([*parts, *_conditions(findings)]) + "\n"


def _costs(findings: Findings) -> list[str]:
    head = ("hidden layers", "width", "d", "runs", "median cost", "quartiles", "lowest", "highest", "median steps")
    rows = [_cost_row(one) for one, _ in findings.judged]
    words = "Quartiles as in figure 5.4. A run ends by the plateau rule long before its last step."
    return ["## Costs where the runs ended", table(head, rows), words]


def _cost_row(one: Trained) -> tuple[str, ...]:
    low, middle, high = np.nanquantile(one.cost, [0.25, 0.5, 0.75])
    return (
        str(one.layers),
        str(one.width),
        count(one.theta.shape[1]),
        str(len(one.cost)),
        f"{middle:.3g}",
        f"{low:.3g} … {high:.3g}",
        f"{np.nanmin(one.cost):.3g}",
        f"{np.nanmax(one.cost):.3g}",
        count(int(np.median(one.steps))),
    )


def _verdicts(findings: Findings) -> list[str]:
    seen = [kind for kind in KINDS if findings.count(kind) or findings.count(kind, later=True)]
    head = ("hidden layers", "width", "‖∇f‖", *(KINDS[kind] for kind in seen))
    rows = [_verdict_row(one, verdict, seen) for one, verdict in findings.judged]
    totals = (f"{findings.count(kind)} → {findings.count(kind, later=True)}" for kind in seen)
    words = (
        "At the ends → after going on. An end is at a local minimum if Newton's method, in θ and the slopes of the leaky ReLUs at their kinks, leads to a point with a "
        f"generalised gradient below 1e-11 within {NEAR:g}·(1 + ‖θ‖) whose f is the same to {SAME:g}, and there every slope lies strictly between the two sides, f bends up at "
        "every kink, and the Hessian is positive definite along the directions that keep the kinks (but for those along which f is constant, as rescaled neurons). "
        "With one hidden layer, where f is convex between kinks, that is not needed unless f falls for ever. "
        f"It was sought for networks of up to {LARGEST} parameters. A ray is a direction in which some observations are fitted ever better, none worse, and no neuron of the "
        "last hidden layer changes sides for any observation (linear programming). Going on, by gradient descent and then by Newton steps along kinks (`glide`), is called a fall "
        f"beyond {FALL:g}; that is evidence and no proof, as a step can leave a basin. ‖∇f‖ is the median; on a kink it is not 0 at a minimum."
    )
    return [
        "## What the ends are",
        table(head, [*rows, ("all", "", "", *totals)]),
        words,
    ]


def _verdict_row(one: Trained, verdict: Verdicts, kinds: list[str]) -> tuple[str, ...]:
    cells = (f"{verdict.count(kind)} → {verdict.count(kind, later=True)}" for kind in kinds)
    return str(one.layers), str(one.width), f"{np.median(verdict.grad_norm):.2g}", *cells


def _levels(findings: Findings) -> list[str]:
    one, verdict = findings.of(1)[0]
    rows = []
    for level in levels(one.cost):
        some = (one.cost >= level.low) & (one.cost <= level.high)
        kinds = [f"{KINDS[kind]}: {number}" for kind in KINDS if (number := int((verdict.kind[some] == kind).sum()))]
        rows.append((f"{level.low:.5f} … {level.high:.5f}", str(level.runs), "; ".join(kinds)))
    return ["## The levels of width 1", table(("cost", "runs", "verdicts"), rows, "lrl")]


def _conditions(findings: Findings) -> list[str]:
    own = findings.settings.protocol
    ranges = ", ".join(f"U(−{a:g}, {a:g})" for a in RANGES.values())
    sizes = ", ".join(f"{size:g}" for size in STEP_SIZES.values())
    rule = RULES[own.rule]
    lines = [
        (
            f"- Data: `make_circles(100, noise=0.35, factor=0.0, random_state={findings.settings.seed})`; the thesis states no seed. Leaky ReLU with slope 0.1, a "
            "logistic output unit, the log loss."
        ),
        (
            f"- {own.runs} starts of each network with one hidden layer, {own.deep_runs} of each deeper one; {count(own.total)} runs. Every parameter is uniform: "
            f"{ranges} for one, two and three hidden layers, with the step sizes {sizes}: in the author's program, not in the text."
        ),
        (
            f"- At most {count(own.steps)} steps; after {count(FIXED)} the step size is halved after {rule.patience} steps that have not lowered f by {rule.min_delta:g}, and "
            f"then rests for {rule.cooldown} ({'the program' if own.rule == 'code' else 'the text'}; the text says “after 50 steps without descent”). A run is stopped "
            f"after {count(STOP.patience)} steps that have not lowered f by {STOP.min_delta:g}, also before the first halving."
        ),
        (
            f"- Going on: {count(own.further)} steps of length 1/λ, λ the largest eigenvalue of the Hessian at the end, at most the first step size; halved whenever f has not "
            "fallen for 50 steps."
        ),
        "- The table published with the thesis has 1041 rows, as one of (3 layers, width 1) is there twice.",
    ]
    return ["## Conditions", "\n".join(lines)]
