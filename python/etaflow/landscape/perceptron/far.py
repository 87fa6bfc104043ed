"""A proof that the gradient of E has no zero outside a square, for two weights.

Outside, x = t·u(τ) with t ≥ R and u on one of the four sides of the unit square. For an interval of τ a direction v is sought for which
v·∇E has one sign whatever t is: the rows with b_i·v of one sign must outweigh those of the other. The pulls of tanh fall like
e^{−t·γ} with rates γ = 4b·u on the right side and 2|b·u| on the wrong side, those of arctan like 1/t³ and 1/t². Intervals where no v is
found are halved.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.perceptron.intervals import Interval, exp

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.landscape.perceptron.pulls import Pulls

    Array = npt.NDArray[np.float64]

NARROWEST = 1e-9
MOST = 4000
_MUCH = 1e200

_SPREAD = 8.0
"""(1 + e^{−2|z|})³ lies between 1 and this."""


def nothing_beyond(pulls: Pulls, crosses: Interval, radius: float) -> bool:
    """Try to prove that ∇E ≠ 0 wherever max(|x₁|, |x₂|) ≥ R.

    Parameters
    ----------
    pulls : Pulls
        The rows and their sigmoid.
    crosses : Interval
        The determinants of all pairs of rows, shape (n, n); exactly zero for parallel rows.
    radius : float
        R.

    Returns
    -------
    bool
        True if it is proved.
    """
    rows = pulls.rows
    excluded = _excluded_by_powers if pulls.enclosed == "arctan" else _excluded_by_rates
    units = rows.middle / np.linalg.norm(rows.middle, axis=1)[:, None]
    across = (rows[:, None, :] * pulls.fan).sum(axis=2)  # (n, fan)
    todo = [(side, -1.0, 1.0) for side in range(4)]
    for _ in range(MOST):
        if not todo:
            return True
        side, low, high = todo.pop()
        u = _direction(side, low, high)
        if excluded(rows, u, _candidates(rows, crosses, across, units, u), radius):
            continue
        if high - low < NARROWEST:
            return False
        middle = low + 0.4943 * (high - low)
        todo += [(side, low, middle), (side, middle, high)]
    return False


def _direction(side: int, low: float, high: float) -> Interval:
    one = 1.0 if side < 2 else -1.0
    ends = ([one, low], [one, high]) if side % 2 else ([low, one], [high, one])
    return Interval(np.array(ends[0]), np.array(ends[1]))


def _candidates(rows: Interval, crosses: Interval, across: Interval, units: Array, u: Interval) -> Interval:
    # The products b_i·v, shape (candidates, n): across the rows that pull most, along them, their sums, u itself, and a fan.
    growth = rows.middle @ u.middle
    order = np.argsort(np.where(growth > 0, 4 * growth, -2 * growth))[:4]
    sums = [*units[order], units[order[:2]].sum(axis=0), units[order[:3]].sum(axis=0), u.middle]
    along = (rows[:, None, :] * np.array(sums)).sum(axis=2)
    parts = (crosses[order], Interval(along.low.T, along.high.T), Interval(across.low.T, across.high.T))
    return Interval(np.concatenate([one.low for one in parts]), np.concatenate([one.high for one in parts]))


def _excluded_by_rates(rows: Interval, u: Interval, products: Interval, radius: float) -> bool:
    gaps = _gaps(rows, u)
    shares = np.where(gaps > 0, exp(Interval.of(-radius) * Interval(gaps, gaps)).high, _MUCH)  # (against, mine)
    for sign in (products, -products):
        mine, against = np.maximum(sign.low, 0.0), np.maximum(-sign.low, 0.0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            total = _SPREAD * (against @ shares) * (1 + 1e-12) / mine
        if (total[mine > 0] < 1).any():
            return True
    return False


def _gaps(rows: Interval, u: Interval) -> Array:
    # Lower bounds of γ_j − γ_k, shape (j, k): linear in τ where both signs are known.
    growth = (rows * u).sum(axis=1)
    right, wrong = growth.low >= 0, growth.high <= 0
    known = right | wrong
    slopes = rows * np.where(right, 4.0, np.where(wrong, -2.0, 0.0))[:, None]
    linear = ((slopes[:, None, :] - slopes[None, :, :]) * u).sum(axis=2).low
    rates = (slopes * u).sum(axis=1)
    loose = np.maximum(growth.high * 4, growth.low * -2) * (1 + 1e-15)
    least, most = np.where(known, np.maximum(rates.low, 0.0), 0.0), np.where(known, rates.high, loose)
    apart = np.nextafter(least[:, None] - most[None, :], -np.inf)
    return np.asarray(np.where(known[:, None] & known[None, :], np.maximum(linear, apart), apart))


def _excluded_by_powers(rows: Interval, u: Interval, products: Interval, radius: float) -> bool:
    growth = (rows * u).sum(axis=1)
    right, wrong = growth.low > 0, growth.high < 0
    nearest, farthest = np.minimum(np.abs(growth.low), np.abs(growth.high)), growth.magnitude
    with np.errstate(divide="ignore", over="ignore"):
        # t²·w, from below and above
        least = np.where(wrong, 2 / math.pi / (farthest**2 + 1 / radius**2), 0.0)
        most = np.where(wrong, 4 / math.pi / nearest**2, 4 / math.pi**2 / (nearest**3 * radius))
    most = np.where(right | wrong, np.minimum(most, _MUCH), _MUCH)
    for sign in (products, -products):
        mine, against = np.maximum(sign.low, 0.0), np.maximum(-sign.low, 0.0)
        with np.errstate(over="ignore"):
            lower, upper = mine @ least, against @ most * (1 + 1e-12)
        if ((lower > upper) | ((upper == 0) & (mine > 0).any(axis=1))).any():
            return True
    return False
