"""The distance to a reference after every step, against the recorded trajectories."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import etaflow as ef
from problems import Case

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

STEPS = 150  # more than one of the core's chunks of 64
CASES = [
    Case((3, 5, 2), n=13),
    Case((2, 3, 4, 3), n=9, activation="relu", loss="softmax"),
    Case((4, 1), n=8, output="logistic", loss="log"),  # one layer: all of it is updated late
    Case((2, 11, 2, 1), n=20, bias=False),
]


def reference_of(case: Case, step_size: float = 0.05) -> NDArray[Any]:
    still = ef.descend(case.objective, case.theta(), steps=STEPS, step_size=step_size, record={"theta": 1})
    rows: NDArray[Any] = still.records["theta"][0]
    return rows


def distances(runs: ef.Runs, reference: NDArray[Any]) -> NDArray[np.float64]:
    away = runs.records["theta"].astype(float) - reference.astype(float)
    return np.asarray(np.linalg.norm(away, axis=2))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "manner",
    [
        {"batch_size": 1},
        {"batch_size": 3},
        {"batch_size": 20},
        {"batch_size": 1, "momentum": 0.5},
        {"batch_size": 2, "gradient_noise": "gaussian"},
    ],
    ids=str,
)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_sup_distance_is_over_every_step(case: Case, manner: dict[str, Any], dtype: str) -> None:
    case = replace(case, dtype=dtype)
    reference = reference_of(case)
    options: dict[str, Any] = {"steps": STEPS, "step_size": 0.05, "runs": 11, "seed": 3, **manner}
    record = {"theta": 1, "distance": 40, "sup_distance": 40}
    runs = ef.descend(case.objective, case.theta(), record=record, reference=reference, **options)
    away = distances(runs, reference)
    sup = np.maximum.accumulate(away, axis=1)
    at = [0, 40, 80, 120, STEPS]
    tolerance = 64 * case.eps
    np.testing.assert_allclose(runs.records["distance"], away[:, at], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(runs.records["sup_distance"], sup[:, at], rtol=tolerance, atol=tolerance)
    assert (sup[:, -1] > away[:, -1]).any()
    # Looking changes nothing, and a run's distance does not depend on its company or on where records are.
    plain = ef.descend(case.objective, case.theta(), **options)
    assert (plain.theta == runs.theta).all()
    again = {**options, "runs": range(7, 8)}
    alone = ef.descend(case.objective, case.theta(), record={"sup_distance": [STEPS]}, reference=reference, **again)
    assert alone.records["sup_distance"][0, -1] == runs.records["sup_distance"][7, -1]


@pytest.mark.parametrize("batch_size", [1, 4, 20, None])
def test_leave_ends_a_run_after_the_first_step_outside(batch_size: int | None) -> None:
    case, runs = CASES[0], 13
    reference = case.theta()
    starts = case.theta() + 0.001 * np.random.default_rng(0).normal(size=(runs, case.net.num_params))
    options: dict[str, Any] = {"steps": STEPS, "step_size": 0.3, "batch_size": batch_size, "seed": 5}
    free = ef.descend(case.objective, starts, record={"theta": 1}, **options)
    away = distances(free, reference)
    farthest = np.sort(away.max(axis=1))
    radius = float(farthest[5:7].mean()) if batch_size else float(away[:, 50:].mean())  # no run just touches it
    expected = np.array([np.argmax(row > radius) if (row > radius).any() else STEPS for row in away])
    left = ef.descend(
        case.objective,
        starts,
        reference=reference,
        stop=ef.stopping.leave(radius),
        record={"sup_distance": [STEPS], "loss": 10},
        threads=2,
        **options,
    )
    outside = (away > radius).any(axis=1)
    assert outside.any()
    np.testing.assert_array_equal(left.steps_done, expected)
    np.testing.assert_array_equal(left.status, np.where(outside, "stopped", "finished"))
    np.testing.assert_array_equal(left.theta, free.records["theta"][np.arange(runs), expected])


def test_a_run_may_leave_in_the_last_step() -> None:
    f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0]], [1.0])
    for batch_size in (None, 1):
        runs = ef.descend(
            f,
            [0.0],
            steps=2,
            step_size=0.25,
            batch_size=batch_size,
            reference=[0.0],
            stop=ef.stopping.leave(0.6),
            record={"sup_distance": 1},
        )
        assert (runs.status[0], runs.steps_done[0], runs.theta[0, 0]) == ("stopped", 2, 0.75)


def test_a_diverging_run_keeps_its_distance() -> None:
    f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0]], [0.0])
    options: dict[str, Any] = {"steps": 3000, "step_size": 2.0, "batch_size": 1, "record": {"sup_distance": 1}}
    runs = ef.descend(f, [1.0], reference=[0.0], **options)  # θ_k = (−3)^k
    assert runs.status[0] == "diverged"
    # squares overflow before the parameter does
    assert runs.records["sup_distance"][0, 5] == 3.0**5


def test_resume_and_file_keep_the_largest_distance(tmp_path: Path) -> None:
    case = CASES[0]
    options: dict[str, Any] = {"step_size": 0.2, "batch_size": 1, "runs": 3, "reference": case.theta()}
    record = {"sup_distance": 50}
    whole = ef.descend(case.objective, case.theta(), steps=STEPS, record=record, **options)
    half = ef.descend(case.objective, case.theta(), steps=70, record=record, **options)
    half.save(tmp_path / "half.nc")
    resumed = ef.load(tmp_path / "half.nc").resume(STEPS, objective=case.objective)
    np.testing.assert_array_equal(resumed.records["sup_distance"][:, -1], whole.records["sup_distance"][:, -1])
    path = reference_of(case)[:71]
    ending = ef.descend(case.objective, case.theta(), steps=70, record=record, **{**options, "reference": path})
    with pytest.raises(ValueError, match="steps must be 70, where the reference of the runs ends"):
        ending.resume(STEPS)


def test_the_reference_may_change_with_the_schedule() -> None:
    # A schedule's table goes to the core in parts; each has its own rows of the reference.
    case = Case((1, 1), n=4, bias=False)
    steps = 70_000
    options: dict[str, Any] = {"steps": steps, "step_size": ef.schedules.polynomial(0.1, gamma=0.5)}
    still = ef.descend(case.objective, case.theta(), record={"theta": 1}, **options)
    moved = still.records["theta"][0] + np.linspace(0, 3, steps + 1)[:, None]
    runs = ef.descend(case.objective, case.theta(), reference=moved, record={"sup_distance": [steps]}, **options)
    np.testing.assert_allclose(runs.records["sup_distance"], [[0.0, 3.0]], rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"record": {"distance": 1}}, "reference must be given for distance"),
        ({"stop": ef.stopping.leave(1.0)}, "reference must be given for stopping.leave"),
        ({"reference": np.zeros((4, 17))}, r"reference must have shape \(17,\) or \(11, 17\)"),
        ({"reference": np.zeros(3)}, r"reference must have shape \(17,\)"),
        ({"reference": np.full(17, np.nan)}, "reference"),
        ({"reference": np.full(17, 9.0), "stop": ef.stopping.leave(1.0)}, "radius must be at least the distance"),
        ({"gradient_noise": "gaussian"}, "gradient_noise='gaussian' needs batch_size"),
        ({"gradient_noise": "gaussian", "batch_size": 1, "sampling": "reshuffle"}, "needs batch_size and independent"),
        ({"gradient_noise": "gauss", "batch_size": 1}, "gradient_noise must be one of"),
    ],
    ids=str,
)
def test_bad_input(options: dict[str, Any], message: str) -> None:
    case = Case((2, 4, 1), n=7)
    with pytest.raises(ValueError, match=message):
        ef.descend(case.objective, case.theta(), steps=10, step_size=0.1, **options)
    for radius in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="radius must be"):
            ef.stopping.leave(radius)
