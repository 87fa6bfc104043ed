"""The plot of weak errors draws what the table says."""

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

import etaflow as ef

F = ef.Objective(ef.MLP([1, 1], bias=False), [[-1.0], [-0.9], [0.7]], [0.2, 0.1, 0.4])


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_exact_errors_and_their_laws() -> None:
    names = ["order 1", "order 2", "gaussian"]
    found = ef.theory.weak_error(F, [-1.7], t=0.6, step_sizes=[0.2, 0.1, 0.05], approximations=names)
    ax = ef.plots.weak_error(found, test="norm2")
    assert ax.get_legend_handles_labels()[1] == ["order 1: slope 1.03", "order 2: slope 1.97", "gaussian: none"]
    for i in range(2):
        bars: Any = ax.containers[i]
        line = bars.lines[0]
        np.testing.assert_allclose(line.get_ydata(), np.abs(found.data["error"].sel(test="norm2")[i]))
    assert ax.get_ylabel() == "|E norm2(SGD) − E norm2(approximation)|"
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_estimated_errors_have_bars() -> None:
    found = ef.theory.weak_error(F, [-1.7], t=0.6, step_sizes=[0.2, 0.1], runs=200, substeps=4)
    _, own = plt.subplots()
    ax = ef.plots.weak_error(found, ax=own)
    assert ax is own
    bars: Any = ax.containers[0]
    segments = bars.lines[2][0].get_segments()
    np.testing.assert_allclose([one[:, 1].max() for one in segments], found.data["high"][0, 0])
    assert "200 runs each" in ax.get_title()


def test_unknown_test_function() -> None:
    found = ef.theory.weak_error(F, [-1.7], t=0.6, step_sizes=[0.2, 0.1])
    with pytest.raises(ValueError, match="test must be one of 'loss', 'norm2'"):
        ef.plots.weak_error(found, test="los")
