"""Theorem 4.1 as one function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from etaflow.dynamics.descent import descend
from etaflow.reproduce._kit.conduct import Products, check_call
from etaflow.reproduce._kit.result import Result as Base
from etaflow.reproduce._kit.work import seconds_per_step
from etaflow.reproduce.finnoff4 import coverage, ensemble, limit, report, text
from etaflow.reproduce.finnoff4.figures import draw_figures
from etaflow.reproduce.finnoff4.findings import Findings, Measured, measure
from etaflow.reproduce.finnoff4.problem import load_problem
from etaflow.reproduce.finnoff4.settings import LAYOUT, choose

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from etaflow.reproduce._kit.reporting import Progress
    from etaflow.reproduce._kit.work import Job, Phase
    from etaflow.reproduce.finnoff4.problem import Problem
    from etaflow.reproduce.finnoff4.protocol import Protocol
    from etaflow.reproduce.finnoff4.settings import Settings

_STEP = 1.1e-8
"""Seconds for a step of SGD on 1-2-1 on the core of 2024 whose microseconds are the unit of the phases' costs."""

_WRITING = 1.1e7
"""What the comparisons with the limit law and the files cost."""

_CALIBRATION_SECONDS = 0.1


@dataclass(frozen=True, eq=False, kw_only=True)
class Result(Base):
    """What Theorem 4.1 gave.

    Attributes
    ----------
    findings : Findings
        The tables: ``findings.measured["1-2-1"].at_the_end.data`` is that of `etaflow.theory.central_limit`.
    """

    findings: Findings

    def __repr__(self) -> str:
        """Return the errors of the covariances in one line.

        Returns
        -------
        str
            From the largest to the smallest step size, by problem.
        """
        state = "" if self.complete else "partial, "
        errors = {name: one.at_the_end.data["covariance_error"].values for name, one in self.findings.measured.items()}
        words = ", ".join(f"{name} {100 * one[0]:.1f} → {100 * one[-1]:.1f} %" for name, one in errors.items())
        return f"Result({state}error of the covariance as η falls: {words or 'none yet'})"


def finnoff_4(
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
    """Measure Theorem 4.1 of Finnoff 1992: SGD's fluctuations (θ^η − θ̄)/√η tend to a Gaussian diffusion as η → 0.

    On three networks and five step sizes: the covariance of thousands of runs beside that of the linear diffusion, at one time and
    at two, with what chance alone makes; the distribution functions along random directions; the rates, which the paper leaves open;
    the largest fluctuation along paths; and predicted bands of weights, predictions and the loss, with how often they hold. The output
    folder gets six figures (PNG, PDF), ``table.csv``, ``summary.json`` and ``summary.md``, and ``checkpoints`` to go on from.

    Parameters
    ----------
    out : path
        The output folder.
    scale : {"small", "paper"}, optional
        Tens of thousands of SGD runs per step size, in less than a minute, or ten times as many; by default ``"small"``.
    seed : int, optional
        Of the data, the starts, the runs and the bootstrap, by default 0.
    protocol : Protocol, optional
        One's own numbers instead of a scale: `etaflow.reproduce.finnoff4.protocol.Protocol`.
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
    >>> result = ef.reproduce.finnoff_4(out="out", scale="small")  # doctest: +SKIP
    >>> round(result.findings.measured["1-2-1"].at_the_end.rates["mean"].slope, 2)  # doctest: +SKIP
    0.55
    """
    wishes = {"scale": scale, "seed": seed, "protocol": protocol}
    call = check_call(LAYOUT, choose, wishes, out=out, threads=threads, resume=resume, overwrite=overwrite)
    settings = call.settings
    problems = [load_problem(name, settings.seed) for name in settings.protocol.problems]
    with call.job([phase for one in problems for phase in phases_of(one, settings)], progress) as job:
        _calibrate(job)
        findings = _work(job, problems, settings)
    return Result(**call.products(findings, partial(_products, findings)), findings=findings)


def phases_of(problem: Problem, settings: Settings) -> list[Phase]:
    """Return the phases of a problem.

    Returns
    -------
    list of Phase
        In their order.
    """
    ensembles = ensemble.phases_of(problem, settings)
    return [limit.phase_of(problem), *ensembles, coverage.phase_of(problem, settings)]


def _calibrate(job: Job) -> None:
    problem, runs = load_problem("1-2-1", 0), 200
    sgd = partial(descend, problem.objective, problem.theta0, step_size=1e-3, runs=runs, batch_size=1, threads=1)

    def seconds() -> float:
        return 1e-6 * seconds_per_step(lambda steps: sgd(steps=steps), least=_CALIBRATION_SECONDS) / runs / _STEP

    job.calibrate(seconds, writing=_WRITING)


def _work(job: Job, problems: list[Problem], settings: Settings) -> Findings:
    found: dict[str, Measured] = {}
    try:
        for problem in problems:
            found[problem.name] = _measure(job, problem, settings)
    except KeyboardInterrupt:
        pass
    return Findings(settings, found, job.folder.path)


def _measure(job: Job, problem: Problem, settings: Settings) -> Measured:
    law = limit.find_limit(job, problem)
    sgd = tuple(ensemble.run_sgd(job, problem, place, settings) for place in range(len(problem.step_sizes)))
    diffusion = ensemble.run_diffusion(job, problem, settings)
    within = coverage.measure_coverage(job, problem, law, settings)
    return measure(problem, law, sgd, diffusion, within, settings.seed)


def _products(findings: Findings) -> Products:
    return Products(
        draw_figures(findings),
        {"table.csv": report.to_csv(findings)},
        text.to_markdown(findings),
        report.to_json(findings),
    )
