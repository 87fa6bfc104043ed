"""Paths of the linear stochastic differential equation that SGD's fluctuations obey in the limit of small step sizes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_choice, check_positive_number, check_run_numbers, check_seed
from etaflow.diffusion import heun, transitions
from etaflow.diffusion.noise import noise_factor
from etaflow.diffusion.path import check_path
from etaflow.dynamics.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    import xarray as xr

    from etaflow.dynamics.flow import Flow
    from etaflow.problem.objective import Objective

METHODS = ("auto", "exact", "heun")
EXACT_PARAMETERS = 500
"""Up to so many parameters "auto" takes the exact method, whose matrices of d × d numbers are then small."""


def simulate_linear_sde(
    objective: Objective,
    flow: Flow,
    *,
    times: npt.ArrayLike,
    runs: int | range,
    seed: int = 0,
    batch_size: int = 1,
    sampling: str = "iid",
    method: str = "auto",
    max_step: float | None = None,
    progress: bool | Callable[[float], Any] = False,
) -> xr.DataArray:
    r"""Draw paths of θ̃, the limit of (θ^η − θ̄)/√η as η → 0 (Finnoff 1992, Theorem 4.1).

    dθ̃ = A(t)·θ̃ dt + (c·R(θ̄(t)))^{1/2} dW, θ̃(0) = 0, with A = −∇²f(θ̄(t)) and the noise factor c of the mini-batch.
    θ̄ + √η·θ̃ is then SGD with a small step size η (Finnoff 1992, section 5).

    Parameters
    ----------
    objective : Objective
        The objective f, in float64.
    flow : Flow
        θ̄: the flow of f from one start.
    times : array_like, shape (m,)
        The times, increasing, between 0 and the end of the flow.
    runs : int or range
        How many paths, or their numbers. Path r depends on (seed, r) alone, not on the others.
    seed : int, default 0
        With the path's number, the key of its random numbers, the stream of the Gaussian noise of `descend`.
    batch_size : int, default 1
        Observations per step of SGD.
    sampling : {"iid", "without_replacement"}, default "iid"
        How they are drawn.
    method : {"auto", "exact", "heun"}, default "auto"
        ``exact`` draws θ̃ at the next time from its Gaussian law given θ̃ at the one before: no error but the tolerance of the
        matrices, which have d × d numbers. ``heun`` makes small steps with products with ∇²f and R^{1/2}dW drawn as a
        weighted gradient: it forms no matrix. Its error is of order 2 in the step for the law, of order 1 for a
        path. ``auto`` is ``exact`` up to 500 parameters.
    max_step : float, optional
        The largest time step of ``heun``. It never exceeds 1/8 of the fastest time scale 1/‖∇²f‖ along the flow, where the
        stationary variance is right to 0.5 %.
    progress : bool or callable, default False
        True for a progress bar (tqdm); or a function that is given the part of the work that is done.

    Returns
    -------
    xarray.DataArray, dims (run, time, parameter)
        The paths. After Ctrl-C, NaN at the times that were not reached.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value: float32, times that do not increase or lie outside the flow, several starts.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> net = ef.MLP([2, 3, 1])
    >>> f = ef.Objective(net, x, y)
    >>> flow = ef.flow(f, net.init(seed=0), t=2.0)
    >>> paths = ef.simulate_linear_sde(f, flow, times=[0.0, 1.0, 2.0], runs=100, seed=1)
    >>> paths.sizes
    Frozen({'run': 100, 'time': 3, 'parameter': 13})
    """
    from xarray import DataArray  # noqa: PLC0415 - slow to import

    points = check_path(objective, flow, times)
    numbers, key = check_run_numbers(runs), check_seed(seed)
    factor = noise_factor(objective, batch_size, sampling)
    chosen = check_choice("method", method, METHODS)
    limit = np.inf if max_step is None else check_positive_number("max_step", max_step)
    if chosen == "auto":
        chosen = "exact" if objective.num_params <= EXACT_PARAMETERS else "heun"
    paths = np.full((len(numbers), len(points), objective.num_params), np.nan)
    bar = Progress(progress, len(points))
    options: dict[str, Any] = {"paths": paths, "numbers": numbers, "seed": key, "factor": factor}
    try:
        with bar:
            if chosen == "exact":
                transitions.follow(objective, flow, points, tell=bar.report, **options)
            else:
                steps = heun.grid(objective, flow, points, limit)
                wanted = np.searchsorted(steps, points)
                heun.follow(objective, flow, steps, wanted=wanted, tell=bar.report, **options)
    except KeyboardInterrupt:
        done = int(np.isfinite(paths[0, :, 0]).sum())
        warnings.warn(f"interrupted after {done} of {len(points)} times", RuntimeWarning, stacklevel=2)
    return DataArray(
        paths,
        dims=("run", "time", "parameter"),
        coords={"run": numbers, "time": ("time", points, {"long_name": "time t = kη"})},
        attrs={"long_name": "fluctuation θ̃", "method": chosen, "seed": str(key), "noise_factor": factor},
    )
