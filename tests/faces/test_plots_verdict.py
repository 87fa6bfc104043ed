"""The plots of a verdict show its numbers."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba

import etaflow as ef


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def saddle() -> ef.Objective:
    return ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1.0]], [3.0])


def test_the_spectrum_by_sign() -> None:
    f = ef.Objective(ef.MLP([2, 2, 1], activation="identity", bias=False), [[1.0, 0.5], [0.3, 2.0]], [3.0, 1.0])
    verdict = ef.classify(f, np.zeros(6))
    axes = ef.plots.spectrum(verdict)
    drawn = np.concatenate([np.asarray(line.get_ydata()) for line in axes.lines if line.get_linestyle() == "None"])
    np.testing.assert_array_equal(np.sort(drawn), verdict.eigenvalues)
    assert axes.get_legend_handles_labels()[1] == ["2 negative", "2 zero", "2 positive"]
    assert axes.get_title() == "strict saddle"


def test_the_way_down_is_the_profile() -> None:
    verdict = ef.classify(saddle(), [0.0, 0.0])
    _, ax = plt.subplots()
    axes = ef.plots.way_down(verdict, ax=ax)
    assert axes is ax
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), verdict.distances[1:])
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), verdict.profile[1:])
    assert to_rgba(axes.lines[0].get_color()) == to_rgba("C3")


def test_the_ray_has_its_limit() -> None:
    f = ef.Objective(ef.MLP([1, 1], output="tanh"), [[-1.0], [2.0]], [-1.0, 1.5])
    axes = ef.plots.way_down(ef.classify(f, [0.1, 0.2]))
    assert axes.get_legend_handles_labels()[1][1] == "limit 0.125"


def test_a_minimum_has_no_way_down() -> None:
    f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0]], [3.0])
    with pytest.raises(ValueError, match="verdict must have a direction along which f falls"):
        ef.plots.way_down(ef.classify(f, [3.0]))
