"""Theorem 3.2, measured: against replays in NumPy, closed forms, and expectations over all sequences of indices."""

from __future__ import annotations

import itertools
import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import solve_ivp

import etaflow as ef
from etaflow.theory.small_steps import deviation as module
from etaflow.theory.small_steps import suprema
from problems import Case
from reference import descend as reference_descend

if TYPE_CHECKING:
    from etaflow.theory import Deviation

LEVEL = 1e-5  # a test of a mean fails with this probability under its seed's law
CASE = Case((1, 2, 1), n=8)
OPTIONS: dict[str, Any] = {"t": 1.2, "step_sizes": [0.2, 0.1, 0.05], "runs": 40, "seed": 5}


def small(**options: Any) -> Deviation:
    return ef.theory.deviation(CASE.objective, CASE.theta(), **(OPTIONS | options))


def flow_of(case: Case, t: float) -> Any:
    """θ̄ from SciPy and the oracle's gradient, as a function of arrays of times."""
    solved = solve_ivp(
        lambda _, theta: -case.oracle.gradient(theta),
        (0, t),
        case.theta(),
        method="DOP853",
        rtol=1e-12,
        atol=1e-13,
        dense_output=True,
    )
    return lambda times: solved.sol(times).T


@pytest.mark.parametrize("batch_size", [1, 3])
def test_every_run_is_numpys_replay(batch_size: int) -> None:
    found, path = small(batch_size=batch_size, times=[0.35, 0.6]).data, flow_of(CASE, 1.2)
    np.testing.assert_array_equal(found.time, [0.35, 0.6, 1.2])
    for i, eta in enumerate(found.step_size.values):
        steps = round(1.2 / eta)
        last = np.floor(found.time.values / eta + 1e-9).astype(int)
        at = path(eta * np.arange(steps + 1))
        common: dict[str, Any] = {"steps": steps, "step_size": eta, "seed": 5}
        euler = reference_descend(CASE.oracle, CASE.theta(), **common).theta
        norms = np.linalg.norm(euler - at, axis=1)
        np.testing.assert_allclose(found.euler_sup[i], np.maximum.accumulate(norms)[last], rtol=1e-7)
        for run in (0, 7, 39):
            assert found.run_number[i, run] == 40 * i + run
            sgd = reference_descend(CASE.oracle, CASE.theta(), **common, batch=batch_size, run=40 * i + run).theta
            distance, sampling = np.linalg.norm(sgd - at, axis=1), np.linalg.norm(sgd - euler, axis=1)
            np.testing.assert_allclose(found.distance[i, run], distance[last], rtol=1e-7)
            np.testing.assert_allclose(found.sup[i, run], np.maximum.accumulate(distance)[last], rtol=1e-7)
            np.testing.assert_allclose(found.sampling_sup[i, run], np.maximum.accumulate(sampling)[last], rtol=1e-9)


def test_the_tables_are_the_means_of_the_runs() -> None:
    found = small().data
    np.testing.assert_array_equal(found.steps, [6, 12, 24])
    np.testing.assert_allclose(found.time, 0.2 * np.arange(1, 7))
    np.testing.assert_allclose(found.mean_sup2, (found["sup"] ** 2).mean("run"))
    np.testing.assert_allclose(found.sampling_mean_sup2, (found.sampling_sup**2).mean("run"))
    np.testing.assert_allclose(found.mean_distance2, (found.distance**2).mean("run"))
    np.testing.assert_allclose(found.constant, found.mean_sup2 / found.step_size)
    np.testing.assert_allclose(found.constant_low, found.mean_sup2_low / found.step_size)
    assert (found.mean_sup2_low < found.mean_sup2).all()
    assert (found.mean_sup2 < found.mean_sup2_high).all()


def test_the_parts_add_up_at_least_to_the_whole() -> None:
    found = small(step_sizes=[0.3, 0.1, 0.02]).data
    parts = found.sampling_sup + found.euler_sup
    assert (found["sup"] <= parts * (1 + 1e-12)).all()
    assert (found["sup"] >= abs(found.sampling_sup - found.euler_sup) - 1e-12).all()


