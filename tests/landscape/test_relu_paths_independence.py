"""The law of the activation variables: exact in small random networks, Sheppard's formula over Gaussian data, the level of the test."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, chisquare

import etaflow as ef
from etaflow.landscape.relu_paths import independence
from etaflow.landscape.relu_paths.routes import routes, sample

DEEP = ef.MLP([2, 2, 2, 1], activation="relu", bias=False)
ROUTES = [[0, a, b, 0] for a in range(2) for b in range(2)]


def exact_law(net: ef.MLP, paths: list[list[int]]) -> dict[tuple[int, ...], float]:
    """The joint law of the paths' A from the probabilities that sets of them are on, by inclusion and exclusion."""
    k = len(paths)
    on = {
        chosen: ef.relu_paths.joint_probability(net, [paths[i] for i in chosen]) if chosen else 1.0
        for size in range(k + 1)
        for chosen in itertools.combinations(range(k), size)
    }
    law = {}
    for pattern in itertools.product([0, 1], repeat=k):
        ones = {i for i in range(k) if pattern[i]}
        law[pattern] = sum((-1) ** (len(more) - len(ones)) * p for more, p in on.items() if ones <= set(more))
    return law


def test_the_exact_law_by_going_through_all_signs() -> None:
    """Weights with fair signs, of sizes whose sums never cancel: all 2⁸ networks, counted."""
    sizes = np.array([1.0, 3.0, 1.0, 3.0, 1.0, 7.0, 1.0, 7.0])
    counts: dict[tuple[int, ...], int] = {}
    for signs in itertools.product([-1.0, 1.0], repeat=8):
        theta = np.append(sizes * signs, [1.0, 1.0])
        found = ef.relu_paths.paths(DEEP, theta, [[1.0, 1.0]])
        rows = {tuple(units): active for units, active in zip(found.units.tolist(), found.active[0], strict=True)}
        pattern = tuple(int(rows[tuple(path)]) for path in ROUTES)
        counts[pattern] = counts.get(pattern, 0) + 1
    law = exact_law(DEEP, ROUTES)
    np.testing.assert_allclose(sum(law.values()), 1, rtol=1e-14)
    for pattern, probability in law.items():
        np.testing.assert_allclose(counts.get(pattern, 0) / 256, probability, atol=1e-15)


def test_the_exact_law_in_gaussian_networks() -> None:
    """4000 networks, Pearson's χ² of the pattern counts at level 1e-3."""
    thetas = DEEP.init(seed=4, runs=4000, scheme=("normal", 1.0))
    found = ef.relu_paths.dependence(DEEP, thetas, [[0.3, -2.0]], over="networks", permutations=9)
    assert found.units.tolist() == [path[1:3] for path in ROUTES]
    law = exact_law(DEEP, ROUTES)
    active, _ = sample(DEEP, thetas, [[0.3, -2.0]], "networks", found.units)
    patterns, counts = np.unique(active, axis=0, return_counts=True)
    expected = np.array([law[tuple(int(a) for a in pattern)] for pattern in patterns]) * len(thetas)
    np.testing.assert_allclose(expected.sum(), len(thetas))  # no impossible pattern, and none is missing
    assert chisquare(counts, expected).pvalue > 1e-3


def test_correlations_in_random_networks() -> None:
    """(2^k − 1)/(2^H − 1) for k common ReLUs of H = 2; a standard error is 1/√4000 or less."""
    net = ef.MLP([3, 4, 4, 1], activation="relu", bias=False)
    found = ef.relu_paths.dependence(net, net.init(seed=1, runs=4000), [[1.0, -0.5, 0.2]], over="networks")
    np.testing.assert_allclose(found.rho, 0.25, atol=4 * 0.5 / 4000**0.5)
    np.testing.assert_allclose(found.correlation["mean"], [0, 1 / 3], atol=4 / 4000**0.5)
    assert found.correlation.pairs.values.tolist() == [72, 48]
    assert found.rejected
    assert found.p_values["same rate"] > 0.01  # the rates are equal, the independence fails
    assert found.p_values["between paths"] == 0.005
    one, two = [0, 1, 2, 0], [0, 1, 3, 0]
    p = ef.relu_paths.joint_probability(net, [one])
    both = ef.relu_paths.joint_probability(net, [one, two])
    assert (both - p * p) / (p * (1 - p)) == 1 / 3


def test_one_layer_over_gaussian_data() -> None:
    """Over x ~ N(0, I) units with the angle φ are both on with probability (π − φ)/2π (Sheppard), and corr(A, x_i) = √(2/π)·w_i/‖w‖."""
    net = ef.MLP([2, 2, 1], activation="relu", bias=False)
    weights = np.array([[1.0, 0.0], [np.cos(1.0), np.sin(1.0)]])
    x = np.random.default_rng(2).normal(size=(20_000, 2))
    found = ef.relu_paths.dependence(net, np.append(weights.ravel(), [1.0, 1.0]), x, permutations=39)
    np.testing.assert_allclose(found.correlation["mean"][0], 1 - 2 / np.pi, atol=4 / 20_000**0.5)
    assert found.input_correlation is not None
    np.testing.assert_allclose(found.input_correlation, np.sqrt(2 / np.pi) * weights, atol=4 / 20_000**0.5)
    assert found.p_values["with the input"] == found.p_values["between paths"] == 1 / 40
    np.testing.assert_allclose(found.rates, 0.5, atol=4 * 0.5 / 20_000**0.5)


