"""Bad input of descend is an error before any work that names argument, value and what was expected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import etaflow as ef
from problems import Case

CASE = Case((2, 3, 1), n=13)
D = CASE.net.num_params
SINGLE = Case((2, 3, 1), n=13, dtype="float32")


def with_entry(value: float) -> Any:
    theta = CASE.theta()
    theta[4] = value
    return theta


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"objective": CASE.net}, TypeError, "objective must be an Objective"),
    (
        {"theta0": np.zeros(D - 1)},
        ValueError,
        rf"theta0 must hold {D} parameters on its last axis, as MLP\(\[2, 3, 1\]",
    ),
    ({"theta0": np.zeros((2, D + 1))}, ValueError, rf"theta0 must hold {D} parameters"),
    ({"theta0": np.zeros((0, D))}, ValueError, "theta0 must hold at least one start"),
    ({"theta0": np.zeros((1, 1, D))}, ValueError, "theta0 must have 1 or 2 dimensions"),
    ({"theta0": 0.0}, ValueError, "theta0 must have 1 or 2 dimensions"),
    ({"theta0": with_entry(np.nan)}, ValueError, r"theta0 must be finite \(theta0\[4\] is nan\)"),
    ({"theta0": with_entry(np.inf)}, ValueError, r"theta0 must be finite \(theta0\[4\] is inf\)"),
    ({"theta0": np.zeros(D, np.float32)}, TypeError, r"theta0 must be float64 \(got float32\); convert with"),
    ({"theta0": np.zeros(D), "objective": SINGLE.objective}, TypeError, r"theta0 must be float32 \(got float64\)"),
    ({"theta0": np.zeros(D, complex)}, TypeError, "theta0 must be an array of real numbers"),
    ({"theta0": np.zeros(D, object)}, TypeError, "theta0 must be an array of real numbers"),
    ({"theta0": ["a"] * D}, TypeError, "theta0 must be an array of real numbers"),
    ({"theta0": None}, TypeError, "theta0 must be an array of real numbers"),
    ({"steps": -1}, ValueError, r"steps must be >= 0 \(got -1\)"),
    ({"steps": 10.0}, TypeError, "steps must be an integer"),
    ({"steps": True}, TypeError, "steps must be an integer"),
    ({"batch_size": 0}, ValueError, "batch_size must be >= 1"),
    ({"batch_size": 2.0}, TypeError, "batch_size must be an integer"),
    ({"batch_size": 14, "sampling": "without_replacement"}, ValueError, "batch_size must be <= 13"),
    ({"sampling": "reshuffle"}, ValueError, "batch_size must be given for sampling='reshuffle'"),
    ({"batch_size": 1, "sampling": "idd"}, ValueError, "sampling must be one of .* did you mean 'iid'"),
    ({"sampling": np.full((10, 1), 13)}, ValueError, r"sampling must hold indices between 0 and 12 \(got 13\)"),
    ({"sampling": np.full((10, 1), -1)}, ValueError, r"sampling must hold indices between 0 and 12 \(got -1\)"),
    ({"sampling": np.zeros((10, 1))}, TypeError, "sampling must be one of .* or an array of integer indices"),
    ({"sampling": np.zeros((9, 1), int)}, ValueError, r"sampling must have shape \(10, batch\) or \(1, 10, batch\)"),
    ({"sampling": np.zeros((10, 0), int)}, ValueError, r"sampling must have shape \(10, batch\)"),
    ({"sampling": np.zeros(10, int)}, ValueError, r"sampling must have shape \(steps, batch\)"),
    ({"sampling": np.zeros((3, 10, 1), int), "runs": 2}, ValueError, r"or \(2, 10, batch\)"),
    ({"sampling": np.zeros((10, 2), int), "batch_size": 3}, ValueError, "batch_size must be 2"),
    ({"optimizer": "adma"}, ValueError, "optimizer must be one of .* did you mean 'adam'"),
    (
        {"optimizer": ("adam", {"beta": 0.9})},
        ValueError,
        "a number of optimizer 'adam' must be one of 'beta1', 'beta2', 'eps'",
    ),
    ({"optimizer": ("adam", {"beta1": 1.0})}, ValueError, "beta1 must be < 1"),
    ({"optimizer": ("rmsprop", {"eps": -1.0})}, ValueError, "eps must be >= 0"),
    ({"optimizer": ("adam", 0.9)}, TypeError, r"optimizer must be a name or \(name, dict"),
    ({"optimizer": ("sgd", {"momentum": 0.9})}, ValueError, "optimizer 'sgd' takes no numbers of its own"),
    ({"optimizer": 3}, TypeError, r"optimizer must be a name or \(name, dict\)"),
    ({"momentum": 1.0}, ValueError, "momentum must be < 1"),
    ({"momentum": -0.1}, ValueError, "momentum must be >= 0"),
    ({"momentum": "nesterov"}, TypeError, r"momentum must be a number or \(name, number\)"),
    ({"momentum": ("nesterow", 0.9)}, ValueError, "momentum must be one of 'heavy_ball', 'nesterov'"),
    ({"momentum": 0.9, "optimizer": "adam"}, ValueError, "momentum must be 0 with optimizer='adam'"),
    ({"runs": 0}, ValueError, "runs must be >= 1"),
    ({"runs": range(3, 3)}, ValueError, "runs must hold at least one run number"),
    ({"runs": range(-1, 3)}, ValueError, "runs must hold run numbers >= 0"),
    ({"runs": 2.0}, TypeError, "runs must be an integer"),
    ({"theta0": CASE.theta(runs=3), "runs": 2}, ValueError, "runs must be 3, the number of starts in theta0"),
    ({"seed": -1}, ValueError, "seed must be >= 0"),
    ({"seed": 2**64}, ValueError, "seed must be <= 18446744073709551615"),
    ({"seed": None}, TypeError, "seed must be an integer"),
    ({"noise": -0.1}, ValueError, "noise must be >= 0"),
    ({"noise": np.nan}, ValueError, "noise must be finite"),
    ({"noise": ("cube", 0.1)}, ValueError, "noise must be one of 'gaussian', 'sphere'"),
    ({"noise": "sphere"}, TypeError, r"noise must be a number or \(name, number\)"),
    ({"bounds": 1.0}, TypeError, r"bounds must be a pair \(lower, upper\)"),
    ({"bounds": (1.0, -1.0)}, ValueError, "bounds must have lower <= upper"),
    ({"bounds": (np.nan, 1.0)}, ValueError, "bounds must not be NaN"),
    ({"bounds": (np.zeros(3), 1.0)}, ValueError, r"bounds: lower must have shape \(13,\)"),
    ({"bounds": (np.zeros(D, np.float32), 1.0)}, TypeError, "bounds: lower must be float64"),
    ({"bounds": ("a", 1.0)}, TypeError, "bounds: lower must be an array of real numbers"),
    ({"bounds": (0.0, 1.0)}, ValueError, "theta0 must lie within the bounds"),
    ({"threads": 0}, ValueError, "threads must be >= 1"),
    ({"threads": 1.5}, TypeError, "threads must be an integer"),
    ({"progress": "yes"}, TypeError, "progress must be True, False or a function"),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD, ids=range(len(BAD)))
def test_bad_input(
    options: dict[str, Any], error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"objective": CASE.objective, "theta0": CASE.theta(), "steps": 10, "step_size": 0.1}

    def no_work(*_: object, **__: object) -> None:
        pytest.fail("the work began")

    monkeypatch.setattr("etaflow.dynamics.driver.drive", no_work)
    with pytest.raises(error, match=message):
        ef.descend(**(settings | options))


def test_numbers_that_float32_cannot_hold() -> None:
    data = np.full((3, 2), 1e300)
    with pytest.raises(ValueError, match="x must be finite"), np.errstate(over="ignore"):
        ef.Objective(CASE.net, data.astype(np.float32), np.zeros(3, np.float32))
    # Finite data that overflow on the way are a divergence, not an error.
    f = ef.Objective(SINGLE.net, np.full((3, 2), 1e38, np.float32), np.full(3, 1e38, np.float32))
    runs = ef.descend(f, SINGLE.theta(), steps=5, step_size=0.1)
    assert list(runs.status) == ["diverged"]


def test_lists_and_numpy_scalars_are_welcome() -> None:
    count: Any = np.int32(4)
    by_list = ef.descend(CASE.objective, CASE.theta().tolist(), steps=count, step_size=np.float32(0.5))
    np.testing.assert_array_equal(by_list.theta, ef.descend(CASE.objective, CASE.theta(), steps=4, step_size=0.5).theta)
