"""Lower bounds of the loss against a minimisation over free predictions, and against networks that reach them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

import etaflow as ef

X = np.array([[0.0, 1.0], [0.0, 1.0], [2.0, -1.0], [0.0, 1.0], [2.0, -1.0], [1.0, 1.0]])
GROUPS = np.array([0, 0, 1, 0, 1, 2])
LABELS = np.array([1.0, 0.0, 1.0, 1.0, 1.0, 0.0])


def best_free_value(loss: Any, start: float, bounds: tuple[float | None, float | None], width: int = 1) -> float:
    """The least mean loss if every different input has predictions of its own."""

    def cost(flat: Any) -> float:
        return float(np.mean(loss(flat.reshape(3, width)[GROUPS])))

    return float(minimize(cost, np.full(3 * width, start), bounds=[bounds] * (3 * width), tol=1e-14).fun)


@pytest.mark.parametrize(("output", "bounds"), [("identity", (None, None)), ("tanh", (-1, 1)), ("relu", (0, None))])
def test_the_square_loss(output: str, bounds: tuple[float | None, float | None]) -> None:
    y = np.array([3.0, -1.0, -2.5, 0.5, -0.5, 0.25])
    f = ef.Objective(ef.MLP([2, 1], output=output), X, y)
    expected = best_free_value(lambda h: (h[:, 0] - y) ** 2, 0.3, bounds)
    assert ef.loss_lower_bound(f) == pytest.approx(expected, rel=1e-8)
    assert ef.loss_lower_bound(ef.Objective(f.net, X, y, reduction="sum")) == pytest.approx(6 * expected, rel=1e-8)


def test_the_log_and_the_softmax_loss() -> None:
    f = ef.Objective(ef.MLP([2, 1], output="logistic"), X, LABELS, loss="log")
    expected = best_free_value(lambda z: np.logaddexp(0, (1 - 2 * LABELS) * z[:, 0]), 0.0, (-40, 40))
    assert ef.loss_lower_bound(f) == pytest.approx(expected, abs=1e-8)
    classes = np.array([0, 1, 2, 0, 0, 1])
    g = ef.Objective(ef.MLP([2, 3]), X, classes, loss="softmax")
    expected = best_free_value(lambda z: -log_softmax(z, axis=1)[np.arange(6), classes], 0.0, (-40, 40), width=3)
    assert ef.loss_lower_bound(g) == pytest.approx(expected, abs=1e-8)


def test_it_is_zero_for_different_inputs_and_reached_by_a_fit() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(6, 2))
    assert ef.loss_lower_bound(ef.Objective(ef.MLP([2, 1]), x, x[:, 0])) == 0
    assert ef.loss_lower_bound(ef.Objective(ef.MLP([2, 1], output="logistic"), x, LABELS, loss="log")) == 0
    f = ef.Objective(ef.MLP([2, 5, 1]), X, [3.0, -1.0, -2.5, 0.5, -0.5, 0.25])
    theta = ef.polish(f, f.net.init(1)).theta
    bound = ef.loss_lower_bound(f)
    assert f.value(theta) == pytest.approx(bound, rel=1e-12)
    got = ef.classify(f, theta)
    assert got.lower_bound == bound
    assert got.kind == "degenerate"
    assert got.null_space is not None
    assert (got.nullity, got.null_space.unexplained) == (f.num_params - 3, 0)
    assert "a global minimum, but not a strict one" in got.reason