@pytest.mark.filterwarnings("ignore:step_sizes .* are beyond:RuntimeWarning")
def test_the_supremum_of_the_polygon_is_between_the_two() -> None:
    # θ^η(t) of section 3 on a fine grid, whose supremum is a little below the true one.
    found, path, parts = small(step_sizes=[0.4, 0.2]).data, flow_of(CASE, 1.2), 50
    for i, eta in enumerate(found.step_size.values):
        steps = round(1.2 / eta)
        fine = np.linspace(0, 1.2, parts * steps + 1)
        for run in range(40):
            sgd = reference_descend(
                CASE.oracle, CASE.theta(), steps=steps, step_size=eta, seed=5, batch=1, run=40 * i + run
            ).theta
            polygon = np.column_stack([np.interp(fine, eta * np.arange(steps + 1), column) for column in sgd.T])
            true = np.linalg.norm(polygon - path(fine), axis=1).max()
            least, gap = float(found["sup"][i, run, -1]), float(found.chord_gap[i].max())
            assert least * (1 - 1e-9) <= true <= least + gap


@pytest.mark.filterwarnings("ignore:step_sizes .* are beyond:RuntimeWarning")
def test_the_gap_is_the_bend_of_the_flow_and_counts_where_it_matters() -> None:
    found, path = small(step_sizes=[0.4, 0.2, 0.01]), flow_of(CASE, 1.2)
    times = np.linspace(0, 1.2, 2001)
    theta = path(times)
    bend = [np.linalg.norm(CASE.oracle.hessian(point) @ CASE.oracle.gradient(point)) for point in theta]
    for i, eta in enumerate(found.data.step_size.values):
        assert float(found.data.chord_gap[i].max()) == pytest.approx(eta**2 / 8 * max(bend), rel=1e-3)
    data = found.data.isel(time=-1)
    ratio = np.sqrt(data.mean_sup2_between / data.mean_sup2)
    np.testing.assert_array_equal(data.between_matters, ratio > 1.01)
    assert set(data.between_matters.values.tolist()) == {True, False}
    # Where it matters, the interval reaches up to that of the upper bound.
    above = data.mean_sup2_high > data.mean_sup2_between
    assert above.values[data.between_matters.values].all()


# --- expectations in closed form -----------------------------------------------------------------------------------


def linear_case() -> tuple[ef.Objective, Any, Any]:
    """ŷ = θ₁x₁ + θ₂x₂ on two observations."""
    x, y = np.array([[1.0, 0.3], [-0.2, 0.8]]), np.array([0.7, -0.4])
    return ef.Objective(ef.MLP([2, 1], bias=False), x, y), x, y


def linear_flow(x: Any, y: Any, start: Any, times: Any) -> Any:
    hessian = 2 * x.T @ x / len(x)
    values, vectors = np.linalg.eigh(hessian)
    minimum = np.linalg.solve(hessian, 2 * x.T @ y / len(x))
    decays = np.exp(-np.multiply.outer(times, values))
    return minimum + (decays * (vectors.T @ (start - minimum))) @ vectors.T


def test_the_expectation_over_all_sequences() -> None:
    # Two observations and 10 steps: 2¹⁰ equally likely sequences, so E sup², E sup⁴ and P(sup > δ) are exact.
    f, x, y = linear_case()
    start, eta, steps, runs = np.array([0.5, 1.5]), 0.1, 10, 4000
    at, squares = linear_flow(x, y, start, eta * np.arange(steps + 1)), []
    for sequence in itertools.product((0, 1), repeat=steps):
        theta, sup2 = start, 0.0
        for k, i in enumerate(sequence, start=1):
            theta = theta - eta * 2 * x[i] * (x[i] @ theta - y[i])
            sup2 = max(sup2, float(((theta - at[k]) ** 2).sum()))
        squares.append(sup2)
    exact = np.array(squares)
    delta = float(np.sqrt(np.median(exact))) + 1e-6
    found = ef.theory.deviation(f, start, t=1.0, step_sizes=[eta], runs=runs, seed=3, deltas=[delta]).data
    z = (float(found.mean_sup2[0, -1]) - exact.mean()) / (exact.std() / np.sqrt(runs))
    assert abs(z) < stats.norm.isf(LEVEL / 2)
    count = round(float(found.exceedance[0, 0]) * runs)
    assert stats.binomtest(count, runs, float((exact > delta**2).mean())).pvalue > LEVEL
    assert found.mean_sup2_low[0, -1] < exact.mean() < found.mean_sup2_high[0, -1]  # holds for 95 % of all seeds


