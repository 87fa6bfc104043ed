"""What can be done to the hidden units of one layer without a change of any prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from etaflow._checks import FloatArray

if TYPE_CHECKING:
    from etaflow._checks import IntArray
    from etaflow.problem.activations import Activation
    from etaflow.problem.network import MLP

Layers: TypeAlias = list[tuple[FloatArray, FloatArray]]
"""(W, b) of every layer; b is 0 in a network without biases."""

ODD = ("identity", "tanh", "arctan", "sin")
"""Activations with σ(−z) = −σ(z): a unit whose weights all change their sign computes the same."""

HOMOGENEOUS = ("relu", "leaky_relu", "identity")
"""Activations with σ(cz) = cσ(z) for c > 0: a factor can move from the weights that enter a unit to those that leave it."""


def flips(net: MLP, activation: Activation) -> bool:
    """Return whether a hidden unit's weights can all change their sign without a change of any prediction.

    Returns
    -------
    bool
        True for an odd activation; and for the logistic one, 1 − σ(z) = σ(−z), if the next layer has a bias for the 1.
    """
    return activation.name in ODD or (activation.name == "logistic" and net.bias)


def split(net: MLP, theta: FloatArray) -> Layers:
    """Return copies of the weights and biases of one parameter vector.

    Returns
    -------
    list of (W, b)
        One pair per layer.
    """
    return [(np.array(w), np.zeros_like(w[:, 0]) if b is None else np.array(b)) for w, b in net.layers(theta)]


def join(net: MLP, layers: Layers) -> FloatArray:
    """Return the parameter vector of these layers: the inverse of `split`.

    Returns
    -------
    ndarray, shape (d,)
        The parameters.
    """
    return net.flatten([(w, b if net.bias else None) for w, b in layers])


def entering_norms(layers: Layers, layer: int) -> FloatArray:
    """Return the norms of the weights that enter the units of a layer, biases included; 1 where it is 0.

    Returns
    -------
    ndarray, shape (d_ℓ,)
        The norms.
    """
    w, b = layers[layer]
    norms: FloatArray = np.linalg.norm(np.column_stack([w, b]), axis=1)
    norms[norms == 0] = 1
    return norms


def rescale(layers: Layers, layer: int, factors: FloatArray) -> Layers:
    """Multiply what enters the units of a layer, and divide what leaves them: allowed for `HOMOGENEOUS` activations.

    Returns
    -------
    list of (W, b)
        New layers.
    """
    (w, b), (v, c) = layers[layer], layers[layer + 1]
    return [*layers[:layer], (w * factors[:, None], b * factors), (v / factors, c), *layers[layer + 2 :]]


def rearrange(layers: Layers, layer: int, order: IntArray, sign: FloatArray, *, shifted: bool = False) -> Layers:
    """Put the units of a layer into another order, and then change the signs of some.

    Parameters
    ----------
    layers : list of (W, b)
        The layers.
    layer : int
        Which.
    order : ndarray of int, shape (d_ℓ,)
        Where each unit comes from.
    sign : ndarray, shape (d_ℓ,)
        1 or −1 for each unit in the new order.
    shifted : bool, default False
        Whether the activation is the logistic one: what leaves is taken from the next bias.

    Returns
    -------
    list of (W, b)
        New layers.
    """
    (w, b), (v, c) = layers[layer], layers[layer + 1]
    leaving = v[:, order]
    if shifted:
        c = c + leaving @ (sign < 0).astype(c.dtype)
    return [*layers[:layer], (sign[:, None] * w[order], sign * b[order]), (leaving * sign, c), *layers[layer + 2 :]]
