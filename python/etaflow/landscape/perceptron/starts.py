"""Minima of two weights by descent from many starts, each proved on its own, where the search for all was ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.perceptron.intervals import Interval
from etaflow.landscape.perceptron.sigmoid import SIGMOIDS
from etaflow.landscape.perceptron.stationary import Zero, prove

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.landscape.perceptron.pulls import Pulls

    Array = npt.NDArray[np.float64]

STARTS = 60
SEED = 1988
_SIZES = (1e-3, 1e-5, 1e-7)
"""Half the sides of the boxes around an end, relative to 1 over the steepest row, in which a zero is sought to be proved."""


def add_minima(pulls: Pulls, found: tuple[Zero, ...], reach: float) -> tuple[Zero, ...]:
    """Return the zeros with the minima added that BFGS finds from random starts.

    Parameters
    ----------
    pulls : Pulls
        The problem.
    found : tuple of Zero
        What is known.
    reach : float
        So far from 0 the starts are, evenly on a logarithmic scale.

    Returns
    -------
    tuple of Zero
        Without repetition; only zeros that are proved.
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - slow to import

    rows, sigmoid = pulls.rows.middle, SIGMOIDS[pulls.enclosed]
    generator = np.random.default_rng(SEED)
    unit = 1 / float(np.abs(rows).max())
    sizes = np.exp(generator.uniform(np.log(0.1 * unit), np.log(reach), STARTS))
    angles = generator.uniform(0, 2 * np.pi, STARTS)

    def error(x: Array) -> tuple[float, Array]:
        wrong = 1 - sigmoid(rows @ x)
        return float(wrong @ wrong), -2 * (wrong * sigmoid.derivative(rows @ x)) @ rows

    zeros = list(found)
    for start in sizes[:, None] * np.column_stack([np.cos(angles), np.sin(angles)]):
        end = minimize(error, start, jac=True, method="BFGS", options={"gtol": 1e-12}).x
        for size in _SIZES:
            if prove(zeros, pulls, Interval(end - size * unit, end + size * unit)):
                break
    return tuple(zeros)
