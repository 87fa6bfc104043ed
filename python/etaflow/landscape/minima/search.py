"""Many starts, one descent, and a second-order method from where each of them ended."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow._checks import (
    check_choice,
    check_float_array,
    check_positive_int,
    check_positive_number,
    check_probability,
    check_run_numbers,
    check_seed,
)
from etaflow.dynamics.descent import descend
from etaflow.dynamics.flow import flow
from etaflow.dynamics.progress import Progress
from etaflow.dynamics.stopping import check_rules, halve_on_plateau, plateau
from etaflow.landscape.minima.census import sort_out
from etaflow.landscape.minima.ends import DIVERGED, INTERRUPTED, judge, unjudged
from etaflow.landscape.minima.result import Minima

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etaflow._checks import FloatArray
    from etaflow.dynamics.stopping import Rule
    from etaflow.landscape.minima.ends import End
    from etaflow.problem.initialisation import Scheme
    from etaflow.problem.objective import Objective

METHODS = ("gradient_descent", "flow")
STEPS, TIME = 12_000, 1_000.0
DENSE = 400
"""Up to so many parameters the largest eigenvalue is taken from the whole spectrum; beyond, Lanczos is faster."""

FLOW_GRADIENT = 1e-8
"""A flow ends where ‖∇f‖ is as small as this: the basin is decided."""


def find_minima(
    objective: Objective,
    *,
    starts: int | range | npt.ArrayLike = 100,
    seed: int = 0,
    scheme: Scheme = "glorot_uniform",
    method: str = "gradient_descent",
    steps: int | None = None,
    step_size: float | npt.ArrayLike | None = None,
    stop: Rule | Sequence[Rule] | None = None,
    t: float | None = None,
    tolerance: float = 1e-12,
    max_iterations: int = 300,
    level: float = 0.95,
    threads: int | None = None,
    progress: bool | Callable[[float], Any] = False,
) -> Minima:
    r"""Train from many starts, polish where each run ended, and count the different minima.

    All runs go in one call of `descend` with the full gradient (Fleischmann 2021, section 5.1), or of `flow`. Each end is
    polished (`polish`; at the kinks of ReLUs by Newton's method in θ and the slopes there) and judged: a *minimum*; a *minimum at a
    kink*; a *degenerate* point, where the second order does not decide; a *strict saddle*; *on its way to infinity*; *not
    settled*; or *diverged*. Minima that differ by a symmetry of the network count as one.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    starts : int, range or array_like of shape (runs, d), default 100
        How many starts, which run numbers, or the starts themselves.
    seed : int, default 0
        Of the starts.
    scheme : str or (str, float), default "glorot_uniform"
        How they are drawn, as `MLP.init` takes it. Basin frequencies are those of this distribution.
    method : {"gradient_descent", "flow"}, default "gradient_descent"
        How a run finds its basin. The flow's basins are those of f itself, without a step size; it takes longer.
    steps : int, optional
        Of gradient descent, by default 12 000.
    step_size : float or array_like of shape (runs,), optional
        Of gradient descent; by default 1/λ of each run, with λ the largest eigenvalue of the Hessian at its start, but at most 1.
    stop : rule or sequence of rules, optional
        Of gradient descent. By default those of experiment 5.1 in Fleischmann's text, in proportion: after a third of the steps the
        step size is halved whenever f has not fallen for 50 steps, and a run is stopped after a twelfth of the steps without
        an improvement of 1e-7.
    t : float, optional
        The time of the flow, by default 1000. It ends before where ‖∇f‖ < 1e-8.
    tolerance : float, default 1e-12
        The gradient norm that polishing is to reach.
    max_iterations : int, default 300
        Of polishing, for each run.
    level : float, default 0.95
        The confidence level of the intervals.
    threads : int, optional
        For the descent or the flow; they change no bit.
    progress : bool or callable, default False
        True for a progress bar (tqdm); or a function that is given the part that is done.

    Returns
    -------
    Minima
        The census. After Ctrl-C the ends that were not reached are ``interrupted``; ``find_minima(f, starts=found.trained)``
        goes on with them.

    Raises
    ------
    TypeError
        If an argument has a wrong type, or belongs to the other method.
    ValueError
        If an argument has a wrong value. Both come before any work.

    See Also
    --------
    etaflow.find_stationary_points : saddles too.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> f = ef.Objective(ef.MLP([2, 2, 1]), x, y, l2=1e-3)
    >>> found = ef.find_minima(f, starts=40, seed=1)
    >>> len(found), found.kinds
    (5, {'minimum': 40})
    >>> found.value.round(4)  # the symmetries of the data, which are not those of the network, make copies too
    array([0.0125, 0.0125, 0.5195, 0.5195, 0.5195])
    """
    asked = {"steps": steps, "step_size": step_size, "stop": stop, "t": t}
    kind = _check_method(method, asked)
    rows = draw_starts(objective, starts, check_seed(seed), scheme)
    number, share = check_positive_number("tolerance", tolerance), check_probability("level", level)
    most = check_positive_int("max_iterations", max_iterations)
    end = check_positive_number("t", TIME if t is None else t)
    count = check_positive_int("steps", STEPS if steps is None else steps)
    rules = _default_rules(count) if stop is None else check_rules(stop)
    workers = None if threads is None else check_positive_int("threads", threads)
    with Progress(progress, 2 * len(rows)) as bar:
        train = _Training(objective, kind, count, step_size, rules, end, workers, _first_half(bar))
        trained, status = train(rows)
        ends = _judge_all(objective, trained, status, number, most, bar)
    label, chosen = sort_out(objective, ends)
    return Minima(objective, rows, trained, tuple(ends), label, tuple(chosen), share)


@dataclass(frozen=True)
class _Training:
    objective: Objective
    method: str
    steps: int
    step_size: float | npt.ArrayLike | None
    stop: Sequence[Rule]
    t: float
    threads: int | None
    report: Callable[[float], Any] | bool

    def __call__(self, starts: FloatArray) -> tuple[FloatArray, npt.NDArray[np.str_]]:
        if self.method == "flow":
            stop = ("grad_norm", FLOW_GRADIENT)
            ended = flow(self.objective, starts, t=self.t, stop_when=stop, threads=self.threads, progress=self.report)
            return ended.theta, np.asarray(ended.status)
        step_size = step_sizes(self.objective, starts) if self.step_size is None else self.step_size
        runs = descend(
            self.objective,
            starts,
            steps=self.steps,
            step_size=step_size,
            stop=list(self.stop),
            threads=self.threads,
            progress=self.report,
        )
        return runs.theta.copy(), runs.status


def step_sizes(objective: Objective, starts: FloatArray) -> FloatArray:
    """Return 1/λ for each start, with λ the largest eigenvalue of the Hessian there, but at most 1.

    Gradient descent then descends at first: its limit is 2/λ (Fleischmann 2021, Theorem 4.3).

    Parameters
    ----------
    objective : Objective
        What is minimised.
    starts : ndarray, shape (runs, d)
        The starts.

    Returns
    -------
    ndarray, shape (runs,)
        The step sizes.
    """
    largest = [_largest_curvature(objective, theta) for theta in starts]
    return np.asarray(1 / np.maximum(largest, 1.0), objective.dtype)


def _largest_curvature(objective: Objective, theta: FloatArray) -> float:
    if objective.num_params <= DENSE:
        return float(np.abs(np.linalg.eigvalsh(objective.hessian(theta))).max())
    from scipy.sparse.linalg import eigsh  # noqa: PLC0415 - slow to import

    begin = np.random.default_rng(0).standard_normal(len(theta)).astype(objective.dtype)
    ends = eigsh(objective.hessian_operator(theta), k=1, v0=begin, tol=1e-2, return_eigenvectors=False)
    return float(np.abs(ends[0]))


def _judge_all(
    objective: Objective,
    trained: FloatArray,
    status: npt.NDArray[np.str_],
    tolerance: float,
    max_iterations: int,
    bar: Progress,
) -> list[End]:
    waiting = "Ctrl-C came before this run was polished"
    ends = [unjudged(objective, theta, INTERRUPTED, waiting) for theta in trained]
    if (status == "interrupted").any():
        return ends
    try:
        for run, theta in enumerate(trained):
            if status[run] == "diverged":
                ends[run] = unjudged(objective, theta, DIVERGED, "the step size was too large: a step was not finite")
            else:
                ends[run] = judge(objective, theta, tolerance=tolerance, max_iterations=max_iterations)
            if bar.report is not None:
                bar.report((1 + (run + 1) / len(trained)) / 2)
    except KeyboardInterrupt:
        done = sum(end.kind != INTERRUPTED for end in ends)
        warnings.warn(f"interrupted after {done} of {len(ends)} runs were polished", RuntimeWarning, stacklevel=3)
    return ends


def _first_half(bar: Progress) -> Callable[[float], Any] | bool:
    report = bar.report
    return False if report is None else lambda fraction: report(fraction / 2)


def _default_rules(steps: int) -> list[Rule]:
    halve = halve_on_plateau(after=steps // 3, patience=50, cooldown=0, min_delta=0.0)
    return [halve, plateau(patience=max(steps // 12, 1))]


def _check_method(method: object, asked: dict[str, Any]) -> str:
    kind = check_choice("method", method, METHODS)
    foreign = ("t",) if kind == METHODS[0] else ("steps", "step_size", "stop")
    for name in foreign:
        if asked[name] is not None:
            raise TypeError(f"{name} is not an option of the method {kind!r} (got {asked[name]!r})")
    return kind


def draw_starts(objective: Objective, starts: Any, seed: int, scheme: Scheme) -> FloatArray:
    """Return the starts that the argument `starts` means.

    Parameters
    ----------
    objective : Objective
        With the network and the dtype.
    starts : int, range or array_like of shape (runs, d)
        How many, which run numbers, or the starts themselves.
    seed : int
        Of the first two.
    scheme : str or (str, float)
        Of the first two, as `MLP.init` takes it.

    Returns
    -------
    ndarray, shape (runs, d)
        The starts.

    Raises
    ------
    TypeError
        If they are of another type.
    ValueError
        If there is none, or they do not fit the network.
    """
    if isinstance(starts, int | np.integer | range):
        check_run_numbers(starts, "starts")
        runs = starts if isinstance(starts, range) else int(starts)
        return objective.net.init(seed, runs, scheme, dtype=objective.dtype)
    return objective.check_theta(check_float_array("starts", starts, dtype=objective.dtype, ndim=2))
