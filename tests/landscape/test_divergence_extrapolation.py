"""Extrapolated runs against the exact flow, the run itself, and the steps it would have taken."""

from __future__ import annotations

import numpy as np
import pytest

import etaflow as ef


@pytest.mark.parametrize(("name", "tolerance"), [("tanh", 0.01), ("log", 0.02), ("arctan", 0.02)])
def test_scalar_problems_land_on_the_exact_flow(name: str, tolerance: float) -> None:
    """From t = 2000 to 200 000: relative to how far the exact flow moves meanwhile."""
    problem = ef.divergence.scalar_problem(name)
    path = ef.flow(problem.objective, [0.0], t=2000.0)
    jump = ef.divergence.extrapolate(problem.objective, path, factor=100)
    start, end = problem.position([2000.0, 200_000.0])
    np.testing.assert_allclose(jump.theta[0], end, atol=tolerance * (end - start))
    assert jump.improved
    assert (jump.time, jump.later) == (2000.0, 200_000.0)


def test_the_steps_saved_are_those_of_the_flow() -> None:
    """Gradient descent with step size 1 needs about T' − T steps to be where the extrapolation is; the exact time says how many."""
    problem = ef.divergence.scalar_problem("log")
    path = ef.flow(problem.objective, [0.0], t=1000.0)
    jump = ef.divergence.extrapolate(problem.objective, path, factor=50)
    saved = jump.steps_saved(step_size=1.0)
    assert saved is not None
    expected = problem.time(float(jump.theta[0]), float(jump.begin[0]))
    np.testing.assert_allclose(saved, expected, rtol=2e-3)
    np.testing.assert_allclose(expected, 49_000, rtol=0.05)
    assert jump.steps_saved(step_size=1.0, most=100) is None


def test_a_perceptron_keeps_its_direction_and_gains_the_time() -> None:
    x = np.array([[1.0, 0.0], [0.0, 2.0], [4.0, 5.0], [6.0, 3.0]])
    f = ef.Objective(ef.MLP([2, 1], output="logistic", bias=False), x, np.ones(4), loss="log")
    path = ef.flow(f, [0.3, -0.2], t=1e5)
    early = (np.geomspace(1, 1e3, 300), path(np.geomspace(1, 1e3, 300)))
    weights = ef.divergence.extrapolate(f, early, factor=100)
    scaled = ef.divergence.extrapolate(f, early, factor=100, along="scale")
    np.testing.assert_allclose(weights.theta, path.theta, rtol=0.01)
    np.testing.assert_allclose(scaled.theta / np.linalg.norm(scaled.theta), path(1e3) / np.linalg.norm(path(1e3)))
    np.testing.assert_allclose(np.linalg.norm(scaled.theta), np.linalg.norm(path.theta), rtol=0.02)
    assert weights.loss < scaled.loss < scaled.loss_before
    hull = ef.divergence.max_margin(f).direction
    cosines = [one @ hull / np.linalg.norm(one) for one in (scaled.theta, weights.theta)]
    assert cosines[1] > cosines[0]  # each weight by its own growth turns towards the maximum margin; scaling does not


@pytest.mark.slow
def test_xor_saves_many_steps_in_most_networks() -> None:
    """S18 and S24: twelve tanh networks on XOR, 20 000 steps each; the jump saves more than ten times what was spent on half of them."""
    x, y = ef.datasets.xor()
    net = ef.MLP([2, 3, 1], output="tanh")
    f = ef.Objective(net, x, y)
    runs = ef.descend(f, net.init(seed=0, runs=12), steps=20_000, step_size=0.5, record={"theta": 10})
    table = ef.divergence.growths(runs)
    assert (table.kind == "log").sum() >= 10
    saved = []
    for run in table.run.values[table.kind.values == "log"]:
        jump = ef.divergence.extrapolate(f, runs, run=int(run), factor=30)
        assert jump.improved
        count = jump.steps_saved(step_size=0.5, most=2_000_000)
        saved.append(np.inf if count is None else count)
    assert np.median(saved) > 200_000


def test_what_does_not_diverge_is_not_extrapolated() -> None:
    f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0]], [2.0])
    with pytest.raises(
        ValueError, match=r"trajectory must grow like log t or a power to be extrapolated \(got converging"
    ):
        ef.divergence.extrapolate(f, ef.flow(f, [0.0], t=10.0))
    problem = ef.divergence.scalar_problem("tanh")
    path = ef.flow(problem.objective, [0.0], t=1e4)
    with pytest.raises(ValueError, match=r"factor must be > 1 \(got 1\)"):
        ef.divergence.extrapolate(problem.objective, path, factor=1)
    with pytest.raises(ValueError, match=r"along must be one of 'weights', 'scale'"):
        ef.divergence.extrapolate(problem.objective, path, along="ray")
    with pytest.raises(ValueError, match=r"theta must hold 1 parameters"):
        ef.divergence.extrapolate(problem.objective, (np.arange(1.0, 50.0), np.ones((49, 2))))


def test_an_extrapolation_that_does_not_help_saves_nothing() -> None:
    """With a penalty f rises along the ray: improved says so, and no steps are counted."""
    problem = ef.divergence.scalar_problem("log")
    path = ef.flow(problem.objective, [0.0], t=1000.0)
    penalised = ef.Objective(problem.objective.net, [[1.0]], [1.0], loss="log", l2=0.1)
    jump = ef.divergence.extrapolate(penalised, path)
    assert not jump.improved
    assert jump.steps_saved(step_size=0.1) == 0
