"""The paths of a network: how many there are, and which is which."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow._checks import check_positive_int
from etaflow.problem.network import MLP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etaflow._checks import IntArray

    Array = npt.NDArray[np.float64]

CHUNK = 65_536

HIDDEN = ("relu", "identity")


def count(net: MLP) -> int:
    """Return the number of paths from an input, or from a bias, to an output.

    A path takes one unit of every layer: d_0·d_1·…·d_L paths begin at an input, d_ℓ·…·d_L at the biases of layer ℓ.

    Parameters
    ----------
    net : MLP
        A ReLU network.

    Returns
    -------
    int
        The number, exact however large it is.

    Raises
    ------
    ValueError
        If an activation is neither ReLU nor the identity.

    Examples
    --------
    >>> import etaflow as ef
    >>> ef.relu_paths.count(ef.MLP([3, 4, 5, 2], activation="relu", bias=False))
    120
    >>> ef.relu_paths.count(ef.MLP([3, 4, 5, 2], activation="relu"))
    172
    """
    return sum(size for _, size in blocks(check_relu(net)))


def iterate(net: MLP, *, chunk: int = CHUNK) -> Iterator[IntArray]:
    """Go through all paths, a chunk at a time, without ever holding them all.

    Parameters
    ----------
    net : MLP
        A ReLU network.
    chunk : int, default 65 536
        How many paths at once.

    Returns
    -------
    iterator of ndarray of int64, shape (k, L + 1)
        For every path its unit in the layers 0, …, L. Where a path is still in a bias, before the layer that it enters, the number is d_ℓ, one
        past the last unit: the constant node x_0 = 1 of the slides. Inputs come first, then the biases of layer 1, 2, …

    Raises
    ------
    ValueError
        If an activation is neither ReLU nor the identity.

    Examples
    --------
    >>> import etaflow as ef
    >>> net = ef.MLP([2, 2, 1], activation="relu", bias=False)
    >>> next(ef.relu_paths.iterate(net)).tolist()
    [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]
    """
    check_relu(net)
    size = check_positive_int("chunk", chunk)
    return _chunks(net, size)


def _chunks(net: MLP, size: int) -> Iterator[IntArray]:
    for constants, number in blocks(net):
        for begin in range(0, number, size):
            yield unrank(net, constants, begin, min(size, number - begin))


def check_relu(net: MLP) -> MLP:
    """Return the network if it is one of ReLUs.

    Returns
    -------
    MLP
        The same.

    Raises
    ------
    TypeError
        If it is no network.
    ValueError
        If an activation is neither ReLU nor the identity.
    """
    if not isinstance(net, MLP):
        raise TypeError(f"net must be an MLP (got {net!r})")
    wrong = [one.name for one in net.activations if one.name not in HIDDEN]
    if wrong:
        raise ValueError(
            f"net must have ReLU or identity activations, for a path to be on or off (got {wrong[0]!r} in {net!r})"
        )
    return net


def blocks(net: MLP) -> list[tuple[int, int]]:
    """Return the groups of paths with the same number of constant nodes.

    Returns
    -------
    list of (int, int)
        How many layers, from the input on, the paths spend in constant nodes; and how many paths there are.
    """
    inputs = [(0, math.prod(net.widths))]
    biases = [(layer, math.prod(net.widths[layer:])) for layer in range(1, len(net.widths))]
    return inputs + (biases if net.bias else [])


def unrank(net: MLP, constants: int, begin: int, number: int) -> IntArray:
    """Return the paths `begin`, …, `begin` + `number` − 1 of a group, in lexicographic order.

    Returns
    -------
    ndarray of int64, shape (number, L + 1)
        As in `iterate`.
    """
    out = np.empty((number, len(net.widths)), np.int64)
    out[:, :constants] = net.widths[:constants]
    carry, start = np.arange(number, dtype=np.int64), begin  # start may exceed 64 bits; carry does not
    for layer in range(len(net.widths) - 1, constants - 1, -1):
        total = start % net.widths[layer] + carry
        out[:, layer], carry = total % net.widths[layer], total // net.widths[layer]
        start //= net.widths[layer]
    return out


def augmented(net: MLP, theta: npt.NDArray[np.floating]) -> list[Array]:
    """Return the layers' matrices [[W, b], [0, 1]], of shape (d_ℓ + 1, d_{ℓ−1} + 1), or W alone without biases.

    Returns
    -------
    list of ndarray
        In float64.
    """
    matrices = []
    for weights, bias in net.layers(theta):
        rows, columns = weights.shape
        if bias is None:
            matrices.append(weights.astype(np.float64))
            continue
        matrix = np.zeros((rows + 1, columns + 1))
        matrix[:rows, :columns], matrix[:rows, columns], matrix[rows, columns] = weights, bias, 1
        matrices.append(matrix)
    return matrices


def on_or_off(net: MLP, theta: npt.NDArray[np.floating], x: Array) -> list[npt.NDArray[np.bool_]]:
    """Return which nodes are on, layer by layer: z > 0 for ReLU, always for the identity and for constant nodes.

    Returns
    -------
    list of ndarray of bool, shape (n, d_ℓ + bias)
        For the layers 0, …, L; the inputs are always on.
    """
    constant = np.ones((len(x), 1))
    nodes = np.hstack([x, constant]) if net.bias else x
    states = [np.ones(nodes.shape, np.bool_)]
    for matrix, activation in zip(augmented(net, theta), net.activations, strict=True):
        z = nodes @ matrix.T
        on = (z > 0) if activation.name == "relu" else np.ones(z.shape, np.bool_)
        on[:, net.shapes[len(states) - 1][0] :] = True
        nodes = z * on
        states.append(on)
    return states


def rate(net: MLP, theta: npt.ArrayLike, x: npt.ArrayLike) -> float:
    """Return ρ̂, the share of the variables A_ij that are 1, over all paths and observations, without going through the paths.

    The active paths of an observation are a product set: any unit that is on in every layer.

    Parameters
    ----------
    net : MLP
        A ReLU network.
    theta : array_like, shape (d,)
        The parameters.
    x : array_like, shape (n, d_0)
        The inputs.

    Returns
    -------
    float
        Between 0 and 1. A path through no ReLU, as from the output's bias, does not count.

    Examples
    --------
    >>> import etaflow as ef
    >>> net = ef.MLP([1, 2, 1], activation="relu", bias=False)
    >>> ef.relu_paths.rate(net, [1.0, -1.0, 1.0, 1.0], [[3.0], [-2.0]])
    0.5
    """
    parameters, inputs = check_point(net, theta, x)
    states = on_or_off(net, parameters, inputs)
    active, possible = 0.0, 0.0
    for constants, number in blocks(net):
        if not any(one.name == "relu" for one in net.activations[max(constants - 1, 0) :]):
            continue
        # each layer's share that is on, so that no product overflows
        shares = [states[layer][:, : net.widths[layer]].mean(axis=1) for layer in range(constants, len(net.widths))]
        active += float(np.prod(shares, axis=0).mean()) * number
        possible += number
    return active / possible if possible else 1.0


def check_point(net: MLP, theta: npt.ArrayLike, x: npt.ArrayLike) -> tuple[Array, Array]:
    """Return one θ and the inputs, checked, in float64.

    Returns
    -------
    tuple of two ndarray
        Of shape (d,) and (n, d_0).

    Raises
    ------
    ValueError
        If θ is not of this network or not one, or x does not fit.
    """
    from etaflow.problem.observations import check_inputs  # noqa: PLC0415 - only where there are inputs

    parameters = check_relu(net).check_theta(theta)
    if parameters.ndim != 1:
        raise ValueError(f"theta must be one point of shape ({net.num_params},) (got shape {parameters.shape})")
    return parameters.astype(np.float64), check_inputs(net, x, parameters.dtype).astype(np.float64)
