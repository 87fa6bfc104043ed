"""Activations and their first two derivatives against mpmath."""

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
from mpmath import mp, mpf

from numerics import DTYPES, Float, Floats, arguments, around, builds, error_and_ulp, exactly

BUILDS = builds()
Exact = Callable[[mpf], mpf]


def logistic(z: mpf) -> mpf:
    return 1 / (1 + mp.exp(-z))


def logistic_second(z: mpf) -> mpf:
    return -logistic(z) * logistic(-z) * mp.tanh(z / 2)


def normal_cdf(z: mpf) -> mpf:
    return mp.erfc(-z / mp.sqrt(2)) / 2


class Smooth(NamedTuple):
    """Value and derivatives, and for each the bounds (a, b) of the error: a ulp of the result plus b epsilon."""

    exact: tuple[Exact, Exact, Exact]
    bounds: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    limit: tuple[float, float]  # of |z| that is tested, float64 and float32


SMOOTH = {
    "logistic": Smooth(
        (logistic, lambda z: logistic(z) * logistic(-z), logistic_second), ((3, 0), (6, 0), (8, 0)), (760, 106)
    ),
    # 1 - a^2 and -2a (1 - a^2) in floating point: exact to the rounding of a, not relative to themselves
    "tanh": Smooth(
        (mp.tanh, lambda z: mp.sech(z) ** 2, lambda z: -2 * mp.tanh(z) * mp.sech(z) ** 2),
        ((2.7, 0), (1, 2.5), (1, 5)),
        (25, 12),
    ),
    "arctan": Smooth(
        (
            lambda z: 2 / mp.pi * mp.atan(z),
            lambda z: 2 / mp.pi / (1 + z * z),
            lambda z: -4 / mp.pi * z / (1 + z * z) ** 2,
        ),
        ((3, 0), (3, 0), (6, 0)),
        (1e9, 1e9),
    ),
    "softplus": Smooth(
        (lambda z: max(z, mpf(0)) + mp.log1p(mp.exp(-abs(z))), logistic, lambda z: logistic(z) * logistic(-z)),
        ((2.1, 0), (3, 0), (6, 0)),
        (760, 106),
    ),
    # phi' and phi'' have zeros, at z = -0.75 and at z = +-sqrt(2)
    "gelu": Smooth(
        (
            lambda z: z * normal_cdf(z),
            lambda z: normal_cdf(z) + z * mp.npdf(z),
            lambda z: mp.npdf(z) * (2 - z * z),
        ),
        ((8, 0), (8, 2), (4, 2)),
        (40, 16),
    ),
    "sin": Smooth((mp.sin, mp.cos, lambda z: -mp.sin(z)), ((1.7, 0), (1.7, 0), (1.7, 0)), (8192, 2048)),
}
PIECEWISE = ("identity", "relu", "leaky_relu")

by_build = pytest.mark.parametrize("core", BUILDS, ids=lambda core: core.isa)
by_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float64", "float32"])
by_smooth = pytest.mark.parametrize("name", list(SMOOTH))
by_name = pytest.mark.parametrize("name", [*SMOOTH, *PIECEWISE])


def domain(name: str, dtype: type[Float]) -> Floats:
    limit = SMOOTH[name].limit[0 if dtype is np.float64 else 1]
    x: Floats = np.concatenate([
        arguments(dtype, -limit, limit, 300),
        around([1.0, 2**0.5, 0.7517915, 5.5, 4.0, limit], dtype),
    ])
    return x[np.abs(x) <= limit]


def assert_within(name: str, z: Floats, actual: tuple[Floats, ...], bounds: tuple[tuple[float, float], ...]) -> None:
    for order, (result, exact, (ulps, epsilons)) in enumerate(zip(actual, SMOOTH[name].exact, bounds, strict=True)):
        with mp.workdps(50):
            error, ulp = error_and_ulp(result, exactly(exact, z))
        excess = error - (ulps * ulp + epsilons * float(np.finfo(result.dtype).eps))
        worst = int(np.where(np.isnan(excess), np.inf, excess).argmax())
        assert excess[worst] <= 0, f"{name}, derivative {order}, at {z[worst]!r}: {result[worst]!r}"


@by_build
@by_dtype
@by_smooth
def test_value_and_derivatives(name: str, dtype: type[Float], core: ModuleType) -> None:
    z: Floats = domain(name, dtype)
    assert_within(name, z, core.activation(name, 0.0, z), SMOOTH[name].bounds)


