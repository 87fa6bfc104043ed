"""How a gradient becomes a step: the optimizer, the noise added to it and the bounds kept by it."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from etaflow._checks import FloatArray, check_choice, check_float_array, check_nonnegative_number, check_number

OPTIMIZERS: dict[str, dict[str, float]] = {
    "sgd": {},
    "adagrad": {"eps": 1e-10},
    "rmsprop": {"rho": 0.99, "eps": 1e-8},
    "adam": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
}
MOMENTA = ("heavy_ball", "nesterov")
NOISES = ("gaussian", "sphere")
SLOTS = {"sgd": 0, "heavy_ball": 1, "nesterov": 1, "adagrad": 1, "rmsprop": 1, "adam": 2}


@dataclass(frozen=True, eq=False)
class Update:
    """One step θ ← P(θ − α·(direction + σξ)).

    Parameters
    ----------
    optimizer : {"sgd", "heavy_ball", "nesterov", "adagrad", "rmsprop", "adam"}
        What makes the direction from the gradients; PyTorch's formulas.
    hyper : tuple of three floats
        Momentum or beta1 or rho, beta2, eps; 0 where the optimizer has no such number.
    noise : float, default 0.0
        σ; ξ is independent of everything else.
    noise_kind : {"gaussian", "sphere"}
        ξ ~ N(0, I), or uniform on the unit sphere.
    lower, upper : ndarray, shape (d,), optional
        P projects onto the box between them after every step.
    """

    optimizer: str
    hyper: tuple[float, float, float]
    noise: float = 0.0
    noise_kind: str = "gaussian"
    lower: FloatArray | None = None
    upper: FloatArray | None = None

    @property
    def slots(self) -> int:
        """How many numbers per parameter the optimizer carries from step to step."""
        return SLOTS[self.optimizer]


def check_optimizer(optimizer: object, momentum: object) -> tuple[str, tuple[float, float, float]]:
    """Return the core's name of the optimizer and its three numbers.

    Parameters
    ----------
    optimizer : str or (str, mapping)
        ``sgd``, ``adagrad``, ``rmsprop``, ``adam``, alone or with some of its numbers; the others have PyTorch's
        defaults.
    momentum : float or (str, float)
        μ of ``sgd``: heavy-ball for a number, else ``("heavy_ball", μ)`` or ``("nesterov", μ)``.

    Returns
    -------
    name : str
        The core's name.
    hyper : tuple of three floats
        Momentum or beta1 or rho, beta2, eps.

    Raises
    ------
    TypeError
        If an argument has none of these forms.
    ValueError
        If a name is unknown or a number out of range.

    Examples
    --------
    >>> check_optimizer(("adam", {"beta2": 0.99}), 0.0)
    ('adam', (0.9, 0.99, 1e-08))
    >>> check_optimizer("sgd", ("nesterov", 0.9))
    ('nesterov', (0.9, 0.0, 0.0))
    """
    name, given = _pair("optimizer", optimizer, {})
    name = check_choice("optimizer", name, OPTIMIZERS)
    kind, mu = ("heavy_ball", momentum) if _is_number(momentum) else _pair("momentum", momentum, None)
    kind = check_choice("momentum", kind, MOMENTA)
    strength = _below_one("momentum", mu)
    if strength > 0 and name != "sgd":
        raise ValueError(f"momentum must be 0 with optimizer={name!r}, which has its own averages (got {momentum!r})")
    if not isinstance(given, Mapping):
        raise TypeError(f"optimizer must be a name or (name, dict of its numbers) (got {optimizer!r})")
    if name == "sgd":
        if given:
            raise ValueError(f"optimizer 'sgd' takes no numbers of its own, use momentum= (got {given!r})")
        return ("sgd" if strength == 0 else kind), (strength, 0.0, 0.0)
    return name, _hyper(name, given)


def check_noise(noise: object) -> tuple[float, str]:
    """Return σ and the kind of the noise added to every step.

    Parameters
    ----------
    noise : float or (str, float)
        σ of Gaussian noise, or ``("sphere", σ)`` for σ times a uniform point of the unit sphere (Ge et al. 2015).

    Returns
    -------
    sigma : float
        σ ≥ 0.
    kind : {"gaussian", "sphere"}
        Its law.

    Raises
    ------
    TypeError
        If it has none of these forms.
    ValueError
        If σ is negative or not finite, or the kind unknown.

    Examples
    --------
    >>> check_noise(0.1), check_noise(("sphere", 2))
    ((0.1, 'gaussian'), (2.0, 'sphere'))
    """
    kind, sigma = ("gaussian", noise) if _is_number(noise) else _pair("noise", noise, None)
    return check_nonnegative_number("noise", sigma), check_choice("noise", kind, NOISES)


def check_bounds(
    bounds: object, *, num_params: int, dtype: npt.DTypeLike
) -> tuple[FloatArray, FloatArray] | tuple[None, None]:
    """Return the lower and the upper bound of every parameter.

    Parameters
    ----------
    bounds : (lower, upper) or None
        Each a number, an array ``(d,)``, or None; infinite or None where there is no bound.
    num_params : int
        d.
    dtype : dtype
        The objective's dtype.

    Returns
    -------
    lower, upper : ndarray, shape (d,), or None
        The bounds.

    Raises
    ------
    TypeError
        If `bounds` is not a pair, or an array has another dtype.
    ValueError
        If a bound is NaN, has a wrong length, or lower > upper somewhere.
    """
    if bounds is None:
        return None, None
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise TypeError(f"bounds must be a pair (lower, upper) of numbers or arrays (got {bounds!r})")
    lower, upper = (
        _bound(side, value, num_params, dtype) for side, value in zip(("lower", "upper"), bounds, strict=True)
    )
    wrong = lower > upper
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ValueError(f"bounds must have lower <= upper (parameter {i} has {lower[i]} and {upper[i]})")
    return lower, upper


def check_inside(theta: FloatArray, update: Update) -> None:
    """Raise a ValueError if a start lies outside of the bounds.

    Raises
    ------
    ValueError
        If a parameter of `theta` is below its lower or above its upper bound.
    """
    if update.lower is None or update.upper is None:
        return
    outside = (theta < update.lower) | (theta > update.upper)
    if outside.any():
        run, i = (int(index) for index in np.unravel_index(int(np.argmax(outside)), outside.shape))
        raise ValueError(
            f"theta0 must lie within the bounds (parameter {i} of start {run} is {theta[run, i]}, "
            f"bounds {update.lower[i]} and {update.upper[i]})"
        )


def _hyper(name: str, given: Mapping[str, object]) -> tuple[float, float, float]:
    defaults = OPTIMIZERS[name]
    values: dict[str, Any] = dict(defaults)
    for key, value in given.items():
        values[check_choice(f"a number of optimizer {name!r}", key, defaults)] = value
    eps = check_nonnegative_number("eps", values.pop("eps"))
    rates = [_below_one(key, value) for key, value in values.items()]
    first, second = (*rates, 0.0, 0.0)[:2]
    return first, second, eps


def _pair(name: str, value: object, default: object) -> tuple[Any, Any]:
    if isinstance(value, str) and default is not None:
        return value, default
    if not isinstance(value, tuple | list) or len(value) != 2:
        second = "number" if default is None else "dict"
        raise TypeError(
            f"{name} must be a {'number' if default is None else 'name'} or (name, {second}) (got {value!r})"
        )
    return value[0], value[1]


def _below_one(name: str, value: object) -> float:
    number = check_number(name, value, minimum=0)
    if number >= 1:
        raise ValueError(f"{name} must be < 1 (got {number:g})")
    return number


def _is_number(value: object) -> bool:
    return not isinstance(value, tuple | list | str)


def _bound(side: str, value: object, num_params: int, dtype: npt.DTypeLike) -> FloatArray:
    if value is None:
        value = -np.inf if side == "lower" else np.inf
    if isinstance(value, numbers.Real):
        array: FloatArray = np.full(num_params, float(value)).astype(dtype)
    else:
        array = check_float_array(f"bounds: {side}", value, dtype=dtype, shape=(num_params,), finite=False).copy()
    if np.isnan(array).any():
        raise ValueError(f"bounds must not be NaN (the {side} bound of parameter {np.argmax(np.isnan(array))} is)")
    return array
