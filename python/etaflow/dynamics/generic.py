"""Algorithm 3 of Fleischmann 2021 with any stochastic gradient g(θ, ξ), written in Python.

`descend` makes the steps of networks in the compiled core; this slow loop is for everything else: a toy function, another
way to estimate a gradient, a noise law of one's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_float_array, check_nonnegative_int, check_run_numbers, check_seed
from etaflow.dynamics.recording import MOMENTS, check_record
from etaflow.dynamics.stepsizes import check_step_size

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    import xarray as xr

    Vector = npt.NDArray[np.float64]

STREAM = 4
"""The word of the Philox counter that keeps these draws apart from those of `descend` and `MLP.init`."""


def stochastic_gradient_method(
    g: Callable[[Vector, np.random.Generator], npt.ArrayLike],
    theta0: npt.ArrayLike,
    *,
    steps: int,
    step_size: float | npt.ArrayLike | Callable[[Any], Any],
    runs: int | range = 1,
    seed: int = 0,
    record: int | npt.ArrayLike = 1,
) -> xr.Dataset:
    """Follow θ_{k+1} = θ_k − α_k g(θ_k, ξ_k) for a stochastic gradient g of your own.

    Parameters
    ----------
    g : callable
        ``g(theta, rng)`` returns the stochastic gradient at `theta`, both ``(d,)``; ξ_k is what it draws from `rng`, a
        generator that depends on the seed, the run and the step k alone.
    theta0 : array_like, shape (d,)
        The start of every run.
    steps : int
        How many steps.
    step_size : float, array_like or schedule
        α_k, as in `descend`.
    runs : int or range, default 1
        How many runs, or their numbers.
    seed : int, default 0
        The seed.
    record : int or array_like of int, default 1
        A stride or the steps after which θ is recorded; the start and the last step are always among them.

    Returns
    -------
    xarray.Dataset
        ``theta (run, step, parameter)`` with the coordinates ``run``, ``step`` and ``time`` = Σα. NaN from the step on that
        made a run non-finite.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value, or g returns another shape than ``(d,)``.

    Examples
    --------
    The minimum of θ² with a noisy gradient and a step size that meets the conditions of Theorem 4.9:

    >>> import etaflow as ef
    >>> noisy = lambda theta, rng: 2 * theta + rng.normal(size=theta.shape)
    >>> path = stochastic_gradient_method(
    ...     noisy, [3.0], steps=2000, step_size=ef.schedules.polynomial(0.5, gamma=1.0), runs=20
    ... )
    >>> bool((abs(path.theta[:, -1]) < 0.2).all())
    True
    """
    import xarray as xr  # noqa: PLC0415 - slow to import

    start = check_float_array("theta0", theta0, dtype=np.float64, ndim=1)
    numbers = check_run_numbers(runs)
    last, key = check_nonnegative_int("steps", steps), check_seed(seed)
    sizes = check_step_size(step_size, steps=last, runs=len(numbers))
    noted = check_record("record", {"theta": record}, last, quantities=MOMENTS).steps["theta"]
    alphas = np.broadcast_to(np.outer(sizes.scale(len(numbers)), sizes.table(0, last)), (len(numbers), last))
    theta = np.full((len(numbers), noted.size, start.size), np.nan)
    for row, run in enumerate(numbers):
        theta[row] = _one_run(g, start, alphas[row], noted, (key, int(run)))
    time = sizes.elapsed(noted)
    axes = ("step",) if time.ndim == 1 else ("run", "step")
    coords = {"run": numbers, "step": noted, "time": (axes, time)}
    return xr.Dataset({"theta": (("run", "step", "parameter"), theta)}, coords)


def _one_run(
    g: Callable[[Vector, np.random.Generator], npt.ArrayLike],
    start: npt.NDArray[Any],
    alphas: Vector,
    noted: npt.NDArray[np.int64],
    key: tuple[int, int],
) -> Vector:
    theta, path = start.copy(), np.full((noted.size, start.size), np.nan)
    path[0] = theta
    for k, alpha in enumerate(alphas, start=1):
        counter = np.array([0, STREAM, k, 0], np.uint64)
        rng = np.random.Generator(np.random.Philox(key=np.array(key, np.uint64), counter=counter))
        direction = np.asarray(g(theta, rng), np.float64)
        if direction.shape != theta.shape:
            raise ValueError(f"g must return a gradient of shape {theta.shape} (got {direction.shape})")
        with np.errstate(over="ignore", invalid="ignore"):
            theta = theta - alpha * direction
        if not np.isfinite(theta).all():
            break
        path[noted == k] = theta
    return path
