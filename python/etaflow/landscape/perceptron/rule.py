"""The classical perceptron rule, which Sontag sets against the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_float_array, check_positive_int
from etaflow.landscape.perceptron.margin import largest_margin
from etaflow.landscape.perceptron.separation import STRICT, separability

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.landscape.perceptron.problem import Problem

    Array = npt.NDArray[np.float64]

LEARNED, CYCLING = "learned", "stopped"


@dataclass(frozen=True, eq=False, repr=False)
class Learned:
    """What the perceptron rule did.

    Attributes
    ----------
    status : {"learned", "stopped"}
        ``learned``: every observation is classified; ``stopped``: the most mistakes that were allowed were made.
    weights : ndarray, shape (m,)
        The weights at the end.
    mistakes : int
        How often the weights were changed.
    passes : int
        How often the rule went through the data, the last pass without a mistake included.
    bound : float
        Novikoff's (R/γ)² for a start at 0; infinite if the data are not strictly separable.
    """

    status: str
    weights: Array
    mistakes: int
    passes: int
    bound: float

    def classify(self, rows: npt.ArrayLike) -> Array:
        """Return sgn(a·x), with 1 on the hyperplane.

        Parameters
        ----------
        rows : array_like, shape (k, m)
            Inputs.

        Returns
        -------
        ndarray, shape (k,)
            −1 or 1.
        """
        return np.where(
            check_float_array("rows", rows, dtype=np.float64, integers=True, ndim=2) @ self.weights >= 0, 1.0, -1.0
        )

    def __repr__(self) -> str:
        """Return the count beside the bound.

        Returns
        -------
        str
            One line.
        """
        return f"Learned({self.status} after {self.mistakes} mistakes in {self.passes} passes; Novikoff's bound {self.bound:.4g})"


def perceptron_rule(problem: Problem, *, start: npt.ArrayLike | None = None, max_mistakes: int = 1_000_000) -> Learned:
    """Learn by the perceptron rule: go through the data, and wherever y_i·(a_i·x) ≤ 0 add y_i·a_i to x.

    From x = 0 on strictly separable data it ends after at most (R/γ)² mistakes, R = max ‖a_i‖ and γ the largest margin (Novikoff 1962): no
    local minimum is in its way, unlike the gradient's. Products whose sign float64 does not decide are made in fractions.

    Parameters
    ----------
    problem : Problem
        The data; the sigmoid plays no part.
    start : array_like, shape (m,), optional
        x at the beginning, by default 0. The bound is for 0.
    max_mistakes : int, default 1000000
        When to stop if it does not end, as on data that cannot be separated.

    Returns
    -------
    Learned
        Weights and counts.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If the start does not fit.

    References
    ----------
    Rosenblatt 1962; Novikoff 1962; Sontag 1988, section 2.

    Examples
    --------
    >>> from etaflow.landscape.perceptron import Problem, perceptron_rule
    >>> perceptron_rule(Problem([[3.0, 1.0], [-1.0, 1.0]], [1, 1]))
    Learned(learned after 3 mistakes in 3 passes; Novikoff's bound 10)
    """
    limit = check_positive_int("max_mistakes", max_mistakes)
    verdict = separability(problem)
    whole = verdict.kind == STRICT and bool(problem.A.any(axis=1).all())
    bound = largest_margin(problem).novikoff if whole else np.inf
    rows = problem.A * problem.y[:, None]
    first = np.zeros(problem.m) if start is None else start
    x = np.array(check_float_array("start", first, dtype=np.float64, integers=True, shape=(problem.m,)), np.float64)
    mistakes = passes = 0
    while True:
        passes, before = passes + 1, mistakes
        for row in rows:
            if _wrong(row, x):
                x, mistakes = x + row, mistakes + 1
                if mistakes == limit:
                    return Learned(CYCLING, x, mistakes, passes, bound)
        if mistakes == before:
            return Learned(LEARNED, x, mistakes, passes, bound)


def _wrong(row: Array, x: Array) -> bool:
    value = float(row @ x)
    blur = len(row) * float(np.finfo(np.float64).eps) * float(np.abs(row) @ np.abs(x))
    if abs(value) > blur:
        return value < 0
    return sum((Fraction(float(a)) * Fraction(float(b)) for a, b in zip(row, x, strict=True)), Fraction(0)) <= 0
