"""Theorem 3.2 of Finnoff 1992, measured: how far SGD strays from the gradient flow, and at which rate as η → 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow._checks import check_float_array, check_positive_int, check_positive_number, check_probability, check_seed
from etaflow.dynamics.flow import flow as follow
from etaflow.dynamics.progress import Progress
from etaflow.problem.objective import Objective
from etaflow.theory.small_steps.deviation_result import Deviation, build, powers
from etaflow.theory.small_steps.gronwall import check_constants
from etaflow.theory.small_steps.suprema import Ensemble, Suprema, measure
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
    from collections.abc import Callable, Mapping

    from etaflow._checks import FloatArray
    from etaflow.dynamics.flow import Flow

    Array = npt.NDArray[np.float64]

TIMES = 50
"""At most so many recorded times, if none are given."""

FRACTIONS = (0.05, 0.1, 0.2, 0.5, 1.0)
"""δ as parts of how far the flow goes, if none are given: a choice that does not look at the runs."""

RTOL, ATOL = 1e-10, 1e-12
"""Of the flow: its error is to be far below every deviation."""


def deviation(
    objective: Objective,
    theta0: npt.ArrayLike,
    *,
    t: float,
    step_sizes: npt.ArrayLike,
    runs: int,
    seed: int = 0,
    batch_size: int = 1,
    deltas: npt.ArrayLike | None = None,
    times: npt.ArrayLike | None = None,
    level: float = 0.95,
    constants: Mapping[str, Any] | None = None,
    flow: Flow | None = None,
    threads: int | None = None,
    progress: bool | Callable[[float], Any] = False,
) -> Deviation:
    r"""Measure E sup_{s≤r}‖θ^η(s) − θ̄(s)‖² and P(sup > δ) for several step sizes (Finnoff 1992, Theorem 3.2).

    The theorem: for every r there is a constant B_r with E sup² ≤ B_r·η for all η, and so P(sup > δ) ≤ B_r·η/δ². For
    each η an ensemble of SGD runs is made, with indices drawn independently and uniformly; the supremum runs over every step, in
    the compiled core. The deviation is split into Euler's error, gradient descent − flow, which is O(η) and not random, and the
    sampling error, SGD − gradient descent, which is O(√η).

    Parameters
    ----------
    objective : Objective
        f, in float64.
    theta0 : array_like, shape (d,)
        θ_0.
    t : float
        The last time, > 0; n steps of η are the time n·η.
    step_sizes : array_like, shape (m,)
        η, different positive numbers of which each divides t.
    runs : int
        How many runs per step size, at least 2. Step size number i has the runs i·runs, …, (i + 1)·runs − 1 of the seed, so that step
        sizes are independent of one another.
    seed : int, default 0
        Of the runs and of the bootstrap.
    batch_size : int, default 1
        Observations per step.
    deltas : array_like, shape (k,), optional
        The δ of the tail, in the unit of θ; by default 5, 10, 20, 50 and 100 % of how far the flow gets from θ_0.
    times : array_like, optional
        The times r, increasing in (0, t]; t is added. By default those of the steps of the largest η, or 50 of them. The
        supremum up to r is over the steps up to the last one at or before r.
    level : float, default 0.95
        The confidence level of every interval by itself.
    constants : mapping, optional
        K and L of Lemma 3.1, for a proved B_r; see `etaflow.theory.small_steps.gronwall`.
    flow : Flow, optional
        θ̄ from θ_0 up to t or longer, if there is one already.
    threads : int, optional
        How many threads.
    progress : bool or callable, default False
        As in `descend`.

    Returns
    -------
    Deviation
        Its table ``data`` has, by ``step_size`` and ``time``:

        ``mean_sup2``
            E sup²: the mean over the runs that finished, with the bootstrap interval ``mean_sup2_low``, ``mean_sup2_high``.
        ``constant``
            B̂_r = E sup²/η, with ``constant_low``, ``constant_high``.
        ``mean_sup2_between``
            The upper bound of E sup² when the time between steps counts too. Where the difference, at most
            ``chord_gap``, is more than 1 % of the supremum (``between_matters``), the supremum is only known to be between the two,
            and the intervals above reach up to this one's.
        ``mean_distance2``
            E‖θ^η(r) − θ̄(r)‖², without a supremum.
        ``sampling_mean_sup2``, ``sampling_mean_sup2_low``, ``sampling_mean_sup2_high``, ``euler_sup``
            The parts.
        ``sup``, ``sampling_sup``, ``distance``
            The same run by run, NaN for a run that diverged.
        ``log10_proved_constant``
            log₁₀ of a proved B_r, if `constants` are given.

        And by ``step_size`` and ``delta``, for the last time:

        ``exceedance``
            The part of the runs with sup > δ, with the interval of Clopper and Pearson ``exceedance_low``, ``exceedance_high``.
        ``exceedance_markov``
            E sup²/δ² of the same runs. Markov's inequality holds for every sample, so this one cannot be exceeded: it shows how much
            the inequality gives away.
        ``exceedance_bound``
            B̂·η/δ² with one B̂ for all step sizes, the largest ``constant_high``: the theorem's bound with a measured constant.
        ``log10_exceedance_proved``
            log₁₀ of B_t·η/δ² with the proved B_t of the largest η.

        Its coordinates say how many ``steps`` a step size has, and how many runs ``diverged``.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value: a step size that does not divide t, for example, or an objective in float32.

    Warns
    -----
    RuntimeWarning
        If runs diverged: they are left out. If finite runs exploded, to more than 10 times the size of θ away: they count. If a step
        size is beyond 2/λ_max(∇²f) on the way. Or after Ctrl-C: the result is of the step sizes that were finished.

    Notes
    -----
    θ^η between two steps is the chord (Finnoff 1992, section 3), so that between them ‖θ^η − θ̄‖ is at most the larger of the two ends
    plus (η²/8)·sup‖∇²f∇f‖, the distance of θ̄ from its own chord.

    As the limit of (θ^η − θ̄)/√η is a diffusion, as rough as Brownian motion, a supremum over few steps misses more of it than one
    over many, by a part of order √η. So B̂_r grows a little as η falls, and the fitted power of a range of η is a little below 1
    (it tends to 1). `power_at_times` looks at all step sizes at the same times and has no such bias.

    Expectations of a supremum have heavy tails where runs may diverge: the mean over those that did not is then no estimate of
    E sup², which the theorem's conditions exclude.

    References
    ----------
    Finnoff 1992, Diffusion approximations for the constant learning rate backpropagation algorithm, Theorem 3.2.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> net = ef.MLP([2, 2, 1])
    >>> f = ef.Objective(net, x, y)
    >>> found = ef.theory.deviation(f, net.init(seed=1), t=2.0, step_sizes=[0.1, 0.05, 0.025], runs=200)
    >>> found.power_at_times.contains(1.0)
    True
    """
    if not isinstance(objective, Objective):
        raise TypeError(f"objective must be an Objective (got {objective!r})")
    start = check_start(objective, theta0)
    last, sizes = check_positive_number("t", t), check_sizes(step_sizes)
    steps = check_steps("step_sizes", sizes, last)
    count, key, share = check_positive_int("runs", runs), check_seed(seed), check_probability("level", level)
    if count < 2:
        raise ValueError(f"runs must be >= 2 (got {count})")
    batch, bar = check_positive_int("batch_size", batch_size), Progress(progress, BAR)
    grid = _times_of(float(sizes.max()), last) if times is None else _check_times(times, last)
    norm = float(np.linalg.norm(start))
    known = None if constants is None else check_constants(constants, start=norm, t=last, batch_size=batch)
    wanted = None if deltas is None else _check_deltas(deltas)
    path = _follow(objective, start, last, threads) if flow is None else _check_flow(flow, objective, start, last)
    levels = _deltas_of(path, start, grid) if wanted is None else wanted
    points = path(np.append(0.0, grid))
    warn_of_instability(objective, points, sizes)
    size = float(np.linalg.norm(points, axis=1).max())
    ensembles = [
        Ensemble(eta, _steps_at(grid, eta), range(i * count, (i + 1) * count), key, batch, threads)
        for i, eta in enumerate(sizes.tolist())
    ]

    def of_step_size(i: int, report: bool | Callable[[float], Any]) -> Suprema:
        found = measure(objective, path, ensembles[i], report)
        warn_of_diverged(ensembles[i].step_size, found.status)
        warn_of_exploded(ensembles[i].step_size, found.total[:, -1:], size)
        return found

    found = one_after_another(steps, of_step_size, bar)
    data = build(ensembles[: len(found)], found, times=grid, deltas=levels, level=share, seed=key, known=known)
    fitted = powers(sizes, found, share, key)
    return Deviation(data=data, **fitted, flow=path, level=share, complete=len(found) == len(sizes))


def _steps_at(times: Array, step_size: float) -> npt.NDArray[np.int64]:
    return np.floor(times / step_size * (1 + 1e-12)).astype(np.int64)


def _times_of(step_size: float, last: float) -> Array:
    steps = round(last / step_size)
    chosen = np.unique(np.rint(np.linspace(1, steps, min(steps, TIMES))))
    return np.append(step_size * chosen[:-1], last)


def _check_times(times: npt.ArrayLike, last: float) -> Array:
    grid = check_float_array("times", times, ndim=1).astype(np.float64)
    if not ((grid > 0) & (grid <= last)).all() or not (np.diff(grid) > 0).all():
        raise ValueError(f"times must increase from above 0 to at most t = {last:g} (got {grid.tolist()})")
    return np.append(grid[grid < last], last)


def _check_deltas(deltas: npt.ArrayLike) -> Array:
    levels = check_float_array("deltas", deltas, ndim=1).astype(np.float64)
    if levels.size == 0 or not (levels > 0).all():
        raise ValueError(f"deltas must hold positive numbers (got {levels.tolist()})")
    return np.unique(levels)


def _deltas_of(path: Flow, start: FloatArray, times: Array) -> Array:
    travelled = float(np.linalg.norm(path(times) - start, axis=1).max())
    if travelled <= 1e-9 * (1 + np.linalg.norm(start)):
        raise ValueError("deltas must be given where the flow does not move: theta0 is a stationary point (got None)")
    return travelled * np.array(FRACTIONS)


def _follow(objective: Objective, start: FloatArray, last: float, threads: int | None) -> Flow:
    path = follow(objective, start, t=last, rtol=RTOL, atol=ATOL, threads=threads)
    if path.status == "interrupted":
        raise KeyboardInterrupt
    if path.status != "finished":
        raise ValueError(
            f"t must be a time that the flow reaches (got {last:g}, but the flow {path.status} at {path.t:g})"
        )
    return path


def _check_flow(flow: Flow, objective: Objective, start: FloatArray, last: float) -> Flow:
    if flow.objective is not objective or not np.array_equal(flow.theta0, start):
        raise ValueError("flow must be of the same objective from the same theta0")
    if flow.t < last:
        raise ValueError(f"flow must reach t = {last:g} (got {flow.t:g})")
    return flow
