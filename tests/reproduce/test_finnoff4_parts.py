"""The parts of Theorem 4.1's reproduction: problems, the limit law, the reduction of paths, comparisons, answers, figures."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import integrate, linalg, stats

import etaflow as ef
from etaflow.reproduce._kit.folder import Folder
from etaflow.reproduce._kit.work import Job
from etaflow.reproduce.finnoff4 import ensemble, limit
from etaflow.reproduce.finnoff4.answers import answer_all, in_words
from etaflow.reproduce.finnoff4.coverage import DRAWN, Coverage
from etaflow.reproduce.finnoff4.figures import draw_figures
from etaflow.reproduce.finnoff4.findings import Findings, Measured, measure
from etaflow.reproduce.finnoff4.paths import compare_suprema, compare_two_times
from etaflow.reproduce.finnoff4.problem import TIMES, Problem, load_problem
from etaflow.reproduce.finnoff4.protocol import NAMES, Protocol, protocol
from etaflow.reproduce.finnoff4.settings import LAYOUT, choose
from etaflow.reproduce.finnoff4.text import to_markdown
from etaflow.theory.gaussian_limit.central_limit import of_samples
from etaflow.theory.gaussian_limit.comparison import GROUPS

Array = Any
SETTINGS = choose({"scale": None, "seed": 0, "protocol": Protocol(500, 500, 1000, 100)})


def job_in(path: Path, problem: Problem) -> Job:
    folder = Folder.at(path, LAYOUT)
    folder.begin(SETTINGS, overwrite=True)
    return Job(folder, [limit.phase_of(problem), *ensemble.phases_of(problem, SETTINGS)])


@cache
def line() -> Problem:
    return load_problem("1-1", 0)


@pytest.fixture(scope="module")
def law(tmp_path_factory: pytest.TempPathFactory) -> limit.Limit:
    return limit.find_limit(job_in(tmp_path_factory.mktemp("parts") / "out", line()), line())


@pytest.fixture(scope="module")
def diffusion(tmp_path_factory: pytest.TempPathFactory) -> ensemble.Ensemble:
    return ensemble.run_diffusion(job_in(tmp_path_factory.mktemp("paths") / "out", line()), line(), SETTINGS)


# --- problems and protocol ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_times_are_steps_of_every_step_size(name: str) -> None:
    problem = load_problem(name, 3)
    assert problem.name == name
    for eta in problem.step_sizes:
        np.testing.assert_allclose(problem.steps(eta) * eta, problem.times, rtol=1e-12)
    assert problem.steps(problem.step_sizes[0])[-1] % TIMES == 0
    assert problem.objective.net.predict(problem.theta0, problem.inputs).shape == (len(problem.inputs), 1)


def test_the_exact_covariance_is_that_of_all_draws() -> None:
    """The first two moments of (θ, 1), step by step, averaged over the eight observations."""
    problem, eta = line(), 0.04
    x, y = np.asarray(problem.objective.x)[:, 0], np.ravel(problem.objective.y)
    second = np.outer([*problem.theta0, 1.0], [*problem.theta0, 1.0])
    steps = []
    for one, target in zip(x, y, strict=True):
        row = np.array([one, 1.0])
        step = np.eye(3)
        step[:2, :2] -= 2 * eta * np.outer(row, row)
        step[:2, 2] = 2 * eta * target * row
        steps.append(step)
    for _ in range(100):
        second = np.mean([step @ second @ step.T for step in steps], axis=0)
    expected = (second[:2, :2] - np.outer(second[:2, 2], second[:2, 2])) / eta
    np.testing.assert_allclose(problem.covariance(eta), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"runs": 475}, r"runs must be >= 500 \(got 475\)"),
        ({"large_runs": 510}, r"large_runs must be a multiple of 25 \(got 510\)"),
        ({"diffusion_paths": 0}, "diffusion_paths must be >= 500"),
        ({"band_runs": 10}, "band_runs must be >= 100"),
        ({"problems": ("1-3-1",)}, "problems must be a tuple of different ones of"),
        ({"problems": ()}, "problems must be a tuple of different ones of"),
        ({"problems": ("1-1", "1-1")}, "problems must be a tuple of different ones of"),
    ],
)
def test_bad_numbers(numbers: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Protocol(**numbers)


def test_settings_survive_json() -> None:
    own = Protocol(runs=600, problems=("1-1", "1-2-1"))
    assert Protocol.restore(own.describe() | {"problems": list(own.problems)}) == own
    assert protocol("paper").runs == 10 * protocol("small").runs


# --- the limit law ------------------------------------------------------------------------------------------------


def test_covariances_of_the_line_in_closed_form(law: limit.Limit) -> None:
    """Cov(θ̃(t), θ̃(s)) = ∫_0^s Φ(t, u)R(θ̄(u))Φ(s, u)ᵀ du by quadrature, with matrix exponentials."""
    x, y = np.asarray(line().objective.x)[:, 0], np.ravel(line().objective.y)
    design = np.column_stack([x, np.ones(8)])
    hessian = 2 * design.T @ design / 8
    minimum = np.linalg.lstsq(design, y, rcond=None)[0]

    def noise(u: float) -> Array:
        theta = minimum + linalg.expm(-u * hessian) @ (line().theta0 - minimum)
        return np.cov((2 * (design @ theta - y)[:, None] * design).T, bias=True)

    for place in (0, 10, 30, 50):
        s = float(line().times[place])

        def integrand(u: float, t: float, s: float = s) -> Array:
            return linalg.expm(-(t - u) * hessian) @ noise(u) @ linalg.expm(-(s - u) * hessian)

        at_once, later = (integrate.quad_vec(integrand, 0.0, s, epsrel=1e-10, args=(t,))[0] for t in (s, 4.0))
        np.testing.assert_allclose(law.law.covariance[place], at_once, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(law.two_times[place], later, rtol=1e-6, atol=1e-8)


def test_two_times_of_a_network_are_those_of_the_law(tmp_path: Path) -> None:
    problem = load_problem("1-2-1", 0)
    found = limit.find_limit(job_in(tmp_path / "out", problem), problem)
    for place in (10, 40):
        expected = found.law.two_time(4.0, float(problem.times[place]))
        np.testing.assert_allclose(found.two_times[place], expected, rtol=1e-6, atol=1e-9)


# --- ensembles ----------------------------------------------------------------------------------------------------


def test_paths_are_reduced_to_their_covariances(tmp_path: Path) -> None:
    problem, eta = line(), 0.02
    found = ensemble.run_sgd(job_in(tmp_path / "out", problem), problem, 2, SETTINGS)
    runs = ef.descend(
        problem.objective,
        problem.theta0,
        steps=200,
        step_size=eta,
        batch_size=1,
        runs=range(1000, 1500),
        seed=0,
        record={"theta": 4},
    )
    paths = (runs.records["theta"] - problem.flow(problem.times)) / np.sqrt(eta)
    np.testing.assert_allclose(found.ends, paths[:, -1], rtol=1e-10)
    np.testing.assert_allclose(found.suprema, np.linalg.norm(paths, axis=2).max(axis=1), rtol=1e-10)
    for group in (0, 24):
        some = paths[20 * group : 20 * (group + 1)]
        joint = np.cov(some[:, -1].T, some[:, 20].T)
        np.testing.assert_allclose(found.two_times[group, 1], joint[:2, 2:], rtol=1e-9, atol=1e-14)
        assert found.products[group, 20] == pytest.approx(np.trace(joint[:2, 2:]), rel=1e-9)
        assert found.squares[group, 20] == pytest.approx(np.trace(joint[2:, 2:]), rel=1e-9)


def test_the_exact_covariance_is_in_the_measured_interval(law: limit.Limit, tmp_path: Path) -> None:
    """10 000 runs at η = 0.08, level 99.9 %, fixed seed."""
    problem, settings = line(), replace(SETTINGS, protocol=Protocol(runs=10_000))
    found = ensemble.run_sgd(job_in(tmp_path / "out", problem), problem, 0, settings)
    eta = problem.step_sizes[:1]
    measured = of_samples([found.ends], eta, law.law, law.shift, projections=4, level=0.999, seed=0)
    _, low, high = measured.data.covariance_distance.values[0]
    sigma = law.covariance
    exact = np.linalg.norm(problem.covariance(float(eta[0])) - sigma) / np.linalg.norm(sigma)
    assert 0.1 < low < exact < high


def test_a_run_that_diverged_is_left_out() -> None:
    paths = np.random.default_rng(0).normal(size=(20, TIMES + 1, 2))
    broken = np.concatenate([paths[:7], np.full((1, TIMES + 1, 2), np.nan), paths[7:]])
    whole, partial = ensemble._reduce(paths), ensemble._reduce(broken)
    for one, other in zip(whole[1:4], partial[1:4], strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.isnan(partial[0][7]).all()
    assert np.isnan(partial[4][7])
    assert ensemble.Ensemble(*partial).diverged == 1


# --- comparisons --------------------------------------------------------------------------------------------------


def test_paths_of_the_diffusion_show_nothing_but_chance(law: limit.Limit, diffusion: ensemble.Ensemble) -> None:
    """1 000 paths, fixed seed; a root mean square is exceeded by half with probability below 1 %."""
    found = compare_two_times(diffusion, law)
    assert found.errors.shape == found.floors.shape == (4,)
    assert (found.errors < 1.5 * found.floors).all()
    assert found.distance.low == 0


def test_the_floor_of_two_times(law: limit.Limit) -> None:
    """400 Gaussian ensembles of 500 with the limit's law: the mean square of the error within 5 standard errors; seed 3."""
    places = [limit.EARLIER[1], TIMES]
    early, last = law.law.covariance[places]
    cross = law.two_times[places[0]]
    joint = np.block([[last, cross], [cross.T, early]])
    drawn = np.random.default_rng(3).multivariate_normal(np.zeros(4), joint, size=(400, GROUPS, 20))
    centred = drawn - drawn.mean(axis=2, keepdims=True)
    each = np.einsum("egri,egrj->egij", centred[..., :2], centred[..., 2:]) / 19
    squares = np.linalg.norm(each.mean(axis=1) - cross, axis=(1, 2)) ** 2 / np.linalg.norm(cross) ** 2
    empty = np.zeros((GROUPS, TIMES + 1))
    one = ensemble.Ensemble(np.zeros((500, 2)), np.zeros((GROUPS, 4, 2, 2)), empty, empty, np.ones(500))
    floor = compare_two_times(one, law).floors[1]
    assert abs(squares.mean() - floor**2) < 5 * squares.std() / np.sqrt(400)


