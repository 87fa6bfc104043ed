"""The Gaussian law of SGD's fluctuations around the gradient flow (Finnoff 1992, Theorem 4.1)."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_choice, check_nonnegative_number, check_number
from etaflow.diffusion.covariance_operator import discretise
from etaflow.diffusion.law import Fluctuations
from etaflow.diffusion.lyapunov import Coefficients, Integrator, nearest_covariance
from etaflow.diffusion.memory import check_dense, fits
from etaflow.diffusion.noise import noise_factor
from etaflow.diffusion.path import check_path
from etaflow.dynamics.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from etaflow.dynamics.flow import Flow
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

METHODS = ("auto", "dense", "operator")
TIGHTEST = 1e-11
"""Below this rtol, rounding is what is left."""
LOOSEST = 0.1
TICKS = 1000


def fluctuations(
    objective: Objective,
    flow: Flow,
    *,
    times: npt.ArrayLike,
    batch_size: int = 1,
    sampling: str = "iid",
    rtol: float = 1e-5,
    atol: float = 0.0,
    method: str = "auto",
    progress: bool | Callable[[float], Any] = False,
) -> Fluctuations:
    r"""Return the law N(0, Σ(t)) of the fluctuations Θ^η = (θ^η − θ̄)/√η of SGD around its flow θ̄, for η → 0.

    Σ' = AΣ + ΣA + c·R(θ̄(t)), Σ(0) = 0, with A = −∇²f(θ̄(t)), is the covariance of the solution θ̃ of the linear stochastic
    differential equation of Theorem 4.1 in Finnoff 1992; SGD with step size η is θ̄ + √η·θ̃ + o(√η) (section 5 there). c is the
    noise factor of the mini-batch: 1 for one observation per step and the mean of the losses.

    Parameters
    ----------
    objective : Objective
        The objective f, in float64.
    flow : Flow
        Its flow θ̄ from one start. Its own error, relative to θ̄, comes on top of `rtol`: A and R are taken on the computed path.
    times : array_like, shape (m,)
        Increasing times t = kη between 0 and the end of the flow.
    batch_size : int, default 1
        |B|, the observations per step of SGD.
    sampling : {"iid", "without_replacement"}, default "iid"
        How they are drawn.
    rtol : float, default 1e-5
        The relative error of Σ that a step of the integrator may make, in the Frobenius norm. The default, in the variance, is what
        an ensemble of 10¹⁰ runs would just see.
    atol : float, default 0.0
        An absolute error that is allowed besides, in units of Σ.
    method : {"auto", "dense", "operator"}, default "auto"
        ``dense`` computes the matrices, by exponential collocation of order 8; about 60 + m matrices of d × d
        numbers are held. ``operator`` never forms one: Σ(t)·v is found by following v back along the flow and the answer
        forth, top modes and the trace by randomized methods that state their error. ``auto`` takes the former up to d = 2500.
    progress : bool or callable, default False
        True for a progress bar (tqdm); or a function that is given the part of the work that is done.

    Returns
    -------
    Fluctuations
        The law. Interrupted by Ctrl-C, it is NaN at the times that were not reached, and its status says so.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value: times that do not increase or lie outside the flow, an objective that is float32 or
        not the flow's, or matrices that would not fit into memory.
    ArithmeticError
        If Σ does not stay finite.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> net = ef.MLP([2, 3, 1])
    >>> f = ef.Objective(net, x, y)
    >>> flow = ef.flow(f, net.init(seed=0), t=4.0)
    >>> law = ef.fluctuations(f, flow, times=[1.0, 2.0, 4.0])
    >>> law
    Fluctuations(13 parameters at 3 times from 1 to 4, noise factor 1: dense, finished)
    >>> law.covariance.shape, law.predicted_std(0.01).shape
    ((3, 13, 13), (3, 13))

    How far SGD is from the flow at these times, in the root mean square, with step size 0.01:

    >>> law.rms_distance(0.01).round(2)
    array([0.16, 0.18, 0.24])

    An ensemble of SGD has this covariance, up to its own chance and a term of order η:

    >>> import numpy as np
    >>> eta = 0.01
    >>> runs = ef.descend(f, flow.theta0, steps=400, step_size=eta, batch_size=1, runs=4000, seed=1)
    >>> ensemble = np.cov((runs.theta - flow(4.0)).T) / eta
    >>> bool(np.linalg.norm(ensemble - law.covariance[-1]) < 0.15 * np.linalg.norm(law.covariance[-1]))
    True
    """
    points = check_path(objective, flow, times)
    if flow.objective.fingerprint() != objective.fingerprint():
        raise ValueError(f"flow must be of the objective {objective!r} (got one of {flow.objective!r})")
    factor = noise_factor(objective, batch_size, sampling)
    relative = check_number("rtol", rtol, minimum=TIGHTEST)
    if relative > LOOSEST:
        raise ValueError(f"rtol must be <= {LOOSEST:g} (got {relative:g})")
    absolute = check_nonnegative_number("atol", atol)
    way = check_choice("method", method, METHODS)
    if way == "dense":
        check_dense(objective.num_params, len(points))
    dense = way == "dense" or (way == "auto" and fits(objective.num_params, len(points)))
    law = Fluctuations(objective, flow, points, factor, relative, absolute)
    with Progress(progress, TICKS) as bar:
        return (_with_matrices if dense else _with_products)(law, bar.up_to(TICKS))


def _with_products(law: Fluctuations, report: Callable[[float], Any] | None) -> Fluctuations:
    path, statistics = discretise(law.objective, law.flow, law.times, law.noise_factor, law.rtol, report)
    return replace(law, path=path, statistics=statistics)


def _with_matrices(law: Fluctuations, report: Callable[[float], Any] | None) -> Fluctuations:
    d = law.objective.num_params
    matrices = np.full((len(law.times), d, d), np.nan)
    coefficients = Coefficients(law.objective, law.flow, law.noise_factor)
    integrator = Integrator(coefficients, 0.0, np.zeros((d, d)), law.rtol, law.atol)
    status = "finished"
    try:
        for place, matrix in enumerate(integrator.reach(law.times, report)):
            matrices[place] = nearest_covariance(matrix)
    except KeyboardInterrupt:
        status = "interrupted"
        warnings.warn(
            f"interrupted at t = {integrator.t:g} of {law.times[-1]:g}; the covariance is NaN later on",
            RuntimeWarning,
            stacklevel=3,
        )
    return replace(law, matrices=matrices, status=status, statistics=dict(integrator.statistics))
