"""The parts of section 3: problems, powers and growth from tables, the limit law, proved constants, the answers in words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import linalg
from scipy.optimize import curve_fit

import etaflow as ef
from etaflow.reproduce._kit.folder import Folder
from etaflow.reproduce._kit.work import Job
from etaflow.reproduce.finnoff3 import limit, others
from etaflow.reproduce.finnoff3.answers import answer_all
from etaflow.reproduce.finnoff3.approach import fit_quotients
from etaflow.reproduce.finnoff3.batch import Batch, run_comparison
from etaflow.reproduce.finnoff3.experiment import plan_phases
from etaflow.reproduce.finnoff3.figures import draw_figures
from etaflow.reproduce.finnoff3.findings import Findings
from etaflow.reproduce.finnoff3.measured import PLACES, TIMES, Measured
from etaflow.reproduce.finnoff3.others import Others
from etaflow.reproduce.finnoff3.problem import NAMES, Problem, load_problem
from etaflow.reproduce.finnoff3.protocol import Protocol, protocol
from etaflow.reproduce.finnoff3.proved import log10_proved
from etaflow.reproduce.finnoff3.settings import LAYOUT, Settings, choose
from etaflow.reproduce.finnoff3.text import to_markdown

TINY = Settings("own", 5, Protocol(step_sizes=3, runs=12, limit_runs=4, others=2, other_runs=5))


def job_in(path: Path, settings: Settings = TINY) -> Job:
    folder = Folder.at(path, LAYOUT)
    folder.begin(settings, overwrite=True)
    problems = {name: load_problem(name, settings.seed, 3) for name in NAMES}
    return Job(folder, plan_phases(problems, settings))


def made(name: str, *, power: float = 1.0, growth: float = 0.3, moved: float = 0.0, lost: int = 0) -> Measured:
    """Tables whose every mean is known: sup² = a·η^power·e^{growth·r} with the same four a for every η."""
    problem = load_problem(name, 0, 3)
    sizes, times = problem.step_sizes, problem.t * np.arange(1, TIMES + 1) / TIMES
    factor = np.array([1 + moved, 1 + moved / 2, 1])
    mean = factor[:, None] * sizes[:, None] ** power * np.exp(growth * times)
    squares = mean[:, None, :] * np.array([0.7, 0.9, 1.1, 1.3])[:, None]
    squares[0, :lost] = np.nan
    euler = np.tile(0.1 * sizes[:, None], TIMES)
    deltas = np.sqrt(mean.max()) * np.array([0.1, 1.0, 5.0])
    part = (squares[:, :, -1, None] > deltas**2).mean(axis=1)
    by_time: dict[str, Any] = {"mean_sup2": mean, "sampling_mean_sup2": mean, "constant": mean / sizes[:, None]}
    by_time |= {
        f"{key}_{end}": value * by for key, value in by_time.items() for end, by in (("low", 0.9), ("high", 1.1))
    }
    by_time |= {"mean_sup2_between": 1.01 * mean, "euler_sup": euler}
    tails = {"exceedance": part, "exceedance_low": part * 0.9, "exceedance_high": part + 0.01}
    tails |= {"exceedance_markov": mean[:, -1:] / deltas**2, "exceedance_bound": 2 * mean[:, -1:] / deltas**2}
    data = xr.Dataset(
        {key: (("step_size", "time"), value) for key, value in by_time.items()}
        | {key: (("step_size", "delta"), value) for key, value in tails.items()}
        | {key: (("step_size", "run", "time"), np.sqrt(squares)) for key in ("sup", "sampling_sup", "distance")}
        | {"log10_proved": ("place", np.full(len(PLACES), np.nan))},
        {
            "step_size": sizes,
            "time": times,
            "delta": deltas,
            "steps": ("step_size", np.rint(problem.t / sizes).astype(int)),
            "diverged": ("step_size", [lost, 0, 0]),
        },
    )
    return Measured(problem, data, 0)


def findings(*measured: Measured, other: Others | None = None, batch: Batch | None = None) -> Findings:
    return Findings(TINY, {one.problem.name: one for one in measured}, {}, other, batch, Path("out"))


def words_of(*measured: Measured, **options: Any) -> list[str]:
    return [answer.word for answer in answer_all(findings(*measured, **options))]


def test_the_scales_are_one_experiment() -> None:
    small, paper = protocol("small"), protocol("paper")
    assert small.step_sizes == paper.step_sizes == 5
    assert small.runs < paper.runs


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"step_sizes": 2}, ValueError, r"step_sizes must be >= 3 \(got 2\)"),
        ({"runs": 1}, ValueError, r"runs must be >= 2 \(got 1\)"),
        ({"runs": 10.0}, TypeError, "runs must be an integer"),
        ({"limit_runs": 1}, ValueError, "limit_runs must be >= 2"),
        ({"others": 0}, ValueError, "others must be >= 1"),
        ({"other_runs": 1}, ValueError, "other_runs must be >= 2"),
    ],
)
def test_a_bad_protocol(change: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Protocol(**change)


def test_settings_survive_a_file() -> None:
    chosen = choose({"scale": "paper", "seed": 7, "protocol": None})
    assert Settings.restore(chosen.describe()) == chosen
    own = choose({"scale": None, "seed": None, "protocol": TINY.protocol})
    assert Settings.restore(own.describe()) == own


def test_the_small_network() -> None:
    problem = load_problem("1-2-1", 3, 5)
    assert (problem.objective.net.widths, problem.objective.n, problem.t) == ((1, 2, 1), 8, 4.0)
    np.testing.assert_allclose(problem.step_sizes, [0.08, 0.04, 0.02, 0.01, 0.005], rtol=1e-12)
    assert np.abs(problem.objective.net.predict(100 * problem.theta0, problem.objective.x)).max() <= 1  # a tanh output
    other = load_problem("1-2-1", 4, 5)
    assert not np.array_equal(problem.objective.y, other.objective.y)
    assert not np.array_equal(problem.theta0, other.theta0)


def test_the_saddle_is_one() -> None:
    problem = load_problem("saddle", 0, 3)
    f, zero = problem.objective, np.zeros(2)
    np.testing.assert_array_equal(f.gradient(zero), zero)
    # f = mean (y − v·tanh(wx))² has ∂²f/∂v∂w = −2·mean(xy) = −1 at 0, and no other second derivative there.
    np.testing.assert_allclose(f.hessian(zero), [[0, -1], [-1, 0]], atol=1e-15)
    assert problem.instability == pytest.approx(1.0)
    # Half of the way is the linear flow e^{t} along (1, 1), as θ_0 is small.
    linear = linalg.expm(np.array([[0.0, 1.0], [1.0, 0.0]])) @ problem.theta0
    np.testing.assert_allclose(problem.flow(1.0), linear, rtol=0.01)


@pytest.mark.parametrize("power", [0.5, 1.0, 1.3])
def test_powers_and_growth_are_read_off_the_table(power: float) -> None:
    one = made("1-2-1", power=power, growth=0.4)
    for law in (one.power, one.local_power, one.power_at_times, one.sampling_power):
        assert law is not None
        assert law.slope == pytest.approx(power, rel=1e-9)
        assert law.low < power < law.high
    assert one.euler_power is not None
    assert (one.euler_power.low, one.euler_power.high) == (one.euler_power.slope,) * 2
    assert one.euler_power.slope == pytest.approx(1.0)
    assert len(one.growths) == 5
    for growth in one.growths:  # in every run the same, so that the interval has no length
        assert [growth.rate, growth.low, growth.high] == pytest.approx([0.4] * 3)
    assert (one.growths[0].begin, one.growths[0].end, one.growths[-1].end) == pytest.approx((0.08, 0.8, 4.0))


def test_how_much_the_constant_moves() -> None:
    one = made("1-2-1", moved=-0.1)
    value, low, high = one.moved
    assert value == pytest.approx(-0.1)
    rng = np.random.default_rng(4)
    factors = rng.choice([0.7, 0.9, 1.1, 1.3], (2, 20_000, 4)).mean(axis=2)
    expected = np.quantile(0.9 * factors[0] / factors[1] - 1, [0.025, 0.975])
    assert [low, high] == pytest.approx(expected, abs=0.03)  # four runs have few different means


def test_parts_add_up() -> None:
    one = made("saddle")
    sampling = one.data["sampling_sup"].values[:, :, -1]
    parts = one.data["sup"].values[:, :, -1] / (sampling + 0.1 * one.problem.step_sizes[:, None])
    assert one.triangle == pytest.approx(parts.max())
    root = np.sqrt(one.data["mean_sup2"].values[:, -1])
    np.testing.assert_allclose(one.euler_share, 0.1 * one.problem.step_sizes / root)


def test_answers_follow_the_numbers() -> None:
    # The made runs differ so much that no interval of a power lies within 0.1 of 1; 500 of each make it short.
    def many(name: str, **options: Any) -> Measured:
        one = made(name, **options)
        return Measured(one.problem, one.data.isel(run=np.tile(np.arange(4), 500)), 0)

    good = [many("1-2-1"), many("10-10-1"), many("saddle", growth=2.0)]
    assert words_of(*good) == ["yes", "yes", "yes", "yes", "yes"]
    half = [many("1-2-1", power=0.5), *good[1:]]
    assert words_of(*half)[0] == "not at these step sizes"
    assert words_of(*half)[3:] == ["not quite at these step sizes", "no"]
    assert words_of(*good[:2], many("saddle", growth=0.1))[2] == "not seen"
    assert words_of(many("1-2-1", moved=0.3), *good[1:])[4] == "no"
    assert words_of(many("1-2-1", moved=0.15), *good[1:])[4] == "undecided"
    beyond = many("1-2-1")
    beyond.data["exceedance_bound"][:] = 0.1
    assert words_of(beyond)[1] == "no"


def test_other_seeds_are_counted() -> None:
    constants = np.array([[1.1, 1.0], [0.9, 1.0], [0.8, 1.0], [1.0, 1.0]])
    found = Others(constants, np.zeros((4, 2), np.int64))
    assert found.steady == 3
    np.testing.assert_allclose(found.moved, [0.1, -0.1, -0.2, 0.0])
    runs = made("1-2-1")
    many = Measured(runs.problem, runs.data.isel(run=np.tile(np.arange(4), 500)), 0)
    answer = answer_all(findings(many, other=found))[-1]
    assert answer.word == "yes, but not for all other data and starts"
    assert (
        "by less in 3 of 4 cases (10 % in the median, 20 % at most), and is smaller at the large η in 2"
        in answer.sentence
    )


@pytest.mark.parametrize("lost", [1, 3, 4])
def test_runs_that_diverged_are_left_out(lost: int) -> None:
    one = made("1-2-1", lost=lost)
    assert one.power is not None
    assert np.isnan(one.moved[0]) == (lost >= 3)
    found = findings(one)
    assert f" | {lost} |" in " ".join(to_markdown(found).split())
    assert set(draw_figures(found)) == {"figure-rate", "figure-constant", "figure-tail"}


def quotients(power: float, rng: np.random.Generator, runs: int) -> tuple[Any, list[Any], Any]:
    """Gamma suprema of mean η(1 + 2η^power), and paths of mean 1 whose step sizes hang together."""
    sizes = 0.08 * 0.5 ** np.arange(5)
    suprema = [size * (1 + 2 * size**power) * rng.gamma(4.0, 0.25, runs) for size in sizes]
    common, own = rng.gamma(3.0, 0.25, (runs, 1)), rng.gamma(1.0, 0.25, (runs, 5))
    return sizes, suprema, common + own


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_the_power_of_the_approach_is_found(power: float) -> None:
    fit = fit_quotients(*quotients(power, np.random.default_rng(1), 200_000))
    assert fit.known
    assert fit.low <= power <= fit.high < fit.low + 0.4
    assert (fit.root > 0.05, fit.linear > 0.05) == (power == 0.5, power == 1.0)


def test_the_approach_is_least_squares() -> None:
    """The oracle: SciPy's curve_fit with the covariance of the quotients by a jackknife over runs and paths."""
    sizes, suprema, paths = quotients(0.7, np.random.default_rng(2), 20_000)
    means, expected = np.array([row.mean() for row in suprema]) / sizes, paths.mean(axis=0)
    groups = [
        np.array([part.mean() for part in np.split(row / size, 2000)]) for row, size in zip(suprema, sizes, strict=True)
    ]
    theirs = paths.reshape(2000, 10, 5).mean(axis=1)
    left_out = np.stack([(2000 * mean - group) / 1999 for mean, group in zip(means, groups, strict=True)], 1)
    covariance = 1999**2 / 2000 * np.cov(left_out / ((2000 * expected - theirs) / 1999), rowvar=False)
    quotient = means / expected
    (factor, power), _ = curve_fit(
        lambda eta, c, p: 1 + c * eta**p, sizes, quotient, p0=(1.0, 1.0), sigma=covariance, absolute_sigma=True
    )
    fit = fit_quotients(sizes, suprema, paths)
    assert fit.power == pytest.approx(power, abs=0.05)
    assert fit.factor == pytest.approx(factor, rel=0.15)


