"""How fast the mean exit time of a chain on the line grows as its step size shrinks: the exponent of large deviations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_number

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Gradients = Callable[[Array], npt.ArrayLike]

STEEPEST_TILT = 1e12


def exit_exponent(gradients: Gradients, x_star: float, a: float, b: float) -> float:
    r"""Return V with log(mean exit time) ≈ V/η for X_k = X_{k−1} − η·g, g one of `gradients`, as η → 0.

    To go up a slope the chain must draw its gradients as if they were tilted by e^{−pg}; the tilt p(x) ≠ 0 that makes the walk
    neutral solves mean_i exp(−p·g_i(x)) = 1 (Cramér's root), and V = ∫ p dx from the minimum to the end that needs less of it
    (Freidlin and Wentzell, Random Perturbations of Dynamical Systems, chapters 5 and 6, in one dimension).

    For Gaussian gradients of mean f' and variance R the root is p = 2f'/R: that is the exponent ∫ 2f'/R of the diffusion
    approximation. SGD draws one of n gradients, which are not Gaussian, so its exponent is another one, however small
    η is; the two agree only near the minimum, where p is small.

    Parameters
    ----------
    gradients : callable
        A function of places, shape (m,), that returns the equally likely values of one step's gradient, shape (k, m).
    x_star : float
        The minimum, where the mean of the gradients is 0.
    a, b : float
        The ends of the interval, a < x_star < b; there is no other stationary point between them.

    Returns
    -------
    float
        V; infinite if no step leads towards the nearer end.

    Raises
    ------
    TypeError
        If `gradients` does not return an array of the right shape.
    ValueError
        If the ends are not in order, or the mean gradient does not point back to `x_star`.

    Examples
    --------
    Gradients x ± 1: mean exp(−p·g) = e^{−px}·cosh p, and for small x the exponent is that of the diffusion, x².

    >>> import etaflow as ef
    >>> import numpy as np
    >>> two = lambda x: np.stack([x - 1, x + 1])
    >>> round(ef.theory.exit_exponent(two, 0.0, -0.1, 0.1) / 0.1**2, 3)
    1.003
    """
    low, centre, high = check_number("a", a), check_number("x_star", x_star), check_number("b", b)
    if not low < centre < high:
        raise ValueError(f"x_star must be between a and b (got {centre:g}, not in ({low:g}, {high:g}))")
    return min(_uphill(gradients, centre, end) for end in (low, high))


def _uphill(gradients: Gradients, centre: float, end: float) -> float:
    nodes, weights = np.polynomial.legendre.leggauss(48)
    places = centre + (end - centre) * (nodes + 1) / 2
    outward: Any = -np.sign(end - centre) * np.asarray(
        gradients(places), np.float64
    )  # a step's part away from the minimum
    if outward.ndim != 2 or outward.shape[1] != places.size:
        raise TypeError(
            f"gradients must return an array of shape (k, {places.size}) for {places.size} places (got {outward.shape})"
        )
    if (outward.mean(axis=0) >= 0).any():
        bad = places[int(np.argmax(outward.mean(axis=0) >= 0))]
        raise ValueError(f"the mean gradient must point back to x_star = {centre:g} (at {bad:g} it does not)")
    tilts = np.array([_tilt(column) for column in outward.T])
    return float(abs(end - centre) / 2 * (weights @ tilts))


def _tilt(steps: Array) -> float:
    # The p > 0 with mean exp(p·steps) = 1.
    from scipy.optimize import brentq  # noqa: PLC0415 - slow to import
    from scipy.special import logsumexp  # noqa: PLC0415

    if steps.max() <= 0:
        return float("inf")

    def log_mean(p: float) -> float:
        return float(logsumexp(p * steps) - np.log(steps.size))

    high = -2 * float(steps.mean()) / float(steps.var())  # the root for Gaussian steps
    while log_mean(high) < 0:
        high *= 2
        if high > STEEPEST_TILT / steps.max():
            return float("inf")
    low = high / 2
    while log_mean(low) > 0:
        low /= 2
    return float(brentq(log_mean, low, high, xtol=1e-14 * high, rtol=1e-14))
