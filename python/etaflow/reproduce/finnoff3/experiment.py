"""Theorem 3.2 as one function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from etaflow.dynamics.descent import descend
from etaflow.reproduce._kit.conduct import Products, check_call
from etaflow.reproduce._kit.result import Result as Base
from etaflow.reproduce._kit.work import Job, Phase, one_blas_thread, seconds_per_step
from etaflow.reproduce.finnoff3 import batch, limit, measured, others, report, text
from etaflow.reproduce.finnoff3.figures import draw_figures
from etaflow.reproduce.finnoff3.findings import Findings
from etaflow.reproduce.finnoff3.problem import NAMES, load_problem
from etaflow.reproduce.finnoff3.settings import LAYOUT, choose

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from etaflow.reproduce._kit.reporting import Progress
    from etaflow.reproduce.finnoff3.limit import Limit
    from etaflow.reproduce.finnoff3.measured import Measured
    from etaflow.reproduce.finnoff3.problem import Problem
    from etaflow.reproduce.finnoff3.protocol import Protocol
    from etaflow.reproduce.finnoff3.settings import Settings

_CALIBRATION_SECONDS = 0.1
_WRITING = 1.2e10
"""What reading the answers off the tables and writing the files costs, in the unit of the phases: a parameter of a step on one core."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Result(Base):
    """What section 3 gave.

    Attributes
    ----------
    findings : Findings
        The tables: `findings.measured["1-2-1"].data` is that of `etaflow.theory.deviation`.
    """

    findings: Findings

    def __repr__(self) -> str:
        """Return the powers in one line.

        Returns
        -------
        str
            Of each problem.
        """
        state = "" if self.findings.complete else "partial, "
        laws = {name: one.power for name, one in self.findings.measured.items()}
        powers = ", ".join(f"{name} {law.slope:.3f}" for name, law in laws.items() if law is not None)
        return f"Result({state}powers of η: {powers or 'none'})"


def finnoff_3(
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
    """Measure Theorem 3.2 of Finnoff 1992: how far SGD strays from the gradient flow, and at which rate as η → 0.

    On three networks: E sup² against η with its fitted power, the constant B̂_r against r, the tail beside its bound, Euler's
    error beside the sampling error; how the constant depends on the data and what the limit law says of it; and below which step
    size SGD ends like batch training. The output folder gets five figures (PNG, PDF), ``runs.csv``, ``summary.json`` and
    ``summary.md``, and ``checkpoints`` to go on from.

    Parameters
    ----------
    out : path
        The output folder.
    scale : {"small", "paper"}, optional
        1000 SGD runs per problem and step size, in less than a minute, or 10 000 in a few; by default ``"small"``.
    seed : int, optional
        Of the data, the starts, the runs and the bootstrap, by default 0.
    protocol : Protocol, optional
        One's own numbers instead of a scale: `etaflow.reproduce.finnoff3.protocol.Protocol`.
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
    >>> result = ef.reproduce.finnoff_3(out="out", scale="small")  # doctest: +SKIP
    >>> round(result.findings.measured["1-2-1"].power.slope, 2)  # doctest: +SKIP
    0.97
    """
    wishes = {"scale": scale, "seed": seed, "protocol": protocol}
    call = check_call(LAYOUT, choose, wishes, out=out, threads=threads, resume=resume, overwrite=overwrite)
    settings = call.settings
    problems = {name: load_problem(name, settings.seed, settings.protocol.step_sizes) for name in NAMES}
    with call.job(plan_phases(problems, settings), progress) as job, one_blas_thread():
        findings = _work(job, problems, settings)
        return Result(**call.products(findings, partial(_products, findings)), findings=findings)


def plan_phases(problems: dict[str, Problem], settings: Settings) -> list[Phase]:
    """Return the phases of a job.

    Parameters
    ----------
    problems : dict of str to Problem
        The problems by name.
    settings : Settings
        The job's.

    Returns
    -------
    list of Phase
        In their order.
    """
    phases = [measured.phase_of(problem, settings) for problem in problems.values()]
    phases += [limit.phase_of(problems[name], settings) for name in limit.NAMES]
    return [*phases, others.phase_of(settings), batch.phase_of(problems["1-2-1"], settings)]


def _work(job: Job, problems: dict[str, Problem], settings: Settings) -> Findings:
    found: dict[str, Measured] = {}
    limits: dict[str, Limit] = {}
    elsewhere = compared = None
    try:
        _calibrate(job, problems["1-2-1"])
        for name, problem in problems.items():
            found[name] = measured.run_measurement(job, problem, settings)
        for name in limit.NAMES:
            limits[name] = limit.run_limit(job, problems[name], settings)
        elsewhere = others.run_others(job, settings)
        compared = batch.run_comparison(job, problems["1-2-1"], settings)
    except KeyboardInterrupt:
        pass
    return Findings(settings, found, limits, elsewhere, compared, job.folder.path)


def _calibrate(job: Job, problem: Problem) -> None:
    f, runs = problem.objective, 200
    sgd = partial(descend, f, problem.theta0, step_size=1e-3, runs=runs, batch_size=1, threads=1)

    def seconds() -> float:
        per_step = seconds_per_step(lambda steps: sgd(steps=steps), least=_CALIBRATION_SECONDS)
        return per_step / (runs * (f.num_params + 10))

    job.calibrate(seconds, writing=_WRITING)


def _products(findings: Findings) -> Products:
    return Products(
        draw_figures(findings),
        {"runs.csv": report.to_csv(findings)},
        text.to_markdown(findings),
        report.to_json(findings),
    )
