"""Algorithm 3 with any stochastic gradient, against descend and against exact laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import etaflow as ef
from etaflow import _core
from etaflow.dynamics.generic import stochastic_gradient_method
from problems import Case

CASE = Case((2, 3, 1), n=13)


def test_mini_batches_of_ones_own_are_descends() -> None:
    # The same indices as `descend` draws, and the oracle's gradients.
    steps, schedule, seed = 30, ef.schedules.sqrt(0.1), 5
    rows = iter(_core.sample_indices(CASE.n, 3, "iid", seed, 0, 0, steps))
    path = stochastic_gradient_method(
        lambda theta, _: CASE.oracle.batch_gradient(theta, next(rows)), CASE.theta(), steps=steps, step_size=schedule
    )
    options: dict[str, Any] = {"batch_size": 3, "seed": seed, "record": {"theta": 1}}
    runs = ef.descend(CASE.objective, CASE.theta(), steps=steps, step_size=schedule, **options)
    np.testing.assert_allclose(path.theta, runs.data.theta, rtol=1e-11, atol=1e-13)
    np.testing.assert_array_equal(path.time, runs.data.time)


def test_draws_depend_on_seed_run_and_step_alone() -> None:
    def draw(_: Any, rng: np.random.Generator) -> Any:
        return rng.normal(size=2)

    options: dict[str, Any] = {"step_size": 0.1, "seed": 2}
    whole = stochastic_gradient_method(draw, [0.0, 0.0], steps=100, runs=40, **options)
    part = stochastic_gradient_method(draw, [0.0, 0.0], steps=50, runs=range(7, 9), record=[10, 20], **options)
    np.testing.assert_array_equal(part.theta, whole.theta.sel(run=[7, 8], step=[0, 10, 20, 50]))
    increments = np.diff(whole.theta, axis=1).ravel() / -0.1
    assert stats.kstest(increments, "norm").pvalue > 1e-5  # fails with this probability under this seed's law


def test_step_sizes_and_divergence() -> None:
    path = stochastic_gradient_method(
        lambda theta, _: 2 * theta, [1.0], steps=2000, step_size=[0.1, 5.0], runs=2, record=100
    )
    np.testing.assert_allclose(path.theta[0, :, 0], 0.8**path.step, rtol=1e-10)
    assert path.theta[1].isnull().any()
    assert path.theta[1, :3].notnull().all()
    np.testing.assert_allclose(path.time[1], 5.0 * path.step)
    nothing = stochastic_gradient_method(lambda theta, _: theta, [1.0], steps=0, step_size=0.1)
    assert nothing.theta.shape == (1, 1, 1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"theta0": [[0.0]]}, ValueError, "theta0 must have 1 dimension"),
        ({"steps": -1}, ValueError, "steps must be >= 0"),
        ({"step_size": 0.0}, ValueError, "step_size must be > 0"),
        ({"record": 0}, ValueError, r"record\['theta'\] must be >= 1"),
        (
            {"g": lambda _theta, _rng: np.zeros(3)},
            ValueError,
            r"g must return a gradient of shape \(1,\) \(got \(3,\)\)",
        ),
    ],
)
def test_bad_input(options: dict[str, Any], error: type[Exception], message: str) -> None:
    settings: dict[str, Any] = {"g": lambda theta, _: theta, "theta0": [1.0], "steps": 3, "step_size": 0.1}
    with pytest.raises(error, match=message):
        stochastic_gradient_method(**(settings | options))
