"""Which observations the steps use: replayed from NumPy's Philox, and the laws of the estimates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow import _core
from problems import Case
from reference import sample_indices

CASE = Case((2, 3, 1), n=11)
SAMPLINGS = ("iid", "without_replacement", "shuffle_once", "reshuffle")


@pytest.mark.parametrize("batch", [1, 4, 11, 17])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_indices_replayed_by_numpy_give_the_same_bits(sampling: str, batch: int) -> None:
    if sampling == "without_replacement" and batch > CASE.n:
        pytest.skip("a batch without replacement has at most n observations")
    steps, seed, numbers = 30, 2**63 + 5, range(3, 6)
    options: dict[str, Any] = {"steps": steps, "step_size": 0.05, "runs": numbers}
    drawn = ef.descend(CASE.objective, CASE.theta(), **options, batch_size=batch, sampling=sampling, seed=seed)
    indices = np.array([sample_indices(CASE.n, batch, sampling, seed, run, steps) for run in numbers])
    given = ef.descend(CASE.objective, CASE.theta(), **options, sampling=indices)
    np.testing.assert_array_equal(drawn.theta, given.theta)
    for run, rows in zip(numbers, indices, strict=True):
        np.testing.assert_array_equal(_core.sample_indices(CASE.n, batch, sampling, seed, run, 0, steps), rows)
        np.testing.assert_array_equal(_core.sample_indices(CASE.n, batch, sampling, seed, run, 13, 9), rows[13:22])


def test_one_table_of_indices_serves_all_runs() -> None:
    indices = sample_indices(CASE.n, 2, "iid", 0, 0, 20)
    starts = CASE.theta(runs=3)
    together = ef.descend(CASE.objective, starts, steps=20, step_size=0.05, sampling=indices)
    for row, start in enumerate(starts):
        alone = ef.descend(CASE.objective, start, steps=20, step_size=0.05, sampling=indices, batch_size=2)
        np.testing.assert_array_equal(together.theta[row], alone.theta[0])


def test_cycling_is_deterministic_after_the_shuffle() -> None:
    # Fleischmann 2021, section 4.5.3 and figure 4.7.
    rows = _core.sample_indices(12, 4, "shuffle_once", 5, 0, 0, 9)
    assert sorted(rows[:3].ravel()) == list(range(12))
    np.testing.assert_array_equal(rows[3:6], rows[:3])
    np.testing.assert_array_equal(rows[6:], rows[:3])
    again = _core.sample_indices(12, 4, "reshuffle", 5, 0, 0, 9)
    np.testing.assert_array_equal(again[:3], rows[:3])
    assert not np.array_equal(again[3:6], rows[:3])
    assert all(sorted(again[i : i + 3].ravel()) == list(range(12)) for i in (0, 3, 6))


@pytest.mark.parametrize(
    ("sampling", "batch"),
    [("iid", 1), ("iid", 5), ("iid", 25), ("without_replacement", 5), ("without_replacement", 11)],
)
def test_variance_of_the_gradient_estimate(sampling: str, batch: int) -> None:
    # tr R/|B| for independent draws (Fleischmann 2021, section 4.3.2), times (n − |B|)/(n − 1) without replacement. The
    # program behind figure 4.4 says 5 and draws 25. z < 4.5 fails with probability 7e-6 under this seed's law.
    runs, alpha, theta = 20_000, 0.5, CASE.theta()
    done = ef.descend(
        CASE.objective, theta, steps=1, step_size=alpha, batch_size=batch, sampling=sampling, runs=runs, seed=1
    )
    estimates = (theta - done.theta) / alpha
    squares = ((estimates - CASE.oracle.gradient(theta)) ** 2).sum(axis=1)
    expected = np.trace(CASE.oracle.covariance(theta)) / batch
    if sampling == "without_replacement":
        expected *= (CASE.n - batch) / (CASE.n - 1)
    if expected == 0:
        np.testing.assert_allclose(squares, 0, atol=1e-24)
        return
    assert abs(squares.mean() - expected) < 4.5 * squares.std() / np.sqrt(runs)
    error = estimates.mean(axis=0) - CASE.oracle.gradient(theta)
    assert (np.abs(error) < 4.5 * estimates.std(axis=0) / np.sqrt(runs)).all()
