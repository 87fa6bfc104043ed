"""Sontag's perceptron: no hidden unit, no bias, targets ±1, and E the sum of squared errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow._checks import check_float_array, check_int, check_nonnegative_number
from etaflow.landscape.perceptron.sigmoid import Sigmoid, as_sigmoid
from etaflow.problem.network import MLP
from etaflow.problem.objective import Objective

if TYPE_CHECKING:
    from collections.abc import Callable

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Problem:
    """Minimise E(x) = Σ_i (θ(a_i·x) − y_i)² = ‖y − TAx‖², where T applies the sigmoid θ to every coordinate.

    Parameters
    ----------
    A : array_like, shape (n, m)
        One row a_i per observation, one column per weight. A bias is a column of ones.
    y : array_like, shape (n,)
        Targets, each −1 or 1.
    theta : {"tanh", "arctan", "logistic"}, Sigmoid or callable, default "tanh"
        The sigmoid: tanh z, (2/π)·arctan z, 2/(1 + e⁻ᶻ) − 1, or a smooth, strictly increasing, odd function of one's own with limits ±1.
    zero_rows : bool, default False
        Whether a row of zeros is accepted. Its output is θ(0) = 0 whatever the weights are, and it adds 1 to E.

    Attributes
    ----------
    A, y : ndarray
        As given, in float64.
    theta : Sigmoid
        The sigmoid.

    Raises
    ------
    TypeError
        If an argument has a wrong type or dtype.
    ValueError
        If shapes do not fit, a target is not ±1, a row is zero, or the function is no sigmoid.

    References
    ----------
    Sontag 1988, section 2, (**).

    Examples
    --------
    >>> problem = Problem([[1.0], [2.0]], [1, -1])
    >>> float(problem.error([0.0])), problem.reduced().A.tolist()
    (2.0, [[1.0], [-2.0]])
    """

    A: Array
    y: Array
    theta: Sigmoid

    def __init__(
        self,
        A: npt.ArrayLike,
        y: npt.ArrayLike,
        theta: str | Sigmoid | Callable[[Array], Array] = "tanh",
        *,
        zero_rows: bool = False,
    ) -> None:
        rows = check_float_array("A", A, dtype=np.float64, integers=True, ndim=2)
        if not rows.size:
            raise ValueError(f"A must hold at least one row and one column (got shape {rows.shape})")
        targets = check_float_array("y", y, dtype=np.float64, integers=True, shape=(len(rows),))
        wrong = np.abs(targets) != 1
        if wrong.any():
            k = int(np.argmax(wrong))
            hint = "; for targets 0 and 1 use Problem.from_binary" if targets[k] == 0 else ""
            raise ValueError(f"y must hold −1 and 1 only (y[{k}] is {targets[k]:g}{hint})")
        zero = ~rows.any(axis=1)
        if zero.any() and not zero_rows:
            raise ValueError(
                f"A must have no row of zeros, whose output no weight changes (row {int(np.argmax(zero))} is one); "
                "leave it out, or accept it with zero_rows=True"
            )
        object.__setattr__(self, "A", rows)
        object.__setattr__(self, "y", targets)
        object.__setattr__(self, "theta", as_sigmoid(theta))

    @classmethod
    def from_binary(cls, A: npt.ArrayLike, y: npt.ArrayLike, *, zero_rows: bool = False) -> Problem:
        """Return the problem of a logistic unit 1/(1 + e⁻ᶻ) with targets 0 and 1.

        Its squared error is E/4, so that its minima are those of E with θ(z) = 2/(1 + e⁻ᶻ) − 1 and the targets 2y − 1.

        Parameters
        ----------
        A : array_like, shape (n, m)
            As above.
        y : array_like, shape (n,)
            Targets, each 0 or 1.
        zero_rows : bool, default False
            As above.

        Returns
        -------
        Problem
            With θ = ``"logistic"``.

        Raises
        ------
        ValueError
            If a target is not 0 or 1.
        """
        targets = check_float_array("y", y, dtype=np.float64, integers=True, ndim=1)
        wrong = (targets != 0) & (targets != 1)
        if wrong.any():
            k = int(np.argmax(wrong))
            raise ValueError(f"y must hold 0 and 1 only (y[{k}] is {targets[k]:g})")
        return cls(A, 2 * targets - 1, "logistic", zero_rows=zero_rows)

    @property
    def n(self) -> int:
        """The number of observations."""
        return len(self.A)

    @property
    def m(self) -> int:
        """The number of weights."""
        return int(self.A.shape[1])

    def reduced(self) -> Problem:
        """Return the problem with y = e = (1, …, 1): every row with target −1 changes its sign.

        As θ is odd, E is the same function of x.

        Returns
        -------
        Problem
            With the rows y_i·a_i.
        """
        return Problem(self.A * self.y[:, None], np.ones(self.n), self.theta, zero_rows=True)

    def image(self, x: npt.ArrayLike) -> Array:
        """Return TAx, a point of T𝒱.

        Parameters
        ----------
        x : array_like, shape (m,) or (points, m)
            Weights.

        Returns
        -------
        ndarray, shape (n,) or (points, n)
            The outputs θ(a_i·x).
        """
        return self.theta(self._weights(x) @ self.A.T)

    def error(self, x: npt.ArrayLike) -> Any:
        """Return E(x).

        Parameters
        ----------
        x : array_like, shape (m,) or (points, m)
            Weights.

        Returns
        -------
        float or ndarray, shape (points,)
            Σ_i (θ(a_i·x) − y_i)².
        """
        return np.square(self.image(x) - self.y).sum(axis=-1)

    def gradient(self, x: npt.ArrayLike) -> Array:
        """Return ∇E(x).

        Parameters
        ----------
        x : array_like, shape (m,) or (points, m)
            Weights.

        Returns
        -------
        ndarray, of the same shape
            2 Σ_i (θ(a_i·x) − y_i) θ'(a_i·x) a_i.
        """
        inputs = self._weights(x) @ self.A.T
        gradient: Array = 2 * ((self.theta(inputs) - self.y) * self.theta.derivative(inputs)) @ self.A
        return gradient

    def objective(self) -> Objective:
        """Return E as an `Objective` of the core, for `etaflow.descend`, `etaflow.flow` and all others.

        Returns
        -------
        Objective
            A network of one unit without bias; with the logistic sigmoid the inputs are halved, as 2/(1 + e⁻ᶻ) − 1 = tanh(z/2).

        Raises
        ------
        ValueError
            If the sigmoid is not one of the named.
        """
        if self.theta.enclosed is None:
            raise ValueError(f"theta must be 'tanh', 'arctan' or 'logistic' for the core (got {self.theta.name!r})")
        net = MLP([self.m, 1], output=self.theta.enclosed, bias=False)
        return Objective(net, self.A * self.theta.scale, self.y, loss="square", reduction="sum")

    def __repr__(self) -> str:
        """Return the size and the sigmoid.

        Returns
        -------
        str
            One line.
        """
        return f"Problem({self.n} observations, {self.m} weights, {self.theta.name})"

    def _weights(self, x: npt.ArrayLike) -> Array:
        weights = check_float_array("x", x, dtype=np.float64, integers=True, ndim=(1, 2))
        if weights.shape[-1] != self.m:
            raise ValueError(f"x must have {self.m} weights (got shape {weights.shape})")
        return np.asarray(weights, dtype=np.float64)


def case(number: int, a: float, theta: str | Sigmoid | Callable[[Array], Array] = "tanh") -> Problem:
    """Return one of the three problems with two observations and one weight, into which section 2 divides all.

    Parameters
    ----------
    number : {1, 2, 3}
        𝒱 is the span of (0, a), of (1, a) with a ≥ 0, or of (1, −a) with a > 0.
    a : float
        The number a; not 0 in cases 1 and 3.
    theta : {"tanh", "arctan", "logistic"}, Sigmoid or callable, default "tanh"
        The sigmoid.

    Returns
    -------
    Problem
        With y = (1, 1).

    Raises
    ------
    ValueError
        If there is no such case, or `a` is out of its range.

    References
    ----------
    Sontag 1988, section 2.

    Examples
    --------
    >>> case(3, 4.0).A.ravel().tolist()
    [1.0, -4.0]
    """
    which = check_int("number", number, minimum=1, maximum=3)
    size = check_nonnegative_number("a", a) if which > 1 else float(a)
    if which != 2 and size == 0:
        raise ValueError(f"a must not be 0 in case {which} (got {a:g})")
    column = {1: [0.0, size], 2: [1.0, size], 3: [1.0, -size]}[which]
    return Problem([[value] for value in column], [1, 1], theta, zero_rows=True)
