"""Top modes and the trace of a covariance that is known by its products alone, with the error stated."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

BLOCKS = 30


class Modes(NamedTuple):
    """Principal axes of a covariance.

    Attributes
    ----------
    variance : ndarray, shape (k,)
        The largest eigenvalues, falling.
    direction : ndarray, shape (k, d)
        The unit eigenvectors v, as rows; their sign is arbitrary.
    residual : ndarray, shape (k,)
        ‖Σv − variance·v‖: there is an eigenvalue within this distance.
    """

    variance: Array
    direction: Array
    residual: Array


def top_modes(multiply: Callable[[Array], Array], d: int, k: int, *, tolerance: float, seed: int) -> Modes:
    """Return the k largest eigenvalues of a positive semidefinite matrix by the randomized block Lanczos method.

    Musco and Musco 2015, Algorithm 2, with fresh orthogonalisation, until every residual is at most tolerance times the largest
    eigenvalue, or the basis has 30 blocks.

    Parameters
    ----------
    multiply : callable
        The product with the columns of a (d, m) array.
    d : int
        The dimension.
    k : int
        How many.
    tolerance : float
        Relative, of the residuals.
    seed : int
        Of the start.

    Returns
    -------
    Modes
        The modes and their residuals.
    """
    block = np.random.default_rng(seed).standard_normal((d, min(d, k + 8)))
    basis, image = np.empty((d, 0)), np.empty((d, 0))
    while True:
        for _ in range(2):  # the second time for what rounding left
            block = np.linalg.qr(block - basis @ (basis.T @ block))[0]
        basis, image = np.hstack([basis, block]), np.hstack([image, multiply(block)])
        small = basis.T @ image
        values, vectors = np.linalg.eigh((small + small.T) / 2)
        values, vectors = values[::-1][:k], vectors[:, ::-1][:, :k]
        directions = basis @ vectors
        residual = np.linalg.norm(image @ vectors - directions * values, axis=0)
        room = min(block.shape[1], d - basis.shape[1])
        if room == 0 or (residual <= tolerance * values[0]).all() or basis.shape[1] > BLOCKS * block.shape[1]:
            return Modes(values, directions.T, residual)
        block = image[:, -block.shape[1] :][:, :room]


def estimate_trace(
    multiply: Callable[[Array], Array], quadratic: Callable[[Array], Array], d: int, *, samples: int, seed: int
) -> tuple[float, float]:
    """Return the trace of a positive semidefinite matrix by Hutch++, and its standard error.

    The trace on the range of the image of `samples` random vectors is exact, that on its complement is the mean over as many
    (Meyer, Musco, Musco and Woodruff 2021, Algorithm 1).

    Parameters
    ----------
    multiply : callable
        The product with the columns of a (d, m) array.
    quadratic : callable
        vᵀΣv for the columns of a (d, m) array.
    d : int
        The dimension.
    samples : int
        How many vectors; 2·samples or more than d give the exact trace.
    seed : int
        Of the vectors.

    Returns
    -------
    trace, error : float
        The estimate and one standard deviation of it.
    """
    if 2 * samples >= d:
        return float(quadratic(np.eye(d)).sum()), 0.0
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(multiply(rng.standard_normal((d, samples))))[0]
    probes = rng.choice([-1.0, 1.0], (d, samples))
    probes -= basis @ (basis.T @ probes)
    found = quadratic(np.hstack([basis, probes]))
    rest = found[samples:]
    return float(found[:samples].sum() + rest.mean()), float(rest.std(ddof=1) / np.sqrt(samples))
