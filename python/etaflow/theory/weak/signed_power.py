"""A power law through differences that are known with an error, and may be too small to have a logarithm."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.theory.rates import PowerLaw

if TYPE_CHECKING:
    Array = npt.NDArray[np.float64]

SHARE = 0.5
"""What the next term may be of the first, at the largest x."""

POWERS = np.linspace(-2.0, 8.0, 4001)
"""Where the likelihood is looked at: an interval that reaches an end of this range is open there."""


def fit_signed_power(x: Array, values: Array, errors: Array, level: float, *, next_term: bool = False) -> PowerLaw:
    """Fit values = c·xˢ, or xˢ·(c + b·x), with normal errors of known size and a sign of c that is the same for all x.

    The answer is the maximum of the likelihood, and the interval holds all s whose profile likelihood (over c and b) is not
    rejected at the level. As no logarithm of the noise is taken, a setting that resolves nothing adds nothing. Exact values
    are fitted with equal weights of their relative errors, and the interval is a point.

    Parameters
    ----------
    x : ndarray, shape (m,)
        Positive.
    values, errors : ndarray, shape (m,)
        The values and their standard errors; all errors zero for exact values.
    level : float
        The confidence level.
    next_term : bool, default False
        Whether b is fitted: s is then the power that is left as x → 0. The next term is at most half of the first at the
        largest x, else s − 1 with a vanishing c would fit as well.

    Returns
    -------
    PowerLaw
        The law of the absolute value of the first term. NaN if there are fewer x than unknowns, or exact values that are zero;
        infinite ends where the interval is open.

    Examples
    --------
    >>> x = np.array([1.0, 2.0, 4.0])
    >>> law = fit_signed_power(x, -3 * x**2, np.zeros(3), 0.95)
    >>> round(law.slope, 6), round(law.factor, 6)
    (2.0, 3.0)
    >>> law = fit_signed_power(x, x * (1 - 0.1 * x), np.zeros(3), 0.95, next_term=True)
    >>> round(law.slope, 6), round(law.factor, 6)
    (1.0, 1.0)
    >>> law = fit_signed_power(x, x + np.array([0.01, -0.01, 0.02]), np.full(3, 0.02), 0.95)
    >>> bool(law.low < 1 < law.high < 1.05)
    True
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - slow to import
    from scipy.stats import norm  # noqa: PLC0415 - slow to import

    exact = bool(np.all(errors == 0))
    if len(x) < 2 + next_term or (exact and np.any(values == 0)):
        return PowerLaw(math.nan, math.nan, math.nan, math.nan, level, 0, 0)
    spread = np.abs(values) if exact else errors
    relative = x / x.max()

    def fit(powers: Array) -> tuple[Array, Array]:
        return _fit(relative, values / spread, spread, powers, next_term=next_term)

    misfits, _ = fit(POWERS)
    best = int(np.argmin(misfits))
    ends = POWERS[max(best - 1, 0)], POWERS[min(best + 1, len(POWERS) - 1)]
    options = {"bounds": ends, "method": "bounded", "options": {"xatol": 1e-10}}
    slope = float(minimize_scalar(lambda s: float(fit(np.array([s]))[0][0]), **options).x)
    factor = abs(float(fit(np.array([slope]))[1][0])) / float(x.max()) ** slope
    if exact:
        return PowerLaw(slope, slope, slope, factor, level, 0, 0)
    inside = np.flatnonzero(misfits <= misfits[best] + norm.ppf((1 + level) / 2) ** 2)
    low = -math.inf if inside[0] == 0 else float(POWERS[inside[0]])
    high = math.inf if inside[-1] == len(POWERS) - 1 else float(POWERS[inside[-1]])
    return PowerLaw(slope, low, high, factor, level, 0, 0)


# The weighted misfit and the coefficient c of the best c·xˢ(1 + b·x), |b| ≤ SHARE, x ≤ 1, for every power.
def _fit(x: Array, scaled: Array, spread: Array, powers: Array, *, next_term: bool) -> tuple[Array, Array]:
    first = x ** powers[:, None] / spread
    if not next_term:
        return _one_term(first, scaled)
    limits = [_one_term(first * (1 + share * x), scaled) for share in (-SHARE, SHARE)]
    misfit, c = (np.where(limits[0][0] < limits[1][0], *pair) for pair in zip(*limits, strict=True))
    terms = np.stack([first, first * x], axis=-1)
    free = np.linalg.pinv(terms) @ scaled  # (powers, 2)
    allowed = np.abs(free[:, 1]) <= SHARE * np.abs(free[:, 0])
    rest = np.sum((scaled - np.einsum("pmk,pk->pm", terms, free)) ** 2, axis=1)
    return np.where(allowed, rest, misfit), np.where(allowed, free[:, 0], c)


def _one_term(basis: Array, scaled: Array) -> tuple[Array, Array]:
    c = basis @ scaled / np.sum(basis**2, axis=1)
    return np.sum((scaled - c[:, None] * basis) ** 2, axis=1), c
