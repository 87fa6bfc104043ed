"""Escape from a minimum: thousands of runs are started in it, and each is timed until it leaves."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import (
    check_choice,
    check_ndim,
    check_positive_int,
    check_positive_number,
    check_probability,
    check_seed,
)
from etaflow.diffusion.barrier import exit_barrier
from etaflow.diffusion.destinations import POLISHING, SHORT_POLISHING, Rest, rest, tell_apart
from etaflow.diffusion.escape_result import EscapeTimes, assemble
from etaflow.diffusion.exits import NOT_BEGUN, Exits, Settings, Watch
from etaflow.diffusion.stationary import stability_threshold
from etaflow.dynamics import stopping
from etaflow.dynamics.estimator import GRADIENT_NOISES
from etaflow.dynamics.progress import Progress
from etaflow.landscape.point import SADDLE, point_test

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.landscape.point import PointTest
    from etaflow.problem.objective import Objective

COSTLY = 1e9
"""So many operations the mean-square stability threshold may take, for a warning."""

EXITS_SHARE = 0.8
"""What the progress counts the exit times for, the destinations being the rest."""


def escape_times(
    objective: Objective,
    theta_star: npt.ArrayLike,
    *,
    step_size: float | Sequence[float],
    runs: int,
    leave: float | stopping.Rule,
    steps: int | None = None,
    max_time: float | None = None,
    batch_size: int | Sequence[int] = 1,
    gradient_noise: str | Sequence[str] = "sampling",
    seed: int = 0,
    destinations: bool = True,
    level: float = 0.95,
    threads: int | None = None,
    progress: bool | Callable[[float], Any] = False,
) -> EscapeTimes:
    r"""Start SGD in a minimum many times, and see when each run leaves it and where it goes.

    The noise of SGD has "a 'quasi-annealing' character … allowing it to escape local minima with small shallow basins of
    attraction" (Finnoff 1992, section 5). Runs that stay to the end are censored: the survival curve and the means count them as such. With several step sizes the growth of log(mean time) in 1/η is fitted (`EscapeTimes.exponent`), beside what the
    stationary covariance predicts; with several kinds of noise SGD is compared with its Gaussian and isotropic twins.

    Parameters
    ----------
    objective : Objective
        What is minimised, in float64.
    theta_star : array_like, shape (d,)
        The minimum: polish it before (`etaflow.polish`).
    step_size : float or sequence of float
        η, or several for a sweep.
    runs : int
        Runs for each setting, all of them independent: setting j = 0, 1, … has the run numbers j·runs, …, (j + 1)·runs − 1 in
        the order of the dimensions of the table.
    leave : float or rule
        When a run has left: ‖θ_k − θ*‖ > `leave`, looked at after every step; or ``stopping.above("loss", level, every=…)`` for
        f(θ_k) ≥ level, which costs a pass over the data at each look.
    steps : int, optional
        After so many steps a run that is still inside is given up (censored).
    max_time : float, optional
        The same in the time t = kη: with several step sizes all are followed equally long. One of the two must be given.
    batch_size : int or sequence of int, default 1
        |B|, drawn with replacement.
    gradient_noise : str or sequence of str, default "sampling"
        ``sampling``, ``gaussian`` or ``isotropic``, as in `descend`.
    seed : int, default 0
        As in `descend`.
    destinations : bool, default True
        Whether to find where the runs that left would come to rest without noise: by the gradient flow, then `etaflow.polish`. For a
        dozen parameters that takes some 20 milliseconds a run, for several hundred seconds; a run that does not come to
        rest costs a hundred times as much, or ten times where runs are driven out (see below) and polishing ends after 100 steps.
    level : float, default 0.95
        The confidence level of every interval.
    threads : int, optional
        As in `descend`.
    progress : bool or callable, default False
        True for a progress bar (tqdm); or a function that is given the part of the runs that is done.

    Returns
    -------
    EscapeTimes
        The table, with survival curves, tests and the fit of the exponent. After Ctrl-C, with a warning, the runs so far:
        those that were inside then are censored there.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If `theta_star` is not stationary (the message says the gradient norm and why), the objective is float32, or an
        argument has a wrong value.

    Warns
    -----
    RuntimeWarning
        If `theta_star` is a strict saddle, or a step size is beyond the mean-square stability threshold there (that of gradient
        descent, which is larger, for n·d³ beyond 1e9): such runs are driven out, not lifted out by chance.

    Examples
    --------
    f = mean (y_i − sin(θ x_i))² has a minimum near 0.05 between two others, and saddles at −0.47 and 0.57:

    >>> import etaflow as ef
    >>> x = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> f = ef.Objective(ef.MLP([1, 1], output="sin", bias=False), x, np.sin(2 * x) + [[0.5], [-0.5], [0.5], [-0.5]])
    >>> between = ef.polish(f, [0.05]).theta
    >>> escapes = ef.escape_times(f, between, step_size=[0.04, 0.05], runs=200, leave=0.7, steps=100_000, seed=1)
    >>> escapes
    EscapeTimes(200 runs × 2 settings, radius 0.7: 400 of 400 left; 2 other basins)
    >>> escapes.data.basin_theta.values[:, 0].round(2)
    array([ 0.05, -0.92,  0.74])

    How long the runs stay at the smaller step size, and which way they go, each with an interval of 95 %:

    >>> escapes.survival(step_size=0.04)
    Survival(200 of 200 runs left; median exit time 276 [235, 336])
    >>> escapes.destinations(step_size=0.04).to_dataframe()[["count", "share", "low", "high"]].round(
    ...     2
    ... )  # doctest: +NORMALIZE_WHITESPACE
           count  share   low  high
    basin
     0         0   0.00  0.00  0.02
     1       113   0.56  0.49  0.63
     2        87   0.44  0.37  0.51
    -1         0   0.00  0.00  0.02
    """
    sizes = _several("step_size", step_size, check_positive_number)
    settings = Settings(
        sizes,
        _lengths(sizes, steps, max_time),
        _several("batch_size", batch_size, check_positive_int),
        _several("gradient_noise", gradient_noise, partial(check_choice, choices=GRADIENT_NOISES)),
    )
    count, key, confidence = check_positive_int("runs", runs), check_seed(seed), check_probability("level", level)
    bar = Progress(progress, settings.total)
    theta, test = _check_start(objective, theta_star)
    rule = _check_leave(leave, float(objective.value(theta)))
    _check_nearness(test, rule)
    polishing = SHORT_POLISHING if _are_driven_out(objective, theta, test, settings) else POLISHING
    barriers = [exit_barrier(objective, theta, leave=rule, gradient_noise=kind) for kind in settings.noises]
    of_batches = [
        [one._replace(exponent=b * one.exponent, crowd=one.crowd / b) for one in barriers] for b in settings.batch_sizes
    ]
    share = EXITS_SHARE if destinations else 1.0
    with bar:
        report = bar.report or _nobody
        exits = Watch(objective, theta, rule, count, key, threads).all(settings, lambda part: report(share * part))
        rows = exits.theta.reshape(-1, theta.size)
        ends = Rest(np.full_like(rows, np.nan), complete=not destinations)
        if destinations and exits.complete:
            with suppress(KeyboardInterrupt):
                ends = rest(
                    objective,
                    rows,
                    threads=threads,
                    polishing=polishing,
                    report=lambda part: report(share + (1 - share) * part),
                )
    basins, numbers = tell_apart(objective, theta, ends.theta)
    _say_if_interrupted(exits, ends)
    return assemble(rule, settings, exits, basins, numbers.reshape(exits.step.shape), np.array(of_batches), confidence)


def _nobody(_: float) -> None:
    pass


def _lengths(sizes: tuple[float, ...], steps: int | None, max_time: float | None) -> tuple[int, ...]:
    if (steps is None) == (max_time is None):
        raise ValueError(f"steps or max_time must be given, and not both (got {steps!r} and {max_time!r})")
    if steps is not None:
        return (check_positive_int("steps", steps),) * len(sizes)
    end = check_positive_number("max_time", max_time)
    return tuple(max(1, round(end / eta)) for eta in sizes)


def _say_if_interrupted(exits: Exits, ends: Rest) -> None:
    if not exits.complete:
        begun = exits.status[..., 0] != NOT_BEGUN
        text = f"in setting {begun.sum()} of {begun.size}: runs that were inside are censored there, and no destinations are sought"
    elif not ends.complete:
        text = "while destinations were sought: all exit times are there, some runs have no destination"
    else:
        return
    warnings.warn(f"interrupted {text}", RuntimeWarning, stacklevel=3)


def _several(name: str, value: Any, check: Callable[[str, Any], Any]) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        return (check(name, value),)
    entries = tuple(check(f"{name}[{i}]", one) for i, one in enumerate(value))
    if len(set(entries)) < max(len(entries), 1):
        raise ValueError(f"{name} must hold different values, at least one (got {value!r})")
    return entries


def _check_start(objective: Objective, theta_star: npt.ArrayLike) -> tuple[FloatArray, PointTest]:
    if objective.dtype != np.float64:
        raise ValueError(f"objective must be float64 (got {objective.dtype}): make x float64")
    theta = objective.check_theta(theta_star)
    check_ndim("theta_star", theta, 1)
    test = point_test(objective, theta)
    if not test.is_stationary:
        raise ValueError(
            f"theta_star must be a stationary point (got one with gradient norm {test.grad_norm:.3g}): {test.reason}"
        )
    return theta, test


def _check_leave(leave: Any, value: float) -> stopping.Rule:
    if isinstance(leave, stopping.Leave):
        return leave
    if not isinstance(leave, stopping.Threshold):
        return stopping.leave(check_positive_number("leave", leave))
    if (leave.side, leave.monitor) != ("above", "loss"):
        raise ValueError(
            f"leave must be a radius, stopping.leave(radius) or stopping.above('loss', level) (got {leave!r})"
        )
    if not leave.value > value:
        raise ValueError(f"leave must be at a level above f(theta_star) = {value:g} (got {leave.value:g})")
    return leave


def _check_nearness(test: PointTest, rule: stopping.Rule) -> None:
    if isinstance(rule, stopping.Leave) and not test.newton_step < rule.radius:
        raise ValueError(
            f"theta_star must be nearer to a stationary point than leave = {rule.radius:g} (got one at a distance of {test.newton_step:.3g} "
            "by Newton's step): polish it, and see that it converged"
        )


def _are_driven_out(objective: Objective, theta: FloatArray, test: PointTest, settings: Settings) -> bool:
    # With a warning if so.
    if test.verdict == SADDLE:
        text = f"theta_star is a strict saddle: {test.reason}; runs leave it without noise too"
        warnings.warn(text, RuntimeWarning, stacklevel=3)
        return True
    largest = max(settings.step_sizes)
    thresholds = {batch: _threshold(objective, theta, test, batch) for batch in settings.batch_sizes}
    unstable = {batch: threshold for batch, threshold in thresholds.items() if largest > threshold}
    for batch, threshold in unstable.items():
        warnings.warn(
            f"step_size {largest:g} is beyond {threshold:.3g}, where SGD with batch_size {batch} stops being stable in mean square "
            "at theta_star: runs are driven out, not lifted out by chance",
            RuntimeWarning,
            stacklevel=3,
        )
    return bool(unstable)


def _threshold(objective: Objective, theta: FloatArray, test: PointTest, batch_size: int) -> float:
    # Gradient descent's threshold is an upper bound: at a degenerate minimum, and where the true one costs more than a warning may.
    bound = 2 / test.eigenvalue_max if test.eigenvalue_max > 0 else np.inf
    if objective.n * float(objective.num_params) ** 3 > COSTLY:
        return bound
    try:
        return stability_threshold(objective, theta, batch_size=batch_size)
    except ValueError:
        return bound
