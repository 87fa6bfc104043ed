"""Bundled data against published counts, means and checksums; standardisation against scikit-learn; XOR and circles."""

import hashlib
import itertools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from etaflow.problem import datasets

unchecked: Any = datasets  # for calls that mypy would refuse

EVERY_SET: dict[str, Callable[..., Any]] = {
    "digits": datasets.digits,
    "digits pair": lambda **options: datasets.digits(3, 6, **options),
    "iris": datasets.iris_pair,
    "circles": datasets.circles,
    "xor": datasets.xor,
    "teacher": lambda **options: datasets.teacher([3, 4, 2], **options),
    **{
        f"finnoff {n}": lambda n=n, **options: datasets.finnoff(n, **options)
        for n in ("additive", "product", "rbf", "network")
    },
    **{
        f"playground {n}": lambda n=n, **options: datasets.playground(n, **options)
        for n in ("circle", "xor", "gauss", "spiral", "reg-plane", "reg-gauss")
    },
}


@pytest.mark.parametrize("name", EVERY_SET)
def test_every_set_is_contiguous_finite_and_repeatable(name: str) -> None:
    load = EVERY_SET[name]
    x, y = load()
    assert x.dtype == y.dtype == np.float64
    assert x.ndim == 2
    assert len(x) == len(y)
    assert x.flags.c_contiguous
    assert y.flags.c_contiguous
    assert np.isfinite(x).all()
    assert np.isfinite(y).all()
    again = load()
    np.testing.assert_array_equal(again[0], x)
    np.testing.assert_array_equal(again[1], y)
    x32, y32 = load(dtype=np.float32)
    assert x32.dtype == y32.dtype == np.float32
    np.testing.assert_array_equal(x32, x.astype(np.float32))
    np.testing.assert_array_equal(y32, y.astype(np.float32))
    with pytest.raises(TypeError, match="dtype must be float64 or float32"):
        load(dtype=np.int32)


def test_all_digits_are_the_published_ones() -> None:
    """The UCI repository's description gives these counts per class for the 1797 test images."""
    x, y = datasets.digits()
    assert x.shape == (1797, 64)
    assert np.bincount(y.astype(int)).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert x.min() == 0
    assert x.max() == 1
    np.testing.assert_array_equal(x * 16, np.round(x * 16))


@pytest.mark.parametrize("pair", [(3, 6), (6, 3), (0, 9), (1, 7)])
def test_digit_pairs_are_labelled_in_the_order_of_the_arguments(pair: tuple[int, int]) -> None:
    images, labels = datasets.digits()
    x, y = datasets.digits(*pair)
    mask = (labels == pair[0]) | (labels == pair[1])
    np.testing.assert_array_equal(x, images[mask])
    np.testing.assert_array_equal(y, (labels[mask] == pair[1]).astype(float))


def test_three_digits_are_labelled_by_place() -> None:
    labels = datasets.digits()[1]
    y = datasets.digits(7, 0, 4)[1]
    kept = labels[np.isin(labels, [7, 0, 4])]
    assert [{7.0: 0.0, 0.0: 1.0, 4.0: 2.0}[label] for label in kept.tolist()] == y.tolist()


def test_iris_pair_of_the_slides() -> None:
    """f = 1 for versicolor, −1 for virginica; Fisher's (1936, Table II) means of the two species in cm."""
    x, y = datasets.iris_pair("versicolor", "virginica")
    assert x.shape == (100, 4)
    assert y.tolist() == [1.0] * 50 + [-1.0] * 50
    np.testing.assert_allclose(x[y == 1].mean(axis=0), [5.936, 2.770, 4.260, 1.326], atol=1e-12)
    np.testing.assert_allclose(x[y == -1].mean(axis=0), [6.588, 2.974, 5.552, 2.026], atol=1e-12)
    checksum = hashlib.sha256(np.round(x * 10).astype(np.uint8).tobytes()).hexdigest()
    assert checksum == "d6f583ed6c4d7b3319ede6141645ccb21e5bb7840a2d95704fd8ef3ba075f151"


def test_iris_options() -> None:
    x, y = datasets.iris_pair("virginica", "setosa", signed=False, standardized=True)
    assert sorted(set(y.tolist())) == [0.0, 1.0]
    assert y[0] == 0
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(x.std(axis=0), 1, rtol=1e-14)


def test_circles_are_those_of_scikit_learn() -> None:
    make_circles = pytest.importorskip("sklearn.datasets").make_circles
    for seed in (0, 5):
        x, y = datasets.circles(seed=seed)
        expected = make_circles(100, noise=0.35, factor=0.0, random_state=seed)
        np.testing.assert_array_equal(x, expected[0])
        np.testing.assert_array_equal(y, expected[1])
    x, y = datasets.circles(30, noise=0.0, factor=0.5)
    np.testing.assert_allclose(np.hypot(*x.T), np.where(y == 1, 0.5, 1.0), rtol=1e-14)


