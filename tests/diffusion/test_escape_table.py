"""The table of `escape_times`: censored, diverging and interrupted runs, sweeps, and what is refused."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import pytest

import etaflow as ef
from two_wells import escape, negative, shallow, wells


def test_runs_are_those_of_descend() -> None:
    table = escape(step_size=[0.05, 0.08], runs=20, destinations=False)
    for place, eta in enumerate((0.05, 0.08)):
        alone = ef.descend(
            wells(), shallow(), steps=20_000, step_size=eta, batch_size=1, runs=range(20 * place, 20 * place + 20), seed=1,
            reference=shallow(), stop=ef.stopping.leave(0.58),
        )  # fmt: skip
        np.testing.assert_array_equal(table.data.exit_step.values[place, 0, 0], alone.steps_done)
    other = escape(step_size=[0.05, 0.08], runs=20, destinations=False, threads=3)
    np.testing.assert_array_equal(other.data.exit_step, table.data.exit_step)


def test_censored_runs() -> None:
    table = escape(steps=100)
    steps, left = table.data.exit_step.values.ravel(), table.data.left.values.ravel()
    assert 0 < left.sum() < 200
    assert (steps[~left] == 100).all()
    assert (steps[left] <= 100).all()
    assert (table.data.destination.values.ravel()[~left] == -1).all()
    whole = escape().data.exit_step.values.ravel()
    np.testing.assert_array_equal(steps, np.minimum(whole, 100))
    curve = table.survival(unit="time")
    assert curve.times[-1] == pytest.approx(5.0)
    assert (
        repr(table)
        == f"EscapeTimes(200 runs × 1 setting, radius 0.58: {left.sum()} of 200 left; {table.data.sizes['basin'] - 1} other basins)"
    )


def test_a_run_that_diverges_has_left() -> None:
    f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0], [2.0]], [1.0, 1.5])
    theta = ef.polish(f, [1.0]).theta
    with pytest.warns(RuntimeWarning, match="beyond"):
        table = ef.escape_times(f, theta, step_size=1e8, runs=20, leave=1e300, steps=50)
    runs = ef.descend(f, theta, steps=50, step_size=1e8, batch_size=1, runs=20)
    assert set(runs.status) == {"diverged"}
    np.testing.assert_array_equal(table.data.exit_step.values.ravel(), runs.diverged_at)
    assert bool(table.data.left.all())
    assert (table.data.status == "diverged").all()
    assert (table.data.destination == -1).all()
    assert table.destinations().sel(basin=-1)["count"] == 20


def test_sweeps_and_the_table() -> None:
    heard: list[float] = []
    table = escape(
        step_size=[0.08, 0.1],
        batch_size=(1, 2),
        gradient_noise=["sampling", "isotropic"],
        runs=30,
        progress=heard.append,
    )
    assert dict(table.data.exit_step.sizes) == {"step_size": 2, "batch_size": 2, "gradient_noise": 2, "run": 30}
    assert heard[-1] == 1.0
    assert (np.diff(heard) >= 0).all()
    assert table.data.exits.sum() == table.data.left.sum()
    barrier = table.data.barrier
    np.testing.assert_allclose(barrier.sel(batch_size=2), 2 * barrier.sel(batch_size=1))
    chosen = table.survival(step_size=0.1, batch_size=2, gradient_noise="isotropic")
    np.testing.assert_array_equal(
        chosen.durations, table.data.exit_step.sel(step_size=0.1, batch_size=2, gradient_noise="isotropic")
    )
    with pytest.raises(ValueError, match=re.escape("step_size must be given: one of [0.08, 0.1]")):
        table.survival()
    with pytest.raises(ValueError, match=re.escape("batch_size must be one of [1, 2] (got 3)")):
        table.survival(step_size=0.1, batch_size=3, gradient_noise="sampling")


def interrupt_at(end: float) -> Any:
    def interrupt(part: float) -> None:
        if part > end:
            raise KeyboardInterrupt

    return interrupt


def test_ctrl_c_keeps_the_runs_so_far() -> None:
    with pytest.warns(RuntimeWarning, match="interrupted in setting 2 of 2: runs that were inside are censored"):
        table = escape(step_size=[0.05, 0.012], runs=50, steps=2_000_000, leave=0.8, progress=interrupt_at(0.5))
    complete = escape(step_size=[0.05], runs=50, steps=2_000_000, leave=0.8)
    np.testing.assert_array_equal(table.data.exit_step[0], complete.data.exit_step[0])
    assert (table.data.destination == -1).all()
    with pytest.warns(RuntimeWarning, match="interrupted in setting 1 of 2"):
        table = escape(step_size=[0.012, 0.05], runs=50, steps=2_000_000, leave=0.8, progress=interrupt_at(0.01))
    assert (table.data.status[1] == "not begun").all()
    with pytest.raises(ValueError, match=r"step_size 0\.05 was not reached before the interruption"):
        table.survival(step_size=0.05)


def test_ctrl_c_while_destinations_are_sought() -> None:
    with pytest.warns(RuntimeWarning, match="interrupted while destinations were sought: all exit times are there"):
        table = escape(progress=interrupt_at(0.95))
    complete = escape()
    np.testing.assert_array_equal(table.data.exit_step, complete.data.exit_step)
    with pytest.warns(RuntimeWarning, match="interrupted while destinations were sought"):
        early = escape(progress=interrupt_at(0.85))
    np.testing.assert_array_equal(early.data.exit_step, complete.data.exit_step)
    assert (early.data.destination == -1).all()
    found = table.data.destination.values >= 0
    assert 0.4 < found.mean() < 0.6  # polishing is what the progress counts from 0.9 to 1


def test_a_start_that_is_not_stationary() -> None:
    gradient = abs(float(wells().gradient([5.0])[0]))
    with pytest.raises(
        ValueError,
        match=re.escape(f"theta_star must be a stationary point (got one with gradient norm {gradient:.3g})"),
    ):
        ef.escape_times(wells(), [5.0], step_size=0.1, runs=2, leave=0.1, steps=10)


def test_warnings() -> None:
    with pytest.warns(
        RuntimeWarning, match=r"step_size 2 is beyond .*, where SGD with batch_size 1 stops being stable in mean square"
    ):
        escape(step_size=2.0, runs=2, steps=5)
    top = ef.polish(negative(wells()), [4.71], max_step=0.01).theta
    with pytest.warns(RuntimeWarning, match="theta_star is a strict saddle"):
        table = ef.escape_times(wells(), top, step_size=0.01, runs=2, leave=0.1, steps=10)
    assert float(table.data.barrier.squeeze()) == 0


def test_the_threshold_of_gradient_descent_where_the_true_one_is_costly(monkeypatch: pytest.MonkeyPatch) -> None:
    f, theta = wells(), shallow()
    between = (ef.stability_threshold(f, theta) + 2 / float(f.hessian(theta)[0, 0])) / 2
    with pytest.warns(RuntimeWarning, match="is beyond"):
        escape(step_size=between, runs=2, steps=5)
    monkeypatch.setattr(sys.modules["etaflow.diffusion.escape"], "COSTLY", 1.0)
    escape(step_size=between, runs=2, steps=5)


def test_steps_or_time() -> None:
    etas = [0.08, 0.1]
    table = escape(step_size=etas, steps=None, max_time=4.0, leave=0.8)
    inside = table.data.status == "inside"
    assert inside.any(dim="run").all()
    for eta, steps in zip(etas, (50, 40), strict=True):
        assert (table.data.exit_step.where(inside).sel(step_size=eta).max() == steps).all()
    both = [escape(step_size=eta, steps=steps, leave=0.8, runs=200) for eta, steps in zip(etas, (50, 40), strict=True)]
    np.testing.assert_array_equal(both[0].data.exit_step[0], table.data.exit_step[0])
    for change in ({"max_time": 3.0}, {"steps": None}):
        with pytest.raises(ValueError, match="steps or max_time must be given, and not both"):
            escape(**change)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"step_size": -0.1}, ValueError, "step_size must be > 0"),
        ({"step_size": [0.1, 0.1]}, ValueError, "step_size must hold different values"),
        ({"step_size": []}, ValueError, "step_size must hold different values, at least one"),
        ({"batch_size": [1, 0]}, ValueError, r"batch_size\[1\] must be >= 1"),
        ({"gradient_noise": "gauss"}, ValueError, "did you mean 'gaussian'"),
        ({"runs": 0}, ValueError, "runs must be >= 1"),
        ({"steps": 0}, ValueError, "steps must be >= 1"),
        ({"steps": None, "max_time": -1.0}, ValueError, "max_time must be > 0"),
        ({"leave": 0.0}, ValueError, "leave must be > 0"),
        ({"leave": "0.5"}, TypeError, "leave must be a real number"),
        ({"leave": ef.stopping.above("loss", 1.0)}, ValueError, "leave must be at a level above"),
        ({"leave": ef.stopping.below("loss", 1.0)}, ValueError, "leave must be a radius"),
        ({"leave": ef.stopping.plateau()}, TypeError, "leave must be a real number"),
        ({"level": 1.0}, ValueError, "level must be between 0 and 1"),
        ({"progress": 3}, TypeError, "progress must be"),
    ],
)
def test_bad_input(change: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        escape(**change)


def test_float32_and_several_points() -> None:
    f = wells()
    single = ef.Objective(f.net, f.x.astype(np.float32), f.y.astype(np.float32))
    with pytest.raises(ValueError, match="objective must be float64"):
        ef.escape_times(single, shallow().astype(np.float32), step_size=0.1, runs=2, leave=0.1, steps=10)
    with pytest.raises(ValueError, match="theta_star must have 1 dimension"):
        ef.escape_times(f, shallow()[None], step_size=0.1, runs=2, leave=0.1, steps=10)
