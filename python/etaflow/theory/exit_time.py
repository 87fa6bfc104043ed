"""The mean time in which a diffusion leaves an interval, exactly: the double integral, on a logarithmic scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_float_array, check_number

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Function = Callable[[Array], npt.ArrayLike]

NODES = 16
"""Gauss–Legendre nodes on each panel."""

STEEPEST = 2.0
"""So much may the exponent change on one panel."""

RESOLVED = 1e-12
"""So well must a panel's polynomials give the exponent and, relatively, the diffusion between the nodes."""

MOST_PANELS = 100_000


def mean_exit_time(
    drift: Function, diffusion: Function, a: float, b: float, x0: npt.ArrayLike, *, log: bool = False
) -> npt.NDArray[np.float64]:
    r"""Return the mean time in which dX = drift(X) dt + √diffusion(X) dW, X(0) = x0, leaves the interval (a, b).

    The solution of ½·diffusion·T'' + drift·T' = −1 with T(a) = T(b) = 0 is the double integral (Gardiner, Handbook of
    Stochastic Methods, section 5.2.7; Karlin and Taylor, A Second Course in Stochastic Processes, chapter 15, eq. (3.11))

        T(x) = 2 [S(a, x) ∫_x^b S(y, b) m(y) dy + S(x, b) ∫_a^x S(a, y) m(y) dy] / S(a, b),

    S(y, z) = ∫_y^z ψ the scale, ψ' = −2·(drift/diffusion)·ψ, and m = 1/(diffusion·ψ) the speed. All terms are positive and
    summed as logarithms, so nothing overflows: exponents of thousands keep full precision with ``log=True``.

    SGD with a small step size η near a minimum is such a diffusion with drift −f' and diffusion η·R, the time being
    t = kη after k steps (Finnoff 1992, section 5).

    Parameters
    ----------
    drift, diffusion : callable
        Functions of an array of places, shape (m,) → (m,), both smooth; the diffusion coefficient (the square of what
        multiplies dW) is positive on [a, b].
    a, b : float
        The ends of the interval, a < b.
    x0 : array_like, shape () or (m,)
        The starts, in [a, b].
    log : bool, default False
        Whether to return the logarithm, which is finite where the time itself overflows.

    Returns
    -------
    ndarray, shape () or (m,)
        The mean times, to about 1e-12 relatively (times the exponent, if that is large); infinite beyond 1e308.

    Raises
    ------
    TypeError
        If a coefficient does not return one number for each place.
    ValueError
        If the ends are not in order, a start is outside, the diffusion is not positive or a coefficient not finite, or a
        coefficient varies too wildly to be integrated.

    Examples
    --------
    Brownian motion leaves (−1, 1) after 1 − x² on average:

    >>> import etaflow as ef
    >>> ef.theory.mean_exit_time(lambda x: 0 * x, lambda x: 1 + 0 * x, -1, 1, [0.0, 0.5])
    array([1.  , 0.75])
    """
    low, high = check_number("a", a), check_number("b", b)
    if not low < high:
        raise ValueError(f"b must be > a (got a = {low:g}, b = {high:g})")
    starts = check_float_array("x0", x0, ndim=(0, 1)).astype(np.float64)
    outside = (starts < low) | (starts > high)
    if outside.any():
        raise ValueError(f"x0 must be in [a, b] = [{low:g}, {high:g}] (got {starts[outside].flat[0]:g})")
    edges = _panels(drift, diffusion, np.unique(np.concatenate([[low, high], starts.ravel()])))
    result = _log_times(drift, diffusion, edges)[np.searchsorted(edges, starts)]
    with np.errstate(over="ignore"):
        return np.asarray(result if log else np.exp(result))


def _log_times(drift: Function, diffusion: Function, edges: Array) -> Array:
    width = np.diff(edges)[:, None]
    places = edges[:-1, None] + width * _UNIT
    q, d = _exponent_rate(drift, diffusion, places)
    within = -width * (q @ _CUMULATIVE.T)  # log ψ from the panel's left edge to each node, and to its right edge
    left = np.concatenate([[0.0], np.cumsum(within[:, -1])])
    log_psi = left[:-1, None] + within
    scale = np.log(width) + left[:-1, None] + np.log(np.exp(within[:, :-1]) @ _CUMULATIVE.T)
    rest = np.log(width) + left[:-1, None] + np.log(np.exp(within[:, :-1]) @ (_WEIGHTS - _CUMULATIVE[:-1]).T)
    from_a = np.concatenate([[-np.inf], np.logaddexp.accumulate(scale[:, -1])])
    to_b = np.concatenate([np.logaddexp.accumulate(scale[::-1, -1])[::-1], [-np.inf]])
    speed = np.log(width * _WEIGHTS) - log_psi[:, :-1] - np.log(d)
    below = np.logaddexp.reduce(speed + np.logaddexp(from_a[:-1, None], scale[:, :-1]), axis=1)
    above = np.logaddexp.reduce(speed + np.logaddexp(to_b[1:, None], rest), axis=1)
    inner = np.concatenate([[-np.inf], np.logaddexp.accumulate(below)])
    outer = np.concatenate([np.logaddexp.accumulate(above[::-1])[::-1], [-np.inf]])
    times: Array = np.log(2) + np.logaddexp(from_a + outer, to_b + inner) - from_a[-1]
    return times


