"""The loss of a linear network along a line, which is a polynomial: at which order it falls, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_float_array
from etaflow.landscape.linear_networks import exact as rational
from etaflow.landscape.linear_networks.network import weights_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.problem.objective import Objective

    Matrix = npt.NDArray[Any]

ROUNDING = 1e-12
"""Without exact arithmetic, coefficients below this share of the sum of all, in size, count as zero."""


@dataclass(frozen=True, eq=False, repr=False)
class Line:
    """The loss f(θ + tv) − f(θ) of a linear network, made by `loss_along`.

    Attributes
    ----------
    coefficients : tuple of float or Fraction
        c_0, c_1, …, with c_0 = f(θ), so that f(θ + tv) = Σ c_k t^k; the degree is at most 2(H + 1).
    order : int
        The smallest k >= 1 with c_k ≠ 0; 0 if the loss does not change at all.
    """

    coefficients: tuple[Any, ...]
    order: int

    @property
    def falls(self) -> bool:
        """Whether the loss falls for small t of one sign at least."""
        return self.order > 0 and (self.order % 2 == 1 or self.coefficients[self.order] < 0)

    def __repr__(self) -> str:
        """Return the first term that is there.

        Returns
        -------
        str
            One line.
        """
        if self.order == 0:
            return "Line(the loss is constant)"
        return f"Line(f(θ + tv) − f(θ) = {float(self.coefficients[self.order]):.6g}·t^{self.order} + …)"


def loss_along(objective: Objective, theta: npt.ArrayLike, direction: npt.ArrayLike, *, exact: bool = False) -> Line:
    """Expand the loss of a linear network along a line: at a degenerate saddle it falls at a higher order than the second.

    Parameters
    ----------
    objective : Objective
        Of a linear network without biases, with the square loss and without l2.
    theta : array_like, shape (d,)
        The point.
    direction : array_like, shape (d,)
        v.
    exact : bool, default False
        Whether to compute with fractions, in which the floats are what they are: a coefficient is 0 or it is not.

    Returns
    -------
    Line
        The polynomial in t.

    Raises
    ------
    ValueError
        If the network is not linear or has biases, or an argument has a wrong shape.

    Examples
    --------
    Where all weights are 0, a network with two hidden layers has zero gradient and zero Hessian, and is no minimum:

    >>> import etaflow as ef
    >>> f = ef.linear_networks.linear_objective([[1.0]], [[2.0]], [1, 1])
    >>> ef.linear_networks.loss_along(f, [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], exact=True)
    Line(f(θ + tv) − f(θ) = -4·t^3 + …)
    """
    if objective.loss != "square" or objective.l2:
        raise ValueError(
            f"objective must have the square loss without l2 (got {objective.loss!r} with l2 = {objective.l2:g})"
        )
    begin, change = weights_of(objective, theta), weights_of(objective, _check_direction(direction, objective))
    x, y = np.asarray(objective.x, np.float64), np.asarray(objective.y, np.float64).reshape(objective.n, -1)
    data: list[Matrix] = [*begin, *change, x, y]
    if exact:
        data = [rational.as_fractions(one) for one in data]
    layers = len(begin)
    coefficients = _expand(data[:layers], data[layers : 2 * layers], data[-2], data[-1])
    if objective.reduction == "mean":
        coefficients = [one / objective.n for one in coefficients]
    return Line(tuple(coefficients), _order(coefficients, exact=exact))


def _check_direction(direction: npt.ArrayLike, objective: Objective) -> npt.NDArray[Any]:
    return check_float_array("direction", direction, dtype=objective.dtype, shape=(objective.num_params,))


def _expand(begin: list[Matrix], change: list[Matrix], x: Matrix, y: Matrix) -> list[Any]:
    terms = [begin[0], change[0]]  # of the map, by power of t
    for weights, step in zip(begin[1:], change[1:], strict=True):
        longer = [weights @ one for one in terms] + [0 * (weights @ terms[0])]
        for k, one in enumerate(terms):
            longer[k + 1] = longer[k + 1] + step @ one
        terms = longer
    residuals = [x @ one.T for one in terms]
    residuals[0] = residuals[0] - y
    coefficients: list[Any] = [0] * (2 * len(residuals) - 1)
    for i, first in enumerate(residuals):
        for j, second in enumerate(residuals):
            coefficients[i + j] = coefficients[i + j] + (first * second).sum()
    return coefficients


def _order(coefficients: list[Any], *, exact: bool) -> int:
    blur = 0 if exact else ROUNDING * float(sum(abs(one) for one in coefficients))
    return next((k for k, one in enumerate(coefficients) if k and abs(one) > blur), 0)
