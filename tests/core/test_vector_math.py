"""The core's elementary functions against mpmath, in units in the last place (ulp), over their whole range."""

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
from mpmath import mp, mpf

from numerics import DTYPES, Float, Floats, arguments, around, builds, exactly, ulp_error

BUILDS = builds()
Bounds = tuple[float, float]


def logistic(x: mpf) -> mpf:
    return 1 / (1 + mp.exp(-x)) if x >= 0 else mp.exp(x) / (1 + mp.exp(x))


def softplus(x: mpf) -> mpf:
    return max(x, mpf(0)) + mp.log1p(mp.exp(-abs(x)))


class Function(NamedTuple):
    exact: Callable[[mpf], mpf]
    float64: Bounds
    float32: Bounds
    ulps: float  # the largest seen among 10^7 arguments, rounded up
    special: tuple[float, ...] = ()  # thresholds inside the implementation, and where the result under- or overflows


FUNCTIONS = {
    "exp": Function(mp.exp, (-750, 715), (-106, 90), 1.2, (709.782712893384, 708.3964, 745.1332, 88.72284, 103.97208)),
    "log": Function(mp.log, (5e-324, 1.7e308), (1e-45, 3.4e38), 1.0, (1.0, 2**0.5, 0.5**0.5, 2.0, 0.5)),
    "log1p": Function(mp.log1p, (-0.9999, 1e300), (-0.9999, 1e38), 1.5, (0.5**0.5 - 1, 2**0.5 - 1, 1.0, 3.0, 6.8e15)),
    "tanh": Function(mp.tanh, (-22, 22), (-12, 12), 2.7, (0.17328679513998632, 0.5198603854199589, 19.5, 19.06, 10.0)),
    "logistic": Function(
        logistic, (-750, 750), (-106, 106), 3.0, (0.34657359027997264, 708.3964, 745.13, 87.33, 103.9)
    ),
    "softplus": Function(
        softplus, (-750, 750), (-106, 106), 2.1, (0.34657359027997264, 708.3964, 745.13, 87.33, 103.9)
    ),
    "atan": Function(mp.atan, (-1e3, 1e3), (-1e3, 1e3), 2.0, (0.41421356237309503, 1.0, 2.414213562373095, 1e16, 1e30)),
    "sin": Function(mp.sin, (-8192, 8192), (-2048, 2048), 1.7, (0.7853981633974483, 8192.0, 2048.0)),
    "cos": Function(mp.cos, (-8192, 8192), (-2048, 2048), 1.7, (0.7853981633974483, 8192.0, 2048.0)),
}

by_build = pytest.mark.parametrize("core", BUILDS, ids=lambda core: core.isa)
by_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float64", "float32"])
by_name = pytest.mark.parametrize("name", list(FUNCTIONS))


def domain(name: str, dtype: type[Float]) -> Floats:
    function = FUNCTIONS[name]
    low, high = function.float64 if dtype is np.float64 else function.float32
    x: Floats = np.concatenate([arguments(dtype, low, high), around(function.special, dtype)])
    x = x[(x >= low) & (x <= high)]
    if name == "log":  # its zero is at 1
        x = np.concatenate([x, around(np.linspace(0.5, 2, 301).tolist(), dtype)])
        return x[x > 0]
    return x


@by_build
@by_dtype
@by_name
def test_within_ulps(name: str, dtype: type[Float], core: ModuleType) -> None:
    x: Floats = domain(name, dtype)
    actual = core.vector_math(name, x)
    assert actual.dtype == dtype
    with mp.workdps(50):
        error = ulp_error(actual, exactly(FUNCTIONS[name].exact, x))
    worst = int(error.argmax())
    assert error[worst] <= FUNCTIONS[name].ulps, f"{name}({x[worst]!r}) = {actual[worst]!r}"


@by_build
@by_dtype
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_trigonometry_next_to_multiples_of_half_pi(name: str, dtype: type[Float], core: ModuleType) -> None:
    with mp.workdps(50):
        multiples: Floats = np.array(
            [float(k * mp.pi / 2) for k in range(1, 5216 if dtype is np.float64 else 1304)], dtype
        )
        error = ulp_error(core.vector_math(name, multiples), exactly(FUNCTIONS[name].exact, multiples))
    assert error.max() <= FUNCTIONS[name].ulps


