"""The expected model against going through every pattern of the activation variables."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import etaflow as ef


def objective(widths: list[int], *, bias: bool, seed: int = 0, **options: Any) -> tuple[ef.Objective, Any]:
    generator = np.random.default_rng(seed)
    activation = options.pop("activation", "relu")
    net = ef.MLP(widths, activation=activation, bias=bias)
    x, y = generator.normal(size=(5, widths[0])), generator.normal(size=(5, widths[-1]))
    return ef.Objective(net, x, y, **options), generator.normal(size=net.num_params)


@pytest.mark.parametrize(
    ("widths", "bias", "activation"),
    [
        ([2, 2, 1], False, "relu"),
        ([2, 2, 1], True, "relu"),
        ([1, 2, 2, 1], False, "relu"),
        ([2, 2, 2], False, "relu"),
        ([1, 1, 2, 1], True, ["relu", "identity"]),
    ],
)
def test_all_patterns(widths: list[int], bias: bool, activation: Any) -> None:
    """K22: E_A[Ŷ], Var_A[Ŷ] and E_A[f] as sums over all 2^P patterns, each with its Bernoulli probability."""
    f, theta = objective(widths, bias=bias, activation=activation)
    rho = 0.3
    paths = ef.relu_paths.paths(f.net, theta, f.x)
    random = np.flatnonzero(paths.through_relu())
    ends, terms = paths.units[:, -1], paths.inputs * paths.products
    mean, second, loss = np.zeros((5, widths[-1])), np.zeros((5, widths[-1])), 0.0
    for pattern in itertools.product([0, 1], repeat=len(random)):
        a = np.ones(len(paths))
        a[random] = pattern
        probability = rho ** sum(pattern) * (1 - rho) ** (len(random) - sum(pattern))
        output = np.stack([(terms * a)[:, ends == k].sum(axis=1) for k in range(widths[-1])], axis=1)
        mean += probability * output
        second += probability * output**2
        loss += probability * ((f.y - output) ** 2).sum(axis=1).mean()
    found = ef.relu_paths.expected_model(f, theta, rho=rho)
    np.testing.assert_allclose(found.mean_predictions, mean, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found.variances, second - mean**2, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.mean_loss, loss, rtol=1e-12)
    np.testing.assert_allclose(found.loss_of_mean, ((f.y - mean) ** 2).sum(axis=1).mean(), rtol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("reduction", "l2"), [("mean", 0.0), ("sum", 0.2)])
def test_the_linear_network_and_the_true_loss(bias: bool, reduction: str, l2: float) -> None:
    f, theta = objective([3, 4, 3, 2], bias=bias, reduction=reduction, l2=l2)
    found = ef.relu_paths.expected_model(f, theta)
    linear = ef.MLP([3, 4, 3, 2], activation="identity", bias=bias)
    same = ef.Objective(linear, f.x, f.y, reduction=reduction, l2=l2)
    np.testing.assert_allclose(found.linear_loss, same.value(theta), rtol=1e-12)
    np.testing.assert_allclose(found.true_loss, f.value(theta), rtol=1e-14)
    np.testing.assert_allclose(found.rho, ef.relu_paths.rate(f.net, theta, f.x))
    sure = ef.relu_paths.expected_model(f, theta, rho=1.0)
    np.testing.assert_allclose([sure.mean_loss, sure.loss_of_mean], found.linear_loss, rtol=1e-12)
    off = ef.relu_paths.expected_model(f, theta, rho=0)
    np.testing.assert_array_equal(off.variances, 0)


def test_where_every_relu_is_on_the_model_is_exact() -> None:
    net = ef.MLP([2, 3, 2, 1], activation="relu", bias=False)
    generator = np.random.default_rng(1)
    theta, x = generator.uniform(0.1, 1, net.num_params), generator.uniform(0.1, 1, (6, 2))
    f = ef.Objective(net, x, generator.normal(size=6))
    found = ef.relu_paths.expected_model(f, theta)
    assert found.rho == 1
    np.testing.assert_allclose([found.mean_loss, found.loss_of_mean], found.true_loss, rtol=1e-12)
    np.testing.assert_allclose(found.correlation, 1, rtol=1e-12)


def test_a_relu_network_is_not_its_expected_model() -> None:
    """|x| as a network of two ReLUs: f = 0, the mean prediction is 0 for every ρ, E_A[f] = 1 − 0 + ρ(1 − ρ)·2."""
    f = ef.Objective(ef.MLP([1, 2, 1], activation="relu", bias=False), [[1.0], [-1.0]], [1.0, 1.0])
    found = ef.relu_paths.expected_model(f, [1.0, -1.0, 1.0, 1.0])
    assert (found.true_loss, found.loss_of_mean, found.mean_loss, found.rho) == (0, 1, 1.5, 0.5)
    assert np.isnan(found.correlation)


def test_float32() -> None:
    f, theta = objective([2, 3, 1], bias=True)
    small = ef.Objective(f.net, f.x.astype(np.float32), f.y.astype(np.float32))
    found = ef.relu_paths.expected_model(small, theta.astype(np.float32))
    np.testing.assert_allclose(found.mean_loss, ef.relu_paths.expected_model(f, theta).mean_loss, rtol=1e-4)


def test_bad_input() -> None:
    f, theta = objective([2, 3, 1], bias=True)
    model = ef.relu_paths.expected_model
    with pytest.raises(ValueError, match=r"rho must be a probability, at most 1 \(got 1.5\)"):
        model(f, theta, rho=1.5)
    with pytest.raises(ValueError, match=r"rho must be >= 0 \(got -0.1\)"):
        model(f, theta, rho=-0.1)
    log = ef.Objective(ef.MLP([2, 3, 1], activation="relu", output="logistic"), f.x, np.ones(5), loss="log")
    with pytest.raises(ValueError, match=r'objective must have loss="square" and output="identity" \(got loss="log"'):
        model(log, theta)
    with pytest.raises(ValueError, match=r"theta must be one point"):
        model(f, np.stack([theta, theta]))
