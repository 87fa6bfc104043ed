"""The objective of a linear network, and its weight matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_float_array, check_int
from etaflow.problem.network import MLP
from etaflow.problem.objective import Objective

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from etaflow._checks import FloatArray

    Array = npt.NDArray[np.float64]


def linear_objective(
    x: npt.ArrayLike, y: npt.ArrayLike, hidden: int | Sequence[int], *, reduction: str = "sum", l2: float = 0.0
) -> Objective:
    """Return the square loss of the linear network W_{H+1} ⋯ W_1 without biases.

    Parameters
    ----------
    x : array_like, shape (n, d_x)
        The inputs.
    y : array_like, shape (n, d_y) or (n,)
        The targets.
    hidden : int or sequence of int
        d_1, …, d_H: the width of the hidden layer, or of each.
    reduction : {"sum", "mean"}, default "sum"
        The sources on linear networks have the sum over the observations.
    l2 : float, default 0.0
        Adds l2·‖θ‖².

    Returns
    -------
    Objective
        Of an ``MLP`` with ``activation="identity"`` and ``bias=False``.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If a width is below 1, or the data do not fit together.

    Examples
    --------
    >>> import etaflow as ef
    >>> f = ef.linear_networks.linear_objective([[1.0], [2.0]], [[2.0], [4.0]], 1)
    >>> float(f.value([1.0, 2.0])), float(f.value([0.0, 0.0]))
    (0.0, 20.0)
    """
    inputs, targets = check_float_array("x", x, ndim=2), check_float_array("y", y, ndim=(1, 2))
    widths = [inputs.shape[1], *check_hidden(hidden), targets.shape[1] if targets.ndim > 1 else 1]
    net = MLP(widths, activation="identity", bias=False)
    return Objective(net, x, y, loss="square", reduction=reduction, l2=l2)


def check_hidden(hidden: object) -> tuple[int, ...]:
    """Return the widths of the hidden layers.

    Returns
    -------
    tuple of int
        At least one.

    Raises
    ------
    ValueError
        If there is none, or one is below 1.
    """
    given = list(hidden) if hasattr(hidden, "__iter__") and not isinstance(hidden, str) else [hidden]
    if not given:
        raise ValueError(f"hidden must name at least one width (got {hidden!r})")
    return tuple(
        check_int(f"hidden[{place}]" if len(given) > 1 else "hidden", one, minimum=1) for place, one in enumerate(given)
    )


def weights_of(objective: Objective, theta: npt.ArrayLike) -> list[Array]:
    """Return W_1, …, W_{H+1} of one parameter vector of a linear network.

    Parameters
    ----------
    objective : Objective
        Of a network with identity activations and without biases.
    theta : array_like, shape (d,)
        The parameters.

    Returns
    -------
    list of ndarray
        Views.

    Raises
    ------
    ValueError
        If the network is not linear or has biases, or `theta` is not one parameter vector of it.
    """
    net = objective.net
    if net.bias or any(one.name != "identity" for one in net.activations):
        raise ValueError(f"objective must be that of a linear network without biases (got {net!r})")
    parameters = objective.check_theta(theta)
    if parameters.ndim > 1:
        raise ValueError(f"theta must be one parameter vector (got shape {parameters.shape})")
    return [np.asarray(weights, np.float64) for weights, _ in net.layers(parameters)]


def product(weights: Sequence[FloatArray]) -> Array:
    """Return W_k ⋯ W_1.

    Returns
    -------
    ndarray, shape (out of the last, in of the first)
        The linear map.
    """
    result = np.asarray(weights[0], np.float64)
    for one in weights[1:]:
        result = np.asarray(one @ result)
    return result


def flattened(weights: Sequence[FloatArray]) -> Array:
    """Return the parameter vector that holds these matrices.

    Returns
    -------
    ndarray, shape (d,)
        In the order of `MLP`.
    """
    return np.concatenate([np.ravel(one) for one in weights])
