"""The summary of the experiment: for machines (JSON) and for people (Markdown)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from etaflow.reproduce._kit.result import versions
from etaflow.reproduce._kit.text import known, resume_command
from etaflow.reproduce.fleischmann53.folder import LAYOUT
from etaflow.reproduce.fleischmann53.verdict import PUBLISHED, judge

if TYPE_CHECKING:
    from pathlib import Path

    from etaflow.reproduce.fleischmann53.problem import Problem
    from etaflow.reproduce.fleischmann53.settings import Settings
    from etaflow.reproduce.fleischmann53.start import Start
    from etaflow.reproduce.fleischmann53.sweeps import Sweep
    from etaflow.theory.rates import PowerLaw


@dataclass(frozen=True, eq=False)
class Findings:
    """All that a report tells.

    Attributes
    ----------
    settings : Settings
        What was asked for.
    problem : Problem
        What was minimised.
    start : Start or None
        Where the runs began; None if it is not found yet.
    sweeps : tuple of Sweep
        The sweep of step sizes and the sweep of mini-batch sizes.
    laws : tuple of PowerLaw or None
        Their fits.
    out : Path
        The output folder.
    """

    settings: Settings
    problem: Problem
    start: Start | None
    sweeps: tuple[Sweep, ...]
    laws: tuple[PowerLaw | None, ...]
    out: Path

    @property
    def ended(self) -> int:
        """The number of runs that ended."""
        return sum(sweep.runs for sweep in self.sweeps)

    @property
    def complete(self) -> bool:
        """Whether all runs ended."""
        return self.ended == self.settings.protocol.total_runs

    @property
    def resume_command(self) -> str:
        """The command that goes on."""
        return resume_command(LAYOUT.experiment, self.out)

    def second_term(self, step_size: float) -> float:
        """Return 2(f(θ_1) − f_inf)/(Kα) of Theorem 4.8 with 0 for f_inf, which the log loss cannot be below.

        Returns
        -------
        float
            The most that the way down from the start can add to the bound.
        """
        return 2 * self.start.loss / (self.settings.protocol.steps * step_size) if self.start else math.nan


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
    objective = findings.problem.objective
    planned = findings.settings.protocol.total_runs
    return {
        "experiment": "Fleischmann 2021, section 5.3",
        "complete": findings.complete,
        "runs": {
            "planned": planned,
            "ended": findings.ended,
            "diverged": sum(sweep.diverged for sweep in findings.sweeps),
        },
        "problem": {
            "data": findings.problem.words,
            "n": objective.n,
            "d": objective.num_params,
            "widths": list(objective.net.widths),
            "fingerprint": objective.fingerprint(),
        },
        "start": None if findings.start is None else asdict(findings.start),
        "sweeps": {
            sweep.name: _sweep_to_json(findings, sweep, law)
            for sweep, law in zip(findings.sweeps, findings.laws, strict=True)
        },
        "settings": findings.settings.describe(),
        "versions": versions(),
    }


def _sweep_to_json(findings: Findings, sweep: Sweep, law: PowerLaw | None) -> dict[str, Any]:
    answer, sentence = judge(law, sweep.name)
    rows = [
        {
            "step_size": one.step_size,
            "batch_size": one.batch_size,
            "runs": int(one.finished.size),
            "diverged": one.diverged,
            "mean_grad_norm2": known(one.mean),
            "standard_error": known(one.standard_error),
            "expected_from_the_noise_at_the_start": (
                findings.start.expected(one.step_size, one.batch_size) if findings.start else None
            ),
            "second_term_of_the_bound_at_most": known(findings.second_term(one.step_size)),
        }
        for one in sweep.settings
    ]
    slope = None if law is None else asdict(law)
    return {
        "proportional": answer,
        "sentence": sentence,
        "slope": slope,
        "largest_deviation_from_the_line": None if law is None else sweep.deviation(law),
        "published_slope": PUBLISHED[sweep.name],
        "settings": rows,
    }
