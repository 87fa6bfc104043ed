"""Step sizes in all their forms, and the time that they add up to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.dynamics import stepsizes
from problems import Case

CASE = Case((2, 3, 1), n=11)
STEPS = 50
K = np.arange(1, STEPS + 1)
# Every schedule with its formula as the source prints it.
SCHEDULES: dict[str, tuple[Any, Any]] = {
    "constant": (ef.schedules.constant(0.1), 0.1 + 0 * K),
    "piecewise": (
        ef.schedules.piecewise(0.03, thresholds=[10, 30], gamma=0.5),
        0.03 * 0.5 ** ((K >= 10) * 1 + (K >= 30)),
    ),
    "exponential": (ef.schedules.exponential(0.1, decay=0.02), 0.1 * np.exp(-0.02 * K)),
    "polynomial": (ef.schedules.polynomial(0.1, gamma=0.7, beta=0.3), 0.1 * (0.3 * K + 1) ** -0.7),
    "sqrt": (ef.schedules.sqrt(0.1), 0.1 / np.sqrt(K + 1)),
}


def descend(**options: Any) -> ef.Runs:
    defaults: dict[str, Any] = {"steps": STEPS, "batch_size": 1, "seed": 1, "record": {"theta": 1, "loss": 7}}
    return ef.descend(CASE.objective, CASE.theta(), **(defaults | options))


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_the_array_of_its_values(name: str) -> None:
    schedule, values = SCHEDULES[name]
    np.testing.assert_allclose(schedule(K), values, rtol=1e-14)
    by_schedule, by_array = descend(step_size=schedule, runs=2), descend(step_size=schedule(K), runs=2)
    by_function = descend(step_size=lambda k: schedule(k), runs=2)  # noqa: PLW0108 - any function will do
    np.testing.assert_array_equal(by_schedule.theta, by_array.theta)
    np.testing.assert_array_equal(by_schedule.theta, by_function.theta)
    for runs in (by_schedule, by_array, by_function):
        np.testing.assert_allclose(runs.data.time_theta, np.concatenate([[0], np.cumsum(values)]), rtol=1e-13)


def test_a_step_is_alpha_times_the_gradient() -> None:
    # Algorithm 3 of Fleischmann 2021 with α_k; the indices are what the core says it drew.
    alphas = SCHEDULES["polynomial"][1]
    runs = descend(step_size=alphas)
    theta = runs.data.theta[0].values
    indices = ef._core.sample_indices(CASE.n, 1, "iid", 1, 0, 0, STEPS)
    for k in range(STEPS):
        gradient = CASE.oracle.batch_gradient(theta[k], indices[k])
        np.testing.assert_allclose(theta[k] - theta[k + 1], alphas[k] * gradient, rtol=1e-9, atol=1e-15)


def test_one_step_size_per_run() -> None:
    sizes = [0.1, 0.02, 0.3]
    together = descend(step_size=sizes, runs=3)
    for run, size in enumerate(sizes):
        alone = descend(step_size=size, runs=range(run, run + 1))
        np.testing.assert_array_equal(together.theta[run], alone.theta[0])
        np.testing.assert_array_equal(together.data.time[run], alone.data.time)
    assert together.data.time.dims == ("run", "step")
    np.testing.assert_allclose(together.data.time, np.outer(sizes, together.data.step), rtol=1e-15)


def test_as_many_runs_as_steps_must_be_made_clear() -> None:
    sizes = np.linspace(0.01, 0.1, 8)
    with pytest.raises(
        ValueError, match=r"step_size of shape \(8,\) fits the 8 runs and the 8 steps: write step_size\[:, None\]"
    ):
        descend(steps=8, step_size=sizes, runs=8)
    per_run = descend(steps=8, step_size=sizes[:, None], runs=8)
    per_step = descend(steps=8, step_size=sizes[None, :], runs=8)
    np.testing.assert_array_equal(per_run.theta[2], descend(steps=8, step_size=sizes[2], runs=3).theta[2])
    np.testing.assert_array_equal(per_step.theta[2], descend(steps=8, step_size=sizes, runs=3).theta[2])


@pytest.mark.parametrize("chunk", [1, 7, STEPS, 1000])
def test_tables_of_any_length_give_the_same_bits(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = SCHEDULES["sqrt"][0]
    expected = descend(step_size=schedule, runs=3, moments={"theta": 20})
    monkeypatch.setattr(stepsizes, "CHUNK", chunk)
    runs = descend(step_size=schedule, runs=3, moments={"theta": 20})
    np.testing.assert_array_equal(runs.theta, expected.theta)
    np.testing.assert_array_equal(runs.data.loss, expected.data.loss)
    np.testing.assert_allclose(runs.data.time_theta, expected.data.time_theta, rtol=1e-14)


def test_a_schedule_may_end_at_zero() -> None:
    runs = descend(step_size=ef.schedules.cosine(0.1, steps=STEPS - 10))
    theta = runs.data.theta[0].values
    np.testing.assert_array_equal(theta[-10:], np.broadcast_to(theta[-1], theta[-10:].shape))
    np.testing.assert_array_equal(runs.at(float(runs.data.time_theta[-1])), runs.theta)


@pytest.mark.parametrize(
    ("step_size", "error", "message"),
    [
        (0.0, ValueError, "step_size must be > 0"),
        (-0.1, ValueError, r"step_size must be > 0 \(got -0.1\)"),
        (float("nan"), ValueError, "step_size must be finite"),
        ("0.1", TypeError, "step_size must be a real number"),
        (None, TypeError, "step_size must be a real number"),
        (True, TypeError, "step_size must be a real number"),
        (1j, TypeError, "step_size must be a real number"),
        ([0.1, 0.2, 0.3], ValueError, r"step_size must have one entry per run \(2\) or per step \(50\)"),
        (np.ones((STEPS, 2)), ValueError, "step_size must have one entry per run"),
        ([0.1, -0.2], ValueError, r"step_size must be > 0 \(step_size\[1\] is -0.2\)"),
        ([0.1, np.inf], ValueError, r"step_size must be finite \(step_size\[1\] is inf\)"),
        ([[0.1], [0.2, 0.3]], TypeError, "step_size must be an array"),
        (lambda _: 0.1, TypeError, "step_size must be vectorised"),
        (lambda k: 0.1 - 0.01 * k, ValueError, r"step_size must be finite and >= 0 .*\(step 11: "),
    ],
)
def test_bad_step_sizes(step_size: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        descend(step_size=step_size, runs=2)
