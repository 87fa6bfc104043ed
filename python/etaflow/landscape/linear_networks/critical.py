"""Critical points of linear networks of any depth, by the eigenvectors of Σ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_choice, check_float_array, check_int
from etaflow.landscape.linear_networks.network import check_hidden
from etaflow.landscape.linear_networks.point import DEGENERATE_SADDLE, GLOBAL_MINIMUM, STRICT_SADDLE, CriticalPoint
from etaflow.landscape.linear_networks.regression import Regression

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

MIDDLES = ("full", "least")


def critical_point(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    hidden: int | Sequence[int],
    gamma: Iterable[int],
    *,
    middle: str = "full",
    free_rows: npt.ArrayLike | None = None,
) -> CriticalPoint:
    r"""Return a critical point whose map is U_Γ U_Γᵀ L* (Baldi and Hornik 1989, Fact 4; Fleischmann 2021, Theorem 3.5).

    With one hidden layer and as many eigenvectors as units these are, up to the orbit W_2·C, C⁻¹·W_1, all critical points of full rank. With
    fewer eigenvectors the matrices are rank deficient, W_2 = [U_Γ 0], W_1 = [U_ΓᵀL*; Z]: with `free_rows` these are all others. With more hidden
    layers there are two sorts of rank-deficient points: `middle` chooses.

    Parameters
    ----------
    x : array_like, shape (n, d_x)
        The inputs.
    y : array_like, shape (n, d_y) or (n,)
        The targets.
    hidden : int or sequence of int
        The width of the hidden layer, or of each; p is the smallest.
    gamma : iterable of int
        Γ: at most min(p, d_y) different numbers from 1 to d_y; 1 is the largest eigenvalue of Σ. Empty for the point with the zero map.
    middle : {"full", "least"}, default "full"
        Whether W_H ⋯ W_2 has its full rank p, or the rank of the map only. By Kawaguchi's theorem (iv) a saddle with the full rank is strict;
        with the least rank, if Γ holds the largest eigenvalues, it is not. With one hidden layer there is no middle, and both are the same.
    free_rows : array_like, shape (p − \|Γ\|, d_x), optional
        Z, for one hidden layer; its rows must fulfil (I − U_Γ U_Γᵀ) YXᵀ Zᵀ = 0. By default 0.

    Returns
    -------
    CriticalPoint
        With its loss, Morse index and nullity from closed forms.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If Γ does not fit, the data fail a condition of the theorem (the message says which), or Z does not make a critical point.

    Notes
    -----
    With q = \|Γ\| and r the rank of the middle, the index is #{(i, j): i ∈ Γ, j ∉ Γ, λ_j > λ_i} + (r − q)(d_y − q): a pair from replacing an
    eigenvector by a better one, and the rest from each spare unit taking up each missing direction. The nullity is
    d − q(d_x + d_y − q) − 2(r − q)(d_y − q), which is p² for one hidden layer and q = p.

    Examples
    --------
    >>> import etaflow as ef
    >>> x = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    >>> ef.linear_networks.critical_point(x, x, 1, [2])
    CriticalPoint(Γ = {2}: strict saddle, value = 3, index 1, nullity 1)
    >>> ef.linear_networks.critical_point(x, x, [1, 1], [], middle="least")  # θ = 0
    CriticalPoint(Γ = {}: degenerate saddle, value = 4, index 0, nullity 5)
    """
    data, widths = Regression.of(x, y), check_hidden(hidden)
    chosen = _check_gamma(gamma, min(*widths, data.outputs), data.outputs)
    kind = check_choice("middle", middle, MIDDLES)
    data.require_theorem("Theorem 3.5 (Baldi and Hornik)")
    spare = free_rows if free_rows is None else _check_free_rows(data, widths, chosen, free_rows)
    return build(data, widths, chosen, full=len(widths) == 1 or kind == "full", free_rows=spare)


def build(
    data: Regression, hidden: tuple[int, ...], gamma: tuple[int, ...], *, full: bool, free_rows: Array | None = None
) -> CriticalPoint:
    """Return the critical point for arguments that are checked.

    Parameters
    ----------
    data : Regression
        Data that fulfil the theorem's conditions.
    hidden : tuple of int
        The widths of the hidden layers.
    gamma : tuple of int
        Γ, ascending, counted from 1.
    full : bool
        Whether the middle has full rank.
    free_rows : ndarray, optional
        Z.

    Returns
    -------
    CriticalPoint
        The point.
    """
    places = [one - 1 for one in gamma]
    q, r = len(gamma), min(hidden) if full else len(gamma)
    basis = data.eigenvectors[:, places]
    first = np.zeros((hidden[0], data.inputs))
    first[:q] = basis.T @ data.least_squares
    if free_rows is not None:
        first[q : q + len(free_rows)] = free_rows
    last = np.zeros((data.outputs, hidden[-1]))
    last[:, :q] = basis
    middles = [np.eye(rows, r) @ np.eye(r, columns) for rows, columns in zip(hidden[1:], hidden, strict=False)]
    weights = (first, *middles, last)
    index = pairs(gamma, data.outputs) + (r - q) * (data.outputs - q)
    seen = q * (data.inputs + data.outputs - q) + 2 * (r - q) * (data.outputs - q)
    nullity = sum(one.size for one in weights) - seen
    value = data.total - float(data.eigenvalues[places].sum())
    best = gamma == tuple(range(1, min(*hidden, data.outputs) + 1))
    kind = GLOBAL_MINIMUM if best else STRICT_SADDLE if index else DEGENERATE_SADDLE
    escape = () if best else _escape(data, hidden, gamma, r)
    return CriticalPoint(gamma, weights, value, index, nullity, kind, escape)


def pairs(gamma: tuple[int, ...], m: int) -> int:
    """Return #{(i, j): i ∈ Γ, j ∉ Γ, λ_j > λ_i} for distinct eigenvalues in descending order.

    Returns
    -------
    int
        How many better eigenvectors each one in Γ leaves out, together.

    Examples
    --------
    >>> pairs((2, 3), 4), pairs((1, 2), 4)
    (2, 0)
    """
    missing = [j for j in range(1, m + 1) if j not in gamma]
    return sum(j < i for i in gamma for j in missing)


def _escape(data: Regression, hidden: tuple[int, ...], gamma: tuple[int, ...], r: int) -> tuple[Array, ...]:
    # A spare unit takes up the best missing eigenvector. If the middle is closed to it, that one rather replaces a worse one, if there is
    # one: the loss then falls at second order.
    missing = next(j for j in range(1, data.outputs + 1) if j not in gamma) - 1
    spare = r > len(gamma) or not pairs(gamma, data.outputs)
    unit = len(gamma) if spare else len(gamma) - 1
    vector = data.eigenvectors[:, missing]
    first, last = np.zeros((hidden[0], data.inputs)), np.zeros((data.outputs, hidden[-1]))
    first[unit], last[:, unit] = vector @ data.least_squares, vector
    middles = [np.zeros(shape) for shape in zip(hidden[1:], hidden, strict=False)]
    if spare and unit >= r:
        for one in middles:
            one[unit, unit] = 1.0
    return first, *middles, last


def _check_gamma(gamma: Any, most: int, m: int) -> tuple[int, ...]:
    if not hasattr(gamma, "__iter__"):
        raise TypeError(f"gamma must hold numbers from 1 to {m} (got {gamma!r})")
    given = [check_int(f"gamma[{place}]", one, 1, m) for place, one in enumerate(gamma)]
    if len(set(given)) < len(given):
        raise ValueError(f"gamma must hold different numbers (got {given})")
    if len(given) > most:
        raise ValueError(f"gamma must hold at most {most} numbers, the smallest width (got {len(given)}: {given})")
    return tuple(sorted(given))


def _check_free_rows(
    data: Regression, hidden: tuple[int, ...], gamma: tuple[int, ...], free_rows: npt.ArrayLike
) -> Array:
    if len(hidden) > 1:
        raise ValueError(f"free_rows must be None for more than one hidden layer (got {len(hidden)})")
    shape = (hidden[0] - len(gamma), data.inputs)
    rows = np.asarray(
        check_float_array("free_rows", free_rows, dtype=np.float64, shape=shape, integers=True), np.float64
    )
    basis = data.eigenvectors[:, [one - 1 for one in gamma]]
    cross = data.y.T @ data.x
    wrong = float(np.linalg.norm((cross - basis @ (basis.T @ cross)) @ rows.T))
    scale = float(np.linalg.norm(cross) * np.linalg.norm(rows))
    if wrong > 1e-10 * scale:
        raise ValueError(
            f"free_rows must fulfil (I − U_Γ U_Γᵀ) YXᵀ Zᵀ = 0, else the point is not critical (its norm is {wrong:.3g} of {scale:.3g})"
        )
    return rows