@by_build
@by_dtype
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_trigonometry_of_large_angles(name: str, dtype: type[Float], core: ModuleType) -> None:
    x: Floats = np.array([8193.0, -1e4, 1e6, -3e15, 1e22, 1.5, 1e30, -np.float64(np.finfo(dtype).max)], dtype)
    with mp.workdps(400):
        error = ulp_error(core.vector_math(name, x), exactly(FUNCTIONS[name].exact, x))
    assert error.max() <= FUNCTIONS[name].ulps


LIMITS = {
    "exp": (0.0, np.inf),
    "log": (np.nan, np.inf),
    "log1p": (np.nan, np.inf),
    "tanh": (-1.0, 1.0),
    "logistic": (0.0, 1.0),
    "softplus": (0.0, np.inf),
    "atan": (-np.pi / 2, np.pi / 2),
    "sin": (np.nan, np.nan),
    "cos": (np.nan, np.nan),
}


@by_build
@by_dtype
@by_name
def test_infinity_and_nan(name: str, dtype: type[Float], core: ModuleType) -> None:
    largest = np.finfo(dtype).max
    at = core.vector_math(name, np.array([-np.inf, np.inf, np.nan, -largest, largest], dtype))
    np.testing.assert_array_equal(at[:2], np.array(LIMITS[name], dtype))
    assert np.isnan(at[2])
    if name in {"exp", "tanh", "logistic", "softplus", "atan"}:
        expected = np.array([LIMITS[name][0], largest if name == "softplus" else LIMITS[name][1]], dtype)
        np.testing.assert_array_equal(at[3:], expected)


@by_build
@by_dtype
def test_zeros(dtype: type[Float], core: ModuleType) -> None:
    zeros: Floats = np.array([0.0, -0.0], dtype)
    for name in ("tanh", "atan", "sin", "log1p"):
        result = core.vector_math(name, zeros)
        np.testing.assert_array_equal(result, 0.0)
        np.testing.assert_array_equal(np.signbit(result), [False, True], err_msg=name)
    for name, value in {"exp": 1.0, "cos": 1.0, "logistic": 0.5, "log": -np.inf}.items():
        np.testing.assert_array_equal(core.vector_math(name, zeros), value, err_msg=name)
    assert core.vector_math("log", np.ones(1, dtype)) == 0.0
    assert not np.signbit(core.vector_math("log", np.ones(1, dtype)))


@by_build
@by_dtype
def test_outside_the_domain(dtype: type[Float], core: ModuleType) -> None:
    negative: Floats = np.array([-1e-40, -1.0, -np.inf], dtype)
    assert np.isnan(core.vector_math("log", negative)).all()
    beyond: Floats = np.array([np.nextafter(dtype(-1), dtype(-2)), -3.0, -np.inf], dtype)
    assert np.isnan(core.vector_math("log1p", beyond)).all()
    assert core.vector_math("log1p", np.array([-1.0], dtype)) == -np.inf


@by_build
@by_dtype
@by_name
def test_value_does_not_depend_on_the_lane(name: str, dtype: type[Float], core: ModuleType) -> None:
    x: Floats = domain(name, dtype)[:97]
    together = core.vector_math(name, x)
    alone = np.concatenate([core.vector_math(name, x[i : i + 1]) for i in range(x.size)])
    np.testing.assert_array_equal(together, alone)


@by_dtype
@by_name
def test_builds_with_fma_agree_bitwise(name: str, dtype: type[Float]) -> None:
    fused = [core for core in BUILDS if core.isa != "base"]
    if len(fused) < 2:
        pytest.skip("fewer than two such builds here")
    x: Floats = domain(name, dtype)
    np.testing.assert_array_equal(fused[0].vector_math(name, x), fused[1].vector_math(name, x))


def test_shape_is_kept_and_bad_input_refused() -> None:
    core = BUILDS[-1]
    assert core.vector_math("exp", np.zeros((2, 0, 3))).shape == (2, 0, 3)
    assert core.vector_math("exp", np.zeros((2, 3), np.float32)).dtype == np.float32
    with pytest.raises(ValueError, match="sinh"):
        core.vector_math("sinh", np.zeros(3))
    with pytest.raises(TypeError):
        core.vector_math("exp", np.zeros(3, np.int64))
