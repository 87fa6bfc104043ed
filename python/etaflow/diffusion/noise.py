"""How large the noise of one step is: the covariance of a mini-batch gradient in terms of that of one observation."""

from __future__ import annotations

from etaflow._checks import check_choice, check_positive_int
from etaflow.dynamics.estimator import variance_factor
from etaflow.problem.objective import Objective

SAMPLINGS = ("iid", "without_replacement")
"""The samplings whose steps are independent of one another, so that a step's covariance says all."""


def noise_factor(objective: Objective, batch_size: int = 1, sampling: str = "iid") -> float:
    """Return c with Cov(g | θ) = c·R(θ) for the mini-batch estimate g of ∇f(θ).

    c = 1/|B|, times n² if f is the sum of the losses (g is then n times the batch's mean), times (n − |B|)/(n − 1)
    without replacement, the correction for a finite population: the whole batch makes no noise. Finnoff 1992, section 4, is
    |B| = 1: c = 1. The variance of a batch and its correction: Fleischmann 2021, section 4.3.2.

    Parameters
    ----------
    objective : Objective
        The objective f: its reduction and its number n of observations count.
    batch_size : int, default 1
        |B|, the observations per step.
    sampling : {"iid", "without_replacement"}, default "iid"
        How a batch is drawn: with or without replacement, each batch independent of the others. The samplings that go
        through whole epochs ("shuffle_once", "reshuffle") have no such factor: their steps are not independent, and the
        noise of an epoch nearly cancels.

    Returns
    -------
    float
        The factor c, without a unit.

    Raises
    ------
    TypeError
        If an argument has a wrong type.
    ValueError
        If `batch_size` is < 1, or > n without replacement, or the sampling is another one.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> f = ef.Objective(ef.MLP([2, 3, 1]), x, y)
    >>> noise_factor(f, 2), noise_factor(f, 4, "without_replacement")
    (0.5, 0.0)
    """
    if not isinstance(objective, Objective):
        raise TypeError(f"objective must be an Objective (got {objective!r})")
    batch, n = check_positive_int("batch_size", batch_size), objective.n
    name = check_choice("sampling", sampling, SAMPLINGS)
    if name != "iid" and batch > n:
        raise ValueError(f"batch_size must be <= {n}, the number of observations, without replacement (got {batch})")
    return (n * n if objective.reduction == "sum" else 1) * variance_factor(name, batch, n)
