"""The derivative of a network's predictions with respect to θ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow.problem.objective import Objective

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.problem.network import MLP

LEAST_DISTANCE = 0.5


def prediction_jacobian(net: MLP, theta: npt.ArrayLike, inputs: npt.ArrayLike) -> FloatArray:
    """Return ∂h_k(x_i, θ)/∂θ for the predictions h(x, θ), exact to rounding.

    The gradient of (h_k − y)² is 2(h_k − y)·∇h_k. With targets y at a known distance below the present predictions that is a known
    multiple of ∇h_k, and `Objective.sample_gradients` has it at the price of one backpropagation per output.

    Parameters
    ----------
    net : MLP
        The network.
    theta : array_like, shape (d,)
        The parameters.
    inputs : array_like, shape (m, d_0)
        The inputs x_i, of the dtype of `theta`.

    Returns
    -------
    ndarray, shape (m, d_L, d)
        The derivatives.

    Examples
    --------
    >>> import etaflow as ef
    >>> prediction_jacobian(ef.MLP([2, 1]), [0.5, 0.25, 0.0], [[3.0, 4.0]])
    array([[[3., 4., 1.]]])
    """
    predictions = net.predict(theta, inputs)
    parts = []
    for output in range(predictions.shape[1]):
        distance = np.maximum(np.abs(predictions[:, output]), LEAST_DISTANCE)  # as large as h, so that no digit is lost
        targets = predictions.copy()
        targets[:, output] -= distance
        parts.append(Objective(net, inputs, targets).sample_gradients(theta) / (2 * distance[:, None]))
    return np.stack(parts, axis=1)
