"""Coordinates for two weights whose axes lie along and across the longest valley of E."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.perceptron.intervals import Interval
from etaflow.landscape.perceptron.rational import dot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    Vector = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Frame:
    """Coordinates u with x = u₁·along + u₂·across.

    Attributes
    ----------
    along, across : pair of Fraction
        Orthogonal, of equal length.
    """

    along: Vector
    across: Vector

    @property
    def stretch(self) -> float:
        """The square |u| ≤ stretch·R in each coordinate holds the square of all x with coordinates up to R."""
        return math.sqrt(2) / math.hypot(*map(float, self.across)) * (1 + 1e-9)

    def coordinates_of(self, row: Vector) -> list[Fraction]:
        """Return the row whose product with u is b·x.

        Returns
        -------
        list of Fraction
            b·along and b·across.
        """
        return [dot(row, self.along), dot(row, self.across)]

    def point(self, box: Interval) -> Interval:
        """Return an interval around all x of a box of u.

        Returns
        -------
        Interval
            Shape (2,).
        """
        matrix = Interval.around([[self.along[k], self.across[k]] for k in range(2)])
        return (matrix * box[None, :]).sum(axis=1)


def along_a_valley(rows: Sequence[Vector]) -> Frame:
    """Return the frame of the two rows that oppose each other most: between them E has its longest valley.

    Boxes along the axes cover such a valley with far fewer than boxes at a slant.

    Parameters
    ----------
    rows : sequence of pairs of Fraction
        The rows.

    Returns
    -------
    Frame
        The second axis is the longer of the two rows.
    """
    floats = np.array([[float(value) for value in row] for row in rows])
    lengths = np.linalg.norm(floats, axis=1)
    units = floats / lengths[:, None]
    one, other = np.unravel_index(np.argmin(units @ units.T), (len(rows), len(rows)))
    row = rows[int(one if lengths[one] >= lengths[other] else other)]
    return Frame((-row[1], row[0]), row)
