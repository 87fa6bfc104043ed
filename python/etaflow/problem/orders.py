"""Orders of the parameters in other texts, as permutations of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from etaflow._checks import IntArray
    from etaflow.problem.network import MLP


def finnoff_order(net: MLP) -> IntArray:
    """Return the permutation into Finnoff's order θ = (γ; β): see `MLP.finnoff_order`.

    Returns
    -------
    ndarray of int64, shape (d,)
        The position in our order of each entry of Finnoff's.

    Raises
    ------
    ValueError
        If the network does not have exactly one hidden layer and biases.
    """
    if len(net.shapes) != 2 or not net.bias:
        raise ValueError(f"Finnoff's order needs one hidden layer and biases (got {net!r})")
    place = np.arange(net.num_params, dtype=np.int64)
    groups = []
    start = net.num_params
    for rows, columns in reversed(net.shapes):
        start -= rows * (columns + 1)
        weights = place[start : start + rows * columns].reshape(rows, columns)
        biases = place[start + rows * columns : start + rows * (columns + 1)]
        groups.append(np.column_stack([weights, biases]).ravel())
    return np.concatenate(groups)
