"""Canonical forms and orbit sizes against predictions and against enumeration."""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.landscape.symmetry import canonical, orbit_size, symmetry_distance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CASES: list[tuple[list[int], Any, bool]] = [
    ([2, 3, 1], "tanh", True),
    ([2, 3, 2], "relu", True),
    ([1, 2, 2, 1], "tanh", True),
    ([2, 2, 3, 1], ["relu", "sin"], True),
    ([2, 3, 1], "logistic", True),
    ([1, 2, 2, 2], ["logistic", ("leaky_relu", 0.2)], True),
    ([3, 3, 1], "logistic", False),
    ([3, 3, 2], "gelu", False),
    ([2, 2, 1], "identity", True),
]
FLIPPED = {"tanh", "sin", "arctan", "identity"}


def images(net: ef.MLP, theta: Any) -> Iterator[NDArray[Any]]:
    """Every copy of θ by the discrete symmetries, by hand: all orders and all signs, layer by layer."""
    found = [[(np.array(w), None if b is None else np.array(b)) for w, b in net.layers(theta)]]
    for layer, activation in enumerate(net.activations[:-1]):
        width = net.widths[layer + 1]
        shifted = activation.name == "logistic" and net.bias
        signs = list(product([1.0, -1.0], repeat=width)) if activation.name in FLIPPED or shifted else [(1.0,) * width]
        following = []
        for layers in found:
            (w, b), (v, c) = layers[layer], layers[layer + 1]
            for order in permutations(range(width)):
                for sign in map(np.array, signs):
                    picked = v[:, order]
                    after = c if c is None or not shifted else c + picked[:, sign < 0].sum(axis=1)
                    here = sign[:, None] * w[list(order)], None if b is None else sign * b[list(order)]
                    following.append([*layers[:layer], here, (picked * sign, after), *layers[layer + 2 :]])
        found = following
    for layers in found:
        yield net.flatten(layers)


@pytest.mark.parametrize(("widths", "activation", "bias"), CASES)
def test_every_image_predicts_the_same_and_has_the_same_canonical_form(
    widths: list[int], activation: Any, bias: bool
) -> None:
    net, generator = ef.MLP(widths, activation=activation, bias=bias), np.random.default_rng(0)
    theta, x = generator.normal(size=net.num_params), generator.normal(size=(9, widths[0]))
    wanted, representative = net.predict(theta, x), canonical(net, theta)
    copies = np.stack(list(images(net, theta)))
    assert len({copy.round(9).tobytes() for copy in copies}) == len(copies) == orbit_size(net)
    np.testing.assert_allclose(
        net.predict(copies, x), np.broadcast_to(wanted, (len(copies), *wanted.shape)), atol=3e-15
    )
    np.testing.assert_allclose(canonical(net, copies), np.tile(representative, (len(copies), 1)), atol=3e-15)
    np.testing.assert_allclose(
        net.predict(representative, x), wanted, rtol=0, atol=1e-15 * max(1, np.abs(wanted).max())
    )
    for copy in copies[:: max(1, len(copies) // 10)]:
        assert symmetry_distance(net, theta, copy) < 1e-13


def test_orbit_sizes_by_the_formula() -> None:
    """(d!)^{L−1}, not the (d!)^L that the thesis prints; times 2^d for each hidden layer of an odd activation."""
    assert orbit_size(ef.MLP([5, 4, 4, 4, 1], activation="relu")) == 24**3
    assert orbit_size(ef.MLP([5, 4, 4, 4, 1])) == 24**3 * 2**12
    assert orbit_size(ef.MLP([5, 1])) == 1
    assert orbit_size(ef.MLP([2, 20, 1])) == 2432902008176640000 * 2**20


def test_rescaled_relu_units_are_the_same_point() -> None:
    net, generator = ef.MLP([3, 4, 3, 2], activation=["relu", ("leaky_relu", 0.3)]), np.random.default_rng(3)
    theta = generator.normal(size=net.num_params)
    layers = [(np.array(w), np.array(b)) for w, b in net.layers(theta)]
    for layer in (0, 1):
        factors = generator.uniform(0.1, 10, size=net.widths[layer + 1])
        (w, b), (v, c) = layers[layer], layers[layer + 1]
        layers[layer], layers[layer + 1] = (w * factors[:, None], b * factors), (v / factors, c)
    copy, x = net.flatten(layers), generator.normal(size=(20, 3))
    np.testing.assert_allclose(net.predict(copy, x), net.predict(theta, x), atol=1e-13)
    assert np.linalg.norm(copy - theta) > 1
    np.testing.assert_allclose(canonical(net, copy), canonical(net, theta), atol=1e-13)
    assert symmetry_distance(net, theta, copy) < 1e-12
    entering = [np.column_stack([w, b]) for w, b in net.layers(canonical(net, theta))[:2] if b is not None]
    for rows in entering:
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-14)


def test_rounding_does_not_decide_an_order_or_a_sign() -> None:
    """Weights that are equal, or opposite, but for rounding: as at the minima of XOR."""
    net = ef.MLP([2, 3, 1])
    theta = net.flatten([
        (np.array([[2, -2], [2, 2], [-2, 2.0]]), np.array([1, -1, 0.5])),
        (np.array([[1, 2, 3.0]]), np.zeros(1)),
    ])
    generator = np.random.default_rng(4)
    forms = [canonical(net, copy + 1e-12 * generator.normal(size=13)) for copy in images(net, theta)]
    np.testing.assert_allclose(forms, np.tile(canonical(net, theta), (48, 1)), atol=1e-11)


def test_units_that_enter_nothing_are_left_alone() -> None:
    net = ef.MLP([1, 2, 1], activation="relu")
    theta = np.array([0, 2, 0, 0, 5, 6, 7.0])
    got = canonical(net, theta)
    np.testing.assert_array_equal(got, [0, 1, 0, 0, 5, 12, 7])
    assert got is not theta


def test_dtype_rows_and_bad_input() -> None:
    net = ef.MLP([2, 3, 1])
    rows = net.init(0, runs=4, dtype=np.float32)
    assert canonical(net, rows).dtype == np.float32
    np.testing.assert_array_equal(canonical(net, rows)[2], canonical(net, rows[2]))
    with pytest.raises(ValueError, match="theta must hold 13 parameters"):
        canonical(net, np.zeros(12))
    with pytest.raises(TypeError, match="net must be an MLP"):
        canonical("net", np.zeros(12))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="net must be an MLP"):
        orbit_size([2, 3, 1])  # type: ignore[arg-type]
