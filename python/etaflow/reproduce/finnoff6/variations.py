"""What the paper leaves open, varied one by one, to see whether the answer hangs on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.dynamics.descent import descend
from etaflow.reproduce._kit.work import Phase
from etaflow.reproduce.finnoff6.comparison import compare
from etaflow.reproduce.finnoff6.problem import load_problem
from etaflow.reproduce.finnoff6.protocol import EXPERIMENTS
from etaflow.reproduce.finnoff6.races import SGD_COST, error_at, sgd_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow.reproduce._kit.work import Job
    from etaflow.reproduce.finnoff6.comparison import Comparison
    from etaflow.reproduce.finnoff6.protocol import Conditions
    from etaflow.reproduce.finnoff6.settings import Settings

    Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Variation:
    """One change of the conditions.

    Attributes
    ----------
    name : str
        The name of its phase.
    words : str
        What is changed.
    conditions : Conditions
        The conditions then.
    experiments : tuple of str
        The models of the data on which it makes a difference.
    """

    name: str
    words: str
    conditions: Conditions
    experiments: tuple[str, ...] = EXPERIMENTS

    def phase(self, starts: int) -> Phase:
        """Return its phase.

        Returns
        -------
        Phase
            With its cost in steps of batch training per observation.
        """
        one = starts * self.conditions.steps * (SGD_COST + self.conditions.samples)
        return Phase(f"varied-{self.name}", f"variation: {self.words}", one * len(self.experiments))


@dataclass(frozen=True)
class Row:
    """What one variation gave, over all its models of the data.

    Attributes
    ----------
    words : str
        What was changed.
    conditions : Conditions
        The conditions.
    passes, time : Comparison
        SGD against batch training after equally many passes, and at equal time.
    diverged : int
        How many runs of either method diverged.
    """

    words: str
    conditions: Conditions
    passes: Comparison
    time: Comparison
    diverged: int


def variations(base: Conditions) -> tuple[Variation, ...]:
    """Return the changes that are tried, each of one condition.

    Parameters
    ----------
    base : Conditions
        What is changed.

    Returns
    -------
    tuple of Variation
        In the order of the table.

    Examples
    --------
    >>> from etaflow.reproduce.finnoff6.protocol import Conditions
    >>> [change.words for change in variations(Conditions())][:3]
    ['η = 0.003', 'η = 0.03', 'T = 100']
    """
    output = "tanh" if base.output == "identity" else "identity"
    slow, fast = round(0.3 * base.step_size, 12), round(3 * base.step_size, 12)
    few, many = max(base.samples // 2, 2), base.samples * 3 // 2
    short, long = max(base.epochs // 3, 1), 2 * base.epochs
    width = 0.5 if base.start_width is None else 2 * base.start_width
    narrow, wide = base.sigma / 2, 2 * base.sigma
    return (
        Variation("slow", f"η = {slow:g}", replace(base, step_size=slow)),
        Variation("fast", f"η = {fast:g}", replace(base, step_size=fast)),
        Variation("few", f"T = {few}", replace(base, samples=few)),
        Variation("many", f"T = {many}", replace(base, samples=many)),
        Variation("short", f"{short} passes", replace(base, epochs=short)),
        Variation("long", f"{long} passes", replace(base, epochs=long)),
        Variation("clean", "no noise in the targets", replace(base, noise=0.0)),
        Variation("noisy", f"noise {3 * base.noise:g} of the targets' deviation", replace(base, noise=3 * base.noise)),
        Variation("output", f"{output} output", replace(base, output=output)),
        Variation("start", f"starts uniform on ±{width:g}", replace(base, start_width=width)),
        Variation("data", "other data: α, weights, inputs, noise", replace(base, data_shift=base.data_shift + 1)),
        Variation("narrow", f"σ = {narrow:g} (RBF only)", replace(base, sigma=narrow), ("rbf",)),
        Variation("wide", f"σ = {wide:g} (RBF only)", replace(base, sigma=wide), ("rbf",)),
    )


def run_variation(job: Job, variation: Variation, settings: Settings) -> Row:
    """Run both methods under changed conditions from the first starts.

    Parameters
    ----------
    job : Job
        With the variation's phase.
    variation : Variation
        The change.
    settings : Settings
        The job's.

    Returns
    -------
    Row
        Who ended lower.
    """
    arrays = job.keep(f"varied-{variation.name}", lambda report: _run(variation, settings, job.threads, report))
    sgd, passes, time = (arrays[name] for name in ("sgd", "passes", "time"))
    diverged = int(np.isinf(sgd).sum() + np.isinf(time).sum())
    return Row(variation.words, variation.conditions, compare(sgd, passes), compare(sgd, time), diverged)


def _run(
    variation: Variation, settings: Settings, threads: int | None, report: Callable[[float], None]
) -> dict[str, Array]:
    conditions, found = variation.conditions, []
    for place, name in enumerate(variation.experiments):
        problem = load_problem(name, conditions, settings.seed)
        theta0 = problem.draw_starts(conditions, settings.seed, settings.protocol.variation_starts)
        sgd = sgd_of(problem, conditions, settings.seed, theta0, curve=False)(threads=threads)
        batch = descend(
            problem.objective,
            theta0,
            steps=conditions.steps,
            step_size=conditions.step_size,
            record={"loss": [conditions.epochs]},
            threads=threads,
            progress=_part(report, place, len(variation.experiments)),
        )
        found.append([
            error_at(sgd, conditions.steps),
            *(error_at(batch, k) for k in (conditions.epochs, conditions.steps)),
        ])
    columns = np.concatenate(found, axis=1)
    return dict(zip(("sgd", "passes", "time"), columns, strict=True))


def _part(report: Callable[[float], None], place: int, places: int) -> Callable[[float], None]:
    return lambda fraction: report((place + fraction) / places)
