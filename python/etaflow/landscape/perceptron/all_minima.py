"""All local minima of E, finite and at infinity, with proof."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_positive_int
from etaflow.landscape.perceptron.blocks import solve_block
from etaflow.landscape.perceptron.minimum import Minimum
from etaflow.landscape.perceptron.rational import fractions_of, null_space, reduced
from etaflow.landscape.perceptron.separation import reduced_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    import xarray as xr

    from etaflow.landscape.perceptron.blocks import Block, Place
    from etaflow.landscape.perceptron.problem import Problem

    Array = npt.NDArray[np.float64]

MOST_ROWS = 10_000
"""So many minima are listed; more are counted, and given one by one."""


@dataclass(frozen=True, eq=False, repr=False)
class Minima:
    """All local minima of a problem.

    Attributes
    ----------
    problem : Problem
        The problem.
    count : int
        How many points of clos T𝒱 are local minima; with candidates that are not `Minimum.certified`, if `complete` is False.
    complete : bool
        Whether it is proved that each of them is one and that there is no other.
    rank : int
        Of A.
    null_space : ndarray, shape (m, m − rank)
        A basis of the weights that change no output: each finite minimum stands for the affine set x + null_space @ c.
    blocks : tuple of Block
        The parts of the problem that share no weight. E is their sum, and each choice of one local minimum per block is one of the whole.
    """

    problem: Problem
    count: int
    complete: bool
    rank: int
    null_space: Array
    blocks: tuple[Block, ...]

    def __iter__(self) -> Iterator[Minimum]:
        """Give one minimum after the other, however many there are.

        Yields
        ------
        Minimum
            Block by block; not sorted.
        """
        for places in product(*(block.places for block in self.blocks)):
            yield _joined(self.problem, self.blocks, places)

    def __len__(self) -> int:
        """Return how many there are.

        Returns
        -------
        int
            `count`.
        """
        return self.count

    @property
    def points(self) -> tuple[Minimum, ...]:
        """All minima, the lowest first.

        Raises
        ------
        ValueError
            If there are more than 10 000: iterate over the object instead.
        """
        if self.count > MOST_ROWS:
            raise ValueError(
                f"{self.count} minima are too many to list (at most {MOST_ROWS}): iterate over them instead"
            )
        return tuple(sorted(self, key=lambda one: one.value))

    @property
    def best(self) -> Minimum:
        """A global minimum: the lowest one of every block.

        Raises
        ------
        ValueError
            If no minimum was found, as the search was ended too early.
        """
        if not self.count:
            raise ValueError("no minimum was found within max_boxes; allow more")
        places = [min(block.places, key=lambda place: place.value.middle) for block in self.blocks]
        return _joined(self.problem, self.blocks, places)

    @property
    def distance(self) -> float:
        """The distance dist(y, clos T𝒱), the square root of the global minimum."""
        return self.best.distance

    @property
    def data(self) -> xr.Dataset:
        """The minima as a table with dimensions ``minimum``, ``weight`` and ``observation``.

        Raises
        ------
        ValueError
            If there are more than 10 000.
        """
        import xarray as xr  # noqa: PLC0415 - slow to import

        points = self.points
        none = np.full(self.problem.m, np.nan)
        return xr.Dataset({
            "value": ("minimum", [one.value for one in points]),
            "at_infinity": ("minimum", [one.at_infinity for one in points]),
            "x": (("minimum", "weight"), np.array([one.x for one in points])),
            "direction": (
                ("minimum", "weight"),
                np.array([none if one.direction is None else one.direction for one in points]),
            ),
            "image": (("minimum", "observation"), np.array([one.image for one in points])),
            "certified": ("minimum", [one.certified for one in points]),
        })

    def __repr__(self) -> str:
        """Return the count and the distance.

        Returns
        -------
        str
            One line.
        """
        proof = "all, proved" if self.complete else "not proved to be all"
        found = "1 local minimum" if self.count == 1 else f"{self.count} local minima"
        distance = f"; dist(y, clos T𝒱) = {self.distance:.6g}" if self.count else ""
        return f"Minima({found}, {proof}{distance})"

    def __str__(self) -> str:
        """Return a table of the lowest twenty.

        Returns
        -------
        str
            Several lines.
        """
        lines = [repr(self)]
        if self.count <= MOST_ROWS:
            lines += [f"  {one!r}: {one.reason}" for one in self.points[:20]]
        if self.rank < self.problem.m:
            lines.append(f"  each is an affine set of dimension {self.problem.m - self.rank}: A has rank {self.rank}")
        return "\n".join(lines)


def minima(problem: Problem, *, max_boxes: int = 60_000) -> Minima:
    """Find all local minima of the distance from y to clos T𝒱, finite and at infinity.

    The problem is divided into blocks that share no weight; in each, A may have rank 1 or 2. With one weight every zero of E' is enclosed and
    proved to be the only one near, up to where an expansion in exact arithmetic proves the sign of E'. With two, the zeros of ∇E in a
    square are found in the same way, none is proved to lie outside, and the minima at infinity come from exact comparisons along rays.

    Parameters
    ----------
    problem : Problem
        The problem.
    max_boxes : int, default 60000
        How many boxes may be tested in each block before the rest is left undecided.

    Returns
    -------
    Minima
        The minima, and whether they are proved to be all.

    Raises
    ------
    TypeError
        If it is no `Problem`.
    ValueError
        If a block has rank 3 or more.

    Notes
    -----
    With a sigmoid of one's own the minima of one weight are found on a grid and refined; nothing is certified then.

    References
    ----------
    Sontag 1988, section 2.

    Examples
    --------
    Case 3: two local minima, one of them at infinity.

    >>> from etaflow.landscape.perceptron import case, minima
    >>> found = minima(case(3, 4.0))
    >>> found
    Minima(2 local minima, all, proved; dist(y, clos T𝒱) = 1.23756)
    >>> [one.at_infinity for one in found.points], found.points[1].image.tolist()
    ([False, True], [1.0, -1.0])
    """
    rows = reduced_rows(problem)
    limit = check_positive_int("max_boxes", max_boxes)
    exact = fractions_of(problem.A)
    kernel = null_space(exact)
    blocks = tuple(solve_block(problem, part, limit) for part in _parts(problem)) if rows else ()
    basis = np.array([[float(value) for value in vector] for vector in kernel]).reshape(len(kernel), problem.m).T
    return Minima(
        problem,
        math.prod(len(block.places) for block in blocks),
        all(block.complete for block in blocks),
        len(reduced(exact)[1]),
        basis,
        blocks,
    )


def _parts(problem: Problem) -> list[npt.NDArray[np.intp]]:
    # The rows of each part that shares no weight with the others.
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - slow to import

    used = np.abs(problem.A) > 0
    kept = np.flatnonzero(used.any(axis=1))
    together = used[kept].astype(int) @ used[kept].T.astype(int)
    number, label = connected_components(together, directed=False)
    return [kept[label == k] for k in range(number)]


def _joined(problem: Problem, blocks: Sequence[Block], places: Sequence[Place]) -> Minimum:
    x, low, high, way = (np.zeros(problem.m) for _ in range(4))
    image = np.zeros(problem.n)
    still = float(problem.n - sum(len(block.rows) for block in blocks))  # rows of zeros
    bounds = [still, still]
    for block, place in zip(blocks, places, strict=True):
        columns = list(block.columns)
        x[columns], low[columns], high[columns] = place.x.middle, place.x.low, place.x.high
        if place.direction is not None:
            way[columns] = place.direction
        image[block.rows] = problem.y[block.rows] * (1 - place.errors)
        bounds = [
            float(np.nextafter(bounds[0] + place.value.low, -np.inf)),
            float(np.nextafter(bounds[1] + place.value.high, np.inf)),
        ]
    size = float(np.linalg.norm(way))
    return Minimum(
        value=still + sum(float(place.value.middle) for place in places),
        value_interval=(bounds[0], bounds[1]),
        x=x,
        direction=way / size if size else None,
        x_low=low,
        x_high=high,
        image=image,
        certified=all(place.certified for place in places),
        reason="; ".join(dict.fromkeys(place.reason for place in places)),
    )
