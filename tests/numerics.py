"""Tools for testing functions of one variable: errors in units in the last place, arguments, the compiled builds."""

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
from mpmath import mpf
from numpy.typing import NDArray

Float = np.float64 | np.float32
Floats = NDArray[Any]
DTYPES = (np.float64, np.float32)


def builds() -> list[ModuleType]:
    """Every build of the compiled core that is installed and that this CPU can run."""
    best: str = import_module("etaflow._cpu").best_isa()
    runnable = ["base", "v3", "v4"][: ["base", "v3", "v4"].index(best) + 1]
    return [import_module(f"etaflow._core_{isa}") for isa in runnable if find_spec(f"etaflow._core_{isa}")]


def arguments(dtype: type[Float], low: float, high: float, count: int = 500) -> Floats:
    """Arguments in [low, high]: uniform, normal, of every magnitude down to the subnormal numbers, and special ones."""
    rng = np.random.default_rng(20210)
    info = np.finfo(dtype)
    tiny, largest = float(info.smallest_subnormal), float(min(max(abs(low), abs(high)), float(info.max)))
    magnitudes = np.exp(rng.uniform(np.log(tiny), np.log(largest), count)) * rng.choice([-1.0, 1.0], count)
    special = [
        0.0,
        -0.0,
        tiny,
        -tiny,
        float(info.tiny),
        -float(info.tiny),
        float(info.eps),
        -float(info.eps),
        low,
        high,
    ]
    x: Floats = np.concatenate([rng.uniform(low, high, count), rng.normal(size=count), magnitudes, special]).astype(
        dtype
    )
    return x[(x >= low) & (x <= high)]


def around(values: Sequence[float], dtype: type[Float]) -> Floats:
    """The values, their neighbours to both sides, and the negatives of all these."""
    x: Floats = np.asarray(values, dtype)
    x = np.concatenate([x, np.nextafter(x, dtype(-np.inf)), np.nextafter(x, dtype(np.inf))])
    return np.concatenate([x, -x])


def exactly(function: Callable[[mpf], mpf], x: Floats) -> list[mpf]:
    """The function at the floating-point numbers x, to as many digits as mpmath works with."""
    return [function(mpf(float(a))) for a in x]


def error_and_ulp(actual: Floats, exact: Sequence[mpf]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """|actual - exact| and the unit in the last place of exact. An overflow that is right has the error 0."""
    info = np.finfo(actual.dtype)
    high = np.array([float(e) for e in exact])
    low = np.array([float(e - mpf(h)) if np.isfinite(h) else 0.0 for e, h in zip(exact, high, strict=True)])
    exponent = np.frexp(high)[1] - (info.nmant + 1)
    ulp = np.maximum(np.ldexp(1.0, exponent), float(info.smallest_subnormal))
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs((actual.astype(np.float64) - high) - low)
        right_overflow = np.isinf(actual) & (actual == high.astype(actual.dtype))
    return np.where(right_overflow, 0.0, error), ulp


def ulp_error(actual: Floats, exact: Sequence[mpf]) -> NDArray[np.float64]:
    """The error in units in the last place; infinite where a NaN was not expected."""
    error, ulp = error_and_ulp(actual, exact)
    return np.where(np.isnan(error), np.inf, error / ulp)
