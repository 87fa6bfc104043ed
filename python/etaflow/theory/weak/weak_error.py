"""Weak errors: how far the expectations of an approximation are from those of SGD, and at which rate as η → 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

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
from etaflow.diffusion.noise import noise_factor
from etaflow.dynamics.progress import Progress
from etaflow.problem.objective import Objective
from etaflow.theory.small_steps.working import BAR, check_start, check_steps, one_after_another, warn_of_diverged
from etaflow.theory.weak.processes import Process, Setting, parse_process, simulate
from etaflow.theory.weak.quadratic_moments import QuadraticLaw, check_quadratic
from etaflow.theory.weak.signed_power import fit_signed_power
from etaflow.theory.weak.weak_result import WeakError

if TYPE_CHECKING:
    Array = npt.NDArray[np.float64]

Test: TypeAlias = Callable[[Any], Any]

SGD = Process("sgd")
SUBSTEPS = 32
"""Of an equation at the largest step size; smaller ones have more, so that Euler's part of the error keeps its share."""

CHUNK = 1 << 17
"""So many runs at a time."""


def weak_error(
    objective: Objective,
    theta0: npt.ArrayLike,
    *,
    t: float,
    step_sizes: npt.ArrayLike,
    runs: int | None = None,
    approximations: Sequence[str] = ("order 1", "order 2"),
    test_functions: Sequence[str] | Mapping[str, Test] = ("loss", "norm2"),
    seed: int = 0,
    batch_size: int = 1,
    sampling: str = "iid",
    substeps: int | None = None,
    level: float = 0.95,
    threads: int | None = None,
    progress: bool | Callable[[float], Any] = False,
) -> WeakError:
    r"""Return E g(θ_SGD(t)) − E g(X(t)) for approximations X of SGD and test functions g, for several step sizes.

    An approximation is of weak order p if this error is O(η^p) for all smooth g of polynomial growth. The gradient flow
    and the modified equation of order 1 have p = 1 (the noise of order 1 changes expectations by O(η) only, so that it is
    not the order that tells it from the flow, but the constant, and the variance); the equation of order 2 has p = 2 (Li,
    Tai & E 2017, Theorem 1; 2019, Theorem 9). SGD with Gaussian noise of the same covariance agrees with SGD in the first two
    moments of each step and has p = 2 as well. SVAG(l) is none that improves on order 1: as l → ∞ it leads to that equation
    (Li, Malladi & Arora 2021, Theorem 4.3), so its error tends to that of "order 1".

    Parameters
    ----------
    objective : Objective
        f, in float64.
    theta0 : array_like, shape (d,)
        θ_0.
    t : float
        The time, > 0.
    step_sizes : array_like, shape (m,)
        η, different positive numbers of which each divides t.
    runs : int, optional
        How many runs of each process per step size. Without it the expectations are exact, for quadratic problems: linear
        regression with up to 24 parameters and quadratic g.
    approximations : sequence of str, default ("order 1", "order 2")
        ``"flow"``, ``"order 1"``, ``"order 2"``, ``"gaussian"`` and ``"isotropic"`` (SGD with this noise), ``"svag l"`` with a
        number l.
    test_functions : sequence of str or mapping of str to callable, default ("loss", "norm2")
        g: ``"loss"`` = f(θ), ``"norm2"`` = ‖θ‖²; or functions by name, (runs, d) → (runs,).
    seed : int, default 0
        Of all runs; no two runs of the comparison share a run number.
    batch_size : int, default 1
        |B|.
    sampling : {"iid", "without_replacement"}, default "iid"
        How SGD's batches are drawn.
    substeps : int, optional
        Steps of the Euler–Maruyama simulation of an equation in one of SGD. By default 32 at the largest η, and more at
        smaller ones, in proportion to 1/η: Euler's own weak error O(η/substeps) is then O(η²), a small constant part of an
        error of order 2, and of order 1 less and less.
    level : float, default 0.95
        The confidence level of every interval by itself.
    threads : int, optional
        How many threads.
    progress : bool or callable, default False
        As in `descend`.

    Returns
    -------
    WeakError
        Its table ``data`` has, by ``approximation``, ``test`` and ``step_size``:

        ``error``
            E g(SGD) − E g(X).
        ``standard_error``
            Its standard error; 0 if exact.
        ``low``, ``high``
            The interval of |error|, normal, cut at 0.
        ``expectation``, ``expectation_sgd``
            The two expectations.
        ``local_power``
            s between this step size and the next larger one: it tends to the order as η → 0. NaN for the largest, and where
            the error changes its sign.

        ``power(approximation, test)`` is s of |error| ∝ η^s over these step sizes. An error of order p has terms of order
        p + 1 too, so that s is only near p; ``order(approximation, test)`` is a fit with that term, whose interval is for p
        itself. It is wider: take it where the errors are far above their noise.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value: `runs` is needed, for example, where there are no exact expectations.

    Warns
    -----
    RuntimeWarning
        If runs diverged: they are left out. Or after Ctrl-C: the result is of the step sizes that were finished.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1], bias=False), [[-1.0], [-0.9], [0.7]], [0.2, 0.1, 0.4])
    >>> ef.theory.weak_error(f, [-1.7], t=0.6, step_sizes=[0.1, 0.05, 0.025])
    WeakError(exact, 3 step sizes 0.025 … 0.1, E loss: order 1: η^1.02, order 2: η^1.98)
    """
    if not isinstance(objective, Objective):
        raise TypeError(f"objective must be an Objective (got {objective!r})")
    start = check_start(objective, theta0)
    end, sizes = check_positive_number("t", t), check_float_array("step_sizes", step_sizes, ndim=1).astype(np.float64)
    steps = check_steps("step_sizes", sizes, end)
    processes = _check_processes(approximations)
    tests = _check_tests(test_functions, objective)
    noise_factor(objective, batch_size, sampling)  # checks both
    setting = Setting(objective, start, end, batch_size, sampling, check_seed(seed), threads)
    parts = _substeps(sizes, None if substeps is None else check_positive_int("substeps", substeps))
    share, bar = check_probability("level", level), Progress(progress, BAR)
    if runs is None:
        found = _exact(setting, processes, tests, steps)
    else:
        count = check_positive_int("runs", runs)
        if count < 2:
            raise ValueError(f"runs must be >= 2 (got {count})")
        if any(process.kind == "flow" for process in processes):
            _flow_end(setting)  # whatever is wrong with it shows before the work
        found = one_after_another(
            steps * parts,
            lambda i, report: _estimate(setting, processes, tests, float(sizes[i]), int(parts[i]), (i, count), report),
            bar,
        )
    return _result(sizes, processes, list(tests), np.array(found), share, runs)


