"""Networks that represent any function to {−1, 1} on a finite set of points."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_float_array, check_seed
from etaflow.problem.network import MLP

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

SATURATED = 40.0
"""tanh of this is 1 in float64: the units are sgn wherever a point lies."""


def represent(x: npt.ArrayLike, labels: npt.ArrayLike, *, seed: int = 0) -> tuple[MLP, Array]:
    """Build a network with one hidden layer of sign units that has these labels at these points (slides on Kawaguchi 2016, "Multilayer perceptrons").

    Along a direction in which no two points have the same coordinate, a unit stands between any two neighbours, and is weighted with half
    the change of the label. The units are tanh, so steep that they are −1 or 1 at every point in float64.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Different points, n >= 2.
    labels : array_like of −1 and 1, shape (n,) or (functions, n)
        One function, or many.
    seed : int, default 0
        Of the direction.

    Returns
    -------
    net : MLP
        With n − 1 hidden units.
    theta : ndarray, shape (d,) or (functions, d)
        Its parameters.

    Raises
    ------
    ValueError
        If two points are the same, a label is neither −1 nor 1, or a shape is wrong.

    Examples
    --------
    >>> net, theta = represent([[0, 0], [0, 1], [1, 0], [1, 1]], [-1, 1, 1, -1])
    >>> net.predict(theta, [[0, 0], [0, 1], [1, 0], [1, 1]])[:, 0]
    array([-1.,  1.,  1., -1.])
    """
    points = check_float_array("x", x, dtype=np.float64, ndim=2, integers=True)
    wanted = check_float_array("labels", labels, dtype=np.float64, ndim=(1, 2), integers=True)
    if len(points) < 2 or wanted.shape[-1] != len(points):
        raise ValueError(
            f"x must hold at least two points, and labels one for each (got shapes {points.shape} and {wanted.shape})"
        )
    if len(np.unique(points, axis=0)) < len(points):
        raise ValueError("x must hold different points")
    if (np.abs(wanted) != 1).any():
        raise ValueError("labels must be -1 and 1")
    direction = np.random.default_rng(check_seed(seed)).standard_normal(points.shape[1])
    places = points @ direction
    order = np.argsort(places)
    gaps: Array = np.diff(places[order])
    steep: Array = np.asarray(2 * SATURATED / gaps)
    middles = places[order][:-1] + gaps / 2
    sorted_labels = np.atleast_2d(wanted)[:, order]
    net = MLP([points.shape[1], len(points) - 1, 1])
    functions = len(sorted_labels)
    first = np.broadcast_to(steep[:, None] * direction, (functions, len(steep), points.shape[1]))
    thresholds = np.broadcast_to(-steep * middles, (functions, len(steep)))
    last = np.diff(sorted_labels)[:, None, :] / 2
    offset = (sorted_labels[:, :1] + sorted_labels[:, -1:]) / 2
    theta = np.asarray(
        net.flatten([(np.ascontiguousarray(first), np.ascontiguousarray(thresholds)), (last, offset)]), np.float64
    )
    return net, theta[0] if wanted.ndim == 1 else theta


def truth_tables(inputs: int) -> tuple[Array, Array]:
    """Return the corners of the cube and every function of them.

    Parameters
    ----------
    inputs : int
        k.

    Returns
    -------
    corners : ndarray, shape (2^k, k)
        Of −1 and 1.
    tables : ndarray, shape (2^(2^k), 2^k)
        Of −1 and 1.

    Examples
    --------
    >>> corners, tables = truth_tables(2)
    >>> corners.shape, tables.shape
    ((4, 2), (16, 4))
    """
    corners = np.array(list(product((-1.0, 1.0), repeat=inputs)))
    numbers = np.arange(2 ** len(corners))
    bits = (numbers[:, None] >> np.arange(len(corners))) & 1
    return corners, np.asarray(2.0 * bits - 1)
