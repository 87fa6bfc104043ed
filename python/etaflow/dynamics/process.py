"""From the arguments of a descent to its plan, checked, and to the runs: what `descend` and its relatives share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_float_array, check_nonnegative_int, check_run_numbers, check_seed
from etaflow.dynamics import driver
from etaflow.dynamics.execution import carry_out, check_manner
from etaflow.dynamics.objectives import Objectives
from etaflow.dynamics.plan import Plan
from etaflow.dynamics.recording import MOMENTS, check_means, check_record
from etaflow.dynamics.reference import check_reference, check_start_inside
from etaflow.dynamics.sampling import check_sampling
from etaflow.dynamics.stepsizes import check_step_size
from etaflow.dynamics.stopping import check_rules
from etaflow.dynamics.updates import Update, check_bounds, check_inside, check_noise, check_optimizer

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow._checks import FloatArray, IntArray
    from etaflow.dynamics.estimator import Estimator
    from etaflow.dynamics.runs import Runs
    from etaflow.dynamics.sampling import Sampling
    from etaflow.problem.objective import Objective


def follow(
    objective: Objective,
    theta0: Any,
    *,
    steps: Any,
    step_size: Any,
    estimate: Callable[[Sampling, int], tuple[Sampling, Estimator]],
    batch_size: Any = None,
    sampling: Any = "iid",
    optimizer: Any = "sgd",
    momentum: Any = 0.0,
    runs: Any = None,
    seed: Any = 0,
    record: Any = None,
    mean: Any = (),
    stop: Any = None,
    noise: Any = 0.0,
    bounds: Any = None,
    moments: Any = None,
    validation: Any = None,
    reference: Any = None,
    threads: Any = None,
    progress: Any = False,
    checkpoint: Any = None,
    every: Any = 60.0,
) -> Runs:
    """Check everything, then make the steps.

    Parameters
    ----------
    objective, theta0, steps, step_size, batch_size, sampling, optimizer, momentum, runs, seed, record, mean, stop, noise, \
    bounds, moments, validation, reference, threads, progress, checkpoint, every
        As in `descend`.
    estimate : callable
        From the batches asked for, checked, and n to what the core draws and how it makes g_k of that.

    Returns
    -------
    Runs
        The runs.
    """
    objectives = Objectives.of(objective, validation)
    starts, numbers = _check_starts(objective, theta0, runs)
    count, last = len(numbers), check_nonnegative_int("steps", steps)
    name, hyper = check_optimizer(optimizer, momentum)
    lower, upper = check_bounds(bounds, num_params=objective.num_params, dtype=objective.dtype)
    batches = check_sampling(sampling, batch_size, n=objective.n, steps=last, runs=count)
    drawn, estimator = estimate(batches, objective.n)
    plan = Plan(
        steps=last,
        run_numbers=numbers,
        seed=check_seed(seed),
        sampling=drawn,
        estimator=estimator,
        step_sizes=(check_step_size(step_size, steps=last, runs=count),),
        update=Update(name, hyper, *check_noise(noise), lower, upper),
        rules=check_rules(stop),
        record=check_record("record", record, last),
        mean=check_means(mean),
        moments=check_record("moments", moments, last, quantities=MOMENTS),
    )
    check_inside(starts, plan.update)
    objectives.check_needs(plan)
    plan = replace(plan, reference=check_reference(reference, plan, objective.num_params, objective.dtype))
    check_start_inside(starts, plan.reference, plan)
    manner = check_manner(objectives, last, threads=threads, progress=progress, checkpoint=checkpoint, every=every)
    return carry_out(driver.begin(plan, objective, validation, starts), objectives, manner)


def _check_starts(objective: Objective, theta0: object, runs: object) -> tuple[FloatArray, IntArray]:
    array = check_float_array("theta0", theta0, dtype=objective.dtype, ndim=(1, 2))
    if array.shape[-1] != objective.num_params:
        raise ValueError(
            f"theta0 must hold {objective.num_params} parameters on its last axis, as {objective.net!r} needs (got shape {array.shape})"
        )
    if array.ndim == 1:
        numbers = check_run_numbers(1 if runs is None else runs)
        return np.broadcast_to(array, (len(numbers), array.size)), numbers
    if len(array) == 0:
        raise ValueError(f"theta0 must hold at least one start (got shape {array.shape})")
    numbers = check_run_numbers(len(array) if runs is None else runs)
    if len(numbers) != len(array):
        raise ValueError(
            f"runs must be {len(array)}, the number of starts in theta0, or a range of that length (got {runs!r})"
        )
    return array, numbers