def test_the_mean_square_distance_is_that_of_the_moments_recursion() -> None:
    # For linear regression θ_k = (I − 2ηx_ix_iᵀ)θ_{k−1} + 2ηy_ix_i, so that E θ and E θθᵀ obey linear recursions.
    f, x, y = linear_case()
    start, runs = np.array([0.5, 1.5]), 4000
    found = ef.theory.deviation(f, start, t=2.0, step_sizes=[0.2, 0.05], runs=runs, seed=11).data
    for i, eta in enumerate(found.step_size.values):
        steps = round(2.0 / eta)
        matrices = np.eye(2) - 2 * eta * np.einsum("ij,ik->ijk", x, x)
        shifts = 2 * eta * y[:, None] * x
        mean, second = start, np.outer(start, start)
        for _ in range(steps):
            cross = np.einsum("nij,j,nk->nik", matrices, mean, shifts)
            moved = np.einsum("nij,jk,nlk->nil", matrices, second, matrices)
            second = (moved + cross + cross.transpose(0, 2, 1) + np.einsum("ni,nj->nij", shifts, shifts)).mean(axis=0)
            mean = (np.einsum("nij,j->ni", matrices, mean) + shifts).mean(axis=0)
        at = linear_flow(x, y, start, 2.0)
        exact = np.trace(second) - 2 * mean @ at + at @ at
        spread = float((found.distance[i, :, -1] ** 2).std("run")) / np.sqrt(runs)
        assert abs(float(found.mean_distance2[i, -1]) - exact) < stats.norm.isf(LEVEL / 2) * spread


def test_eulers_error_on_a_line_is_exact() -> None:
    # f = (θ − 1)²: gradient descent is 1 + (1 − 2η)^k(θ_0 − 1), the flow 1 + e^{−2t}(θ_0 − 1), and nothing is random.
    f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0]], [1.0])
    found = ef.theory.deviation(f, [3.0], t=1.0, step_sizes=[0.1, 0.05, 0.025], runs=2)
    for i, eta in enumerate([0.1, 0.05, 0.025]):
        k = np.arange(round(1 / eta) + 1)
        gap = np.abs(2 * ((1 - 2 * eta) ** k - np.exp(-2 * eta * k)))
        assert float(found.data.euler_sup[i, -1]) == pytest.approx(gap.max(), rel=1e-8)
        np.testing.assert_allclose(found.data["sup"][i, :, -1], gap.max(), rtol=1e-8)
    np.testing.assert_allclose(found.data.sampling_sup, 0.0, atol=1e-14)
    assert found.sampling_power is None
    assert found.euler_power is not None
    assert found.euler_power.slope == pytest.approx(1.0, abs=0.1)
    assert found.euler_power.low == found.euler_power.high


# --- tails and the proved constant ---------------------------------------------------------------------------------


