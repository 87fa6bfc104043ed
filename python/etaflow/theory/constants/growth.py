"""Lemma 3.1 i) of Finnoff 1992: the constant of linear growth of the gradient, where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.theory.constants.ascent import ascend
from etaflow.theory.constants.bound import Bound, in_float64, single, step_scale
from etaflow.theory.constants.escaping_path import (
    LEVEL,
    bounded_error,
    escaping_point,
    measured_power,
    steepest_level,
    trailing_unbounded,
)
from etaflow.theory.constants.ranges import SLACK, Curve, supremum

if TYPE_CHECKING:
    from etaflow.problem.objective import Objective

    Array = npt.NDArray[np.float64]

SUSPECTS = 3
"""So many observations, those with the largest proved bounds, are searched for the observed constant."""

SCALES = (0.1, 1.0, 10.0, 1e2, 1e4, 1e6)
"""The sizes of the weights from which the search goes up."""


def growth(objective: Objective) -> Bound:
    r"""Return the constant K of Lemma 3.1 i), or the reason why there is none.

    The lemma says sup_i ‖∇L_i(θ)‖ ≤ K(1 + ‖θ‖) for all θ, and the same for the mean field h = −∇f. For a network of L
    layers, with t the number of unbounded activations (identity, relu, leaky_relu, softplus, gelu) in the hidden layers
    directly below the output, the gradient grows like ‖θ‖^p with

    * p = L − 1 if δ^L = ∂L_i/∂z^L is bounded: the losses "log" and "softmax", and the square loss with a bounded output
      (logistic, tanh, arctan, sin);
    * p = L + t for the square loss with an unbounded output.

    So the lemma holds for one hidden layer with *any* activation and bounded δ^L (Finnoff's network, with the output
    inside φ, is one), and for a network without hidden layers. It fails for one hidden layer with identity output and
    square loss, where ∂L_i/∂β = 2(ŷ − y)·γφ'(β·x)·x is a product of two weights (p = 2, or 3 with an unbounded φ), and
    for every network with two or more hidden layers.

    *Proof.* Let X_i² = ‖x_i‖² + 1 (without biases ‖x_i‖²), and s = sup |φ'|. Layer ℓ contributes
    ‖δ^ℓ‖·(‖a^{ℓ−1}‖² + 1)^{1/2} to the gradient, with ‖δ^ℓ‖ ≤ s‖W^{ℓ+1}‖‖δ^{ℓ+1}‖ and ‖a^ℓ‖ ≤ √d_ℓ|φ(0)| + s‖z^ℓ‖ (or
    √d_ℓ sup |φ|): products of as many norms as the powers above say, and ‖W‖ ≤ ‖θ‖. For the other direction let all
    weights beyond the first layer be of size R, and the biases such that all z^ℓ stay where φ and φ' do not vanish (and let
    the activations of the last t layers and the output grow): then ‖δ^1‖ ~ R^p. Without biases rows of alternating signs do
    the same, for layers of at least two units; other networks without biases may be "open".

    *The constant.* With D_i = sup_θ ‖δ^L‖ (for the square loss D_i² = Σ_k sup_z |2(φ(z) − y_ik)φ'(z)|²; "log" √d_L; "softmax"
    √2) one hidden layer of q units gives, by Cauchy and Schwarz,
    ‖∇L_i‖² ≤ D_i²[(√q|φ(0)| + sX_i‖θ‖)² + 1], and dividing by (1 + ‖θ‖)², a convex combination of the ends,
    K = max_i D_i·max{(qφ(0)² + 1)^{1/2}, sX_i}, without the 1 if there are no biases. Without a hidden layer
    K = max_i D_iX_i, or 2sX_i·max{‖φ(0) − y_i‖, sX_i} if the output is unbounded.

    Parameters
    ----------
    objective : Objective
        The network, the data and the loss; float32 is taken to float64. What is bounded is the direction of an SGD step on one
        observation, ∇L_i + 2·l2·θ, with the factor n before ∇L_i if f is a sum; and −h = ∇f.

    Returns
    -------
    Bound
        `lower` is the largest ‖∇L_i(θ)‖/(1 + ‖θ‖) that gradient ascent found from several scales, `upper` is K, rounded
        outward. If the lemma fails, `exponent` is the power measured along the path of the proof, `theta` a point of
        it, and `proved_exponent` is p. `mean_field` is the same for h.

    Raises
    ------
    TypeError
        If `objective` is not an Objective.

    Examples
    --------
    >>> import etaflow as ef
    >>> x, y = ef.datasets.xor()
    >>> finnoff = ef.Objective(ef.MLP([2, 3, 1], output="tanh"), x, y)
    >>> bound = ef.theory.growth(finnoff)
    >>> bound.status, bool(0.99 * bound.upper < bound.lower <= bound.upper)
    ('proved', True)
    >>> bound = ef.theory.growth(ef.Objective(ef.MLP([2, 3, 1]), x, y))
    >>> bound.status, bound.proved_exponent, round(bound.exponent, 2)
    ('fails', 2.0, 2.0)
    """
    problem = in_float64(objective)
    power = float(proved_power(problem))
    if power > 1:
        return _superlinear(problem, power)
    near, far = _constants(problem)
    scale, l2 = step_scale(problem), 2 * problem.l2
    # (1 − u)·near + u·far with u = ‖θ‖/(1 + ‖θ‖) bounds the ratio, so its larger end does.
    ends = np.maximum(scale * near, scale * far + l2)
    average = scale / problem.n
    mean_end = max(average * float(near.sum()), average * float(far.sum()) + l2)
    suspects = np.argsort(-ends)[:SUSPECTS]
    found = [_ascend(single(problem, int(i)), scale) for i in suspects]
    best = int(np.argmax([ratio for ratio, _ in found]))
    mean_ratio, mean_theta = _ascend(problem, 1)
    reason = _reason(problem, power)
    field = Bound("K for h", mean_ratio, mean_end * (1 + SLACK), "proved", reason, mean_theta, proved_exponent=power)
    lower, theta = found[best]
    upper = float(ends.max()) * (1 + SLACK)
    return Bound("K", lower, upper, "proved", reason, theta, int(suspects[best]), None, power, field)


def proved_power(objective: Objective) -> int:
    """Return the power of ‖θ‖ that the gradient does not exceed, by the theorem in `growth`.

    Parameters
    ----------
    objective : Objective
        The objective.

    Returns
    -------
    int
        p.
    """
    layers = len(objective.net.shapes)
    return layers - 1 if bounded_error(objective) else layers + trailing_unbounded(objective)


def output_errors(objective: Objective, radius: npt.ArrayLike = np.inf) -> Array:
    """Return D_i ≥ sup ‖δ^L‖ for every observation, over output pre-activations |z_k| ≤ radius.

    Parameters
    ----------
    objective : Objective
        The objective.
    radius : float or array_like, shape (n,), default inf
        The limit of |z_k|, one per observation.

    Returns
    -------
    ndarray, shape (n,)
        The bounds.
    """
    limits = np.broadcast_to(np.asarray(radius, np.float64), (objective.n,))
    width = objective.net.widths[-1]
    if objective.loss == "log":
        return np.asarray(np.sqrt(width) / (1 + np.exp(-limits)))
    if objective.loss == "softmax":  # ‖p − e_y‖ ≤ √2(1 − p_y), and p_y is smallest at the corner
        return np.asarray(np.sqrt(2) * (width - 1) / (width - 1 + np.exp(-2 * limits)))
    curve = Curve(objective.net.activations[-1])
    pairs, where = np.unique(
        np.column_stack([objective.y.ravel(), np.repeat(limits, width)]), axis=0, return_inverse=True
    )
    largest = np.array([_largest_error(curve, target, limit) for target, limit in pairs])
    return np.asarray(np.linalg.norm(largest[where.ravel()].reshape(objective.n, width), axis=1))


# An upper bound of |2(φ(z) − y)φ'(z)| over |z| ≤ limit.
def _largest_error(curve: Curve, target: float, limit: float) -> float:

    def bound(low: Array, high: Array) -> Array:
        values, slopes = curve.enclose(0, low, high), curve.enclose(1, low, high)
        errors = np.maximum(np.abs(values[0] - target), np.abs(values[1] - target))
        return np.asarray(2 * errors * np.maximum(-slopes[0], slopes[1]))

    return supremum(bound, *curve.window(limit))


# The ends of the convex combination that bounds ‖∇L_i‖/(1 + ‖θ‖): at θ = 0 and far away, each (n,).
def _constants(objective: Objective) -> tuple[Array, Array]:
    reach = np.sqrt(np.sum(objective.x**2, axis=1) + objective.net.bias)
    first = Curve(objective.net.activations[0])
    if not bounded_error(objective):
        offsets = np.linalg.norm(first.at_zero - objective.y, axis=1)
        return 2 * first.lipschitz * reach * offsets, 2 * (first.lipschitz * reach) ** 2
    errors = output_errors(objective)
    if len(objective.net.shapes) == 1:
        return errors * reach, np.zeros(objective.n)
    constant = objective.net.widths[1] * first.at_zero**2 + objective.net.bias
    return errors * np.sqrt(constant), errors * first.lipschitz * reach


def _reason(objective: Objective, power: float) -> str:
    if power == 0:
        return "one layer, and the loss's derivative at the output is bounded"
    if len(objective.net.shapes) == 1:
        return "one layer: the gradient is the error, which grows linearly, times the input"
    return "one hidden layer, and the loss's derivative at the output is bounded: a single weight multiplies it"


def _superlinear(objective: Objective, power: float) -> Bound:
    longest = int(np.argmax(np.sum(objective.x**2, axis=1)))
    ones = {i: single(objective, i) for i in {longest, *range(min(objective.n, SUSPECTS))}}
    sampled = {i: measured_power(one, one) for i, one in ones.items()}
    worst = max(sampled, key=lambda i: sampled[i][0])
    mean = max((measured_power(objective, one) for one in ones.values()), key=lambda pair: pair[0])

    def bound(name: str, lower: float, measured: tuple[float, Array], **more: Any) -> Bound:
        exponent, theta = measured
        verdict, reason = _verdict(exponent), _failure(objective, power, exponent)
        return Bound(name, lower, np.inf, verdict, reason, theta, exponent=exponent, proved_exponent=power, **more)

    field = bound("K for h", _ratio(objective, mean[1]), mean)
    ratio = step_scale(objective) * _ratio(ones[worst], sampled[worst][1])
    return bound("K", ratio, sampled[worst], observation=worst, mean_field=field)


def _verdict(exponent: float) -> str:
    return "fails" if exponent > 1.5 else "open"


def _failure(objective: Objective, power: float, exponent: float) -> str:
    hidden = len(objective.net.shapes) - 1
    layers = "1 hidden layer" if hidden == 1 else f"{hidden} hidden layers"
    error = "a bounded" if bounded_error(objective) else "an unbounded"
    grows = f"{layers} and {error} loss derivative at the output let the gradient grow like ‖θ‖^{power:.0f}"
    if _verdict(exponent) == "fails":
        return f"{grows} (measured power {exponent:.2f})"
    return f"{grows} at most, but no path was found on which it grows faster than linearly"


def _ratio(objective: Objective, theta: Array) -> float:
    return float(np.linalg.norm(objective.gradient(theta)) / (1 + np.linalg.norm(theta)))


# The largest ‖∇f‖/(1 + ‖θ‖), times scale, that ascent of its logarithm finds from several scales, and where.
def _ascend(objective: Objective, scale: int) -> tuple[float, Array]:

    def climb(theta: Array) -> tuple[Array, Array]:
        gradients, lengths = objective.gradient(theta), np.linalg.norm(theta, axis=1)
        squares = np.sum(gradients**2, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            pull = objective.hessian_vector(theta, gradients) / squares[:, None]
            pull -= theta / (lengths * (1 + lengths))[:, None]
            return 0.5 * np.log(squares) - np.log1p(lengths), pull

    starts = [objective.net.init(seed=0, scheme=("normal", size)) for size in SCALES]
    steepest = steepest_level(objective.net.activations[0])
    starts += [escaping_point(objective, size, level) for size in SCALES for level in (LEVEL, steepest)]
    _, theta = ascend(climb, np.array(starts))
    return scale * _ratio(objective, theta), theta