@by_build
@by_dtype
def test_left_tail_of_gelu_is_accurate_relative_to_itself(dtype: type[Float], core: ModuleType) -> None:
    rng = np.random.default_rng(7)
    z: Floats = rng.uniform(-38.7 if dtype is np.float64 else -14.4, -2.0, 1000).astype(dtype)
    assert_within("gelu", z, core.activation("gelu", 0.0, z), ((8, 0), (12, 0), (5, 0)))


@by_build
@by_dtype
def test_relu(dtype: type[Float], core: ModuleType) -> None:
    z: Floats = np.array([-np.inf, -2.0, -1e-40, -0.0, 0.0, 1e-40, 3.0, np.inf], dtype)
    for at_0 in (0.0, 0.5, 1.0):
        value, first, second = core.activation("relu", at_0, z)
        np.testing.assert_array_equal(value, np.maximum(z, 0))
        np.testing.assert_array_equal(first, [0, 0, 0, at_0, at_0, 1, 1, 1])
        np.testing.assert_array_equal(second, 0.0)


@by_build
@by_dtype
def test_leaky_relu(dtype: type[Float], core: ModuleType) -> None:
    z: Floats = np.array([-np.inf, -2.0, -0.0, 0.0, 3.0, np.inf], dtype)
    for slope in (0.1, 0.01, -1.0, 2.0):
        value, first, second = core.activation("leaky_relu", slope, z)
        np.testing.assert_array_equal(value, np.where(z < 0, dtype(slope) * z, z))
        np.testing.assert_array_equal(first, np.where(z < 0, dtype(slope), dtype(1)))
        np.testing.assert_array_equal(second, 0.0)


@by_build
@by_dtype
def test_identity(dtype: type[Float], core: ModuleType) -> None:
    z: Floats = np.array([-np.inf, -2.0, 0.0, 3.0, np.inf], dtype)
    value, first, second = core.activation("identity", 0.0, z)
    np.testing.assert_array_equal(value, z)
    np.testing.assert_array_equal(first, 1.0)
    np.testing.assert_array_equal(second, 0.0)


@by_build
@by_dtype
@by_name
def test_nan_goes_through_in_its_lane_alone(name: str, dtype: type[Float], core: ModuleType) -> None:
    z: Floats = np.linspace(-2, 2, 37).astype(dtype)
    z[5::7] = np.nan
    for result in core.activation(name, 0.3, z):
        np.testing.assert_array_equal(np.isnan(result), np.isnan(z))


LIMITS = {
    "logistic": ((0, 1), (0, 0), (0, 0)),
    "tanh": ((-1, 1), (0, 0), (0, 0)),
    "arctan": ((-1, 1), (0, 0), (0, 0)),
    "softplus": ((0, np.inf), (0, 1), (0, 0)),
    "gelu": ((0, np.inf), (0, 1), (0, 0)),
}


@by_build
@by_dtype
@pytest.mark.parametrize("name", list(LIMITS))
def test_limits(name: str, dtype: type[Float], core: ModuleType) -> None:
    for far in (np.inf, float(np.finfo(dtype).max)):
        results = core.activation(name, 0.0, np.array([-far, far], dtype))
        for result, limit in zip(results, LIMITS[name], strict=True):
            np.testing.assert_allclose(result, np.minimum(limit, far).astype(dtype), rtol=1e-6, atol=1e-30)


@by_build
@by_dtype
@by_smooth
def test_odd_functions_keep_the_sign_of_zero(name: str, dtype: type[Float], core: ModuleType) -> None:
    value, _, _ = core.activation(name, 0.0, np.array([0.0, -0.0], dtype))
    odd = name in {"tanh", "arctan", "sin", "gelu"}  # gelu is z/2 there
    np.testing.assert_array_equal(np.signbit(value), [False, odd])


@by_build
@by_dtype
@by_name
def test_every_remainder_of_vectors(name: str, dtype: type[Float], core: ModuleType) -> None:
    z: Floats = np.linspace(-3, 3, 67).astype(dtype)
    whole = core.activation(name, 0.3, z)
    for length in range(67):
        for part, result in zip(core.activation(name, 0.3, z[:length]), whole, strict=True):
            np.testing.assert_array_equal(part, result[:length])


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match="swish"):
        BUILDS[-1].activation("swish", 0.0, np.zeros(2))
