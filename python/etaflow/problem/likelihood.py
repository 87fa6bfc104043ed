"""The losses read as likelihoods: Bernoulli for the log loss, Gaussian for the square loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from etaflow._checks import FloatArray
    from etaflow.problem.objective import Objective


def noise_variance(objective: Objective, theta: npt.ArrayLike) -> FloatArray:
    """Return σ̂² = Σ_i ‖y_i − ŷ_i‖²/(n·d_L): see `Objective.noise_variance`.

    Returns
    -------
    scalar or ndarray, shape (runs,)
        The variance.

    Raises
    ------
    ValueError
        If the loss is not "square".
    """
    if objective.loss != "square":
        raise ValueError(f'the noise variance belongs to loss="square" (got loss="{objective.loss}")')
    variance: FloatArray = objective.losses(theta).mean(axis=-1) / objective.dtype.type(objective.net.widths[-1])
    return variance


def predict_distribution(objective: Objective, theta: npt.ArrayLike, x: npt.ArrayLike) -> Any:
    """Return the distribution of the target given x: see `Objective.predict_distribution`.

    Returns
    -------
    frozen distribution of scipy.stats
        Bernoulli, Gaussian or multinomial.
    """
    from scipy import special, stats  # noqa: PLC0415  (SciPy is slow to import)

    parameters = objective.check_theta(theta)
    prediction = objective.net.predict(parameters, x)
    if objective.loss == "log":
        return stats.bernoulli(prediction)
    if objective.loss == "softmax":
        # In double precision, because the distribution demands that the probabilities sum to 1.
        return stats.multinomial(1, special.softmax(prediction.astype(np.float64), axis=-1))
    variance = np.asarray(objective.noise_variance(parameters))
    return stats.norm(prediction, np.sqrt(variance)[..., None, None])
