"""The stationary covariance of SGD at a minimum, for vanishing and for given step sizes, and where it ceases to exist."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_choice, check_positive_number
from etaflow.diffusion import validity
from etaflow.diffusion.mean_shift import has_third_derivatives, second_difference
from etaflow.diffusion.minimum import Minimum
from etaflow.diffusion.noise import noise_factor
from etaflow.diffusion.second_moments import SecondMoments

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

NOISES = ("sampling", "additive")
TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class Stationary:
    """The stationary law of SGD at a minimum.

    Made by `stationary_covariance`.

    Attributes
    ----------
    covariance : ndarray, shape (d, d)
        Of (θ − θ*)/√η; infinite where the step size is not stable. It is 0 along directions without curvature.
    step_size : float or None
        η, or None for η → 0.
    noise_factor : float
        c.
    noise : str
        ``sampling`` or ``additive``.
    minimum : Minimum
        θ* with its curvatures.
    """

    covariance: Array
    step_size: float | None
    noise_factor: float
    noise: str
    minimum: Minimum

    @property
    def std(self) -> Array:
        """The standard deviations of (θ − θ*)/√η, shape (d,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance).clip(min=0)))

    @property
    def trace(self) -> float:
        """E‖θ − θ*‖²/η."""
        return float(np.trace(self.covariance))

    def predicted_std(self, step_size: float | None = None) -> Array:
        """Return the standard deviations of SGD's parameters around θ*: √η·std.

        Parameters
        ----------
        step_size : float, optional
            η; by default that of the law.

        Returns
        -------
        ndarray, shape (d,)
            In units of a parameter.
        """
        return float(np.sqrt(self._eta(step_size))) * self.std

    def _eta(self, step_size: float | None) -> float:
        return check_positive_number("step_size", self.step_size if step_size is None else step_size)

    @cached_property
    def mean_shift(self) -> Array:
        """The m of E θ = θ* + η·m + o(η), shape (d,): Hm = −½∇³f[Σ], from E∇f = 0; 0 along directions without curvature.

        Raises
        ------
        ValueError
            If an activation has a kink, where ∇³f does not exist.
        """
        f, axes = self.minimum.objective, self.minimum.axes
        if not has_third_derivatives(f.net):
            raise ValueError(f"mean_shift needs three derivatives, but an activation of {f.net!r} has a kink")
        if not np.isfinite(self.covariance).all():
            return np.full(f.num_params, np.nan)
        bent = second_difference(f.gradient, self.minimum.theta, self.covariance)
        return np.asarray(-axes @ (axes.T @ bent / self.minimum.curvatures) / 2)

    def rms_distance(self, step_size: float | None = None) -> float:
        """Return √E‖θ − θ*‖², the distance of SGD from the minimum: √(η·tr Σ + η²‖m‖²).

        The second term, the shift of the mean, is of higher order, but often the larger one.

        Parameters
        ----------
        step_size : float, optional
            η; by default that of the law.

        Returns
        -------
        float
            In units of θ; infinite if Σ is.
        """
        eta = self._eta(step_size)
        if not np.isfinite(self.trace):
            return float("inf")
        return float(np.sqrt(eta * self.trace + eta**2 * (self.mean_shift @ self.mean_shift)))

    @cached_property
    def stability_threshold(self) -> float:
        """The largest step size for which the variance stays finite: see `stability_threshold`."""
        return SecondMoments.of(self.minimum, self.noise_factor, self.noise).threshold()

    def __repr__(self) -> str:
        """Return the law in one line.

        Returns
        -------
        str
            Of how many parameters, for which step size.
        """
        size = "step size → 0" if self.step_size is None else f"step size {self.step_size:g}"
        flat = self.minimum.flat.shape[1]
        loose = f", {flat} of them flat" if flat else ""
        return f"Stationary({len(self.covariance)} parameters{loose}, {size}, noise factor {self.noise_factor:g})"


