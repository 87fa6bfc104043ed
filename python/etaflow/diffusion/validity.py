"""Whether a step size is small enough for the expansions around the flow and around a minimum."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.diffusion.mean_shift import second_difference

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.diffusion.law import Fluctuations
    from etaflow.diffusion.minimum import Minimum
    from etaflow.dynamics.flow import Flow
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.floating[Any]]

MOST_SHIFT = {1: 0.5, 2: 1.25}
"""The largest shift, in standard deviations, by the order of the bands: of the first order they lack it, of the second its own error."""

MOST_CHANGE = 0.1
"""The largest change of the noise over the fluctuations, relative to the noise on the flow."""

MOST_MISS = 1.0
"""How far Newton's step from the shifted mean may end from the minimum, over the shift."""

MOST_OF_THRESHOLD = 0.5
"""Of the mean-square stability threshold, where f is not quadratic: beyond, rare large excursions make the variance."""

NEAR_A_STEP = 1e-9
"""Times so near, relatively, are that of a step."""


@dataclass(frozen=True, eq=False)
class Smallness:
    """What has to be small at each of m times, over the power of η that it goes with; 0 where there is no noise.

    Attributes
    ----------
    shift : ndarray, shape (m,)
        The root mean square, over the weights that fluctuate, of m_i/√Σ_ii: goes with √η. NaN if m is not known.
    change : ndarray, shape (m,)
        |½∇²(tr R)[Σ]|/tr R: goes with η.
    """

    shift: Array
    change: Array

    @classmethod
    def of(cls, law: Fluctuations, shift: Array | None) -> Smallness:
        """Return it for the law at its times.

        Parameters
        ----------
        law : Fluctuations
            With the matrices Σ.
        shift : ndarray, shape (m, d), or None
            m(t).

        Returns
        -------
        Smallness
            Numbers for each time.
        """
        variance = np.einsum("tii->ti", law.covariance)
        moving = variance > 0
        ratio = np.full(len(variance), np.nan)
        if shift is not None:
            squares = np.divide(shift**2, variance, out=np.zeros_like(variance), where=moving)
            ratio = np.sqrt(squares.sum(axis=1) / np.maximum(moving.sum(axis=1), 1))
        return cls(ratio, np.array([_change(law, place) for place in range(len(variance))]))

    def largest(self, order: int) -> Array:
        """Return the largest step size for which both are small at each time.

        Returns
        -------
        ndarray, shape (m,)
            Infinite where nothing limits it.
        """
        with np.errstate(divide="ignore"):
            by_shift = np.where(np.isnan(self.shift), np.inf, (MOST_SHIFT[order] / self.shift) ** 2)
            return np.asarray(np.minimum(by_shift, MOST_CHANGE / self.change))

    def words(self, place: int, step_size: float, order: int) -> str:
        """Return what is not small at a time, and how small it should be.

        Returns
        -------
        str
            A clause.
        """
        change = f"the noise changes by {100 * step_size * self.change[place]:.2g} % over the fluctuations (at most {100 * MOST_CHANGE:g} %)"
        if np.isnan(self.shift[place]):
            return change
        shift = np.sqrt(step_size) * self.shift[place]
        return f"the mean is off the flow by {shift:.2g} standard deviations (at most {MOST_SHIFT[order]:g} for order {order}) and {change}"


def check_times(times: Array, step_size: float) -> None:
    """Raise a ValueError if a time is within the first step, where SGD has not moved.

    Raises
    ------
    ValueError
        If so.
    """
    early = times[(times > 0) & (times < step_size * (1 - NEAR_A_STEP))]
    if early.size:
        raise ValueError(
            f"times must be 0 or at least step_size = {step_size:g}, the time of the first step (got {early[0]:g})"
        )


def check_law(law: Fluctuations, objective: Objective, flow: Flow, points: Array, factor: float) -> None:
    """Raise a ValueError unless the law is that of the bands.

    Raises
    ------
    ValueError
        If it is of another objective, flow, times or noise, or not finished.
    """
    if law.objective.fingerprint() != objective.fingerprint() or law.flow is not flow:
        raise ValueError("law must be of this objective and this flow")
    if law.status != "finished":
        raise ValueError(f"law must be finished (got {law!r})")
    if not np.array_equal(law.times, points):
        raise ValueError(f"law must be at the times of the bands, {points} (got {law.times})")
    if not np.isclose(law.noise_factor, factor, rtol=1e-12):
        raise ValueError(
            f"law must have the noise factor {factor:g} of batch_size and sampling (got {law.noise_factor:g})"
        )


