"""The summary for machines, and the table of every number."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.reproduce._kit.result import versions
from etaflow.reproduce._kit.text import known
from etaflow.reproduce._kit.text import to_csv as as_csv
from etaflow.reproduce.finnoff4.answers import answer_all
from etaflow.reproduce.finnoff4.coverage import ORDERS, QUANTITIES
from etaflow.reproduce.finnoff4.problem import CHOSEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etaflow.reproduce.finnoff4.findings import Findings, Measured
    from etaflow.theory.rates import PowerLaw

COLUMNS = ("problem", "step_size", "quantity", "value", "low", "high")

Row = tuple[Any, ...]


def to_csv(findings: Findings) -> str:
    """Return one line per number: problem, step size, what it is, its value and, where it has one, its interval.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    str
        The table. A step size of 0 stands for simulated paths of the limit.
    """
    return as_csv(COLUMNS, (row for one in findings.measured.values() for row in _rows(one)))


def _rows(one: Measured) -> Iterator[Row]:
    for eta, name, *numbers in (*_ends(one), *_paths(one), *_coverage(one)):
        low, high = numbers[1:] or ("", "")
        yield one.name, float(eta), name, float(numbers[0]), low, high


def _ends(one: Measured) -> Iterator[Row]:
    data, simulated = one.at_the_end.data, one.simulated.data
    for name in map(str, data):
        for eta, value in zip(one.problem.step_sizes, data[name].values, strict=True):
            yield eta, name, *np.atleast_1d(value).tolist()
    for name in ("covariance_error", "covariance_floor", "mean_error", "kolmogorov", "wasserstein", "anderson"):
        yield 0.0, name, simulated[name].values[0]
    if one.exact is not None:
        for eta, exact in zip(one.problem.step_sizes, one.exact, strict=True):
            yield eta, "covariance_exact", exact


def _paths(one: Measured) -> Iterator[Row]:
    for eta, found in zip((*one.problem.step_sizes, 0.0), one.two_times, strict=True):
        yield eta, "two_times_distance", found.distance.value, found.distance.low, found.distance.high
        yield eta, "two_times_error", found.errors.mean()
        yield eta, "two_times_floor", found.floors.mean()
    for eta, path in zip(one.problem.step_sizes, one.suprema, strict=True):
        for name, value in asdict(path).items():
            yield eta, f"supremum_{name}", value


def _coverage(one: Measured) -> Iterator[Row]:
    for place, eta in enumerate(one.problem.step_sizes):
        for word in QUANTITIES:
            for order in ORDERS:
                ends = one.coverage.extremes[word][order - 1, place].tolist()
                yield eta, f"coverage_{word}_order_{order}", one.coverage.mean(word, order, place), *ends


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
    return {
        "experiment": "Finnoff 1992, Theorem 4.1",
        "complete": findings.complete,
        "answers": [asdict(answer) for answer in answer_all(findings)],
        "problems": {name: _problem(one) for name, one in findings.measured.items()},
        "settings": findings.settings.describe(),
        "versions": versions(),
    }


def _problem(one: Measured) -> dict[str, Any]:
    objective, data = one.problem.objective, one.at_the_end.data
    return {
        "words": one.problem.words,
        "d": objective.num_params,
        "n": objective.n,
        "runs": one.runs,
        "diverged": one.diverged,
        "step_sizes": one.problem.step_sizes.tolist(),
        "covariance_error": data["covariance_error"].values.tolist(),
        "covariance_floor": data["covariance_floor"].values.tolist(),
        "powers": {
            **{name: _power(law) for name, law in one.at_the_end.rates.items()},
            "two_times": _power(one.two_times_power),
        },
        "coverage": {
            name: {f"order {order}": one.coverage.mean(word, order, CHOSEN) for order in ORDERS}
            for word, name in QUANTITIES.items()
        },
        "fingerprint": objective.fingerprint(),
    }


def _power(law: PowerLaw | None) -> dict[str, float | None] | None:
    return None if law is None else {name: known(getattr(law, name)) for name in ("slope", "low", "high")}
