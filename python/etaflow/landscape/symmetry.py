"""The symmetries of a network: changes of θ that change no prediction, for whatever input."""

from __future__ import annotations

from math import factorial
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_ndim
from etaflow.landscape.identity import symmetry_distance
from etaflow.landscape.symmetry_groups import HOMOGENEOUS, entering_norms, flips, join, rearrange, rescale, split
from etaflow.problem.network import MLP

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow._checks import FloatArray, IntArray
    from etaflow.landscape.symmetry_groups import Layers

__all__ = ["canonical", "orbit_size", "symmetry_distance"]

TIE = 1e-7
"""Weights that differ by less than this share of the largest of their column count as equal when units are put in order."""


def canonical(net: MLP, theta: npt.ArrayLike) -> FloatArray:
    r"""Return the representative of θ's orbit under the symmetries of the network.

    Layer by layer: a unit of ReLU, leaky ReLU or the identity is rescaled so that what enters it, weights and bias, has
    norm 1 (Fleischmann 2021, section 3.3); a unit of an odd activation (tanh, arctan, sin, the identity) gets the sign
    with which the largest of what enters it is positive (Sussmann 1992), and so does one of the logistic function, 1 −
    σ(z) = σ(−z), if the network has biases; then the units are sorted by what enters them, the first weight first. Two
    points in general position are the same by these symmetries if and only if their representatives agree to rounding.

    Parameters
    ----------
    net : MLP
        The network.
    theta : array_like, shape (d,) or (runs, d)
        The parameters.

    Returns
    -------
    ndarray, shape (d,) or (runs, d)
        A copy with the same predictions, to rounding.

    Raises
    ------
    TypeError
        If `net` is no network.
    ValueError
        If `theta` has the wrong length, NaN or Inf.

    Notes
    -----
    Weights that agree to 1e-7 of the largest of their column count as equal, so that rounding does not decide an order.
    Not divided out: units with equal entering weights, or dead ones, whose leaving weights can be shared out in a
    continuum of ways; invertible matrices between linear layers beyond these; the periods of sin.

    Examples
    --------
    >>> import etaflow as ef
    >>> net = ef.MLP([1, 2, 1])
    >>> ef.symmetry.canonical(net, [3, -1, 5, 6, 7, 8, 9])  # tanh(3x + 5) and tanh(−x + 6), the latter with weight 8
    array([-1.,  3.,  6.,  5.,  8.,  7.,  9.])
    >>> ef.symmetry.canonical(net, [1, 3, -6, 5, -8, 7, 9])
    array([-1.,  3.,  6.,  5.,  8.,  7.,  9.])
    """
    if not isinstance(net, MLP):
        raise TypeError(f"net must be an MLP (got {net!r}, a {type(net).__name__})")
    parameters = net.check_theta(theta)
    check_ndim("theta", parameters, (1, 2))
    rows = [_canonical(net, row) for row in np.atleast_2d(parameters)]
    return rows[0] if parameters.ndim == 1 else np.stack(rows)


def orbit_size(net: MLP) -> int:
    r"""Return how many copies of a point in general position the discrete symmetries of the network make.

    Π_ℓ d_ℓ! over the hidden layers, times 2^{d_ℓ} for each whose activation is odd (tanh, arctan, sin, identity) or
    logistic with biases in the network. With L layers of weights and equal widths d that is (d!)^{L−1}·2^{d(L−1)} for
    tanh: Fleischmann 2021, section 3.3, prints (d!)^L, counting the output layer too, and leaves out the signs.
    Continuous families, as the rescaling of ReLU units, are not counted: each copy is then one such family.

    Parameters
    ----------
    net : MLP
        The network.

    Returns
    -------
    int
        The number.

    Raises
    ------
    TypeError
        If `net` is no network.

    Examples
    --------
    >>> import etaflow as ef
    >>> ef.symmetry.orbit_size(ef.MLP([2, 3, 1]))  # 3!·2³
    48
    >>> ef.symmetry.orbit_size(ef.MLP([2, 3, 3, 1], activation="relu"))  # 3!·3!
    36
    """
    if not isinstance(net, MLP):
        raise TypeError(f"net must be an MLP (got {net!r}, a {type(net).__name__})")
    size = 1
    for width, activation in zip(net.widths[1:-1], net.activations, strict=False):
        size *= factorial(width) * (2**width if flips(net, activation) else 1)
    return size


def _canonical(net: MLP, theta: FloatArray) -> FloatArray:
    layers = split(net, theta)
    for layer, activation in enumerate(net.activations[:-1]):
        if activation.name in HOMOGENEOUS:
            layers = rescale(layers, layer, 1 / entering_norms(layers, layer))
        if flips(net, activation):
            signs = _signs(layers, layer)
            layers = rearrange(layers, layer, np.arange(len(signs)), signs, shifted=activation.name == "logistic")
        order = _order(np.column_stack(layers[layer]), layers[layer + 1][0])
        layers = rearrange(layers, layer, order, np.ones_like(layers[layer][1]))
    return join(net, layers)


def _signs(layers: Layers, layer: int) -> FloatArray:
    entering = np.column_stack(layers[layer])
    size = np.abs(entering)
    first_largest = np.argmax(size >= (1 - TIE) * size.max(axis=1, keepdims=True), axis=1)
    decisive = np.take_along_axis(entering, first_largest[:, None], axis=1)[:, 0]
    return np.where(decisive < 0, -1, 1).astype(entering.dtype)


def _order(entering: FloatArray, leaving: FloatArray) -> IntArray:
    # Ties are broken by what leaves, in an order that does not depend on that of the next layer's units.
    columns = [*entering.T, *np.sort(np.abs(leaving), axis=0), *np.sort(leaving, axis=0)]
    return np.lexsort([_ranks(column) for column in reversed(columns)])


def _ranks(column: FloatArray) -> IntArray:
    # The same rank for neighbours that agree: unlike rounding to a grid this cannot part two that are next to each other.
    order = np.argsort(column)
    gaps = np.diff(column[order]) > TIE * np.abs(column).max()
    ranks = np.empty(len(column), np.int64)
    ranks[order] = np.concatenate([[0], np.cumsum(gaps)])
    return ranks


def __dir__() -> list[str]:
    return __all__
