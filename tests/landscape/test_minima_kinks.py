"""Minima at kinks, rays to infinity between kinks, and the directions along which f is constant."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import linprog, minimize_scalar

import etaflow as ef
from etaflow.landscape.minima.freedom import constant_directions
from etaflow.landscape.minima.glide import glide
from etaflow.landscape.minima.kinks import settle
from etaflow.landscape.minima.orbits import across
from etaflow.landscape.minima.piecewise import Piecewise
from etaflow.landscape.minima.recession import recession

Array = npt.NDArray[Any]

CASES = [
    ((2, 3, 1), "leaky_relu", "logistic", "log", {}),
    ((2, 3, 4, 1), "leaky_relu", "logistic", "log", {}),
    ((2, 3, 2), "relu", "identity", "square", {"l2": 0.1}),
    ((2, 3, 3), "relu", "identity", "softmax", {"reduction": "sum"}),
    ((2, 3, 2, 1), ["leaky_relu", "identity"], "identity", "square", {"bias": False}),
]


def objective(case: Any, n: int = 13) -> ef.Objective:
    widths, activation, output, loss, options = case
    generator = np.random.default_rng(len(widths))
    x = generator.normal(size=(n, widths[0]))
    if loss == "square":
        y: Array = generator.normal(size=(n, widths[-1]))
    else:
        y = generator.integers(0, max(widths[-1], 2), size=n)
    choices = dict(options)
    net = ef.MLP(widths, activation=activation, output=output, bias=choices.pop("bias", True))
    return ef.Objective(net, x, y.astype(float), loss=loss, **choices)


def circles(width: int) -> ef.Objective:
    x, y = ef.datasets.circles(seed=0)
    return ef.Objective(ef.MLP([2, width, 1], activation="leaky_relu", output="logistic"), x, y, loss="log")


@pytest.mark.parametrize("case", CASES)
def test_pieces_have_the_gradient_and_the_hessian_of_the_core(case: Any) -> None:
    f = objective(case)
    theta = np.random.default_rng(1).normal(size=f.num_params)
    pieces = Piecewise(f)
    inputs = pieces.inputs(theta)
    slopes = pieces.slopes(inputs)
    gradient, again, sensitivities = pieces.gradient(theta[None], slopes)
    np.testing.assert_allclose(gradient[0], f.gradient(theta), rtol=1e-12, atol=1e-14)
    for one, other in zip(inputs, again, strict=True):
        np.testing.assert_allclose(one, other[0], rtol=1e-14)
    nothing = [np.zeros(z.shape, bool) for z in inputs]
    np.testing.assert_allclose(pieces.jacobian(theta, slopes, nothing), f.hessian(theta), rtol=1e-10, atol=1e-12)
    # A slope's derivative of f is z·∂f/∂a; that of ∇f is then the mixed one.
    kinks = [np.zeros(z.shape, bool) for z in inputs]
    kinks[0][2, 1] = True
    column = pieces.jacobian(theta, slopes, kinks)[:-1, -1]
    moved = [np.array(one) for one in slopes]
    moved[0][2, 1] += 1e-6
    finite = (pieces.gradient(theta[None], moved)[0][0] - gradient[0]) / 1e-6
    np.testing.assert_allclose(column, finite, atol=1e-5)
    assert sensitivities[0].shape == (1, *inputs[0].shape)


def test_a_kink_in_one_dimension_by_brents_method() -> None:
    """f(b) with the kink of one observation in the way: the minimum lies where a bounded search finds it, with a gradient on both sides."""
    f = ef.Objective(
        ef.MLP([1, 1, 1], activation="leaky_relu"), [[-1.0], [-0.5], [0.0], [0.5], [1.0]], [-0.1, -0.05, -0.2, 0.5, 1.0]
    )
    near = np.array([0.97, 0.004, 1.02, -0.03])
    found = settle(f, glide(f, near))
    assert found is not None
    assert (found.minimum, found.kinks) == (True, 1)
    for axis in range(4):

        def along(t: float, axis: int = axis) -> float:
            return float(f.value(found.theta + t * np.eye(4)[axis]))

        best = minimize_scalar(along, bounds=(-1e-3, 1e-3), method="bounded", options={"xatol": 1e-12})
        assert best.fun >= found.value - 1e-15
    assert np.linalg.norm(f.gradient(found.theta)) > 1e-3


@pytest.mark.parametrize("width", [1, 2, 3])
def test_gliding_ends_in_a_minimum_or_on_a_ray(width: int) -> None:
    """With one hidden layer there is nothing else between kinks, where f is convex: checked by sampling, and by going along the ray."""
    f = circles(width)
    starts = ef.descend(f, f.net.init(1, 10, ("normal", 2.0)), steps=3000, step_size=0.3).theta
    generator = np.random.default_rng(0)
    minima = rays = 0
    for start in starts:
        end = glide(f, start)
        assert f.value(end) <= f.value(start)
        way, settled = recession(f, end), settle(f, end, tolerance=1e-11)
        if way is not None:
            rays += 1
            values = f.value(end + np.array([0.0, 0.1, 1.0, 10.0, 100.0])[:, None] * way)
            assert (np.diff(values) < 1e-12).all()
        elif settled is not None and settled.minimum:
            minima += 1
            near = settled.theta + 1e-4 * generator.normal(size=(1000, f.num_params))
            assert f.value(near).min() >= settled.value - 1e-15
    assert minima + rays >= 8


def test_a_ray_is_found_if_and_only_if_another_linear_program_has_a_solution() -> None:
    """The oracle sets the program up for θ itself, with the leaving weights kept, as dense rows without any scaling."""
    f = circles(3)
    labels = 2 * np.asarray(f.y).ravel() - 1
    found = []
    for start in f.net.init(4, 12, ("normal", 3.0)):
        (w, b), (v, _) = f.net.layers(start)
        assert b is not None
        z = f.x @ w.T + b
        slope = np.where(z < 0, 0.1, 1.0)
        inputs = np.column_stack([f.x, np.ones(100)])
        gain = np.hstack([slope[:, [j]] * v[0, j] * inputs for j in range(3)] + [np.ones((100, 1))]) * labels[:, None]
        sides = [np.zeros((100, 10)) for _ in range(3)]
        for j in range(3):
            sides[j][:, 3 * j : 3 * j + 3] = np.sign(z[:, [j]]) * inputs
        rows = np.vstack([gain, *sides])
        solved = linprog(-gain.sum(axis=0), -rows, np.zeros(len(rows)), bounds=[(-1, 1)] * 10)
        found.append(recession(f, start) is not None)
        assert found[-1] == (-solved.fun > 1e-3), solved.fun
    assert any(found)
    assert not all(found)


def test_other_networks_are_left_alone() -> None:
    f = ef.Objective(ef.MLP([2, 3, 1]), *ef.datasets.xor())
    theta = f.net.init(0)
    assert settle(f, theta) is None
    assert recession(f, theta) is None
    np.testing.assert_array_equal(glide(f, theta), theta)


def test_directions_across_a_continuum() -> None:
    """f is constant to first and second order along the others: H·t = 0 and ∇f·t = 0 at a stationary point."""
    generator = np.random.default_rng(2)
    x = generator.normal(size=(20, 3))
    f = ef.Objective(ef.MLP([3, 2, 3], activation="identity", bias=False), x, x @ generator.normal(size=(3, 3)))
    theta = ef.polish(f, f.net.init(0)).theta
    basis = across(f, theta)
    assert basis.shape == (12, 8)  # GL(2) has dimension 4
    np.testing.assert_allclose(basis.T @ basis, np.eye(8), atol=1e-12)
    along = np.linalg.svd(basis.T)[2][8:]
    np.testing.assert_allclose(f.hessian(theta) @ along.T, 0, atol=1e-9)
    relu = ef.Objective(ef.MLP([3, 4, 1], activation="relu"), x, x[:, 0])
    point = relu.net.init(0, scheme=("normal", 1.0))
    assert across(relu, point).shape == (relu.num_params, relu.num_params - 4)
    with_penalty = ef.Objective(relu.net, x, x[:, 0], l2=0.1)
    assert across(with_penalty, point).shape == (relu.num_params, relu.num_params)


def test_units_that_see_all_data_on_one_side_share_their_work() -> None:
    """Predictions on the data do not change, to first order, along the tangents; with two such units there are more."""
    f = circles(3)
    theta = np.random.default_rng(3).normal(size=f.num_params)
    pieces = Piecewise(f)

    def tangents() -> Array:
        slopes = pieces.slopes(pieces.inputs(theta))
        return constant_directions(pieces, theta, slopes, [np.zeros((100, 3), bool)])

    assert tangents().shape == (f.num_params, 3)  # rescaling
    (_, b), _ = f.net.layers(theta)
    assert b is not None
    b[:] = 40.0, -40.0, 0.0
    found = tangents()
    # Less one for each number that the data see: the 3 of a linear function, and the third unit's 3.
    assert found.shape == (f.num_params, 13 - 3 - 3)
    step = 1e-6
    for tangent in found.T:
        change = f.net.predict(theta + step * tangent, f.x) - f.net.predict(theta, f.x)
        assert np.abs(change).max() < 2e4 * step**2
    penalised = ef.Objective(f.net, f.x, f.y, loss="log", l2=0.1)
    slopes = pieces.slopes(pieces.inputs(theta))
    assert constant_directions(Piecewise(penalised), theta, slopes, [np.zeros((100, 3), bool)]).shape == (13, 0)


def test_a_place_where_the_rank_drops_is_no_continuum() -> None:
    """At w = v = 0 the product vw has rank 0, beside it 1: nothing is said about the directions."""
    f = ef.Objective(ef.MLP([1, 1, 1], activation="leaky_relu", bias=False), [[1.0]], [1.0])
    pieces = Piecewise(f)
    found = constant_directions(pieces, np.array([0.0, 0.0]), [np.ones((1, 1))], [np.zeros((1, 1), bool)])
    assert found.shape == (2, 0)
