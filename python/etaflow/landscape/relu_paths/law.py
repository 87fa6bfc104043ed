"""The exact law of the activation variables in a random network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_ndim
from etaflow.landscape.relu_paths.routes import relu_layers
from etaflow.landscape.relu_paths.structure import check_relu

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.problem.network import MLP


def joint_probability(net: MLP, units: npt.ArrayLike) -> float:
    """Return the probability, over random networks at one input x ≠ 0, that all the given paths are active.

    For independent weights with symmetric laws without atoms, and no biases, the signs of a layer's pre-activations are independent fair coins, whatever the
    layers below, as long as a unit there is on. So the probability is 2^(−number of different ReLUs on the paths): ½^H for one path of H hidden layers, and the correlation of two paths with k
    common ReLUs is (2^k − 1)/(2^H − 1), not 0.

    Parameters
    ----------
    net : MLP
        With ReLUs, without biases.
    units : array_like of int, shape (k, L + 1)
        The paths, as `iterate` gives them.

    Returns
    -------
    float
        The probability.

    Raises
    ------
    ValueError
        If the network has biases or linear hidden layers, or a row is not one of its paths.

    Examples
    --------
    >>> import etaflow as ef
    >>> net = ef.MLP([2, 3, 3, 1], activation="relu", bias=False)
    >>> (
    ...     ef.relu_paths.joint_probability(net, [[0, 0, 0, 0]]),
    ...     ef.relu_paths.joint_probability(net, [[0, 0, 0, 0], [1, 0, 2, 0]]),
    ... )
    (0.25, 0.125)
    """
    layers = relu_layers(check_relu(net))
    if net.bias or len(layers) < len(net.shapes) - 1:
        raise ValueError(f"net must have no biases and ReLUs in every hidden layer (got {net!r})")
    rows = np.asarray(units)
    if rows.dtype.kind not in "iu":
        raise TypeError(f"units must be integers (got {rows.dtype})")
    check_ndim("units", np.asarray(rows, float), 2)
    widths = np.array(net.widths)
    if rows.shape[1] != len(widths) or (rows < 0).any() or (rows >= widths).any():
        raise ValueError(f"units must be paths through layers of widths {list(net.widths)} (got {rows.tolist()})")
    different = sum(len(np.unique(rows[:, layer])) for layer in layers)
    return 0.5**different
