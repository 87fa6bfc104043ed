"""The summary for people, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etaflow.reproduce._kit.text import count, partial, table
from etaflow.reproduce.sontag_figures.claims import FAILS, HOLDS
from etaflow.reproduce.sontag_figures.findings import PLANNED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etaflow.reproduce.sontag_figures.claims import Claim
    from etaflow.reproduce.sontag_figures.findings import Findings

_PROOF = """\
“Proved” minima: every zero of E' is enclosed by interval arithmetic and shown to be the only one near; the signs of E' at ±∞ are decided in exact \
arithmetic."""

_OPEN = """\
The paper gives neither the numbers a of figures 1 to 4 nor network, start and step size of figure 5: they are ours. Its figures have lost their axes \
in the copy that this follows."""


def to_markdown(findings: Findings, claims: Sequence[Claim]) -> str:
    """Return the summary as a text.

    Parameters
    ----------
    findings : Findings
        What was found.
    claims : sequence of Claim
        The paper's sentences.

    Returns
    -------
    str
        What ``summary.md`` holds.
    """
    parts = ["# Some remarks on the backpropagation algorithm (Sontag 1988): the figures"]
    if not findings.complete:
        done = sum(name in findings.parts for name in PLANNED)
        parts.append(partial(f"{done} of {len(PLANNED)} parts are finished", findings.resume_command))
    parts.append(f"**{verdict(claims)}**")
    lines = [(one.claim, one.where, one.how, f"**{one.result}**", one.numbers) for one in claims]
    parts += [
        "## What the paper says",
        table(("claim", "section", "checked how", "result", "numbers"), lines, align="lllll"),
        _PROOF,
    ]
    parts += ["## The minima of figures 1 to 4", _minima(findings)]
    if "counts" in findings.parts:
        parts += ["## How many minima there can be", _counts(findings)]
    return "\n\n".join([*parts, "## Conditions", _conditions(findings)]) + "\n"


def verdict(claims: Sequence[Claim]) -> str:
    """Return what became of all claims, in one sentence.

    Parameters
    ----------
    claims : sequence of Claim
        The paper's sentences.

    Returns
    -------
    str
        With those that fail.

    Examples
    --------
    >>> from etaflow.reproduce.sontag_figures.claims import Claim
    >>> verdict([Claim("a", "1", "", "holds", ""), Claim("b", "2", "", "fails", "")])
    '1 of 2 claims hold; these do not: “b” (section 2).'
    """
    failing = [f"“{one.claim}” (section {one.where})" for one in claims if one.result == FAILS]
    held = sum(one.result == HOLDS for one in claims)
    return f"{held} of {held + len(failing)} claims hold" + (
        f"; these do not: {'; '.join(failing)}." if failing else "."
    )


def _minima(findings: Findings) -> str:
    rows = []
    for one in (findings.case2, findings.case3):
        for point in one.found.points:
            way = "+∞" if point.image[0] > 0 else "−∞"
            place = way if point.at_infinity else f"{point.x[0]:.12g}"
            image = ", ".join(f"{value:.6g}" for value in point.image)
            rows.append((
                one.number,
                f"{one.a:g}",
                place,
                f"{point.value:.12g}",
                f"({image})",
                "yes" if point.certified else "no",
            ))
    return table(("case", "a", "x", "E", "image", "proved"), rows)


def _counts(findings: Findings) -> str:
    part = findings.parts["counts"]
    columns = zip(*(part[name].tolist() for name in ("each", "weights", "count", "complete")), strict=True)
    rows = [
        (each, weights, each * weights, count(number), "yes" if complete else "no")
        for each, weights, number, complete in columns
    ]
    return table(("k", "weights m", "observations", "local minima", "proved to be all"), rows)


def _conditions(findings: Findings) -> str:
    own = findings.settings.protocol
    lines = [
        f"Figures 1 and 3: a = {own.case2:g}; figures 2 and 4: a = {own.case3:g}; θ = tanh.",
        (
            f"Figure 5: XOR with inputs and targets ±1, a network 2-{own.hidden}-1 of tanh units with biases, E the sum of the four squared errors; "
            f"gradient descent with η = {own.step_size:g} for {count(own.steps)} steps from {own.starts} starts, uniform in (−1, 1), seed {findings.settings.seed}."
        ),
        "A plateau: the statistic goes like t^λ with |λ| < 0.1, at 95 %, over the last factor 30 of time.",
        _OPEN,
    ]
    return "\n".join(f"- {line}" for line in lines)
