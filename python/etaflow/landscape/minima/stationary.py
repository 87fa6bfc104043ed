"""Saddles too: the zeros of the gradient, whatever the curvature there."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow._checks import check_choice, check_positive_int, check_positive_number, check_seed
from etaflow.dynamics.progress import Progress
from etaflow.landscape.minima import newton as methods
from etaflow.landscape.minima.census import group
from etaflow.landscape.minima.search import draw_starts
from etaflow.landscape.minima.stationary_result import (
    FLAT,
    INTERRUPTED,
    STATIONARY,
    UNFINISHED,
    Found,
    StationaryPoints,
)
from etaflow.landscape.polish import DENSE

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow._checks import FloatArray
    from etaflow.problem.initialisation import Scheme
    from etaflow.problem.objective import Objective

METHODS = {"newton": methods.newton, "gradient_norm": methods.gradient_norm}
ZERO = 1e-11
"""Eigenvalues below this share of the largest in size count as zero: rounding, and the distance that polishing leaves."""

FLATNESS = 1e-6
"""‖H∇f‖ below this part of (‖H‖ + ‖∇f‖/(1 + ‖θ‖))·‖∇f‖, where ∇f ≠ 0, is a stationary point of ‖∇f‖ and not of f."""


def find_stationary_points(
    objective: Objective,
    *,
    starts: int | range | npt.ArrayLike = 100,
    seed: int = 0,
    scheme: Scheme = "glorot_uniform",
    method: str = "newton",
    tolerance: float = 1e-10,
    max_iterations: int = 300,
    progress: bool | Callable[[float], Any] = False,
) -> StationaryPoints:
    r"""Look for zeros of ∇f from many starts: minima, saddles and maxima, with their index.

    The higher a stationary point lies, the more of its eigenvalues tend to be negative, so that bad minima should be rare among
    bad saddles (Dauphin et al. 2014; Fleischmann 2021, section 3.3): `etaflow.plots.index_against_loss` draws it.

    Parameters
    ----------
    objective : Objective
        With at most 2500 parameters: every step takes the whole spectrum.
    starts : int, range or array_like of shape (runs, d), default 100
        How many starts, which run numbers, or the starts themselves. A search ends near its start: to see high saddles begin
        high, to see low ones begin at points along a descent.
    seed : int, default 0
        Of the starts.
    scheme : str or (str, float), default "glorot_uniform"
        How they are drawn, as `MLP.init` takes it.
    method : {"newton", "gradient_norm"}, default "newton"
        Newton's method with least-norm steps that lower ‖∇f‖, or SciPy's least squares for ‖∇f‖².
    tolerance : float, default 1e-10
        A point is stationary if ‖∇f‖ is at most this.
    max_iterations : int, default 300
        Steps of each search.
    progress : bool or callable, default False
        True for a progress bar (tqdm) over the starts; or a function that is given the part that is done.

    Returns
    -------
    StationaryPoints
        The different points but for the symmetries of the network; those of a continuum that predict the same count as one. After
        Ctrl-C the searches that were not made are ``interrupted``.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If an argument has a wrong value, or there are too many parameters. Both come before any work.

    Notes
    -----
    Which stationary points are found, and how often, depends on the method and the starts: it is no sample of all of them.

    Examples
    --------
    A linear network 3-1-3 has four critical levels: W = 0, and the three principal directions of the data.

    >>> import etaflow as ef
    >>> x = np.eye(3) * 3**0.5
    >>> f = ef.Objective(ef.MLP([3, 1, 3], activation="identity", bias=False), x, x * [1.0, 2.0, 3.0])
    >>> found = ef.find_stationary_points(f, starts=100, seed=1)
    >>> found.value.round(6), found.index, found.nullity
    (array([ 5., 10., 13., 14.]), array([0, 1, 2, 3]), array([1, 1, 1, 0]))
    """
    search = METHODS[check_choice("method", method, METHODS)]
    if objective.num_params > DENSE:
        raise ValueError(
            f"objective must have at most {DENSE} parameters, for the whole spectrum (got {objective.num_params})"
        )
    rows = draw_starts(objective, starts, check_seed(seed), scheme)
    number, most = check_positive_number("tolerance", tolerance), check_positive_int("max_iterations", max_iterations)
    found: list[Found] = []
    try:
        with Progress(progress, len(rows)) as bar:
            for row in rows:
                theta = search(objective, row, tolerance=number, max_iterations=most)
                found.append(_look(objective, theta, number))
                if bar.report is not None:
                    bar.report(len(found) / len(rows))
    except KeyboardInterrupt:
        warnings.warn(f"interrupted after {len(found)} of {len(rows)} starts", RuntimeWarning, stacklevel=2)
    found += [_look(objective, row, number, INTERRUPTED) for row in rows[len(found) :]]
    members = {run: one for run, one in enumerate(found) if one.status == STATIONARY}
    label, chosen = group(
        objective,
        len(found),
        members,
        alike=lambda one, other: (one.index, one.nullity) == (other.index, other.nullity),
        isolated=lambda one: one.nullity == 0,
    )
    return StationaryPoints(objective, rows, tuple(found), label, tuple(chosen))


def _look(objective: Objective, theta: FloatArray, tolerance: float, status: str | None = None) -> Found:
    value, gradient = objective.value_and_gradient(theta)
    hessian = objective.hessian(theta)
    eigenvalues = np.linalg.eigvalsh(hessian)
    norm, largest = float(np.linalg.norm(gradient)), float(np.abs(eigenvalues).max())
    if status is None:
        scale = largest + norm / (1 + float(np.linalg.norm(theta)))
        flat = np.linalg.norm(hessian @ gradient) <= FLATNESS * scale * norm
        status = STATIONARY if norm <= tolerance else FLAT if flat else UNFINISHED
    ends = float(eigenvalues[0]), float(eigenvalues[-1])
    index, nullity = int((eigenvalues < -ZERO * largest).sum()), int((np.abs(eigenvalues) <= ZERO * largest).sum())
    return Found(theta, status, float(value), norm, index, nullity, *ends)
