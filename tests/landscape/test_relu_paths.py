"""Paths against the forward pass, exact rational arithmetic and enumeration by itertools."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import etaflow as ef

SHAPES = ([3, 1], [2, 3, 1], [3, 4, 2], [2, 3, 4, 2], [2, 2, 3, 2, 1])


def problem(widths: list[int], *, bias: bool, output: str = "identity", n: int = 7) -> tuple[ef.MLP, Any, Any]:
    generator = np.random.default_rng(sum(widths) + bias)
    net = ef.MLP(widths, activation="relu", output=output, bias=bias)
    return net, generator.normal(size=net.num_params), generator.normal(size=(n, widths[0]))


@pytest.mark.parametrize("widths", SHAPES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("output", ["identity", "relu"])
def test_the_sum_over_paths_is_the_forward_pass(widths: list[int], bias: bool, output: str) -> None:
    """K20, to 1e-13 of the sum of the terms' absolute values."""
    net, theta, x = problem(widths, bias=bias, output=output)
    found = ef.relu_paths.paths(net, theta, x)
    scale = np.abs(found.inputs * found.active * found.products).sum(axis=1).max()
    np.testing.assert_allclose(found.total(), net.predict(theta, x), rtol=0, atol=1e-13 * max(scale, 1))
    for chunk in (1, 5, 1000):
        summed = ef.relu_paths.forward(net, theta, x, chunk=chunk)
        np.testing.assert_allclose(summed, found.total(), rtol=0, atol=1e-13 * max(scale, 1))


def by_hand(net: ef.MLP, theta: Any, x: Any) -> dict[tuple[int, ...], tuple[Fraction, list[bool]]]:
    """Every path of a network without biases in rational arithmetic: the product of its weights, and whether it is on."""
    matrices = [[[Fraction(w) for w in row] for row in weights.tolist()] for weights, _ in net.layers(theta)]
    found = {}
    for units in itertools.product(*(range(width) for width in net.widths)):
        product = math.prod(matrix[b][a] for matrix, a, b in zip(matrices, units[:-1], units[1:], strict=True))
        on = []
        for row in x:
            nodes, active = [Fraction(value) for value in row.tolist()], True
            for matrix, unit in zip(matrices[:-1], units[1:-1], strict=True):
                z = [sum((w * node for w, node in zip(line, nodes, strict=True)), Fraction(0)) for line in matrix]
                active &= z[unit] > 0
                nodes = [max(value, Fraction(0)) for value in z]
            on.append(active)
        found[units] = Fraction(product), on
    return found


@pytest.mark.parametrize("widths", [[2, 3, 1], [2, 3, 2, 2]])
def test_products_and_activation_variables_in_rational_arithmetic(widths: list[int]) -> None:
    net, theta, x = problem(widths, bias=False)
    found, exact = ef.relu_paths.paths(net, theta, x), by_hand(net, theta, x)
    assert [tuple(units) for units in found.units.tolist()] == list(exact)
    np.testing.assert_allclose(found.products, [float(product) for product, _ in exact.values()], rtol=1e-14)
    np.testing.assert_array_equal(found.active.T, [on for _, on in exact.values()])
    np.testing.assert_array_equal(found.inputs, x[:, found.units[:, 0]])


def test_a_path_has_one_factor_more_than_hidden_layers() -> None:
    """The erratum: with all weights w the product is w^(H+1), not w^H."""
    for hidden in range(4):
        net = ef.MLP([1] * (hidden + 2), activation="relu", bias=False)
        found = ef.relu_paths.paths(net, np.full(net.num_params, 3.0), [[1.0]])
        assert found.products.tolist() == [3.0 ** (hidden + 1)]
        assert net.predict(np.full(net.num_params, 3.0), [[1.0]]).item() == 3.0 ** (hidden + 1)


