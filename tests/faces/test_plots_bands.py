"""Plots of bands and of power laws show the numbers that they are given."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes

import etaflow as ef
from problems import Case

CASE = Case((1, 2, 2), n=7)
TIMES = np.linspace(0, 1, 6)


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@cache
def some_bands() -> ef.Bands:
    flow = ef.flow(CASE.objective, CASE.theta(), t=1.0)
    return ef.predict_bands(CASE.objective, flow, step_size=0.02, times=TIMES, inputs=CASE.objective.x[:3])


def some_runs(**options: Any) -> ef.Runs:
    settings: dict[str, Any] = {"step_size": 0.02, "batch_size": 1, "record": {"theta": some_bands().steps}, "runs": 30}
    return ef.descend(CASE.objective, CASE.theta(), steps=50, **(settings | options))


def legend_of(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize(
    ("quantity", "index", "place", "label"),
    [
        ("loss", 0, (), "cost f(θ)"),
        ("theta", 4, (4,), "weight θ[4]"),
        ("prediction", 2, (2, 0), "prediction h at input 2"),
        ("prediction", (1, 1), (1, 1), "prediction h[1] at input 1"),
    ],
)
def test_bands_alone(quantity: str, index: Any, place: Any, label: str) -> None:
    ax = ef.plots.bands(some_bands(), quantity, index=index)
    values = some_bands().data[quantity].values[(..., *place)]
    (line,) = ax.lines
    np.testing.assert_array_equal(np.asarray(line.get_xdata()), TIMES)
    np.testing.assert_array_equal(np.asarray(line.get_ydata()), values[1])
    corners = np.asarray(ax.collections[0].get_paths()[0].vertices)
    assert corners[:, 1].min() == values[0].min()
    assert corners[:, 1].max() == values[2].max()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time t = kη", label)
    assert ax.get_title() == "SGD with step size 0.02"
    assert legend_of(ax) == ["90 % band, predicted", "center, predicted"]


def test_bands_with_runs() -> None:
    runs = some_runs()
    _, given = plt.subplots()
    ax = ef.plots.bands(some_bands(), "theta", index=1, runs=runs, shown=8, ax=given)
    assert ax is given
    assert len(ax.lines) == 8 + 1
    np.testing.assert_array_equal(np.asarray(ax.lines[3].get_ydata()), runs.at(TIMES)[3, :, 1])
    share = 100 * some_bands().coverage(runs).theta.sel(estimate="share", parameter=1)[1:]
    assert ax.get_title() == (
        f"SGD with step size 0.02: at a time, {share.min():.0f} to {share.max():.0f} % of the runs in the band"
    )
    assert "8 of 30 runs" in legend_of(ax)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"quantity": "weights"}, ValueError, "quantity must be one of 'theta', 'prediction', 'loss'"),
        ({"quantity": "theta", "index": 10}, ValueError, r"index must be <= 9 \(got 10\)"),
        ({"quantity": "theta", "index": (1, 2)}, ValueError, "index must have 1 numbers for 'theta'"),
        ({"quantity": "prediction", "index": 1.5}, TypeError, "index must be an integer"),
        ({"shown": -1}, ValueError, "shown must be >= 0"),
    ],
)
def test_bad_input(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ef.plots.bands(some_bands(), **arguments)


def test_other_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="runs must have the bands' constant step size"):
        ef.plots.bands(some_bands(), runs=some_runs(step_size=0.01))


def test_power() -> None:
    x, y = np.array([0.1, 0.2, 0.4]), np.array([1.0, 2.0, 4.0])
    law = ef.theory.fit_power_law(x, [[0.9, 1.1], [1.8, 2.2], [3.6, 4.4]])
    ax = ef.plots.power(x, y, interval=(y - 0.5, y + 0.25), law=law, label="first")
    assert ef.plots.power(x, [0.0, 1.0, 2.0], label="second", ax=ax) is ax
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_xlabel()) == ("log", "log", "step size η")
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0.1", "0.2", "0.4"]
    first, second = legend_of(ax)
    assert first == f"first: slope {law.slope:.2f} ({law.low:.2f} … {law.high:.2f})"
    assert second == "second"
    points = ax.containers[0].lines[0]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(points.get_ydata(), y)
    bars = np.array([segment[:, 1] for segment in ax.collections[0].get_segments()])  # type: ignore[attr-defined]
    np.testing.assert_allclose(bars, np.stack([y - 0.5, y + 0.25], axis=1))
    np.testing.assert_array_equal(ax.containers[1].lines[0].get_xdata(), x[1:])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": [0.0, 1.0]}, "x must be positive"),
        ({"y": [1.0]}, r"y must have shape \(2,\)"),
        ({"interval": ([1.0], [2.0])}, r"interval\[0\] must have shape \(2,\)"),
    ],
)
def test_bad_input_of_power(arguments: dict[str, Any], message: str) -> None:
    settings: dict[str, Any] = {"x": [0.1, 0.2], "y": [1.0, 2.0]}
    with pytest.raises(ValueError, match=message):
        ef.plots.power(**(settings | arguments))
