"""SGD beside batch training: replays in NumPy, the test's size under its null hypothesis, and the rate at a minimum and away from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

import etaflow as ef
from etaflow.theory.small_steps import comparison
from etaflow.theory.small_steps.comparison_result import conclude
from problems import Case
from reference import descend as reference_descend

if TYPE_CHECKING:
    from etaflow.theory import Comparison

CASE = Case((2, 3, 2), n=9)
OPTIONS: dict[str, Any] = {"t": 1.2, "step_sizes": [0.1, 0.2, 0.05], "runs": 30, "seed": 5, "tolerance": 0.02}


def small(**options: Any) -> Comparison:
    return ef.theory.compare(CASE.objective, CASE.theta(), **(OPTIONS | options))


@pytest.mark.parametrize("quantity", ["loss", "predictions", "theta"])
def test_every_run_is_numpys_replay(quantity: str) -> None:
    inputs = np.random.default_rng(1).normal(size=(5, 2))
    found = small(quantity=quantity, inputs=inputs, batch_size=2).data
    for i, eta in enumerate(found.step_size.values):
        common: dict[str, Any] = {"steps": round(1.2 / eta), "step_size": eta, "seed": 5}
        batch = reference_descend(CASE.oracle, CASE.theta(), **common).theta[-1]
        for run in (0, 29):
            end = reference_descend(CASE.oracle, CASE.theta(), **common, batch=2, run=30 * i + run).theta[-1]
            gaps = CASE.net.predict(end, inputs) - CASE.net.predict(batch, inputs)
            expected = {
                "loss": CASE.oracle.value(end) - CASE.oracle.value(batch),
                "predictions": np.sqrt((gaps**2).mean()),
                "theta": np.linalg.norm(end - batch),
            }
            assert float(found.difference[i, run]) == pytest.approx(float(expected[quantity]), rel=1e-9, abs=1e-14)


def test_the_table_is_of_the_runs() -> None:
    found = small()
    data, rows = found.data, np.abs(found.data.difference.values)
    np.testing.assert_allclose(data.bias, found.data.difference.mean("run"))
    np.testing.assert_allclose(data["mean"], rows.mean(axis=1))
    assert ((data.mean_low < data["mean"]) & (data["mean"] < data.mean_high)).all()
    assert ((data.bias_low < data.bias) & (data.bias < data.bias_high)).all()
    assert (np.abs(data.bias) <= data["mean"] + 1e-15).all()
    # The one-sided t-test by its formula.
    t = (rows.mean(axis=1) - 0.02) / (rows.std(axis=1, ddof=1) / np.sqrt(30))
    np.testing.assert_allclose(data.p_value, stats.t(29).cdf(t))
    assert found.power is not None
    assert float(found.power.at(found.fitted_threshold)) == pytest.approx(0.02)
    assert "bias" not in small(quantity="theta").data
    assert "Comparison(loss, 3 step sizes, 30 runs each: power " in repr(found)


def test_predictions_are_at_the_objectives_own_inputs_by_default() -> None:
    own = small(quantity="predictions", inputs=CASE.objective.x)
    np.testing.assert_array_equal(small(quantity="predictions").data.difference, own.data.difference)


# --- the test ------------------------------------------------------------------------------------------------------


def concluded(means: list[float], *, tolerance: float = 1.0, sizes: tuple[float, ...] = (0.4, 0.1, 0.2)) -> Comparison:
    """Differences of 20 runs around the means, with a spread of a tenth."""
    noise = np.random.default_rng(2).uniform(0.9, 1.1, (len(means), 20))
    signed = np.array(means)[:, None] * noise
    return conclude(np.array(sizes), signed, quantity="theta", tolerance=tolerance, level=0.95, seed=0)


def test_step_sizes_are_tested_from_the_smallest_until_one_fails() -> None:
    assert concluded([2.0, 0.1, 0.5]).threshold == 0.2
    assert concluded([0.7, 0.1, 0.5]).threshold == 0.4
    assert concluded([0.7, 0.1, 2.0]).threshold == 0.1  # 0.4 would pass, but 0.2 does not
    assert np.isnan(concluded([0.7, 2.0, 0.5]).threshold)
    assert repr(concluded([0.7, 2.0, 0.5])).endswith("same to 1 for no step size)")
    assert np.isnan(concluded([1.0, 2.0, 1.5]).fitted_threshold)  # the difference falls as η grows


def test_a_run_that_diverged_passes_no_test() -> None:
    signed = np.full((2, 20), 0.1) * np.random.default_rng(3).uniform(0.9, 1.1, (2, 20))
    signed[1, 4] = np.nan
    found = conclude(np.array([0.1, 0.2]), signed, quantity="theta", tolerance=1.0, level=0.95, seed=0)
    assert (found.threshold, float(found.data.p_value[1])) == (0.1, 1.0)
    assert np.isfinite(found.data["mean"]).all()


@pytest.mark.slow
def test_the_error_probability_is_at_most_the_stated_one() -> None:
    # Under the null hypothesis at its edge, E D = tolerance for every step size: some step size is wrongly called the same in 5 %
    # of all experiments. More than the binomial quantile of 1e-4 would be seen with probability 1e-4; seed 4.
    rng, trials, wrong = np.random.default_rng(4), 600, 0
    sizes = np.array([0.1, 0.2, 0.4])
    for _ in range(trials):
        signed = rng.normal(1.0, 0.3, (3, 15))
        found = conclude(sizes, signed, quantity="loss", tolerance=1.0, level=0.95, seed=0)
        wrong += not np.isnan(found.threshold)
    assert wrong <= stats.binom.ppf(1 - 1e-4, trials, 0.05)
    assert wrong >= stats.binom.ppf(1e-4, trials, 0.04)  # and it is not much less: the test has power


def test_differences_that_are_all_alike() -> None:
    f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0]], [1.0])  # one observation: SGD is gradient descent
    found = ef.theory.compare(f, [3.0], t=1.0, step_sizes=[0.1, 0.05], tolerance=1e-6, runs=3)
    assert found.threshold == 0.1
    assert found.data["mean"].max() < 1e-14


# --- rates ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_rates_of_a_quadratic() -> None:
    # Linear regression: θ and predictions differ by a recursion whose covariance is of order η, so E D ∝ √η; at the minimum the loss
    # differs by the square of that, ∝ η. Intervals of 95 %, seed 1.
    rng = np.random.default_rng(0)
    x = rng.normal(size=(10, 2))
    f = ef.Objective(ef.MLP([2, 1], bias=False), x, rng.normal(size=10))
    minimum = np.linalg.lstsq(x, f.y[:, 0])[0]
    options: dict[str, Any] = {"t": 2.0, "step_sizes": [0.02, 0.01, 0.005, 0.0025], "runs": 2000, "seed": 1}
    for quantity, start, rate in (
        ("theta", [1.0, -1.0], 0.5),
        ("predictions", [1.0, -1.0], 0.5),
        ("loss", minimum, 1.0),
    ):
        found = ef.theory.compare(f, start, quantity=quantity, tolerance=0.1, **options)
        assert found.power is not None
        assert found.power.slope == pytest.approx(rate, abs=0.05), quantity
        assert found.power.low > 0


# --- promises ------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:step_sizes .* are beyond:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.* but exploded:RuntimeWarning")
def test_runs_that_diverge_are_left_out() -> None:
    x = np.array([[0.5], [0.5], [0.5], [3.0]])
    f = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), x, x[:, 0])
    options: dict[str, Any] = {"t": 8.0, "runs": 200, "tolerance": 0.1}
    with pytest.warns(RuntimeWarning, match="124 of 200 runs with step size 0.2 diverged and are left out"):
        found = ef.theory.compare(f, [0.5, 0.5], step_sizes=[0.2, 0.01], **options)
    assert int(found.data.difference[0].isnull().sum()) == 124
    assert found.threshold == 0.01


def test_finite_runs_that_explode_are_told() -> None:
    """Losses θ² and 9θ²: a step of 0.15 multiplies θ by 0.7 or −1.7, so by more than 1 in the mean square, but batch training's by −½."""
    f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0], [3.0]], [0.0, 0.0])
    with pytest.warns(
        RuntimeWarning, match=r"(\d+) of 200 runs with step size 0.15 got up to .* but exploded"
    ) as caught:
        found = ef.theory.compare(f, [1.0], t=6.0, step_sizes=[0.15], tolerance=0.1, runs=200, quantity="theta")
    told = int(str(caught[0].message).split(" of ", maxsplit=1)[0])
    assert len(caught) == 1
    assert 0 < told == int((found.data.difference > 10).sum())


