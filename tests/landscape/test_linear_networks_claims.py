"""Kawaguchi's claims (i) to (iv) and their companion, on a sweep of widths and depths, and where they must not hold."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

import etaflow as ef
from etaflow.landscape.linear_networks.regression import Regression
from etaflow.landscape.linear_networks.search import find_stationary, train

linear = ef.linear_networks
NAMES = ("(i)", "(ii)", "(iii)", "(iv)", "companion of (iv)", "closed forms")


def draw(outputs: int = 3, seed: int = 0) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(30, outputs + 1))
    left, _ = np.linalg.qr(x)
    rotation, _ = np.linalg.qr(generator.normal(size=(outputs, outputs)))
    signal = left[:, :outputs] * np.linspace(1.5, 4, outputs) @ rotation
    return x, signal + 0.2 * generator.normal(size=(30, outputs))


@pytest.mark.parametrize("hidden", [2, (2, 2), (4, 1, 3)])
def test_all_claims_hold(hidden: Any) -> None:
    check_claims(hidden, starts=4)


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [1, 4, (2, 3), (5, 4), (2, 2, 2), (3, 3, 3, 3)])
def test_all_claims_hold_for_more_widths_and_depths(hidden: Any) -> None:
    check_claims(hidden, starts=12)


def check_claims(hidden: Any, starts: int) -> None:
    x, y = draw()
    found = linear.kawaguchi_claims(x, y, hidden, starts=starts, seed=1)
    assert found.hold, str(found)
    assert tuple(one.name for one in found.claims) == NAMES
    widths = np.atleast_1d(hidden)
    p = min(*widths, 3)
    sigma = np.linalg.eigvalsh(y.T @ x @ np.linalg.inv(x.T @ x) @ x.T @ y)[::-1]
    best = np.sum(y**2) - sigma[:p].sum()
    trained = found.ends.trained
    assert (trained.value >= best - 1e-9).all()
    assert (np.abs(trained.value - best) < 1e-8).sum() >= starts - 1
    degenerate = found.data["kind"].values == "degenerate saddle"
    assert degenerate.sum() == (p if len(widths) > 1 else 0)  # the best q < p eigenvectors
    assert (found.data["order"].values[degenerate] == len(widths) + 1).all()
    assert (found.data["index"].values[degenerate] == 0).all()
    assert (found.data["middle_rank"].values[degenerate] < p).all()


def test_found_points_are_what_they_are_said_to_be() -> None:
    """Independently: the gradient, the eigenvalues, and for saddles a lower point nearby."""
    x, y = draw()
    data, f = Regression.of(x, y), linear.linear_objective(x, y, [2, 2])
    generator = np.random.default_rng(4)
    found = find_stationary(f, data, 12, generator)
    assert found.critical.sum() >= 8
    for i in np.flatnonzero(found.critical):
        theta = found.theta[i]
        assert np.linalg.norm(f.gradient(theta)) < 1e-8 * data.total
        eigenvalues = np.linalg.eigvalsh(f.hessian(theta))
        assert (eigenvalues[0] < -1e-10 * eigenvalues[-1]) == (found.negative[i] > 0)
        beside = theta + 0.05 * np.random.default_rng(5).normal(size=len(theta))
        end = minimize(f.value, beside, jac=f.gradient, method="BFGS")
        assert (end.fun < found.value[i] - 1e-6 * data.total) == found.saddle[i]
        assert found.saddle[i] != found.best[i]
    assert found.saddle.any()


@pytest.mark.parametrize("width", [2, 4])
def test_found_points_have_the_index_of_the_closed_form(width: int) -> None:
    """Any critical point of a network with one hidden layer: #{i ∈ Γ, j ∉ Γ: λ_j > λ_i} + (p − |Γ|)(d_y − |Γ|), wherever in its orbit."""
    x, y = draw()
    data, f = Regression.of(x, y), linear.linear_objective(x, y, width)
    found = find_stationary(f, data, 15, np.random.default_rng(1))
    assert found.critical.all()
    assert len(set(found.negative.tolist())) >= 3
    for theta, negative in zip(found.theta, found.negative, strict=True):
        first, last = (weights for weights, _ in f.net.layers(theta))
        held = np.diag(data.eigenvectors.T @ last @ first @ x.T @ y @ data.eigenvectors) / data.eigenvalues
        np.testing.assert_allclose(held, held.round(), atol=1e-5)
        gamma = [int(i) for i in np.flatnonzero(held > 0.5)]
        pairs = sum(j < i for i in gamma for j in range(3) if j not in gamma)
        assert negative == pairs + (width - len(gamma)) * (3 - len(gamma))


def test_training_finds_a_bad_minimum_where_there_is_one() -> None:
    """The check of (ii) can fail: with l2 and two hidden layers θ = 0 is a local minimum above the global one."""
    x, y = draw()
    f = linear.linear_objective(x, y, [2, 2], l2=0.5)
    found = train(f, Regression.of(x, y), 4, np.random.default_rng(0))
    assert found.critical.all()
    assert not found.saddle.any()
    at_zero = ef.polish(f, 0.01 * np.ones(f.num_params))
    assert np.abs(at_zero.theta).max() < 1e-9
    assert float(at_zero.value) > found.value.min() + 0.1


def test_seed_decides() -> None:
    x, y = draw()
    first, second = (linear.kawaguchi_claims(x, y, 2, starts=2, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.ends.trained.theta, second.ends.trained.theta)
    assert str(first) == str(second)
    assert repr(first) == "Claims(hidden 2: " + ", ".join(f"{name} holds" for name in NAMES) + ")"


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ([[1.0, 2.0], [2.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]], "fail assumptions of the theorem: XXᵀ has full rank; "),
        (np.eye(2), np.eye(2), "fail assumptions of the theorem: Σ has distinct eigenvalues"),
        ([[1.0], [2.0]], [[1.0, 0.0], [0.0, 1.0]], "d_x >= d_y; Σ has full rank"),
        (np.eye(9), np.diag(np.arange(1.0, 10)), "y must have at most 8 columns .got 9"),
    ],
)
def test_failing_assumptions_are_named(x: Any, y: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        linear.kawaguchi_claims(x, y, [2, 2])
