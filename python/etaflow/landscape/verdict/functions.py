"""Enclosures of the activation functions and their derivatives from the four basic operations alone.

The mathematical functions of NumPy and the C library come without a proved error; here Taylor polynomials with their
remainders are evaluated in ball arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.verdict.balls import GROW, Ball, where

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow.problem.activations import Activation

    Curve = Callable[["Ball", float], tuple["Ball", "Ball", "Ball"]]

LN2 = Ball(np.float64(0.6931471805599453) * np.ones(()), 2.4e-17 * np.ones(()))  # ln 2 = mid + 2.3190…e-17
HALF_PI = Ball(np.float64(1.5707963267948966) * np.ones(()), 6.2e-17 * np.ones(()))  # π/2 = mid + 6.1232…e-17

FAR = 690.0
"""Beyond, exp(−z) counts as something between 0 and 1e-299."""

REACH = 1e6
"""The largest argument of sin."""


def exp_of_negative(z: Ball) -> Ball:
    """Return exp(z) for z ≤ 1.

    Returns
    -------
    Ball
        The enclosures; of a ball with a radius above 1 nothing is known.
    """
    near = np.maximum(z.mid, -FAR)
    powers = np.rint(near / 0.6931471805599453)
    rest = near - powers * LN2  # |rest| < 0.36
    total = Ball.exact(np.ones_like(near))
    for k in range(17, 0, -1):
        total = 1.0 + rest * total / float(k)
    total = total.widen(np.full_like(near, 1e-22))  # the remainder: 0.36^18/18!·e^0.36 < 3e-24
    scale = powers.astype(np.int64)
    value = Ball(np.ldexp(total.mid, scale), np.ldexp(total.rad, scale) + 1e-300)
    value = where(z.mid < -FAR, Ball(np.zeros_like(near), np.full_like(near, 1e-299)), value)
    # e^(z ± r) lies within e^z·(e^r − 1) ≤ 2r·e^z of e^z for r ≤ 1
    return value.widen(np.where(z.rad <= 1, 2 * value.largest * z.rad * GROW, np.inf))


def logistic(z: Ball) -> Ball:
    """Return 1/(1 + exp(−z)).

    Returns
    -------
    Ball
        The enclosures.
    """
    small = exp_of_negative(Ball.exact(-np.abs(z.mid)))
    value = where(z.mid >= 0, Ball.exact(np.ones_like(z.mid)), small) / (1.0 + small)
    return value.widen(z.rad / 4)  # σ' ≤ ¼


def arctan(z: Ball) -> Ball:
    """Return arctan z.

    Returns
    -------
    Ball
        The enclosures.
    """
    y = Ball.exact(np.clip(z.mid, -1e100, 1e100))
    for _ in range(3):  # arctan y = 2·arctan(y/(1 + √(1 + y²)))
        y = y / (1.0 + (1.0 + y * y).sqrt())
    square = y * y  # |y| ≤ tan(π/16) < 0.2
    total = Ball.exact(np.full_like(z.mid, 1 / 25))
    total = total.widen(np.full_like(z.mid, 1e-17))  # of 1/25, which is rounded
    for k in range(23, 0, -2):
        total = Ball.exact(np.ones_like(z.mid)) / float(k) - square * total
    value = 8.0 * (y * total).widen(np.full_like(z.mid, 1e-19))  # the next term: 0.2^27/27 < 1e-20
    value = value.widen(z.rad)
    return Ball(value.mid, np.where(np.abs(z.mid) <= 1e100, value.rad, np.inf))


def sin_and_cos(z: Ball) -> tuple[Ball, Ball]:
    """Return sin z and cos z.

    Returns
    -------
    sin, cos : Ball
        The enclosures; beyond |z| = 10⁶ nothing is known.
    """
    near = np.clip(z.mid, -REACH, REACH)
    quarters = np.rint(near / 1.5707963267948966)
    rest = near - quarters * HALF_PI  # |rest| < 0.79
    square = rest * rest
    one = Ball.exact(np.ones_like(near))
    sine, cosine = one, one
    for k in range(9, 0, -1):  # remainders: 0.79^20/20! < 1e-20
        cosine = 1.0 - square * cosine / float(2 * k * (2 * k - 1))
        sine = 1.0 - square * sine / float(2 * k * (2 * k + 1))
    sine, cosine = (one_.widen(np.full_like(near, 1e-19)) for one_ in (rest * sine, cosine))
    turn = quarters.astype(np.int64) % 4
    unknown = np.where(np.abs(z.mid) <= REACH, z.rad, np.inf)
    found = where(turn % 2 == 0, sine, cosine), where(turn % 2 == 0, cosine, sine)
    signs = np.where(turn >= 2, -1.0, 1.0), np.where((turn == 1) | (turn == 2), -1.0, 1.0)
    first, second = (Ball(sign * one_.mid, one_.rad).widen(unknown) for sign, one_ in zip(signs, found, strict=True))
    return first, second


def softplus(z: Ball) -> Ball:
    """Return log(1 + exp z).

    Returns
    -------
    Ball
        The enclosures.
    """
    small = exp_of_negative(Ball.exact(-np.abs(z.mid)))
    guess = np.log1p(small.mid)
    # log(1 + e) = guess + log(1 + δ) with 1 + δ = (1 + e)·exp(−guess), and |log(1 + δ)| ≤ 2|δ| for |δ| ≤ ½
    delta = ((1.0 + small) * exp_of_negative(Ball.exact(-guess)) - 1.0).largest
    value = Ball(guess, np.where(delta <= 0.5, 2 * delta * GROW, np.inf))
    return (value + np.maximum(z.mid, 0.0)).widen(z.rad)  # its slope is at most 1


def _logistic(z: Ball, _: float) -> tuple[Ball, Ball, Ball]:
    value = logistic(z)
    slope = value * (1.0 - value)
    return value, slope, slope * (1.0 - 2.0 * value)


def _tanh(z: Ball, _: float) -> tuple[Ball, Ball, Ball]:
    value = 2.0 * logistic(2.0 * z) - 1.0
    slope = 1.0 - value * value
    return value, slope, -2.0 * (value * slope)


def _arctan(z: Ball, _: float) -> tuple[Ball, Ball, Ball]:
    two_by_pi = Ball.exact(np.ones(())) / HALF_PI
    slope = Ball.exact(np.ones_like(z.mid)) / (1.0 + z * z)
    return two_by_pi * arctan(z), two_by_pi * slope, two_by_pi * (-2.0 * (z * (slope * slope)))


def _sin(z: Ball, _: float) -> tuple[Ball, Ball, Ball]:
    sine, cosine = sin_and_cos(z)
    return sine, cosine, -sine


def _softplus(z: Ball, _: float) -> tuple[Ball, Ball, Ball]:
    value, slope, _bend = _logistic(z, 0.0)
    return softplus(z), value, slope


def _identity(z: Ball, _: float) -> tuple[Ball, Ball, Ball]:
    return z, Ball.exact(np.ones_like(z.mid)), Ball.exact(np.zeros_like(z.mid))


def _pieces(z: Ball, slope: float) -> tuple[Ball, Ball, Ball]:
    sure = z.smallest > 0
    positive = z.mid > 0
    low = float(np.abs(slope))
    value = where(positive, z, z * slope)
    # across the kink: |σ(z)| ≤ max(1, |slope|)·|z|, σ' between slope and 1, and σ'' is no function
    across = Ball(np.zeros_like(z.mid), max(1.0, low) * z.largest * GROW)
    steep = Ball(np.where(positive, 1.0, slope), np.zeros_like(z.mid))
    either = Ball(np.full_like(z.mid, (1 + slope) / 2), np.full_like(z.mid, abs(1 - slope) / 2 * GROW + 1e-16))
    bend = Ball(np.zeros_like(z.mid), np.where(sure, 0.0, np.inf))
    return where(sure, value, across), where(sure, steep, either), bend


_CURVES: dict[str, Curve] = {
    "identity": _identity,
    "logistic": _logistic,
    "tanh": _tanh,
    "arctan": _arctan,
    "relu": lambda z, _: _pieces(z, 0.0),
    "leaky_relu": _pieces,
    "softplus": _softplus,
    "sin": _sin,
}

ENCLOSED = frozenset(_CURVES)
"""The activations that have enclosures: all but gelu."""


def enclose(activation: Activation, z: Ball) -> tuple[Ball, Ball, Ball]:
    """Return enclosures of σ, σ' and σ'' over balls.

    Parameters
    ----------
    activation : Activation
        One of `ENCLOSED`.
    z : Ball
        The arguments.

    Returns
    -------
    value, slope, bend : Ball
        Of the shape of `z`. Where ReLU's kink is in a ball, nothing is known of σ''.

    Examples
    --------
    >>> from etaflow.problem.activations import Activation
    >>> value, _, _ = enclose(Activation("tanh"), Ball.exact(np.ones(1)))
    >>> bool(abs(value.mid[0] - 0.76159415595576488812) <= value.rad[0] < 2e-15)
    True
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return _CURVES[activation.name](z, activation.parameter)
