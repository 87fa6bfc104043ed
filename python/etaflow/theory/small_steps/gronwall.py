r"""An explicit constant B_r for Theorem 3.2 of Finnoff 1992, by Gronwall's and Doob's inequalities.

Let h = −∇f, ‖g‖ ≤ M for the gradient estimate g of one observation, h Lipschitz with constant L, and
E‖g − ∇f‖² ≤ σ² for the estimate of a batch, all of them on a convex set that θ^η and θ̄ do not leave before r. Write e_k = θ_k − θ̄(kη),
and m_j = g_j − ∇f(θ_{j−1}) for the noise of step j, a martingale difference.

1. Subtracting θ̄(kη) = θ_0 + ∫h(θ̄) from θ_k = θ_0 + η·Σ_{j<k} h(θ_j) − η·Σ_{j≤k} m_j leaves

       e_k = η·Σ_{j<k} (h(θ_j) − h(θ̄(jη))) − Σ_{j<k} ∫_{jη}^{(j+1)η} (h(θ̄(s)) − h(θ̄(jη))) ds − η·Σ_{j≤k} m_j.

   The integrals are at most L·M·η²/2 each, as ‖θ̄'‖ ≤ M. So ‖e_k‖ ≤ ηL·Σ_{j<k}‖e_j‖ + rLMη/2 + A for kη ≤ r, with
   A = η·max_{k≤r/η}‖Σ_{j≤k} m_j‖.
2. Gronwall's discrete inequality: max_k‖e_k‖ ≤ (1 + ηL)^{r/η}·(rLMη/2 + A) ≤ e^{Lr}·(rLMη/2 + A).
3. Doob's inequality for the submartingale ‖Σ m_j‖: E A² ≤ 4η²·Σ_j E‖m_j‖² ≤ 4ηrσ².
4. Between two steps θ^η is a chord and θ̄ is not: the chord of θ̄ is at most (η²/8)·sup‖θ̄''‖ ≤ η²LM/8 away from θ̄, since
   θ̄'' = ∇²f∇f; and the norm of a linear function is largest at an end.

By Minkowski's inequality (E sup_{s≤r}‖θ^η(s) − θ̄(s)‖²)^{1/2} ≤ e^{Lr}·(2σ√(rη) + rLMη/2) + η²LM/8, which is E sup² ≤ B_r·η with

    B_r = [e^{Lr}·(2σ√r + rLM√η/2) + η^{3/2}LM/8]².

It grows with η, so its value for the largest step size holds for all smaller ones: the theorem's constant that does not depend on η.

Such a set exists by Lemma 3.1 i): if ‖g(θ)‖ ≤ K(1 + ‖θ‖) for every observation, 1 + ‖θ_k‖ ≤ (1 + ηK)^k(1 + ‖θ_0‖) ≤ e^{Kr}(1 + ‖θ_0‖), and the same holds
for θ̄ and for gradient descent. So they stay in the ball of radius ρ = e^{Kr}(1 + ‖θ_0‖) − 1, where M = K(1 + ρ) and L is
Lemma 3.1 ii)'s L_G for G = ρ, as the ball lies in [−ρ, ρ]^d.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from etaflow._checks import check_choice, check_nonnegative_number, check_positive_int
from etaflow.theory.constants.bound import Bound

NAMES = ("K", "L", "M", "sigma2")


@dataclass(frozen=True)
class Constants:
    """What holds on a convex set that neither SGD, nor gradient descent, nor the flow leaves before a time.

    Attributes
    ----------
    radius : float
        The set is the ball of this radius around 0; NaN if the caller vouches for another one.
    gradient : float
        M ≥ ‖g‖ of one observation's estimate of ∇f.
    lipschitz : float
        L of ∇f.
    noise : float
        σ² ≥ E‖g − ∇f‖² of a step's estimate.
    """

    radius: float
    gradient: float
    lipschitz: float
    noise: float

    def log10_bound(self, t: npt.ArrayLike, step_size: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return log₁₀ B_t, as B_t itself is often beyond all floating-point numbers.

        Parameters
        ----------
        t : array_like
            Times ≥ 0.
        step_size : array_like
            η; the result holds for it and for all smaller ones.

        Returns
        -------
        ndarray
            Of the common shape; −inf where nothing can move, inf where even the logarithm is too large.

        Examples
        --------
        >>> Constants(radius=1.0, gradient=2.0, lipschitz=0.0, noise=4.0).log10_bound(9.0, 0.01).round(6)  # (2·2·3)²
        np.float64(2.158362)
        """
        time, eta = np.asarray(t, np.float64), np.asarray(step_size, np.float64)
        if math.isinf(self.lipschitz) or math.isinf(self.gradient):
            return np.full(np.broadcast_shapes(time.shape, eta.shape), math.inf)[()]
        growth = self.lipschitz * time
        with np.errstate(over="ignore", divide="ignore"):
            drift = self.lipschitz * self.gradient
            at_steps = 2 * np.sqrt(self.noise * time) + time * drift * np.sqrt(eta) / 2
            between = np.exp(-growth) * eta**1.5 * drift / 8
            return np.asarray(2 * (growth + np.log(at_steps + between)) / np.log(10))[()]


