"""The plots of escape times draw what the table says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

import etaflow as ef

if TYPE_CHECKING:
    from collections.abc import Iterator

# f = 1 + θ², with the gradient noise ±2: E = r²/2 for the ball of radius r.
F = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0], [1.0]], [-1.0, 1.0])


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def escape(**options: Any) -> Any:
    settings: dict[str, Any] = {"step_size": [0.1, 0.2], "runs": 60, "leave": 0.7, "steps": 40, "destinations": False}
    return ef.escape_times(F, [0.0], **(settings | options))


def test_survival_curves_bands_and_censored_runs() -> None:
    found = escape()
    ax = ef.plots.survival(found)
    for i, eta in enumerate((0.1, 0.2)):
        curve = found.survival(step_size=eta, unit="time")
        steps, ticks = ax.lines[2 * i], ax.lines[2 * i + 1]
        np.testing.assert_array_equal(steps.get_xdata(), [0, *curve.times])
        np.testing.assert_array_equal(steps.get_ydata(), [1, *curve.survival])
        assert np.asarray(ticks.get_xdata()).tolist() == ([40 * eta] if not curve.observed.all() else [])
        band: Any = ax.collections[i]
        corners = band.get_paths()[0].vertices
        for x, low, high in zip(curve.times, curve.low, curve.high, strict=True):
            there = corners[np.isclose(corners[:, 0], x), 1]
            assert np.isclose(there, low).any()
            assert np.isclose(there, high).any()
    left = found.data.exits.values.ravel()
    assert left[0] < 60
    assert ax.get_legend_handles_labels()[1] == [f"η = 0.1: {left[0]} of 60 left", f"η = 0.2: {left[1]} of 60 left"]
    assert ax.get_xlabel() == "time t = kη"
    assert ax.get_ylim()[0] == 0
    assert ax.get_xscale() == "linear"


def test_chosen_settings_units_and_axes() -> None:
    found = escape(gradient_noise=["sampling", "gaussian"], leave=ef.stopping.above("loss", 1.4))
    _, own = plt.subplots()
    ax = ef.plots.survival(found, step_size=0.2, unit="steps", logx=True, ax=own)
    assert ax is own
    assert [one.split(":")[0] for one in ax.get_legend_handles_labels()[1]] == ["SGD", "gaussian noise"]
    assert ax.get_title() == "reaching f = 1.4, η = 0.2"
    assert (ax.get_xlabel(), ax.get_xscale()) == ("step k", "log")
    curve = found.survival(step_size=0.2, gradient_noise="gaussian")
    np.testing.assert_array_equal(ax.lines[2].get_ydata(), [1, *curve.survival])


def test_times_of_different_size_get_a_logarithmic_axis() -> None:
    assert ef.plots.survival(escape(step_size=[0.06, 0.3], steps=10_000)).get_xscale() == "log"


def test_mean_times_fit_and_prediction() -> None:
    found = escape(step_size=[0.06, 0.08, 0.12], steps=100_000, runs=200)
    ax = ef.plots.escape_rates(found)
    fit = found.exponent()
    fitted, predicted = ax.lines[0], ax.lines[1]
    inverse = np.asarray(fitted.get_xdata())
    assert inverse[[0, -1]] == pytest.approx([1 / 0.12, 1 / 0.06])
    np.testing.assert_allclose(np.asarray(fitted.get_ydata()), fit.at(1 / inverse))
    logs = np.log(np.asarray(predicted.get_ydata())) + 0.5 * np.log(inverse)
    np.testing.assert_allclose(np.diff(logs) / np.diff(inverse), 0.7**2 / 2, rtol=1e-9)
    assert predicted.get_ydata()[0] == pytest.approx(fit.times[-1].value)  # type: ignore[index]
    bars: Any = ax.containers[0]
    np.testing.assert_allclose(bars.lines[0].get_ydata(), [one.value for one in fit.times])
    ends = np.array([one[:, 1] for one in bars.lines[2][0].get_segments()])
    np.testing.assert_allclose(ends, [(one.low, one.high) for one in fit.times])
    value, low, high = fit.fitted
    assert ax.get_legend_handles_labels()[1][-1] == f"E = {value:.3g} ({low:.3g} … {high:.3g})\npredicted 0.245"
    assert (ax.get_yscale(), ax.get_xlabel()) == ("log", "1/η")


def test_where_no_run_left_there_is_an_arrow_and_no_fit() -> None:
    found = escape(step_size=[0.01, 0.2])
    assert found.data.exits.values.ravel()[0] == 0
    ax = ef.plots.escape_rates(found)
    assert ax.get_legend_handles_labels()[1][-1] == "no fit"
    bars, arrow = (one.lines for one in ax.containers)  # type: ignore[attr-defined]
    assert len(bars[0].get_xdata()) == 1
    (segment,) = arrow[2][0].get_segments()
    assert segment[0].tolist() == pytest.approx([100.0, found.survival(step_size=0.01, unit="time").mean().low])


def test_bad_input() -> None:
    found = escape(step_size=[0.1, 0.2, 0.3, 0.4], gradient_noise=["sampling", "gaussian", "isotropic"], runs=2)
    with pytest.raises(ValueError, match="must be given: 12 curves cannot be told apart, 10 can"):
        ef.plots.survival(found)
    with pytest.raises(ValueError, match=r"step_size must be one of \[0.1, 0.2, 0.3, 0.4\] \(got 0.5\)"):
        ef.plots.survival(found, step_size=0.5)
    with pytest.raises(ValueError, match="gradient_noise must be one of"):
        ef.plots.escape_rates(found, gradient_noise="gauss")
    with pytest.raises(ValueError, match="unit must be one of"):
        ef.plots.survival(found, step_size=0.1, unit="seconds")


def test_something_else_is_refused() -> None:
    wrong: Any = ef.descend(ef.Objective(ef.MLP([1, 1], bias=False), [[1.0]], [1.0]), [0.0], steps=1, step_size=0.1)
    for draw in (ef.plots.survival, ef.plots.escape_rates):
        with pytest.raises(TypeError, match=r"escapes must be the result of etaflow.escape_times \(got a Runs\)"):
            draw(wrong)
    with pytest.raises(TypeError, match=r"bands must be the result of etaflow.predict_bands \(got a Runs\)"):
        ef.plots.bands(wrong)
