"""The signs of the Hessian's eigenvalues, with the gap that decides which of them are zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_ndim, check_positive_number

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

ZERO = 1e-9
"""Eigenvalues below this share of the largest count as zero."""


@dataclass(frozen=True, eq=False, repr=False)
class Inertia:
    """How many eigenvalues of a Hessian are negative, zero and positive, made by `inertia`.

    Attributes
    ----------
    eigenvalues : ndarray, shape (d,)
        All of them, ascending.
    negative, zero, positive : int
        The counts; `negative` is the Morse index, `zero` the nullity.
    largest_zero, smallest_other : float
        The largest size of those that count as zero and the smallest of the others, as parts of the largest of all: if they are far apart, the
        counts do not hang on the tolerance. 0 and infinity if there is none.
    """

    eigenvalues: Array
    negative: int
    zero: int
    positive: int
    largest_zero: float
    smallest_other: float

    def __repr__(self) -> str:
        """Return the counts and the gap.

        Returns
        -------
        str
            One line.
        """
        gap = f"zeros up to {self.largest_zero:.1g}, others from {self.smallest_other:.1g} of the largest"
        return f"Inertia({self.negative} negative, {self.zero} zero, {self.positive} positive; {gap})"


def inertia(objective: Objective, theta: npt.ArrayLike, *, tolerance: float = ZERO) -> Inertia:
    """Count the signs of the eigenvalues of ∇²f at `theta`.

    Parameters
    ----------
    objective : Objective
        f; its Hessian is formed.
    theta : array_like, shape (d,)
        The point.
    tolerance : float, default 1e-9
        Eigenvalues up to this share of the largest, in size, count as zero.

    Returns
    -------
    Inertia
        The counts and the gap.

    Raises
    ------
    TypeError
        If `theta` is of another dtype than the objective.
    ValueError
        If `theta` is not one parameter vector, or the tolerance is not positive.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.linear_networks.linear_objective([[1.0]], [[2.0]], 1)
    >>> ef.linear_networks.inertia(f, [0.0, 0.0])
    Inertia(1 negative, 0 zero, 1 positive; zeros up to 0, others from 1 of the largest)
    """
    parameters = objective.check_theta(theta)
    check_ndim("theta", parameters, 1)
    share = check_positive_number("tolerance", tolerance)
    eigenvalues = np.asarray(np.linalg.eigvalsh(objective.hessian(parameters)), np.float64)
    size = np.abs(eigenvalues)
    scale = float(size.max()) or 1.0
    zero = size <= share * scale
    return Inertia(
        eigenvalues,
        int((eigenvalues[~zero] < 0).sum()),
        int(zero.sum()),
        int((eigenvalues[~zero] > 0).sum()),
        float(size[zero].max() / scale) if zero.any() else 0.0,
        float(size[~zero].min() / scale) if (~zero).any() else np.inf,
    )