# A row of processes, SGD first; of expectations and their variances by test function: (1 + processes, tests, 2).
def _estimate(
    setting: Setting,
    processes: list[Process],
    tests: dict[str, Test],
    step_size: float,
    substeps: int,
    place: tuple[int, int],
    report: bool | Callable[[float], Any],
) -> Array:
    number, runs = place
    everyone = [SGD, *processes]
    costs = np.array([substeps if one.is_equation else one.parts for one in everyone], float)
    begins = np.cumsum(costs) - costs
    rows = []
    for i, process in enumerate(everyone):
        first = (number * len(everyone) + i) * runs

        def tell(fraction: float, i: int = i) -> None:
            assert callable(report)
            report(float((begins[i] + costs[i] * fraction) / costs.sum()))

        if process.kind == "flow":
            rows.append(np.array([[float(g(_flow_end(setting)[None])[0]), 0.0] for g in tests.values()]))
            continue
        numbers = range(first, first + runs)
        rows.append(_moments_of(setting, process, tests, step_size, substeps, numbers, tell if report else False))
    return np.array(rows)


def _moments_of(
    setting: Setting,
    process: Process,
    tests: dict[str, Test],
    step_size: float,
    substeps: int,
    numbers: range,
    report: bool | Callable[[float], Any],
) -> Array:
    values, status = [], []
    for first in range(0, len(numbers), CHUNK):
        part = numbers[first : first + CHUNK]

        def tell(fraction: float, first: int = first, part: range = part) -> None:
            assert callable(report)
            report((first + len(part) * fraction) / len(numbers))

        theta, ended = simulate(
            setting,
            process,
            step_size=step_size,
            substeps=substeps,
            runs=part,
            progress=tell if report else False,
        )
        there = ended != "diverged"
        values.append(np.array([np.asarray(g(theta[there]), np.float64) for g in tests.values()]))
        status.append(ended)
    warn_of_diverged(step_size, np.concatenate(status))
    joined = np.concatenate(values, axis=1)
    return np.column_stack([joined.mean(axis=1), joined.var(axis=1, ddof=1) / joined.shape[1]])


def _exact(
    setting: Setting, processes: list[Process], tests: dict[str, Test], steps: npt.NDArray[np.int64]
) -> list[Array]:
    try:
        problem = check_quadratic(setting.objective)
    except ValueError as error:
        raise ValueError(f"runs must be given where the expectations are not known exactly: {error}") from error
    forms = [_quadratic_form(name, g, problem.num_params) for name, g in tests.items()]
    law = QuadraticLaw(problem, noise_factor(problem, setting.batch_size, setting.sampling))
    start = np.asarray(setting.theta0, np.float64)
    found = []
    for count in map(int, steps):
        ends = [law.at(one, start, count, setting.t / count).extended for one in [SGD, *processes]]
        means = np.array([[np.sum(form * moments) for form in forms] for moments in ends])
        found.append(np.stack([means, np.zeros_like(means)], axis=-1))
    return found


