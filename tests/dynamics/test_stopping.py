"""Rules that stop runs or lower their step sizes, against a loop with Keras's bookkeeping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow import stopping
from etaflow.dynamics.stopping import from_dict, to_dict
from problems import Case
from reference import Rule, monitor
from reference import descend as reference_descend

CASE = Case((2, 4, 1), n=20, activation="leaky_relu", output="logistic", loss="log")
FRACTION: Any = 2.5
VALIDATION = Case((2, 4, 1), n=17, activation="leaky_relu", output="logistic", loss="log")


def keras_reduce_lr(values: list[float], patience: int, cooldown: int, min_delta: float) -> list[int]:
    """The positions at which keras.callbacks.ReduceLROnPlateau lowers the rate, transcribed from its documentation."""
    best, wait, rest, lowered = np.inf, 0, 0, []
    for position, value in enumerate(values):
        if rest > 0:
            rest -= 1
            wait = 0
        if value < best - min_delta:
            best, wait = value, 0
        elif rest <= 0:
            wait += 1
            if wait >= patience:
                lowered.append(position)
                rest, wait = cooldown, 0
    return lowered


def keras_early_stopping(values: list[float], patience: int, min_delta: float) -> int | None:
    """The position at which keras.callbacks.EarlyStopping stops."""
    best, wait = np.inf, 0
    for position, value in enumerate(values):
        wait += 1
        if value < best - min_delta:
            best, wait = value, 0
        if wait >= patience:
            return position
    return None


def descend(stop: Any, runs: int = 4, **options: Any) -> ef.Runs:
    settings: dict[str, Any] = {"steps": 300, "step_size": 2.0, "record": {"loss": 1, "theta": 1}}
    return ef.descend(CASE.objective, CASE.theta(runs=runs), stop=stop, **(settings | options))


def length(runs: ef.Runs, run: int) -> int:
    return int(np.isfinite(runs.data.loss[run].values).sum()) - 1


@pytest.mark.parametrize(
    ("patience", "min_delta", "start", "every"), [(5, 1e-3, 0, 1), (20, 1e-4, 37, 1), (3, 1e-3, 10, 7)]
)
def test_plateau_stops_where_keras_stops(patience: int, min_delta: float, start: int, every: int) -> None:
    free = descend(None)
    ruled = descend(stopping.plateau(patience=patience, min_delta=min_delta, start=start, every=every))
    stopped = 0
    for run in range(4):
        seen = free.data.loss[run].values[start:300:every]  # at θ before the steps start + 1, start + 1 + every, …
        position = keras_early_stopping(list(seen), patience, min_delta)
        steps = 300 if position is None else start + position * every
        stopped += position is not None
        assert ruled.status[run] == ("finished" if position is None else "stopped")
        assert ruled.steps_done[run] == length(ruled, run) == steps
        np.testing.assert_array_equal(ruled.theta[run], free.data.theta[run, steps])
        np.testing.assert_array_equal(ruled.data.loss[run, : steps + 1], free.data.loss[run, : steps + 1])
    assert stopped > 0


@pytest.mark.parametrize(("patience", "cooldown", "min_delta"), [(4, 3, 1e-3), (6, 0, 0.0), (2, 10, 1e-2)])
def test_halving_lowers_the_step_size_where_keras_does(patience: int, cooldown: int, min_delta: float) -> None:
    rule = stopping.halve_on_plateau(after=20, patience=patience, cooldown=cooldown, min_delta=min_delta)
    runs = descend(rule, step_size=6.0)
    lowered_any = False
    for run in range(4):
        seen = list(runs.data.loss[run].values[20:300])
        lowered = keras_reduce_lr(seen, patience, cooldown, min_delta)
        lowered_any |= bool(lowered)
        sizes = np.full(300, 6.0)
        for position in lowered:
            sizes[20 + position :] *= 0.5  # the step right after the look, which is step 20 + position + 1
        np.testing.assert_allclose(np.diff(runs.data.time[run]), sizes, rtol=1e-12)
        slow = reference_descend(CASE.oracle, CASE.theta(runs=4)[run], steps=300, step_size=sizes)
        np.testing.assert_allclose(runs.theta[run], slow.theta[-1], rtol=1e-6)
    assert lowered_any


def test_the_rules_of_experiment_5_1_together() -> None:
    both = [stopping.halve_on_plateau(after=50, patience=5, cooldown=2), stopping.plateau(patience=60, min_delta=1e-4)]
    runs = descend(both, step_size=5.0)
    for run in range(4):
        rules = [
            Rule("scale", start=50, patience=5, cooldown=2, min_delta=1e-4, factor=0.5),
            Rule("stop", patience=60, min_delta=1e-4),
        ]
        slow = reference_descend(CASE.oracle, CASE.theta(runs=4)[run], steps=300, step_size=5.0, rules=rules)
        assert runs.status[run] == slow.status
        assert runs.steps_done[run] == len(slow.step_sizes)
        np.testing.assert_allclose(runs.data.time[run, len(slow.step_sizes)], slow.step_sizes.sum(), rtol=1e-12)


def test_defaults_are_those_of_the_thesis_program() -> None:
    assert stopping.plateau() == stopping.Plateau(patience=10_000, min_delta=1e-7, monitor="loss", start=0, every=1)
    halve = stopping.halve_on_plateau()
    assert (halve.after, halve.patience, halve.cooldown, halve.min_delta, halve.factor) == (40_000, 40, 10, 1e-4, 0.5)


@pytest.mark.parametrize("quantity", ["loss", "grad_norm2", "validation_loss", "accuracy"])
def test_thresholds_stop_at_the_first_value_beyond(quantity: str) -> None:
    options: dict[str, Any] = {"steps": 150, "validation": VALIDATION.objective}
    free = descend(None, record={quantity: 1, "theta": 1}, **options)
    falling = quantity != "accuracy"
    values = free.data[quantity].values
    level = float(np.quantile(values, 0.4 if falling else 0.8))
    rule = (stopping.below if falling else stopping.above)(quantity, level, start=3)
    ruled = descend(rule, **options)
    assert (ruled.status == "stopped").any()
    for run in range(4):
        beyond = values[run, 3:150] <= level if falling else values[run, 3:150] >= level
        expected = 3 + int(np.argmax(beyond)) if beyond.any() else 150
        assert ruled.steps_done[run] == expected
        np.testing.assert_array_equal(ruled.theta[run], free.data.theta[run, expected])


def test_rules_of_stochastic_runs_look_at_the_whole_set_or_at_the_batch() -> None:
    options: dict[str, Any] = {"batch_size": 2, "seed": 5, "step_size": 0.1}
    free = descend(None, **options)
    for quantity in ("loss", "batch_loss"):
        ruled = descend(stopping.below(quantity, 0.4), **options)
        for run in range(4):
            theta, done = free.data.theta[run].values, ruled.steps_done[run]
            indices = ef._core.sample_indices(CASE.n, 2, "iid", 5, run, 0, 300)

            def seen(k: int, theta: Any = theta, indices: Any = indices, quantity: str = quantity) -> float:
                at = theta[k - 1]  # before step k
                return (
                    CASE.oracle.batch_value(at, indices[k - 1])
                    if quantity == "batch_loss"
                    else monitor(CASE.oracle, at, quantity)
                )

            assert all(seen(k) > 0.4 for k in range(1, done + 1))
            if ruled.status[run] == "stopped":
                assert seen(int(done) + 1) <= 0.4


def test_a_satisfied_rule_stops_before_the_first_step() -> None:
    runs = descend(stopping.below("loss", 1e9))
    assert list(runs.steps_done) == [0] * 4
    np.testing.assert_array_equal(runs.theta, CASE.theta(runs=4))


@pytest.mark.parametrize(
    "rule",
    [
        stopping.plateau(patience=3),
        stopping.halve_on_plateau(after=1),
        stopping.below("loss", 1.0),
        stopping.above("accuracy", 0.5),
    ],
)
def test_rules_survive_a_dict(rule: Any) -> None:
    assert from_dict(to_dict(rule)) == rule


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: stopping.plateau(patience=0), ValueError, "patience must be >= 1"),
        (lambda: stopping.plateau(patience=FRACTION), TypeError, "patience must be an integer"),
        (lambda: stopping.plateau(min_delta=-1e-3), ValueError, "min_delta must be >= 0"),
        (lambda: stopping.plateau(monitor="accuracy"), ValueError, "monitor must be one of 'loss'"),
        (lambda: stopping.plateau(monitor="los"), ValueError, "did you mean 'loss'"),
        (lambda: stopping.halve_on_plateau(factor=1.0), ValueError, "factor must be < 1"),
        (lambda: stopping.halve_on_plateau(factor=0.0), ValueError, "factor must be > 0"),
        (lambda: stopping.halve_on_plateau(after=-1), ValueError, "after must be >= 0"),
        (lambda: stopping.below("loss", float("nan")), ValueError, "value must be finite"),
        (lambda: stopping.above("loss", 1.0, every=0), ValueError, "every must be >= 1"),
        (lambda: descend("plateau"), TypeError, "stop must be a rule of etaflow.stopping"),
        (lambda: descend([stopping.plateau(), 3]), TypeError, "stop must be a rule"),
        (lambda: descend(stopping.below("validation_loss", 0.1)), ValueError, "validation must be an Objective"),
    ],
)
def test_bad_rules(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_dir_lists_what_is_for_users() -> None:
    assert {"plateau", "halve_on_plateau", "below", "above", "leave"} <= set(dir(ef.stopping))
    assert all(getattr(ef.stopping, name).__module__ == ef.stopping.__name__ for name in dir(ef.stopping))
