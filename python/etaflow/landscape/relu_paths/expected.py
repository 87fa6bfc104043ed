"""The loss under the assumption that paths are on and off independently, beside the true loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_number
from etaflow.landscape.relu_paths.routes import relu_layers
from etaflow.landscape.relu_paths.structure import augmented, check_point, rate

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.problem.network import MLP
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class ExpectedModel:
    """The network under the assumption of independent A ~ Bernoulli(ρ), made by `expected_model`.

    Attributes
    ----------
    rho : float
        ρ.
    true_loss : float
        f(θ).
    loss_of_mean : float
        f for the mean prediction E_A[Ŷ], which is ρ times that of the linear network with the same weights: what Kawaguchi's theorem is about.
    mean_loss : float
        E_A[f] = loss_of_mean + the variance that the A's bring.
    linear_loss : float
        f for the linear network itself, the case ρ = 1 (or q = 1/ρ in the slides).
    predictions, mean_predictions, variances : ndarray, shape (n, d_L)
        Ŷ, E_A[Ŷ] and Var_A[Ŷ].
    """

    rho: float
    true_loss: float
    loss_of_mean: float
    mean_loss: float
    linear_loss: float
    predictions: Array
    mean_predictions: Array
    variances: Array

    @property
    def correlation(self) -> float:
        """The correlation of true and mean predictions over observations and outputs; NaN if one of them is constant."""
        first, second = self.predictions.ravel(), self.mean_predictions.ravel()
        if np.ptp(first) == 0 or np.ptp(second) == 0:
            return float("nan")
        return float(np.corrcoef(first, second)[0, 1])

    def __repr__(self) -> str:
        """Return the losses beside each other.

        Returns
        -------
        str
            One line.
        """
        return (
            f"ExpectedModel(ρ = {self.rho:.3g}: f = {self.true_loss:.4g}, of the mean prediction {self.loss_of_mean:.4g}, "
            f"expected {self.mean_loss:.4g}, of the linear network {self.linear_loss:.4g})"
        )


def expected_model(objective: Objective, theta: npt.ArrayLike, *, rho: float | None = None) -> ExpectedModel:
    """Replace every A_ij by an independent Bernoulli(ρ) variable and compare the loss with the true one.

    E_A[Ŷ] = ρ·W_{H+1}⋯W_1·x, a linear network, to which Kawaguchi's theorem applies, and Var_A[Ŷ] = ρ(1 − ρ)·Σ (X_i ∏w)² over the paths. Both come from products of matrices (for
    the variance with squared entries), not from the paths.

    Parameters
    ----------
    objective : Objective
        The square loss of a network with ReLU hidden layers and identity output.
    theta : array_like, shape (d,)
        The parameters.
    rho : float, optional
        ρ, between 0 and 1; by default the measured `rate`.

    Returns
    -------
    ExpectedModel
        The losses.

    Raises
    ------
    ValueError
        If the loss or the network is another one, or ρ is out of range.

    Notes
    -----
    A path that passes no ReLU, like that of the output's bias, is on: its A is 1. An l2 penalty is in all the losses.

    Examples
    --------
    >>> import etaflow as ef
    >>> net = ef.MLP([1, 2, 1], activation="relu", bias=False)
    >>> f = ef.Objective(net, [[1.0], [-1.0]], [1.0, 1.0])
    >>> ef.relu_paths.expected_model(f, [1.0, -1.0, 1.0, 1.0])
    ExpectedModel(ρ = 0.5: f = 0, of the mean prediction 1, expected 1.5, of the linear network 1)
    """
    net = objective.net
    if objective.loss != "square" or net.activations[-1].name != "identity":
        raise ValueError(
            f'objective must have loss="square" and output="identity" (got loss="{objective.loss}" and {net!r})'
        )
    parameters, inputs = check_point(net, objective.check_theta(theta), objective.x)
    share = (
        rate(net, parameters.astype(objective.dtype), objective.x)
        if rho is None
        else check_number("rho", rho, minimum=0)
    )
    if share > 1:
        raise ValueError(f"rho must be a probability, at most 1 (got {share:g})")
    last = max(relu_layers(net), default=0)
    matrices, begin = augmented(net, parameters), _with_constant(net, inputs)
    fixed = (
        begin if last == 0 else _with_constant(net, np.zeros((1, net.widths[last])))
    )  # paths past the last ReLU are on
    linear, sure = _through(net, matrices, begin), _through(net, matrices[last:], fixed)
    squared = [matrix**2 for matrix in matrices]
    means = share * (linear - sure) + sure
    variances = share * (1 - share) * (_through(net, squared, begin**2) - _through(net, squared[last:], fixed**2))
    point = parameters.astype(objective.dtype)
    penalty = objective.l2 * float(parameters @ parameters)
    y = objective.y.astype(np.float64)

    def reduced(errors: Array) -> float:
        losses = errors.sum(axis=1)
        return float(losses.mean() if objective.reduction == "mean" else losses.sum()) + penalty

    return ExpectedModel(
        float(share),
        float(objective.value(point)),
        reduced((y - means) ** 2),
        reduced((y - means) ** 2 + variances),
        reduced((y - linear) ** 2),
        net.predict(point, objective.x).astype(np.float64),
        means,
        variances,
    )


def _with_constant(net: MLP, nodes: Array) -> Array:
    return np.hstack([nodes, np.ones((len(nodes), 1))]) if net.bias else nodes


def _through(net: MLP, matrices: list[Array], nodes: Array) -> Array:
    for matrix in matrices:
        nodes = nodes @ matrix.T
    return nodes[:, : net.widths[-1]]
