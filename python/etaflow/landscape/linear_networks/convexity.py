"""Points that show that the loss of a linear network is neither convex nor concave, in exact arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.landscape.linear_networks import exact
from etaflow.landscape.linear_networks.network import check_hidden, flattened
from etaflow.landscape.linear_networks.regression import Regression

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Witness:
    """Two points and their middle, and the loss at each as a fraction.

    Attributes
    ----------
    first, middle, second : ndarray, shape (d,)
        θ_1, (θ_1 + θ_2)/2 and θ_2, for the linear network without biases.
    values : tuple of three Fraction
        Σ‖y_i − W_{H+1} ⋯ W_1 x_i‖² at them: not rounded, for the data and weights as the floats that they are.
    """

    first: Array
    middle: Array
    second: Array
    values: tuple[Fraction, Fraction, Fraction]

    @property
    def bulge(self) -> Fraction:
        """The loss in the middle less the mean of the other two: positive shows that f is not convex, negative that it is not concave."""
        low, between, high = self.values
        return between - (low + high) / 2

    @property
    def shows(self) -> str:
        """What follows: ``not convex``, ``not concave``, or ``nothing``."""
        return "not convex" if self.bulge > 0 else "not concave" if self.bulge < 0 else "nothing"

    def __repr__(self) -> str:
        """Return the three losses.

        Returns
        -------
        str
            One line.
        """
        low, between, high = map(float, self.values)
        return f"Witness({self.shows}: f = {low:.6g}, {between:.6g} in the middle, {high:.6g})"


def convexity_witnesses(x: npt.ArrayLike, y: npt.ArrayLike, hidden: int | Sequence[int]) -> tuple[Witness, Witness]:
    """Return points that show the loss to be neither convex nor concave (Kawaguchi 2016, Theorem 2.3 (i)).

    Not convex: weights with a loss below that of the zero map, and the same with the signs of the first two matrices changed, which is the
    same map; in the middle both are 0. Not concave: along W_{H+1} alone the loss is a convex parabola.

    Parameters
    ----------
    x : array_like, shape (n, d_x)
        The inputs.
    y : array_like, shape (n, d_y) or (n,)
        The targets.
    hidden : int or sequence of int
        The width of the hidden layer, or of each.

    Returns
    -------
    not_convex, not_concave : Witness
        With losses in exact arithmetic.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If XYᵀ is 0, so that the theorem's assumptions fail, or the data do not fit.

    Examples
    --------
    >>> import etaflow as ef
    >>> for witness in ef.linear_networks.convexity_witnesses([[1.0], [2.0]], [[2.0], [4.0]], 1):
    ...     print(witness)
    Witness(not convex: f = 0, 20 in the middle, 0)
    Witness(not concave: f = 20, 0 in the middle, 20)
    """
    data, widths = Regression.of(x, y), check_hidden(hidden)
    cross = data.x.T @ data.y
    i, j = np.unravel_index(int(np.abs(cross).argmax()), cross.shape)
    power = float(data.x[:, i] @ data.x[:, i])
    if power == 0 or cross[i, j] == 0:
        raise ValueError("x and y fail a condition of the theorem, that XYᵀ have full rank: it is 0")
    weights = [np.zeros(shape) for shape in zip((*widths, data.outputs), (data.inputs, *widths), strict=True)]
    weights[0][0, i] = cross[i, j] / power  # the best map from input i to output j, whatever the rounding of this float
    for one in weights[1:-1]:
        one[0, 0] = 1.0
    weights[-1][j, 0] = 1.0
    flipped = [-weights[0], -weights[1], *weights[2:]]
    bend = [np.zeros_like(one) for one in weights]
    bend[-1][j, 0] = 1.0
    higher, lower = ([one + sign * step for one, step in zip(weights, bend, strict=True)] for sign in (1, -1))
    return _witness(data, weights, flipped), _witness(data, higher, lower)


def _witness(data: Regression, first: list[Array], second: list[Array]) -> Witness:
    between = [(one + other) / 2 for one, other in zip(first, second, strict=True)]
    x, y = exact.as_fractions(data.x), exact.as_fractions(data.y)
    values = [_loss(x, y, weights) for weights in (first, between, second)]
    return Witness(flattened(first), flattened(between), flattened(second), (values[0], values[1], values[2]))


def _loss(x: exact.Fractions, y: exact.Fractions, weights: list[Array]) -> Fraction:
    result: Any = x
    for one in weights:
        result = result @ exact.as_fractions(one).T
    return Fraction(((result - y) ** 2).sum())
