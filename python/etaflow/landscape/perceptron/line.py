"""All local minima of a problem with one weight, with proof: where E rises far out, and every zero of E' before."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.perceptron.infinity import Tail, tail
from etaflow.landscape.perceptron.intervals import Interval
from etaflow.landscape.perceptron.pulls import Pulls
from etaflow.landscape.perceptron.stationary import MAX_BOXES, Zero, find_zeros

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction


@dataclass(frozen=True, eq=False)
class Line:
    """What E does on the line.

    Attributes
    ----------
    left, right : Tail
        Towards −∞ and +∞, each seen outwards.
    zeros : tuple of Zero
        Of E', in order.
    undecided : tuple of Interval
        Where neither a zero nor its absence is proved.
    """

    left: Tail
    right: Tail
    zeros: tuple[Zero, ...]
    undecided: tuple[Interval, ...]

    @property
    def minima(self) -> tuple[Zero, ...]:
        """The finite local minima."""
        return tuple(zero for zero in self.zeros if zero.kind == "minimum")

    @property
    def complete(self) -> bool:
        """Whether everything is decided: minima and maxima alternate, and the ends fit."""
        if self.undecided or not self.left.sign or not self.right.sign:
            return False
        falls = [-self.left.sign, *(-1 if zero.kind == "maximum" else 1 for zero in self.zeros)]
        known = all(zero.kind in {"minimum", "maximum"} for zero in self.zeros)
        return known and falls[-1] == self.right.sign and all(a != b for a, b in pairwise(falls))


def search_line(rows: Sequence[Fraction], enclosed: str, max_boxes: int = MAX_BOXES) -> Line:
    """Find all zeros of E' on the line, and the sign of E' beyond them.

    Parameters
    ----------
    rows : sequence of Fraction
        The rows after the reduction to y = e, times the sigmoid's scale; none is 0.
    enclosed : {"tanh", "arctan"}
        The sigmoid.
    max_boxes : int, default 60000
        The most boxes to test.

    Returns
    -------
    Line
        Zeros with enclosures, and what could not be decided.
    """
    left, right = tail([-b for b in rows], enclosed), tail(rows, enclosed)
    far = _FARTHEST / min(abs(float(b)) for b in rows)
    ends = [one.beyond if one.sign else far for one in (left, right)]
    box = Interval(np.array([-1.001 * ends[0] - 1e-300]), np.array([1.001 * ends[1] + 1e-300]))
    found = find_zeros(Pulls(Interval.around([[b] for b in rows]), enclosed), box, max_boxes)
    return Line(left, right, found.zeros, found.undecided)


_FARTHEST = 1e3
"""In units of the flattest row, where the tail is not decided."""
