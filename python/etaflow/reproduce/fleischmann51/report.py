"""The summary for machines, and the table of every run."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.reproduce._kit.result import versions
from etaflow.reproduce._kit.text import known
from etaflow.reproduce._kit.text import to_csv as as_csv
from etaflow.reproduce.fleischmann51.answers import answer_all
from etaflow.reproduce.fleischmann51.clusters import levels
from etaflow.reproduce.fleischmann51.problem import run_number
from etaflow.reproduce.fleischmann51.verdicts import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etaflow.reproduce.fleischmann51.findings import Findings
    from etaflow.reproduce.fleischmann51.training import Trained
    from etaflow.reproduce.fleischmann51.verdicts import Verdicts

END = ("kind", "grad_norm", "right", "kinks", "exact")
COLUMNS = (
    "layers",
    "width",
    "run",
    "seed",
    "key",
    "steps",
    "cost",
    *END,
    "later_cost",
    *(f"later_{name}" for name in END),
    "lowest",
)


def to_csv(findings: Findings) -> str:
    """Return one line per run: the cost where it ended, what that point is, and the same after going on.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    str
        The table. (``seed``, ``key``) is the key of the start's random numbers; ``exact`` is f at the minimum beside, ``kinks`` how many
        kinks it lies on, −1 where none was found.
    """
    return as_csv(COLUMNS, (line for one, verdict in findings.judged for line in _lines(findings, one, verdict)))


def _lines(findings: Findings, one: Trained, verdict: Verdicts) -> Iterator[list[Any]]:
    for run in range(len(one.cost)):
        key = run_number(one.layers, one.width, run)
        end = [_plain(getattr(verdict, name)[run]) for name in END]
        later = [_plain(getattr(verdict, f"later_{name}")[run]) for name in END]
        head = [one.layers, one.width, run, findings.settings.seed, key, int(one.steps[run]), float(one.cost[run])]
        yield [*head, *end, float(one.later_cost[run]), *later, float(verdict.lowest[run])]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def to_json(findings: Findings) -> dict[str, Any]:
    """Return the summary as plain values.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    dict
        What ``summary.json`` holds. What is not known is None.
    """
    widest = findings.of(1)
    return {
        "experiment": "Fleischmann 2021, section 5.1",
        "complete": findings.complete,
        "answers": [asdict(answer) for answer in answer_all(findings)],
        "logistic_regression": findings.problem.linear,
        "networks": [_network(one, verdict) for one, verdict in findings.judged],
        "levels_of_width_1": [asdict(level) for level in levels(widest[0][0].cost)]
        if widest and widest[0][0].width == 1
        else [],
        "settings": findings.settings.describe(),
        "versions": versions(),
    }


def _network(one: Trained, verdict: Verdicts) -> dict[str, Any]:
    low, middle, high = (known(value) for value in np.nanquantile(one.cost, [0.25, 0.5, 0.75]))
    return {
        "layers": one.layers,
        "width": one.width,
        "runs": len(one.cost),
        "cost": {"first_quartile": low, "median": middle, "third_quartile": high},
        "ends": {kind: verdict.count(kind) for kind in KINDS},
        "after_going_on": {kind: verdict.count(kind, later=True) for kind in KINDS},
        "median_steps": int(np.median(one.steps)),
    }