def check_constants(constants: object, *, start: float, t: float, batch_size: int = 1) -> Constants:
    """Return the constants on a set that no path leaves before t.

    Parameters
    ----------
    constants : mapping
        ``"K"`` and ``"L"`` of Lemma 3.1: ‖g(θ)‖ ≤ K(1 + ‖θ‖) for every observation's estimate g of ∇f (that is n·∇L_i for
        a sum), and the Lipschitz constant of ∇f, a number if it holds everywhere or a function of G for [−G, G]^d. Or
        ``"M"`` and ``"L"``, numbers that the caller knows to hold wherever the paths go. ``"sigma2"``, a bound of the
        variance of a step's estimate, is M²/|B| if it is not given. Instead of a number a `Bound` of
        `etaflow.theory.growth` or `etaflow.theory.lipschitz` may stand, whose proved end is taken.
    start : float
        ‖θ_0‖.
    t : float
        The time.
    batch_size : int, default 1
        |B|, drawn with replacement.

    Returns
    -------
    Constants
        M, L and σ² there.

    Raises
    ------
    TypeError
        If `constants` is not a mapping, or a constant is not a number.
    ValueError
        If a constant is missing, unknown, negative or not finite.

    Examples
    --------
    >>> check_constants({"M": 2.0, "L": 3.0}, start=1.0, t=4.0, batch_size=2)
    Constants(radius=nan, gradient=2.0, lipschitz=3.0, noise=2.0)
    >>> round(check_constants({"K": 1.0, "L": lambda G: 3 * G}, start=0.0, t=np.log(5)).lipschitz, 9)
    12.0
    """
    if not isinstance(constants, Mapping):
        raise TypeError(f'constants must map names to numbers, like {{"K": 2.0, "L": 5.0}} (got {constants!r})')
    for name in constants:
        check_choice("a name of constants", name, NAMES)
    if "L" not in constants or ("K" in constants) == ("M" in constants):
        raise ValueError(f"constants must hold L and one of K and M (got {', '.join(constants) or 'nothing'})")
    if "K" in constants:
        growth = _number("constants['K']", constants["K"])
        reach = _exp(growth * check_nonnegative_number("t", t)) * (1 + start)
        radius, gradient = reach - 1, growth * reach
    else:
        radius, gradient = math.nan, _number("constants['M']", constants["M"])
    batch = check_positive_int("batch_size", batch_size)
    noise = constants.get("sigma2")
    sigma2 = gradient * gradient / batch if noise is None else _number("constants['sigma2']", noise)
    return Constants(radius, gradient, _lipschitz(constants["L"], radius), sigma2)


def _lipschitz(given: Any, radius: float) -> float:
    if not callable(given):
        return _number("constants['L']", given, of_mean_field=True)
    if math.isnan(radius):
        raise ValueError("constants['L'] must be a number where M is given: the radius of the set is not known")
    return math.inf if math.isinf(radius) else _number(f"constants['L']({radius:g})", given(radius), of_mean_field=True)


def _number(name: str, given: Any, *, of_mean_field: bool = False) -> float:
    if not isinstance(given, Bound):
        return check_nonnegative_number(name, given)
    bound = given.mean_field if of_mean_field and given.mean_field is not None else given
    if math.isinf(bound.upper):
        raise ValueError(f"{name} must be a proved constant, but there is none: {bound.reason}")
    return check_nonnegative_number(name, bound.upper)


def _exp(exponent: float) -> float:
    try:
        return math.exp(exponent)
    except OverflowError:
        return math.inf