def test_tails_are_proportions_beside_their_bounds() -> None:
    found = small(runs=400).data
    np.testing.assert_allclose(found.delta, float(found.delta[-1]) * np.array([0.05, 0.1, 0.2, 0.5, 1.0]))
    reached = np.linalg.norm(flow_of(CASE, 1.2)(0.2 * np.arange(1, 7)) - CASE.theta(), axis=1).max()
    assert float(found.delta[-1]) == pytest.approx(reached)
    counts = (found["sup"].isel(time=-1) > found.delta).sum("run")
    np.testing.assert_allclose(found.exceedance, counts.transpose("step_size", "delta") / 400)
    for count, low, high in zip(
        counts.transpose("step_size", "delta").values.ravel(),
        found.exceedance_low.values.ravel(),
        found.exceedance_high.values.ravel(),
        strict=True,
    ):
        exact = stats.binomtest(int(count), 400).proportion_ci(0.95, method="exact")
        assert low == pytest.approx(exact.low)
        assert high >= exact.high - 1e-12  # above it only where the time between steps matters
    assert (found.exceedance <= np.minimum(1, found.exceedance_markov) + 1e-12).all()  # Markov's inequality
    assert (found.exceedance_markov < found.exceedance_bound).all()
    largest = found.constant_high.isel(time=-1).max()
    bound = largest * found.step_size / found.delta**2
    np.testing.assert_allclose(found.exceedance_bound, bound.transpose("step_size", "delta"))


def test_the_proved_constant_is_far_above_the_measured_one() -> None:
    net = ef.MLP([1, 2, 1], output="tanh")  # with φ on the output too: the linear growth of Lemma 3.1 holds
    f = ef.Objective(net, CASE.objective.x, np.clip(CASE.objective.y[:, 0], -0.9, 0.9))
    constants = {"K": ef.theory.growth(f), "L": lambda G: ef.theory.lipschitz(f, G)}
    found = ef.theory.deviation(f, CASE.theta(), t=0.2, step_sizes=[0.1, 0.05], runs=50, constants=constants).data
    proved = found.log10_proved_constant
    assert np.isfinite(proved).all()
    assert (proved > np.log10(found.constant_high)).all()
    assert (found.log10_exceedance_proved >= np.log10(np.maximum(found.exceedance, 1e-300))).all()
    expected = proved[-1] + np.log10(found.step_size) - 2 * np.log10(found.delta)
    np.testing.assert_allclose(found.log10_exceedance_proved, expected)


# --- powers --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_powers_of_a_quadratic() -> None:
    # 95 % intervals, seed 1.
    f, _, _ = linear_case()
    sizes = [0.01, 0.005, 0.0025, 0.00125]
    found = ef.theory.deviation(f, [0.5, 1.5], t=2.0, step_sizes=sizes, runs=4000, seed=1)
    assert found.power_at_times is not None
    assert found.power is not None
    assert found.euler_power is not None
    assert found.power_at_times.contains(1.0)
    assert 0.95 < found.power.slope < 1.0  # the supremum over few steps misses a part of order √η
    assert found.euler_power.slope == pytest.approx(1.0, abs=0.02)
    assert found.power.level == 0.95


def test_one_step_size_has_no_power() -> None:
    found = small(step_sizes=[0.1])
    assert (found.power, found.power_at_times, found.sampling_power, found.euler_power) == (None,) * 4
    assert repr(found).startswith("Deviation(1 step sizes, 40 runs each, t = 1.2: no power, constant ")


# --- promises ------------------------------------------------------------------------------------------------------


def test_threads_and_company_change_nothing() -> None:
    whole, alone = small(threads=3), small(step_sizes=[0.2], threads=1)
    np.testing.assert_array_equal(whole.data["sup"][0], alone.data["sup"][0])
    given = small(flow=whole.flow)
    np.testing.assert_array_equal(whole.data["sup"], given.data["sup"])
    assert whole.power == given.power
    assert whole.power != small(seed=6).power


def heavy_case(weight: float) -> ef.Objective:
    """A linear network of depth two with one heavy observation: drawn a few times in a row it blows θ up like θ³."""
    x = np.array([[0.5], [0.5], [0.5], [weight]])
    return ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), x, x[:, 0])