def stationary_covariance(
    objective: Objective,
    theta_star: npt.ArrayLike,
    *,
    step_size: float | None = None,
    batch_size: int = 1,
    sampling: str = "iid",
    noise: str = "sampling",
    tolerance: float = TOLERANCE,
) -> Stationary:
    r"""Return the covariance of (θ − θ*)/√η for SGD that has forgotten its start, near a minimum θ* where f is quadratic.

    For η → 0 it solves the Lyapunov equation HΣ + ΣH = c·R with H = ∇²f(θ*), R = R(θ*): the limit t → ∞ of `fluctuations`
    (Mandt, Hoffman and Blei 2017, "Stochastic gradient descent as approximate Bayesian inference", section 3.2).

    For a given η the second moments of SGD obey S_k = E[(I − ηH_B) S_{k−1} (I − ηH_B)] + η²·c·R, where H_B is the Hessian of the batch's
    loss: a recursion that is *exact* where the losses of all observations are quadratic, such as the square loss of a linear
    network. Its fixed point, over η, solves HΣ + ΣH − η(HΣH + c·V(Σ)) = c·R with V(Σ) = 1/n Σ_i D_iΣD_i and D_i = ∇²L_i less
    their mean (Liu, Ziyin and Ueda 2021, "Noise and fluctuation of finite learning rate stochastic gradient descent"; there
    V is left out, as in ``noise="additive"``).

    Parameters
    ----------
    objective : Objective
        The objective f, in float64.
    theta_star : array_like, shape (d,)
        A minimum: `etaflow.polish` finds the one beside a point.
    step_size : float, optional
        η; by default the limit η → 0.
    batch_size : int, default 1
        |B|.
    sampling : {"iid", "without_replacement"}, default "iid"
        How batches are drawn.
    noise : {"sampling", "additive"}, default "sampling"
        With a step size: ``sampling`` takes the Hessian of every observation (n × d × d numbers are held, at most 4 GB), ``additive``
        only the mean's, as if the noise of the gradient did not depend on θ.
    tolerance : float, default 1e-9
        ‖∇f(θ*)‖ may be tolerance·‖H‖·(1 + ‖θ*‖). Eigenvalues of H up to tolerance·‖H‖ count as zero: no curvature. Σ is 0 there, which
        is right if no noise acts along these directions.

    Returns
    -------
    Stationary
        The law.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value, θ* is not stationary or has negative curvature, there is noise along a direction
        without curvature, or the Hessians of all observations take more than 4 GB.
    ArithmeticError
        If the equation could not be solved.

    Warns
    -----
    RuntimeWarning
        If the variance does not stay finite at this step size; the message says at which it would. Or, if f is not quadratic, the
        step size is more than half of that, or so large that the gradient over the shift η·m of the mean is off its linear part so
        much that Newton's step from there misses θ* by more than ‖η·m‖.

    Notes
    -----
    How far f may be from quadratic is measured, around six networks 2-4-1 (30 observations, l2 = 1e-3): where Newton's step missed by at
    most ‖η·m‖, up to 0.1 to 0.2 of the threshold, `mean_shift` was right to 21 % and the spread to 7 %; at 0.7 of it the mean
    was shifted by 0.2 to 0.4 of what is predicted, and the spread was 0.6 to 1.4 times the prediction.

    Examples
    --------
    f = mean of (θ·x_i − y_i)² with x_i = 1 and y_i = ±1 has H = 2, R = 4 and no spread of Hessians. Then 4Σ − 4ηΣ = 4:

    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0], [1.0]], [-1.0, 1.0])
    >>> ef.stationary_covariance(f, [0.0]).covariance
    array([[1.]])
    >>> law = ef.stationary_covariance(f, [0.0], step_size=0.5)
    >>> law.covariance, law.stability_threshold
    (array([[2.]]), 1.0)
    """
    factor = noise_factor(objective, batch_size, sampling)
    kind = check_choice("noise", noise, NOISES)
    eta = None if step_size is None else check_positive_number("step_size", step_size)
    minimum = Minimum.of(objective, theta_star, tolerance)
    source, sums = minimum.noise(factor), minimum.curvatures[:, None] + minimum.curvatures
    if eta is None:
        return Stationary(_embed(minimum, source / sums), None, factor, kind, minimum)
    moments = SecondMoments.of(minimum, factor, kind)
    threshold = moments.threshold()
    if eta < threshold:
        solution = _embed(minimum, moments.solve(eta, source))
    else:
        warnings.warn(
            f"step_size must be < {threshold:.6g} for the variance of SGD to stay finite at this minimum (got {eta:g})",
            RuntimeWarning,
            stacklevel=2,
        )
        solution = np.full((objective.num_params,) * 2, np.inf)
    law = Stationary(solution, eta, factor, kind, minimum)
    law.__dict__["stability_threshold"] = threshold
    if eta < threshold:
        shift = law.mean_shift if has_third_derivatives(objective.net) else None
        validity.warn_near_minimum(minimum, shift, eta, threshold, stacklevel=2)
    return law


def stability_threshold(
    objective: Objective,
    theta_star: npt.ArrayLike,
    *,
    batch_size: int = 1,
    sampling: str = "iid",
    noise: str = "sampling",
    tolerance: float = TOLERANCE,
) -> float:
    r"""Return the largest step size for which SGD near a minimum is stable in the mean square.

    Second moments S change as S − η𝓗S + η²𝓒S + const with 𝓗S = HS + SH and 𝓒S = HSH + c·V(S), as in `stationary_covariance`. They stay
    finite for η < 1/λ_max(𝓗⁻¹𝓒), which is 2/λ_max(H), the threshold of gradient descent, or less (Ma and Ying 2021, "On linear stability of SGD
    and input-smoothness of neural networks", section 3).

    Parameters
    ----------
    objective : Objective
        The objective f, in float64.
    theta_star : array_like, shape (d,)
        A minimum.
    batch_size : int, default 1
        |B|.
    sampling : {"iid", "without_replacement"}, default "iid"
        How batches are drawn.
    noise : {"sampling", "additive"}, default "sampling"
        ``additive`` leaves V out, so that the threshold is 2/λ_max(H), that of gradient descent.
    tolerance : float, default 1e-9
        As in `stationary_covariance`; directions without curvature are left out.

    Returns
    -------
    float
        The step size; infinite if f has no curvature at all.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        As for `stationary_covariance`.

    Examples
    --------
    Of L_1 = θ² and L_2 = 9θ² the mean has H = 10, but each step has the factor 1 − 2η or 1 − 18η; its mean square
    is 1 for η = 20/164, not at 2/10:

    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0], [3.0]], [0.0, 0.0])
    >>> round(ef.stability_threshold(f, [0.0]) * 164, 12)
    20.0
    >>> ef.stability_threshold(f, [0.0], noise="additive")
    0.2
    """
    factor = noise_factor(objective, batch_size, sampling)
    kind = check_choice("noise", noise, NOISES)
    return SecondMoments.of(Minimum.of(objective, theta_star, tolerance), factor, kind).threshold()


def _embed(minimum: Minimum, matrix: Array) -> Array:
    whole = minimum.axes @ matrix @ minimum.axes.T
    return np.asarray((whole + whole.T) / 2)
