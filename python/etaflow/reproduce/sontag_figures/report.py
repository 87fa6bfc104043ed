"""The summary for machines, and the tables."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from etaflow.reproduce._kit.result import versions
from etaflow.reproduce._kit.text import known, to_csv
from etaflow.reproduce.sontag_figures.parts import SIGMOIDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etaflow.reproduce.sontag_figures.cases import Case
    from etaflow.reproduce.sontag_figures.claims import Claim
    from etaflow.reproduce.sontag_figures.findings import Findings

DIAGRAM_COLUMNS = ("theta", "a", "kind", "x", "value", "proved")
WEIGHT_COLUMNS = (
    "start",
    "seed",
    "loss",
    "learnt",
    "smallest_margin",
    "slope",
    "slope_low",
    "slope_high",
    "trend",
    "plateau",
)


def claims_csv(claims: Sequence[Claim]) -> str:
    """Return the paper's sentences and what became of them.

    Returns
    -------
    str
        One line per claim.
    """
    rows = ((one.claim, one.where, one.how, one.result, one.numbers) for one in claims)
    return to_csv(("claim", "where", "checked_how", "result", "numbers"), rows)


def diagram_csv(findings: Findings) -> str:
    """Return all minima and maxima of case 3 over a.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    str
        One line per point; x is inf or -inf at infinity, where E is 4.
    """
    lines: list[list[Any]] = []
    for theta in SIGMOIDS:
        part = findings.parts.get(f"diagram-{theta}")
        if part is None:
            continue
        for k, a in enumerate(part["a"].tolist()):
            proved = int(part["complete"][k])
            pairs = zip(part["minimum"][k].tolist(), part["value"][k].tolist(), strict=True)
            lines += [[theta, a, "minimum", x, value, proved] for x, value in pairs if known(x) is not None]
            lines += [[theta, a, "maximum", x, "", proved] for x in part["maximum"][k].tolist() if known(x) is not None]
            ends = ((part["left"][k], "-inf"), (part["right"][k], "inf"))
            lines += [[theta, a, "minimum", place, 4.0, proved] for there, place in ends if there]
    return to_csv(DIAGRAM_COLUMNS, lines)


def weights_csv(findings: Findings) -> str:
    """Return one line per start of figure 5: the error at the end, and the log rule of the smallest margin.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    str
        The table; only its head if training is not finished.
    """
    part = findings.parts.get("weights")
    if part is None:
        return to_csv(WEIGHT_COLUMNS, [])
    columns = [part[name].tolist() for name in ("loss", "smallest", "slope", "low", "high", "trend", "plateau")]
    seed, learnt = findings.settings.seed, findings.solved.astype(int).tolist()
    rows = zip(*columns, learnt, strict=True)
    return to_csv(WEIGHT_COLUMNS, [[k, seed, loss, done, *rest] for k, (loss, *rest, done) in enumerate(rows)])


def to_json(findings: Findings, claims: Sequence[Claim]) -> dict[str, Any]:
    """Return the summary as plain values.

    Parameters
    ----------
    findings : Findings
        What was found.
    claims : sequence of Claim
        The paper's sentences.

    Returns
    -------
    dict
        What ``summary.json`` holds.
    """
    diagrams = {theta: findings.parts[f"diagram-{theta}"] for theta in SIGMOIDS if f"diagram-{theta}" in findings.parts}
    counts = findings.parts.get("counts", {})
    return {
        "experiment": "Sontag 1988, figures 1 to 5",
        "complete": findings.complete,
        "claims": [asdict(one) for one in claims],
        "cases": [_case(one) for one in (findings.case2, findings.case3)],
        "thresholds": {
            theta: {name: part[name].tolist() for name in ("threshold_left", "threshold_right", "fold")}
            for theta, part in diagrams.items()
        },
        "counts": {name: values.tolist() for name, values in counts.items()},
        "learnt": int(findings.solved.sum()) if "weights" in findings.parts else None,
        "settings": findings.settings.describe(),
        "versions": versions(),
    }


def _case(one: Case) -> dict[str, Any]:
    points = [
        {
            "x": None if point.at_infinity else float(point.x[0]),
            "x_bounds": None if point.at_infinity else [float(point.x_low[0]), float(point.x_high[0])],
            "value": point.value,
            "value_bounds": list(point.value_interval),
            "image": point.image.tolist(),
            "certified": point.certified,
        }
        for point in one.found.points
    ]
    return {
        "case": one.number,
        "a": one.a,
        "proved_to_be_all": one.found.complete,
        "minima": points,
        "maxima": one.maxima,
    }
