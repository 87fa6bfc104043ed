"""Plots show what was recorded: the drawn data equal the dataset's."""

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

import etaflow as ef
from problems import Case

CASE = Case((2, 3, 1), n=13)


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def some_runs(runs: int, **options: Any) -> ef.Runs:
    settings: dict[str, Any] = {
        "steps": 30,
        "step_size": 0.05,
        "batch_size": 1,
        "record": {"loss": 5, "accuracy": 3, "theta": 7},
    }
    return ef.descend(CASE.objective, CASE.theta(), runs=runs, **(settings | options))


def legend_of(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def x_of(line: Line2D) -> NDArray[np.float64]:
    return np.asarray(line.get_xdata(), float)


def y_of(line: Line2D) -> NDArray[np.float64]:
    return np.asarray(line.get_ydata(), float)


def loss_of(runs: ef.Runs) -> NDArray[np.float64]:
    values: NDArray[np.float64] = runs.data.loss.sel(step=np.arange(0, 31, 5)).values
    return values


def test_few_runs_are_drawn_one_by_one() -> None:
    runs = some_runs(4)
    ax = ef.plots.curves(runs, "loss")
    assert len(ax.lines) == 4
    for line, expected in zip(ax.lines, loss_of(runs), strict=True):
        np.testing.assert_array_equal(x_of(line), np.arange(0, 31, 5))
        np.testing.assert_array_equal(y_of(line), expected)
    assert legend_of(ax) == [f"run {r}" for r in range(4)]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "cost f(θ)")
    assert ax.get_title() == "4 runs of sgd, batch 1"
    assert ax.get_yscale() == "log"


def test_many_runs_are_drawn_as_bands() -> None:
    runs = some_runs(30)
    ax = ef.plots.curves(runs, "loss")
    assert legend_of(ax) == ["5–95 % of runs", "25–75 % of runs", "median"]
    np.testing.assert_allclose(y_of(ax.lines[0]), np.median(loss_of(runs), axis=0), rtol=1e-14)
    outer = ax.collections[0].get_paths()[0].vertices  # corners of the shaded region
    corners = np.asarray(outer, float)
    np.testing.assert_allclose(corners[:, 1].max(), np.quantile(loss_of(runs), 0.95, axis=0).max(), rtol=1e-14)


def test_chosen_quantiles() -> None:
    runs = some_runs(5)
    ax = ef.plots.curves(runs, "loss", quantiles=[0.1, 0.5, 0.8], logy=False)
    expected = np.quantile(loss_of(runs), [0.1, 0.5, 0.8], axis=0)
    np.testing.assert_allclose([y_of(line) for line in ax.lines], expected, rtol=1e-14)
    assert ax.get_yscale() == "linear"


def test_every_one_of_many_runs_on_given_axes() -> None:
    _, axes = plt.subplots()
    ax = ef.plots.curves(some_runs(20), "accuracy", quantiles=False, ax=axes)
    assert ax is axes
    assert len(ax.lines) == 20
    assert len(legend_of(ax)) == 1
    assert ax.get_yscale() == "linear"


def test_time_axis_of_runs_with_their_own_step_sizes() -> None:
    runs = some_runs(2, step_size=[0.1, 0.2])
    ax = ef.plots.curves(runs, "loss", x="time")
    np.testing.assert_allclose(x_of(ax.lines[1]), 0.2 * np.arange(0, 31, 5), rtol=1e-14)
    with pytest.raises(ValueError, match="x must be 'step' for quantiles"):
        ef.plots.curves(runs, "loss", x="time", quantiles=True)


def test_runs_that_ended_early_are_named() -> None:
    runs = some_runs(3, step_size=[0.05, 0.05, 1e200])
    ax = ef.plots.curves(runs, "loss")
    assert "run 2 (diverged)" in legend_of(ax)
    assert ax.get_title().endswith("(1 diverged)")


def test_one_point_is_visible() -> None:
    ax = ef.plots.curves(some_runs(1, steps=0), "loss")
    assert ax.lines[0].get_marker() == "o"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quantity": "losses"}, "quantity must be one of 'loss', 'accuracy'.*did you mean 'loss'"),
        ({"quantity": "theta"}, "quantity must be one of"),
        ({"quantity": "grad_norm2"}, r"quantity must be on record \(got 'grad_norm2', .*record=\{\"grad_norm2\": 1\}"),
        ({"quantity": "loss", "x": "epoch"}, "x must be one of 'step', 'time'"),
        ({"quantity": "loss", "quantiles": [0.5, 1.5]}, "quantiles must hold numbers between 0 and 1"),
    ],
)
def test_bad_input(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ef.plots.curves(some_runs(2), **arguments)