def _panels(drift: Function, diffusion: Function, edges: Array) -> Array:
    # Edges between which both coefficients are polynomials to rounding and the exponent changes by at most STEEPEST.
    finest = (edges[-1] - edges[0]) * 2.0**-40
    done: list[Array] = []
    left, right = edges[:-1], edges[1:]
    while left.size:
        if left.size + sum(one.size for one in done) > MOST_PANELS:
            raise ValueError(f"the exponent 2·drift/diffusion varies too wildly near {left[0]:g} to be integrated")
        good = _is_resolved(drift, diffusion, left, right) | (right - left <= finest)
        done.append(right[good])
        middle = (left[~good] + right[~good]) / 2
        left, right = np.concatenate([left[~good], middle]), np.concatenate([middle, right[~good]])
    return np.sort(np.concatenate([edges[:1], *done]))


def _is_resolved(drift: Function, diffusion: Function, left: Array, right: Array) -> npt.NDArray[np.bool_]:
    width = (right - left)[:, None]
    q, d = _exponent_rate(drift, diffusion, left[:, None] + width * _UNIT)
    halves = np.concatenate([_UNIT, _UNIT + 1]) / 2
    q_there, d_there = _exponent_rate(drift, diffusion, left[:, None] + width * halves)
    steepness = width[:, 0] * np.abs(q_there).max(axis=1)
    q_error = width[:, 0] * np.abs(q @ _TO_HALVES.T - q_there).max(axis=1)
    d_error = np.abs((1 / d) @ _TO_HALVES.T * d_there - 1).max(axis=1)
    result: npt.NDArray[np.bool_] = (steepness <= STEEPEST) & (q_error <= RESOLVED) & (d_error <= RESOLVED)
    return result


def _exponent_rate(drift: Function, diffusion: Function, places: Array) -> tuple[Array, Array]:
    flat = places.ravel()
    values = [_evaluate(name, one, flat) for name, one in (("drift", drift), ("diffusion", diffusion))]
    if not (values[1] > 0).all():
        bad = int(np.argmin(values[1]))
        raise ValueError(f"diffusion must be > 0 between a and b (at {flat[bad]:g} it is {values[1][bad]:g})")
    mu, d = (one.reshape(places.shape) for one in values)
    return 2 * mu / d, d


def _evaluate(name: str, function: Function, places: Array) -> Array:
    values: Any = np.asarray(function(places))
    if values.shape != places.shape or values.dtype.kind not in "fiu":
        raise TypeError(
            f"{name} must return one real number for each of {places.size} places (got shape {values.shape}, {values.dtype})"
        )
    if not np.isfinite(values).all():
        bad = int(np.argmin(np.isfinite(values)))
        raise ValueError(f"{name} must be finite between a and b (at {places[bad]:g} it is {values[bad]})")
    return np.asarray(values, np.float64)


def _rule() -> tuple[Array, Array, Array, Array]:
    # Nodes and weights on [0, 1], and matrices on values at the nodes: the integral from 0 to each node and to 1, and the
    # values of the interpolating polynomial at the nodes of both halves.
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    vandermonde, order = np.polynomial.legendre.legvander, np.arange(NODES)
    to_series = (2 * order[:, None] + 1) / 2 * vandermonde(nodes, NODES - 1).T * weights
    ends = vandermonde(np.append(nodes, 1.0), NODES)
    primitives = np.empty((NODES + 1, NODES))  # ∫_{−1}^x P_k = (P_{k+1} − P_{k−1})/(2k + 1)
    primitives[:, 0] = ends[:, 1] + 1
    primitives[:, 1:] = (ends[:, 2:] - ends[:, :-2]) / (2 * order[1:] + 1)
    halves = np.concatenate([nodes - 1, nodes + 1]) / 2
    return (nodes + 1) / 2, weights / 2, primitives @ to_series / 2, vandermonde(halves, NODES - 1) @ to_series


_UNIT, _WEIGHTS, _CUMULATIVE, _TO_HALVES = _rule()