def test_an_error_of_known_size(law: limit.Limit) -> None:
    exact = law.two_times[list(limit.EARLIER)]
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(GROUPS, *exact.shape)) * 1e-3 * np.linalg.norm(exact, axis=(1, 2))[:, None, None]
    empty = np.zeros((GROUPS, TIMES + 1))
    one = ensemble.Ensemble(np.zeros((500, 2)), 1.1 * exact + noise, empty, empty, np.ones(500))
    found = compare_two_times(one, law)
    assert found.distance.low < 0.1 < found.distance.high
    np.testing.assert_allclose(found.errors, 0.1, atol=3e-3)


def test_suprema_of_two_laws(diffusion: ensemble.Ensemble) -> None:
    rng = np.random.default_rng(5)
    own, other = rng.gamma(4, 1.0, 600), rng.gamma(4, 1.1, 500)
    found = compare_suprema(replace(diffusion, suprema=np.append(own, np.nan)), replace(diffusion, suprema=other))
    grid = np.concatenate([own, other])
    steps = [np.searchsorted(np.sort(one), grid, side="right") / len(one) for one in (own, other)]
    assert found.distance == pytest.approx(np.abs(steps[0] - steps[1]).max(), rel=1e-12)
    assert found.ratio == pytest.approx(own.mean() / other.mean())
    same = stats.kstwobign.sf(found.critical / np.sqrt(1 / 600 + 1 / 500))
    assert same == pytest.approx(0.05)


