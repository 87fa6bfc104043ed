"""The summary for machines, and the table of every run."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.reproduce._kit.result import versions
from etaflow.reproduce._kit.text import known
from etaflow.reproduce._kit.text import to_csv as as_csv
from etaflow.reproduce.finnoff3.measured import PLACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etaflow.reproduce.finnoff3.findings import Findings
    from etaflow.reproduce.finnoff3.measured import Measured
    from etaflow.theory.rates import PowerLaw
    from etaflow.theory.small_steps.comparison_result import Comparison

COLUMNS = ("problem", "step_size", "seed", "key", "status", "sup_sgd_flow", "sup_sgd_descent", "end_sgd_flow")
CONSTANTS = ("constant", "constant_low", "constant_high", "mean_sup2_between", "sampling_mean_sup2", "euler_sup")
TAILS = ("exceedance", "exceedance_low", "exceedance_high", "exceedance_markov", "exceedance_bound")


def to_csv(findings: Findings) -> str:
    """Return one line per run: its suprema over every step up to t, and its distance from the flow at t.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    str
        The table. (``seed``, ``key``) is the key of the run's random numbers.
    """
    seed = findings.settings.seed
    return as_csv(COLUMNS, (line for one in findings.measured.values() for line in _lines(one, seed)))


def _lines(one: Measured, seed: int) -> Iterator[list[Any]]:
    ends = one.data.isel(time=-1)
    for i, eta in enumerate(one.problem.step_sizes.tolist()):
        columns = [ends[name].values[i] for name in ("sup", "sampling_sup", "distance")]
        for key, numbers in zip(one.data["run_number"].values[i].tolist(), np.stack(columns, 1).tolist(), strict=True):
            status = "finished" if np.isfinite(numbers[0]) else "diverged"
            yield [one.problem.name, eta, seed, key, status, *numbers]


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
    others, batch = findings.others, findings.batch
    return {
        "experiment": "Finnoff 1992, section 3, Theorem 3.2",
        "complete": findings.complete,
        "problems": {name: _problem(one) for name, one in findings.measured.items()},
        "limit_law": {
            name: {
                "mean": one.mean.tolist(),
                "low": one.low.tolist(),
                "high": one.high.tolist(),
                "quotient": None if (fit := findings.approaches[name]) is None else asdict(fit),
            }
            for name, one in findings.limits.items()
        },
        "other_seeds": None
        if others is None
        else {
            "constants": [[known(value) for value in row] for row in others.constants],
            "diverged": others.diverged.tolist(),
            "moved_by_less_than_15_percent": others.steady,
        },
        "batch_training": None
        if batch is None
        else {name: _comparison(one) for name, one in batch.comparisons.items()},
        "settings": findings.settings.describe(),
        "versions": versions(),
    }


def _problem(one: Measured) -> dict[str, Any]:
    problem, ends = one.problem, one.data.isel(time=-1)
    times = one.data["time"].values[PLACES]
    laws = ("power", "local_power", "power_at_times", "sampling_power", "euler_power")
    return {
        "words": problem.words,
        "d": problem.objective.num_params,
        "n": problem.objective.n,
        "t": problem.t,
        "theta0": problem.theta0.tolist(),
        "fingerprint": problem.objective.fingerprint(),
        "step_sizes": problem.step_sizes.tolist(),
        "diverged": one.data["diverged"].values.tolist(),
        **{name: _law(getattr(one, name)) for name in laws},
        "at_t": {name: _numbers(ends[name].values) for name in CONSTANTS},
        "deltas": one.data["delta"].values.tolist(),
        "tails": {name: [_numbers(row) for row in one.data[name].values] for name in TAILS},
        "growth": [asdict(growth) for growth in one.growths],
        "moved": _numbers(one.moved),
        "log10_proved": {f"{r:g}": known(value) for r, value in zip(times, one.log10_proved, strict=True)},
    }


def _numbers(values: Any) -> list[float | None]:
    return [known(value) for value in values]


def _law(law: PowerLaw | None) -> dict[str, Any] | None:
    return None if law is None else asdict(law)


def _comparison(one: Comparison) -> dict[str, Any]:
    names = [str(name) for name in one.data if name != "difference"]
    return {
        "tolerance": one.tolerance,
        "threshold": known(one.threshold),
        "fitted_threshold": known(one.fitted_threshold),
        "power": _law(one.power),
        "step_sizes": one.data["step_size"].values.tolist(),
        **{name: _numbers(one.data[name].values) for name in names},
    }
