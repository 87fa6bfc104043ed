"""Trajectories against the slow NumPy loop, PyTorch and closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.dynamics.updates import check_optimizer
from problems import Case
from reference import descend as reference_descend

STEPS = 40
PROBLEMS = [
    Case((2, 3, 1), n=13),
    Case((3, 4, 3), n=19, activation="relu", loss="softmax"),
    Case((3, 4, 1), n=9, activation="leaky_relu", output="logistic", loss="log", l2=0.01),
    Case((2, 3, 2, 2), n=21, activation="gelu", reduction="sum"),
    Case((2, 3, 1), n=13, activation="sin", dtype="float32"),
    Case((4, 1), n=8, bias=False),
]
METHODS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "heavy_ball": {"momentum": 0.8},
    "nesterov": {"momentum": ("nesterov", 0.9)},
    "adagrad": {"optimizer": "adagrad"},
    "rmsprop": {"optimizer": ("rmsprop", {"rho": 0.9})},
    "adam": {"optimizer": ("adam", {"beta1": 0.8, "eps": 1e-6})},
}
BATCHES: list[dict[str, Any]] = [
    {},
    {"batch_size": 1},
    {"batch_size": 3, "sampling": "without_replacement"},
    {"batch_size": 5, "sampling": "reshuffle"},
    {"batch_size": 4, "sampling": "shuffle_once"},
    {"batch_size": 16},
    {"batch_size": 37},  # more than there are observations
    {"batch_size": 37, "sampling": "reshuffle"},  # over several epochs
]


def close(case: Case, got: Any, expected: Any) -> None:
    tolerance = 1e-11 if case.dtype == "float64" else 2e-4
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def step_size_of(case: Case) -> float:
    return 0.02 / (case.n if case.reduction == "sum" else 1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", PROBLEMS, ids=lambda case: case.name)
def test_every_iterate_of_every_method_is_the_reference_loops(case: Case, method: str) -> None:
    starts = case.theta(runs=2)
    name, hyper = check_optimizer(METHODS[method].get("optimizer", "sgd"), METHODS[method].get("momentum", 0.0))
    assert name == method
    for batch in BATCHES[:2]:
        options: dict[str, Any] = {"steps": STEPS, "step_size": step_size_of(case), "seed": 7}
        runs = ef.descend(case.objective, starts, **options, **batch, **METHODS[method], record={"theta": 1})
        for run in range(2):
            names: dict[str, Any] = {"batch": batch.get("batch_size"), "optimizer": name, "hyper": hyper}
            slow = reference_descend(case.oracle, starts[run], **options, run=run, **names)
            # Close to a minimum RMSProp divides rounding errors by rounding errors: single precision is compared before.
            until = STEPS + 1 if case.dtype == "float64" else STEPS // 2
            close(case, runs.data.theta[run, :until], slow.theta[:until])
    assert list(runs.status) == ["finished"] * 2


@pytest.mark.parametrize("batch", BATCHES, ids=str)
@pytest.mark.parametrize("case", PROBLEMS, ids=lambda case: case.name)
def test_every_way_to_draw_batches_is_the_reference_loops(case: Case, batch: dict[str, Any]) -> None:
    options: dict[str, Any] = {"steps": STEPS, "step_size": step_size_of(case), "seed": 3}
    runs = ef.descend(case.objective, case.theta(), **options, **batch, runs=range(5, 7), record={"theta": 1})
    for row, run in enumerate((5, 6)):
        drawing: dict[str, Any] = {"batch": batch.get("batch_size"), "sampling": batch.get("sampling", "iid")}
        slow = reference_descend(case.oracle, case.theta(), **options, **drawing, run=run)
        close(case, runs.data.theta[row], slow.theta)


@pytest.mark.parametrize("case", PROBLEMS[:3], ids=lambda case: case.name)
def test_pytorch_takes_the_same_steps(case: Case) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theta0 = case.theta()
    parameters: dict[str, tuple[Any, dict[str, Any]]] = {
        "sgd": (torch.optim.SGD, {}),
        "heavy_ball": (torch.optim.SGD, {"momentum": 0.8}),
        "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        "adagrad": (torch.optim.Adagrad, {}),
        "rmsprop": (torch.optim.RMSprop, {"alpha": 0.9}),
        "adam": (torch.optim.Adam, {"betas": (0.8, 0.999), "eps": 1e-6}),
    }
    for method, (optimizer_class, numbers) in parameters.items():
        theta = torch.tensor(theta0, requires_grad=True)
        optimizer = optimizer_class([theta], lr=0.02, **numbers)
        for _ in range(STEPS):
            theta.grad = torch.tensor(case.oracle.gradient(theta.detach().numpy()))
            optimizer.step()
        runs = ef.descend(case.objective, theta0, steps=STEPS, step_size=0.02, **METHODS[method])
        close(case, runs.theta[0], theta.detach().numpy())


def linear_problem() -> tuple[ef.Objective, Any, Any, Any]:
    """y = x1 + x2 + ε (Fleischmann 2021, figure 4.2), whose cost is a quadratic: the objective, x, y and the Hessian."""
    generator = np.random.default_rng(42)
    x = generator.normal(size=(50, 2)) * [1.0, 0.3]
    y = x.sum(axis=1) + 0.1 * generator.normal(size=50)
    return ef.Objective(ef.MLP([2, 1], bias=False), x, y), x, y, 2 * x.T @ x / 50


def test_gradient_descent_on_a_quadratic_has_its_closed_form() -> None:
    f, x, y, hessian = linear_problem()
    best = np.linalg.lstsq(x, y)[0]
    eigenvalues, axes = np.linalg.eigh(hessian)
    alpha, start = 1.9 / eigenvalues[1], np.array([3.0, -2.0])
    runs = ef.descend(f, start, steps=60, step_size=alpha, record={"theta": 1})
    coordinates = (1 - alpha * eigenvalues) ** np.arange(61)[:, None] * (axes.T @ (start - best))
    np.testing.assert_allclose(runs.data.theta[0], best + coordinates @ axes.T, rtol=0, atol=1e-13)
    # The zig-zag of figure 4.2: along the steep axis every step crosses the valley.
    steep = (runs.data.theta[0].values - best) @ axes[:, 1]
    assert (steep[1:] * steep[:-1] < 0).all()


def test_gradient_descent_diverges_beyond_2_over_l_and_falls_below() -> None:
    f, _, _, hessian = linear_problem()
    largest = np.linalg.eigvalsh(hessian)[-1]
    runs = ef.descend(f, [3.0, -2.0], steps=200, step_size=[1.99 / largest, 2.01 / largest], runs=2, record={"loss": 1})
    falling, growing = runs.data.loss.values
    assert (np.diff(falling) <= 0).all()  # Theorem 4.3
    assert growing[-1] > growing[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "sin"])
def test_equal_units_never_separate(activation: str, method: str) -> None:
    # Fleischmann 2021, section 4.5.1: bitwise, as both units see the same numbers in the same order.
    case = Case((3, 5, 4, 1), n=17, activation=activation)
    start = case.net.init(seed=0, scheme=("constant", 0.3))
    for batch_size in (None, 1, 2, 20):
        runs = ef.descend(
            case.objective, start, steps=50, step_size=0.05, batch_size=batch_size, runs=3, **METHODS[method]
        )
        for theta in runs.theta:
            weights, biases = case.net.layers(theta)[0]
            assert biases is not None
            np.testing.assert_array_equal(weights, np.broadcast_to(weights[0], weights.shape))
            np.testing.assert_array_equal(biases, np.full_like(biases, biases[0]))
        assert not np.array_equal(runs.theta[0], start)


def test_no_steps_return_the_start() -> None:
    case = PROBLEMS[0]
    runs = ef.descend(case.objective, case.theta(), steps=0, step_size=0.1, runs=3, record={"loss": 1, "theta": 1})
    np.testing.assert_array_equal(runs.theta, np.broadcast_to(case.theta(), (3, case.net.num_params)))
    np.testing.assert_array_equal(runs.data.loss, np.full((3, 1), case.objective.value(case.theta())))
    assert list(runs.status) == ["finished"] * 3
    assert list(runs.steps_done) == [0, 0, 0]


def test_the_start_is_not_changed_and_the_result_is_read_only() -> None:
    case = PROBLEMS[0]
    start = case.theta(runs=2)
    copy = start.copy()
    runs = ef.descend(case.objective, start, steps=5, step_size=0.1)
    np.testing.assert_array_equal(start, copy)
    with pytest.raises(ValueError, match="read-only"):
        runs.theta[0, 0] = 1.0
