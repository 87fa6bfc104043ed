"""Predicted bands: against closed forms for linear regression, and measured with ensembles."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

import etaflow as ef
from etaflow.diffusion.coverage import proportion
from linear_regression import Regression
from problems import Case, relative_error

if TYPE_CHECKING:
    from etaflow.diffusion.bands import Bands

Array = Any
NETWORK = Case((1, 2, 1), n=8)
Z90 = stats.norm.isf(0.05)


def parts(bands: Bands, name: str) -> tuple[Array, Array, Array]:
    lower, center, upper = (bands.data[name].sel(bound=bound).values for bound in ("lower", "center", "upper"))
    return lower, center, upper


@cache
def network_flow() -> ef.Flow:
    return ef.flow(NETWORK.objective, NETWORK.theta(), t=2.0)


pytestmark = pytest.mark.filterwarnings("ignore:step_size .* is too large for these bands:RuntimeWarning")


@cache
def network_bands(**options: Any) -> Bands:
    settings: dict[str, Any] = {"step_size": 0.02, "inputs": NETWORK.objective.x[:2], "times": (0.0, 0.5, 1.0, 2.0)}
    return ef.predict_bands(NETWORK.objective, network_flow(), **(settings | options))


@cache
def network_runs(runs: int = 400, **options: Any) -> ef.Runs:
    settings: dict[str, Any] = {"steps": 100, "step_size": 0.02, "batch_size": 1, "seed": 3}
    settings["record"] = {"theta": network_bands().steps}
    return ef.descend(NETWORK.objective, NETWORK.theta(), runs=runs, **(settings | options))


# --- the predictions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2])
def test_linear_regression_at_its_minimum(order: int) -> None:
    """Everything is known there: no shift, Σ(t) = Σ_∞ − e^{−Ht}Σ_∞e^{−Ht}, and exact predictions, which are linear in θ."""
    problem, eta, level = Regression(), 0.01, 0.8
    flow = ef.flow(problem.objective, problem.minimum, t=40.0)
    inputs = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 0.0]])
    options: dict[str, Any] = {"step_size": eta, "times": [40.0], "inputs": inputs, "level": level, "order": order}
    bands = ef.predict_bands(problem.objective, flow, batch_size=2, **options)
    sigma, z = eta * problem.stationary(0.5), stats.norm.isf(0.1)
    lower, center, upper = parts(bands, "theta")
    np.testing.assert_allclose(center[0], problem.minimum, rtol=1e-7)
    np.testing.assert_allclose(upper[0] - center[0], z * np.sqrt(np.diag(sigma)), rtol=1e-4)
    np.testing.assert_allclose(center, (lower + upper) / 2, rtol=1e-12)
    lower, center, upper = parts(bands, "prediction")
    np.testing.assert_allclose(center[0, :, 0], inputs @ problem.minimum, rtol=1e-7)
    half = z * np.sqrt(np.einsum("ia,ab,ib->i", inputs, sigma, inputs))
    np.testing.assert_allclose((upper - lower)[0, :, 0] / 2, half, rtol=1e-4)
    mean = problem.objective.value(problem.minimum) + np.trace(problem.hessian @ sigma) / 2
    assert parts(bands, "loss")[1][0] == pytest.approx(mean, rel=1e-5)


def test_loss_at_a_minimum_is_chi_squared() -> None:
    problem, eta = Regression(d=1), 0.01
    flow = ef.flow(problem.objective, problem.minimum, t=20.0)
    bands = ef.predict_bands(problem.objective, flow, step_size=eta, times=[20.0])
    assert list(bands.data) == ["theta", "loss"]
    lower, _, upper = (bound[0] - problem.objective.value(problem.minimum) for bound in parts(bands, "loss"))
    scale = eta * problem.hessian[0, 0] * problem.stationary()[0, 0] / 2
    # Levels to the error of the draws, four times 0.1 percentage points.
    assert stats.chi2.cdf(lower / scale, 1) == pytest.approx(0.05, abs=0.004)
    assert stats.chi2.cdf(upper / scale, 1) == pytest.approx(0.95, abs=0.004)


def test_loss_far_from_a_minimum_is_gaussian_for_a_small_step_size() -> None:
    bands = network_bands(step_size=1e-8, order=1)
    theta = bands.law.flow(1.0)
    gradient = NETWORK.oracle.gradient(theta)
    half = Z90 * np.sqrt(1e-8 * gradient @ bands.law.covariance[2] @ gradient)
    lower, center, upper = (bound[2] for bound in parts(bands, "loss"))
    assert center == pytest.approx(NETWORK.oracle.value(theta), rel=1e-6)
    assert upper - center == pytest.approx(half, rel=0.02)
    assert center - lower == pytest.approx(half, rel=0.02)


def test_first_order_is_centred_at_the_flow_and_second_order_is_shifted() -> None:
    first, second = network_bands(order=1), network_bands(order=2)
    theta = first.law.flow(first.times)
    np.testing.assert_array_equal(parts(first, "theta")[1], theta)
    np.testing.assert_allclose(parts(first, "prediction")[1], NETWORK.net.predict(theta, NETWORK.objective.x[:2]))
    for name in ("theta", "prediction", "loss"):
        (low1, center1, high1), (low2, center2, high2) = parts(first, name), parts(second, name)
        np.testing.assert_allclose(high1 - low1, high2 - low2, atol=1e-12)
        assert (center1[1:] != center2[1:]).all()


def test_order_follows_from_the_activations() -> None:
    np.testing.assert_array_equal(network_bands().data.theta, network_bands(order=2).data.theta)
    case = Case((1, 2, 1), n=8, activation="relu")
    flow = ef.flow(case.objective, case.theta(), t=1.0)
    with pytest.warns(
        RuntimeWarning, match=r"relu.* has an activation with a kink, where Theorem 4\.1 supposes two derivatives"
    ):
        bands = ef.predict_bands(case.objective, flow, step_size=0.01, times=[1.0])
    np.testing.assert_array_equal(parts(bands, "theta")[1], flow([1.0]))
    with pytest.raises(ValueError, match=r"order must be 1 where an activation has a kink, .*relu.*\(got 2\)"):
        ef.predict_bands(case.objective, flow, step_size=0.1, times=[1.0], order=2)


def test_a_law_can_be_used_again() -> None:
    bands = network_bands()
    again = network_bands(law=bands.law)
    assert again.law is bands.law
    np.testing.assert_array_equal(again.data.loss, bands.data.loss)


def test_steps_are_those_around_the_times() -> None:
    assert network_bands(step_size=0.3, times=(0.6, 1.0)).steps.tolist() == [2, 3, 4]
    assert network_bands(step_size=0.1, times=(0.0, 0.3, 0.7)).steps.tolist() == [0, 3, 7]


# --- the coverage -------------------------------------------------------------------------------------------------


def test_coverage_counts_runs() -> None:
    bands, runs = network_bands(), network_runs()
    measured = bands.coverage(runs, confidence=0.9)
    theta = runs.at(bands.times)
    values = {
        "theta": theta,
        "prediction": NETWORK.net.predict(theta.reshape(-1, 7), NETWORK.objective.x[:2]).reshape(400, 4, 2, 1),
        "loss": NETWORK.objective.value(theta.reshape(-1, 7)).reshape(400, 4),
    }
    for name, value in values.items():
        lower, _, upper = parts(bands, name)
        inside = (value >= lower) & (value <= upper)
        inside[:, 0] = True  # at time 0 all runs are there, up to rounding
        flat = inside.reshape(400, 4, -1)
        np.testing.assert_allclose(measured[name].sel(estimate="share"), inside.mean(axis=0))
        np.testing.assert_allclose(measured[f"{name}_all"].sel(estimate="share"), flat.all(axis=2).mean(axis=0))
        np.testing.assert_allclose(measured[f"{name}_always"].sel(estimate="share"), flat.all(axis=(1, 2)).mean())
        if name != "loss":
            np.testing.assert_allclose(measured[f"{name}_average"].sel(estimate="share"), flat.mean(axis=(0, 2)))
    count = round(400 * float(measured.loss.sel(estimate="share")[2]))
    interval = stats.binomtest(count, 400).proportion_ci(0.9, method="exact")
    assert measured.loss.sel(estimate="low")[2] == pytest.approx(interval.low)
    assert measured.loss.sel(estimate="high")[2] == pytest.approx(interval.high)
    average = measured.theta_average.values[:, 2]
    own = flat_mean(theta[:, 2], *parts(bands, "theta")[::2])
    half = stats.norm.isf(0.05) * stats.sem(own)
    np.testing.assert_allclose(average, [own.mean(), own.mean() - half, own.mean() + half])


def flat_mean(values: Array, lower: Array, upper: Array) -> Array:
    return ((values >= lower[2]) & (values <= upper[2])).mean(axis=1)


def test_proportions_at_the_ends() -> None:
    found = proportion(np.array([[True, False, True], [True, False, False]]), 0.95)
    for column, count in enumerate((2, 0, 1)):
        interval = stats.binomtest(count, 2).proportion_ci(0.95, method="exact")
        np.testing.assert_allclose(found[:, column], [count / 2, interval.low, interval.high])


def test_runs_that_ended_are_outside() -> None:
    runs = network_runs(runs=3)
    theta = runs.records["theta"].copy()
    theta[1, 2:] = np.nan  # as the records of a run that diverged
    measured = network_bands().coverage(replace(runs, records={"theta": theta}))
    before = network_bands().coverage(runs)
    for name in ("theta_average", "loss", "prediction_average"):
        assert (measured[name][0, 2:] <= 2 / 3).all()
        np.testing.assert_array_equal(measured[name][0, :2], before[name][0, :2])


@pytest.mark.parametrize("batch_size", [1, 3])
def test_ninety_percent_bands_hold_ninety_percent(batch_size: int) -> None:
    """η = 0.002, 4 000 runs, seed 9: the measured coverage is 90 ± 2 %, four standard errors of one number."""
    options: dict[str, Any] = {"step_size": 0.002, "times": [0.5, 1.0, 2.0], "inputs": [[0.3], [2.0]]}
    bands = ef.predict_bands(NETWORK.objective, network_flow(), batch_size=batch_size, **options)
    runs = ef.descend(
        NETWORK.objective,
        NETWORK.theta(),
        steps=int(bands.steps[-1]),
        step_size=0.002,
        batch_size=batch_size,
        runs=4000,
        seed=9,
        record={"theta": bands.steps},
    )
    measured = bands.coverage(runs).sel(estimate="share")
    for name in ("theta", "prediction", "loss"):
        assert np.abs(measured[name] - 0.9).max() < 0.02, name


def test_second_order_holds_where_first_order_does_not() -> None:
    """η = 0.01, 4 000 runs, seed 10: one weight of seven is nearly never in its band around the flow."""
    bands = {order: network_bands(step_size=0.01, times=(2.0,), order=order) for order in (1, 2)}
    runs = network_runs.__wrapped__(4000, step_size=0.01, steps=200, seed=10, record={"theta": bands[1].steps})
    measured = {order: one.coverage(runs).sel(estimate="share").theta[0] for order, one in bands.items()}
    assert float(measured[1].min()) < 0.1
    assert float(abs(measured[2] - 0.9).max()) < 0.04


# --- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"step_size": 0.0}, ValueError, "step_size must be > 0"),
        ({"level": 90}, ValueError, r"level must be between 0 and 1 \(got 90\)"),
        ({"order": 3}, ValueError, "order must be <= 2"),
        ({"times": (3.0,)}, ValueError, "times must lie between 0 and 2"),
        ({"times": (0.0, 0.01, 1.0)}, ValueError, r"times must be 0 or at least step_size = 0.02, .*\(got 0.01\)"),
        ({"inputs": np.zeros((2, 3))}, ValueError, "inputs must have 1 columns"),
        ({"inputs": np.zeros(3)}, ValueError, "inputs must have 2 dimensions"),
        ({"batch_size": 0}, ValueError, "batch_size must be >= 1"),
        ({"sampling": "shuffle_once"}, ValueError, "sampling must be one of"),
    ],
)
def test_bad_input(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        network_bands.__wrapped__(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"times": (0.0, 0.5)}, "law must be at the times of the bands"),
        ({"batch_size": 2}, r"law must have the noise factor 0.5 of batch_size and sampling \(got 1\)"),
    ],
)
def test_another_law_is_refused(arguments: dict[str, Any], message: str) -> None:
    law = network_bands().law
    settings: dict[str, Any] = {"step_size": 0.02, "times": law.times, "law": law}
    with pytest.raises(ValueError, match=message):
        ef.predict_bands(NETWORK.objective, law.flow, **(settings | arguments))
    flow = ef.flow(NETWORK.objective, NETWORK.theta() + 1, t=2.0)
    with pytest.raises(ValueError, match="law must be of this objective and this flow"):
        ef.predict_bands(NETWORK.objective, flow, **settings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step_size": 0.01}, "runs must have the bands' constant step size 0.02"),
        ({"step_size": [0.02] * 400}, "runs must have the bands' constant step size 0.02"),
        (
            {"batch_size": 2},
            r"runs must have the batch_size and sampling of the bands.* factor 1 \(got batch_size 2 and sampling 'iid': 0.5\)",
        ),
        ({"sampling": "shuffle_once"}, "runs must draw their batches by one of .* sampling 'shuffle_once'"),
        ({"optimizer": "adam"}, "runs must be of sgd without momentum"),
        ({"momentum": 0.5}, "runs must be of sgd without momentum"),
        ({"record": None}, r"runs must have θ on record .* record=\{\"theta\": bands.steps\}"),
    ],
)
def test_other_runs_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network_bands().coverage(network_runs.__wrapped__(**options))


def test_runs_of_another_problem_are_refused() -> None:
    settings: dict[str, Any] = {
        "steps": 100,
        "step_size": 0.02,
        "batch_size": 1,
        "record": {"theta": network_bands().steps},
    }
    other = Case((1, 2, 1), n=9)
    runs = ef.descend(other.objective, other.theta(), **settings)
    with pytest.raises(ValueError, match="runs must be of the bands' objective"):
        network_bands().coverage(runs)
    runs = ef.descend(NETWORK.objective, NETWORK.theta() + 1, **settings)
    with pytest.raises(ValueError, match="runs must start where the flow does"):
        network_bands().coverage(runs)


def test_repr() -> None:
    expected = "Bands(90% for each of theta, prediction, loss at 4 times, step size 0.02)"
    assert repr(network_bands()) == expected
    assert relative_error(network_bands().times, np.array([0.0, 0.5, 1.0, 2.0])) == 0
