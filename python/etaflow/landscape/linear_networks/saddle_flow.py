"""The gradient flow of a linear network from a small start: it goes from saddle to saddle, and learns one eigenvector after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_number, check_positive_number, check_seed
from etaflow.dynamics.flow import flow
from etaflow.landscape.linear_networks.network import check_hidden, linear_objective
from etaflow.landscape.linear_networks.regression import Regression

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.dynamics.flow import Flow
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

DIP = np.log(3.0)
"""The speed must fall by so much, in its logarithm, and rise again, to count as a plateau."""

PARTS = 6
"""The speed is looked at so many times in every step of the integrator."""

ARRIVED = 1e-6
"""The flow ends where the loss is that near to the global minimum, as a part of what there is to fall."""

LONGEST = 4.0**14
"""So many times the time constant at 0 the flow is followed at most."""


@dataclass(frozen=True)
class Plateau:
    """A time at which the flow is slow, beside a critical point.

    Attributes
    ----------
    time : float
        When it is slowest.
    gamma : tuple of int
        Which eigenvectors of Σ the map holds there, by more than a half, counted from 1.
    loss : float
        The loss there, a sum over the observations.
    level : float
        tr(YYᵀ) − Σ_{i ∈ Γ} λ_i, the loss at the critical point with these.
    distance : float
        ‖(L − U_Γ U_Γᵀ L*)X‖ as a part of ‖L*X‖: how far the map is from that point's.
    speed : float
        ‖∇f‖ of the mean over the observations.
    """

    time: float
    gamma: tuple[int, ...]
    loss: float
    level: float
    distance: float
    speed: float


@dataclass(frozen=True, eq=False, repr=False)
class SaddleToSaddle:
    """A flow from a small start, made by `saddle_to_saddle`.

    Attributes
    ----------
    plateaus : tuple of Plateau
        In order of time; the first is the start, the last the end.
    flow : Flow
        The flow of the mean loss, which can be asked for θ̄ at any time.
    data : xarray.Dataset
        Over ``time``: ``loss`` (a sum over the observations), ``speed``, and ``strength`` by ``mode``: u_iᵀ L XYᵀ u_i/λ_i, which is 1 where
        the map holds the eigenvector and 0 where it does not.
    arrived : bool
        Whether it reached the global minimum in the time that it was given.
    """

    plateaus: tuple[Plateau, ...]
    flow: Flow
    data: Any
    arrived: bool

    @property
    def in_order(self) -> bool:
        """Whether it visited the projections onto no, one, two, … of the best eigenvectors, one after the other, and none twice."""
        return all(one.gamma == tuple(range(1, k + 1)) for k, one in enumerate(self.plateaus))

    @property
    def largest_error(self) -> float:
        """The largest difference of a plateau's loss from its critical point's, as a part of the loss of the zero map."""
        return max(abs(one.loss - one.level) for one in self.plateaus) / self.plateaus[0].level

    def __repr__(self) -> str:
        """Return the plateaus in their order.

        Returns
        -------
        str
            One line.
        """
        visited = " → ".join("{" + ", ".join(map(str, one.gamma)) + "}" for one in self.plateaus)
        end = "" if self.arrived else ", not at the minimum yet"
        return f"SaddleToSaddle({visited}; losses within {self.largest_error:.1g} of the saddles'{end})"


def saddle_to_saddle(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    hidden: int | Sequence[int],
    *,
    scale: float | None = None,
    seed: int = 0,
    t: float | None = None,
) -> SaddleToSaddle:
    r"""Follow the gradient flow of a linear network from a small start, and measure the plateaus on its way.

    Near θ = 0 the flow is slow; then it falls to the best map of rank 1, is slow beside it, which is a saddle for the network, falls to the
    best map of rank 2, and so on (Saxe, McClelland & Ganguli 2014 for whitened inputs; Jacot et al. 2021). A plateau is found without
    knowing of this: the speed ‖∇f‖ falls to a third and rises again. Its loss is then compared with that of the critical point of Baldi and
    Hornik with the eigenvectors that the map holds there. With white inputs (XXᵀ a multiple of I) the best eigenvectors come first; otherwise the flow
    leaves θ = 0 along the largest singular vectors of YXᵀ, which may lead it past another saddle on its way.

    Parameters
    ----------
    x : array_like, shape (n, d_x)
        The inputs.
    y : array_like, shape (n, d_y) or (n,)
        The targets.
    hidden : int or sequence of int
        The width of the hidden layer, or of each.
    scale : float, optional
        The standard deviation of the weights at the start; by default 10^(−10/H²)·‖L*‖^{1/(H + 1)}: with more layers the time
        that it takes to leave θ = 0 grows like a power of 1/scale and not like its logarithm.
    seed : int, default 0
        Of the start, for NumPy's default generator.
    t : float, optional
        How long to follow the flow of the mean loss; by default until the loss is within 1e-6 of the global minimum.

    Returns
    -------
    SaddleToSaddle
        The plateaus, the flow, and loss, speed and strengths over time.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument is out of range, or the data fail a condition of the theorem (the message says which).

    Examples
    --------
    >>> import etaflow as ef
    >>> import numpy as np
    >>> ef.linear_networks.saddle_to_saddle(np.eye(3), np.diag([4.0, 2.0, 1.0]), 3)
    SaddleToSaddle({} → {1} → {1, 2} → {1, 2, 3}; losses within ... of the saddles')
    """
    data, widths = Regression.of(x, y), check_hidden(hidden)
    data.require_theorem("Theorem 3.5 (Baldi and Hornik)")
    depth = len(widths)
    natural = float(np.linalg.norm(data.least_squares, 2)) ** (1 / (depth + 1))
    width = 10 ** (-10 / depth**2) * natural if scale is None else check_positive_number("scale", scale)
    end = None if t is None else check_number("t", t, above=0)
    objective = linear_objective(data.x, data.y, widths, reduction="mean")
    start = width * np.random.default_rng(check_seed(seed)).standard_normal(objective.num_params)
    best = data.total - float(data.eigenvalues[: min(*widths, data.outputs)].sum())
    level = best + ARRIVED * (data.total - best)
    path = _follow(objective, start, end, level, data)
    return _measure(data, objective, path, level)


def _follow(objective: Objective, start: Array, end: float | None, level: float, data: Regression) -> Flow:
    if end is not None:
        return flow(objective, start, t=end)
    unit = objective.n / float(np.linalg.norm(data.y.T @ data.x, 2))
    length = 16.0
    while True:  # from the start again: the earlier part costs little, and the flow stays one piece
        path = flow(objective, start, t=length * unit)
        arrived = float(objective.value(path.theta)) * objective.n <= level
        if arrived or path.status != "finished" or length >= LONGEST:
            return path
        length *= 4


def _measure(data: Regression, objective: Objective, path: Flow, level: float) -> SaddleToSaddle:
    import xarray as xr  # noqa: PLC0415 - slow to import

    mesh = path.mesh
    inner = mesh[:-1, None] + np.diff(mesh)[:, None] * np.arange(PARTS) / PARTS
    times = np.append(inner.ravel(), mesh[-1])
    theta = path(times)
    values, gradients = objective.value_and_gradient(theta)
    losses, speeds = values * objective.n, np.linalg.norm(gradients, axis=1)
    maps = _maps(objective, theta)
    strengths = _strengths(data, maps)
    last = (
        int(np.argmax(losses <= level)) if (losses <= level).any() else len(times) - 1
    )  # beyond, the speed is rounding
    table = xr.Dataset(
        {"loss": ("time", losses), "speed": ("time", speeds), "strength": (("time", "mode"), strengths)},
        {"time": times, "mode": np.arange(1, data.outputs + 1)},
    )
    plateaus = []
    for i in _slow(speeds[: last + 1]):
        gamma = tuple(int(mode) + 1 for mode in np.flatnonzero(strengths[i] > 0.5))
        plateaus.append(_plateau(data, gamma, maps[i], float(times[i]), float(losses[i]), float(speeds[i])))
    return SaddleToSaddle(tuple(plateaus), path, table, bool(losses[-1] <= level))


def _slow(speeds: Array) -> list[int]:
    from scipy.signal import find_peaks  # noqa: PLC0415 - slow to import

    slowness = -np.log(np.maximum(speeds, np.finfo(np.float64).tiny))
    found, _ = find_peaks(slowness, prominence=DIP)
    first = int(np.argmax(slowness[: _rise(slowness)]))  # the start's own plateau: it may dip before it leaves
    return [first, *(int(i) for i in found if i > first), len(speeds) - 1]


def _rise(slowness: Array) -> int:
    # Until where the speed has not yet been three times its smallest so far.
    fast = np.flatnonzero(np.maximum.accumulate(slowness) - slowness > DIP)
    return int(fast[0]) if fast.size else 1


def _maps(objective: Objective, theta: FloatArray) -> Array:
    layers = objective.net.layers(theta)
    result = layers[0][0]
    for weights, _ in layers[1:]:
        result = weights @ result
    return np.asarray(result, np.float64)


def _strengths(data: Regression, maps: Array) -> Array:
    vectors, cross = data.eigenvectors, data.x.T @ data.y
    held = np.einsum("mi,tmd,dk,ki->ti", vectors, maps, cross, vectors, optimize=True)
    return np.asarray(held / data.eigenvalues)


def _plateau(data: Regression, gamma: tuple[int, ...], found: Array, time: float, loss: float, speed: float) -> Plateau:
    places = [one - 1 for one in gamma]
    basis = data.eigenvectors[:, places]
    away = (found - basis @ (basis.T @ data.least_squares)) @ data.x.T
    distance = float(np.linalg.norm(away) / np.sqrt(data.eigenvalues.sum()))
    return Plateau(time, gamma, loss, data.total - float(data.eigenvalues[places].sum()), distance, speed)
