"""Directions in which a network of ReLUs fits some observations ever better and none worse: then no minimum is near."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.landscape.minima.piecewise import Piecewise, is_piecewise

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[Any]

FEASIBLE = 1e-9
"""A constraint may be violated by this, relative to the size of its row: what the linear program leaves."""

GAIN = 1e-4
"""Some observation must gain at least this, where all directions are of size 1 and the rows too."""

ENTRIES = 4_000_000
"""A linear program is not set up beyond so many entries."""


def recession(objective: Objective, theta: FloatArray) -> FloatArray | None:
    r"""Look for a direction of θ along which no loss rises, some fall for ever, and no unit of the last hidden layer changes sides.

    Let u_j = |v_j|(w_j, b_j) be what enters unit j of the last hidden layer, with the weight v_j that leaves it. As long as no input
    changes its sign the logit is linear in (u, b'). A direction (Δu, Δb') with y_i·Δh_i ≥ 0 for the labels y_i = ±1, > 0 for some i, and
    sign(z_ij)·Δz_ij ≥ 0 for all inputs lowers the log loss at once and for ever: θ is no local minimum, and no other point of its
    piece is. A linear program decides whether there is one.

    Parameters
    ----------
    objective : Objective
        With log loss, one output, leaky ReLUs, ReLUs or linear units, and no l2.
    theta : ndarray, shape (d,)
        The point.

    Returns
    -------
    ndarray, shape (d,), or None
        The direction; None if there is none, if the numbers do not show it, or for other objectives.

    Examples
    --------
    The ReLU sees 9 alone, which can be fitted ever better; about −1 and 2 the output's bias can do nothing.

    >>> import etaflow as ef
    >>> net = ef.MLP([1, 1, 1], activation="relu", output="logistic")
    >>> f = ef.Objective(net, [[-1.0], [2.0], [9.0]], [1.0, 0.0, 1.0], loss="log")
    >>> theta = np.array([1.0, -5.0, 2.0, 0.0])
    >>> way = recession(f, theta)
    >>> bool((np.diff(f.value(theta + np.array([[0.0], [1.0], [10.0]]) * way)) < 0).all())
    True
    """
    if not is_piecewise(objective) or objective.loss != "log" or objective.l2 or objective.net.widths[-1] != 1:
        return None
    entering, leaving = _last_layers(objective, theta)
    if entering.size * len(leaving) ** 2 > ENTRIES:
        return None
    rows, sides = _program(objective, theta, entering, leaving)
    found = _solve(rows, sides)
    return None if found is None else _placed(objective, found, leaving)


def _last_layers(objective: Objective, theta: FloatArray) -> tuple[Array, Array]:
    # The inputs of the last hidden layer, with a column of ones for the bias, and the weights that leave it.
    pieces = Piecewise(objective)
    inputs = pieces.inputs(theta)
    a = np.asarray(objective.x, np.float64)
    if len(inputs) > 1:
        a = inputs[-2] * pieces.slopes(inputs)[-2]
    ones = np.ones((len(a), int(objective.net.bias)))
    return np.hstack([a, ones]), np.asarray(objective.net.layers(theta)[-1][0][0], np.float64)


def _program(objective: Objective, theta: FloatArray, entering: Array, leaving: Array) -> tuple[Array, Array]:
    # Rows of unit size, that must not be negative: of the observations, and of the inputs.
    pieces = Piecewise(objective)
    z = pieces.inputs(theta)[-1]
    slopes = np.where(z < 0, pieces.low[-1], 1.0)
    labels = 2 * np.asarray(objective.y, np.float64).ravel() - 1
    n, width = z.shape
    blocks = slopes[:, :, None] * np.sign(leaving)[None, :, None] * entering[:, None, :]  # (n, width, p)
    ones = np.ones((n, int(objective.net.bias)))
    rows = labels[:, None] * np.hstack([blocks.reshape(n, -1), ones])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    unit = entering / np.linalg.norm(entering, axis=1, keepdims=True)
    sides = np.zeros((width, n, width, entering.shape[1]))
    for j in range(width):
        sides[j, :, j] = np.where(z[:, [j]] < 0, -1.0, 1.0) * unit
    flat = sides.reshape(width * n, -1)
    return rows, np.hstack([flat, np.zeros((len(flat), int(objective.net.bias)))])


def _solve(rows: Array, sides: Array) -> Array | None:
    from scipy.optimize import linprog  # noqa: PLC0415 - slow to import
    from scipy.sparse import csr_array, eye_array, hstack, vstack  # noqa: PLC0415 - slow to import

    n, size = rows.shape
    above = hstack([csr_array(-rows), eye_array(n)])  # 0 <= gain_i <= rows_i·direction
    kept = hstack([csr_array(-sides), csr_array((len(sides), n))])
    bounds = [(-1.0, 1.0)] * size + [(0.0, 1.0)] * n
    cost = np.concatenate([np.zeros(size), -np.ones(n)])
    found = linprog(cost, vstack([above, kept]).tocsr(), np.zeros(n + len(sides)), bounds=bounds, method="highs")
    if found.status != 0 or -found.fun < GAIN:
        return None
    direction: Array = found.x[:size]
    gains = rows @ direction
    if gains.max() < GAIN or min(gains.min(), (sides @ direction).min()) < -FEASIBLE:
        return None
    return direction


def _placed(objective: Objective, direction: Array, leaving: Array) -> FloatArray:
    # Δw_j = Δu_j/|v_j|; a unit that nothing leaves stays.
    placed = np.zeros(objective.num_params)
    layers = objective.net.layers(placed)  # views
    (w, b), (_, shift) = layers[-2], layers[-1]
    width = len(leaving)
    moved = direction[: len(direction) - int(objective.net.bias)].reshape(width, -1)
    size = np.where(leaving == 0, np.inf, np.abs(leaving))[:, None]
    w[:] = (moved / size)[:, : w.shape[1]]
    if b is not None and shift is not None:
        b[:], shift[:] = (moved / size)[:, -1], direction[-1]
    return placed
