"""Whether the data can be separated, with a certificate that anybody can check by hand: Sontag's lemma on diverging weights."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.perceptron.problem import Problem
from etaflow.landscape.perceptron.rational import completed, dot, fractions_of, reduced

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Exact = tuple[Fraction, ...]

STRICT, WEAK, NONE = "strict", "weak", "none"
_ZERO = 1e-7
"""Of the largest product, a product of the linear program that is not larger is tried as 0."""


@dataclass(frozen=True, eq=False, repr=False)
class Separability:
    """Whether a half space holds all rows b_i = y_i·a_i, proved in fractions.

    Attributes
    ----------
    kind : {"strict", "weak", "none", "undecided"}
        ``strict``: some ν has b_i·ν > 0 for all i. ``weak``: some ν has b_i·ν ≥ 0 for all i and > 0 for one, and no ν all > 0. ``none``: no
        such ν. ``undecided``: no certificate passed its exact check.
    nu : tuple of Fraction or None
        ν, the certificate that the data are separable.
    products : tuple of Fraction or None
        b_i·ν, exact.
    multipliers : tuple of Fraction or None
        λ with Σ λ_i b_i = 0 exactly: all λ_i > 0 prove that there is not even a weak ν (Stiemke); λ ≥ 0, not all 0, that there is no strict
        one (Gordan).
    independent : bool
        Whether the rows are linearly independent, as the lemma of section 3 asks on top; independent rows are always strictly separable.
    """

    kind: str
    nu: Exact | None
    products: Exact | None
    multipliers: Exact | None
    independent: bool

    @property
    def separable(self) -> bool:
        """Whether the gradient system has no bounded solution, as ∇E·ν < 0 everywhere: ``strict`` or ``weak``."""
        return self.kind in {STRICT, WEAK}

    @property
    def direction(self) -> Array | None:
        """The vector ν in floats, of length 1; None if there is none."""
        if self.nu is None:
            return None
        nu = np.array([float(value) for value in self.nu])
        unit: Array = nu / np.linalg.norm(nu)
        return unit

    def __repr__(self) -> str:
        """Return the kind and what proves it.

        Returns
        -------
        str
            One line.
        """
        if self.products is not None:
            return f"Separability({self.kind}: b_i·ν from {float(min(self.products)):.3g} to {float(max(self.products)):.3g})"
        if self.multipliers is not None:
            return f"Separability({self.kind}: Σ λ_i b_i = 0 with all λ_i ≥ {float(min(self.multipliers)):.3g})"
        return f"Separability({self.kind})"


def separability(problem: Problem) -> Separability:
    """Decide whether the data are linearly separable, by linear programming, and check the certificate in exact arithmetic.

    If some ν ≠ 0 has b_i·ν ≥ 0 for all rows, > 0 for one, then ∇E(x)·ν = −2 Σ_i (1 − θ)θ'·b_i·ν < 0 for every x: E has no stationary point,
    and no trajectory of the gradient system is bounded. Otherwise some λ > 0 has Σ λ_i b_i = 0 (Stiemke's alternative).

    Parameters
    ----------
    problem : Problem
        The data; rows of zeros are left out.

    Returns
    -------
    Separability
        The kind with ν or λ as fractions.

    Raises
    ------
    TypeError
        If it is no `Problem`.

    References
    ----------
    Sontag 1988, section 3, lemma.

    Examples
    --------
    >>> from etaflow.landscape.perceptron import Problem, separability
    >>> separability(Problem([[1.0, 0.0], [0.0, 2.0]], [1, -1])).kind
    'strict'
    >>> separability(Problem([[1.0], [2.0]], [1, -1])).multipliers
    (Fraction(2, 3), Fraction(1, 3))
    """
    rows = reduced_rows(problem)
    independent = len(rows) > 0 and len(reduced(rows)[1]) == problem.n
    if not rows:
        return Separability(NONE, None, None, (), independent)
    matrix = np.array([[float(value) for value in row] for row in rows])
    scale = np.abs(matrix).max(axis=1)[:, None]
    nu = _strict(matrix / scale)
    if nu is not None:
        exact = tuple(Fraction(float(value)) for value in nu)
        products = tuple(dot(row, exact) for row in rows)
        if min(products) > 0:
            return Separability(STRICT, exact, products, None, independent)
    weak = _weak(matrix / scale, rows)
    if weak is not None:
        products = tuple(dot(row, weak) for row in rows)
        multipliers = _multipliers(rows, [product == 0 for product in products])
        return Separability(WEAK if multipliers else "undecided", tuple(weak), products, multipliers, independent)
    multipliers = _multipliers(rows, [True] * len(rows))
    return Separability(NONE if multipliers else "undecided", None, None, multipliers, independent)


def reduced_rows(problem: Problem) -> list[list[Fraction]]:
    """Return the rows y_i·a_i as fractions, without rows of zeros.

    Parameters
    ----------
    problem : Problem
        The data.

    Returns
    -------
    list of list of Fraction
        Exact.

    Raises
    ------
    TypeError
        If it is no `Problem`.
    """
    if not isinstance(problem, Problem):
        raise TypeError(f"problem must be a Problem (got {problem!r})")
    return [row for row in fractions_of(problem.A * problem.y[:, None]) if any(row)]


def _strict(matrix: Array) -> Array | None:
    # max t with b_i·ν ≥ t and |ν_j| ≤ 1
    n, m = matrix.shape
    found = _solve([0.0] * m + [-1.0], np.column_stack([-matrix, np.ones(n)]), np.zeros(n), [(-1, 1)] * m + [(None, 1)])
    return found[:m] if found is not None and found[m] > 0 else None


def _weak(matrix: Array, rows: Sequence[Sequence[Fraction]]) -> list[Fraction] | None:
    # max Σ s_i with 0 ≤ s_i ≤ 1 and s_i ≤ b_i·ν; the products that vanish are made to vanish exactly.
    n, m = matrix.shape
    found = _solve(
        [0.0] * m + [-1.0] * n,
        np.column_stack([-matrix, np.eye(n)]),
        np.zeros(n),
        [(None, None)] * m + [(0, 1)] * n,
    )
    if found is None:
        return None
    products = matrix @ found[:m]
    if products.max() <= _ZERO:
        return None
    zero = [row for row, product in zip(rows, products, strict=True) if product <= _ZERO * products.max()]
    nu = completed(zero, found[:m].tolist())
    exact = [dot(row, nu) for row in rows]
    return nu if min(exact) >= 0 and max(exact) > 0 else None


def _multipliers(rows: Sequence[Sequence[Fraction]], wanted: Sequence[bool]) -> Exact | None:
    # λ_i > 0 for the wanted rows, 0 for the others, with Σ λ_i b_i = 0 exactly and Σ λ_i = 1; by max t with λ_i ≥ t.
    chosen = [row for row, want in zip(rows, wanted, strict=True) if want]
    if not chosen:
        return None
    count, columns = len(chosen), [list(column) for column in zip(*chosen, strict=True)]
    matrix = np.array([[float(value) for value in column] for column in columns])
    scale = np.abs(matrix).max(axis=0)
    balance = np.vstack([np.column_stack([matrix / scale, np.zeros(len(columns))]), [1.0] * count + [0.0]])
    least = np.column_stack([-np.eye(count), np.ones(count)])
    right = np.append(np.zeros(len(columns)), 1.0)
    found = _solve([0.0] * count + [-1.0], least, np.zeros(count), [(0, None)] * count + [(None, None)], balance, right)
    if found is None:
        return None
    exact = completed(columns, (found[:count] / scale).tolist())
    if min(exact) <= 0:
        return None
    total = sum(exact, Fraction(0))
    values = iter([value / total for value in exact])
    return tuple(next(values) if want else Fraction(0) for want in wanted)


def _solve(
    cost: list[float],
    matrix: Array,
    bound: Array,
    limits: list[tuple[float | None, float | None]],
    equal: Array | None = None,
    right: Array | None = None,
) -> Array | None:
    from scipy.optimize import linprog  # noqa: PLC0415 - slow to import

    found = linprog(cost, A_ub=matrix, b_ub=bound, A_eq=equal, b_eq=right, bounds=limits, method="highs")
    return np.asarray(found.x, dtype=np.float64) if found.status == 0 else None
