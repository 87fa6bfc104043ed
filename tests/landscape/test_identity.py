"""Distances modulo the symmetries of a network: copies are at distance 0, and all permutations are no better."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.landscape.identity import symmetry_distance


def shuffled(net: ef.MLP, theta: Any, generator: np.random.Generator) -> Any:
    """The same function by other parameters: every hidden layer's units in another order and, if odd, with other signs."""
    layers = [(np.array(w), None if b is None else np.array(b)) for w, b in net.layers(theta)]
    for place, activation in enumerate(net.activations[:-1]):
        (w, b), (v, c) = layers[place], layers[place + 1]
        order = generator.permutation(len(w))
        sign = (
            generator.choice([-1.0, 1.0], len(w)) if activation.name in {"tanh", "sin", "arctan"} else np.ones(len(w))
        )
        layers[place] = sign[:, None] * w[order], None if b is None else sign * b[order]
        layers[place + 1] = v[:, order] * sign, c
    return net.flatten(layers)


@pytest.mark.parametrize(
    ("widths", "activation", "bias"),
    [
        ([2, 5, 1], "tanh", True),
        ([3, 6, 2], "relu", True),
        ([2, 4, 3, 2, 1], "tanh", True),
        ([2, 5, 4, 1], ["sin", "gelu"], False),
    ],
)
def test_copies_are_at_distance_zero(widths: list[int], activation: Any, bias: bool) -> None:
    net, generator = ef.MLP(widths, activation=activation, bias=bias), np.random.default_rng(0)
    for _ in range(20):
        theta = generator.normal(size=net.num_params)
        copy = shuffled(net, theta, generator)
        np.testing.assert_allclose(
            net.predict(copy, np.eye(widths[0])), net.predict(theta, np.eye(widths[0])), atol=1e-12
        )
        assert np.linalg.norm(copy - theta) > 0.1
        assert symmetry_distance(net, theta, copy) < 1e-13
        noisy = copy + 1e-4 * generator.normal(size=net.num_params)
        assert symmetry_distance(net, theta, noisy) == pytest.approx(1e-4 * np.sqrt(net.num_params), rel=0.5)


@pytest.mark.parametrize("activation", ["tanh", "softplus"])
def test_one_hidden_layer_against_all_permutations(activation: str) -> None:
    net, generator = ef.MLP([2, 3, 2], activation=activation), np.random.default_rng(1)
    for _ in range(10):
        a, b = generator.normal(size=(2, net.num_params))
        (w, bias), (v, c) = net.layers(b)
        assert bias is not None
        signs = product([-1.0, 1.0], repeat=3) if activation == "tanh" else [(1.0, 1.0, 1.0)]
        images = [
            net.flatten([
                (np.array(s)[:, None] * w[list(p)], np.array(s) * bias[list(p)]),
                (v[:, list(p)] * np.array(s), c),
            ])
            for s in signs
            for p in permutations(range(3))
        ]
        expected = min(float(np.linalg.norm(a - image)) for image in images)
        assert symmetry_distance(net, a, b) == pytest.approx(expected, rel=1e-12)
        assert symmetry_distance(net, b, a) == pytest.approx(expected, rel=1e-12)


def test_no_hidden_layer_and_bad_input() -> None:
    net = ef.MLP([2, 1])
    assert symmetry_distance(net, [0.0, 3.0, 0.0], [4.0, 0.0, 0.0]) == 5
    with pytest.raises(ValueError, match=r"b must have shape \(3,\)"):
        symmetry_distance(net, [0.0, 0.0, 0.0], [1.0])
