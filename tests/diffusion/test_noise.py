"""The noise of one step, by enumerating every batch that can be drawn."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.diffusion.noise import noise_factor
from problems import Case, relative_error

CASES = [
    Case((2, 3, 1), n=5),
    Case((2, 2, 1), n=5, reduction="sum"),
    Case((3, 2, 3), n=4, loss="softmax", activation="gelu", l2=0.3),
    Case((2, 3, 1), n=4, output="logistic", loss="log", activation="relu", reduction="sum", l2=0.1),
]
by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
by_batch = pytest.mark.parametrize("batch", [1, 2, 3, 4])
by_sampling = pytest.mark.parametrize("sampling", ["iid", "without_replacement"])


def batches(n: int, batch: int, sampling: str) -> Any:
    """Every batch, all equally likely, shape (many, batch)."""
    every = product(range(n), repeat=batch) if sampling == "iid" else combinations(range(n), batch)
    return np.array(list(every))


def step_gradients(case: Case, drawn: Any) -> Any:
    """The gradient estimate of every batch, as the definition says, by the oracle's sample gradients."""
    theta = case.theta()
    scale = case.n if case.reduction == "sum" else 1
    means = case.oracle.sample_gradients(theta)[drawn].mean(axis=1)
    return scale * means + 2 * case.l2 * theta


@by_case
@by_batch
@by_sampling
def test_every_batch_enumerated(case: Case, batch: int, sampling: str) -> None:
    """T26: the mean over all batches is ∇f. T27: their covariance is c·R, with the finite-population factor."""
    gradients = step_gradients(case, batches(case.n, batch, sampling))
    f, theta = case.objective, case.theta()
    mean = gradients.mean(axis=0)
    scale = float(np.abs(gradients).max())
    assert np.abs(mean - f.gradient(theta)).max() < 1e-14 * scale
    centred = gradients - mean
    covariance = centred.T @ centred / len(gradients)
    predicted = noise_factor(f, batch, sampling) * f.gradient_covariance(theta)
    assert relative_error(predicted, covariance, scale**2) < 1e-14


@by_batch
@by_sampling
def test_descend_makes_these_steps(batch: int, sampling: str) -> None:
    """The steps of `descend` for every batch are those that were enumerated, so c is that of its noise."""
    case = CASES[1]
    drawn, theta, step_size = batches(case.n, batch, sampling), case.theta(), 0.01
    runs = ef.descend(
        case.objective,
        theta,
        steps=1,
        step_size=step_size,
        sampling=drawn[:, None, :],
        runs=len(drawn),
    )
    gradients = (theta - runs.theta) / step_size
    assert relative_error(gradients, step_gradients(case, drawn)) < 1e-13


def test_one_over_the_batch() -> None:
    f = CASES[0].objective
    assert [noise_factor(f, b) for b in (1, 2, 10)] == [1, 1 / 2, 1 / 10]
    assert [noise_factor(f, b, "without_replacement") for b in (1, 2, 5)] == [1, 3 / 8, 0]
    single = Case((2, 3, 1), n=1).objective
    assert noise_factor(single, 1, "without_replacement") == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((None, 1, "iid"), TypeError, "objective must be an Objective"),
        ((CASES[0].objective, 0, "iid"), ValueError, "batch_size must be >= 1"),
        ((CASES[0].objective, 1.5, "iid"), TypeError, "batch_size must be an integer"),
        ((CASES[0].objective, 6, "without_replacement"), ValueError, r"batch_size must be <= 5.* \(got 6\)"),
        ((CASES[0].objective, 1, "reshuffle"), ValueError, "sampling must be one of 'iid', 'without_replacement'"),
    ],
)
def test_bad_input(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        noise_factor(*arguments)
