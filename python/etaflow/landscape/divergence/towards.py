"""Where weights go when they go to infinity: margins and angles along a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_float_array, check_positive_int
from etaflow.landscape.divergence.separation import degree, margins, max_margin
from etaflow.landscape.divergence.trajectory import one, spread

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from etaflow._checks import FloatArray
    from etaflow.landscape.divergence.trajectory import Trajectory
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]


def direction(
    objective: Objective,
    trajectory: Trajectory,
    *,
    towards: npt.ArrayLike | None = None,
    run: int | None = None,
    points: int = 100,
) -> xr.Dataset:
    """Follow the direction of the weights and the margin along a path.

    Under an exponentially decreasing loss θ = û·log t + ρ(t) with ρ bounded (Soudry et al. 2018): the direction θ/‖θ‖ comes to rest like 1/log t.
    The direction of *growth*, −∇f ∝ dθ/d log t, forgets ρ like a power of t: soon, unless observations beside the support vectors
    have nearly the same margin.

    Parameters
    ----------
    objective : Objective
        With labels, as in `margins`.
    trajectory : Runs, Flow or (t, θ)
        As in `growth`.
    towards : array_like, shape (d,), optional
        The direction that angles are measured to; by default that of `max_margin` for a network without hidden layers, else θ at the end of the path.
    run : int, optional
        Which run, if there are several.
    points : int, default 100
        How many times, at most, spread evenly in log t.

    Returns
    -------
    xarray.Dataset
        By ``time``: ``norm`` ‖θ‖; ``loss``; ``margin``, the smallest one; ``normalized_margin``, over ‖θ‖^L where the network is homogeneous of
        degree L, else NaN; ``angle`` and ``growth_angle``, of θ and of −∇f to the direction `towards`, in radians. Its attribute
        ``towards`` says which that is, and ``max_margin`` the largest possible normalized margin if it is known.

    Raises
    ------
    ValueError
        If the objective is no classification or the path is of another network; or, by default, the data is not separable.

    Examples
    --------
    >>> import etaflow as ef
    >>> net = ef.MLP([2, 1], output="logistic", bias=False)
    >>> f = ef.Objective(net, [[1.0, 0.0], [0.0, 2.0], [5.0, 5.0]], [1, 1, 1], loss="log")
    >>> table = ef.divergence.direction(f, ef.flow(f, [0.0, 0.0], t=1e6))
    >>> bool(table.growth_angle[-1] < 1e-3 < table.angle[-1] < 0.1)
    True
    """
    import xarray as xr  # noqa: PLC0415 - slow to import

    path = one(trajectory, run)
    theta = objective.check_theta(path.theta.astype(objective.dtype))
    target, name, best = _target(objective, towards, path.theta)
    chosen = spread(path.times, check_positive_int("points", points))
    theta = theta[chosen]
    downhill = -objective.gradient(theta).astype(np.float64)
    columns = look(objective, theta, target) | {"growth_angle": angles(downhill, target)}
    attributes: dict[str, Any] = {"towards": name} | ({} if best is None else {"max_margin": best})
    return xr.Dataset(
        {key: ("time", np.asarray(value, np.float64)) for key, value in columns.items()},
        {"time": path.times[chosen]},
        attributes,
    )


def _target(objective: Objective, towards: Any, theta: Array) -> tuple[Array, str, float | None]:
    if towards is not None:
        given = check_float_array("towards", towards, dtype=np.float64, shape=(theta.shape[1],))
        return given.astype(np.float64), "given", None
    if len(objective.net.shapes) == 1:
        found = max_margin(objective)
        return found.direction, "maximum margin", found.margin
    return theta[-1], "end of the path", None


def look(objective: Objective, theta: FloatArray, target: Array) -> dict[str, FloatArray]:
    """Return what is measured of points on their way.

    Parameters
    ----------
    objective : Objective
        With labels.
    theta : ndarray, shape (m, d)
        The points.
    target : ndarray, shape (d,)
        The direction of the angles.

    Returns
    -------
    dict of str to ndarray, shape (m,)
        ``loss``, ``norm``, ``margin``, ``normalized_margin`` and ``angle``, as in `direction`.
    """
    weights = theta.astype(np.float64)
    norms = np.linalg.norm(weights, axis=1)
    smallest, power = margins(objective, theta).min(axis=1), degree(objective.net)
    with np.errstate(divide="ignore", invalid="ignore"):
        normalized = np.full(len(norms), np.nan) if power is None else smallest / norms**power
    return {
        "loss": objective.value(theta),
        "norm": norms,
        "margin": smallest,
        "normalized_margin": normalized,
        "angle": angles(weights, target),
    }


def angles(vectors: Array, target: Array) -> Array:
    """Return the angles between vectors and a direction; small ones are exact too.

    Returns
    -------
    ndarray, shape (m,)
        In radians; NaN for a vector 0.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        units, unit = vectors / lengths, target / np.linalg.norm(target)
    # twice the arctangent keeps small angles exact, where the arccosine loses half of the digits
    return np.asarray(2 * np.arctan2(np.linalg.norm(units - unit, axis=1), np.linalg.norm(units + unit, axis=1)))
