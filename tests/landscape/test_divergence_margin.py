"""Maximum margins against scikit-learn's SVM and linear programming, and the directions that flows tend to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from sklearn.svm import SVC

import etaflow as ef


def separable(seed: int, n: int = 40, d: int = 2) -> tuple[Any, Any]:
    """Two classes, labels ±1, with a gap between them."""
    generator = np.random.default_rng(seed)
    normal, x = generator.normal(size=d), generator.normal(size=(n, d))
    y = np.where(x @ normal + 0.2 > 0, 1.0, -1.0)
    return x + 0.3 * y[:, None] * normal, y


def logistic(x: Any, y: Any, **options: Any) -> ef.Objective:
    net = ef.MLP([x.shape[1], 1], output="logistic", **options)
    return ef.Objective(net, x, (np.asarray(y) + 1) / 2, loss="log")


def svm_through_the_origin(z: Any) -> Any:
    """scikit-learn's SVM on the rows ±z: by symmetry its intercept is 0, so it is the homogeneous one."""
    labels = np.repeat([1.0, -1.0], len(z))
    return SVC(kernel="linear", C=1e10, tol=1e-10).fit(np.vstack([z, -z]), labels).coef_[0]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("bias", [True, False])
def test_the_direction_is_that_of_scikit_learns_svm(seed: int, bias: bool) -> None:
    x, y = separable(seed, d=3)
    z = y[:, None] * (np.column_stack([x, np.ones(len(x))]) if bias else x)
    if not bias and linprog(np.zeros(3), -z, -np.ones(len(z)), bounds=[(None, None)] * 3).status != 0:
        with pytest.raises(ValueError, match="separable"):
            ef.divergence.max_margin(logistic(x, y, bias=False))
        return
    found = ef.divergence.max_margin(logistic(x, y, bias=bias))
    np.testing.assert_allclose(found.theta, svm_through_the_origin(z), rtol=1e-5)
    np.testing.assert_allclose((z @ found.direction).min(), found.margin, rtol=1e-12)
    np.testing.assert_allclose(
        found.multipliers @ z[found.support], found.theta, rtol=1e-9
    )  # the optimality conditions
    np.testing.assert_allclose(z[found.support] @ found.theta, 1.0, rtol=1e-9)
    assert (found.multipliers > 0).all()


