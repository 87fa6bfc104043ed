"""The local minima of one weight for a sigmoid that no enclosure is known of: a grid and a refinement, without proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.perceptron.intervals import Interval

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.landscape.perceptron.blocks import Place
    from etaflow.landscape.perceptron.problem import Problem

    Array = npt.NDArray[np.float64]

POINTS = 4000
_NOISE = 1e-13
"""Of a change of E that is rounding; E is of the order of the number of rows."""

_INNERMOST, _OUTERMOST = 1e-4, 1e3
"""The grid reaches so near to 0 and so far, in units of the steepest and the flattest row."""


def minima_on_grid(problem: Problem, rows: Array) -> list[Place]:
    """Find the local minima of E on a grid, and at its ends.

    Parameters
    ----------
    problem : Problem
        For its sigmoid.
    rows : ndarray, shape (n,)
        The rows after the reduction to y = e.

    Returns
    -------
    list of Place
        None of them certified.
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - slow to import
    from scipy.signal import find_peaks  # noqa: PLC0415 - slow to import

    from etaflow.landscape.perceptron.blocks import Place  # noqa: PLC0415 - which imports this module

    theta = problem.theta.function

    def error(x: Array) -> Array:
        return np.asarray(np.square(1 - theta(np.multiply.outer(x, rows))).sum(axis=-1))

    sizes = np.abs(rows)
    side = np.geomspace(_INNERMOST / sizes.max(), _OUTERMOST / sizes.min(), POINTS)
    grid = np.concatenate([-side[::-1], [0.0], side])
    values = error(grid)
    found = []
    for k in find_peaks(-values, prominence=_NOISE * len(rows))[0]:
        got = minimize_scalar(
            lambda x: float(error(np.array(x))),
            bounds=(grid[k - 1], grid[k + 1]),
            method="bounded",
            options={"xatol": 1e-12},
        )
        place, value = Interval.of(np.array([got.x])), Interval.of(float(got.fun))
        found.append(
            Place(place, None, 1 - theta(got.x * rows), value, False, "a minimum of E on a grid, refined; no proof")
        )
    changes = np.flatnonzero(np.abs(np.diff(values)) > _NOISE)
    for way, last in ((-1.0, int(changes[0])), (1.0, int(changes[-1]))):
        if (values[last + 1] - values[last]) * way < 0:
            limits = np.where(rows * way > 0, 0.0, 2.0)
            reason = "E still falls where it is last seen to change; no proof"
            found.append(
                Place(Interval.of(np.zeros(1)), np.array([way]), limits, Interval.of((limits**2).sum()), False, reason)
            )
    return found
