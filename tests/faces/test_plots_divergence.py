"""The plots of growth draw what the verdict and the statistic say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pytest

import etaflow as ef

if TYPE_CHECKING:
    from collections.abc import Iterator

T = np.arange(1.0, 5001.0)


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_a_path_and_the_best_law_of_every_kind() -> None:
    found = ef.divergence.growth((T, 1 + 0.5 * np.log(T)), of=0)
    ax = ef.plots.growth_law(found, name="w", ahead=20)
    labels = ax.get_legend_handles_labels()[1]
    assert labels[:2] == ["path (block means)", "a + b·log(t + s) (log): ΔBIC 0"]
    assert sorted(label.split("(")[-1].split(")")[0] for label in labels[2:]) == ["converging", "power"]
    assert (ax.get_xscale(), ax.get_ylabel(), ax.get_title(loc="left")) == ("log", "w", "verdict: log")
    path, fitted, ahead = ax.lines[0], ax.lines[1], ax.lines[2]
    np.testing.assert_array_equal(np.asarray(path.get_ydata()), found.values)
    np.testing.assert_allclose(
        np.asarray(fitted.get_ydata()), 1 + 0.5 * np.log(np.asarray(fitted.get_xdata())), rtol=1e-4
    )
    np.testing.assert_allclose(np.asarray(ahead.get_xdata())[-1], 20 * found.times[-1])


def test_what_is_too_fast_is_drawn_only_where_it_is_best() -> None:
    ax = ef.plots.growth_law(ef.divergence.growth((T, T / 5000), of=0), ahead=1)
    assert any("transient" in label for label in ax.get_legend_handles_labels()[1])
    assert all(line.get_linestyle() != "--" for line in ax.lines)


def test_the_statistic_and_its_plateau() -> None:
    _, own = plt.subplots()
    rule = ef.divergence.log_rule((T, 1 + 0.5 * np.log(T)), of=0)
    ax = ef.plots.log_rule(rule, ax=own, name="w")
    assert ax is own
    assert ax.get_legend_handles_labels()[1] == [
        "t·[w(t+1) − w(t)]",
        "plateau: 0.5",
        "95% interval",
        f"trend: t^{rule.trend:.2g}",
    ]
    dots = np.asarray(ax.lines[0].get_xdata())
    assert len(dots) <= 2000 < len(rule.times)
    assert set(dots) <= set(rule.times)


def test_angles_to_the_limiting_direction() -> None:
    net = ef.MLP([2, 1], output="logistic", bias=False)
    f = ef.Objective(net, [[1.0, 0.0], [0.0, 2.0]], [1, 1], loss="log")
    path = ef.flow(f, [0.0, 0.0], t=1e3)
    table = ef.divergence.direction(f, path)
    ax = ef.plots.direction(table)
    np.testing.assert_array_equal(np.asarray(ax.lines[0].get_ydata()), table.angle)
    np.testing.assert_array_equal(np.asarray(ax.lines[1].get_ydata()), table.growth_angle)
    given = ef.plots.direction(ef.divergence.direction(f, path, towards=[1.0, 1.0]))
    assert given.get_ylabel() == "angle to the given direction (rad)"
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_bad_input() -> None:
    found = ef.divergence.growth((T, np.log(T)), of=0)
    with pytest.raises(ValueError, match=r"ahead must be >= 1 \(got 0.5\)"):
        ef.plots.growth_law(found, ahead=0.5)