@pytest.mark.filterwarnings("ignore:step_sizes .* are beyond:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.* but exploded:RuntimeWarning")
def test_runs_that_diverge_are_left_out() -> None:
    f = heavy_case(3.0)
    options: dict[str, Any] = {"t": 8.0, "runs": 200, "deltas": [0.5]}
    with pytest.warns(RuntimeWarning, match=r"124 of 200 runs with step size 0.2 diverged and are left out"):
        found = ef.theory.deviation(f, [0.5, 0.5], step_sizes=[0.2, 0.05, 0.025], **options)
    data = found.data
    np.testing.assert_array_equal(data.diverged, [124, 0, 0])
    np.testing.assert_array_equal(data["sup"].isnull().all("time").sum("run"), [124, 0, 0])
    kept = data["sup"][0].dropna("run")
    np.testing.assert_allclose(data.mean_sup2[0], (kept**2).mean("run"))
    assert float(data.exceedance[0, 0]) == pytest.approx(float((kept[:, -1] > 0.5).mean()))
    assert found.power is not None


def test_finite_runs_that_explode_are_told() -> None:
    """f = θ²: a step of 1.25 multiplies θ by −1.5, beyond 2/f'' = 1, and ten of them by 57.7, while the flow e^{−2t} stays below 1."""
    f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0]], [0.0])
    with pytest.warns(RuntimeWarning) as caught:
        found = ef.theory.deviation(f, [1.0], t=12.5, step_sizes=[1.25, 0.125], runs=3)
    assert [str(one.message).split(":")[0] for one in caught] == [
        "step_sizes 1.25 are beyond 2/λ_max(∇²f) = 1 on the way, where gradient descent itself is unstable",
        "3 of 3 runs with step size 1.25 got up to 58 away, more than 10 times the size 1 of θ there",
    ]
    assert {one.filename for one in caught} == {__file__}
    assert found.data["sup"].values[0, 0, -1] == pytest.approx(1.5**10, rel=1e-9)


def test_one_step_size_need_not_be_a_list() -> None:
    f, _, _ = linear_case()
    one = ef.theory.deviation(f, [0.1, 0.2], t=1.0, step_sizes=0.1, runs=5)
    several = ef.theory.deviation(f, [0.1, 0.2], t=1.0, step_sizes=[0.1], runs=5)
    assert one.data.equals(several.data)


@pytest.mark.filterwarnings("ignore:step_sizes .* are beyond:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.* diverged and are left out:RuntimeWarning")
def test_a_step_size_at_which_everything_diverges() -> None:
    found = ef.theory.deviation(heavy_case(6.0), [0.5, 0.5], t=8.0, step_sizes=[0.2, 0.01], runs=200, deltas=[0.5])
    data = found.data
    assert int(data.diverged[0]) == 200
    for name in ("mean_sup2", "mean_sup2_high", "constant", "sampling_mean_sup2", "exceedance", "exceedance_bound"):
        assert data[name][0].isnull().all() == (name != "exceedance_bound"), name
        assert data[name][1].notnull().all(), name
    assert found.power is None
    with pytest.warns(RuntimeWarning, match="200 of 200 runs"):
        nothing = ef.theory.deviation(heavy_case(6.0), [0.5, 0.5], t=8.0, step_sizes=[0.2], runs=200, deltas=[0.5])
    assert nothing.data.exceedance_bound.isnull().all()


@pytest.mark.parametrize("finished", [1, 2])
def test_ctrl_c_keeps_the_finished_step_sizes(monkeypatch: pytest.MonkeyPatch, finished: int) -> None:
    whole, real, calls = small(), suprema.measure, []

    def measure(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) > finished:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(module, "measure", measure)
    with pytest.warns(RuntimeWarning, match=f"interrupted after {finished} of 3 step sizes"):
        part = small()
    assert (part.complete, whole.complete) == (False, True)
    np.testing.assert_array_equal(part.data["sup"], whole.data["sup"][:finished])
    assert (part.power is None) == (finished == 1)


def test_ctrl_c_inside_the_core() -> None:
    # descend takes the signal itself and warns; here that ends the measurement.
    def press(fraction: float) -> None:
        if fraction > 0.4:
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(RuntimeWarning, match="interrupted after 1 of 2 step sizes"):
        part = small(t=50.0, step_sizes=[0.001, 0.0005], runs=200, deltas=[1.0], threads=1, progress=press)
    assert part.data.step_size.values.tolist() == [0.001]
    with pytest.raises(KeyboardInterrupt):
        small(t=50.0, step_sizes=[0.0005], runs=200, deltas=[1.0], threads=1, progress=press)


