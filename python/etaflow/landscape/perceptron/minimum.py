"""One local minimum of Sontag's perceptron."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Minimum:
    """A local minimum of dist(y, ·) on clos T𝒱.

    Attributes
    ----------
    value : float
        E there; at infinity the limit.
    value_interval : (float, float)
        Bounds that are proved if `certified`.
    x : ndarray, shape (m,)
        The weights. At infinity: a point of the ray.
    direction : ndarray, shape (m,), or None
        At infinity the weights x + t·direction tend to the minimum as t → ∞. None for a finite one.
    x_low, x_high : ndarray, shape (m,)
        Bounds of x, proved if `certified`.
    image : ndarray, shape (n,)
        The outputs there, a point of clos T𝒱.
    certified : bool
        Whether it is proved to be a strict local minimum of the distance on clos T𝒱.
    reason : str
        Why, in words.
    """

    value: float
    value_interval: tuple[float, float]
    x: Array
    direction: Array | None
    x_low: Array
    x_high: Array
    image: Array
    certified: bool
    reason: str

    @property
    def at_infinity(self) -> bool:
        """Whether it is reached by no finite weights."""
        return self.direction is not None

    @property
    def distance(self) -> float:
        """The distance √E between y and the outputs."""
        return math.sqrt(self.value)

    def __repr__(self) -> str:
        """Return where it is and E.

        Returns
        -------
        str
            One line.
        """
        place = np.array2string(self.x, precision=6)
        way = "" if self.direction is None else f" + t·{np.array2string(self.direction, precision=6)}, t → ∞"
        return f"Minimum(E = {self.value:.8g} at {place}{way}{'' if self.certified else ', not certified'})"
