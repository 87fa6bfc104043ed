"""What estimates the gradient in a step: a batch, or a surrogate of its sampling noise."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import check_choice
from etaflow.dynamics.sampling import Sampling

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow._checks import FloatArray

GRADIENT_NOISES = ("sampling", "gaussian", "isotropic")


@dataclass(frozen=True)
class Estimator:
    """How g_k is made from the data.

    Attributes
    ----------
    kind : {"sampled", "gaussian", "isotropic"}
        The mean over the batch; or the full gradient with Gaussian noise of covariance strength²·R(θ), or with isotropic
        noise of the same trace.
    strength : float
        Of that noise.
    correction : float
        This times ∇²f·∇f is added to the full gradient.
    draw_weights : tuple of float
        Factors of the draws of a batch; empty for 1.
    """

    kind: str = "sampled"
    strength: float = 0.0
    correction: float = 0.0
    draw_weights: tuple[float, ...] = ()

    def for_core(self, dtype: npt.DTypeLike) -> dict[str, Any]:
        """Return the part of a plan that the core reads.

        Returns
        -------
        dict
            Plain values and one array.
        """
        weights: FloatArray | None = np.array(self.draw_weights, dtype) if self.draw_weights else None
        return {
            "estimator": self.kind,
            "strength": self.strength,
            "correction": self.correction,
            "draw_weights": weights,
        }

    def describe(self) -> dict[str, Any]:
        """Return plain values that JSON can hold.

        Returns
        -------
        dict
            What `restore` reads.
        """
        return asdict(self)

    @classmethod
    def restore(cls, description: dict[str, Any]) -> Estimator:
        """Return the estimator that `describe` described.

        Returns
        -------
        Estimator
            An equal one.
        """
        return cls(**description | {"draw_weights": tuple(description["draw_weights"])})


def check_gradient_noise(gradient_noise: object, sampling: Sampling, n: int) -> tuple[Sampling, Estimator]:
    """Return what the core draws, and how it estimates the gradient.

    Parameters
    ----------
    gradient_noise : {"sampling", "gaussian", "isotropic"}
        The argument of `descend`.
    sampling : Sampling
        The batches whose noise is meant.
    n : int
        The number of observations.

    Returns
    -------
    Sampling
        The given one, or all observations for a surrogate.
    Estimator
        With the strength that the batches have.

    Raises
    ------
    TypeError
        If `gradient_noise` is not a string.
    ValueError
        If it is unknown, or the batches have no covariance that a surrogate could have.
    """
    kind = check_choice("gradient_noise", gradient_noise, GRADIENT_NOISES)
    if kind == "sampling":
        return sampling, Estimator()
    if sampling.name not in {"iid", "without_replacement"}:
        raise ValueError(
            f"gradient_noise={kind!r} needs batch_size and independent batches: "
            f"sampling 'iid' or 'without_replacement' (got {sampling.name!r})"
        )
    return Sampling("all", 0), Estimator(kind, math.sqrt(variance_factor(sampling.name, sampling.batch, n)))


def variance_factor(sampling: str, batch: int, n: int) -> float:
    """Return the covariance of the mean over a batch in units of that of one draw.

    Parameters
    ----------
    sampling : {"iid", "without_replacement"}
        How the batch is drawn.
    batch, n : int
        Its size, and the number of observations.

    Returns
    -------
    float
        1/|B|, without replacement times (n − |B|)/(n − 1) (Fleischmann 2021, section 4.3.2).

    Examples
    --------
    >>> variance_factor("iid", 4, 10), variance_factor("without_replacement", 10, 10)
    (0.25, 0.0)
    """
    if sampling == "iid":
        return 1 / batch
    return (n - batch) / (batch * (n - 1)) if n > 1 else 0.0
