"""SGD beside batch training on the network 1-2-1: below which step size they end the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.reproduce._kit.work import Job, Phase
from etaflow.reproduce.finnoff3.protocol import LEVEL
from etaflow.theory.small_steps.comparison import compare
from etaflow.theory.small_steps.comparison_result import conclude

if TYPE_CHECKING:
    from etaflow.reproduce.finnoff3.problem import Problem
    from etaflow.reproduce.finnoff3.settings import Settings
    from etaflow.theory.small_steps.comparison_result import Comparison

PART = 0.01
"""What counts as the same: this part of what batch training gains, or of the range of the targets."""

QUANTITIES = {"loss": "the loss that training removes", "predictions": "the range of the targets"}
"""What is compared, and what the tolerance is a part of."""

FACTORS = 4.0 ** -np.arange(5)
"""Step sizes, as parts of the largest of the problem."""

COST = 28.0
"""What a step of a run costs beside its parameters, in the unit of the other phases."""


@dataclass(frozen=True, eq=False)
class Batch:
    """What `etaflow.theory.compare` gave.

    Attributes
    ----------
    comparisons : dict of str to Comparison
        By quantity.
    """

    comparisons: dict[str, Comparison]


def phase_of(problem: Problem, settings: Settings) -> Phase:
    """Return the phase that compares SGD with batch training.

    Returns
    -------
    Phase
        The phase.
    """
    steps = float((problem.t / (problem.step_sizes[0] * FACTORS)).sum())
    cost = len(QUANTITIES) * settings.protocol.runs * steps * (problem.objective.num_params + COST)
    return Phase("batch", f"{problem.name}: SGD beside batch training", cost)


def run_comparison(job: Job, problem: Problem, settings: Settings) -> Batch:
    """Compare the ends of SGD with those of batch training.

    Returns
    -------
    Batch
        The comparisons.
    """
    sizes = problem.step_sizes[0] * FACTORS

    def compute(report: Any) -> dict[str, npt.NDArray[Any]]:
        arrays = {}
        for i, quantity in enumerate(QUANTITIES):

            def tell(fraction: float, done: int = i) -> None:
                report((done + fraction) / len(QUANTITIES))

            found = compare(
                problem.objective,
                problem.theta0,
                t=problem.t,
                step_sizes=sizes,
                tolerance=_tolerance(problem, quantity),
                runs=settings.protocol.runs,
                quantity=quantity,
                seed=settings.seed,
                level=LEVEL,
                threads=job.threads,
                progress=tell,
            )
            if not found.complete:
                raise KeyboardInterrupt
            arrays[quantity] = found.data["difference"].values
        return arrays

    arrays = job.keep(phase_of(problem, settings).name, compute)
    common: dict[str, Any] = {"level": LEVEL, "seed": settings.seed}
    return Batch({
        quantity: conclude(
            sizes, arrays[quantity], quantity=quantity, tolerance=_tolerance(problem, quantity), **common
        )
        for quantity in QUANTITIES
    })


def _tolerance(problem: Problem, quantity: str) -> float:
    f = problem.objective
    if quantity == "predictions":
        return PART * float(np.ptp(f.y))
    return PART * float(f.value(problem.theta0) - f.value(problem.flow.theta))
