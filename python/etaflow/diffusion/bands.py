"""Bands that SGD's weights, predictions and loss stay in, as the linear diffusion around the flow predicts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_int, check_positive_number, check_probability
from etaflow.diffusion import coverage, validity
from etaflow.diffusion.fluctuations import fluctuations
from etaflow.diffusion.mean_shift import finished, has_third_derivatives, mean_shift, second_difference
from etaflow.diffusion.noise import noise_factor
from etaflow.diffusion.path import check_path
from etaflow.diffusion.predictions import prediction_jacobian
from etaflow.diffusion.quadratic_form import GaussianDraws, diagonal_form
from etaflow.diffusion.validity import NEAR_A_STEP
from etaflow.problem.observations import check_inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    import xarray as xr

    from etaflow._checks import FloatArray, IntArray
    from etaflow.diffusion.law import Fluctuations
    from etaflow.dynamics.flow import Flow
    from etaflow.dynamics.runs import Runs
    from etaflow.problem.network import MLP
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.floating[Any]]

BOUNDS = ("lower", "center", "upper")
LONG_NAMES = {"theta": "weights θ", "prediction": "prediction h(x, θ)", "loss": "cost f(θ)"}


@dataclass(frozen=True, eq=False, repr=False)
class Bands:
    """Where SGD is predicted to be, with a stated probability for every number at every time.

    Made by `predict_bands`.

    Attributes
    ----------
    data : xarray.Dataset
        ``theta`` (bound, time, parameter), ``prediction`` (bound, time, input, output) if there are inputs, and ``loss``
        (bound, time), where ``bound`` is lower, center or upper.
    level : float
        The probability to lie within, of each number alone.
    step_size : float
        η.
    law : Fluctuations
        The Gaussian law that the bands are of, with the flow and the objective.
    inputs : ndarray, shape (m, d_0), or None
        The inputs of the predictions.
    """

    data: xr.Dataset
    level: float
    step_size: float
    law: Fluctuations
    inputs: FloatArray | None

    @property
    def times(self) -> Array:
        """The times, shape (m,)."""
        return np.asarray(self.data["time"].values)

    @property
    def steps(self) -> IntArray:
        """The steps of SGD around the times: ``record={"theta": bands.steps}`` has what `coverage` needs."""
        counts = self.times / self.step_size
        nearest = np.round(counts)
        on_step = np.abs(counts - nearest) <= NEAR_A_STEP * np.maximum(nearest, 1)
        ends = [np.where(on_step, nearest, rounded) for rounded in (np.floor(counts), np.ceil(counts))]
        return np.unique(ends).astype(np.int64)

    def coverage(self, runs: Runs, *, confidence: float = 0.95) -> xr.Dataset:
        """Measure how many of an ensemble's runs lie within the bands.

        Parameters
        ----------
        runs : Runs
            SGD from the flow's start with this step size, with θ recorded at the `steps`. A run that ended before a time is
            outside there.
        confidence : float, default 0.95
            The level of the intervals.

        Returns
        -------
        xarray.Dataset
            For every quantity q of `data`, with the dimension ``estimate`` (share, low, high): ``q``, the share of runs within,
            for each number and time, with Clopper–Pearson intervals; ``q_all``, the share of runs within with all numbers of a
            time, and ``q_always``, with all at all times, likewise; ``q_average``, the mean of ``q`` over the numbers
            of a time, with an interval of the normal law from the runs' own means, since one run's numbers go together.

        Raises
        ------
        ValueError
            If the runs have another objective, step size or start, or lack θ at a step.
        """
        coverage.check_runs(runs, self.law, self.step_size)
        return coverage.measure(self, runs, check_probability("confidence", confidence))

    def __repr__(self) -> str:
        """Return the bands in one line.

        Returns
        -------
        str
            Of what, at which level, for which step size.
        """
        names = ", ".join(str(name) for name in self.data)
        return f"Bands({self.level:.0%} for each of {names} at {len(self.times)} times, step size {self.step_size:g})"


def predict_bands(
    objective: Objective,
    flow: Flow,
    *,
    step_size: float,
    times: npt.ArrayLike,
    inputs: npt.ArrayLike | None = None,
    level: float = 0.9,
    order: int | None = None,
    batch_size: int = 1,
    sampling: str = "iid",
    law: Fluctuations | None = None,
    progress: bool | Callable[[float], Any] = False,
) -> Bands:
    r"""Predict where SGD will be: bands of the weights, of predictions and of the loss.

    θ^η(t) = θ̄(t) + √η·θ̃(t) + o(√η) (Finnoff 1992, section 5) with θ̃(t) ~ N(0, Σ(t)) (Theorem 4.1). Hence

    - θ_i ~ N(θ̄_i, η·Σ_ii);
    - h(x, θ) ~ N(h(x, θ̄), η·JΣJᵀ) with J = ∂h/∂θ (the delta method);
    - f(θ) ≈ f(θ̄) + √η·∇fᵀθ̃ + ½η·θ̃ᵀ∇²f θ̃. The second term is the larger one on the way, the third near a minimum, where the
      loss is a weighted sum of χ² variables and lies above f(θ̄); the quantiles are of both together. The center is
      the mean, f(θ̄) + ½η·tr(∇²f·Σ).

    That is ``order=1``. ``order=2`` also moves the bands by the O(η) that the mean of SGD is off the flow: E θ^η = θ̄ + η·m, where
    m comes from Euler's error and from the curvature of ∇f over the fluctuations; E h = h(x, θ̄) + η·(Jm + ½tr(∇²h·Σ)) and
    E f = f(θ̄) + η·(∇fᵀm + ½tr(∇²f·Σ)). The shift is small beside the width as η → 0, but the bands then hold for much larger η.

    Each number lies in its band with probability `level` in the limit; all numbers together do so less often.

    How small η must be is measured, not proved: by 200 runs for each of four η from 0.005 to 0.05 and six t from 1 to 200, with 90 % bands
    around twelve networks 2-4-1 (30 observations, l2 = 1e-3). At least 85 % of the weights were within (83 % with ``order=1``) wherever
    both the shift √η·m_i/√Σ_ii was at most 1.25 in the root mean square over the weights (½ with ``order=1``, which leaves it out),
    and the noise tr R changed by at most 10 % of itself over the fluctuations, η·|½∇²(tr R)[Σ]| ≤ 0.1·tr R. Beyond, the share was
    77 % on average (64 % with ``order=1``) and as low as 6 %: there is a warning, which is early in four cases of ten.

    Parameters
    ----------
    objective : Objective
        The objective f, in float64.
    flow : Flow
        θ̄: the flow of f from one start.
    step_size : float
        η.
    times : array_like, shape (m,)
        The times t = kη, increasing, between 0 and the end of the flow: 0, or at least η.
    inputs : array_like, shape (k, d_0), optional
        Where to predict; by default nowhere.
    level : float, default 0.9
        The probability to lie within.
    order : {1, 2}, optional
        Of the expansion in √η: 1 is the paper's, around the flow; 2 moves the bands by the shift of the mean. By default 2, or 1 if
        an activation has a kink.
    batch_size : int, default 1
        Observations per step of SGD.
    sampling : {"iid", "without_replacement"}, default "iid"
        How they are drawn.
    law : Fluctuations, optional
        The law at these times with this noise, if it is there already: it is the same for every η.
    progress : bool or callable, default False
        As in `fluctuations`.

    Returns
    -------
    Bands
        The bands; ``coverage(runs)`` measures how often they hold.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value, a time is within the first step, or `law` is another one.

    Warns
    -----
    RuntimeWarning
        If the step size is too large for the expansion, with the numbers and the largest one that is not; or if an activation has a kink,
        where Theorem 4.1 supposes two derivatives.

    Examples
    --------
    >>> import etaflow as ef
    >>> import numpy as np
    >>> x, y = ef.datasets.xor()
    >>> net = ef.MLP([2, 3, 1])
    >>> f = ef.Objective(net, x, y)
    >>> theta0 = net.init(seed=0)
    >>> flow = ef.flow(f, theta0, t=2.0)
    >>> bands = ef.predict_bands(f, flow, step_size=0.01, times=[0.5, 1.0, 2.0], inputs=x)
    >>> bands
    Bands(90% for each of theta, prediction, loss at 3 times, step size 0.01)

    How often do a thousand runs lie within? `steps` are the steps to record.

    >>> runs = ef.descend(
    ...     f, theta0, steps=200, step_size=0.01, batch_size=1, runs=1000, seed=1, record={"theta": bands.steps}
    ... )
    >>> measured = bands.coverage(runs)
    >>> bool(abs(measured.theta_average.sel(estimate="share") - 0.9).max() < 0.05)
    True
    """
    points = check_path(objective, flow, times)
    eta, probability = check_positive_number("step_size", step_size), check_probability("level", level)
    validity.check_times(points, eta)
    places = None if inputs is None else check_inputs(objective.net, inputs, objective.dtype, name="inputs")
    noise: dict[str, Any] = {"batch_size": batch_size, "sampling": sampling}
    power = _check_order(order, objective.net)
    if law is None:
        law = finished(fluctuations(objective, flow, times=points, method="dense", progress=progress, **noise))
    else:
        validity.check_law(law, objective, flow, points, noise_factor(objective, **noise))
    rate = mean_shift(objective, flow, points, **noise) if has_third_derivatives(objective.net) else None
    validity.warn(law, rate, eta, power, stacklevel=2)
    theta, covariance = flow(points), eta * np.asarray(law.covariance)
    shift = eta * rate if rate is not None and power == 2 else None
    center = theta if shift is None else theta + shift
    found = {"theta": _gaussian(center, np.einsum("tii->ti", covariance), probability)}
    if places is not None:
        found["prediction"] = _predictions(objective.net, theta, covariance, shift, places, probability)
    found["loss"] = _loss(objective, theta, covariance, shift, probability)
    return Bands(_dataset(found, points), probability, eta, law, places)


def _check_order(order: int | None, net: MLP) -> int:
    smooth = has_third_derivatives(net)
    if order is None:
        return 2 if smooth else 1
    if check_int("order", order, minimum=1, maximum=2) == 2 and not smooth:
        raise ValueError(f"order must be 1 where an activation has a kink, as in {net!r} (got 2)")
    return order


def _gaussian(center: Array, variance: Array, level: float) -> Array:
    from scipy.special import ndtri  # noqa: PLC0415 - slow to import

    half = ndtri((1 + level) / 2) * np.sqrt(variance.clip(min=0))
    return np.stack([center - half, center, center + half])


def _predictions(
    net: MLP, theta: Array, covariance: Array, shift: Array | None, inputs: FloatArray, level: float
) -> Array:
    variance, center = [], np.asarray(net.predict(theta, inputs))
    for place, (one, own) in enumerate(zip(theta, covariance, strict=True)):
        jacobian = prediction_jacobian(net, one, inputs)
        variance.append(np.einsum("ioa,ioa->io", jacobian @ own, jacobian))
        if shift is not None:
            bent = second_difference(lambda moved: np.asarray(net.predict(moved, inputs)), one, own)
            center[place] += jacobian @ shift[place] + bent / 2
    return _gaussian(center, np.stack(variance), level)


def _loss(objective: Objective, theta: Array, covariance: Array, shift: Array | None, level: float) -> Array:
    draws, tail = GaussianDraws(), (1 - level) / 2
    found = []
    for place, (one, own) in enumerate(zip(theta, covariance, strict=True)):
        value, gradient = objective.value_and_gradient(one)
        linear, quadratic = diagonal_form(own, np.asarray(gradient), np.asarray(objective.hessian(one)))
        lower, upper = draws.quantiles(linear, quadratic, np.array([tail, 1 - tail]))
        base = float(value) + (0.0 if shift is None else float(gradient @ shift[place]))
        found.append(base + np.array([lower, quadratic.sum(), upper]))
    return np.stack(found, axis=1)


def _dataset(found: dict[str, Array], points: Array) -> xr.Dataset:
    import xarray as xr  # noqa: PLC0415 - slow to import

    axes = {"theta": ("parameter",), "prediction": ("input", "output"), "loss": ()}
    variables = {
        name: (("bound", "time", *axes[name]), values, {"long_name": LONG_NAMES[name]})
        for name, values in found.items()
    }
    time = ("time", points, {"long_name": "time t = kη"})
    return xr.Dataset(variables, {"bound": list(BOUNDS), "time": time})
