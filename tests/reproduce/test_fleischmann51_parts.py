"""The parts of experiment 5.1: the protocol with its errata, the densities, the levels, and verdicts on points that are known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

import etaflow as ef
from etaflow.reproduce.fleischmann51.clusters import THESIS, levels
from etaflow.reproduce.fleischmann51.experiment import plan_phases
from etaflow.reproduce.fleischmann51.problem import NOISE, density, load_problem, run_number
from etaflow.reproduce.fleischmann51.protocol import RANGES, RULES, STEP_SIZES, STOP, protocol
from etaflow.reproduce.fleischmann51.settings import Settings
from etaflow.reproduce.fleischmann51.training import parameters
from etaflow.reproduce.fleischmann51.verdicts import judge_point


def test_the_protocol_of_the_thesis_with_its_errata() -> None:
    paper = protocol("paper")
    assert paper.widths == paper.deep_widths == (1, 2, 3, 4, 5, 10, 15, 20, 30, 40, 50, 75, 100)
    assert (13 * paper.runs, 26 * paper.deep_runs, paper.total) == (650, 390, 1040)
    assert paper.steps == 120_000
    # Errata: the ranges and step sizes of the program, and its plateau rule, which the text tells otherwise.
    assert RANGES == {1: 100, 2: 1, 3: 1}
    assert STEP_SIZES == {1: 1, 2: 0.5, 3: 0.1}
    code, text = RULES["code"], RULES["text"]
    assert (code.after, code.patience, code.cooldown, code.min_delta, code.factor) == (40_000, 40, 10, 1e-4, 0.5)
    assert (text.after, text.patience, text.cooldown, text.min_delta, text.factor) == (40_000, 50, 0, 0.0, 0.5)
    assert (STOP.patience, STOP.min_delta, STOP.start) == (10_000, 1e-7, 0)
    assert sum(runs for _, runs in THESIS) == paper.runs


def test_the_small_protocol_is_part_of_the_paper_s() -> None:
    small, paper = protocol(), protocol("paper")
    assert set(small.networks) <= set(paper.networks)
    assert small.steps == paper.steps
    problem = load_problem(0)
    np.testing.assert_array_equal(problem.starts(1, 3, 0, 50)[:4], problem.starts(1, 3, 0, 4))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"widths": ()}, ValueError, "widths must hold at least one number"),
        ({"widths": (3, 2)}, ValueError, r"widths must increase \(got \(3, 2\)\)"),
        ({"deep_widths": (0,)}, ValueError, r"deep_widths\[0\] must be >= 1"),
        ({"runs": 0}, ValueError, "runs must be >= 1"),
        ({"further": 1.5}, TypeError, "further must be an integer"),
        ({"rule": "keras"}, ValueError, "rule must be one of 'code', 'text'"),
    ],
)
def test_a_bad_protocol(change: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        replace(protocol(), **change)


def test_settings_are_restored_and_phases_planned() -> None:
    settings = Settings("paper", 3, protocol("paper"))
    assert Settings.restore(settings.describe()) == settings
    phases = plan_phases(settings)
    assert len(phases) == 3 * 39 == len({phase.name for phase in phases})
    assert len({run_number(*network, run) for network in protocol("paper").networks for run in range(50)}) == 39 * 50


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("width", [1, 4, 15])
def test_parameters_are_counted_as_the_network_does(layers: int, width: int) -> None:
    assert parameters(layers, width) == load_problem(0).objective(layers, width).num_params


def test_the_data_are_scikit_learns() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.make_circles(100, noise=0.35, factor=0.0, random_state=7)
    problem = load_problem(7)
    np.testing.assert_array_equal(problem.x, x)
    np.testing.assert_array_equal(problem.y.ravel(), y)


def test_densities_by_integrals() -> None:
    """The circle's is the mean of a Gaussian over the angle; both have the mass 1."""
    points = np.array([[0.0, 0.0], [0.3, -0.4], [1.5, 1.0]])
    middle, circle = density(points)
    for point, one, other in zip(points, middle, circle, strict=True):
        assert one == pytest.approx(np.prod(norm.pdf(point, scale=NOISE)), rel=1e-12)

        def gaussian(angle: float, at: Any = point) -> float:
            return float(np.prod(norm.pdf(at - [np.cos(angle), np.sin(angle)], scale=NOISE)))

        assert other == pytest.approx(quad(gaussian, 0, 2 * np.pi)[0] / (2 * np.pi), rel=1e-8)
    for which in (0, 1):
        mass = quad(lambda r, which=which: 2 * np.pi * r * density(np.array([[r, 0.0]]))[which][0], 0, 8)[0]
        assert mass == pytest.approx(1, rel=1e-8)


def test_levels() -> None:
    found = levels([0.649, np.nan, 0.5950, 0.5955, 0.5959, 0.6475])
    assert [(level.runs, level.low, level.high) for level in found] == [
        (3, 0.5950, 0.5959),
        (1, 0.6475, 0.6475),
        (1, 0.649, 0.649),
    ]
    assert levels([]) == ()


def test_verdicts_on_points_that_are_known() -> None:
    problem = load_problem(0)
    f = problem.objective(1, 1)
    # The neuron sees all observations on its right side: logistic regression, a minimum with ∇f = 0.
    logistic = ef.Objective(ef.MLP([2, 1], output="logistic"), problem.x, problem.y, loss="log")
    w1, w2, b = ef.polish(logistic, np.zeros(3)).theta
    theta = np.array([w1, w2, 50.0, 1.0, b - 50.0])
    found = judge_point(f, theta, float(f.value(theta)))
    assert (found["kind"], found["kinks"]) == ("minimum", 0)
    assert found["exact"] == pytest.approx(problem.linear, rel=1e-12)
    # A random point is none of the known kinds; a diverged run is said to be one.
    assert judge_point(f, np.array([1.0, 2.0, 0.1, -1.0, 0.3]), 1.0)["kind"] == "undecided"
    assert judge_point(f, theta, np.nan)["kind"] == "diverged"
    # A network that is right about everything.
    wide = problem.objective(1, 50)
    runs = ef.descend(wide, problem.starts(1, 50, 0, 4), steps=10_000, step_size=1.0)
    for end in runs.theta[wide.accuracy(runs.theta) == 1]:
        assert judge_point(wide, end, float(wide.value(end)))["kind"] == "infinity"
