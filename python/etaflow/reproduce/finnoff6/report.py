"""The summary for machines, and the table of every start."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.reproduce._kit.result import versions
from etaflow.reproduce._kit.text import known
from etaflow.reproduce._kit.text import to_csv as as_csv
from etaflow.reproduce.finnoff6.answers import answer_all
from etaflow.reproduce.finnoff6.findings import CLOCKS
from etaflow.reproduce.finnoff6.verdicts import KINDS, STUCK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etaflow.reproduce.finnoff6.comparison import Comparison
    from etaflow.reproduce.finnoff6.findings import Findings
    from etaflow.reproduce.finnoff6.races import Race
    from etaflow.reproduce.finnoff6.variations import Row
    from etaflow.reproduce.finnoff6.verdicts import Verdicts

ERRORS = ("sgd", "passes", "best", "time", "twice", "cooled")
EVIDENCE = ("grad_norm", "eigenvalue_min", "eigenvalue_rounding", "newton_step")
COLUMNS = ("experiment", "start", "seed", "key", "variance", *ERRORS, "stuck", "verdict", *EVIDENCE, "kind")


def to_csv(findings: Findings) -> str:
    """Return one line per start: the errors f of both methods, and the verdict on where batch training ended.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    str
        The table. ``sgd`` and ``passes`` are after equally many passes, ``best`` with batch training's best step size, ``time`` at SGD's
        time, ``twice`` and ``cooled`` at twice that time. (``seed``, ``key``) is the key of the random numbers.
    """
    return as_csv(COLUMNS, (line for race in findings.races for line in _lines(findings, race)))


def _lines(findings: Findings, race: Race) -> Iterator[list[Any]]:
    seed = findings.settings.seed
    judged = next((one for one in findings.verdicts if one.name == race.name), None)
    for i, key in enumerate(race.problem.numbers(race.starts)):
        errors = [float(getattr(race, name)[i]) for name in ERRORS]
        words = [""] * (3 + len(EVIDENCE)) if judged is None else _verdict(judged, i)
        yield [race.name, i + 1, seed, key, race.problem.variance, *errors, *words]


def _verdict(judged: Verdicts, i: int) -> list[Any]:
    numbers = [float(getattr(judged, name)[i]) for name in EVIDENCE]
    return [int(judged.stuck[i]), str(judged.verdict[i]), *numbers, str(judged.kind[i])]


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
    names = [race.name for race in findings.races]
    return {
        "experiment": "Finnoff 1992, section 6",
        "complete": findings.complete,
        "answers": [asdict(answer) for answer in answer_all(findings)],
        "problems": {race.name: _problem(race) for race in findings.races},
        "comparisons": {
            clock: {name or "all": _comparison(findings.comparison(clock, name)) for name in (*names, None)}
            for clock in CLOCKS
            if names
        },
        "verdicts": {one.name: _counts(one) for one in findings.verdicts},
        "stuck_means_an_error_above": f"{STUCK:g} times SGD's",
        "variations": [_row(row) for row in findings.rows],
        "settings": findings.settings.describe(),
        "versions": versions(),
    }


def _problem(race: Race) -> dict[str, Any]:
    objective, problem = race.problem.objective, race.problem
    return {
        "n": objective.n,
        "d": objective.num_params,
        "variance": problem.variance,
        "best_linear_function": problem.linear,
        "noise": problem.noise,
        "targets_beyond_1": problem.beyond,
        "best_multiple_of_the_step_size": race.multiple,
        "fingerprint": objective.fingerprint(),
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {name: known(value) if isinstance(value, float) else value for name, value in asdict(comparison).items()}


def _counts(one: Verdicts) -> dict[str, Any]:
    stuck = one.stuck
    return {
        "stuck": int(stuck.sum()),
        "negative_eigenvalue": int((one.concave & stuck).sum()),
        "median_gradient_norm": known(float(np.median(one.grad_norm[stuck]))) if stuck.any() else None,
        "median_smallest_eigenvalue": known(float(np.median(one.eigenvalue_min[stuck]))) if stuck.any() else None,
        **{kind: one.count(kind) for kind in KINDS},
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "words": row.words,
        "conditions": asdict(row.conditions),
        "passes": _comparison(row.passes),
        "time": _comparison(row.time),
        "diverged": row.diverged,
    }
