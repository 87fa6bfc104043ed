"""Starts: how the parameters of a network are drawn before training (Fleischmann 2021, section 4.5.1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from etaflow._checks import check_choice, check_number, check_positive_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etaflow._checks import FloatArray

Scheme: TypeAlias = "str | tuple[str, float]"

# A weight matrix with `fan_in` inputs and `fan_out` outputs has variance 2/(fan_in + fan_out) by Glorot and
# Bengio (2010), 2/fan_in by He et al. (2015); U(-a, a) has variance a²/3.
_VARIANCES: dict[str, Callable[[int, int], float]] = {
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "he": lambda fan_in, _fan_out: 2 / fan_in,
}
_FAN_SCHEMES = ("glorot_uniform", "glorot_normal", "he_uniform", "he_normal")
_FLAT_SCHEMES = ("uniform", "normal", "constant")

# Streams 0 to 2 of a run belong to descend (indices, noise, permutations): its start must not repeat their numbers.
_STREAM = 3


def run_generator(seed: int, run: int) -> np.random.Generator:
    """Return the generator of the start of one run.

    Parameters
    ----------
    seed, run : int
        The key of the Philox generator: the start of run r is the same in every ensemble with that seed.

    Returns
    -------
    numpy.random.Generator
        ``Generator(Philox(key=[seed, run], counter=[0, 3, 0, 0]))``.
    """
    key = np.array([seed, run], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, _STREAM, 0, 0], dtype=np.uint64)))


def parse_scheme(scheme: object) -> tuple[str, float]:
    """Return the scheme's name and number.

    Parameters
    ----------
    scheme : str or (str, float)
        As `MLP.init` takes it.

    Returns
    -------
    name : str
        The scheme's name.
    number : float
        Its number; NaN for a scheme that has none.

    Raises
    ------
    TypeError
        If the scheme is of another form.
    ValueError
        If the name is unknown or the number out of range.
    """
    if isinstance(scheme, str) and scheme in _FLAT_SCHEMES:
        raise TypeError(f'scheme {scheme!r} needs a number: scheme=("{scheme}", 0.1)')
    if not isinstance(scheme, tuple) or len(scheme) != 2:
        return check_choice("scheme", scheme, _FAN_SCHEMES + _FLAT_SCHEMES), math.nan
    name = check_choice("scheme", scheme[0], _FAN_SCHEMES + _FLAT_SCHEMES)
    if name in _FAN_SCHEMES:
        raise TypeError(f'scheme {name!r} takes no number: scheme="{name}" (got {scheme!r})')
    check = check_number if name == "constant" else check_positive_number
    return name, check(f"the number of scheme {name!r}", scheme[1])


def draw(generator: np.random.Generator, shapes: Sequence[tuple[int, int]], bias: bool, scheme: object) -> FloatArray:
    """Draw one parameter vector.

    Parameters
    ----------
    generator : numpy.random.Generator
        Where the numbers come from.
    shapes : sequence of (int, int)
        The shape (out, in) of each layer's weight matrix.
    bias : bool
        Whether each layer has a bias vector.
    scheme : str or (str, float)
        As `MLP.init` takes it.

    Returns
    -------
    ndarray of float64, shape (d,)
        The parameters, layer by layer.
    """
    name, number = parse_scheme(scheme)
    num_params = sum(rows * columns + rows * bias for rows, columns in shapes)
    if name == "constant":
        return np.full(num_params, number)
    if name == "uniform":
        return generator.uniform(-number, number, num_params)
    if name == "normal":
        return generator.normal(0.0, number, num_params)
    family, distribution = name.split("_")
    blocks = []
    for rows, columns in shapes:
        deviation = math.sqrt(_VARIANCES[family](columns, rows))
        blocks.append(_sample(generator, distribution, deviation, rows * columns))
        blocks.append(np.zeros(rows * bias))
    return np.concatenate(blocks)


def _sample(generator: np.random.Generator, distribution: str, deviation: float, size: int) -> FloatArray:
    if distribution == "normal":
        return generator.normal(0.0, deviation, size)
    limit = math.sqrt(3.0) * deviation
    return generator.uniform(-limit, limit, size)
