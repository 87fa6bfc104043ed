"""Directions along which a network of ReLUs computes the same on the data, and keeps its kinks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from etaflow._checks import FloatArray
    from etaflow.landscape.minima.piecewise import Piecewise

    Array = npt.NDArray[Any]

ROUNDING = 1e-10
"""Singular values below this share of the largest count as zero."""

STEPS = 6

BESIDE = 1e-3
"""So far away, in units of (1 + ‖θ‖)/√d, the rank is looked at again."""


def constant_directions(pieces: Piecewise, theta: FloatArray, slopes: list[Array], kinks: list[Array]) -> FloatArray:
    r"""Return the directions that change neither the predictions on the data nor the inputs at kinks.

    They are the kernel of the Jacobian of θ ↦ (h, z at the kinks), with the slopes held. If its rank is the same all around, where the kinks stay kinks, the points that compute the same are a smooth continuum with these tangents (constant-rank theorem), and f is constant on it. Rescaled units
    are among them, and units that see all observations on one side of their kink, which can share their work.

    Parameters
    ----------
    pieces : Piecewise
        f with free slopes.
    theta : ndarray, shape (d,)
        The point.
    slopes : list of ndarray, shape (n, d_ℓ)
        By layer.
    kinks : list of ndarray of bool, shape (n, d_ℓ)
        Which units are at a kink, for which observations.

    Returns
    -------
    ndarray, shape (d, m)
        Orthonormal columns; none with a penalty l2, or where the rank at one of two random points beside θ is another.
    """
    none = np.zeros((len(theta), 0))
    if pieces.objective.l2:
        return none
    _, sizes, vectors = np.linalg.svd(pieces.features(theta, slopes, kinks))
    rank = _rank(sizes)
    generator = np.random.default_rng(0)
    for _ in range(2):
        away = generator.normal(size=len(theta)) * BESIDE * (1 + np.linalg.norm(theta)) / np.sqrt(len(theta))
        beside = _onto_kinks(pieces, theta + away, slopes, kinks)
        if _rank(np.linalg.svd(pieces.features(beside, slopes, kinks), compute_uv=False)) != rank:
            return none
    kernel: FloatArray = vectors[rank:].T
    return kernel


def _onto_kinks(pieces: Piecewise, theta: FloatArray, slopes: list[Array], kinks: list[Array]) -> FloatArray:
    # The point beside θ at which the inputs at kinks are 0 again, by Gauss and Newton.
    number = sum(int(one.sum()) for one in kinks)
    for _ in range(STEPS if number else 0):
        inputs = pieces.gradient(theta[None], slopes)[1]
        off = np.concatenate([z[0, kink] for z, kink in zip(inputs, kinks, strict=True)])
        theta = theta - np.linalg.lstsq(pieces.features(theta, slopes, kinks)[-number:], off, rcond=1e-12)[0]
    return theta


def _rank(sizes: Array) -> int:
    return int((sizes > ROUNDING * sizes[0]).sum())
