"""A ReLU network as a sum over its paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_positive_int
from etaflow.landscape.relu_paths.structure import CHUNK, augmented, check_point, count, iterate, on_or_off

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow._checks import IntArray
    from etaflow.problem.network import MLP

    Array = npt.NDArray[np.float64]

LIMIT = 50_000_000
"""So many activation variables are held at most."""


@dataclass(frozen=True, eq=False, repr=False)
class Paths:
    """All paths of a network at one θ, made by `paths`.

    Attributes
    ----------
    net : MLP
        The network.
    units : ndarray of int64, shape (P, L + 1)
        The unit of every path in every layer, as in `iterate`.
    products : ndarray, shape (P,)
        The product of the path's L = H + 1 weights.
    inputs : ndarray, shape (n, P)
        X_i of the path's input; 1 for a bias.
    active : ndarray of bool, shape (n, P)
        A_ij: whether all units of the path are on.
    """

    net: MLP
    units: IntArray
    products: Array
    inputs: Array
    active: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of paths.

        Returns
        -------
        int
            P.
        """
        return len(self.units)

    def total(self) -> Array:
        """Return Σ X_i·A_ij·∏w over the paths to every output: what the network predicts.

        Returns
        -------
        ndarray, shape (n, d_L)
            The sum.
        """
        terms = self.inputs * self.active * self.products
        ends = self.units[:, -1]
        return np.stack([terms[:, ends == one].sum(axis=1) for one in range(self.net.widths[-1])], axis=1)

    def through_relu(self) -> npt.NDArray[np.bool_]:
        """Return which paths pass a ReLU at all; the others are always active.

        Returns
        -------
        ndarray of bool, shape (P,)
            False for the paths from biases above the last ReLU.
        """
        layers = [at for at, one in enumerate(self.net.activations, start=1) if one.name == "relu"]
        widths = np.array(self.net.widths)[layers]
        return np.asarray((self.units[:, layers] < widths).any(axis=1))

    def __repr__(self) -> str:
        """Return how many paths there are and how many are active.

        Returns
        -------
        str
            One line.
        """
        observations = f"{len(self.active)} observation{'s' * (len(self.active) != 1)}"
        return f"Paths({len(self)} paths of {self.net!r}, {observations}, {self.active.mean():.1%} active)"


def paths(net: MLP, theta: npt.ArrayLike, x: npt.ArrayLike, *, limit: int = LIMIT) -> Paths:
    """Write a ReLU network as a sum over paths (Kawaguchi 2016, in the slides "Deep Learning without Poor Local Minima").

    Ŷ = Σ_i Σ_j X_i·A_ij·∏_{k=1}^{H+1} w_ij^(k): over inputs i and the paths j from there, A_ij is 1 if all ReLUs of the path are on. The slides
    let the product end at H, which forgets a layer: H hidden layers have H + 1 weight matrices. Their factor q is 1 here. Biases are paths
    that begin at a constant 1.

    Parameters
    ----------
    net : MLP
        With ReLU (or identity) activations.
    theta : array_like, shape (d,)
        The parameters.
    x : array_like, shape (n, d_0)
        The inputs.
    limit : int, default 50 000 000
        The most variables A, n·P, that are made.

    Returns
    -------
    Paths
        Units, products of weights, inputs and activation variables.

    Raises
    ------
    ValueError
        If there are more; the message says how many. `iterate` and `forward` need no room for all.

    Examples
    --------
    >>> import etaflow as ef
    >>> net = ef.MLP([1, 2, 1], activation="relu", bias=False)
    >>> found = ef.relu_paths.paths(net, [1.0, -1.0, 5.0, 7.0], [[3.0], [-2.0]])
    >>> found.products.tolist(), found.active.tolist()
    ([5.0, -7.0], [[True, False], [False, True]])
    >>> found.total().ravel().tolist()
    [15.0, 14.0]
    """
    parameters, inputs = check_point(net, theta, x)
    most, number = check_positive_int("limit", limit), count(net)
    if number * len(inputs) > most:
        raise ValueError(
            f"net has {number:,} paths, with {len(inputs):,} observations {number * len(inputs):,} activation variables, more than limit "
            f"{most:,}: use fewer observations, relu_paths.iterate or relu_paths.forward"
        )
    units = np.concatenate(list(iterate(net)))
    return Paths(net, units, *_of(net, parameters, inputs, units))


def forward(net: MLP, theta: npt.ArrayLike, x: npt.ArrayLike, *, chunk: int = CHUNK) -> Array:
    """Sum over all paths a chunk at a time: the network's prediction, by another way.

    Parameters
    ----------
    net, theta, x
        As in `paths`.
    chunk : int, default 65 536
        How many paths at once.

    Returns
    -------
    ndarray, shape (n, d_L)
        Equal to ``net.predict(theta, x)`` but for rounding.

    Examples
    --------
    >>> import etaflow as ef
    >>> net = ef.MLP([2, 3, 1], activation="relu")
    >>> theta = net.init(seed=0)
    >>> bool(abs(ef.relu_paths.forward(net, theta, [[1.0, 2.0]]) - net.predict(theta, [[1.0, 2.0]])) < 1e-13)
    True
    """
    parameters, inputs = check_point(net, theta, x)
    out = np.zeros((len(inputs), net.widths[-1]))
    for units in iterate(net, chunk=chunk):
        out += Paths(net, units, *_of(net, parameters, inputs, units)).total()
    return out


def _of(net: MLP, theta: Array, x: Array, units: IntArray) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    products = np.ones(len(units))
    for layer, matrix in enumerate(augmented(net, theta)):
        products *= matrix[units[:, layer + 1], units[:, layer]]
    states = on_or_off(net, theta, x)
    active = np.ones((len(x), len(units)), np.bool_)
    for layer, on in enumerate(states):
        active &= on[:, units[:, layer]]
    nodes = np.hstack([x, np.ones((len(x), 1))]) if net.bias else x
    return products, nodes[:, units[:, 0]], active