def test_several_classes() -> None:
    """The multi-class problem min ‖W‖² with (w_y − w_k)·x ≥ 1, by SciPy's SLSQP from many starts."""
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 6)
    x = np.array([[3.0, 0.0], [-2.0, 2.0], [-1.0, -3.0]])[labels] + 0.5 * generator.normal(size=(18, 2))
    f = ef.Objective(ef.MLP([2, 3]), x, labels, loss="softmax")
    found = ef.divergence.max_margin(f)

    def gaps(theta: Any) -> Any:
        logits = x @ theta[:6].reshape(3, 2).T + theta[6:]
        own = logits[np.arange(18), labels][:, None]
        return np.delete((own - logits).ravel(), np.arange(18) * 3 + labels) - 1

    best = minimize(
        lambda theta: theta @ theta / 2,
        np.ones(9),
        jac=lambda theta: theta,
        constraints={"type": "ineq", "fun": gaps},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    np.testing.assert_allclose(found.theta, best.x, atol=1e-5)
    np.testing.assert_allclose(ef.divergence.margins(f, found.theta).min(), 1.0, rtol=1e-9)


def test_separability_is_that_of_linear_programming() -> None:
    """50 random problems about the border of separability: LP feasibility of z·θ ≥ 1 decides as HiGHS sees it."""
    generator = np.random.default_rng(3)
    answers = []
    for _ in range(50):
        x, y = generator.normal(size=(7, 3)), generator.choice([-1.0, 1.0], 7)
        z = y[:, None] * x
        feasible = linprog(np.zeros(3), -z, -np.ones(7), bounds=[(None, None)] * 3).status == 0
        answers.append(feasible)
        if feasible:
            assert ef.divergence.max_margin(logistic(x, y, bias=False)).margin > 0
        else:
            with pytest.raises(ValueError, match="separable"):
                ef.divergence.max_margin(logistic(x, y, bias=False))
    assert 10 < sum(answers) < 40


@pytest.mark.parametrize(("output", "loss"), [("logistic", "log"), ("tanh", "square")])
def test_exponential_tails_lead_to_the_maximum_margin(output: str, loss: str) -> None:
    """Two support vectors, well ahead of the others: growth is along û to 1e-3, θ itself like 1/log t."""
    x = np.array([[1.0, 0.0], [0.0, 2.0], [4.0, 5.0], [6.0, 3.0]])
    y = np.ones(4)
    f = ef.Objective(ef.MLP([2, 1], output=output, bias=False), x, y, loss=loss, reduction="sum")
    path = ef.flow(f, [0.3, -0.2], t=1e8)
    table = ef.divergence.direction(f, path)
    assert table.attrs["towards"] == "maximum margin"
    np.testing.assert_allclose(table.attrs["max_margin"], 1 / np.hypot(1, 0.5), rtol=1e-12)
    oracle = svm_through_the_origin(x)
    cosine = path.theta @ oracle / np.linalg.norm(path.theta) / np.linalg.norm(oracle)
    np.testing.assert_allclose(np.cos(table.angle[-1]), cosine, rtol=1e-9)
    assert float(table.growth_angle[-1]) < 1e-3 < float(table.angle[-1]) < 0.1
    late = table.where(table.time > 1e3, drop=True)
    slowly = late.angle * np.log(late.time)
    assert float(slowly.max() / slowly.min()) < 1.8  # like 1/log t, while t itself grows by 1e5
    assert (late.normalized_margin.diff("time") > 0).all()


def test_polynomial_tails_do_not() -> None:
    """With arctan f ~ (4/π²)·Σ (z_i·θ)⁻²: the direction tends to the minimum of Σ (z_i·u)⁻² on the circle, found by SciPy."""
    x = np.array([[1.0, 0.0], [0.0, 2.0], [4.0, 5.0]])
    f = ef.Objective(ef.MLP([2, 1], output="arctan", bias=False), x, np.ones(3), reduction="sum")
    path = ef.flow(f, [0.3, 0.2], t=1e10)
    best = minimize(lambda a: ((x @ [np.cos(a[0]), np.sin(a[0])]) ** -2.0).sum(), [0.7], tol=1e-12).x[0]
    toward = [np.cos(best), np.sin(best)]
    table = ef.divergence.direction(f, path, towards=toward)
    assert float(table.angle[-1]) < 2e-3
    assert float(ef.divergence.direction(f, path).angle[-1]) > 0.02  # not the maximum margin


def test_margins_are_by_hand() -> None:
    net = ef.MLP([2, 2, 1], activation="relu", output="tanh", bias=False)
    f = ef.Objective(net, [[1.0, 0.0], [0.0, 1.0]], [1.0, -1.0])
    theta = np.array([1.0, 0.0, 0.0, 3.0, 2.0, -1.0])  # z = 2·relu(x₁) − relu(3x₂)
    np.testing.assert_array_equal(ef.divergence.margins(f, theta), [2.0, 3.0])
    np.testing.assert_array_equal(ef.divergence.margins(f, np.stack([theta, 2 * theta])), [[2.0, 3.0], [8.0, 12.0]])
    table = ef.divergence.direction(f, ([1.0, 2.0], np.stack([theta, 2 * theta])))
    np.testing.assert_allclose(table.normalized_margin, 2 / (theta @ theta), rtol=1e-14)  # homogeneous of degree 2
    assert table.attrs["towards"] == "end of the path"
    np.testing.assert_array_equal(table.angle, 0)
    soft = ef.Objective(ef.MLP([1, 3], bias=False), [[1.0]], [1], loss="softmax")
    np.testing.assert_array_equal(ef.divergence.margins(soft, [1.0, 5.0, 3.0]), [2.0])


def test_small_angles_are_exact() -> None:
    f = logistic(np.array([[1.0, 0.0], [0.0, 1.0]]), np.ones(2), bias=False)
    theta = np.array([[1.0, 0.0], [1.0, 1e-11]])
    table = ef.divergence.direction(f, ([1.0, 2.0], theta), towards=[1.0, 0.0])
    np.testing.assert_allclose(table.angle, [0, 1e-11], rtol=1e-9)


def test_stopping_at_correct_classification_leaves_margin_behind() -> None:
    """S15: by scikit-learn's SVM the direction is far off when all is classified, and is near after 1000 times as long."""
    x, y = separable(1, n=30)
    f = logistic(x, y)
    table = ef.divergence.stop_at_correct(f, f.net.init(seed=1, runs=3), steps=20_000, step_size=0.5, seed=2)
    oracle = svm_through_the_origin(y[:, None] * np.column_stack([x, np.ones(len(x))]))
    assert table.attrs["angle_to"] == "maximum margin"
    np.testing.assert_allclose(table.attrs["max_margin"], 1 / np.linalg.norm(oracle), rtol=1e-6)
    assert (table.accuracy == 1).all()
    first, last = table.isel(factor=0), table.isel(factor=-1)
    assert (first.normalized_margin < 0.5 * table.attrs["max_margin"]).all()
    assert (last.normalized_margin > 0.8 * table.attrs["max_margin"]).all()
    assert (last.angle < 0.3 * first.angle).all()
    np.testing.assert_array_equal(last.step, 1000 * first.step)
    before = ef.descend(f, f.net.init(seed=1), steps=int(first.step[0]) - 1, step_size=0.5)
    assert f.accuracy(before.theta[0]) < 1  # a step earlier something was wrong still


def test_progress_reaches_one() -> None:
    x, y = separable(1, n=30)
    f = logistic(x, y)
    seen: list[float] = []
    ef.divergence.stop_at_correct(
        f, f.net.init(seed=1, runs=3), steps=20_000, step_size=0.5, factors=[1, 10], progress=seen.append
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_an_interrupt_keeps_what_is_done() -> None:
    x, y = separable(1, n=30)
    f = logistic(x, y)

    def stop(part: float) -> None:
        if part > 0.5:  # in the second of three runs
            raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match="interrupted"):
        some = ef.divergence.stop_at_correct(
            f, f.net.init(seed=1, runs=3), steps=20_000, step_size=0.5, factors=[1, 500_000], progress=stop
        )
    assert np.isfinite(some.angle[0]).all()
    assert np.isnan(some.angle[1:]).all()


def test_runs_that_never_classify_correctly_are_nan() -> None:
    f = logistic(np.array([[1.0], [1.0]]), [1.0, -1.0])
    table = ef.divergence.stop_at_correct(f, [0.1, 0.0], steps=20, step_size=0.1, factors=[1, 2])
    assert np.isnan(table.step.values).all()
    assert table.attrs["angle_to"] == "last stage"


def test_validation_accuracy_and_hidden_layers() -> None:
    x, y = separable(2)
    net = ef.MLP([2, 4, 1], output="tanh")
    f, other = ef.Objective(net, x, y), ef.Objective(net, x + 0.01, y)
    table = ef.divergence.stop_at_correct(
        f, net.init(seed=3), steps=5000, step_size=0.2, factors=[1, 10], batch_size=4, validation=other
    )
    assert table.attrs["angle_to"] == "last stage"
    np.testing.assert_array_equal(table.angle[:, -1], 0)
    np.testing.assert_allclose(table.angle[:, 0], table.turn[:, 1], rtol=1e-9)
    assert ((table.validation_accuracy > 0.8) & (table.validation_accuracy <= 1)).all()
    assert np.isnan(table.normalized_margin.values).all()  # tanh is not homogeneous


def test_layer_speeds() -> None:
    """Layer 1 moves as 3t, layer 2 as t² by construction."""
    net = ef.MLP([1, 1, 1], bias=False)
    t = np.geomspace(1, 100, 200)
    table = ef.divergence.layer_speeds(net, (t, np.stack([3 * t, t**2], axis=1)))
    np.testing.assert_allclose(table.speed.sel(layer=1), 3, rtol=1e-9)
    np.testing.assert_allclose(table.speed.sel(layer=2), 2 * table.time, rtol=2e-3)
    np.testing.assert_allclose(table.ratio, 1.5 / table.time, rtol=2e-3)


def test_bad_input() -> None:
    x, y = separable(0)
    deep = ef.Objective(ef.MLP([2, 3, 1], output="tanh"), x, y)
    with pytest.raises(ValueError, match=r"objective must be of a network without hidden layers"):
        ef.divergence.max_margin(deep)
    with pytest.raises(
        ValueError, match=r"objective must have two target values .* \(got \[0.0, 2.0\] for output 'tanh'"
    ):
        ef.divergence.margins(ef.Objective(ef.MLP([1, 1], output="tanh"), [[1.0], [2.0]], [0.0, 2.0]), [1.0, 0.0])
    with pytest.raises(ValueError, match=r"objective must have one output"):
        ef.divergence.margins(ef.Objective(ef.MLP([1, 2]), [[1.0]], [[1.0, 2.0]]), np.zeros(4))
    with pytest.raises(ValueError, match=r"theta must hold 13 parameters"):
        ef.divergence.direction(deep, ([1.0, 2.0], np.zeros((2, 5))))
    other = ef.Objective(ef.MLP([2, 1]), x, y)
    with pytest.raises(ValueError, match=r"validation must have the objective's network"):
        ef.divergence.stop_at_correct(deep, np.zeros(13), steps=10, step_size=0.1, validation=other)
    with pytest.raises(ValueError, match=r"objective must have two target values"):
        ef.divergence.stop_at_correct(ef.Objective(deep.net, x, x[:, 0]), np.zeros(13), steps=10, step_size=0.1)
    with pytest.raises(ValueError, match=r"factors must increase from a number >= 1 \(got \[0.5\]\)"):
        ef.divergence.stop_at_correct(deep, np.zeros(13), steps=10, step_size=0.1, factors=[0.5])
    with pytest.raises(ValueError, match=r"theta must hold 13 parameters"):
        ef.divergence.layer_speeds(deep.net, ([1.0, 2.0], np.zeros((2, 5))))
