"""What a Runs says and does: status, data, interpolation, going on."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import etaflow as ef
from problems import Case

CASE = Case((2, 3, 1), n=13)
OTHER = Case((2, 3, 1), n=14)
METHODS: list[dict[str, Any]] = [
    {},
    {"batch_size": 1},
    {"batch_size": 3, "momentum": 0.9, "sampling": "reshuffle"},
    {"batch_size": 20, "optimizer": "adam"},
    {"optimizer": "rmsprop", "noise": 0.1},
    {"batch_size": 2, "optimizer": "adagrad", "bounds": (-1.0, 1.0), "sampling": "shuffle_once"},
    {"batch_size": 1, "step_size": ef.schedules.exponential(0.1, decay=0.01)},
    {"batch_size": 1, "step_size": [0.1, 0.2, 0.05]},
    {"stop": [ef.stopping.halve_on_plateau(after=5, patience=2, min_delta=0.01), ef.stopping.plateau(patience=40)]},
]


def descend(**options: Any) -> ef.Runs:
    start = np.clip(CASE.theta(), -0.9, 0.9)
    settings: dict[str, Any] = {"steps": 60, "step_size": 0.05, "runs": 3, "seed": 8, "record": {"loss": 10}}
    return ef.descend(CASE.objective, start, **(settings | options))


def assert_same(one: ef.Runs, other: ef.Runs) -> None:
    np.testing.assert_array_equal(one.theta, other.theta)
    assert one.data.drop_attrs().identical(other.data.drop_attrs())


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_three_pieces_are_one(method: dict[str, Any]) -> None:
    more: dict[str, Any] = {
        "record": {"loss": 10, "theta": 20, "update_norm": 10},
        "mean": "loss",
        "moments": {"theta": 30},
    }
    whole = descend(**method, **more)
    pieces = descend(**method, **more, steps=20)
    before = pieces.theta.copy()
    longer = pieces.resume(steps=40)
    again = longer.resume(additional=20)
    np.testing.assert_array_equal(pieces.theta, before)
    np.testing.assert_array_equal(again.theta, whole.theta)
    np.testing.assert_array_equal(again.status, whole.status)
    chosen = {"step": whole.data.step, "step_theta": whole.data.step_theta}
    np.testing.assert_array_equal(again.data.loss.sel(step=chosen["step"]), whole.data.loss)
    np.testing.assert_array_equal(again.data.update_norm.sel(step=chosen["step"]), whole.data.update_norm)
    np.testing.assert_array_equal(again.data.theta.sel(step_theta=chosen["step_theta"]), whole.data.theta)
    np.testing.assert_array_equal(again.data.time.sel(step=chosen["step"]), whole.data.time)
    np.testing.assert_array_equal(again.data.mean_loss, whole.data.mean_loss)
    np.testing.assert_array_equal(again.data.theta_cov.sel(step_moments=[0, 30, 60]), whole.data.theta_cov)


def test_arrays_go_on_with_new_arrays() -> None:
    sizes = np.linspace(0.01, 0.1, 60)
    rows = ef._core.sample_indices(CASE.n, 2, "iid", 9, 0, 0, 60)
    whole = descend(step_size=sizes, sampling=rows, record={"loss": [5, 45], "theta": 1})
    first = descend(step_size=sizes[:25], sampling=rows[:25], record={"loss": [5], "theta": 1}, steps=25)
    with pytest.raises(ValueError, match="step_size must be given for the steps after 25"):
        first.resume(steps=60)
    with pytest.raises(ValueError, match="sampling must be given for the steps after 25"):
        first.resume(steps=60, step_size=sizes[25:])
    with pytest.raises(ValueError, match=r"step_size must have one entry per run \(3\) or per step \(35\)"):
        first.resume(steps=60, step_size=sizes)
    rest: dict[str, Any] = {"step_size": sizes[25:], "sampling": rows[25:], "record": {"loss": [45], "theta": 1}}
    resumed = first.resume(steps=60, **rest)
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    np.testing.assert_array_equal(resumed.data.step, [0, 5, 25, 45, 60])
    np.testing.assert_array_equal(resumed.data.loss.sel(step=[0, 5, 45, 60]), whole.data.loss)
    np.testing.assert_allclose(resumed.data.time_theta, whole.data.time_theta, rtol=1e-13)
    np.testing.assert_allclose(resumed.at(0.4), whole.at(0.4), rtol=1e-12)


def test_another_step_size_from_here_on() -> None:
    runs = descend(step_size=0.1, steps=10, record={"theta": 1}).resume(additional=5, step_size=[0.1, 0.2, 0.3])
    runs = runs.resume(additional=5, step_size=ef.schedules.constant(0.05))
    tail = 1.0 + np.outer([0.1, 0.2, 0.3], np.arange(1, 6))
    np.testing.assert_allclose(runs.data.time[:, 11:16], tail, rtol=1e-14)
    np.testing.assert_allclose(runs.data.time[:, -1], tail[:, -1] + 0.25, rtol=1e-14)
    gradients = np.array([CASE.oracle.gradient(theta) for theta in runs.data.theta[:, 12].values])
    steps = runs.data.theta[:, 12].values - runs.data.theta[:, 13].values
    np.testing.assert_allclose(steps, np.array([[0.1], [0.2], [0.3]]) * gradients, rtol=1e-9)


def test_a_new_quantity_is_recorded_from_here_on() -> None:
    whole = descend(record={"loss": 10, "accuracy": 7})
    runs = descend(steps=20).resume(steps=60, record={"accuracy": 7})
    np.testing.assert_array_equal(runs.data.step, [0, 10, 20, 21, 28, 35, 42, 49, 56, 60])
    assert runs.data.accuracy.sel(step=[0, 10, 20]).isnull().all()
    np.testing.assert_array_equal(runs.data.accuracy[:, 3:], whole.data.accuracy.sel(step=runs.data.step[3:]))
    np.testing.assert_array_equal(runs.data.loss.sel(step=[0, 10, 20, 60]), whole.data.loss.sel(step=[0, 10, 20, 60]))


def test_stopped_and_diverged_runs_stay() -> None:
    runs = descend(step_size=[0.05, 1e300, 0.05], stop=ef.stopping.plateau(patience=5, min_delta=1.0, start=30))
    longer = runs.resume(additional=100)
    assert list(longer.status) == ["stopped", "diverged", "stopped"]
    np.testing.assert_array_equal(longer.theta, runs.theta)
    np.testing.assert_array_equal(longer.steps_done, runs.steps_done)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"steps": 59}, ValueError, "steps must be >= 60"),
        ({"additional": 0}, ValueError, "additional must be >= 1"),
        ({"steps": 70, "additional": 10}, TypeError, "give steps or additional, not both"),
        ({"step_size": 0.1}, ValueError, "step_size must be None without additional steps"),
        ({"objective": OTHER.objective, "additional": 1}, ValueError, "objective must be the one the runs began with"),
        ({"objective": 3}, TypeError, "objective must be an Objective"),
        ({"additional": 1, "sampling": "iid"}, ValueError, "sampling must"),
        ({"additional": 1, "record": {"loss": [3]}}, ValueError, r"record\['loss'\] must hold steps between 60 and 61"),
        ({"additional": 1, "threads": 0}, ValueError, "threads must be >= 1"),
    ],
)
def test_bad_resumption(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        descend(batch_size=1).resume(**arguments)


@pytest.mark.parametrize("batch_size", [None, 1, 2, 20])
def test_a_run_that_diverges_is_a_status_and_the_others_go_on(batch_size: int | None) -> None:
    # θ ← θ − αh(θ − y) on a quadratic grows by the factor |1 − αh| until it overflows, at a step that is easily computed.
    f = ef.Objective(ef.MLP([1, 1], bias=False), np.ones((3, 1)), np.zeros(3))
    sizes = [0.1, 50.0, 0.3, 1e10, 0.2]
    options: dict[str, Any] = {"steps": 400, "batch_size": batch_size, "record": {"theta": 1, "loss": 3}}
    runs = ef.descend(f, [1.0], step_size=sizes, runs=5, **options)
    assert list(runs.status) == ["finished", "diverged", "finished", "diverged", "finished"]
    for run in (1, 3):
        factor = abs(1 - 2 * sizes[run])
        at = int(runs.diverged_at[run])
        assert at == runs.steps_done[run] + 1
        expected = np.log(np.finfo(float).max) / np.log(factor)  # the step at which θ overflows, but for αh·θ before it
        assert abs(at - expected) <= 2
        theta = runs.data.theta[run, :, 0].values
        np.testing.assert_allclose(np.abs(theta[: at - 1]), factor ** np.arange(at - 1.0), rtol=1e-10)
        assert np.isnan(theta[at:]).all()
        assert np.isfinite(runs.theta[run])
        assert runs.theta[run, 0] == theta[at - 1]
        assert np.isfinite(runs.data.loss[run].values[: min(at, 100) // 6]).all()
    for run in (0, 2, 4):
        alone = ef.descend(f, [1.0], step_size=sizes[run], runs=range(run, run + 1), **options)
        np.testing.assert_array_equal(alone.theta[0], runs.theta[run])
        assert runs.diverged_at[run] == -1
        assert runs.data.loss[run].notnull().sum() == alone.data.loss[0].notnull().sum()


@pytest.mark.parametrize("batch_size", [1, 20])
def test_every_record_is_nan_from_the_step_that_diverged(batch_size: int) -> None:
    quantities = ("loss", "grad_norm2", "batch_loss", "theta", "accuracy", "update_norm", "rayleigh")
    options: dict[str, Any] = {"step_size": [1e120, 0.05, 1e60], "batch_size": batch_size}
    runs = descend(**options, record=dict.fromkeys(quantities, 1), steps=20)
    assert list(runs.status) == ["diverged", "finished", "diverged"]
    for run in (0, 2):
        at = int(runs.diverged_at[run])
        assert np.isfinite(runs.data.theta[run, :at]).all()
        for name in quantities:
            assert runs.data[name][run, at:].isnull().all(), name


def test_runs_can_be_sent_to_another_process() -> None:
    runs = descend(record={"loss": 10, "theta": 20}, batch_size=1)
    copy = pickle.loads(pickle.dumps(runs))
    assert copy.data.identical(runs.data)
    np.testing.assert_array_equal(copy.resume(additional=5).theta, runs.resume(additional=5).theta)


def test_interpolation_is_linear_between_the_iterates() -> None:
    # Finnoff 1992, section 3: slope −∇L_i on every piece.
    runs = descend(batch_size=1, record={"theta": 1}, step_size=0.1)
    theta = runs.data.theta.values
    np.testing.assert_array_equal(runs.at(0.1 * np.arange(61)), theta)
    np.testing.assert_array_equal(runs.at(np.arange(61) / 10), theta)
    np.testing.assert_allclose(runs.at(0.325), theta[:, 3] + 0.25 * (theta[:, 4] - theta[:, 3]), rtol=1e-12)
    indices = ef._core.sample_indices(CASE.n, 1, "iid", 8, 2, 0, 60)
    slope = (runs.at(0.39)[2] - runs.at(0.31)[2]) / 0.08
    np.testing.assert_allclose(slope, -CASE.oracle.batch_gradient(theta[2, 3], indices[3]), rtol=1e-9, atol=1e-12)
    assert runs.at(0.5).shape == theta[:, 0].shape
    assert runs.at([0.5]).shape == (3, 1, CASE.net.num_params)


def test_interpolation_with_a_clock_of_its_own() -> None:
    runs = descend(step_size=[0.1, 0.2, 0.3], record={"theta": 1})
    theta = runs.data.theta.values
    expected = [theta[0, 2], (theta[1, 1] + theta[1, 1]) / 2, theta[2, 0] + (theta[2, 1] - theta[2, 0]) * 2 / 3]
    np.testing.assert_allclose(runs.at(0.2), expected, rtol=1e-12)
    halved = descend(stop=ef.stopping.halve_on_plateau(after=5, patience=2, min_delta=0.5), record={"theta": 1})
    times = halved.data.time.values
    assert (times[:, -1] < 60 * 0.05 * 0.7).all()
    np.testing.assert_array_equal(halved.at(times[0])[0], halved.data.theta[0])


def test_interpolation_needs_the_neighbours() -> None:
    sparse = descend(record={"theta": 7}, step_size=0.1)
    np.testing.assert_array_equal(sparse.at(1.4), sparse.data.theta.sel(step=14))
    with pytest.raises(ValueError, match=r't = 1.5 lies between step 14 and step 21.*record=\{"theta": 1\}'):
        sparse.at(1.5)
    with pytest.raises(ValueError, match="at needs θ on record"):
        descend().at(0.0)
    for t in (-0.1, 6.1, [0.0, 7.0]):
        with pytest.raises(ValueError, match="t must be between 0 and 6"):
            sparse.at(t)
    with pytest.raises(ValueError, match="t must be finite"):
        sparse.at(float("nan"))


def test_a_run_that_ended_is_nan_afterwards() -> None:
    runs = descend(record={"theta": 1}, stop=ef.stopping.plateau(patience=3, min_delta=1.0, start=10), step_size=0.1)
    assert np.isfinite(runs.at(1.2)).all()
    assert np.isnan(runs.at(5.0)).all()


def test_texts() -> None:
    runs = descend(batch_size=2, sampling="reshuffle", momentum=0.9, mean="loss", moments={"theta": 60})
    assert repr(runs) == (
        "Runs(3 runs, 60 steps of heavy_ball, batch 2 reshuffle: 3 finished; recorded loss, mean loss, moments of theta)"
    )
    assert len(runs) == 3
    html = runs._repr_html_()
    assert html.startswith("<table>")
    assert html.endswith("</table>")
    assert html.count("<tr>") == html.count("</tr>") == 6
    assert "numbers 0 … 2, seed 8" in html
    assert "&#x27;tanh&#x27;" in html
    assert repr(descend(runs=1, steps=1, record=None)) == "Runs(1 run, 1 step of sgd, full batch: 1 finished)"
    assert runs.data.attrs["seed"] == "8"
    assert list(runs.data.status.values) == ["finished"] * 3
    assert runs.net == CASE.net


def test_runs_are_known_by_their_numbers() -> None:
    runs = descend(runs=range(200, 203), batch_size=1)
    np.testing.assert_array_equal(runs.data.run, [200, 201, 202])
    np.testing.assert_array_equal(runs.data.loss.sel(run=201), runs.data.loss[1])
