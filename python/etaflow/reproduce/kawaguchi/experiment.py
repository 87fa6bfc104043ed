"""The slides' claims as one function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from etaflow.reproduce._kit.conduct import Products, check_call
from etaflow.reproduce._kit.result import Result as Base
from etaflow.reproduce._kit.work import Job, Phase
from etaflow.reproduce.kawaguchi import parts, report, text
from etaflow.reproduce.kawaguchi.figures import draw_figures
from etaflow.reproduce.kawaguchi.findings import Findings
from etaflow.reproduce.kawaguchi.row import HOLDS
from etaflow.reproduce.kawaguchi.rows import table_of_claims
from etaflow.reproduce.kawaguchi.settings import LAYOUT, choose

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from etaflow.reproduce._kit.reporting import Progress
    from etaflow.reproduce.kawaguchi.parts import Arrays, Tell
    from etaflow.reproduce.kawaguchi.protocol import Protocol
    from etaflow.reproduce.kawaguchi.row import Row
    from etaflow.reproduce.kawaguchi.settings import Settings

    Compute = Callable[[Tell], Arrays]


@dataclass(frozen=True, eq=False, kw_only=True)
class Result(Base):
    """What became of the slides' claims.

    Attributes
    ----------
    findings : Findings
        The numbers of each part.
    claims : tuple of Row
        The table: claim, where, checked how, result, numbers.
    """

    findings: Findings
    claims: tuple[Row, ...]

    def __repr__(self) -> str:
        """Return how many claims hold.

        Returns
        -------
        str
            One line.
        """
        state = "" if self.complete else "partial, "
        held = sum(one.result == HOLDS for one in self.claims)
        return f"Result({state}{held} of {len(self.claims)} rows hold)"


def kawaguchi_2016(
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
    """Check the claims of the slides on Kawaguchi 2016 and of the thesis's section 3.3, one by one.

    Baldi and Hornik's critical points for all cases with up to six outputs; Kawaguchi's (i) to (iv) on eleven linear networks, with the saddles that
    have no negative eigenvalue; the flow from saddle to saddle; Soudry and Carmon's theorem; and the slides' questions about regularisation and other
    activations. The output folder gets three figures (PNG, PDF), ``claims.csv``, ``points.csv``, ``summary.json`` and ``summary.md``, and
    ``checkpoints`` to go on from.

    Parameters
    ----------
    out : path
        The output folder.
    scale : {"small", "paper"}, optional
        Under a minute, or some ten; by default ``"small"``.
    seed : int, optional
        Of the data, the starts and the trials, by default 0.
    protocol : Protocol, optional
        One's own numbers instead of a scale: `etaflow.reproduce.kawaguchi.protocol.Protocol`.
    threads : int, optional
        Accepted as by every experiment; this one is computed by one thread.
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
    >>> result = ef.reproduce.kawaguchi_2016(out="out")  # doctest: +SKIP
    >>> [row.claim for row in result.claims if row.result == "fails"]  # doctest: +SKIP
    ['Without the perturbation, too, differentiable local minima are expected to have loss 0 in practice']
    """
    wishes = {"scale": scale, "seed": seed, "protocol": protocol}
    call = check_call(LAYOUT, choose, wishes, out=out, threads=threads, resume=resume, overwrite=overwrite)
    with call.job(plan_phases(call.settings), progress) as job:
        job.estimate = job.cost_left
        findings = _work(job, call.settings)
    products = call.products(findings, partial(_products, findings))
    return Result(**products, findings=findings, claims=table_of_claims(findings))


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
    phases = [Phase("tables", "truth tables", 0.6), Phase("index", "critical points for up to six outputs", 0.5)]
    each = 0.5 + 0.1 * own.starts
    phases += [Phase(f"claims-{network}", f"Kawaguchi's theorem: {network}", each) for network in own.networks]
    phases += [Phase(f"flow-{network}", f"from saddle to saddle: {network}", 0.3) for network in own.flows]
    sweep = 1e-5 * own.trials * own.iterations * 4
    phases.append(Phase("sweep-perturbed", "Soudry and Carmon's sweep", sweep))
    phases.append(Phase("sweep-plain", "the same without perturbation", sweep))
    phases.append(Phase("paths", "ReLU networks as sums over paths", 0.1))
    return [*phases, Phase("open", "regularisation and other activations", 0.5 + 0.01 * own.census)]


def _computations(settings: Settings) -> dict[str, Compute]:
    found: dict[str, Compute] = {
        "tables": partial(parts.tables_part, settings),
        "index": partial(parts.index_part, settings),
        "paths": partial(_without_telling, partial(parts.paths_part, settings)),
        "open": partial(parts.open_part, settings),
        "sweep-perturbed": lambda tell: parts.sweep_part(settings, perturbed=True, tell=tell),
        "sweep-plain": lambda tell: parts.sweep_part(settings, perturbed=False, tell=tell),
    }
    for network in settings.protocol.networks:
        found[f"claims-{network}"] = partial(parts.claims_part, settings, network)
    for network in settings.protocol.flows:
        found[f"flow-{network}"] = partial(_without_telling, partial(parts.flow_part, settings, network))
    return found


def _without_telling(compute: Callable[[], Arrays], _: Tell) -> Arrays:
    return compute()


def _work(job: Job, settings: Settings) -> Findings:
    computations, done = _computations(settings), {}
    try:
        for phase in job.phases:
            done[phase.name] = job.keep(phase.name, computations[phase.name])
    except KeyboardInterrupt:
        pass
    return Findings(settings, done, job.folder.path)


def _products(findings: Findings) -> Products:
    return Products(
        draw_figures(findings),
        {"claims.csv": report.claims_csv(findings), "points.csv": report.points_csv(findings)},
        text.to_markdown(findings),
        report.to_json(findings),
    )
