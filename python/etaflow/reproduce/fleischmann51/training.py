"""Gradient descent by the thesis's protocol, and from where it ended on downhill."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.dynamics.descent import descend
from etaflow.dynamics.stopping import HalveOnPlateau
from etaflow.landscape.minima.search import step_sizes
from etaflow.reproduce._kit.work import Phase
from etaflow.reproduce.fleischmann51.protocol import RULES, STEP_SIZES, STOP

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow._checks import FloatArray
    from etaflow.dynamics.runs import Runs
    from etaflow.dynamics.stopping import Rule
    from etaflow.reproduce._kit.work import Job
    from etaflow.reproduce.fleischmann51.problem import Problem
    from etaflow.reproduce.fleischmann51.settings import Settings

    Array = npt.NDArray[np.float64]

OVERHEAD = 12.0
"""What a step costs beside its parameters, in the unit of a parameter."""

DONE = 0.5
"""About so many of the steps are made before the plateau rule ends a run."""

ONWARD = HalveOnPlateau(after=0, patience=50, cooldown=0, min_delta=0.0)
"""The rule of the text, from the first step on: halve whenever f has not fallen for 50 steps."""


@dataclass(frozen=True, eq=False)
class Trained:
    """The runs of one network.

    Attributes
    ----------
    layers, width : int
        The network.
    theta : ndarray, shape (runs, d)
        Where the runs ended.
    cost : ndarray, shape (runs,)
        f there: what the thesis calls the cost of a local minimum. NaN for a run that diverged.
    steps : ndarray of int, shape (runs,)
        The steps that were made.
    later : ndarray, shape (runs, d)
        Where going on from there led.
    later_cost : ndarray, shape (runs,)
        f there.
    """

    layers: int
    width: int
    theta: FloatArray
    cost: Array
    steps: npt.NDArray[np.int64]
    later: FloatArray
    later_cost: Array


def name_of(layers: int, width: int, part: str) -> str:
    """Return the name of a phase.

    Returns
    -------
    str
        For example ``train-1-50``.

    Examples
    --------
    >>> name_of(1, 50, "train")
    'train-1-50'
    """
    return f"{part}-{layers}-{width}"


def parameters(layers: int, width: int) -> int:
    """Return the number of parameters of a network.

    Returns
    -------
    int
        d.

    Examples
    --------
    >>> [parameters(layers, 100) for layers in (1, 2, 3)]
    [401, 10501, 20601]
    """
    return 3 * width + (layers - 1) * width * (width + 1) + width + 1


def phases_of(layers: int, width: int, settings: Settings) -> list[Phase]:
    """Return the phases of `train`, with their costs in steps times parameters.

    Returns
    -------
    list of Phase
        Two.
    """
    own = settings.protocol
    unit = own.runs_of(layers) * (parameters(layers, width) + OVERHEAD)
    words = f"{width} neurons in {layers} hidden layer{'s' * (layers > 1)}"
    return [
        Phase(name_of(layers, width, "train"), f"{words}: gradient descent", DONE * own.steps * unit),
        Phase(name_of(layers, width, "on"), f"{words}: on from the ends", own.further * unit),
    ]


def train(job: Job, problem: Problem, layers: int, width: int, settings: Settings) -> Trained:
    """Run gradient descent on a network, and go on from the ends; or do what is left of it.

    Going on takes steps of 1/λ, λ the largest eigenvalue of the Hessian, at most as long as before, and halves them whenever f has not
    fallen for 50 steps.

    Parameters
    ----------
    job : Job
        With the phases of `phases_of`.
    problem : Problem
        The data.
    layers, width : int
        The network.
    settings : Settings
        The job's.

    Returns
    -------
    Trained
        Where the runs ended.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C; what was done is kept.
    """
    own, f = settings.protocol, problem.objective(layers, width)
    theta0 = problem.starts(layers, width, settings.seed, own.runs_of(layers))
    one = partial(_carry_out, job, problem, layers, width)
    rules: list[Rule] = [RULES[own.rule], STOP]
    runs = one("train", partial(descend, f, theta0, steps=own.steps, step_size=STEP_SIZES[layers], stop=rules))
    sizes = np.minimum(step_sizes(f, runs.theta), STEP_SIZES[layers])
    on = one("on", partial(descend, f, runs.theta, steps=own.further, step_size=sizes, stop=ONWARD))
    return Trained(
        layers,
        width,
        runs.theta,
        np.where(runs.status == "diverged", np.nan, f.value(runs.theta)),
        runs.steps_done,
        on.theta,
        np.where(on.status == "diverged", np.nan, f.value(on.theta)),
    )


def _carry_out(job: Job, problem: Problem, layers: int, width: int, part: str, begin: Callable[..., Runs]) -> Runs:
    runs, interrupted = job.descend(name_of(layers, width, part), problem.objective(layers, width), begin)
    if interrupted:
        raise KeyboardInterrupt
    return runs
