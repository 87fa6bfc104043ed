"""Problems with exponentially many local minima."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_number, check_positive_int
from etaflow.landscape.perceptron.problem import Problem
from etaflow.landscape.perceptron.sigmoid import as_sigmoid

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from etaflow.landscape.perceptron.sigmoid import Sigmoid

RATIO = {"tanh": 10.0, "logistic": 10.0, "arctan": 100.0}
"""Between the sizes of two rows that follow each other, so that each makes a minimum."""

_LARGEST = 1e100


def exponentially_many(
    n: int,
    m: int = 1,
    theta: str | Sigmoid | Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]] = "tanh",
    *,
    ratio: float | None = None,
) -> Problem:
    """Return a problem with ⌊n/m⌋^m local minima: the answer to Sontag's question whether there can be exponentially many.

    Auer, Herbster and Warmuth give each weight its own k = ⌊n/m⌋ observations, so that E is a sum of functions of one weight each, and its
    local minima are all combinations of theirs. Their observations have targets inside the range of θ, one basin each. With Sontag's
    targets ±1 every observation is a step of E at a place of order 1/|b|, downwards for b > 0 and upwards for b < 0: here the sizes |b| are
    powers of `ratio` and the signs alternate, so that on the whole line E falls and rises k times.

    Parameters
    ----------
    n : int
        Observations, at least m.
    m : int, default 1
        Weights.
    theta : {"tanh", "arctan", "logistic"}, Sigmoid or callable, default "tanh"
        The sigmoid.
    ratio : float, optional
        Above 1; by default 10, and 100 for arctan, whose steps are wide. If it is too small, there are fewer minima: `minima` counts.

    Returns
    -------
    Problem
        With exactly one nonzero entry in each row. Observations beyond m·⌊n/m⌋ repeat the first.

    Raises
    ------
    ValueError
        If there are fewer observations than weights, or the largest row would exceed 1e100.

    References
    ----------
    Auer, Herbster and Warmuth 1996, "Exponentially many local minima for single neurons"; Sontag 1988, section 4.

    Examples
    --------
    >>> from etaflow.landscape.perceptron import exponentially_many, minima
    >>> minima(exponentially_many(12, 3)).count
    64
    """
    weights = check_positive_int("m", m)
    observations = check_positive_int("n", n)
    if observations < weights:
        raise ValueError(f"n must be at least m = {weights} (got {observations})")
    sigmoid = as_sigmoid(theta)
    factor = RATIO.get(sigmoid.name, 100.0) if ratio is None else check_number("ratio", ratio, above=1)
    each = observations // weights
    if (each - 1) * np.log(factor) > np.log(_LARGEST):
        raise ValueError(f"ratio must be such that ratio^{each - 1} ≤ 1e100 (got {factor:g})")
    rows = np.zeros((observations, weights))
    for k in range(each * weights):
        rows[k, k // each] = factor ** (k % each)
    rows[each * weights :, 0] = 1.0
    targets = np.where(np.arange(observations) % each % 2 == 0, 1.0, -1.0)
    targets[each * weights :] = 1.0
    return Problem(rows, targets, sigmoid)
