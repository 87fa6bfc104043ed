"""Rays to infinity: the lemma of Sontag and Sussmann, limits in closed form, and points where there is no ray."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.landscape.verdict.evidence import gather
from etaflow.landscape.verdict.infinity import Ray, followed_ray, separable_ray


def clouds(generator: np.random.Generator, n: int = 40) -> tuple[Any, Any]:
    x = generator.normal(size=(n, 2))
    score = x @ [1.0, -0.5] + 0.2
    return x[np.abs(score) > 0.2], (score > 0)[np.abs(score) > 0.2].astype(float)


def ray_of(f: ef.Objective, theta: Any) -> Ray | None:
    return separable_ray(f, np.asarray(theta, f.dtype))


@pytest.mark.parametrize("output", ["tanh", "arctan"])
def test_the_lemma_holds_everywhere(output: str) -> None:
    """∇E·ν < 0 at every x (Sontag and Sussmann 1988, section 3): there is no stationary point."""
    generator = np.random.default_rng(0)
    x, labels = clouds(generator)
    f = ef.Objective(ef.MLP([2, 1], output=output), x, 2 * labels - 1, reduction="sum")
    ray = ray_of(f, [0.1, 0.2, 0.3])
    assert ray is not None
    assert ray.proved
    assert ray.everywhere
    assert ray.limit == 0
    assert (f.gradient(generator.normal(size=(500, 3)) * 3) @ ray.direction < 0).all()


@pytest.mark.parametrize("loss", ["log", "softmax", "square"])
def test_the_limit_is_what_f_tends_to(loss: str) -> None:
    generator = np.random.default_rng(1)
    x, labels = clouds(generator)
    f = {
        "log": lambda: ef.Objective(ef.MLP([2, 1], output="logistic"), x, labels, loss="log"),
        "softmax": lambda: ef.Objective(ef.MLP([2, 3]), x, labels + (x[:, 0] > 1), loss="softmax"),
        "square": lambda: ef.Objective(ef.MLP([2, 1], output="tanh"), x, 3 * labels - 1.5),
    }[loss]()
    theta = f.net.init(0)
    ray = ray_of(f, theta)
    assert ray is not None
    values = f.value(theta + np.geomspace(1e-3, 1e6, 40)[:, None] * ray.direction)
    assert (np.diff(values) <= 0).all()
    assert values[-1] == pytest.approx(ray.limit, abs=1e-12)
    if loss == "square":
        assert ray.limit == pytest.approx(0.25, rel=1e-14)  # targets ±1.5, outputs within ±1


def test_quasi_separable_data_keep_the_losses_on_the_edge() -> None:
    """x = 0 appears with both labels: its losses stay, the others go; by hand the limit is 2·log 2/4."""
    f = ef.Objective(
        ef.MLP([1, 1], output="logistic", bias=False), [[0.0], [0.0], [1.0], [-2.0]], [0.0, 1.0, 1.0, 0.0], loss="log"
    )
    ray = ray_of(f, [0.3])
    assert ray is not None
    assert ray.proved
    np.testing.assert_array_equal(ray.direction, [1.0])
    assert ray.limit == pytest.approx(np.log(2) / 2, rel=1e-14)
    three = ef.Objective(ef.MLP([1, 3], bias=False), [[0.0], [1.0], [-1.0]], [2, 1, 0], loss="softmax")
    ray = ray_of(three, np.zeros(3))
    assert ray is not None
    assert ray.limit == pytest.approx(np.log(3) / 3, rel=1e-14)


def test_two_outputs_of_which_one_can_be_separated() -> None:
    x = np.array([[-1.0], [1.0], [2.0]])
    y = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])  # the second is not separable
    f = ef.Objective(ef.MLP([1, 2], output="logistic"), x, y, loss="log")
    theta = np.array([0.5, 0.1, 0.2, -0.3])
    ray = ray_of(f, theta)
    assert ray is not None
    assert (ray.direction[[1, 3]] == 0).all()
    second = f.net.predict(theta, x)[:, 1]
    expected = -np.log(np.where(y[:, 1] > 0, second, 1 - second)).mean()
    assert ray.limit == pytest.approx(expected, rel=1e-12)


def test_hidden_features_are_checked_with_their_rounding() -> None:
    generator = np.random.default_rng(2)
    x, labels = clouds(generator)
    f = ef.Objective(ef.MLP([2, 6, 1], output="logistic"), x, labels, loss="log")
    ray = ray_of(f, f.net.init(3))
    assert ray is not None
    assert ray.proved
    assert not ray.everywhere
    assert (ray.direction[:18] == 0).all()  # only the last layer moves
    assert f.gradient(f.net.init(3)) @ ray.direction < 0


@pytest.mark.parametrize("reason", ["overlap", "l2", "inner targets", "identity", "gelu"])
def test_where_there_is_no_ray(reason: str) -> None:
    generator = np.random.default_rng(3)
    x, labels = clouds(generator)
    flipped = np.where(np.arange(len(labels)) % 3 == 0, 1 - labels, labels)
    f = {
        "overlap": lambda: ef.Objective(ef.MLP([2, 1], output="logistic"), x, flipped, loss="log"),
        "l2": lambda: ef.Objective(ef.MLP([2, 1], output="logistic"), x, labels, loss="log", l2=1e-6),
        "inner targets": lambda: ef.Objective(ef.MLP([2, 1], output="tanh"), x, labels - 0.5),
        "identity": lambda: ef.Objective(ef.MLP([2, 1]), x, 2 * labels - 1),
        "gelu": lambda: ef.Objective(ef.MLP([2, 2, 1], activation="gelu", output="logistic"), x, labels, loss="log"),
    }[reason]()
    assert ray_of(f, f.net.init(0)) is None


def followed(f: ef.Objective, theta: Any) -> Ray | None:
    return followed_ray(f, gather(f, np.asarray(theta, float)))


def test_sontags_minimum_at_infinity_is_followed() -> None:
    """E = (1 − tanh x)² + (1 − tanh(−ax))² falls towards 4 at +∞ for a > 2, and rises towards it for a < 2 (section 2)."""
    for a, falls in ((4.0, True), (2.5, True), (1.5, False)):
        f = ef.Objective(ef.MLP([1, 1], output="tanh", bias=False), [[1.0], [-a]], [1.0, 1.0], reduction="sum")
        ray = followed(f, [6.0])
        if falls:
            assert ray is not None
            assert ray.direction == [1.0]
            assert ray.limit == pytest.approx(4, abs=1e-12)
            assert not ray.proved
        else:
            assert ray is None or ray.direction == [-1.0]


def test_no_ray_is_followed_at_a_minimum_or_without_sigmoids() -> None:
    f = ef.Objective(ef.MLP([1, 1, 1]), [[-1.0], [0.5], [1.0]], [0.2, 0.3, -0.1], l2=1e-3)
    assert followed(f, [1.0, 0.0, 1.0, 0.0]) is None  # l2 holds the weights
    line = ef.Objective(ef.MLP([1, 1]), [[-1.0], [0.5], [1.0]], [0.2, 0.3, -0.1])
    assert followed(line, [5.0, 1.0]) is None
