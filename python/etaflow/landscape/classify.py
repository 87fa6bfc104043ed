"""The verdict on where training ended, with its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etaflow._checks import check_ndim
from etaflow.landscape.point import nearness
from etaflow.landscape.verdict.case import Case
from etaflow.landscape.verdict.evidence import gather

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow.landscape.verdict.result import Verdict
    from etaflow.problem.objective import Objective

ENDS = 5
"""Beyond 2500 parameters Lanczos finds so many eigenvalues at each end."""


def classify(
    objective: Objective, theta: npt.ArrayLike, *, tolerance: float | None = None, certify: bool = True
) -> Verdict:
    r"""Say what kind of point `theta` is: a minimum, a saddle, on the way to infinity, or no end at all.

    A point is stationary if a zero of ∇f is near: if Newton's step is at most tolerance·(1 + ‖θ‖) long (Fleischmann
    2021, Theorem 3.1, with a length in place of "= 0"). Then the spectrum of ∇²f decides, up to what rounding and the
    small rest of the gradient do to it: a negative eigenvalue makes a strict saddle (Theorem 3.2, Lee et al. 2016),
    positive ones a minimum (Theorem 3.3), a zero one a degenerate point, whose null space is compared with the
    network's symmetries. Where the Hessian does not apply, other evidence is sought: kinks of ReLU, and rays along
    which f falls for ever. Training that stopped early is best taken on by `polish` first.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    theta : array_like, shape (d,)
        The point.
    tolerance : float, optional
        How near a stationary point must be, relative to 1 + ‖θ‖; by default 64·√ε: 1e-6 in float64, 0.02 in float32.
    certify : bool, default True
        Whether a proof is tried, rounding included, that a minimum or a saddle is there. It costs a few times a Hessian
        in NumPy, and is left out for networks that are too large for that.

    Returns
    -------
    Verdict
        Kind, reason and evidence; `print` shows a table.

    Raises
    ------
    TypeError
        If `theta` is of another dtype than the objective.
    ValueError
        If `theta` is not one point with finite entries, as from another network, or the tolerance is not positive.

    See Also
    --------
    etaflow.point_test : the quick test, by the smallest and the largest eigenvalue alone.
    etaflow.polish : goes to the stationary point beside.
    etaflow.find_minima : many starts at once.

    Notes
    -----
    Up to 2500 parameters the whole spectrum is computed; beyond, Lanczos finds five eigenvalues at each end and MINRES
    Newton's step, and the null space is not looked at.

    Examples
    --------
    A saddle and a certified minimum of (2 − vw)² + 0.1(v² + w²):

    >>> import etaflow as ef
    >>> f = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1.0]], [2.0], l2=0.1)
    >>> ef.classify(f, [0.0, 0.0]).kind
    'strict saddle'
    >>> found = ef.classify(f, ef.polish(f, [1.0, 1.0]).theta)
    >>> found.kind, found.certified, found.certificate.radius < 1e-12
    ('minimum', True, True)

    Weights on their way to infinity, because the data are separable:

    >>> f = ef.Objective(ef.MLP([1, 1], output="logistic"), [[-1.0], [2.0]], [0.0, 1.0], loss="log")
    >>> ef.classify(f, ef.descend(f, f.net.init(0), steps=100, step_size=0.5).theta[0]).kind
    'minimum at infinity'
    """
    parameters = objective.check_theta(theta)
    check_ndim("theta", parameters, 1)
    if not isinstance(certify, bool | np.bool_):
        raise TypeError(f"certify must be True or False (got {certify!r})")
    near = nearness(objective, tolerance)
    return Case(objective, gather(objective, parameters, ends=ENDS), near, bool(certify)).verdict()
