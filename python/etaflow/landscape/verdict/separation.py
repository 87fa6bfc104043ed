"""A direction on whose positive side all given rows lie: sought by linear programming, checked in exact fractions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from fractions import Fraction

    Array = npt.NDArray[np.float64]

EXACT = 10**6
"""Up to so many entries the rows are multiplied with the direction in fractions."""


@dataclass(frozen=True, eq=False)
class Separation:
    """A direction ν ≠ 0 with Aν ≥ 0, and > 0 for some rows.

    Attributes
    ----------
    direction : ndarray, shape (m,)
        ν, of norm 1; of the largest margin min A_iν if all rows are strictly on its side.
    strict : ndarray of bool, shape (n,)
        The rows with A_iν > 0.
    exact : bool
        Whether a direction with these signs was checked in exact arithmetic: ν itself if all rows are strict, else one
        that agrees with it to rounding.
    """

    direction: Array
    strict: npt.NDArray[np.bool_]
    exact: bool

    @property
    def complete(self) -> bool:
        """Whether all rows are strictly on the positive side."""
        return bool(self.strict.all())


def separate(rows: npt.NDArray[np.floating]) -> Separation | None:
    r"""Decide whether rows lie in a half-space (Sontag and Sussmann 1988, section 3, Lemma), and give a direction.

    The linear program max Σt_i with Aν ≥ t, 0 ≤ t ≤ 1 has the value 0 if and only if there is no ν with 0 ≠ Aν ≥ 0; its
    solutions have as many strict rows as there can be (Albert and Anderson 1984 call data "completely" separated if
    these are all, else "quasi-completely").

    Parameters
    ----------
    rows : ndarray, shape (n, m)
        A.

    Returns
    -------
    Separation or None
        None if there is no such direction, as far as the linear program's tolerance tells.

    Examples
    --------
    >>> found = separate(np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]))
    >>> found.complete, found.exact, found.direction
    (True, True, array([1., 0.]))
    >>> separate(np.array([[1.0], [-1.0]])) is None
    True
    """
    matrix = np.asarray(rows, np.float64)
    found = _program(matrix)
    if found is None:
        return None
    direction, strict = found
    if strict.all():
        widest = _largest_margin(matrix)
        direction = direction if widest is None else widest
    direction /= np.linalg.norm(direction)
    if matrix.size > EXACT:
        return Separation(direction, strict, exact=False)
    return Separation(direction, strict, exact=_holds(matrix, direction, strict))


def _program(matrix: Array) -> tuple[Array, npt.NDArray[np.bool_]] | None:
    from scipy.optimize import linprog  # noqa: PLC0415 - slow to import
    from scipy.sparse import eye_array, hstack  # noqa: PLC0415 - slow to import

    count, width = matrix.shape
    lengths = np.linalg.norm(matrix, axis=1)
    scaled = matrix / np.where(lengths > 0, lengths, 1)[:, None]
    constraints = hstack([-scaled, eye_array(count)], format="csr")
    cost = np.concatenate([np.zeros(width), -np.ones(count)])
    bounds = [(None, None)] * width + [(0, 1)] * count
    result = linprog(cost, A_ub=constraints, b_ub=np.zeros(count), bounds=bounds, method="highs")
    if result.x is None:
        return None
    direction = np.asarray(result.x[:width])
    strict = np.asarray(result.x[width:] > 0.5)
    return (direction, strict) if strict.any() and np.linalg.norm(direction) > 0 else None


def _largest_margin(matrix: Array) -> Array | None:
    # The shortest ν with Aν ≥ 1, as a problem of least distance (Lawson and Hanson 1974, chapter 23).
    from scipy.optimize import nnls  # noqa: PLC0415 - slow to import

    scale = np.linalg.norm(matrix, axis=1).max()
    system = np.vstack([matrix.T / scale, np.ones(len(matrix))])
    target = np.zeros(len(system))
    target[-1] = 1
    try:
        weights, _ = nnls(system, target)
    except RuntimeError:  # too many iterations
        return None
    rest = system @ weights - target
    direction: Array = -rest[:-1] / rest[-1] if rest[-1] else rest[:-1]
    return direction if (matrix @ direction > 0).all() else None


def _holds(matrix: Array, direction: Array, strict: npt.NDArray[np.bool_]) -> bool:
    from etaflow.landscape.perceptron.rational import completed, dot, fractions_of  # noqa: PLC0415 - seldom needed

    table = fractions_of(matrix)
    on_edge = [row for row, inside in zip(table, strict, strict=True) if not inside]
    vector: list[Fraction] = completed(on_edge, direction.tolist())
    sides = [dot(row, vector) for row in table]
    return all(side > 0 if inside else side >= 0 for side, inside in zip(sides, strict, strict=True))
