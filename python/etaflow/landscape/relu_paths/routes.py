"""The activation variables of distinct routes through the ReLUs, over data or over random networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_float_array
from etaflow.landscape.relu_paths.structure import blocks, check_point, check_relu, iterate, on_or_off
from etaflow.problem.network import MLP

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow._checks import IntArray

    Array = npt.NDArray[np.float64]
    Bools = npt.NDArray[np.bool_]

MOST = 5_000_000
"""So many routes are listed at most."""


def relu_layers(net: MLP) -> list[int]:
    """Return the numbers, from 1, of the layers with ReLUs.

    Returns
    -------
    list of int
        Without the linear layers.
    """
    return [layer for layer, one in enumerate(net.activations, start=1) if one.name == "relu"]


def routes(net: MLP) -> IntArray:
    """Return the distinct ways through the ReLUs: paths on the same one have the same A, whatever their input and output.

    Returns
    -------
    ndarray of int64, shape (R, number of ReLU layers)
        Units; d_ℓ where a path is still in a bias.

    Raises
    ------
    ValueError
        If no layer has ReLUs, or there are too many routes.
    """
    layers = relu_layers(check_relu(net))
    if not layers:
        raise ValueError(f"net must have a layer of ReLUs (got {net!r})")
    # inputs, and linear layers, make copies only
    widths = [net.widths[layer] if layer in layers else 1 for layer in range(len(net.widths))]
    *hidden, output = net.activations
    slim = MLP(widths, activation=hidden, output=output, bias=net.bias)
    number = sum(size for _, size in blocks(slim))
    if number > MOST:
        raise ValueError(f"net must have at most {MOST:,} routes through its ReLUs (got {number:,} of {net!r})")
    units = np.concatenate(list(iterate(slim)))[:, layers]
    inside = (units < np.array([net.widths[layer] for layer in layers])).any(axis=1)
    return np.unique(units[inside], axis=0)


def sample(net: MLP, theta: npt.ArrayLike, x: npt.ArrayLike, over: str, units: IntArray) -> tuple[Bools, Array | None]:
    """Return the activation variables of routes, and the inputs they may depend on.

    Parameters
    ----------
    net : MLP
        A ReLU network.
    theta : array_like, shape (d,) or (runs, d)
        One network, or many.
    x : array_like, shape (n, d_0)
        The data; one observation if there are many networks.
    over : {"data", "networks"}
        What varies.
    units : ndarray of int64, shape (R, number of ReLU layers)
        The routes.

    Returns
    -------
    active : ndarray of bool, shape (m, R)
        A.
    inputs : ndarray, shape (m, d_0), or None
        X; None over networks, where it is fixed.

    Raises
    ------
    ValueError
        If θ and x do not fit to what varies.
    """
    if over == "data":
        parameters, inputs = check_point(net, theta, x)
        return _active(net, on_or_off(net, parameters, inputs), units), inputs
    networks = net.check_theta(check_float_array("theta", theta, ndim=2))
    _, inputs = check_point(net, networks[0], x)
    if len(inputs) != 1:
        raise ValueError(f'x must be one observation for over="networks" (got {len(inputs)})')
    rows = [_active(net, on_or_off(net, one, inputs), units) for one in networks]
    return np.concatenate(rows), None


def _active(net: MLP, states: list[Bools], units: IntArray) -> Bools:
    active = np.ones((len(states[0]), len(units)), np.bool_)
    for column, layer in enumerate(relu_layers(net)):
        constant = np.ones((len(active), 1), np.bool_)
        active &= np.hstack([states[layer][:, : net.widths[layer]], constant])[:, units[:, column]]
    return active