def test_ctrl_c_before_the_first_step_size_is_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        small()


def test_progress_goes_from_0_to_1() -> None:
    seen: list[float] = []
    small(progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"t": 0.0}, ValueError, "t must be > 0"),
        ({"t": "1"}, TypeError, "t must be a real number"),
        ({"step_sizes": [0.25]}, ValueError, r"step_sizes\[0\] = 0.25 must divide t = 1.2, but t/η = 4.8"),
        ({"step_sizes": [0.1, 0.1]}, ValueError, "step_sizes must hold different positive numbers"),
        ({"step_sizes": [0.1, -0.1]}, ValueError, "step_sizes must hold different positive numbers"),
        ({"step_sizes": []}, ValueError, "step_sizes must hold different positive numbers"),
        ({"step_sizes": [[0.1]]}, ValueError, "step_sizes must have 0 or 1 dimensions"),
        ({"runs": 1}, ValueError, r"runs must be >= 2 \(got 1\)"),
        ({"runs": 2.0}, TypeError, "runs must be an integer"),
        ({"seed": -1}, ValueError, "seed must be >= 0"),
        ({"batch_size": 0}, ValueError, "batch_size must be >= 1"),
        ({"level": 95}, ValueError, "level must be between 0 and 1"),
        ({"times": [0.5, 0.4]}, ValueError, "times must increase from above 0 to at most t = 1.2"),
        ({"times": [0.5, 1.3]}, ValueError, "times must increase from above 0 to at most t = 1.2"),
        ({"times": [0.0, 0.5]}, ValueError, "times must increase from above 0"),
        ({"deltas": [0.0]}, ValueError, "deltas must hold positive numbers"),
        ({"deltas": []}, ValueError, "deltas must hold positive numbers"),
        ({"constants": {"K": 1.0}}, ValueError, "constants must hold L"),
        ({"progress": 1}, TypeError, "progress must be True, False or a function"),
    ],
)
def test_bad_input(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        small(**options)


def test_bad_problems() -> None:
    with pytest.raises(TypeError, match="objective must be an Objective"):
        ef.theory.deviation(CASE.net, CASE.theta(), **OPTIONS)  # type: ignore[arg-type]
    single = Case((1, 2, 1), n=8, dtype="float32")
    with pytest.raises(ValueError, match="objective must be float64 to compare small deviations: make x float64"):
        ef.theory.deviation(single.objective, single.theta(), **OPTIONS)
    with pytest.raises(ValueError, match=r"theta0 must have shape \(7,\)"):
        ef.theory.deviation(CASE.objective, CASE.theta(2), **OPTIONS)
    f, _, _ = linear_case()
    minimum = linear_flow(f.x, f.y[:, 0], np.zeros(2), 1e3)
    with pytest.raises(ValueError, match="deltas must be given where the flow does not move"):
        ef.theory.deviation(f, minimum, t=1.0, step_sizes=[0.5], runs=2)


def test_a_flow_that_ends_early() -> None:
    f = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1e150]], [0.0])
    with pytest.raises(ValueError, match=r"t must be a time that the flow reaches \(got 1, but the flow \w+ at 0"):
        ef.theory.deviation(f, [1e10, 1e10], t=1.0, step_sizes=[0.5], runs=2)


def test_a_flow_that_does_not_fit() -> None:
    flow = small(step_sizes=[0.2]).flow
    with pytest.raises(ValueError, match=r"flow must reach t = 2.4 \(got 1.2\)"):
        small(flow=flow, t=2.4)
    with pytest.raises(ValueError, match="flow must be of the same objective from the same theta0"):
        ef.theory.deviation(CASE.objective, 2 * CASE.theta(), **OPTIONS, flow=flow)