@pytest.mark.parametrize("signed", [True, False])
def test_xor_is_the_truth_table(signed: bool) -> None:
    x, y = datasets.xor(signed=signed)
    truth = {(a, b): a ^ b for a, b in itertools.product((0, 1), repeat=2)}
    bits = (x > 0).astype(int)
    assert {tuple(row): int(value > 0) for row, value in zip(bits.tolist(), y, strict=True)} == truth
    assert set(x.ravel().tolist()) == set(y.tolist()) == ({-1.0, 1.0} if signed else {0.0, 1.0})


@given(
    hnp.arrays(
        np.float64, hnp.array_shapes(min_dims=1, max_dims=2, max_side=12), elements=st.floats(-1e6, 1e6, width=32)
    )
)
def test_standardize_has_mean_0_and_deviation_1(x: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    z, standardizer = datasets.standardize(x)
    constant = x.max(axis=0) == x.min(axis=0)
    spread = np.where(constant, np.inf, x.max(axis=0) - x.min(axis=0))
    rounding = 1e-15 * (1 + np.abs(x).max(axis=0) / spread) * len(x)
    assert (np.abs(z.mean(axis=0)) <= 10 * rounding).all()
    assert (np.abs(z.std(axis=0) - ~constant) <= 10 * rounding).all()
    np.testing.assert_allclose(standardizer.inverse(z), x, rtol=1e-13, atol=1e-13 * max(1.0, float(np.abs(x).max())))


def test_standardize_agrees_with_scikit_learn_and_serves_other_data() -> None:
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    rng = np.random.default_rng(0)
    x, other = rng.normal(50, 3, (200, 4)), rng.normal(50, 3, (7, 4))
    x[:, 2] = 0.1  # constant, and not a sum of powers of two
    z, standardizer = datasets.standardize(x)
    scaler = preprocessing.StandardScaler().fit(x)
    np.testing.assert_allclose(z, scaler.transform(x), atol=1e-12)
    np.testing.assert_allclose(standardizer.apply(other), scaler.transform(other), atol=1e-12)
    assert (z[:, 2] == 0).all()
    assert standardizer.scale[2] == 1
    assert repr(standardizer).startswith("Standardizer(4 columns: mean 0.1")


def test_standardize_of_a_vector_and_of_float32() -> None:
    z, standardizer = datasets.standardize(np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(z, [-(1.5**0.5), 0, 1.5**0.5], rtol=1e-15)
    assert standardizer.mean.shape == ()
    assert repr(standardizer).startswith("Standardizer(vector")
    x = np.array([[1e7], [1e7 + 1], [1e7 + 2]], dtype=np.float32)
    z32, standardizer = datasets.standardize(x)
    assert z32.dtype == np.float32
    np.testing.assert_allclose(z32[:, 0], [-(1.5**0.5), 0, 1.5**0.5], rtol=1e-6)
    np.testing.assert_array_equal(standardizer.inverse(z32), x)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: datasets.digits(3), ValueError, r"which must hold at least two different classes \(got \[3\]\)"),
        (lambda: datasets.digits(3, 3), ValueError, "two different classes"),
        (lambda: datasets.digits(3, 10), ValueError, r"which\[1\] must be <= 9 \(got 10\)"),
        (lambda: unchecked.digits(3, "6"), TypeError, r"which\[1\] must be an integer"),
        (lambda: datasets.iris_pair("versicolour"), ValueError, "did you mean 'versicolor'"),
        (lambda: datasets.iris_pair("setosa", "setosa"), ValueError, "different species"),
        (lambda: datasets.circles(1), ValueError, r"n must be >= 2 \(got 1\)"),
        (lambda: datasets.circles(noise=-1), ValueError, "noise must be >= 0"),
        (lambda: datasets.circles(factor=1), ValueError, r"factor must be < 1 \(got 1\)"),
        (lambda: datasets.circles(seed=-1), ValueError, "seed must be >= 0"),
        (lambda: datasets.circles(seed=2**32), ValueError, "seed must be <= 4294967295"),
        (lambda: datasets.standardize(np.empty((0, 3))), ValueError, "at least one row"),
        (lambda: datasets.standardize([[1.0, np.nan]]), ValueError, r"x must be finite \(x\[0, 1\] is nan\)"),
        (lambda: datasets.standardize(np.zeros((2, 2, 2))), ValueError, "x must have 1 or 2 dimensions"),
        (lambda: datasets.standardize([["a"]]), TypeError, "x must be an array of real numbers"),
        (lambda: datasets.standardize([1e-200, 2e-200]), ValueError, "neither overflow nor vanish"),
        (lambda: datasets.standardize(np.eye(3))[1].apply(np.eye(2)), ValueError, r"x must have shape \(any, 3\)"),
    ],
)
def test_bad_input(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_overflow_of_a_standard_deviation_warns_nobody_and_is_refused() -> None:
    with pytest.raises(ValueError, match="neither overflow nor vanish"):
        datasets.standardize([1e300, -1e300])


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    for call in (datasets.digits, datasets.iris_pair, datasets.circles):
        with pytest.raises(ImportError, match=r'this needs scikit-learn: pip install "etaflow\[lab\]"'):
            call()
