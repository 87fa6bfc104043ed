"""Is SGD with a small step size the same as batch training? Finnoff 1992, section 5; Hornik and Kuan 1991."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow._checks import (
    check_choice,
    check_float_array,
    check_positive_int,
    check_positive_number,
    check_probability,
    check_seed,
)
from etaflow.dynamics.descent import descend
from etaflow.dynamics.progress import Progress
from etaflow.problem.objective import Objective
from etaflow.theory.small_steps.comparison_result import Comparison, conclude
from etaflow.theory.small_steps.working import (
    BAR,
    check_sizes,
    check_start,
    check_steps,
    one_after_another,
    warn_of_diverged,
    warn_of_exploded,
    warn_of_instability,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow._checks import FloatArray

    Array = npt.NDArray[np.float64]

QUANTITIES = ("loss", "predictions", "theta")


def compare(
    objective: Objective,
    theta0: npt.ArrayLike,
    *,
    t: float,
    step_sizes: npt.ArrayLike,
    tolerance: float,
    runs: int,
    quantity: str = "loss",
    inputs: npt.ArrayLike | None = None,
    seed: int = 0,
    batch_size: int = 1,
    level: float = 0.95,
    threads: int | None = None,
    progress: bool | Callable[[float], Any] = False,
) -> Comparison:
    r"""Compare where SGD ends with where batch training ends, for smaller and smaller step sizes.

    Finnoff 1992, section 5: for very small η simple backpropagation and batch training give essentially the same. Both start at θ_0
    and make t/η steps of the same size, so that they differ by the sampling error alone. D is how far their ends are apart.

    Parameters
    ----------
    objective : Objective
        f, in float64.
    theta0 : array_like, shape (d,)
        θ_0.
    t : float
        The time when both end, > 0.
    step_sizes : array_like, shape (m,)
        η, different positive numbers of which each divides t.
    tolerance : float
        What counts as the same, in the unit of `quantity`, > 0.
    runs : int
        SGD runs per step size, at least 2; step size number i has the runs i·runs, …, (i + 1)·runs − 1 of the seed.
    quantity : {"loss", "predictions", "theta"}, default "loss"
        D: the size of the difference of the losses f, the root mean square (over inputs and outputs) of the difference of the
        predictions, or the norm of the difference of the parameters.
    inputs : array_like, shape (k, d_0), optional
        Where to predict; by default the objective's own x.
    seed : int, default 0
        Of the runs and of the bootstrap.
    batch_size : int, default 1
        Observations per step of SGD.
    level : float, default 0.95
        1 − the probability of error of the test, and the level of each interval by itself.
    threads : int, optional
        How many threads.
    progress : bool or callable, default False
        As in `descend`.

    Returns
    -------
    Comparison
        Its table ``data`` has, by ``step_size``: ``mean``, ``mean_low``, ``mean_high``, E D with a bootstrap interval; ``bias``,
        ``bias_low``, ``bias_high``, the mean with its sign of f(SGD) − f(batch), for "loss"; ``p_value`` of the null
        hypothesis E D ≥ tolerance; and ``difference``, run by run, with its sign for "loss" and NaN for a run that diverged.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value, or batch training diverges with one of the step sizes.

    Warns
    -----
    RuntimeWarning
        If runs diverged: they are left out. If finite runs exploded, to more than 10 times the size of θ away: they count. If a step
        size is beyond 2/λ_max(∇²f) at the start. Or after Ctrl-C: the result is of the step sizes that were finished.

    Notes
    -----
    That no difference is seen does not show that there is none. So the null hypothesis is E D ≥ tolerance, "not the same", and is
    tested by the one-sided t-test of the mean. The step sizes are tested from the smallest on, each at 1 − level, until one
    fails: then the probability that any step size is wrongly called the same is at most 1 − level, without a correction for
    their number.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> net = ef.MLP([2, 2, 1])
    >>> f = ef.Objective(net, x, y)
    >>> sizes = [0.1, 0.01, 0.001]
    >>> found = ef.theory.compare(f, net.init(seed=1), t=2.0, step_sizes=sizes, tolerance=0.01, runs=100)
    >>> found.threshold, found.power.low > 0
    (0.001, True)
    """
    if not isinstance(objective, Objective):
        raise TypeError(f"objective must be an Objective (got {objective!r})")
    start, last = check_start(objective, theta0), check_positive_number("t", t)
    sizes = check_sizes(step_sizes)
    steps = check_steps("step_sizes", sizes, last)
    limit, count, share = (
        check_positive_number("tolerance", tolerance),
        check_positive_int("runs", runs),
        check_probability("level", level),
    )
    if count < 2:
        raise ValueError(f"runs must be >= 2 (got {count})")
    kind = check_choice("quantity", quantity, QUANTITIES)
    places = (
        objective.x
        if inputs is None
        else check_float_array("inputs", inputs, dtype=np.float64, shape=(None, objective.net.widths[0]))
    )
    key, bar = check_seed(seed), Progress(progress, BAR)
    options: dict[str, Any] = {
        "seed": key,
        "batch_size": check_positive_int("batch_size", batch_size),
        "threads": threads,
    }

    def end(i: int, report: bool | Callable[[float], Any]) -> tuple[FloatArray, FloatArray]:
        numbers = range(i * count, (i + 1) * count)
        return _ends(objective, start, float(sizes[i]), int(steps[i]), numbers, report, options)

    warn_of_instability(objective, start[None], sizes)
    ends = one_after_another(steps, end, bar)
    signed = np.array([_difference(objective, kind, places, *pair) for pair in ends])
    return conclude(sizes, signed, quantity=kind, tolerance=limit, level=share, seed=key)


def _ends(
    objective: Objective,
    start: FloatArray,
    eta: float,
    steps: int,
    numbers: range,
    progress: bool | Callable[[float], Any],
    options: dict[str, Any],
) -> tuple[FloatArray, FloatArray]:
    batch = descend(objective, start, steps=steps, step_size=eta, threads=options["threads"])
    if batch.status[0] == "diverged":
        raise ValueError(
            f"step_sizes must not let batch training diverge (got {eta:g}, at step {batch.diverged_at[0]})"
        )
    runs = descend(objective, start, steps=steps, step_size=eta, runs=numbers, progress=progress, **options)
    ended = np.where((runs.status == "finished")[:, None], runs.theta, np.nan)
    warn_of_diverged(eta, runs.status)
    size = float(max(np.linalg.norm(start), np.linalg.norm(batch.theta[0])))
    warn_of_exploded(eta, ended - batch.theta[0], size)
    return batch.theta[0], ended


def _difference(objective: Objective, kind: str, places: FloatArray, batch: FloatArray, ends: FloatArray) -> Array:
    result = np.full(len(ends), np.nan)
    kept = np.isfinite(ends).all(axis=1)
    if kept.any():
        match kind:
            case "loss":
                values = objective.value(ends[kept]) - objective.value(batch)
            case "predictions":
                gaps = objective.net.predict(ends[kept], places) - objective.net.predict(batch, places)
                values = np.sqrt((gaps**2).mean(axis=(1, 2)))
            case _:
                values = np.linalg.norm(ends[kept] - batch, axis=1)
        result[kept] = values
    return result
