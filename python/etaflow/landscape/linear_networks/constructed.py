"""Critical points of every set of eigenvectors, moved along their orbit at random, and looked at without knowing what they are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.landscape.linear_networks.critical import build
from etaflow.landscape.linear_networks.curvature import inertia
from etaflow.landscape.linear_networks.line import loss_along
from etaflow.landscape.linear_networks.network import flattened, product

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from etaflow.landscape.linear_networks.point import CriticalPoint
    from etaflow.landscape.linear_networks.regression import Regression
    from etaflow.problem.objective import Objective

ZERO_GRADIENT = 1e-9
"""A point is critical if its gradient is below this share of tr(YYᵀ)."""


def look_at_all(
    objective: Objective, data: Regression, hidden: tuple[int, ...], generator: np.random.Generator
) -> list[Look]:
    """Construct the critical points of every set of at most p eigenvectors, with a middle of full and of least rank, and look at each.

    Parameters
    ----------
    objective : Objective
        With reduction "sum".
    data : Regression
        Its data.
    hidden : tuple of int
        The widths of the hidden layers.
    generator : numpy.random.Generator
        Of the place in the orbit.

    Returns
    -------
    list of Look
        By the number of eigenvectors.
    """
    return [_look(objective, point) for point in _construct(data, hidden, generator)]


@dataclass(frozen=True)
class Look:
    """A constructed critical point, and what was found there.

    Attributes
    ----------
    point : CriticalPoint
        With its closed forms.
    middle_rank : int
        The rank of W_H ⋯ W_2.
    critical : bool
        Whether the gradient is 0.
    value_error : float
        The difference of the loss from the closed form, as a part of tr(YYᵀ).
    negative, zero : int
        How many eigenvalues of the Hessian are negative, and zero.
    lowest, highest : float
        The ends of its spectrum.
    order : int
        At which order the loss falls along the escape; 0 at a global minimum.
    falls, rises : bool
        Whether it falls there, and rises elsewhere.
    """

    point: CriticalPoint
    middle_rank: int
    critical: bool
    value_error: float
    negative: int
    zero: int
    lowest: float
    highest: float
    order: int
    falls: bool
    rises: bool


def _construct(data: Regression, hidden: tuple[int, ...], generator: np.random.Generator) -> Iterator[CriticalPoint]:
    p = min(*hidden, data.outputs)
    for size in range(p + 1):
        for gamma in combinations(range(1, data.outputs + 1), size):
            for full in (True, False) if len(hidden) > 1 and size < min(hidden) else (True,):
                point = build(data, hidden, gamma, full=full)
                yield point.transformed(*(_mixing(width, generator) for width in hidden))


def _mixing(width: int, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    # An invertible matrix with a condition number of at most 4, so that the Hessian's zeros stay apart from the rest.
    left, right = (np.linalg.qr(generator.standard_normal((width, width)))[0] for _ in range(2))
    return np.asarray(left * generator.uniform(0.5, 2.0, width) @ right)


def _look(objective: Objective, point: CriticalPoint) -> Look:
    theta = point.theta
    scale = float(np.sum(np.asarray(objective.y) ** 2))
    signs = inertia(objective, theta)
    middle = product([np.eye(point.weights[0].shape[0]), *point.weights[1:-1]])
    order, falls, rises = 0, False, False
    if point.escape is not None:
        line = loss_along(objective, theta, point.escape)
        order, falls = line.order, line.falls
        rises = signs.positive > 0 or loss_along(objective, theta, _opposite(point)).coefficients[line.order] > 0
    return Look(
        point,
        int(np.linalg.matrix_rank(middle, tol=1e-9)),
        float(np.linalg.norm(objective.gradient(theta))) < ZERO_GRADIENT * scale,
        abs(float(objective.value(theta)) - point.value) / scale,
        signs.negative,
        signs.zero,
        float(signs.eigenvalues[0]),
        float(signs.eigenvalues[-1]),
        order,
        falls,
        rises,
    )


def _opposite(point: CriticalPoint) -> npt.NDArray[np.float64]:
    # The escape with its last matrix negated: the map changes by −t^k instead of t^k.
    *rest, last = point.escape_weights
    return flattened([*rest, -last])


def to_dataset(looks: list[Look]) -> Any:
    """Return the looks as a table over ``point``.

    Returns
    -------
    xarray.Dataset
        Losses, counts, ends of the spectrum, orders and kinds.
    """
    import xarray as xr  # noqa: PLC0415 - slow to import

    names = ["{" + ", ".join(map(str, one.point.gamma)) + "}" for one in looks]
    columns: dict[str, list[Any]] = {
        "loss": [one.point.value for one in looks],
        "index": [one.negative for one in looks],
        "nullity": [one.zero for one in looks],
        "lowest": [one.lowest for one in looks],
        "highest": [one.highest for one in looks],
        "order": [one.order for one in looks],
        "middle_rank": [one.middle_rank for one in looks],
        "gamma": names,
        "kind": [one.point.kind for one in looks],
    }
    return xr.Dataset({name: ("point", values) for name, values in columns.items()})