def test_a_quotient_of_1_tells_no_power() -> None:
    rng = np.random.default_rng(3)
    sizes = np.asarray(0.08 * 0.5 ** np.arange(5), np.float64)
    fit = fit_quotients(sizes, [size * rng.gamma(4.0, 0.25, 500) for size in sizes], rng.gamma(4.0, 0.25, (500, 5)))
    assert not fit.known
    assert min(fit.root, fit.linear) > 0.05


def test_the_limit_law(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = load_problem("1-2-1", TINY.seed, 3)
    found = limit.run_limit(job_in(tmp_path / "out"), problem, TINY)
    times = problem.t * np.arange(1, 201) / 200  # of the smallest step size
    paths = ef.simulate_linear_sde(problem.objective, problem.flow, times=times, runs=4, seed=TINY.seed).values
    norms = np.linalg.norm(paths, axis=2)
    for i, every in enumerate((4, 2, 1)):
        assert found.mean[i] == pytest.approx((norms[:, every - 1 :: every].max(axis=1) ** 2).mean(), rel=1e-12)
    assert (found.low < found.mean).all()
    assert (found.mean < found.high).all()
    monkeypatch.setattr(limit, "CHUNK", 3 * 200 * 7)  # three paths at a time
    again = limit.run_limit(job_in(tmp_path / "again"), problem, TINY)
    np.testing.assert_array_equal(found.mean, again.mean)


def test_other_data_and_starts(tmp_path: Path) -> None:
    found = others.run_others(job_in(tmp_path / "out"), TINY)
    assert found.constants.shape == (2, 2)
    for i in range(2):
        problem = load_problem("1-2-1", TINY.seed + 1 + i, 3)
        straight = ef.theory.deviation(
            problem.objective, problem.theta0, t=4.0, step_sizes=[0.08, 0.02], runs=5, seed=TINY.seed + 1 + i
        ).data
        np.testing.assert_allclose(found.constants[i], straight["constant"][:, -1], rtol=1e-12)


def test_sgd_beside_batch_training(tmp_path: Path) -> None:
    problem = load_problem("1-2-1", TINY.seed, 3)
    found = run_comparison(job_in(tmp_path / "out"), problem, TINY)
    sizes = [0.08, 0.02, 0.005, 0.00125, 0.0003125]
    f = problem.objective
    gained = f.value(problem.theta0) - f.value(problem.flow(4.0))
    tolerances = {"loss": 0.01 * gained, "predictions": 0.01 * (f.y.max() - f.y.min())}
    for quantity, tolerance in tolerances.items():
        one = found.comparisons[quantity]
        straight = ef.theory.compare(
            f, problem.theta0, t=4.0, step_sizes=sizes, tolerance=float(tolerance), runs=12, quantity=quantity, seed=5
        )
        assert one.tolerance == pytest.approx(tolerance, rel=1e-12)
        assert one.threshold == straight.threshold
        assert one.data.identical(straight.data)
    assert (found.comparisons["loss"].data["difference"] < 0).any()  # with its sign
    answer = answer_all(findings(made("1-2-1"), batch=found))[-1]
    assert f"for η ≤ {found.comparisons['loss'].threshold:g}" in answer.sentence


def test_the_proved_constant() -> None:
    problem = load_problem("1-2-1", 0, 3)
    f, size, r, eta = problem.objective, np.linalg.norm(problem.theta0), 0.08, 0.08
    K = ef.theory.growth(f).upper
    rho = np.exp(K * r) * (1 + size) - 1
    M, L = K * (1 + rho), ef.theory.lipschitz(f, rho).mean_field
    assert L is not None
    root = np.exp(L.upper * r) * (2 * M * np.sqrt(r) + r * L.upper * M * np.sqrt(eta) / 2) + eta**1.5 * L.upper * M / 8
    assert log10_proved(problem, np.array([r]))[0] == pytest.approx(2 * np.log10(root), rel=1e-9)


@pytest.mark.parametrize("name", ["10-10-1", "saddle"])
def test_there_is_no_proved_constant_where_lemma_3_1_fails(name: str) -> None:
    problem: Problem = load_problem(name, 0, 3)
    assert np.isnan(log10_proved(problem, np.array([1.0, 2.0]))).all()