def _result(
    sizes: Array, processes: list[Process], tests: list[str], found: Array, level: float, runs: int | None
) -> WeakError:
    import xarray as xr  # noqa: PLC0415 - slow to import
    from scipy.stats import norm  # noqa: PLC0415 - slow to import

    used = sizes[: len(found)]
    means, variances = np.moveaxis(found[..., 0], 0, -1), np.moveaxis(found[..., 1], 0, -1)  # (processes, tests, m)
    error, spread = means[0] - means[1:], np.sqrt(variances[0] + variances[1:])
    half = float(norm.ppf((1 + level) / 2)) * spread
    dims = ("approximation", "test", "step_size")
    data = xr.Dataset(
        {
            "error": (dims, error, {"long_name": "E g(SGD) − E g(approximation)"}),
            "standard_error": (dims, spread),
            "low": (dims, np.maximum(np.abs(error) - half, 0.0)),
            "high": (dims, np.abs(error) + half),
            "local_power": (dims, _local_powers(used, error)),
            "expectation": (dims, means[1:]),
            "expectation_sgd": (dims[1:], means[0]),
        },
        {"approximation": [one.name for one in processes], "test": tests, "step_size": used},
        {"level": level, "runs": 0 if runs is None else runs},
    )
    pairs = {(one.name, test): (i, j) for i, one in enumerate(processes) for j, test in enumerate(tests)}
    powers, orders = (
        {key: fit_signed_power(used, error[at], spread[at], level, next_term=more) for key, at in pairs.items()}
        for more in (False, True)
    )
    return WeakError(data, powers, orders, exact=runs is None, complete=len(found) == len(sizes))


def _local_powers(sizes: Array, errors: Array) -> Array:
    order = np.argsort(-sizes)
    ordered = errors[..., order]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.log(ordered[..., 1:] / ordered[..., :-1])  # NaN where the sign changes
    powers = np.full(errors.shape, np.nan)
    powers[..., order[1:]] = ratios / np.diff(np.log(sizes[order]))
    return powers


def _check_processes(approximations: object) -> list[Process]:
    if isinstance(approximations, str) or not isinstance(approximations, Sequence):
        raise TypeError(f"approximations must be a sequence of names (got {approximations!r})")
    found = [parse_process(f"approximations[{i}]", name) for i, name in enumerate(approximations)]
    if not found or SGD in found or len(set(found)) < len(found):
        raise ValueError(
            f"approximations must hold different names, at least one, and not 'sgd' (got {list(approximations)})"
        )
    return found


def _check_tests(test_functions: object, objective: Objective) -> dict[str, Test]:
    known: dict[str, Test] = {"loss": objective.value, "norm2": lambda theta: np.sum(theta**2, axis=1)}
    if isinstance(test_functions, Mapping):
        for name, g in test_functions.items():
            if not isinstance(name, str) or not callable(g):
                raise TypeError(f"test_functions must map names to functions (got {name!r}: {g!r})")
        found = dict(test_functions)
    elif isinstance(test_functions, Sequence) and not isinstance(test_functions, str):
        found = {check_choice("a name of test_functions", name, known): known[name] for name in test_functions}
    else:
        raise TypeError(f"test_functions must be a sequence of names or a mapping (got {test_functions!r})")
    if not found:
        raise ValueError("test_functions must hold at least one function (got none)")
    probe = np.zeros((2, objective.num_params))
    for name, g in found.items():
        if np.shape(g(probe)) != (2,):
            raise ValueError(
                f"test_functions[{name!r}] must take (runs, d) to (runs,) (got {np.shape(g(probe))} from {probe.shape})"
            )
    return found


# The symmetric form with g(θ) = uᵀFu, u = (θ, 1): from the values at 0, ±e_i and e_i + e_j.
def _quadratic_form(name: str, g: Test, d: int) -> Array:
    unit = np.eye(d)
    origin, plus, minus = float(g(np.zeros((1, d)))[0]), np.asarray(g(unit)), np.asarray(g(-unit))
    pairs = np.asarray(g((unit[:, None] + unit[None, :]).reshape(-1, d))).reshape(d, d)
    form = np.empty((d + 1, d + 1))
    form[:d, :d] = 0.5 * (pairs - plus[:, None] - plus[None, :] + origin)
    form[:d, d] = form[d, :d] = 0.25 * (plus - minus)
    form[d, d] = origin
    points = np.random.default_rng(0).normal(size=(5, d))
    extended = np.column_stack([points, np.ones(5)])
    expected = np.einsum("ri,ij,rj->r", extended, form, extended)
    if not np.allclose(g(points), expected, rtol=1e-9, atol=1e-9 * np.abs(form).max()):
        raise ValueError(f"runs must be given for test_functions[{name!r}], which is not quadratic (got None)")
    return form


def _substeps(sizes: Array, substeps: int | None) -> npt.NDArray[np.int64]:
    if substeps is not None:
        return np.full(len(sizes), substeps)
    return np.array([math.ceil(SUBSTEPS * sizes.max() / eta - 1e-9) for eta in sizes])


def _flow_end(setting: Setting) -> Array:
    from etaflow.dynamics.flow import flow  # noqa: PLC0415 - only this approximation needs it

    return np.asarray(flow(setting.objective, setting.theta0, t=setting.t, rtol=1e-10, atol=1e-12).theta, np.float64)
