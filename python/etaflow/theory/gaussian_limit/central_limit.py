"""Theorem 4.1 of Finnoff 1992, measured: how near SGD's fluctuations are to their Gaussian limit, and at which rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import (
    check_int,
    check_positive_int,
    check_positive_number,
    check_probability,
    check_seed,
)
from etaflow.diffusion.fluctuations import fluctuations
from etaflow.diffusion.mean_shift import finished, has_third_derivatives, mean_shift
from etaflow.diffusion.noise import noise_factor
from etaflow.dynamics.descent import descend
from etaflow.dynamics.flow import flow as follow
from etaflow.dynamics.progress import Progress
from etaflow.theory.gaussian_limit.comparison import GROUPS, Limit, compare
from etaflow.theory.gaussian_limit.table import build, fit_rates
from etaflow.theory.small_steps.working import (
    BAR,
    LOOKS,
    check_sizes,
    check_start,
    check_steps,
    one_after_another,
    warn_of_diverged,
    warn_of_exploded,
    warn_of_instability,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    import xarray as xr

    from etaflow.diffusion.law import Fluctuations
    from etaflow.problem.objective import Objective
    from etaflow.theory.rates import PowerLaw

    Array = npt.NDArray[np.float64]

FEWEST = 20 * GROUPS
"""Runs of an ensemble at least: 20 in every group."""

RTOL, ATOL = 1e-10, 1e-12
"""Of the flow: its error over √η is to be far below every fluctuation."""

PRECISION = 1e-8
"""The relative tolerance of Σ."""


@dataclass(frozen=True, eq=False, repr=False)
class CentralLimit:
    """What `central_limit` measured.

    Attributes
    ----------
    data : xarray.Dataset
        The table by step size; see `central_limit`.
    rates : dict of str to PowerLaw or None
        The powers of η with which the distances ``covariance``, ``mean``, ``skewness``, ``kolmogorov`` and ``kolmogorov_shifted`` fall,
        chance taken off; None where fewer than two step sizes show a distance that is certainly not 0.
    samples : xarray.DataArray, dims (step_size, run, parameter)
        Θ^η(t); NaN for runs that diverged.
    law : Fluctuations
        The limit N(0, Σ(t)), with the flow.
    shift : ndarray, shape (d,), or None
        m(t): the mean of Θ^η is √η·m + o(√η). None if an activation has a kink; then what needs it is left out.
    level : float
        The confidence level of every interval by itself.
    """

    data: xr.Dataset
    rates: dict[str, PowerLaw | None]
    samples: xr.DataArray
    law: Fluctuations
    shift: Array | None
    level: float

    def __repr__(self) -> str:
        """Return the result in one line.

        Returns
        -------
        str
            How much was measured, and the powers.
        """
        sizes = self.samples.sizes
        powers = [f"{name} η^{law.slope:.2f}" for name, law in self.rates.items() if law is not None]
        found = "distances fall like " + ", ".join(powers) if powers else "no distance stands out from chance"
        return f"CentralLimit({sizes['step_size']} step sizes, {sizes['run']} runs each: {found})"


def central_limit(
    objective: Objective,
    theta0: npt.ArrayLike,
    *,
    t: float,
    step_sizes: npt.ArrayLike,
    runs: int,
    seed: int = 0,
    batch_size: int = 1,
    sampling: str = "iid",
    projections: int = 32,
    level: float = 0.95,
    threads: int | None = None,
    progress: bool | Callable[[float], Any] = False,
) -> CentralLimit:
    r"""Measure how near Θ^η(t) = (θ^η(t) − θ̄(t))/√η is to its limit N(0, Σ(t)) for several step sizes.

    Finnoff 1992, Theorem 4.1, says that its law converges to that of θ̃(t) as η → 0, and section 5 leaves open how fast: the
    question of Berry and Esseen. Distances answer it, each with an interval and with the part that chance makes taken off: of the
    covariance; of the mean and the skewness, which are 0 in the limit; and of the distribution functions along random directions.

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
    runs : int
        How many runs per step size, at least 500 and more than the parameters. Step size number i has the runs i·runs, …,
        (i + 1)·runs − 1 of the seed, so that step sizes are independent of one another.
    seed : int, default 0
        Of the runs.
    batch_size : int, default 1
        Observations per step.
    sampling : {"iid", "without_replacement"}, default "iid"
        How they are drawn.
    projections : int, default 32
        The number of random directions for the distribution functions.
    level : float, default 0.95
        The confidence level of every interval by itself.
    threads : int, optional
        How many threads.
    progress : bool or callable, default False
        As in `descend`.

    Returns
    -------
    CentralLimit
        Its table ``data`` has by ``step_size``:

        ``covariance_error``
            ‖S − Σ‖/‖Σ‖ in the Frobenius norm, with the ensemble's covariance S; beside it ``covariance_floor``, the root mean
            square of the same for an exactly Gaussian ensemble of that size, √((1 + (tr Σ)²/‖Σ‖²)/(runs − 1)), and
            ``covariance_floor_high``, which such an ensemble exceeds with probability 1 − level.
        ``mean_error``
            ‖mean of Θ‖/√tr Σ, beside ``mean_floor`` = 1/√runs and ``mean_predicted`` = √η·‖m‖/√tr Σ.
        ``kolmogorov``
            sup|F − Φ| of vᵀΘ/√(vᵀΣv), averaged over the directions v, beside ``kolmogorov_floor``, its mean for normal samples.
        ``wasserstein``, ``anderson``
            The distance W₂ between the same laws, in standard deviations, beside ``wasserstein_floor``; and
            the Anderson–Darling statistic, 1 on average for normal samples.
        ``covariance_distance``, ``mean_distance``, ``kolmogorov_distance``
            The first three without chance, with the dimension ``estimate`` (value, low, high): of the law of Θ^η rather than of
            the ensemble. They (the first two squared) have no bias for a distance of 0, so that an estimate may be below 0; it is then
            shown as 0.
        ``skewness_distance``
            Likewise the root mean square, over the directions, of the third cumulant over σ³.
        ``kolmogorov_shifted_distance``
            Likewise sup|F − Φ| beside N(√η·m, Σ): how far from its limit the law is but for its mean.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value: a step size that does not divide t, for example, or an objective in float32; or if
        there is no noise.

    Warns
    -----
    RuntimeWarning
        If runs diverged: they are left out. If finite runs exploded, to more than 10 times the size of θ away: they count. If a step
        size is beyond 2/λ_max(∇²f) on the way. Or after Ctrl-C: the result is of the step sizes that were finished.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> net = ef.MLP([2, 2, 1])
    >>> f = ef.Objective(net, x, y)
    >>> found = ef.theory.central_limit(f, net.init(seed=1), t=2.0, step_sizes=[0.1, 0.025], runs=2000)
    >>> errors = found.data.covariance_error.values
    >>> bool(errors[1] < errors[0])
    True
    """
    start, last = check_start(objective, theta0), check_positive_number("t", t)
    sizes = check_sizes(step_sizes)
    steps = check_steps("step_sizes", sizes, last)
    count = check_int("runs", runs, minimum=max(FEWEST, objective.num_params + 1))
    key, share = check_seed(seed), check_probability("level", level)
    noise: dict[str, Any] = {"batch_size": batch_size, "sampling": sampling}
    noise_factor(objective, **noise)  # for its checks
    directions, bar = check_positive_int("projections", projections), Progress(progress, BAR)
    path = follow(objective, start, t=last, threads=threads, rtol=RTOL, atol=ATOL)
    law = finished(fluctuations(objective, path, times=[last], rtol=PRECISION, method="dense", **noise))
    if not law.trace[0] > 0:
        raise ValueError("objective must have noise: the gradients of all observations are the same along the flow")
    points = path(np.linspace(0, last, LOOKS))
    warn_of_instability(objective, points, sizes)
    size = float(np.linalg.norm(points, axis=1).max())
    smooth = has_third_derivatives(objective.net)
    shift = mean_shift(objective, path, np.array([last]), **noise)[0] if smooth else None

    def ensemble(i: int, tell: bool | Callable[[float], Any]) -> Array:
        numbers = range(i * count, (i + 1) * count)
        options: dict[str, Any] = {"seed": key, "threads": threads, "progress": tell, **noise}
        found = descend(objective, start, steps=int(steps[i]), step_size=float(sizes[i]), runs=numbers, **options)
        warn_of_diverged(sizes[i], found.status)
        theta = np.where((found.status == "finished")[:, None], found.theta, np.nan)
        warn_of_exploded(sizes[i], theta - path.theta, size)
        return np.asarray((theta - path.theta) / np.sqrt(sizes[i]))

    samples = one_after_another(steps, ensemble, bar)
    return of_samples(samples, sizes[: len(samples)], law, shift, projections=directions, level=share, seed=key)


def of_samples(
    samples: Sequence[Array],
    step_sizes: Array,
    law: Fluctuations,
    shift: Array | None,
    *,
    projections: int,
    level: float,
    seed: int,
) -> CentralLimit:
    """Return what `central_limit` measures, from ensembles that are there.

    Parameters
    ----------
    samples : sequence of m ndarrays, each of shape (runs, d)
        Θ at the last time of the law for each step size; NaN for a run that diverged.
    step_sizes : ndarray, shape (m,)
        η.
    law : Fluctuations
        With the matrix Σ.
    shift : ndarray, shape (d,), or None
        m, if it is known.
    projections, level, seed
        As in `central_limit`.

    Returns
    -------
    CentralLimit
        The table and the rates.

    Raises
    ------
    ValueError
        If fewer runs than `FEWEST` are finite.
    """
    limit = Limit(np.asarray(law.covariance[-1]), shift, projections, level)
    compared = [compare(_finished(one, eta), limit, eta) for one, eta in zip(samples, step_sizes, strict=True)]
    steps = np.rint(law.times[-1] / step_sizes).astype(np.int64)
    rates = fit_rates(compared, step_sizes, level, seed)
    table = build(compared, limit, step_sizes, steps, samples)
    return CentralLimit(table, rates, _labelled(samples, step_sizes), law, shift, level)


def _finished(samples: Array, step_size: float) -> Array:
    kept = samples[np.isfinite(samples).all(axis=1)]
    if len(kept) < FEWEST:
        lost = len(samples) - len(kept)
        raise ValueError(f"step_sizes must be small enough: {lost} of {len(samples)} runs with {step_size:g} diverged")
    return kept


def _labelled(samples: Sequence[Array], step_sizes: Array) -> xr.DataArray:
    import xarray as xr  # noqa: PLC0415 - slow to import

    stacked = np.stack(samples)
    numbers = np.arange(stacked.shape[0] * stacked.shape[1]).reshape(stacked.shape[:2])
    return xr.DataArray(
        stacked,
        dims=("step_size", "run", "parameter"),
        coords={"step_size": step_sizes, "number": (("step_size", "run"), numbers)},
        attrs={"long_name": "fluctuation Θ = (θ − θ̄)/√η"},
    )
