"""How fast each layer of a network moves."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_positive_int
from etaflow.landscape.divergence.trajectory import one, spread

if TYPE_CHECKING:
    import xarray as xr

    from etaflow.landscape.divergence.trajectory import Trajectory
    from etaflow.problem.network import MLP


def layer_speeds(net: MLP, trajectory: Trajectory, *, run: int | None = None, points: int = 100) -> xr.Dataset:
    """Measure how fast each layer moves: whether the lower layers are "almost fixed" near the goal (Kung & Hwang 1988, in Sontag & Sussmann 1988).

    Parameters
    ----------
    net : MLP
        The network.
    trajectory : Runs, Flow or (t, θ)
        As in `growth`.
    run : int, optional
        Which run, if there are several.
    points : int, default 100
        How many stretches of the path, at most, of equal length in log t.

    Returns
    -------
    xarray.Dataset
        By ``time`` (the geometric middle of a stretch) and ``layer`` (1 is the lowest): ``speed``, ‖Δ(W, b)‖/Δt; ``relative_speed``, over ‖(W, b)‖; and by
        ``time`` ``ratio``, the speed of the lowest layer over that of the highest.

    Raises
    ------
    ValueError
        If the path is of another network.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> net = ef.MLP([2, 3, 1])
    >>> f = ef.Objective(net, x, y)
    >>> table = ef.divergence.layer_speeds(net, ef.flow(f, net.init(seed=0), t=10.0))
    >>> table.speed.dims, table.layer.values.tolist()
    (('time', 'layer'), [1, 2])
    """
    import xarray as xr  # noqa: PLC0415 - slow to import

    path = one(trajectory, run)
    net.check_theta(path.theta)
    chosen = spread(path.times, check_positive_int("points", points) + 1)
    times, theta = path.times[chosen], path.theta[chosen]
    edges = np.cumsum([0] + [rows * (columns + net.bias) for rows, columns in net.shapes])
    parts = [theta[:, begin:end] for begin, end in pairwise(edges)]
    moved = np.stack([np.linalg.norm(np.diff(part, axis=0), axis=1) for part in parts], axis=1)
    sizes = np.stack([np.linalg.norm(part, axis=1)[1:] for part in parts], axis=1)
    speed = moved / np.diff(times)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, relative = speed[:, 0] / speed[:, -1], speed / sizes
    axes = ("time", "layer")
    return xr.Dataset(
        {"speed": (axes, speed), "relative_speed": (axes, relative), "ratio": ("time", ratio)},
        {"time": np.sqrt(times[1:] * times[:-1]), "layer": np.arange(1, len(parts) + 1)},
    )
