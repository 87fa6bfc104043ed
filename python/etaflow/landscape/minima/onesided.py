"""Units that see all observations on one side of their kink: linear ones, with all the freedom of a linear network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.landscape.symmetry_groups import join, split

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.landscape.symmetry_groups import Layers
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[Any]


def shares(objective: Objective, theta: FloatArray, slopes: list[Array]) -> FloatArray:
    r"""Return the directions that change no prediction on the data, as units there are linear.

    Units U of a layer whose slopes S are the same for all observations add V S (W a + b) to the next layer's inputs. To first
    order these stay as they are if V S ΔW + ΔV S W = 0 and V S Δb + ΔV S b + Δb' = 0. If these equations have full rank, the
    points with the same sum are a smooth continuum with these tangents.

    Parameters
    ----------
    objective : Objective
        With a network of linear pieces and biases, without l2.
    theta : ndarray, shape (d,)
        The point.
    slopes : list of ndarray, shape (n, d_ℓ)
        Of its units.

    Returns
    -------
    ndarray, shape (d, m)
        The tangents as columns; none where the rank is not full.
    """
    if objective.l2 or not objective.net.bias:
        return np.zeros((len(theta), 0))
    layers = split(objective.net, theta)
    found = []
    for layer, slope in enumerate(slopes):
        units = np.flatnonzero((slope == slope[0]).all(axis=0))
        if len(units):
            found += [join(objective.net, one) for one in _of_layer(layers, layer, units, slope[0, units])]
    return np.array(found).reshape(len(found), len(theta)).T


def _of_layer(layers: Layers, layer: int, units: Array, slope: Array) -> list[Layers]:
    entering = np.column_stack(layers[layer])[units]  # (u, p + 1)
    leaving = layers[layer + 1][0][:, units]  # (q, u)
    (u, p), q = entering.shape, len(leaving)
    # Rows: the entries of the change of (weights, biases) in the next layer's inputs, (q, p + 1).
    by_entering = np.kron(leaving * slope, np.eye(p))
    by_leaving = np.kron(np.eye(q), (slope[:, None] * entering).T)
    by_bias = np.kron(np.eye(q), np.eye(p)[:, -1:])
    matrix = np.hstack([by_entering, by_leaving, by_bias])
    _, sizes, vectors = np.linalg.svd(matrix)
    if sizes[-1] <= 1e-10 * sizes[0]:
        return []
    return [_as_layers(layers, layer, units, one, u * p, q) for one in vectors[q * p :]]


def _as_layers(layers: Layers, layer: int, units: Array, change: Array, middle: int, q: int) -> Layers:
    moved = [(np.zeros_like(w), np.zeros_like(b)) for w, b in layers]
    entering = change[:middle].reshape(len(units), -1)
    moved[layer][0][units], moved[layer][1][units] = entering[:, :-1], entering[:, -1]
    moved[layer + 1][0][:, units] = change[middle:-q].reshape(q, -1)
    moved[layer + 1][1][:] = change[-q:]
    return moved