def warn(law: Fluctuations, rate: Array | None, step_size: float, order: int, *, stacklevel: int) -> None:
    """Warn if the step size is larger than the expansion allows at one of the times, or there is a kink.

    Parameters
    ----------
    law : Fluctuations
        With the matrices Σ.
    rate : ndarray, shape (m, d), or None
        The shift m(t) of the mean over η; None with a kink.
    step_size : float
        η.
    order : {1, 2}
        Of the bands.
    stacklevel : int
        1 is the caller.
    """
    if rate is None:
        warnings.warn(
            f"{law.objective.net!r} has an activation with a kink, where Theorem 4.1 supposes two derivatives: the bands hold as long as "
            "hardly any run's units pass their kinks at other times than the flow's; see etaflow.theory.check_conditions",
            RuntimeWarning,
            stacklevel=stacklevel + 1,
        )
    smallness = Smallness.of(law, rate)
    largest = smallness.largest(order)
    failing = np.flatnonzero(step_size > largest)
    if failing.size:
        worst = int(np.argmin(largest))
        warnings.warn(
            f"step_size {step_size:g} is too large for these bands at {failing.size} of {len(largest)} times, first at "
            f"t = {law.times[failing[0]]:g}: at t = {law.times[worst]:g} {smallness.words(worst, step_size, order)}. Fewer runs than "
            f"the level will be within; for step_size <= {largest[worst]:.2g} all of this is small",
            RuntimeWarning,
            stacklevel=stacklevel + 1,
        )


def warn_near_minimum(
    minimum: Minimum, rate: Array | None, step_size: float, threshold: float, *, stacklevel: int
) -> None:
    """Warn if f is not nearly quadratic where SGD with this step size is.

    Parameters
    ----------
    minimum : Minimum
        θ*.
    rate : ndarray, shape (d,), or None
        The shift m of the mean over η; None with a kink.
    step_size : float
        η.
    threshold : float
        The largest stable step size.
    stacklevel : int
        1 is the caller.
    """
    if _is_quadratic(minimum.objective):
        return
    found = []
    if step_size > MOST_OF_THRESHOLD * threshold:
        found.append(
            f"is {step_size / threshold:.2g} of the stability threshold {threshold:.3g}, near which large excursions count"
        )
    missed, size = (0.0, 0.0) if rate is None else (miss(minimum, step_size * rate), float(np.linalg.norm(rate)))
    if missed > MOST_MISS:
        found.append(
            f"shifts the mean by η·‖m‖ = {step_size * size:.2g}, so far that Newton's step back "
            f"misses theta_star by {missed:.2g} times that"
        )
    if found:
        warnings.warn(
            f"step_size {step_size:g} {' and '.join(found)}: f is not quadratic there, and SGD will be nearer to theta_star than predicted",
            RuntimeWarning,
            stacklevel=stacklevel + 1,
        )


def miss(minimum: Minimum, move: Array) -> float:
    """Return ‖H⁺(∇f(θ* + x) − Hx)‖/‖x‖ on the range of H: how far Newton's step from θ* + x ends from θ*; 0 for a quadratic f.

    Parameters
    ----------
    minimum : Minimum
        θ*.
    move : ndarray, shape (d,)
        x.

    Returns
    -------
    float
        0 for no move.
    """
    size = float(np.linalg.norm(move))
    if size == 0:
        return 0.0
    step = minimum.axes.T @ np.asarray(minimum.objective.gradient(minimum.theta + move)) / minimum.curvatures
    return float(np.linalg.norm(step - minimum.axes.T @ move)) / size


def _is_quadratic(objective: Objective) -> bool:
    one_layer = [activation.name for activation in objective.net.activations] == ["identity"]
    return one_layer and objective.loss == "square"


def _change(law: Fluctuations, place: int) -> float:
    theta, covariance = law.flow(law.times)[place], law.covariance[place]
    here = float(law.objective.noise_trace(theta))
    if here == 0 or not covariance.any():
        return 0.0
    bent = second_difference(lambda points: np.asarray(law.objective.noise_trace(points)), theta, covariance)
    return abs(float(bent)) / 2 / here
