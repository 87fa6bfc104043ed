"""Experiment 5.1 as one function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from etaflow.dynamics.descent import descend
from etaflow.reproduce._kit.conduct import Products, check_call
from etaflow.reproduce._kit.result import Result as Base
from etaflow.reproduce._kit.work import Job, Phase, seconds_per_step
from etaflow.reproduce.fleischmann51 import report, text, verdicts
from etaflow.reproduce.fleischmann51.figures import draw_figures
from etaflow.reproduce.fleischmann51.findings import Findings
from etaflow.reproduce.fleischmann51.problem import load_problem
from etaflow.reproduce.fleischmann51.settings import LAYOUT, choose
from etaflow.reproduce.fleischmann51.training import OVERHEAD, parameters, phases_of, train
from etaflow.reproduce.fleischmann51.verdicts import MINIMA

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from etaflow.reproduce._kit.reporting import Progress
    from etaflow.reproduce.fleischmann51.problem import Problem
    from etaflow.reproduce.fleischmann51.protocol import Protocol
    from etaflow.reproduce.fleischmann51.settings import Settings
    from etaflow.reproduce.fleischmann51.training import Trained
    from etaflow.reproduce.fleischmann51.verdicts import Verdicts

_CALIBRATION_SECONDS = 0.2
_CALIBRATION = (3, 10, 15)
"""Hidden layers, width and runs of the network that the speed is measured on."""

_HARMLESS = 1e-9
"""A step size with which no run diverges and so ends early."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Result(Base):
    """What experiment 5.1 gave.

    Attributes
    ----------
    findings : Findings
        The runs and the verdicts on their ends.
    """

    findings: Findings

    def __repr__(self) -> str:
        """Return in one line how many ends are local minima.

        Returns
        -------
        str
            And how many are on the way to infinity.
        """
        state, found = "" if self.complete else "partial, ", self.findings
        return (
            f"Result({state}{found.total} ends: {found.count(*MINIMA)} at a local minimum, {found.count('infinity')} with all observations "
            f"right, {found.count('falling')} still falling)"
        )


def fleischmann_5_1(
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
    """Repeat experiment 5.1 of Fleischmann 2021: the costs where gradient descent ends, by the number of hidden neurons.

    Networks of one to three hidden layers are trained from many starts by the rules of the author's program. Each end is judged: a local
    minimum, with ∇f = 0 or on kinks of the leaky ReLUs; a point with all observations right, whose minimum is at infinity; or a point from
    where gradient descent goes on down. The output folder gets the thesis's figures 5.1 to 5.5 and two more (PNG, PDF), ``runs.csv``,
    ``summary.json`` and ``summary.md``, and ``checkpoints`` to go on from.

    Parameters
    ----------
    out : path
        The output folder.
    scale : {"small", "paper"}, optional
        Some widths with 12 starts, in less than a minute, or the thesis's 650 + 390 runs; by default ``"small"``.
    seed : int, optional
        Of the data and the starts, by default 0.
    protocol : Protocol, optional
        One's own numbers instead of a scale: `etaflow.reproduce.fleischmann51.protocol.Protocol`.
    threads : int, optional
        How many threads; they change no bit of the result.
    resume : bool, default False
        Go on with the unfinished job in `out`. The settings are the job's: they may be left out, and must not differ.
    overwrite : bool, default False
        Replace any job in `out`. Without it only a complete job with the same settings is replaced.
    progress : bool or callable, default False
        True for a progress bar (tqdm) over the whole job; or a function that is given a `Progress`.

    Returns
    -------
    Result
        What was found, and the paths of the files. After Ctrl-C it is what was finished by then.

    Raises
    ------
    ImportError
        If Matplotlib, h5netcdf or scikit-learn is not installed.
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value, or `out` holds a job that would be lost. All come before any work.

    Examples
    --------
    >>> import etaflow as ef
    >>> result = ef.reproduce.fleischmann_5_1(out="out", scale="small")  # doctest: +SKIP
    >>> result.findings.count("infinity")  # doctest: +SKIP
    27
    """
    wishes = {"scale": scale, "seed": seed, "protocol": protocol}
    call = check_call(LAYOUT, choose, wishes, out=out, threads=threads, resume=resume, overwrite=overwrite)
    problem = load_problem(call.settings.seed)
    with call.job(plan_phases(call.settings), progress) as job:
        findings = _work(job, problem, call.settings)
    return Result(**call.products(findings, partial(_products, findings)), findings=findings)


def plan_phases(settings: Settings) -> list[Phase]:
    """Return the phases of a job: three for each network.

    Parameters
    ----------
    settings : Settings
        The job's.

    Returns
    -------
    list of Phase
        In their order.
    """
    phases = []
    for layers, width in settings.protocol.networks:
        phases += [*phases_of(layers, width, settings), verdicts.phase_of(layers, width, settings)]
    return phases


def _work(job: Job, problem: Problem, settings: Settings) -> Findings:
    trained: list[Trained] = []
    judged: list[Verdicts] = []
    try:
        _calibrate(job, problem, settings)
        for layers, width in settings.protocol.networks:
            one = train(job, problem, layers, width, settings)
            judged.append(verdicts.judge(job, problem, one))
            trained.append(one)
    except KeyboardInterrupt:
        pass
    return Findings(settings, problem, tuple(trained), tuple(judged), job.folder.path)


def _calibrate(job: Job, problem: Problem, settings: Settings) -> None:
    layers, width, runs = _CALIBRATION
    theta0 = problem.starts(layers, width, settings.seed, runs)
    run = partial(descend, problem.objective(layers, width), theta0, step_size=_HARMLESS, threads=job.threads)

    def seconds() -> float:
        per_step = seconds_per_step(lambda steps: run(steps=steps), least=_CALIBRATION_SECONDS)
        return per_step / (runs * (parameters(layers, width) + OVERHEAD))

    job.calibrate(seconds)


def _products(findings: Findings) -> Products:
    return Products(
        draw_figures(findings),
        {"runs.csv": report.to_csv(findings)},
        text.to_markdown(findings),
        report.to_json(findings),
    )