# --- what is said and drawn ---------------------------------------------------------------------------------------


def made(law: limit.Limit, errors: Array, runs: int = 5000) -> Measured:
    """Ensembles that are Gaussian but for a mean and a covariance that are off by given parts."""
    rng, problem = np.random.default_rng(6), line()
    root = np.linalg.cholesky(law.covariance)
    exact = law.two_times[list(limit.EARLIER)]
    scale = np.linalg.norm(exact, axis=(1, 2))[:, None, None]
    products, squares = (np.tile(one, (GROUPS, 1)) for one in (np.einsum("tii->t", law.two_times), law.law.trace))

    def one(error: float, suprema: float) -> ensemble.Ensemble:
        ends = np.sqrt(1 + error) * rng.normal(size=(runs, 2)) @ root.T + np.sqrt(error) * np.sqrt(
            np.diag(law.covariance)
        )
        two_times = (1 + error) * exact + 0.01 * scale * rng.normal(size=(GROUPS, *exact.shape))
        return ensemble.Ensemble(ends, two_times, products, squares, rng.normal(5 + suprema, 1, runs))

    shares = {word: np.full((2, 5, 3, TIMES), 0.9) for word in ("theta", "prediction", "loss")}
    extremes = {word: np.full((2, 5, 2), 0.9) for word in shares}
    grid = len(problem.inputs)
    shapes = {"theta": (2,), "prediction": (grid, 1), "loss": ()}
    bands = {
        word: np.stack([np.full((TIMES + 1, *shape), level) for level in (0.5, 1.0, 1.5)])
        for word, shape in shapes.items()
    }
    drawn = {word: np.ones((DRAWN, 201, *shape)) for word, shape in shapes.items()}
    ends = {word: rng.normal(1.0, 0.3, size=(100, *shape)) for word, shape in shapes.items()}
    coverage = Coverage(shares, extremes, bands, drawn, ends)
    return measure(problem, law, tuple(one(error, error) for error in errors), one(0.0, 0.0), coverage, 0)


