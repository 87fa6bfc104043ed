"""The paper's figures as one function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from etaflow.reproduce._kit.conduct import Products, check_call
from etaflow.reproduce._kit.result import Result as Base
from etaflow.reproduce._kit.work import Job, Phase
from etaflow.reproduce.sontag_figures import parts, report, text
from etaflow.reproduce.sontag_figures.cases import Case
from etaflow.reproduce.sontag_figures.claims import ANSWERED, HOLDS, judge_all
from etaflow.reproduce.sontag_figures.figures import draw_figures
from etaflow.reproduce.sontag_figures.findings import Findings
from etaflow.reproduce.sontag_figures.settings import LAYOUT, choose

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from etaflow.reproduce._kit.reporting import Progress
    from etaflow.reproduce.sontag_figures.claims import Claim
    from etaflow.reproduce.sontag_figures.parts import Arrays
    from etaflow.reproduce.sontag_figures.protocol import Protocol
    from etaflow.reproduce.sontag_figures.settings import Settings

_TRAINING = 5e-7
"""Seconds of one core for a step of one run."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Result(Base):
    """What the figures show.

    Attributes
    ----------
    findings : Findings
        The curves, minima, counts and weights.
    claims : tuple of Claim
        The paper's sentences and what became of them.
    """

    findings: Findings
    claims: tuple[Claim, ...]

    def __repr__(self) -> str:
        """Return how many claims hold.

        Returns
        -------
        str
            One line.
        """
        state = "" if self.complete else "partial, "
        judged = [one for one in self.claims if one.result != ANSWERED]
        return f"Result({state}{sum(one.result == HOLDS for one in judged)} of {len(judged)} claims hold)"


def sontag_1988(
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
    """Draw the five figures of Sontag 1988, and check what the paper says about them.

    Figures 1 and 2 are the error of a perceptron with one weight and two observations, figures 3 and 4 the images of the output map, with all local
    minima, proved, also those at infinity; figure 5 is t·[w(t+1) − w(t)] of a network that learns XOR. A sixth has all minima over the paper's
    number a, for tanh and arctan. The output folder gets them (PNG, PDF), ``claims.csv``, ``diagram.csv``, ``weights.csv``, ``summary.json`` and
    ``summary.md``, and ``checkpoints`` to go on from.

    Parameters
    ----------
    out : path
        The output folder.
    scale : {"small", "paper"}, optional
        Half a minute, or some minutes; by default ``"small"``.
    seed : int, optional
        Of the starts of figure 5, by default 0.
    protocol : Protocol, optional
        One's own numbers instead of a scale: `etaflow.reproduce.sontag_figures.protocol.Protocol`.
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
        If Matplotlib or h5netcdf is not installed.
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value, or `out` holds a job that would be lost. All come before any work.

    Examples
    --------
    >>> import etaflow as ef
    >>> result = ef.reproduce.sontag_1988(out="out")  # doctest: +SKIP
    >>> result.findings.case3.found  # doctest: +SKIP
    Minima(2 local minima, all, proved; dist(y, clos T𝒱) = 1.23756)
    """
    wishes = {"scale": scale, "seed": seed, "protocol": protocol}
    call = check_call(LAYOUT, choose, wishes, out=out, threads=threads, resume=resume, overwrite=overwrite)
    with call.job(plan_phases(call.settings), progress) as job:
        job.estimate = job.cost_left
        findings = _work(job, call.settings)
    claims = judge_all(findings)
    return Result(**call.products(findings, partial(_products, findings, claims)), findings=findings, claims=claims)


def plan_phases(settings: Settings) -> list[Phase]:
    """Return the phases of a job, with costs in seconds of one core.

    Parameters
    ----------
    settings : Settings
        The job's.

    Returns
    -------
    list of Phase
        In their order.
    """
    own = settings.protocol
    phases = [Phase(f"diagram-{theta}", f"minima over a: {theta}", 0.03 * own.diagram) for theta in parts.SIGMOIDS]
    phases.append(Phase("counts", "exponentially many minima", 0.3 * own.most))
    return [
        *phases,
        Phase("training", "training on XOR", _TRAINING * own.starts * own.steps),
        Phase("weights", "the log rule", 0.01 * own.starts),
    ]


def _work(job: Job, settings: Settings) -> Findings:
    done: dict[str, Arrays] = {}
    try:
        for theta in parts.SIGMOIDS:
            name = f"diagram-{theta}"
            done[name] = job.keep(name, partial(parts.diagram_part, settings, theta))
        done["counts"] = job.keep("counts", partial(parts.counts_part, settings))
        objective = parts.xor_objective(settings.protocol)
        runs, interrupted = job.descend("training", objective, partial(parts.train, objective, settings))
        if not interrupted:
            done["weights"] = job.keep("weights", lambda _: parts.weights_part(runs, objective, settings))
    except KeyboardInterrupt:
        pass
    own = settings.protocol
    return Findings(settings, Case.of(2, own.case2), Case.of(3, own.case3), done, job.folder.path)


def _products(findings: Findings, claims: tuple[Claim, ...]) -> Products:
    return Products(
        draw_figures(findings),
        {
            "claims.csv": report.claims_csv(claims),
            "diagram.csv": report.diagram_csv(findings),
            "weights.csv": report.weights_csv(findings),
        },
        text.to_markdown(findings, claims),
        report.to_json(findings, claims),
    )
