"""Whether two points are the same but for the order and the signs of hidden units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_float_array

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.problem.network import MLP

    Layers = list[tuple[FloatArray, FloatArray]]

ODD = ("identity", "tanh", "arctan", "sin")
"""Activations with σ(−z) = −σ(z): a unit whose weights all change their sign computes the same."""

SWEEPS = 20


def symmetry_distance(net: MLP, a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Return the distance of two parameter vectors after the hidden units of one are matched to those of the other.

    Units of a layer may change places, and those of an odd activation their signs, without a change of any prediction
    (Sussmann 1992 for tanh: there are no other symmetries in general). Each layer's best matching is an assignment problem,
    solved exactly.

    Parameters
    ----------
    net : MLP
        The network.
    a, b : array_like, shape (d,)
        The parameters.

    Returns
    -------
    float
        The smallest ‖a − T(b)‖ over the symmetries T. With one hidden layer that is exact; with more layers they are matched in
        turn, first by the weights that come in, then by all, and the distance is an upper bound: 0 for copies in general
        position.

    Raises
    ------
    ValueError
        If a vector has the wrong length.

    Examples
    --------
    >>> import etaflow as ef
    >>> net = ef.MLP([1, 2, 1])
    >>> symmetry_distance(net, [1, 2, 3, 4, 5, 6, 7], [-2, 1, -4, 3, -6, 5, 7])
    0.0
    """
    first, second = (check_float_array(name, one, shape=(net.num_params,)) for name, one in (("a", a), ("b", b)))
    target, start = _layers(net, first), _layers(net, second)
    odd = [activation.name in ODD for activation in net.activations[:-1]]
    candidates = [_improve(target, _match_incoming(target, start, odd), odd), _improve(target, start, odd)]
    return min(float(np.linalg.norm(first - second)), *(_distance(target, one) for one in candidates))


def _layers(net: MLP, theta: FloatArray) -> Layers:
    return [(np.array(w), np.zeros(len(w)) if b is None else np.array(b)) for w, b in net.layers(theta)]


def _distance(one: Layers, other: Layers) -> float:
    squares = [np.sum((w - v) ** 2) + np.sum((b - c) ** 2) for (w, b), (v, c) in zip(one, other, strict=True)]
    return float(np.sqrt(np.sum(squares)))


def _match_incoming(target: Layers, layers: Layers, odd: list[bool]) -> Layers:
    for layer, signs in enumerate(odd):
        layers = _matched(target, layers, layer, signs, outgoing=False)
    return layers


def _improve(target: Layers, layers: Layers, odd: list[bool]) -> Layers:
    for _ in range(SWEEPS):
        before = _distance(target, layers)
        for layer, signs in enumerate(odd):
            layers = _matched(target, layers, layer, signs, outgoing=True)
        if not _distance(target, layers) < before:
            break
    return layers


def _matched(target: Layers, layers: Layers, layer: int, signs: bool, *, outgoing: bool) -> Layers:
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - slow to import

    wanted, given = _units(target, layer, outgoing), _units(layers, layer, outgoing)
    products, lengths = wanted @ given.T, np.sum(wanted**2, axis=1)[:, None] + np.sum(given**2, axis=1)
    cost = lengths - 2 * (np.abs(products) if signs else products)
    rows, order = linear_sum_assignment(cost)
    sign = np.where(products[rows, order] < 0, -1.0, 1.0) if signs else np.ones(len(order))
    (w, b), (v, c) = layers[layer], layers[layer + 1]
    return [
        *layers[:layer],
        (sign[:, None] * w[order], sign * b[order]),
        (v[:, order] * sign, c),
        *layers[layer + 2 :],
    ]


def _units(layers: Layers, layer: int, outgoing: bool) -> FloatArray:
    # One row for each unit of the layer: all its weights.
    (w, b), (v, _) = layers[layer], layers[layer + 1]
    return np.hstack([w, b[:, None], v.T] if outgoing else [w, b[:, None]])