@pytest.mark.slow
def test_the_level_where_the_assumption_holds() -> None:
    """One hidden layer over random networks: the A are independent fair coins. Of 200 tests at 5 % no more reject than the 99.9 % quantile."""
    net = ef.MLP([3, 6, 1], activation="relu", bias=False)
    rejections = 0
    for seed in range(200):
        thetas = net.init(seed=seed, runs=40)
        found = ef.relu_paths.dependence(net, thetas, [[1.0, 0.3, -2.0]], over="networks", permutations=99, seed=seed)
        rejections += found.rejected
    assert rejections <= binom.ppf(0.999, 200, 0.05)


@pytest.mark.parametrize("test", ["same rate", "between paths", "with the input"])
def test_p_values_are_uniform_for_bernoulli_variables(test: str) -> None:
    """300 tables of independent coins: p ≤ 0.1 in at most the 99.9 % quantile of Binomial(300, 0.1) of them, and not in none."""
    generator = np.random.default_rng(8)
    small = 0
    for _ in range(300):
        active, x = generator.random((30, 5)) < 0.3, generator.normal(size=(30, 2))
        if test == "same rate":
            p = independence._same_rate(active, 39, generator)
        elif test == "between paths":
            p = independence._between(active, 39, generator)
        else:
            p = independence._with_input(active, x, 39, generator)
        small += p <= 0.1
    assert binom.ppf(0.001, 300, 0.1) - 10 <= small <= binom.ppf(0.999, 300, 0.1)


def test_each_test_has_power_against_its_own_alternative() -> None:
    generator = np.random.default_rng(9)
    x = generator.normal(size=(200, 1))
    rates = generator.random((200, 4)) < [0.2, 0.2, 0.2, 0.5]
    assert independence._same_rate(rates, 99, generator) == 0.01
    common = np.repeat(generator.random((200, 2)) < 0.4, 2, axis=1)
    assert independence._between(common, 99, generator) == 0.01
    driven = (generator.random((200, 3)) < 0.3) | (x > 1)
    assert independence._with_input(driven, x, 99, generator) == 0.01
    assert independence._between(rates, 99, generator) > 0.01


def test_paths_through_the_same_relus_are_one_route() -> None:
    net = ef.MLP([3, 2, 2, 2, 1], activation=["relu", "identity", "relu"])
    found = routes(net)
    # four through both layers; two that come from a bias above the first ReLU; none that passes no ReLU
    assert found.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]]


def test_more_routes_than_are_compared() -> None:
    net = ef.MLP([2, 20, 20, 1], activation="relu")
    generator = np.random.default_rng(0)
    x = generator.normal(size=(50, 2))
    found = ef.relu_paths.dependence(net, net.init(seed=0), x, permutations=19)
    assert found.rates.shape == (20 * 20 + 20,)
    assert found.input_correlation is not None
    assert found.input_correlation.shape == (300, 2)
    assert int(found.correlation.pairs.sum()) <= 300 * 299 / 2
    again = ef.relu_paths.dependence(net, net.init(seed=0), x, permutations=19)
    assert found.p_values == again.p_values
    assert repr(found).startswith(f"Dependence(ρ̂ = {found.rho:.3g} over 50 observations and 420 routes; independent")


def test_bad_input() -> None:
    net: Any = ef.MLP([2, 3, 1], activation="relu", bias=False)
    theta, x = net.init(seed=0), np.ones((20, 2))
    dependence = ef.relu_paths.dependence
    with pytest.raises(ValueError, match=r"over must be one of 'data', 'networks'"):
        dependence(net, theta, x, over="paths")
    with pytest.raises(ValueError, match=r"x must be one observation for over=\"networks\" \(got 20\)"):
        dependence(net, np.stack([theta] * 20), x, over="networks")
    with pytest.raises(ValueError, match=r"theta must have 2 dimensions"):
        dependence(net, theta, x[:1], over="networks")
    with pytest.raises(ValueError, match=r"theta must be one point"):
        dependence(net, np.stack([theta] * 20), x)
    with pytest.raises(ValueError, match=r"x must hold at least 10 samples \(got 5\)"):
        dependence(net, theta, x[:5])
    with pytest.raises(ValueError, match=r"net must have a layer of ReLUs"):
        dependence(ef.MLP([2, 1]), [1.0, 1.0, 1.0], x)
    with pytest.raises(ValueError, match=r"net must have at most 5,000,000 routes .* \(got 8,000,000"):
        dependence(ef.MLP([1, 200, 200, 200, 1], activation="relu", bias=False), np.zeros(80_400), x[:, :1])
    with pytest.raises(ValueError, match=r"net must have no biases"):
        ef.relu_paths.joint_probability(ef.MLP([2, 3, 1], activation="relu"), [[0, 0, 0]])
    with pytest.raises(ValueError, match=r"units must be paths through layers of widths \[2, 3, 1\]"):
        ef.relu_paths.joint_probability(net, [[0, 3, 0]])
    with pytest.raises(TypeError, match=r"units must be integers \(got float64\)"):
        ef.relu_paths.joint_probability(net, [[0.0, 0.0, 0.0]])
