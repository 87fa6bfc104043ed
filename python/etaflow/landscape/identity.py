"""Whether two points are the same but for the order, the signs and the scales of hidden units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_float_array
from etaflow.landscape.symmetry_groups import HOMOGENEOUS, entering_norms, flips, rearrange, rescale, split

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.landscape.symmetry_groups import Layers
    from etaflow.problem.network import MLP

SWEEPS = 20


def symmetry_distance(net: MLP, a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Return the distance of two parameter vectors after the hidden units of one are matched to those of the other.

    Units of a layer may change places; those of an odd activation, and logistic ones before a bias, their signs
    (Sussmann 1992 for tanh: there are no other symmetries in general); and those of ReLU, leaky ReLU or the identity
    their scales. Each layer's best matching is an assignment problem, solved exactly.

    Parameters
    ----------
    net : MLP
        The network.
    a, b : array_like, shape (d,)
        The parameters.

    Returns
    -------
    float
        The smallest ‖a − T(b)‖ that was found over the symmetries T. With one hidden layer of softplus, gelu, tanh,
        arctan or sin it is the smallest there is. Otherwise it is an upper bound, 0 for copies in general position:
        layers are matched in turn, first by the weights that come in, then by all; and a unit that can be rescaled
        comes as it is or with the norm of the entering weights that its partner has.

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
    target, start = split(net, first), split(net, second)
    pair = _Pair(net, target)
    candidates = [start, *pair.matchings(start)]
    if any(activation.name in HOMOGENEOUS for activation in net.activations[:-1]):
        candidates.extend(_rescaled(net, target, start))
    return min(_distance(target, one) for one in candidates)


def _rescaled(net: MLP, target: Layers, start: Layers) -> list[Layers]:
    # Units are matched with the norm 1 of all entering weights on both sides, and then get the norms of their partners.
    scaled = [layer for layer, activation in enumerate(net.activations[:-1]) if activation.name in HOMOGENEOUS]
    factors = []
    for layer in scaled:
        norms = entering_norms(target, layer)
        factors.append((layer, norms))
        target = rescale(target, layer, 1 / norms)
        start = rescale(start, layer, 1 / entering_norms(start, layer))
    found = _Pair(net, target).matchings(start)
    for layer, norms in factors[::-1]:
        found = [rescale(one, layer, norms) for one in found]
    return found


def _distance(one: Layers, other: Layers) -> float:
    squares = [np.sum((w - v) ** 2) + np.sum((b - c) ** 2) for (w, b), (v, c) in zip(one, other, strict=True)]
    return float(np.sqrt(np.sum(squares)))


@dataclass(frozen=True)
class _Pair:
    """Matches the hidden units of a network with those of a target."""

    net: MLP
    target: Layers

    def matchings(self, start: Layers) -> list[Layers]:
        first = start
        for layer in range(len(start) - 1):
            first = self._matched(first, layer, outgoing=False)
        return [self._improve(first), self._improve(start)]

    def _improve(self, layers: Layers) -> Layers:
        for _ in range(SWEEPS):
            before = _distance(self.target, layers)
            for layer in range(len(layers) - 1):
                layers = self._matched(layers, layer, outgoing=True)
            if not _distance(self.target, layers) < before:
                break
        return layers

    def _matched(self, layers: Layers, layer: int, *, outgoing: bool) -> Layers:
        from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - slow to import

        activation = self.net.activations[layer]
        signs = flips(self.net, activation)
        wanted, given = _units(self.target, layer, outgoing), _units(layers, layer, outgoing)
        products = wanted @ given.T
        lengths = np.sum(wanted**2, axis=1)[:, None] + np.sum(given**2, axis=1)
        rows, order = linear_sum_assignment(lengths - 2 * (np.abs(products) if signs else products))
        sign = np.where(products[rows, order] < 0, -1.0, 1.0) if signs else np.ones(len(order))
        return rearrange(layers, layer, order, sign, shifted=activation.name == "logistic")


def _units(layers: Layers, layer: int, outgoing: bool) -> FloatArray:
    # One row for each unit of the layer: all its weights.
    (w, b), (v, _) = layers[layer], layers[layer + 1]
    return np.hstack([w, b[:, None], v.T] if outgoing else [w, b[:, None]])
