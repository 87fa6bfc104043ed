"""Directions along which f cannot change, because the network's continuous symmetries move θ along them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow.landscape.symmetry_groups import HOMOGENEOUS, join, split

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.landscape.symmetry_groups import Layers
    from etaflow.problem.network import MLP
    from etaflow.problem.objective import Objective


def across(objective: Objective, theta: FloatArray, more: FloatArray | None = None) -> FloatArray:
    r"""Return a basis of the directions across the continuum of points that compute the same as θ.

    The continuum: a factor can move from what enters a ReLU unit to what leaves it (Fleischmann 2021, section 3.3), and an
    invertible matrix from a linear layer to the next (Baldi and Hornik 1989). A penalty l2 breaks both.

    Parameters
    ----------
    objective : Objective
        With the network.
    theta : ndarray, shape (d,)
        The point.
    more : ndarray, shape (d, k), optional
        Further directions along which f is known to be constant.

    Returns
    -------
    ndarray, shape (d, m)
        Orthonormal columns, m = d less the dimension of the continuum.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1, 1], activation="relu", bias=False), [[1.0]], [1.0])
    >>> (np.abs(across(f, np.array([1.0, 3.0]))) * 10**0.5).round(12)  # f depends on w₁w₂ alone
    array([[3.],
           [1.]])
    """
    tangents = _tangents(objective.net, theta) if objective.l2 == 0 else np.zeros((len(theta), 0))
    if more is not None:
        tangents = np.hstack([tangents, more])
    if tangents.shape[1] == 0:
        return np.eye(len(theta))
    vectors, sizes, _ = np.linalg.svd(tangents)
    rank = int((sizes > 1e-10 * max(sizes[0], np.finfo(np.float64).tiny)).sum())
    return vectors[:, rank:]


def _tangents(net: MLP, theta: FloatArray) -> FloatArray:
    layers = split(net, np.asarray(theta, np.float64))
    moved = []
    for layer, activation in enumerate(net.activations[:-1]):
        width = net.widths[layer + 1]
        if activation.name == "identity":
            moved += [_moved(layers, layer, i, j) for i in range(width) for j in range(width)]
        elif activation.name in HOMOGENEOUS:
            moved += [_moved(layers, layer, i, i) for i in range(width)]
    return np.array([join(net, one) for one in moved]).reshape(len(moved), len(theta)).T


def _moved(layers: Layers, layer: int, i: int, j: int) -> Layers:
    # The tangent of W → e^{tA}W, W' → W'e^{−tA} at t = 0, with A the matrix that has a 1 at (i, j).
    zero = [(np.zeros_like(w), np.zeros_like(b)) for w, b in layers]
    (w, b), (after, _) = layers[layer], layers[layer + 1]
    zero[layer][0][i], zero[layer][1][i] = w[j], b[j]
    zero[layer + 1][0][:, j] = -after[:, i]
    return zero
