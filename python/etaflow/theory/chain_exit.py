"""The mean number of steps in which a chain on the line leaves an interval: its integral equation, solved on a grid."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_float_array, check_number, check_positive_number

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

FIRST_GRID, LAST_GRID = 2**9, 2**15
"""Intervals of the grid to begin with, and the most."""

LONGEST = 1e13


def chain_exit_time(
    moves: Callable[[Array], npt.ArrayLike],
    a: float,
    b: float,
    x0: npt.ArrayLike,
    *,
    probabilities: npt.ArrayLike | None = None,
    rtol: float = 1e-3,
) -> Array:
    r"""Return the mean of the first k with X_k outside [a, b], for X_k = moves(X_{k−1})[I_k] with I_k drawn independently.

    T(x) = 1 + Σ_i p_i·T(moves(x)[i])·1[a ≤ moves(x)[i] ≤ b] is solved on a uniform grid with linear interpolation between its
    points (Nyström's method), and the grid is halved until the times change by less than `rtol`. T jumps where a move just
    reaches an end, so the error is of the first order in the grid.

    One-dimensional SGD is such a chain: its n moves x − η·∇L_i(x) have probability 1/n each. No approximation for small η
    enters, which makes this the measure of the diffusion approximation (`mean_exit_time`) and of simulated exit times.

    Parameters
    ----------
    moves : callable
        A function of places, shape (m,), that returns where one step may lead, shape (k, m).
    a, b : float
        The ends of the interval, a < b.
    x0 : array_like, shape () or (m,)
        The starts, in [a, b].
    probabilities : array_like, shape (k,), optional
        Of the moves; by default all the same.
    rtol : float, default 1e-3
        The relative change from one grid to the next that is small enough.

    Returns
    -------
    ndarray, shape () or (m,)
        The mean numbers of steps; infinite beyond 1e13, where float64 cannot tell a long time from never.

    Raises
    ------
    TypeError
        If `moves` does not return places.
    ValueError
        If the ends are not in order, a start is outside, or the probabilities are none.
    ArithmeticError
        If the finest grid is not fine enough for `rtol`.

    Examples
    --------
    A coin decides between a step of 1 to the left and to the right: from 0 it takes (N + 1)² tosses to leave [−N, N].

    >>> import etaflow as ef
    >>> import numpy as np
    >>> walk = lambda x: np.stack([x - 1, x + 1])
    >>> float(ef.theory.chain_exit_time(walk, -4.5, 4.5, 0.0).round(6))
    25.0
    """
    low, high = check_number("a", a), check_number("b", b)
    if not low < high:
        raise ValueError(f"b must be > a (got a = {low:g}, b = {high:g})")
    starts = check_float_array("x0", x0, ndim=(0, 1)).astype(np.float64)
    outside = (starts < low) | (starts > high)
    if outside.any():
        raise ValueError(f"x0 must be in [a, b] = [{low:g}, {high:g}] (got {starts[outside].flat[0]:g})")
    allowed = check_positive_number("rtol", rtol)
    weights = None if probabilities is None else _probabilities(probabilities)
    previous, intervals = np.full(starts.shape, np.nan), FIRST_GRID
    while intervals <= LAST_GRID:
        grid = np.linspace(low, high, intervals + 1)
        times = _solve(moves, grid, weights)
        result = np.asarray(_after_one_step(moves, grid, weights, starts.ravel()) @ times + 1).reshape(starts.shape)
        result[~(result < LONGEST)] = np.inf
        if np.allclose(result, previous, rtol=allowed, atol=0):
            return result
        previous, intervals = result, 2 * intervals
    raise ArithmeticError(
        f"the mean time {previous.flat[0]:g} on {LAST_GRID} intervals still changes by more than {allowed:g}"
    )


def _solve(moves: Callable[[Array], npt.ArrayLike], grid: Array, weights: Array | None) -> Array:
    from scipy.sparse import eye_array  # noqa: PLC0415 - slow to import
    from scipy.sparse.linalg import MatrixRankWarning, spsolve  # noqa: PLC0415

    stay = _after_one_step(moves, grid, weights, grid)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MatrixRankWarning)  # nothing leads out: the times are infinite
        times = spsolve((eye_array(grid.size) - stay).tocsc(), np.ones(grid.size), permc_spec="NATURAL")
    return np.where(times >= 1, times, np.inf)  # rounding can turn what is as good as infinite negative


def _after_one_step(moves: Callable[[Array], npt.ArrayLike], grid: Array, weights: Array | None, places: Array) -> Any:
    # The sparse matrix, (m, grid), that takes a function on the grid to its mean inside after one step.
    from scipy.sparse import coo_array  # noqa: PLC0415 - slow to import

    ends: Any = np.asarray(moves(places), np.float64)
    if ends.ndim != 2 or ends.shape[1] != places.size:
        raise TypeError(
            f"moves must return an array of shape (k, {places.size}) for {places.size} places (got {ends.shape})"
        )
    p = np.full(len(ends), 1 / len(ends)) if weights is None else weights
    if p.shape != ends.shape[:1]:
        raise ValueError(f"probabilities must have one entry for each of {len(ends)} moves (got {p.size})")
    move, place = np.nonzero((ends >= grid[0]) & (ends <= grid[-1]))
    position = (ends[move, place] - grid[0]) / (grid[1] - grid[0])
    cell = np.minimum(position.astype(np.int64), grid.size - 2)
    share = position - cell
    values = np.concatenate([p[move] * (1 - share), p[move] * share])
    columns = np.concatenate([cell, cell + 1])
    return coo_array((values, (np.tile(place, 2), columns)), shape=(places.size, grid.size)).tocsr()


def _probabilities(probabilities: npt.ArrayLike) -> Array:
    values = check_float_array("probabilities", probabilities, ndim=1).astype(np.float64)
    if (values < 0).any() or not np.isclose(values.sum(), 1, rtol=1e-12):
        raise ValueError(f"probabilities must be >= 0 and sum to 1 (got {values.tolist()}, sum {values.sum():g})")
    return values
