"""The parts of section 6: its conditions, its problems, who ended lower, what a point is, and the answers in words."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import linalg, stats

import etaflow as ef
from etaflow.reproduce._kit.answers import Answer
from etaflow.reproduce._kit.folder import Folder
from etaflow.reproduce._kit.work import Job
from etaflow.reproduce.finnoff6.answers import claim, judge, judge_share
from etaflow.reproduce.finnoff6.comparison import Comparison, compare
from etaflow.reproduce.finnoff6.experiment import plan_phases
from etaflow.reproduce.finnoff6.problem import load_problem
from etaflow.reproduce.finnoff6.protocol import EXPERIMENTS, Conditions, Protocol, protocol
from etaflow.reproduce.finnoff6.races import MULTIPLES, Race, run_race
from etaflow.reproduce.finnoff6.settings import LAYOUT, Settings, choose
from etaflow.reproduce.finnoff6.variations import variations
from etaflow.reproduce.finnoff6.verdicts import KINDS, judge_ends

TINY = Settings("own", 5, Protocol(5, 2, Conditions(samples=24, epochs=10)))


def job_in(path: Path, settings: Settings = TINY) -> Job:
    folder = Folder.at(path, LAYOUT)
    folder.begin(settings, overwrite=True)
    return Job(folder, plan_phases(settings))


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> Race:
    problem = load_problem("rbf", TINY.protocol.conditions, TINY.seed)
    return run_race(job_in(tmp_path_factory.mktemp("race") / "out"), problem, TINY)


def test_the_scales_are_one_experiment() -> None:
    small, paper = protocol("small"), protocol("paper")
    assert small.conditions == paper.conditions
    assert 64 <= small.starts < paper.starts
    assert paper.starts >= 400
    assert small.conditions.time == 600.0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"samples": 1}, ValueError, r"samples must be >= 2 \(got 1\)"),
        ({"samples": 20.0}, TypeError, "samples must be an integer"),
        ({"step_size": 0.0}, ValueError, "step_size must be > 0"),
        ({"epochs": 0}, ValueError, "epochs must be >= 1"),
        ({"noise": -0.1}, ValueError, "noise must be >= 0"),
        ({"sigma": 0.0}, ValueError, "sigma must be > 0"),
        ({"output": "than"}, ValueError, "did you mean 'tanh'"),
        ({"start_width": 0.0}, ValueError, "start_width must be > 0"),
        ({"data_shift": -1}, ValueError, "data_shift must be >= 0"),
    ],
)
def test_bad_conditions(change: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Conditions(**change)


def test_a_bad_protocol() -> None:
    with pytest.raises(ValueError, match="starts must be >= 2"):
        Protocol(starts=1)
    with pytest.raises(ValueError, match="variation_starts must be >= 2"):
        Protocol(variation_starts=1)
    with pytest.raises(TypeError, match="conditions must be Conditions"):
        Protocol(conditions=3)  # type: ignore[arg-type]


def test_settings_survive_a_file() -> None:
    chosen = choose({"scale": "paper", "seed": 7, "protocol": None})
    assert Settings.restore(chosen.describe()) == chosen
    own = choose({"scale": None, "seed": None, "protocol": TINY.protocol})
    assert Settings.restore(own.describe()) == own


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_yardsticks_of_a_problem(name: str) -> None:
    problem = load_problem(name, Conditions(noise=0.3), 2)
    x, y = problem.objective.x, problem.objective.y.ravel()
    assert (x.shape, problem.objective.net.widths) == ((200, 10), (10, 10, 1))
    design = np.column_stack([np.ones(200), x])
    left = y - design @ linalg.solve(design.T @ design, design.T @ y, assume_a="pos")
    assert problem.linear == pytest.approx(left @ left / 200 / y.var(), rel=1e-9)
    assert problem.variance == pytest.approx(y.var(), rel=1e-12)
    assert problem.beyond == (abs(y) > 1).mean()
    clean = load_problem(name, Conditions(noise=0.0), 2)
    noise = y - clean.objective.y.ravel()
    assert problem.noise * problem.variance == pytest.approx(0.09 * clean.variance, rel=1e-9)
    # The variance of 200 Gaussian numbers; the quantiles are exceeded with probability 1e-4, and the seed is fixed.
    low, high = stats.chi2.ppf([5e-5, 1 - 5e-5], 199) / 199
    assert low < noise.var(ddof=1) / (problem.noise * problem.variance) < high


def test_no_two_models_share_random_numbers_and_other_data_are_other() -> None:
    problems = [load_problem(name, Conditions(), 0) for name in EXPERIMENTS]
    numbers = [set(problem.numbers(400)) for problem in problems]
    assert len(set.union(*numbers)) == 1600
    shifted = load_problem("rbf", Conditions(data_shift=1), 0)
    np.testing.assert_array_equal(shifted.objective.x, load_problem("rbf", Conditions(), 1).objective.x)


def test_starts() -> None:
    problem = load_problem("product", Conditions(), 0)
    wide = problem.draw_starts(Conditions(start_width=0.5), 0, 50)
    assert 0.49 < np.abs(wide).max() <= 0.5
    np.testing.assert_array_equal(
        problem.draw_starts(Conditions(), 0, 3), problem.objective.net.init(0, range(1_000_000, 1_000_003))
    )


def test_variations_cover_what_the_paper_leaves_open() -> None:
    base = Conditions()
    changed = {
        name
        for one in variations(base)
        for name, value in base.__dict__.items()
        if getattr(one.conditions, name) != value
    }
    assert changed == set(base.__dict__)
    names = [one.name for one in variations(base)]
    assert len(set(names)) == len(names)


def test_a_race_keeps_what_happened(race: Race) -> None:
    conditions = race.conditions
    assert race.batch_curves[:, list(race.batch_steps).index(conditions.epochs)].tolist() == race.passes.tolist()
    assert race.sgd_curves[:, -1].tolist() == race.sgd.tolist()
    assert set(range(0, conditions.steps + 1, conditions.samples)) <= set(race.sgd_steps)
    np.testing.assert_allclose(race.problem.objective.value(race.ends), race.passes, rtol=1e-12)
    np.testing.assert_allclose(race.problem.objective.value(race.later), race.twice, rtol=1e-12)
    assert race.multiple in MULTIPLES
    assert np.median(race.best) <= np.median(race.passes)
    largest = [np.linalg.eigvalsh(race.problem.objective.hessian(theta))[-1] for theta in race.theta0]
    assert race.curvature == pytest.approx(np.median(largest))


def test_who_ended_lower() -> None:
    rng = np.random.default_rng(1)
    sgd, other = rng.gamma(5, 1, 40), rng.gamma(5, 1.5, 40)
    found = compare(sgd, other)
    lower = int((sgd < other).sum())
    assert (found.lower, found.total, found.share) == (lower, 40, lower / 40)
    # Clopper and Pearson by the quantiles of the beta distribution.
    exact = stats.beta.ppf(0.025, lower, 41 - lower), stats.beta.ppf(0.975, lower + 1, 40 - lower)
    assert (found.low, found.high) == pytest.approx(exact, rel=1e-9)
    ratios = other / sgd
    assert found.ratio == pytest.approx(np.median(ratios))
    interval = stats.bootstrap(
        (ratios,), np.median, method="percentile", n_resamples=9_999, rng=np.random.default_rng(2)
    ).confidence_interval
    width = interval.high - interval.low  # two bootstraps differ by their Monte-Carlo error
    assert (found.ratio_low, found.ratio_high) == pytest.approx((interval.low, interval.high), abs=0.15 * width)


def test_the_interval_of_the_ratio_covers_it() -> None:
    # The median of the ratio of two independent lognormal numbers is 2. The level is 0.95, and a percentile bootstrap of 30 is a
    # little short: were it 0.90, fewer than the binomial quantile of 1e-4 would be seen with probability 1e-4; the seed is fixed.
    rng, trials = np.random.default_rng(6), 200
    hits = 0
    for _ in range(trials):
        found = compare(rng.lognormal(0, 1, 30), 2 * rng.lognormal(0, 1, 30))
        hits += found.ratio_low <= 2 <= found.ratio_high
    assert hits >= stats.binom.ppf(1e-4, trials, 0.90)


def test_a_run_that_diverged_is_not_lower() -> None:
    found = compare([1.0, np.inf, np.inf, 1.0], [np.inf, 1.0, np.inf, 2.0])
    assert found.lower == 2
    assert found.ratio_high == np.inf


@pytest.mark.parametrize(
    ("sgd", "other", "message"),
    [
        ([1.0], [1.0], "at least two positive errors"),
        ([1.0, -1.0], [1.0, 1.0], "at least two positive errors"),
        ([1.0, np.nan], [1.0, 1.0], "at least two positive errors"),
        ([1.0, 1.0], [1.0], "same length"),
    ],
)
def test_bad_pairs(sgd: list[float], other: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare(sgd, other)


@pytest.fixture(scope="module")
def bowl(race: Race) -> tuple[Race, Any]:
    """The race on an objective with a penalty on θ, which has nondegenerate minima, and one of these."""
    plain = race.problem.objective
    objective = ef.Objective(plain.net, plain.x, plain.y, l2=0.01)
    minimum = ef.polish(objective, race.ends[0]).theta
    assert ef.point_test(objective, minimum).is_minimum
    return replace(race, problem=replace(race.problem, objective=objective)), minimum


def test_what_becomes_of_a_stuck_run(bowl: tuple[Race, Any], tmp_path: Path) -> None:
    """A minimum, a saddle and points on their way, made on purpose."""
    race, minimum = bowl
    objective = race.problem.objective
    flat = np.zeros(objective.num_params)
    flat[-1] = objective.y.mean() / 1.01  # the best penalised constant: ∇f = 0 there, and the Hessian is indefinite
    ends = np.stack([minimum, flat, race.ends[2], race.ends[3], race.ends[4]])
    values = np.asarray(objective.value(ends), np.float64)
    low = values[0]
    made = replace(
        race,
        passes=values,
        ends=ends,
        sgd=np.array([low / 2, values[1] / 2, values[2] / 2, values[3] / 2, values[4]]),
        time=np.array([low, values[1], values[2] / 2, values[3], values[4]]),
        twice=np.array([low, values[1], values[2] / 3, values[3] / 2, values[4]]),
    )
    found = judge_ends(job_in(tmp_path / "out"), made)
    assert found.kind.tolist() == ["minimum", "saddle", "time", "twice", ""]
    assert found.stuck.tolist() == [True, True, True, True, False]
    assert found.verdict.tolist()[:3] == ["minimum", "strict saddle", "not stationary"]
    assert found.concave.tolist()[:2] == [False, True]
    eigenvalues = np.linalg.eigvalsh(objective.hessian(ends[2]))
    assert found.eigenvalue_min[2] == pytest.approx(eigenvalues[0], rel=1e-9)
    assert found.grad_norm[2] == pytest.approx(np.linalg.norm(objective.gradient(ends[2])), rel=1e-12)
    assert sum(found.count(kind) for kind in KINDS) == 4


def test_what_becomes_of_a_slow_run(bowl: tuple[Race, Any], tmp_path: Path) -> None:
    race, minimum = bowl
    low = race.problem.objective.value(minimum)
    above, below = np.full(5, np.inf), np.full(5, 1e-9)
    below[0] = 2 * low
    beside = np.tile(minimum, (5, 1)) + 1e-4
    slow = replace(race, sgd=below, time=above, twice=above, later=beside)
    found = judge_ends(job_in(tmp_path / "out"), slow)
    assert found.kind.tolist() == ["downhill"] + ["trapped"] * 4


@pytest.mark.parametrize(
    ("low", "high", "word"), [(0.6, 0.9, "yes"), (0.1, 0.4, "no"), (0.4, 0.6, "undecided"), (0.5, 0.9, "undecided")]
)
def test_a_probability_is_judged_by_its_interval(low: float, high: float, word: str) -> None:
    assert judge_share(low, high) == word
    assert judge(Comparison(1, 2, low, high, 1.0, 1.0, 1.0)) == word


@pytest.mark.parametrize(
    ("observed", "explained", "phrase"),
    [
        ("yes", "no", "is not what these runs show"),
        ("yes", "yes", "its explanation holds"),
        ("yes", "undecided", "whether its explanation holds is undecided"),
        ("no", "no", "Neither"),
        ("undecided", "no", "do not decide"),
    ],
)
def test_what_the_answers_make_of_the_claim(observed: str, explained: str, phrase: str) -> None:
    assert phrase in claim((Answer("", observed, ""), Answer("", explained, "")))
