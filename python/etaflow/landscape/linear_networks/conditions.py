"""The assumptions of the theorems on linear networks, decided in exact arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.landscape.linear_networks import exact
from etaflow.landscape.linear_networks.modular import proves_distinct
from etaflow.landscape.linear_networks.regression import Regression

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True)
class Assumption:
    """One assumption.

    Attributes
    ----------
    name : str
        What is assumed.
    holds : bool
        Whether the data fulfil it, in exact arithmetic.
    evidence : str
        The numbers.
    margin : float
        How far float64 sees it from failing, relative to the largest number of its kind; below about 1e-14 it cannot see it. NaN where it is a count.
    """

    name: str
    holds: bool
    evidence: str
    margin: float


@dataclass(frozen=True, eq=False, repr=False)
class LinearConditions:
    """The assumptions of Baldi and Hornik (1989) and Kawaguchi (2016), made by `kawaguchi_conditions`.

    Attributes
    ----------
    assumptions : tuple of Assumption
        XXᵀ full rank, XYᵀ full rank, d_x >= d_y, Σ full rank, Σ with distinct eigenvalues.
    """

    assumptions: tuple[Assumption, ...]

    @property
    def hold(self) -> bool:
        """Whether all hold."""
        return all(one.holds for one in self.assumptions)

    @property
    def failing(self) -> tuple[str, ...]:
        """The names of those that fail."""
        return tuple(one.name for one in self.assumptions if not one.holds)

    def __repr__(self) -> str:
        """Return whether all hold, or which do not.

        Returns
        -------
        str
            One line.
        """
        if self.hold:
            return f"LinearConditions(all {len(self.assumptions)} hold)"
        return f"LinearConditions(failing: {'; '.join(self.failing)})"

    def __str__(self) -> str:
        """Return a line per assumption.

        Returns
        -------
        str
            With its evidence.
        """
        return "\n".join(f"{'holds' if one.holds else 'FAILS'}  {one.name}: {one.evidence}" for one in self.assumptions)


def kawaguchi_conditions(x: npt.ArrayLike, y: npt.ArrayLike) -> LinearConditions:
    """Check the assumptions of Kawaguchi's theorem on deep linear networks in exact arithmetic (Kawaguchi 2016, Theorem 2.3).

    A float is a fraction with a power of two below, so a rank is a fact about the data and not a matter of tolerance: ranks come from
    elimination over the integers, and the number of distinct eigenvalues of Σ = YXᵀ(XXᵀ)⁻¹XYᵀ from the greatest common divisor of its
    characteristic polynomial and its derivative; that they are all distinct is proved modulo a prime if that is enough. What float64 sees is the `margin`: data can fulfil an assumption by a hair.

    Parameters
    ----------
    x : array_like, shape (n, d_x)
        The inputs, an observation per row.
    y : array_like, shape (n, d_y) or (n,)
        The targets.

    Returns
    -------
    LinearConditions
        The assumptions; Baldi and Hornik's are the same but for d_x >= d_y, which follows from the rank of Σ.

    Raises
    ------
    TypeError
        If one is not float64 (integers are converted).
    ValueError
        If a shape is wrong, there is no observation, or NaN or Inf.

    Notes
    -----
    The work grows like n·d_x² products of integers, and d_x³ of long ones: a second for 1 000 observations and 20 inputs, ten for 64.

    Examples
    --------
    >>> import etaflow as ef
    >>> x = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    >>> ef.linear_networks.kawaguchi_conditions(x, [[2.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
    LinearConditions(all 5 hold)
    >>> ef.linear_networks.kawaguchi_conditions(x, x).failing  # Σ is XXᵀ, with the eigenvalues 3 and 1
    ()
    >>> ef.linear_networks.kawaguchi_conditions([[1.0, 2.0], [2.0, 4.0]], [[1.0], [2.0]]).failing[0]
    'XXᵀ has full rank'
    """
    data = Regression.of(x, y)
    columns, targets = exact.scaled_columns(data.x), exact.scaled(data.y)
    gram = exact.product_with_transpose(columns, columns)
    cross = exact.product_with_transpose(columns, targets)
    input_rank, cross_rank = exact.rank(gram), exact.rank(cross)
    invertible = input_rank == data.inputs
    different = _distinct_eigenvalues(gram, cross) if invertible else None
    wanted = min(data.inputs, data.outputs)
    assumptions = (
        Assumption(
            "XXᵀ has full rank", invertible, f"rank {input_rank}, d_x = {data.inputs}", _last(data.singular_values)
        ),
        Assumption("XYᵀ has full rank", cross_rank == wanted, f"rank {cross_rank} of at most {wanted}", _cross(data)),
        Assumption(
            "d_x >= d_y", data.inputs >= data.outputs, f"d_x = {data.inputs}, d_y = {data.outputs}", float("nan")
        ),
        _sigma_rank(data, cross_rank if invertible else None),
        _distinct(data, different),
    )
    return LinearConditions(assumptions)


def _distinct_eigenvalues(gram: exact.Integers, cross: exact.Integers) -> int:
    if proves_distinct(gram, cross):
        return len(cross[0])
    solution, _ = exact.solve(gram, cross)  # of a multiple of Σ, which has as many distinct eigenvalues
    return exact.distinct_roots(exact.characteristic_polynomial(exact.product_with_transpose(cross, solution)))


def _sigma_rank(data: Regression, rank: int | None) -> Assumption:
    # Σ = YXᵀ(XXᵀ)⁻¹XYᵀ has the rank of XYᵀ, as (XXᵀ)⁻¹ is positive definite.
    name = "Σ has full rank"
    if rank is None:
        return Assumption(name, holds=False, evidence="not defined, as XXᵀ is not invertible", margin=0.0)
    margin = data.eigenvalues[-1] / data.eigenvalues[0] if data.eigenvalues[0] > 0 else 0.0
    return Assumption(name, rank == data.outputs, f"rank {rank}, d_y = {data.outputs}", float(margin))


def _distinct(data: Regression, different: int | None) -> Assumption:
    name = "Σ has distinct eigenvalues"
    if different is None:
        return Assumption(name, holds=False, evidence="not defined, as XXᵀ is not invertible", margin=0.0)
    evidence = (
        f"{different} different ones, d_y = {data.outputs}; λ = {', '.join(f'{one:.4g}' for one in data.eigenvalues)}"
    )
    return Assumption(name, different == data.outputs, evidence, data.closest[1])


def _last(singular_values: npt.NDArray[Any]) -> float:
    return float(singular_values[-1] / singular_values[0]) if singular_values[0] > 0 else 0.0


def _cross(data: Regression) -> float:
    return _last(np.linalg.svd(data.x.T @ data.y, compute_uv=False))