def findings_of(one: Measured) -> Findings:
    return Findings(
        replace(SETTINGS, protocol=replace(SETTINGS.protocol, problems=("1-1",))), {"1-1": one}, Path("out")
    )


def test_what_is_said_where_the_theorem_holds(law: limit.Limit) -> None:
    one = made(law, 4 * line().step_sizes)
    answers = answer_all(findings_of(one))
    assert [answer.word for answer in answers] == ["yes", "yes", "about like √η", "yes", "yes", "yes"]
    assert one.at_the_end.rates["covariance"] is not None
    assert one.at_the_end.rates["covariance"].slope == pytest.approx(1.0, abs=0.2)
    assert one.two_times_power is not None
    assert one.two_times_power.slope == pytest.approx(1.0, abs=0.1)


def test_a_distance_that_is_nothing_but_chance_is_marked(law: limit.Limit) -> None:
    panel = draw_figures(findings_of(made(law, np.zeros(5))))["figure-normality"].axes[0]
    marks = [line for line in panel.get_lines() if line.get_marker() == "v"]
    data = made(law, np.zeros(5)).at_the_end.data
    gone = [int((data[f"{name}_distance"].values[:, 0] <= 0).sum()) for name in ("kolmogorov", "kolmogorov_shifted")]
    assert sum(gone) > 0
    assert [np.size(mark.get_xdata()) for mark in marks] == gone


def test_what_is_said_where_nothing_falls(law: limit.Limit) -> None:
    one = made(law, np.full(5, 0.2))
    wrong = {word: np.full((2, 5, 3, TIMES), 0.6) for word in one.coverage.shares}
    answers = answer_all(findings_of(replace(one, coverage=replace(one.coverage, shares=wrong))))
    words = [answer.word for answer in answers]
    assert words == ["undecided", "undecided", "not settled by these step sizes", "undecided", "undecided", "no"]


def test_no_answers_without_a_problem() -> None:
    assert answer_all(Findings(SETTINGS, {}, Path("out"))) == ()
    assert draw_figures(Findings(SETTINGS, {}, Path("out"))) == {}
    assert in_words(None) == "unknown"


def test_figures_show_the_numbers(law: limit.Limit) -> None:
    one = made(law, 4 * line().step_sizes, runs=500)
    figures = draw_figures(findings_of(one))
    assert set(figures) == {
        "figure-ensemble",
        "figure-covariance",
        "figure-normality",
        "figure-distribution",
        "figure-two-times",
        "figure-coverage",
    }
    lines = {str(line.get_label()): line for line in figures["figure-covariance"].axes[0].get_lines()}
    np.testing.assert_array_equal(lines["the ensemble's"].get_ydata(), one.at_the_end.data["covariance_error"])
    np.testing.assert_array_equal(lines["exact, not simulated"].get_ydata(), one.exact)
    share = np.mean(np.abs(one.coverage.ends["loss"] - 1) <= 0.5)
    titles = [axes.get_title(loc="left") for axes in figures["figure-ensemble"].axes]
    assert f"cost f(θ): {100 * share:.0f} % in the band" in titles
    assert all(axes.get_legend() is not None for axes in figures["figure-two-times"].axes)
    rows = figures["figure-coverage"].axes
    assert [axes.get_ylabel() for axes in rows] == ["weights", "predictions", "loss"]
    low, high = one.coverage.extremes["theta"][0].T
    bars: Any = rows[0].collections[0]  # from the least share to the most, no interval
    np.testing.assert_array_equal([[bar[0][1], bar[1][1]] for bar in bars.get_segments()], np.stack([low, high], 1))
    curves = [
        line for line in figures["figure-distribution"].axes[0].get_lines() if str(line.get_label()).startswith("η")
    ]
    colours = np.array([line.get_color()[:3] for line in curves])
    assert (np.diff(colours @ [0.2126, 0.7152, 0.0722]) < 0).all()  # the smaller η, the darker
    partial = Findings(SETTINGS, {"1-1": one}, Path("out"))
    assert not partial.complete
    assert "## Conditions" not in to_markdown(Findings(SETTINGS, {}, Path("out")))
    assert draw_figures(partial)["figure-coverage"].texts[-1].get_text() == "PARTIAL"
