"""One part of a problem that shares no weight with the rest: its local minima."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.perceptron.far import nothing_beyond
from etaflow.landscape.perceptron.frame import along_a_valley
from etaflow.landscape.perceptron.grid import minima_on_grid
from etaflow.landscape.perceptron.intervals import Interval
from etaflow.landscape.perceptron.line import search_line
from etaflow.landscape.perceptron.problem import Problem
from etaflow.landscape.perceptron.pulls import Pulls
from etaflow.landscape.perceptron.rational import fractions_of, reduced
from etaflow.landscape.perceptron.rays import minima_at_infinity
from etaflow.landscape.perceptron.separation import separability
from etaflow.landscape.perceptron.starts import add_minima
from etaflow.landscape.perceptron.stationary import find_zeros

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy.typing as npt

    from etaflow.landscape.perceptron.rays import EndPoint
    from etaflow.landscape.perceptron.stationary import Zero

    Array = npt.NDArray[np.float64]
    Vector = tuple[Fraction, Fraction]

RADII = 2.0 ** np.arange(2, 24)
"""Half the sides of the squares that are tried, in units of 1/max|b|."""

FOUND = "the gradient has one zero in the box, and there the Hessian is positive definite"
FALLS = "E falls towards this end of the line, proved by its expansion"


@dataclass(frozen=True, eq=False)
class Place:
    """A local minimum of a block.

    Attributes
    ----------
    x : Interval
        The block's weights; at infinity a point of the ray.
    direction : ndarray or None
        Of the ray.
    errors : ndarray
        1 − θ(b_i·x), row by row; at infinity the limits.
    value : Interval
        E of the block.
    certified : bool
        Whether it is proved.
    reason : str
        Why.
    """

    x: Interval
    direction: Array | None
    errors: Array
    value: Interval
    certified: bool
    reason: str


@dataclass(frozen=True, eq=False)
class Stationary:
    """A zero of the gradient.

    Attributes
    ----------
    box : Interval
        Where it is.
    kind : {"minimum", "maximum", "saddle", "undecided"}
        What it is.
    """

    box: Interval
    kind: str


@dataclass(frozen=True, eq=False)
class Block:
    """A part of a problem.

    Attributes
    ----------
    rows : ndarray of int
        Its observations.
    columns : tuple of int
        Independent columns of A there; the block's other weights are kept at 0.
    places : tuple of Place
        Its local minima.
    stationary : tuple of Stationary
        All zeros of the gradient that were found, in the weights of `columns`; saddles and maxima too.
    complete : bool
        Whether all is proved.
    """

    rows: npt.NDArray[np.intp]
    columns: tuple[int, ...]
    places: tuple[Place, ...]
    stationary: tuple[Stationary, ...]
    complete: bool


def solve_block(problem: Problem, rows: npt.NDArray[np.intp], max_boxes: int) -> Block:
    """Find all local minima of a block.

    Parameters
    ----------
    problem : Problem
        The whole problem.
    rows : ndarray of int
        The observations of the block, none of them zero.
    max_boxes : int
        The most boxes to test.

    Returns
    -------
    Block
        The minima.

    Raises
    ------
    ValueError
        If its rank is 3 or more, or 2 with a sigmoid of one's own.
    """
    matrix = problem.A[rows] * problem.y[rows][:, None] * problem.theta.scale
    exact = fractions_of(matrix)
    columns = tuple(reduced(exact)[1])
    known = problem.theta.enclosed
    if len(columns) > (2 if known else 1):
        most = "two weights" if known else "one weight, if the sigmoid is one's own,"
        raise ValueError(
            f"A must have blocks of at most {most} for all minima to be found (got one of rank {len(columns)}); "
            "etaflow.find_minima(problem.objective(), …) searches from many starts"
        )
    if known is None:
        places = minima_on_grid(problem, matrix[:, columns[0]])
        return Block(rows, columns, tuple(places), (), False)
    kept = [[row[column] for column in columns] for row in exact]
    if len(columns) == 1:
        return _line_block(rows, columns, kept, known, max_boxes)
    return _plane_block(rows, columns, kept, known, max_boxes)


def _line_block(
    rows: npt.NDArray[np.intp], columns: tuple[int, ...], exact: list[list[Fraction]], enclosed: str, max_boxes: int
) -> Block:
    line = search_line([row[0] for row in exact], enclosed, max_boxes)
    pulls = Pulls(Interval.around(exact), enclosed)
    places = [_finite(pulls, zero, zero.box) for zero in line.minima]
    for way, end in ((-1.0, line.left), (1.0, line.right)):
        if end.sign < 0:
            limits = np.where(pulls.rows.middle[:, 0] * way > 0, 0.0, 2.0)
            origin = Interval.of(np.zeros(1))
            places.append(Place(origin, np.array([way]), limits, Interval.of((limits**2).sum()), True, FALLS))
    stationary = tuple(Stationary(zero.box, zero.kind) for zero in line.zeros)
    return Block(rows, columns, tuple(places), stationary, line.complete)


def _plane_block(
    rows: npt.NDArray[np.intp], columns: tuple[int, ...], exact: list[list[Fraction]], enclosed: str, max_boxes: int
) -> Block:
    pairs: list[Vector] = [(row[0], row[1]) for row in exact]
    pulls = Pulls(Interval.around(exact), enclosed)
    ends = minima_at_infinity(pairs, enclosed)
    places = [_infinite(pulls, pairs, end) for end in ends.minima]
    floats = np.array([[float(value) for value in pair] for pair in pairs])
    if separability(Problem(floats, np.ones(len(floats)))).separable:
        return Block(rows, columns, tuple(places), (), ends.complete)  # ∇E·ν < 0 everywhere
    crosses = Interval.around([[a[0] * b[1] - a[1] * b[0] for b in pairs] for a in pairs])
    radii = RADII / float(np.abs(floats).max(axis=1).max())
    radius = next((r for r in radii if nothing_beyond(pulls, crosses, float(r))), None)
    frame = along_a_valley(pairs)
    turned = Pulls(Interval.around([frame.coordinates_of(pair) for pair in pairs]), enclosed)
    reach = float(radii[8] if radius is None else radius) * frame.stretch
    found = find_zeros(turned, Interval(np.full(2, -reach), np.full(2, reach * 1.01)), max_boxes)
    sure = radius is not None and not found.undecided and all(zero.kind != "undecided" for zero in found.zeros)
    zeros = found.zeros if sure else add_minima(turned, found.zeros, reach)
    stationary = tuple(Stationary(frame.point(zero.box), zero.kind) for zero in zeros)
    finite = [
        _finite(turned, zero, one.box) for zero, one in zip(zeros, stationary, strict=True) if one.kind == "minimum"
    ]
    return Block(rows, columns, (*finite, *places), stationary, ends.complete and sure)


def _finite(pulls: Pulls, zero: Zero, x: Interval) -> Place:
    errors = pulls.errors(zero.box[None])[0]
    return Place(x, None, errors.middle, errors.square().sum(axis=0), True, FOUND)


def _infinite(pulls: Pulls, pairs: list[Vector], end: EndPoint) -> Place:
    direction = np.array([float(value) for value in end.direction])
    way = direction / np.linalg.norm(direction)
    limits = np.array([0.0 if sign > 0 else 2.0 for sign in end.signs])
    if end.across is None or end.place is None:
        value = Interval.of((limits**2).sum())
        return Place(Interval.of(np.zeros(2)), way, limits, value, end.certified, end.reason)
    x = Interval.around(list(end.across)) * end.place
    on_curve = np.array(end.signs) == 0
    along = Pulls(Interval.around([[row[0] * end.across[0] + row[1] * end.across[1]] for row in pairs]), pulls.enclosed)
    known = along.errors(end.place[None, None])[0]
    errors = Interval(np.where(on_curve, known.low, limits), np.where(on_curve, known.high, limits))
    return Place(x, way, errors.middle, errors.square().sum(axis=0), end.certified, end.reason)
