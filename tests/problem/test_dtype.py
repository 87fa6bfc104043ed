"""Dtypes: x decides, nothing is converted silently, and what is converted is exact."""

from typing import Any

import numpy as np
import pytest

import etaflow as ef
from problems import Case

NET = ef.MLP([2, 3, 1])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("runs", [None, 2])
def test_every_result_has_the_objectives_dtype(dtype: str, runs: int | None) -> None:
    case = Case((2, 3, 1), n=5, dtype=dtype)
    f, theta = case.objective, case.theta(runs)
    assert f.dtype == f.x.dtype == f.y.dtype == dtype
    weights = np.ones((*theta.shape[:-1], 5), dtype)
    results = [
        f.losses(theta),
        f.gradient(theta),
        f.value_and_gradient(theta)[1],
        f.sample_gradients(theta),
        f.sample_gradients(theta, [3, 1]),
        f.weighted_gradient(theta, weights),
        f.gradient_covariance(theta),
        f.covariance_factor(theta),
        f.hessian(theta),
        f.hessian_vector(theta, theta),
        case.net.predict(theta, f.x),
    ]
    assert {result.dtype.name for result in results} == {dtype}
    # One number per run is always given in double precision: it costs nothing.
    assert {
        np.asarray(result).dtype.name for result in (f.value(theta), f.value_and_gradient(theta)[0], f.accuracy(theta))
    } == {"float64"}
    shape = () if runs is None else (runs,)
    assert np.shape(f.value(theta)) == np.shape(f.accuracy(theta)) == np.shape(f.noise_variance(theta)) == shape


@pytest.mark.parametrize(
    "x",
    [
        [[1, 2], [3, 4]],
        [[True, False], [False, True]],
        np.array([[1, 2], [3, 4]], np.int8),
        np.array([[1, 2], [3, 4]], np.uint64),
        np.array([[1.5, 2], [3, 4]]),
        ((1.5, 2), (3, 4)),
        np.array([[2**60, -(2**62)], [3, 4]]),
    ],
)
def test_numbers_become_float64(x: Any) -> None:
    f = ef.Objective(NET, x, [0, 1])
    assert f.dtype == np.float64
    np.testing.assert_array_equal(f.x, np.asarray(x))


def test_targets_follow_x_where_that_is_exact() -> None:
    single, double = np.ones((3, 2), np.float32), np.ones((3, 2))
    for y in ([0, 1, 2], np.array([0.5, 0.25, -3.0]), np.array([1, 2, 3], np.int16), [True, False, True]):
        assert ef.Objective(NET, single, y).y.dtype == np.float32
        assert ef.Objective(NET, double, y).y.dtype == np.float64
    fine = np.array([0.1, 0.2, 0.3], np.float32)
    np.testing.assert_array_equal(ef.Objective(NET, double, fine).y[:, 0], fine.astype(float))


def test_targets_that_would_be_rounded() -> None:
    single = np.ones((3, 2), np.float32)
    with pytest.raises(TypeError, match=r"y must be float32 like x .*y\[1\] = .*0.1.*y.astype\(np.float32\)"):
        ef.Objective(NET, single, np.array([0.5, 0.1, 0.25]))
    with pytest.raises(TypeError, match=r"y\[2, 0\] = "):
        ef.Objective(NET, single, [[1], [1], [2**24 + 1]])


def test_targets_that_overflow_single_precision() -> None:
    with pytest.raises(ValueError, match=r"y must be within the range ±3.4028235e\+38 of float32.*y\[1\] is 1e\+300"):
        ef.Objective(NET, np.ones((2, 2), np.float32), np.array([1.0, 1e300]))


def test_integers_that_float64_cannot_hold() -> None:
    with pytest.raises(ValueError, match=r"x\[0, 1\] = 9007199254740993 is not a float64 number"):
        ef.Objective(NET, [[1, 2**53 + 1]], [1.0])


@pytest.mark.parametrize(
    "dtype", ["float16", "longdouble", "complex128", "complex64", "U3", "S3", "object", "datetime64[s]"]
)
def test_other_dtypes_are_refused(dtype: str) -> None:
    x, y = np.ones((2, 2)), np.ones(2)
    theta = np.ones(NET.num_params)
    f = ef.Objective(NET, x, y)

    def converted(array: np.ndarray) -> np.ndarray:
        return array.astype(int).astype(dtype) if dtype.startswith("datetime") else array.astype(dtype)

    if dtype == "longdouble" and np.dtype(dtype) == np.float64:
        pytest.skip("longdouble is double here")
    with pytest.raises(TypeError, match="x must be"):
        ef.Objective(NET, converted(x), y)
    with pytest.raises(TypeError, match="y must be"):
        ef.Objective(NET, x, converted(y))
    with pytest.raises(TypeError, match="theta must be"):
        f.value(converted(theta))
    with pytest.raises(TypeError, match="w must be"):
        f.weighted_gradient(theta, converted(y))


@pytest.mark.parametrize(("kind", "other"), [("float64", "float32"), ("float32", "float64")])
def test_theta_must_have_the_objectives_dtype(kind: str, other: str) -> None:
    case = Case((2, 3, 1), n=4, dtype=kind)
    f, theta = case.objective, case.theta().astype(other)
    message = rf"theta must be {kind} \(got {other}\); convert with np.asarray\(theta, np.{kind}\)"
    methods = (f.value, f.losses, f.accuracy, f.gradient, f.value_and_gradient, f.sample_gradients, f.hessian)
    for method in (*methods, f.gradient_covariance, f.covariance_factor, f.hessian_operator):
        with pytest.raises(TypeError, match=message):
            method(theta)
    with pytest.raises(TypeError, match=message):
        f.backprop_trace(theta, 0)
    with pytest.raises(TypeError, match="v must be"):
        f.hessian_vector(case.theta(), theta)
    with pytest.raises(TypeError, match="x must be"):
        case.net.predict(case.theta(), f.x.astype(other))


def test_integer_theta() -> None:
    """A list of whole numbers is a point; an integer array is a mistake waiting to truncate an update."""
    f = ef.Objective(ef.MLP([1, 1]), [[1.0]], [1.0])
    assert f.gradient([1, 2]).dtype == np.float64
    with pytest.raises(TypeError, match="theta must be float64"):
        f.gradient(np.array([1, 2]))
    single = ef.Objective(ef.MLP([1, 1]), np.ones((1, 1), np.float32), [1.0])
    assert single.gradient([1, 2]).dtype == np.float32


def test_layouts_do_not_matter() -> None:
    case = Case((3, 4, 2), n=9)
    f, thetas = case.objective, case.theta(runs=4)
    expected = f.gradient(thetas)
    padded = np.zeros((4, 2 * case.net.num_params))
    padded[:, ::2] = thetas
    np.testing.assert_array_equal(f.gradient(padded[:, ::2]), expected)
    np.testing.assert_array_equal(f.gradient(np.asfortranarray(thetas)), expected)
    swapped = ef.Objective(case.net, np.asfortranarray(f.x), f.y[::-1][::-1])
    np.testing.assert_array_equal(swapped.gradient(thetas), expected)
    big_endian = ef.Objective(case.net, f.x.astype(">f8"), f.y)
    np.testing.assert_array_equal(big_endian.gradient(thetas), expected)