@pytest.mark.parametrize("bias", [True, False])
def test_the_count_is_that_of_the_iterator_and_of_enumeration(bias: bool) -> None:
    for widths in SHAPES:
        net, _, _ = problem(widths, bias=bias)
        nodes = [range(width + bias) for width in widths[:-1]] + [range(widths[-1])]
        # a path may enter a constant node only from a constant node
        steps = [
            units
            for units in itertools.product(*nodes)
            if all(
                b < width or a == before
                for (a, b), before, width in zip(itertools.pairwise(units), widths[:-1], widths[1:], strict=True)
            )
        ]
        chunks = list(ef.relu_paths.iterate(net, chunk=4))
        rows = [tuple(units) for units in np.concatenate(chunks).tolist()]
        assert ef.relu_paths.count(net) == len(steps) == len(rows)
        assert set(rows) == set(steps)
        assert all(len(chunk) <= 4 for chunk in chunks)


def test_too_many_paths_are_counted_not_listed() -> None:
    net = ef.MLP([784, 100, 100, 100, 10], activation="relu", bias=False)
    theta, x = net.init(seed=0), np.zeros((1, 784))
    assert ef.relu_paths.count(net) == 784 * 100**3 * 10
    with pytest.raises(ValueError, match=r"net has 7,840,000,000 paths, with 1 observations .* relu_paths.iterate"):
        ef.relu_paths.paths(net, theta, x)
    iterator = ef.relu_paths.iterate(net, chunk=3)
    assert next(iterator).tolist() == [[0, 0, 0, 0, k] for k in range(3)]


def test_path_numbers_beyond_64_bits() -> None:
    net = ef.MLP([10] * 30, activation="relu", bias=False)
    assert ef.relu_paths.count(net) == 10**30
    digits = ef.relu_paths.structure.unrank(net, 0, 123456789012345678901234567890, 2)
    assert "".join(map(str, digits[0])) == "123456789012345678901234567890"
    assert "".join(map(str, digits[1])) == "123456789012345678901234567891"


@pytest.mark.parametrize("bias", [True, False])
def test_the_rate_is_the_mean_of_the_activation_variables(bias: bool) -> None:
    for widths in SHAPES[1:]:
        net, theta, x = problem(widths, bias=bias)
        found = ef.relu_paths.paths(net, theta, x)
        active = found.active[:, found.through_relu()]
        np.testing.assert_allclose(ef.relu_paths.rate(net, theta, x), active.mean(), rtol=1e-12)
    assert ef.relu_paths.rate(ef.MLP([2, 1], bias=False), [1.0, 1.0], [[1.0, 1.0]]) == 1.0


def test_a_linear_layer_is_always_on() -> None:
    generator = np.random.default_rng(0)
    net = ef.MLP([2, 3, 3, 1], activation=["relu", "identity"])
    theta, x = generator.normal(size=net.num_params), generator.normal(size=(5, 2))
    found = ef.relu_paths.paths(net, theta, x)
    np.testing.assert_allclose(found.total(), net.predict(theta, x), atol=1e-13)
    same = (found.units[:, :2] == [0, 1]).all(axis=1)
    assert (found.active[:, same] == found.active[:, same][:, :1]).all()


def test_bad_input() -> None:
    net = ef.MLP([2, 3, 1], activation="relu")
    with pytest.raises(ValueError, match=r"net must have ReLU or identity activations, .* \(got 'tanh'"):
        ef.relu_paths.count(ef.MLP([2, 3, 1]))
    with pytest.raises(TypeError, match=r"net must be an MLP \(got 3\)"):
        ef.relu_paths.count(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"theta must hold 13 parameters"):
        ef.relu_paths.paths(net, np.zeros(5), [[1.0, 2.0]])
    with pytest.raises(ValueError, match=r"theta must be one point of shape \(13,\) \(got shape \(2, 13\)\)"):
        ef.relu_paths.forward(net, np.zeros((2, 13)), [[1.0, 2.0]])
    with pytest.raises(ValueError, match=r"x must have 2 columns"):
        ef.relu_paths.rate(net, np.zeros(13), [[1.0]])
    with pytest.raises(ValueError, match=r"chunk must be >= 1"):
        ef.relu_paths.iterate(net, chunk=0)
