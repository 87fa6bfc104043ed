"""The summary for people, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etaflow.reproduce._kit.text import count, partial, table
from etaflow.reproduce.kawaguchi.problem import WORDS
from etaflow.reproduce.kawaguchi.row import ANSWERED, FAILS, HOLDS
from etaflow.reproduce.kawaguchi.rows import table_of_claims

if TYPE_CHECKING:
    from etaflow.reproduce.kawaguchi.findings import Findings
    from etaflow.reproduce.kawaguchi.row import Row

_NOTES = """\
Σ = YXᵀ(XXᵀ)⁻¹XYᵀ with eigenvalues λ_1 > … > λ_m, m = d_y; p is the smallest hidden width; losses are sums over the observations. A claim \
that holds here is one that no check contradicts; (i) and the assumptions are decided in exact arithmetic, a `proved` minimum by interval arithmetic."""

_LEFT_OUT = """\
Not checked here: Cybenko's theorem and the pictures of architectures; backpropagation and SGD; and whether the paths of a ReLU network are on or off \
independently, for which there is `etaflow.relu_paths`."""


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
    rows = table_of_claims(findings)
    parts = ["# Deep learning without poor local minima (Kawaguchi 2016): the slides' claims"]
    if not findings.complete:
        parts.append(
            partial(f"{len(findings.parts)} of {findings.planned} parts are finished", findings.resume_command)
        )
    parts.append(f"**{verdict(rows)}**")
    head = ("claim", "where", "checked how", "result", "numbers")
    lines = [(one.claim, one.where, one.how, f"**{one.result}**", one.numbers) for one in rows]
    parts += ["## The claims", table(head, lines, align="lllll"), _NOTES]
    if any(True for _ in findings.networks()):
        parts += ["## Kawaguchi's theorem, network by network", _networks(findings)]
    if any(True for _ in findings.flows()):
        parts += ["## From saddle to saddle", _flows(findings)]
    return "\n\n".join([*parts, "## Conditions", _conditions(findings)]) + "\n"


def verdict(rows: tuple[Row, ...]) -> str:
    """Return what became of all claims, in one sentence.

    Parameters
    ----------
    rows : tuple of Row
        The table.

    Returns
    -------
    str
        With the claims that fail.
    """
    held = sum(one.result == HOLDS for one in rows)
    failing = [one for one in rows if one.result == FAILS]
    claims = held + len(failing)
    answered = sum(one.result == ANSWERED for one in rows)
    words = f"{held} of {claims} claims hold"
    if failing:
        words += "; this fails: " + "; ".join(f"“{one.claim}” ({one.where})" for one in failing)
    questions = "question is" if answered == 1 else "questions are"
    return f"{words}. {answered} {questions} answered." if answered else f"{words}."


def _networks(findings: Findings) -> str:
    names = ("(i)", "(ii)", "(iii)", "(iv)", "companion of (iv)", "closed forms")
    rows = []
    for data, hidden, part in findings.networks():
        found = dict(zip(part["claim"], part["holds"], strict=True))
        kinds = [int((part["kind"] == kind).sum()) for kind in ("strict saddle", "degenerate saddle")]
        rows.append((
            data,
            "-".join(map(str, hidden)),
            *("holds" if found[name] else "**fails**" for name in names),
            *kinds,
        ))
    return table(("data", "hidden", *names, "strict saddles", "degenerate saddles"), rows, align="llllllllrr")


def _flows(findings: Findings) -> str:
    rows = []
    for hidden, part in findings.flows():
        columns = zip(
            *(part[f"plateau_{name}"] for name in ("gamma", "time", "loss", "level", "distance")), strict=True
        )
        for gamma, time, loss, level, distance in columns:
            widths = "-".join(map(str, hidden))
            rows.append((widths, gamma, f"{time:.4g}", f"{loss:.6g}", f"{level:.6g}", f"{distance:.1g}"))
    head = ("hidden", "Γ", "slowest at t", "loss there", "tr(YYᵀ) − Σλ", "distance of the map")
    return table(head, rows, align="llrrrr")


def _conditions(findings: Findings) -> str:
    own = findings.settings.protocol
    lines = [
        *(f"Data `{name}`: {words}." for name, words in WORDS.items()),
        f"{own.starts} starts of training, and as many of the search for stationary points, per network; seed {findings.settings.seed}.",
        (
            f"Sweep: d_0 = 5, d_1 = 4, inputs {{−1, 1}}⁵ with Gaussian noise of 0.5, labels ±1 by chance, {count(own.trials)} trials per size with data of "
            f"their own, {count(own.iterations)} steps of Adam and then Levenberg–Marquardt; slope 0.1."
        ),
        _LEFT_OUT,
    ]
    return "\n".join(f"- {line}" for line in lines)
