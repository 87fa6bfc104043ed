"""Curvature and covariance as SciPy linear operators, which multiply without forming the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_ndim

if TYPE_CHECKING:
    import numpy.typing as npt
    from scipy.sparse.linalg import LinearOperator

    from etaflow._checks import FloatArray
    from etaflow.problem.base import Problem


def symmetric_operator(objective: Problem, product: str, theta: npt.ArrayLike) -> LinearOperator:
    """Return the operator whose product with a vector is the core's method `product` at θ.

    Parameters
    ----------
    objective : Objective
        The objective.
    product : str
        The name of a method (theta (runs, d), v (runs, d)) → (runs, d) of the compiled objective.
    theta : array_like, shape (d,)
        The parameters of one run.

    Returns
    -------
    scipy.sparse.linalg.LinearOperator
        Of shape (d, d) and the objective's dtype, equal to its adjoint.

    Raises
    ------
    ValueError
        If `theta` holds several runs.
    """
    from scipy.sparse.linalg import LinearOperator  # noqa: PLC0415  (SciPy is slow to import)

    parameters = np.array(objective.check_theta(theta))
    check_ndim("theta", parameters, 1)
    multiply = getattr(objective.core, product)

    def matmat(vectors: FloatArray) -> FloatArray:
        rows = np.ascontiguousarray(vectors.T, dtype=objective.dtype)
        starts = np.ascontiguousarray(np.broadcast_to(parameters, rows.shape))
        result: FloatArray = multiply(starts, rows, threads=objective.threads)
        return result.T

    def matvec(vector: FloatArray) -> FloatArray:
        return matmat(np.reshape(vector, (-1, 1)))[:, 0]

    shape = (objective.num_params, objective.num_params)
    return LinearOperator(shape, matvec, rmatvec=matvec, matmat=matmat, rmatmat=matmat, dtype=objective.dtype)
