"""Experiment 5.3 as one function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from etaflow.reproduce._kit.conduct import Products, check_call
from etaflow.reproduce._kit.result import Result as Base
from etaflow.reproduce.fleischmann53 import report, text
from etaflow.reproduce.fleischmann53.figures import draw_figures
from etaflow.reproduce.fleischmann53.folder import LAYOUT
from etaflow.reproduce.fleischmann53.phases import Worker, plan_phases
from etaflow.reproduce.fleischmann53.problem import load_problem
from etaflow.reproduce.fleischmann53.settings import choose
from etaflow.reproduce.fleischmann53.start import examine
from etaflow.reproduce.fleischmann53.sweeps import Sweep, settings_of, to_csv

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from etaflow.reproduce._kit.reporting import Progress
    from etaflow.reproduce.fleischmann53.problem import Problem
    from etaflow.reproduce.fleischmann53.protocol import Protocol
    from etaflow.reproduce.fleischmann53.report import Findings
    from etaflow.reproduce.fleischmann53.settings import Settings
    from etaflow.reproduce.fleischmann53.start import Start
    from etaflow.theory.rates import PowerLaw


@dataclass(frozen=True, eq=False, kw_only=True)
class Result(Base):
    """What experiment 5.3 found.

    Attributes
    ----------
    complete : bool
        Whether all runs ended; False after Ctrl-C.
    settings : Settings
        Everything that decided the numbers.
    start : Start or None
        Where the runs began; None if gradient descent was interrupted.
    step_sizes, batch_sizes : Sweep
        The runs, setting by setting.
    slopes : dict of str to PowerLaw or None
        ``"step size"`` against α, ``"batch size"`` against 1/|B|; None for too few runs.
    files : dict of str to Path
        What was written, by name.
    summary : str
        The text of ``summary.md``.
    resume_command : str
        How to go on after an interruption.
    """

    settings: Settings
    start: Start | None
    step_sizes: Sweep
    batch_sizes: Sweep
    slopes: dict[str, PowerLaw | None]

    def __repr__(self) -> str:
        """Return the slopes in one line.

        Returns
        -------
        str
            With their intervals.
        """
        words = [
            f"{name}: {'none' if law is None else f'{law.slope:.3f} ({law.low:.3f} … {law.high:.3f})'}"
            for name, law in self.slopes.items()
        ]
        state = "" if self.complete else "partial, "
        return f"Result({state}slopes against {', '.join(words)})"


def fleischmann_5_3(
    *,
    out: str | os.PathLike[str],
    scale: str | None = None,
    step_sizes: str | None = None,
    data: str | os.PathLike[str] | None = None,
    size: int | None = None,
    dtype: str | None = None,
    seed: int | None = None,
    protocol: Protocol | None = None,
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool | Callable[[Progress], object] = False,
) -> Result:
    """Repeat experiment 5.3 of Fleischmann 2021: the mean squared gradient norm along SGD, by step size and mini-batch size.

    Gradient descent finds a start θ_1. From there SGD is run 20 times with each step size, and mini-batch SGD 20 times with
    each mini-batch size; after every step ‖∇f‖² is evaluated over the whole training set. The output folder gets figures
    5.7 to 5.9 (PNG, PDF), ``runs.csv``, ``summary.json`` and ``summary.md``, and ``checkpoints`` to go on from.

    Parameters
    ----------
    out : path
        The output folder.
    scale : {"small", "paper"}, optional
        The size of the protocol, by default ``"small"``, which takes less than two minutes: see `protocol`.
    step_sizes : {"code", "text"}, optional
        Whose step sizes, by default ``"code"``, those of the published figures: see `protocol`.
    data : path, optional
        A folder with the IDX files of MNIST, the thesis's data (n = 12 049); by default the 364 images of a 3 or a 6 bundled with
        scikit-learn.
    size : int, optional
        The side to which the images are averaged: by default 14 for MNIST, as in the thesis, and 2 for the bundled digits, which
        the network would fit exactly with more pixels. Then the noise of the gradients vanishes, and the question with it.
    dtype : {"float64", "float32"}, optional
        In which numbers, by default float64.
    seed : int, optional
        Of the start and of every mini-batch, by default 0.
    protocol : Protocol, optional
        One's own numbers instead of `scale` and `step_sizes`.
    threads : int, optional
        How many threads; they change no bit of the result.
    resume : bool, default False
        Go on with the unfinished job in `out`, bit for bit as if it had not been interrupted. The settings are the job's: they may
        be left out, and must not differ. Of a complete job nothing is done or written anew.
    overwrite : bool, default False
        Replace any job of this experiment in `out`. Without it only a complete job with the same settings is done anew.
    progress : bool or callable, default False
        True for a progress bar (tqdm) over the whole job; or a function that is given a `Progress`.

    Returns
    -------
    Result
        The slopes with their intervals, every run, and the paths of the files. After Ctrl-C it is what was finished by then.

    Raises
    ------
    ImportError
        If Matplotlib, h5netcdf, or for the bundled digits scikit-learn, is not installed.
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value, a file of the data is missing, or `out` holds a job that would be lost. All come before any work;
        later only a start that diverges is one.

    Examples
    --------
    >>> import etaflow as ef
    >>> result = ef.reproduce.fleischmann_5_3(out="out", scale="small")  # doctest: +SKIP
    >>> result.slopes["step size"].contains(1.0)  # doctest: +SKIP
    True
    """
    wishes = {
        "scale": scale,
        "step_sizes": step_sizes,
        "data": data,
        "size": size,
        "dtype": dtype,
        "seed": seed,
        "protocol": protocol,
    }
    call = check_call(LAYOUT, choose, wishes, out=out, threads=threads, resume=resume, overwrite=overwrite)
    settings = call.settings
    problem = load_problem(settings.data_folder, settings.size, settings.dtype)
    with call.job([phase.part for phase in plan_phases(settings)], progress) as job:
        findings = _work(Worker(problem.objective, settings, job), problem)
    return Result(
        **call.products(findings, partial(_products, findings)),
        settings=findings.settings,
        start=findings.start,
        step_sizes=findings.sweeps[0],
        batch_sizes=findings.sweeps[1],
        slopes={sweep.name: law for sweep, law in zip(findings.sweeps, findings.laws, strict=True)},
    )


def _work(worker: Worker, problem: Problem) -> Findings:
    start: Start | None = None
    first, *others = plan_phases(worker.settings)
    collected: list[list[Any]] = [[] for _ in others]
    try:
        worker.calibrate()
        found, interrupted = worker.carry_out(first, worker.theta0)
        _check_start(found.status[0], worker.settings.protocol)
        if found.status[0] == "finished":
            start = examine(problem.objective, found.theta[0])
        for place, phase in enumerate(others):
            if interrupted:
                break
            runs, interrupted = worker.carry_out(phase, found.theta[0])
            collected[place] = settings_of(phase, runs)
    except KeyboardInterrupt:  # between two phases; within one, descend returns what it has
        pass
    sweeps = (
        Sweep("step size", tuple(collected[0])),
        Sweep("batch size", tuple(one for settings in collected[1:] for one in settings)),
    )
    laws = tuple(sweep.law() for sweep in sweeps)
    return report.Findings(worker.settings, problem, start, sweeps, laws, worker.job.folder.path)


def _products(findings: Findings) -> Products:
    steps = findings.settings.protocol.steps
    return Products(
        draw_figures(findings.problem, findings.sweeps, findings.laws, steps=steps, partial=not findings.complete),
        {"runs.csv": to_csv(findings.sweeps, findings.settings.seed)},
        text.to_markdown(findings),
        report.to_json(findings),
    )


def _check_start(status: str, protocol: Protocol) -> None:
    if status == "diverged":
        raise ValueError(
            f"start_step_size must be small enough for gradient descent to find a start: it diverged (got {protocol.start_step_size:g})"
        )
