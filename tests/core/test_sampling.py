"""The random numbers of a run, replayed with NumPy's own Philox; and their laws.

A test of a law is exact or states its level: the probability that a right generator fails it. Its seed is fixed.
"""

import re
from importlib import import_module
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from etaflow import _core

noise = import_module(f"etaflow._core_{_core.isa}").noise  # for tests alone, so not among the names of _core

WORD = 2**64
LARGEST = WORD - 1
LEVEL = 1e-3  # of every statistical test below

SIZES = [1, 2, 3, 10, 1000, 12049]
KEYS = [(0, 0), (1, 5), (LARGEST, 123_456_789_012), (0x0123456789ABCDEF, 3)]


def words(key: tuple[int, int], counter: list[int], count: int, first: int = 0) -> list[int]:
    generator = np.random.Philox(
        key=np.array(key, dtype=np.uint64),
        counter=np.array(counter, dtype=np.uint64),
    ).advance(first // 4)
    return [int(word) for word in generator.random_raw(first % 4 + count)[first % 4 :]]


def below(word: int, n: int) -> int:
    return word * n >> 64


def shuffled(n: int, count: int, stream: list[int]) -> list[int]:
    """Put `count` of 0 … n-1 first, by Fisher and Yates' shuffle from the front."""
    a = list(range(n))
    for j in range(count):
        r = j + below(stream[j], n - j)
        a[j], a[r] = a[r], a[j]
    return a


def replay(n: int, batch: int, sampling: str, key: tuple[int, int], first: int, steps: int) -> NDArray[np.int64]:
    """Compute the indices of steps first + 1 … first + steps from the documented streams."""
    start, count = first * batch, steps * batch
    if sampling == "all":
        return np.tile(np.arange(n), (steps, 1))
    if sampling == "iid":
        flat = [below(word, n) for word in words(key, [0, 0, 0, 0], count, start)]
    elif sampling == "without_replacement":
        stream = words(key, [0, 0, 0, 0], count, start)
        flat = [i for s in range(steps) for i in shuffled(n, batch, stream[s * batch : (s + 1) * batch])[:batch]]
    else:
        epochs = range(start // n, (start + count - 1) // n + 1)
        used = {0 if sampling == "shuffle_once" else epoch for epoch in epochs}
        orders = {epoch: shuffled(n, n - 1, words(key, [0, 2, epoch, 0], n - 1)) for epoch in used}
        flat = [orders[0 if sampling == "shuffle_once" else p // n][p % n] for p in range(start, start + count)]
    return np.array(flat, dtype=np.int64).reshape(steps, batch)


def cases() -> list[tuple[int, int, str]]:
    table = [(n, n, "all") for n in SIZES]
    for n in SIZES:
        table += [
            (n, batch, sampling)
            for sampling in ("iid", "without_replacement", "shuffle_once", "reshuffle")
            for batch in sorted({1, 2, 3, 7, 16, n})
            if batch <= n or sampling != "without_replacement"
        ]
    return table


# --- the streams -----------------------------------------------------------------------------------------------------


@given(
    key=st.tuples(st.integers(0, LARGEST), st.integers(0, LARGEST)),
    counter=st.lists(st.integers(0, LARGEST) | st.sampled_from([0, LARGEST, LARGEST - 20]), min_size=4, max_size=4),
    count=st.integers(0, 150),
)
def test_words_equal_numpy(key: tuple[int, int], counter: list[int], count: int) -> None:
    got = _core.philox(*key, counter, count)
    assert got.dtype == np.uint64
    assert got.tolist() == words(key, counter, count)


@pytest.mark.parametrize(("n", "batch", "sampling"), cases())
def test_indices_equal_the_replay(n: int, batch: int, sampling: str) -> None:
    steps = max(1, min(70, 40_000 // batch))
    for key in KEYS[:1] if n > 1000 else KEYS:
        got = _core.sample_indices(n, batch, sampling, *key, 0, steps)
        assert got.dtype == np.int64
        np.testing.assert_array_equal(got, replay(n, batch, sampling, key, 0, steps))


@pytest.mark.parametrize("sampling", ["iid", "without_replacement", "shuffle_once", "reshuffle"])
@pytest.mark.parametrize("first", [1, 2, 63, 10**6 + 1, 10**15 + 3])
def test_any_step_can_be_asked_for(sampling: str, first: int) -> None:
    got = _core.sample_indices(10, 7, sampling, 8, 9, first, 30)
    np.testing.assert_array_equal(got, replay(10, 7, sampling, (8, 9), first, 30))


@pytest.mark.parametrize(("n", "batch", "sampling"), [case for case in cases() if case[0] <= 10])
def test_pieces_equal_the_whole(n: int, batch: int, sampling: str) -> None:
    whole = _core.sample_indices(n, batch, sampling, 4, 2, 0, 100)
    for size in (1, 9, 64):
        pieces = [_core.sample_indices(n, batch, sampling, 4, 2, k, min(size, 100 - k)) for k in range(0, 100, size)]
        np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_all_takes_no_batch_or_the_whole_set() -> None:
    expected = np.tile(np.arange(5), (3, 1))
    np.testing.assert_array_equal(_core.sample_indices(5, 0, "all", 1, 1, 0, 3), expected)
    np.testing.assert_array_equal(_core.sample_indices(5, 5, "all", 1, 1, 7, 3), expected)


def test_no_steps_give_no_indices() -> None:
    assert _core.sample_indices(5, 2, "reshuffle", 1, 1, 0, 0).shape == (0, 2)


# --- what a batch is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 10, 1000])
def test_an_epoch_is_a_permutation(n: int) -> None:
    once = _core.sample_indices(n, n, "shuffle_once", 3, 1, 0, 5)
    anew = _core.sample_indices(n, n, "reshuffle", 3, 1, 0, 5)
    for epochs in (once, anew):
        np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(n), (5, 1)))
    assert (once == once[0]).all()
    np.testing.assert_array_equal(once[0], anew[0])
    if n > 2:
        assert (anew[1:] != anew[0]).any(axis=1).all()


@pytest.mark.parametrize(("n", "batch"), [(2, 2), (10, 3), (10, 10), (1000, 16)])
def test_without_replacement_repeats_nothing_in_a_step(n: int, batch: int) -> None:
    indices = np.sort(_core.sample_indices(n, batch, "without_replacement", 3, 1, 0, 200), axis=1)
    assert (np.diff(indices, axis=1) > 0).all()
    assert indices.min() >= 0
    assert indices.max() < n


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("n must be >= 1 (got 0)", (0, 1, "iid", 1, 1, 0, 1)),
        ("n must be < 2^31 (got 2147483648)", (2**31, 1, "iid", 1, 1, 0, 1)),
        ("batch must be >= 1 (got 0)", (5, 0, "iid", 1, 1, 0, 1)),
        ("batch must be <= n without replacement (got 6 with n = 5)", (5, 6, "without_replacement", 1, 1, 0, 1)),
        ("batch must be 0 or n with sampling all (got 2 with n = 5)", (5, 2, "all", 1, 1, 0, 1)),
        ("first_step must be >= 0 (got -1)", (5, 2, "iid", 1, 1, -1, 1)),
        ("steps must be >= 0 (got -3)", (5, 2, "iid", 1, 1, 0, -3)),
        ("(got bagging)", (5, 2, "bagging", 1, 1, 0, 1)),
        ("explicit", (5, 2, "explicit", 1, 1, 0, 1)),
    ],
)
def test_bad_arguments_are_named(message: str, arguments: tuple[int, int, str, int, int, int, int]) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        _core.sample_indices(*arguments)


def test_a_seed_outside_64_bits_is_refused() -> None:
    for seed in (-1, WORD):
        with pytest.raises(TypeError):
            _core.sample_indices(5, 2, "iid", seed, 1, 0, 1)


# --- the laws --------------------------------------------------------------------------------------------------------


def assert_uniform(cells: NDArray[np.int64], count: int) -> None:
    """Chi-square test that `cells`, numbers in 0 … count-1, are uniform and independent."""
    assert cells.size >= 20 * count
    assert stats.chisquare(np.bincount(cells, minlength=count)).pvalue > LEVEL


@pytest.mark.parametrize("sampling", ["iid", "without_replacement", "reshuffle"])
@pytest.mark.parametrize("place", range(3))
def test_every_place_of_a_batch_is_uniform(sampling: str, place: int) -> None:
    indices = _core.sample_indices(7, 3, sampling, 11, 0, 0, 50_000)
    assert_uniform(indices[:, place], 7)


def test_successive_draws_are_independent() -> None:
    draws = _core.sample_indices(10, 1, "iid", 12, 0, 0, 100_000)[:, 0]
    assert_uniform(10 * draws[::2] + draws[1::2], 100)


@pytest.mark.parametrize("other", [(13, 1), (14, 0)])
def test_neighbouring_runs_and_seeds_are_independent(other: tuple[int, int]) -> None:
    one = _core.sample_indices(10, 1, "iid", 13, 0, 0, 50_000)[:, 0]
    two = _core.sample_indices(10, 1, "iid", *other, 0, 50_000)[:, 0]
    assert_uniform(10 * one + two, 100)


def test_pairs_without_replacement_are_uniform() -> None:
    pairs = _core.sample_indices(5, 2, "without_replacement", 15, 0, 0, 50_000)
    second = pairs[:, 1] - (pairs[:, 1] > pairs[:, 0])  # its rank among the other four
    assert_uniform(4 * pairs[:, 0] + second, 20)


def test_permutations_are_uniform() -> None:
    names = {order: i for i, order in enumerate(permutations(range(4)))}
    orders = _core.sample_indices(4, 4, "reshuffle", 16, 0, 0, 20_000).tolist()
    assert_uniform(np.array([names[tuple(order)] for order in orders]), 24)
    first = np.concatenate([_core.sample_indices(4, 4, "shuffle_once", 16, run, 0, 1) for run in range(5000)]).tolist()
    assert_uniform(np.array([names[tuple(order)] for order in first]), 24)


# --- noise -----------------------------------------------------------------------------------------------------------


def box_muller(key: tuple[int, int], step: int, count: int) -> NDArray[np.float64]:
    pairs = np.array(words(key, [0, 1, step, 0], count + count % 2), dtype=np.uint64).reshape(-1, 2)
    u = ((pairs >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(u[:, 0])), 2 * np.pi * u[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()[:count]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 121, 128, 129, 2201])
@pytest.mark.parametrize("step", [1, 2, 10**15])
def test_noise_equals_box_muller_of_numpys_words(count: int, step: int) -> None:
    for key in KEYS:
        normals = box_muller(key, step, count)
        np.testing.assert_allclose(noise("gaussian", *key, step, count), normals, rtol=0, atol=1e-12)
        direction = noise("sphere", *key, step, count)
        np.testing.assert_allclose(direction, normals / (np.linalg.norm(normals) or 1), rtol=0, atol=1e-12)


def test_noise_is_standard_normal() -> None:
    z = noise("gaussian", 17, 0, 1, 100_000)
    assert stats.kstest(z, "norm").pvalue > LEVEL
    steps = np.stack([noise("gaussian", 17, 0, step, 5) for step in range(1, 20_001)])
    assert stats.kstest(steps.ravel(), "norm").pvalue > LEVEL
    # With independent columns, n times the summed squared correlations of the 10 pairs is about chi-square(10).
    correlations = np.corrcoef(steps.T)[np.triu_indices(5, 1)]
    assert stats.chi2.sf(len(steps) * np.sum(correlations**2), 10) > LEVEL


def test_sphere_noise_is_uniform_on_the_sphere() -> None:
    points = np.stack([noise("sphere", 18, 0, step, 3) for step in range(1, 20_001)])
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=1e-14)
    for axis in points.T:  # Archimedes: every coordinate of a uniform point of the sphere in R^3 is uniform
        assert stats.kstest(axis, stats.uniform(-1, 2).cdf).pvalue > LEVEL


def test_bad_noise_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"kind must be gaussian, sphere or surrogate \(got cauchy\)"):
        noise("cauchy", 1, 1, 1, 1)
    with pytest.raises(ValueError, match=r"count must be >= 0 \(got -1\)"):
        noise("gaussian", 1, 1, 1, -1)
