"""Figures 1 to 4: the error E and the image T𝒱 of the cases 2 and 3, with all their minima."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.perceptron import case, minima

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.landscape.perceptron import Minima, Minimum, Problem

    Array = npt.NDArray[np.float64]

_SIDE = np.concatenate([np.linspace(0, 3, 601), np.geomspace(3.005, 40, 200)])
GRID = np.concatenate([-_SIDE[:0:-1], _SIDE])


@dataclass(frozen=True, eq=False)
class Case:
    """A case with its curve.

    Attributes
    ----------
    number : int
        2 or 3.
    a : float
        The number a.
    problem : Problem
        With θ = tanh, as in the paper.
    found : Minima
        All its minima, proved.
    """

    number: int
    a: float
    problem: Problem
    found: Minima

    @classmethod
    def of(cls, number: int, a: float) -> Case:
        """Solve a case.

        Returns
        -------
        Case
            With all minima.
        """
        problem = case(number, a)
        return cls(number, a, problem, minima(problem))

    @property
    def errors(self) -> Array:
        """The errors E on `GRID`."""
        return np.asarray(self.problem.error(GRID[:, None]))

    @property
    def image(self) -> Array:
        """The outputs TAx on `GRID`, shape (points, 2)."""
        return self.problem.image(GRID[:, None])

    @property
    def finite(self) -> list[Minimum]:
        """The minima at finite x."""
        return [one for one in self.found if not one.at_infinity]

    @property
    def infinite(self) -> list[Minimum]:
        """The minima at infinity."""
        return [one for one in self.found if one.at_infinity]

    @property
    def maxima(self) -> list[float]:
        """The finite local maxima of E."""
        return [float(zero.box.middle[0]) for zero in self.found.blocks[0].stationary if zero.kind == "maximum"]


def printed_derivative(a: float, x: Array) -> Array:
    """Return E' of case 2 as it is printed, with a square in its second term that does not belong there.

    Parameters
    ----------
    a : float
        The number a.
    x : ndarray
        Weights.

    Returns
    -------
    ndarray
        2(θ(x) − 1)θ'(x) + 2(θ(ax) − 1)²θ'(ax)a with θ = tanh.
    """
    one, other = np.tanh(x), np.tanh(a * x)
    return np.asarray(2 * (one - 1) * (1 - one**2) + 2 * (other - 1) ** 2 * (1 - other**2) * a)


def least_a_above_4() -> float:
    """Return the a from which on E > 4 at x = 1 in case 3, for tanh.

    Returns
    -------
    float
        The zero of (1 − tanh 1)² + (1 + tanh a)² − 4.
    """
    return float(np.arctanh(np.sqrt(4 - (1 - np.tanh(1.0)) ** 2) - 1))
