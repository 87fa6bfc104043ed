"""Kawaguchi's theorem on a network and data of one's own: each claim checked, with the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_positive_int, check_seed
from etaflow.landscape.linear_networks.conditions import kawaguchi_conditions
from etaflow.landscape.linear_networks.constructed import Look, look_at_all, to_dataset
from etaflow.landscape.linear_networks.convexity import convexity_witnesses
from etaflow.landscape.linear_networks.network import check_hidden, linear_objective
from etaflow.landscape.linear_networks.point import GLOBAL_MINIMUM
from etaflow.landscape.linear_networks.regression import Regression
from etaflow.landscape.linear_networks.search import Ends, find_stationary, train

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


MOST_OUTPUTS = 8
"""The critical points of every set of eigenvectors are looked at: with more outputs they would be too many."""


@dataclass(frozen=True)
class Claim:
    """One claim of the theorem, and what was found.

    Attributes
    ----------
    name : str
        ``(i)`` to ``(iv)``, or its companion.
    statement : str
        What is claimed.
    holds : bool
        Whether it was found to be so, without exception.
    evidence : str
        How it was checked, with numbers.
    """

    name: str
    statement: str
    holds: bool
    evidence: str


@dataclass(frozen=True, eq=False, repr=False)
class Claims:
    """What became of the theorem's claims, made by `kawaguchi_claims`.

    Attributes
    ----------
    claims : tuple of Claim
        (i) to (iv), the companion of (iv), and the closed forms for index and nullity.
    hidden : tuple of int
        The widths of the hidden layers.
    data : xarray.Dataset
        Over ``point``: the loss, the index, the nullity, the smallest and the largest eigenvalue of the Hessian, the order at which the loss falls and
        the rank of the middle of every constructed critical point.
    ends : Ends
        Where training ended from random starts, and the stationary points that were searched for.
    """

    claims: tuple[Claim, ...]
    hidden: tuple[int, ...]
    data: Any
    ends: Ends

    @property
    def hold(self) -> bool:
        """Whether all do."""
        return all(one.holds for one in self.claims)

    def __repr__(self) -> str:
        """Return which claims hold.

        Returns
        -------
        str
            One line.
        """
        parts = ", ".join(f"{one.name} {'holds' if one.holds else 'FAILS'}" for one in self.claims)
        return f"Claims(hidden {'-'.join(map(str, self.hidden))}: {parts})"

    def __str__(self) -> str:
        """Return a line per claim.

        Returns
        -------
        str
            With its evidence.
        """
        lines = [
            f"{one.name} {one.statement}: {'holds' if one.holds else 'FAILS'}. {one.evidence}" for one in self.claims
        ]
        return "\n".join(lines)


def kawaguchi_claims(
    x: npt.ArrayLike, y: npt.ArrayLike, hidden: int | Sequence[int], *, starts: int = 20, seed: int = 0
) -> Claims:
    """Check (i) to (iv) of Kawaguchi's theorem on a linear network (Kawaguchi 2016, Theorem 2.3), and its companion.

    (i) is shown by three points in exact arithmetic. For (ii) the network is trained from many starts, and every end without negative
    curvature is compared with the value of the best map of rank p. For (iii) and (iv) critical points are constructed for every set of eigenvectors,
    with a middle W_H ⋯ W_2 of full and of least rank and moved along their orbit at random, and others are searched for. Where they are no minima the
    loss is seen to fall, and to rise. The companion, which the slides leave out: for two or more hidden layers there are saddles without any
    negative eigenvalue, where the middle is rank deficient.

    Parameters
    ----------
    x : array_like, shape (n, d_x)
        The inputs.
    y : array_like, shape (n, d_y) or (n,)
        The targets; d_y <= 8.
    hidden : int or sequence of int
        The width of the hidden layer, or of each.
    starts : int, default 20
        Random starts of training, and as many of the search for stationary points.
    seed : int, default 0
        Of the starts and the orbit.

    Returns
    -------
    Claims
        Each claim with its evidence.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If the data fail an assumption of the theorem (the message says which), in exact arithmetic or in float64, or d_y is above 8.

    Notes
    -----
    All but (i) and the assumptions is checked in float64, where an eigenvalue of the Hessian below 1e-9 of the largest counts as zero: on data whose
    Σ has eigenvalues so far apart, or so near to each other, a claim can fail for that reason alone. `data` has the spectra's ends.

    Examples
    --------
    >>> import etaflow as ef
    >>> import numpy as np
    >>> ef.linear_networks.kawaguchi_claims(np.eye(2), np.diag([2.0, 1.0]), [2, 2], starts=3)
    Claims(hidden 2-2: (i) holds, (ii) holds, (iii) holds, (iv) holds, companion of (iv) holds, closed forms holds)
    """
    data, widths = Regression.of(x, y), check_hidden(hidden)
    count, key = check_positive_int("starts", starts), check_seed(seed)
    if data.outputs > MOST_OUTPUTS:
        raise ValueError(f"y must have at most {MOST_OUTPUTS} columns (got {data.outputs})")
    conditions = kawaguchi_conditions(data.x, data.y)
    if not conditions.hold:
        raise ValueError(f"x and y fail assumptions of the theorem: {'; '.join(conditions.failing)}")
    data.require_theorem("Theorem 2.3 (Kawaguchi)")
    objective = linear_objective(data.x, data.y, widths)
    generator = np.random.default_rng(key)
    looks = look_at_all(objective, data, widths, generator)
    ends = Ends(train(objective, data, count, generator), find_stationary(objective, data, count, generator))
    claims = (
        _neither(data, widths),
        _minima_are_global(ends, data, widths),
        _others_are_saddles(looks, ends),
        _strict(looks, ends, widths),
        _degenerate(looks, widths),
        _closed_forms(looks),
    )
    return Claims(claims, widths, to_dataset(looks), ends)


def _neither(data: Regression, hidden: tuple[int, ...]) -> Claim:
    not_convex, not_concave = convexity_witnesses(data.x, data.y, hidden)
    holds = not_convex.bulge > 0 > not_concave.bulge
    evidence = (
        f"in exact arithmetic the loss in the middle of two points is above their mean by {float(not_convex.bulge):.4g}, "
        f"and of two others below by {-float(not_concave.bulge):.4g}"
    )
    return Claim("(i)", "the loss is neither convex nor concave", holds, evidence)


def _minima_are_global(ends: Ends, data: Regression, hidden: tuple[int, ...]) -> Claim:
    best = data.total - float(data.eigenvalues[: min(*hidden, data.outputs)].sum())
    trained = ends.trained
    at_best = trained.critical & (np.abs(trained.value - best) <= 1e-9 * data.total)
    minima = trained.critical & ~trained.saddle
    holds = bool(at_best[minima].all() and minima.any())
    worst = float(np.abs(trained.value[minima] - best).max() / data.total) if minima.any() else float("nan")
    evidence = (
        f"{int(at_best.sum())} of {len(at_best)} starts of training end at the global value {best:.6g}, and so do all {int(minima.sum())} ends that "
        f"are local minima (largest difference {worst:.1g} of tr(YYᵀ))"
    )
    return Claim("(ii)", "every local minimum is a global minimum", holds, evidence)


def _others_are_saddles(looks: list[Look], ends: Ends) -> Claim:
    others = [one for one in looks if one.point.kind != GLOBAL_MINIMUM]
    good = sum(one.critical and one.falls and one.rises for one in others)
    found = ends.searched
    at_best = found.critical & found.best
    holds = good == len(others) and bool((found.saddle ^ at_best)[found.critical].all())
    holds = holds and bool(found.matched[found.critical].all())
    evidence = (
        f"at {good} of {len(others)} constructed critical points above the minimum the loss falls one way and rises another; of "
        f"{int(found.critical.sum())} stationary points found by minimising ‖∇L‖², {int(at_best.sum())} are global minima and {int(found.saddle.sum())} "
        "saddles, and every one has the map of a set of eigenvectors"
    )
    return Claim("(iii)", "every other critical point is a saddle", holds, evidence)


def _strict(looks: list[Look], ends: Ends, hidden: tuple[int, ...]) -> Claim:
    p = min(hidden)
    full = [one for one in looks if one.point.kind != GLOBAL_MINIMUM and one.middle_rank == p]
    negative = [one.lowest / one.highest for one in full if one.negative > 0]
    searched = ends.searched.saddle & (ends.searched.middle_rank == p)
    bent = int((searched & (ends.searched.negative > 0)).sum())
    holds = len(negative) == len(full) and bent == int(searched.sum())
    middle = f"rank(W_H ⋯ W_2) = {p}" if len(hidden) > 1 else "one hidden layer"
    evidence = (
        f"{len(negative)} of {len(full)} constructed saddles with {middle} have a negative eigenvalue, at least "
        f"{-max(negative, default=0):.2g} of the largest, and {bent} of {int(searched.sum())} that were found"
    )
    return Claim("(iv)", "if rank(W_H ⋯ W_2) = p, a saddle has a negative eigenvalue", holds, evidence)


def _degenerate(looks: list[Look], hidden: tuple[int, ...]) -> Claim:
    statement = "without that rank there are saddles with none, if H >= 2"
    name, layers = "companion of (iv)", len(hidden) + 1
    bad = [one for one in looks if one.point.kind != GLOBAL_MINIMUM and one.negative == 0]
    if len(hidden) == 1:
        return Claim(
            name,
            statement,
            not bad,
            f"one hidden layer: {len(bad)} saddles without a negative eigenvalue, as it should be",
        )
    falling = [one for one in bad if one.falls and one.order == layers and one.middle_rank < min(hidden)]
    nothing = [one for one in bad if one.point.gamma == () and max(abs(one.lowest), abs(one.highest)) == 0]
    evidence = (
        f"{len(bad)} such saddles; at {len(falling)} of them rank(W_H ⋯ W_2) < {min(hidden)} and the loss falls at order H + 1 = {layers} and not before; "
        f"at θ = 0 the Hessian {'is 0' if nothing else 'is not 0'}"
    )
    return Claim(name, statement, bool(bad and nothing) and len(falling) == len(bad), evidence)


def _closed_forms(looks: list[Look]) -> Claim:
    right = sum(one.negative == one.point.index and one.zero == one.point.nullity for one in looks)
    error = max(one.value_error for one in looks)
    holds = right == len(looks) and error < 1e-10 and all(one.critical for one in looks)
    evidence = f"{right} of {len(looks)} constructed points have the index and nullity of the closed form; their losses are tr(YYᵀ) − Σλ within {error:.1g}"
    return Claim("closed forms", "loss, Morse index and nullity follow from Γ", holds, evidence)
