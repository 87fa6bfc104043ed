"""What runs say of themselves: one line, a small HTML table, and how to go on after Ctrl-C."""

from __future__ import annotations

import warnings
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from etaflow.dynamics.runs import Runs


def one_line(runs: Runs) -> str:
    """Return the runs in one line.

    Returns
    -------
    str
        For example ``Runs(5 runs, 20 steps of sgd, batch 1: 5 finished; recorded loss)``.
    """
    recorded = ", ".join(_recorded(runs))
    tail = f"; recorded {recorded}" if recorded else ""
    return f"Runs({_plural(len(runs), 'run')}, {_method(runs)}: {_counts(runs)}{tail})"


def html_table(runs: Runs) -> str:
    """Return the runs as a small HTML table.

    Returns
    -------
    str
        A ``<table>``.
    """
    numbers = runs.plan.run_numbers
    rows = {
        "runs": f"{len(runs)} (numbers {numbers[0]} … {numbers[-1]}, seed {runs.plan.seed})",
        "method": _method(runs),
        "step size": _step_size(runs),
        "network": repr(runs.net),
        "status": _counts(runs),
        "recorded": ", ".join(_recorded(runs)) or "nothing",
    }
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(text)}</td></tr>'
        for name, text in rows.items()
    )
    return f"<table><caption>etaflow runs</caption>{cells}</table>"


def warn_of_interruption(runs: Runs, checkpoint: str | Path | None) -> None:
    """Warn that the runs were interrupted, and say how to go on."""
    where = (
        "runs.resume() goes on" if checkpoint is None else f"runs.resume() or etaflow.load({str(checkpoint)!r}) goes on"
    )
    behind = int(runs.steps_done[runs.status == "interrupted"].min(initial=runs.plan.steps))
    warnings.warn(f"interrupted after {behind} of {runs.plan.steps} steps; {where}", RuntimeWarning, stacklevel=4)


def _method(runs: Runs) -> str:
    sampling = runs.plan.sampling
    batch = "full batch" if sampling.name == "all" else f"batch {sampling.batch}"
    kind = "" if sampling.name in {"all", "iid"} else f" {sampling.name}"
    return f"{_plural(runs.plan.steps, 'step')} of {runs.plan.update.optimizer}, {batch}{kind}"


def _step_size(runs: Runs) -> str:
    last = runs.plan.step_sizes[-1]
    if last.schedule is not None:
        return repr(last.schedule)
    low, high = last.values.min(initial=np.inf), last.values.max(initial=0.0)
    what = {"constant": "", "per_run": " by run", "array": " by step"}[last.kind]
    return f"{low:g}" if low == high else f"{low:g} … {high:g}{what}"


def _counts(runs: Runs) -> str:
    names, counts = np.unique(runs.status, return_counts=True)
    return ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))


def _recorded(runs: Runs) -> list[str]:
    moments = [f"moments of {name}" for name in runs.plan.moments.steps]
    return [*runs.plan.record.steps, *(f"mean {name}" for name in runs.plan.mean), *moments]


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
