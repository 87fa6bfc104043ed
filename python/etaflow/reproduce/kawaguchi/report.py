"""The summary for machines, the table of claims, and the table of critical points."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from etaflow.reproduce._kit.result import versions
from etaflow.reproduce._kit.text import known, to_csv
from etaflow.reproduce.kawaguchi.rows import table_of_claims

if TYPE_CHECKING:
    from etaflow.reproduce.kawaguchi.findings import Findings

CLAIM_COLUMNS = ("claim", "where", "checked_how", "result", "numbers")
POINT_COLUMNS = (
    "data",
    "hidden",
    "gamma",
    "kind",
    "loss",
    "index",
    "nullity",
    "lowest",
    "highest",
    "order",
    "middle_rank",
)


def claims_csv(findings: Findings) -> str:
    """Return the table of claims.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    str
        One line per claim.
    """
    rows = table_of_claims(findings)
    return to_csv(CLAIM_COLUMNS, ((one.claim, one.where, one.how, one.result, one.numbers) for one in rows))


def points_csv(findings: Findings) -> str:
    """Return the table of all constructed critical points.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    str
        One line per point: Γ, the closed form's loss, what the Hessian's spectrum shows, and the order at which the loss falls.
    """
    lines = []
    for name, hidden, part in findings.networks():
        for i in range(len(part["loss"])):
            texts = [str(part[column][i]) for column in ("gamma", "kind")]
            counts = [int(part[column][i]) for column in ("index", "nullity")]
            ends = [float(part[column][i]) for column in ("lowest", "highest")]
            last = [int(part[column][i]) for column in ("order", "middle_rank")]
            lines.append([name, "-".join(map(str, hidden)), *texts, float(part["loss"][i]), *counts, *ends, *last])
    return to_csv(POINT_COLUMNS, lines)


def to_json(findings: Findings) -> dict[str, Any]:
    """Return the summary as plain values.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    dict
        What ``summary.json`` holds.
    """
    return {
        "experiment": "slides on Kawaguchi 2016, and Fleischmann 2021, section 3.3",
        "complete": findings.complete,
        "claims": [asdict(one) for one in table_of_claims(findings)],
        "networks": [_network(name, hidden, part) for name, hidden, part in findings.networks()],
        "flows": [_flow(hidden, part) for hidden, part in findings.flows()],
        "sweeps": {
            name: {column: _plain(values) for column, values in findings.parts[name].items()}
            for name in ("sweep-perturbed", "sweep-plain")
            if name in findings.parts
        },
        "settings": findings.settings.describe(),
        "versions": versions(),
    }


def _network(name: str, hidden: tuple[int, ...], part: dict[str, Any]) -> dict[str, Any]:
    claims = zip(part["claim"], part["holds"], part["evidence"], strict=True)
    return {
        "data": name,
        "hidden": list(hidden),
        "claims": {str(claim): {"holds": bool(holds), "evidence": str(evidence)} for claim, holds, evidence in claims},
    }


def _flow(hidden: tuple[int, ...], part: dict[str, Any]) -> dict[str, Any]:
    plateaus = [
        {
            "gamma": str(gamma),
            "time": known(time),
            "loss": known(loss),
            "level": known(level),
            "distance": known(distance),
        }
        for gamma, time, loss, level, distance in zip(
            *(part[f"plateau_{name}"] for name in ("gamma", "time", "loss", "level", "distance")), strict=True
        )
    ]
    return {"hidden": list(hidden), "in_order": bool(part["in_order"]), "plateaus": plateaus}


def _plain(values: Any) -> list[Any]:
    return [one.item() for one in values]
