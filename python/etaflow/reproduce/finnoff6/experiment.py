"""Section 6 as one function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from etaflow.dynamics.descent import descend
from etaflow.reproduce._kit.conduct import Products, check_call
from etaflow.reproduce._kit.result import Result as Base
from etaflow.reproduce._kit.work import Job, Phase, seconds_per_step
from etaflow.reproduce.finnoff6 import report, text
from etaflow.reproduce.finnoff6.figures import draw_figures
from etaflow.reproduce.finnoff6.findings import Findings
from etaflow.reproduce.finnoff6.problem import load_problem
from etaflow.reproduce.finnoff6.protocol import EXPERIMENTS
from etaflow.reproduce.finnoff6.races import phases_of, run_race
from etaflow.reproduce.finnoff6.settings import LAYOUT, choose
from etaflow.reproduce.finnoff6.variations import run_variation, variations
from etaflow.reproduce.finnoff6.verdicts import TEST_COST, judge_ends

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from etaflow.reproduce._kit.reporting import Progress
    from etaflow.reproduce.finnoff6.protocol import Protocol
    from etaflow.reproduce.finnoff6.races import Race
    from etaflow.reproduce.finnoff6.settings import Settings
    from etaflow.reproduce.finnoff6.variations import Row
    from etaflow.reproduce.finnoff6.verdicts import Verdicts

_CALIBRATION_SECONDS = 0.2
_WRITING = 6e8
"""What the files cost, in the unit of the phases."""

_HARMLESS = 1e-9
"""A step size with which no run diverges and so ends early."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Result(Base):
    """What section 6 gave.

    Attributes
    ----------
    findings : Findings
        The runs, the verdicts and the variations; its `comparison` says who ended lower.
    """

    findings: Findings

    def __repr__(self) -> str:
        """Return the two main comparisons in one line.

        Returns
        -------
        str
            With the count of starts.
        """
        state = "" if self.complete else "partial, "
        if not self.findings.races:
            return "Result(partial, no model is finished)"
        passes, at = self.findings.comparison("passes"), self.findings.comparison("time")
        return f"Result({state}SGD lower from {passes.lower} of {passes.total} starts after equal passes, {at.lower} at equal time)"


def finnoff_6(
    *,
    out: str | os.PathLike[str],
    scale: str | None = None,
    seed: int | None = None,
    protocol: Protocol | None = None,
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool | Callable[[Progress], object] = False,
) -> Result:
    """Repeat section 6 of Finnoff 1992: whether SGD resists local minima that batch training gets stuck in.

    On data of four models, a network of ten tanh units is trained from many starts by SGD (one observation per step) and by
    batch training, with the same step size. Their errors are compared after equally many passes over the data, as in the
    paper, and at equal time t = kη. Where batch training ended is tested with `point_test`, and continued. The output folder gets
    five figures (PNG, PDF), ``runs.csv``, ``summary.json`` and ``summary.md``, and ``checkpoints`` to go on from.

    Parameters
    ----------
    out : path
        The output folder.
    scale : {"small", "paper"}, optional
        64 starts per model, which take about two minutes, or 400; by default ``"small"``.
    seed : int, optional
        Of the data, the starts and the order of the observations, by default 0.
    protocol : Protocol, optional
        One's own numbers instead of a scale: `etaflow.reproduce.finnoff6.protocol.Protocol`.
    threads : int, optional
        How many threads; they change no bit of the result.
    resume : bool, default False
        Go on with the unfinished job in `out`. The settings are the job's: they may be left out, and must not differ. Of a complete
        job nothing is done or written anew.
    overwrite : bool, default False
        Replace any job of this experiment in `out`. Without it only a complete job with the same settings is done anew.
    progress : bool or callable, default False
        True for a progress bar (tqdm) over the whole job; or a function that is given a `Progress`.

    Returns
    -------
    Result
        What was found, and the paths of the files. After Ctrl-C it is what was finished by then.

    Raises
    ------
    ImportError
        If Matplotlib or h5netcdf is not installed.
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value, or `out` holds a job that would be lost. All come before any work.

    Examples
    --------
    >>> import etaflow as ef
    >>> result = ef.reproduce.finnoff_6(out="out", scale="small")  # doctest: +SKIP
    >>> result.findings.comparison("passes").share  # doctest: +SKIP
    1.0
    """
    wishes = {"scale": scale, "seed": seed, "protocol": protocol}
    call = check_call(LAYOUT, choose, wishes, out=out, threads=threads, resume=resume, overwrite=overwrite)
    with call.job(plan_phases(call.settings), progress) as job:
        findings = _work(job, call.settings)
    return Result(**call.products(findings, partial(_products, findings)), findings=findings)


def plan_phases(settings: Settings) -> list[Phase]:
    """Return the phases of a job: four per model and its verdicts, then one for each variation.

    Parameters
    ----------
    settings : Settings
        The job's.

    Returns
    -------
    list of Phase
        In their order.
    """
    own, phases = settings.protocol, []
    for name in EXPERIMENTS:
        phases += phases_of(name, settings)
        phases.append(
            Phase(f"{name}-verdicts", f"{name}: verdicts on the ends of batch training", TEST_COST * own.starts)
        )
    return phases + [one.phase(own.variation_starts) for one in variations(own.conditions)]


def _work(job: Job, settings: Settings) -> Findings:
    races: list[Race] = []
    verdicts: list[Verdicts] = []
    rows: list[Row] = []
    try:
        _calibrate(job, settings)
        for name in EXPERIMENTS:
            problem = load_problem(name, settings.protocol.conditions, settings.seed)
            races.append(run_race(job, problem, settings))
            verdicts.append(judge_ends(job, races[-1]))
        for variation in variations(settings.protocol.conditions):
            rows.append(run_variation(job, variation, settings))  # noqa: PERF401 - Ctrl-C must leave those that are there
    except KeyboardInterrupt:
        pass
    return Findings(settings, tuple(races), tuple(verdicts), tuple(rows), job.folder.path)


def _calibrate(job: Job, settings: Settings) -> None:
    conditions, starts = settings.protocol.conditions, min(settings.protocol.starts, 16)
    problem = load_problem(EXPERIMENTS[0], conditions, settings.seed)
    theta0 = problem.draw_starts(conditions, settings.seed, starts)
    batch_training = partial(descend, problem.objective, theta0, step_size=_HARMLESS, threads=job.threads)

    def seconds() -> float:
        per_step = seconds_per_step(lambda steps: batch_training(steps=steps), least=_CALIBRATION_SECONDS)
        return per_step / (starts * conditions.samples)

    job.calibrate(seconds, writing=_WRITING)


def _products(findings: Findings) -> Products:
    return Products(
        draw_figures(findings),
        {"runs.csv": report.to_csv(findings)},
        text.to_markdown(findings),
        report.to_json(findings),
    )
