"""Plots of linear networks: what is drawn are the numbers of the result."""

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

import etaflow as ef


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_saddle_to_saddle() -> None:
    found = ef.linear_networks.saddle_to_saddle(np.eye(3), np.diag([4.0, 2.0, 1.0]), 2)
    axes = ef.plots.saddle_to_saddle(found)
    *levels, curve, slowest = axes.lines
    heights = [float(np.asarray(line.get_ydata())[0]) for line in levels]
    np.testing.assert_allclose(heights, [21, 5, 1], rtol=1e-12)
    np.testing.assert_array_equal(curve.get_ydata(), found.data["loss"].values[1:])
    np.testing.assert_array_equal(slowest.get_ydata(), [one.loss for one in found.plateaus])
    assert [text.get_text() for text in axes.texts] == ["{}", "{1}", "{1, 2}"]
    left, right = axes.get_xlim()
    assert 0 < left < found.plateaus[1].time < right
    assert ef.plots.saddle_to_saddle(found, ax=axes) is axes


def test_success_rate() -> None:
    found = ef.linear_networks.soudry_carmon(inputs=2, hidden=2, ratios=[0.5, 1, 2], trials=6, iterations=100)
    axes = ef.plots.success_rate(found)
    bars: Any = axes.containers[0]
    np.testing.assert_array_equal(bars.lines[0].get_ydata(), found.data["success"].values)
    ends = np.array([segment[:, 1] for segment in bars.lines[2][0].get_segments()])
    np.testing.assert_allclose(ends, np.column_stack([found.data["low"].values, found.data["high"].values]), atol=1e-12)
    assert ef.plots.success_rate(found, ax=axes) is axes
