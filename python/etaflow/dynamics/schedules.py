"""Step-size schedules: plain callables k ↦ α_k that know whether Σ α_k = ∞ and Σ α_k² < ∞.

The step number k counts from 1, as in Fleischmann 2021; a schedule takes one k or an array of them. Every schedule is an
immutable value: it compares, hashes, prints as the call that makes it, and goes through JSON with `Schedule.to_dict`
and `from_dict`.

Examples
--------
>>> import numpy as np
>>> from etaflow.dynamics import schedules
>>> alpha = schedules.polynomial(0.1, gamma=0.75)
>>> alpha(15)
0.0125
>>> alpha(np.array([15, 80]))
array([0.0125   , 0.0037037])
>>> print(alpha.robbins_monro())
satisfied: Σ α_k = ∞ and Σ α_k² < ∞, since α_k ~ k^-0.75 and 1/2 < 0.75 <= 1
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow._checks import (
    check_choice,
    check_int,
    check_nonnegative_number,
    check_number,
    check_positive_int,
    check_positive_number,
)
from etaflow.dynamics._schedule_forms import (
    Constant,
    Cosine,
    Exponential,
    Piecewise,
    Polynomial,
    RobbinsMonro,
    Schedule,
    SearchThenConverge,
    Warmup,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "RobbinsMonro",
    "Schedule",
    "constant",
    "cosine",
    "exponential",
    "from_dict",
    "piecewise",
    "polynomial",
    "search_then_converge",
    "sqrt",
    "warmup",
]


def constant(alpha: float) -> Schedule:
    """Return α_k = α.

    Parameters
    ----------
    alpha : float
        The step size, > 0.

    Returns
    -------
    Schedule
        The schedule.

    Examples
    --------
    >>> constant(0.1)(7)
    0.1
    >>> bool(constant(0.1).robbins_monro())
    False
    """
    return Constant(check_positive_number("alpha", alpha))


def piecewise(alpha: float | Sequence[float], *, thresholds: Sequence[int], gamma: float | None = None) -> Schedule:
    """Return a piecewise constant schedule: α_k = α γ^i, or the i-th given value, for k_i <= k < k_{i+1}.

    The printed formula claims the step k = k_i for both of its neighbours; here a threshold is the first step with the
    new value (i is the number of thresholds <= k).

    Parameters
    ----------
    alpha : float or sequence of float
        The first step size, to be multiplied by `gamma` at each threshold; or all values, one more than thresholds. All > 0.
    thresholds : sequence of int
        Steps at which the value changes: increasing, >= 2.
    gamma : float, optional
        The factor per threshold, > 0. Needed if `alpha` is one number, refused otherwise.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError
        If `gamma` is missing for one number or given for a sequence.
    ValueError
        If there are not len(thresholds) + 1 values, or thresholds do not increase.

    References
    ----------
    Fleischmann 2021, section 4.5.2 (i) and figure 4.6 (α = 0.03, γ = 0.5).

    Examples
    --------
    >>> piecewise(0.03, thresholds=[100, 200], gamma=0.5)([1, 99, 100, 200])
    array([0.03  , 0.03  , 0.015 , 0.0075])
    >>> piecewise([0.1, 0.01], thresholds=[50])
    piecewise((0.1, 0.01), thresholds=(50,))
    """
    steps = _check_thresholds(thresholds)
    if np.ndim(alpha) == 0:
        if gamma is None:
            raise TypeError("gamma, the factor per threshold, must be given when alpha is one number (got None)")
        first, factor = check_positive_number("alpha", alpha), check_positive_number("gamma", gamma)
        values = [first * factor**i for i in range(len(steps) + 1)]
    else:
        if gamma is not None:
            raise TypeError(f"gamma must be left out when alpha holds every value (got gamma={gamma!r})")
        values = np.asarray(alpha).tolist()
        if len(values) != len(steps) + 1:
            raise ValueError(f"alpha must hold {len(steps) + 1} values for {len(steps)} thresholds (got {len(values)})")
    return Piecewise(tuple(check_positive_number(f"alpha[{i}]", value) for i, value in enumerate(values)), steps)


def _check_thresholds(thresholds: Sequence[int]) -> tuple[int, ...]:
    if np.ndim(thresholds) != 1:
        raise TypeError(f"thresholds must be a sequence of step numbers (got {thresholds!r})")
    steps = tuple(check_int(f"thresholds[{i}]", step, minimum=2) for i, step in enumerate(thresholds))
    if any(later <= earlier for earlier, later in pairwise(steps)):
        raise ValueError(f"thresholds must increase (got {steps})")
    return steps


def exponential(alpha: float, *, decay: float) -> Schedule:
    """Return α_k = α e^(−λ k), with λ = `decay`.

    As printed in the source, α is the value "at k = 0": the first step has size α e^(−λ).

    Parameters
    ----------
    alpha : float
        The scale α, > 0.
    decay : float
        The rate λ per step, > 0.

    Returns
    -------
    Schedule
        The schedule.

    References
    ----------
    Fleischmann 2021, section 4.5.2 (ii) and figure 4.6 (λ = 0.2).

    Examples
    --------
    >>> exponential(0.03, decay=0.2)(5)
    0.011036...
    """
    return Exponential(check_positive_number("alpha", alpha), check_positive_number("decay", decay))


def polynomial(alpha: float, *, gamma: float, beta: float = 1.0) -> Schedule:
    """Return α_k = α (β k + 1)^(−γ); it meets (4.23) exactly if 1/2 < γ <= 1.

    Parameters
    ----------
    alpha : float
        The scale α, > 0; the first step has size α (β + 1)^(−γ).
    gamma : float
        The exponent γ, > 0.
    beta : float, default 1.0
        How soon the decay sets in, > 0.

    Returns
    -------
    Schedule
        The schedule.

    References
    ----------
    Fleischmann 2021, section 4.5.2 (iii), Theorem 4.9.

    Examples
    --------
    >>> polynomial(0.5, gamma=1.0)(4)
    0.1
    """
    return Polynomial(
        check_positive_number("alpha", alpha),
        check_positive_number("gamma", gamma),
        check_positive_number("beta", beta),
    )


def sqrt(alpha: float) -> Schedule:
    """Return the square root schedule α_k = α / √(k + 1): polynomial with β = 1, γ = 1/2.

    Its squares still sum to infinity: it is just outside (4.23).

    Parameters
    ----------
    alpha : float
        The scale α, > 0.

    Returns
    -------
    Schedule
        The schedule.

    References
    ----------
    Fleischmann 2021, section 4.5.2 (iii) and figure 4.6.

    Examples
    --------
    >>> sqrt(0.1)(3)
    0.05
    """
    return polynomial(alpha, gamma=0.5)


def search_then_converge(alpha: float, *, tau: float, c: float | None = None) -> Schedule:
    """Return the schedule of Darken and Moody: nearly constant up to k ≈ τ, then like 1/k.

    Without `c` it is α_k = α / (1 + k/τ). With `c` it is
    α_k = α (1 + (c/α)(k/τ)) / (1 + (c/α)(k/τ) + τ (k/τ)²), which stays near α for longer and tends to c/k whatever τ is.

    Parameters
    ----------
    alpha : float
        The step size η₀ of the search phase, > 0.
    tau : float
        The number of steps of the search phase, > 0.
    c : float, optional
        The constant of the tail c/k, > 0. SGD converges at the best rate if c > 1/(2 λ), λ the least eigenvalue of ∇²f.

    Returns
    -------
    Schedule
        The schedule.

    References
    ----------
    Darken and Moody 1991, Note on learning rate schedules for stochastic optimization (NIPS 3), cited by Finnoff 1992;
    with `c`: Darken and Moody 1992, Towards faster stochastic gradient search (NIPS 4).

    Examples
    --------
    >>> search_then_converge(0.1, tau=100)([1, 100, 10_000]).round(5)
    array([0.09901, 0.05   , 0.00099])
    >>> k = 10**9
    >>> round(search_then_converge(0.1, tau=100, c=5.0)(k) * k, 4)
    5.0
    """
    return SearchThenConverge(
        check_positive_number("alpha", alpha),
        check_positive_number("tau", tau),
        None if c is None else check_positive_number("c", c),
    )


def cosine(alpha: float, *, steps: int, final: float = 0.0) -> Schedule:
    """Return half a cosine wave from α_1 = α down to `final`, which is reached at step `steps` + 1 and kept.

    α_k = final + (α − final) (1 + cos(π (k − 1)/steps)) / 2: each of the `steps` steps moves, even if final is 0.

    Parameters
    ----------
    alpha : float
        The first step size, > 0.
    steps : int
        The length of the wave, >= 1.
    final : float, default 0.0
        The last step size, between 0 and `alpha`. With 0 the iterates stand still after `steps` steps.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    ValueError
        If `final` is above `alpha`.

    References
    ----------
    Loshchilov and Hutter 2017, SGDR, eq. (5), without restarts.

    Examples
    --------
    >>> cosine(0.1, steps=100)([1, 51, 101]).round(3)
    array([0.1 , 0.05, 0.  ])
    """
    top = check_positive_number("alpha", alpha)
    if check_nonnegative_number("final", final) > top:
        raise ValueError(f"final must be <= alpha = {top:g} (got {final:g})")
    return Cosine(top, check_positive_int("steps", steps), float(final))


def warmup(schedule: Schedule, *, steps: int, start: float = 0.0) -> Schedule:
    """Return another schedule whose first steps are scaled up linearly.

    α_k = (start + (1 − start) k/steps) · schedule(k) for k <= steps, and schedule(k) after. The step numbers of the inner
    schedule are not shifted.

    Parameters
    ----------
    schedule : Schedule
        What to warm up.
    steps : int
        The length of the warm-up, >= 1.
    start : float, default 0.0
        The factor that the line starts from at k = 0; 0 <= start <= 1.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError
        If `schedule` was not made by this module.
    ValueError
        If `start` is outside [0, 1].

    Examples
    --------
    >>> warmup(constant(0.1), steps=4)([1, 2, 4, 5])
    array([0.025, 0.05 , 0.1  , 0.1  ])
    """
    if not isinstance(schedule, Schedule):
        raise TypeError(f"schedule must be one of etaflow's schedules (got {schedule!r})")
    factor = check_number("start", start, minimum=0)
    if factor > 1:
        raise ValueError(f"start must be <= 1 (got {factor:g})")
    return Warmup(schedule, check_positive_int("steps", steps), factor)


_MAKERS: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "piecewise": piecewise,
    "exponential": exponential,
    "polynomial": polynomial,
    "search_then_converge": search_then_converge,
    "cosine": cosine,
    "warmup": warmup,
}
_KINDS: dict[str, type[Schedule]] = {
    cls.kind: cls for cls in (Constant, Piecewise, Exponential, Polynomial, SearchThenConverge, Cosine, Warmup)
}


def from_dict(description: Mapping[str, Any]) -> Schedule:
    """Return the schedule that `Schedule.to_dict` described.

    Parameters
    ----------
    description : mapping
        ``{"kind": ..., and exactly the parameters of that kind}``.

    Returns
    -------
    Schedule
        Equal to the schedule that was described, also after a round trip through JSON.

    Raises
    ------
    TypeError
        If `description` is not a mapping.
    ValueError
        If the kind is unknown, a parameter is missing or one is too many.

    Examples
    --------
    >>> import json
    >>> schedule = warmup(exponential(0.1, decay=0.01), steps=10)
    >>> from_dict(json.loads(json.dumps(schedule.to_dict()))) == schedule
    True
    """
    if not isinstance(description, Mapping):
        raise TypeError(f"description must be a mapping (got {description!r})")
    values = dict(description)
    kind = check_choice("kind", values.pop("kind", ""), _MAKERS)
    names = [field.name for field in fields(_KINDS[kind])]  # type: ignore[arg-type]
    if set(values) != set(names):
        raise ValueError(f"a {kind} schedule is described by {', '.join(names)} (got {', '.join(map(str, values))})")
    if kind == "warmup":
        values["schedule"] = from_dict(values["schedule"])
    return _MAKERS[kind](**values)