@pytest.mark.filterwarnings("ignore:step_sizes .* are beyond:RuntimeWarning")
def test_batch_training_that_diverges_is_an_error() -> None:
    f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0]], [1.0])
    with pytest.raises(ValueError, match=r"step_sizes must not let batch training diverge \(got 40, at step \d+\)"):
        ef.theory.compare(f, [3.0], t=40.0 * 400, step_sizes=[40.0], tolerance=1.0, runs=2)


def test_ctrl_c_keeps_the_finished_step_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, real, calls = small(), ef.descend, []

    def descend(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(comparison, "descend", descend)
    with pytest.warns(RuntimeWarning, match="interrupted after 2 of 3 step sizes"):
        part = small()
    assert (part.complete, whole.complete) == (False, True)
    np.testing.assert_array_equal(part.data.difference, whole.data.difference[:2])


def test_threads_change_nothing() -> None:
    np.testing.assert_array_equal(small(threads=1).data.difference, small(threads=3).data.difference)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tolerance": 0.0}, ValueError, "tolerance must be > 0"),
        (
            {"quantity": "los"},
            ValueError,
            "quantity must be one of 'loss', 'predictions', 'theta' .*did you mean 'loss'",
        ),
        ({"inputs": np.zeros((3, 5))}, ValueError, r"inputs must have shape \(any, 2\)"),
        ({"step_sizes": [0.25]}, ValueError, r"step_sizes\[0\] = 0.25 must divide t = 1.2"),
        ({"runs": 1}, ValueError, "runs must be >= 2"),
        ({"level": 1.0}, ValueError, "level must be between 0 and 1"),
        ({"batch_size": 1.5}, TypeError, "batch_size must be an integer"),
        ({"progress": "yes"}, TypeError, "progress must be True, False or a function"),
    ],
)
def test_bad_input(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        small(**options)
