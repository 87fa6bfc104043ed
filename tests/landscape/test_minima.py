"""The census of minima beside closed forms: one weight, whose basins are intervals; linear networks; kinks; infinity."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import brentq

import etaflow as ef
from etaflow.landscape.minima import ends as kinds

Array = npt.NDArray[Any]
LIMIT = 12.0


def one_weight() -> ef.Objective:
    """f(w) = mean (y − sin(wx))²: many minima, on a line."""
    x = np.array([0.5, 1.0, 1.3, 2.1])
    y = np.array([0.9, 0.2, -0.5, 0.7])
    return ef.Objective(ef.MLP([1, 1], output="sin", bias=False), x[:, None], y)


def stationary_points(f: ef.Objective, limit: float) -> tuple[Array, Array]:
    """All minima and maxima in [−limit, limit], by NumPy's own derivative and Brent's method."""
    x, y = np.asarray(f.x)[:, 0], np.asarray(f.y).ravel()

    def slope(w: float) -> float:
        return float(np.mean(-2 * (y - np.sin(w * x)) * np.cos(w * x) * x))

    grid = np.linspace(-limit, limit, 20_001)
    signs = np.sign([slope(w) for w in grid])
    places = np.flatnonzero(signs[:-1] != signs[1:])
    roots = np.array([brentq(slope, grid[i], grid[i + 1], xtol=1e-14) for i in places])
    return roots[signs[places] < 0], roots[signs[places] > 0]


def circles(hidden: tuple[int, ...], activation: str = "leaky_relu") -> ef.Objective:
    x, y = ef.datasets.circles(seed=0)
    net = ef.MLP([2, *hidden, 1], activation=activation, output="logistic")
    return ef.Objective(net, x, y, loss="log")


@pytest.mark.parametrize("method", ["flow", "gradient_descent"])
def test_every_start_on_a_line_finds_the_minimum_of_its_interval(method: str) -> None:
    f = one_weight()
    minima, maxima = stationary_points(f, 2 * LIMIT)
    found = ef.find_minima(f, starts=200, seed=3, scheme=("uniform", LIMIT), method=method)
    assert found.kinds == {"minimum": 200}
    expected = minima[np.searchsorted(maxima, found.starts[:, 0]) - (minima[0] > maxima[0])]
    np.testing.assert_allclose(found.theta[found.label][:, 0], expected, atol=1e-10)
    # Each minimum once, the lowest first, and every count by the intervals.
    np.testing.assert_allclose(np.sort(found.theta[:, 0]), np.unique(expected), atol=1e-10)
    assert (np.diff(found.value) > 0).all()
    for theta, count in zip(found.theta[:, 0], found.counts, strict=True):
        assert count == (np.abs(expected - theta) < 1e-8).sum()


def test_shares_of_basins_are_their_lengths_and_the_unseen_are_estimated() -> None:
    """24 Clopper–Pearson intervals at 99.9 % each: all hold with a probability of at least 97 %; the seed is fixed."""
    f = one_weight()
    minima, maxima = stationary_points(f, 2 * LIMIT)
    found = ef.find_minima(f, starts=400, seed=0, scheme=("uniform", LIMIT), method="flow", level=0.999)
    borders = np.clip(maxima, -LIMIT, LIMIT)
    for row in range(len(found)):
        theta = found.theta[row, 0]
        right = np.searchsorted(maxima, theta)
        length = (borders[right] - borders[right - 1]) / (2 * LIMIT)
        low, high = (float(found.data[name][row]) for name in ("share_low", "share_high"))
        assert low <= length <= high, (theta, length, low, high)
    reachable = np.diff(borders) > 0
    few = ef.find_minima(f, starts=12, seed=0, scheme=("uniform", LIMIT), method="flow")
    assert len(few) < reachable.sum()
    assert few.unseen.total_low <= reachable.sum() <= few.unseen.total_high
    assert len(minima) >= reachable.sum()


def test_symmetric_copies_are_one_minimum() -> None:
    x, y = ef.datasets.xor()
    f = ef.Objective(ef.MLP([2, 2, 1]), x, y, l2=1e-3)
    first = ef.find_minima(f, starts=3, seed=1)
    w1, b1, w2, b2 = np.split(first.theta[0], [4, 6, 8])
    order = [1, 0]
    swapped = np.concatenate([w1.reshape(2, 2)[order].ravel(), b1[order], w2[order], b2])
    flipped = np.concatenate([w1 * [-1, -1, 1, 1], b1 * [-1, 1], w2 * [-1, 1], b2])
    assert f.value(flipped) == pytest.approx(float(f.value(first.theta[0])), rel=1e-14)
    found = ef.find_minima(f, starts=np.array([first.theta[0], swapped, flipped]))
    assert (len(found), found.counts.tolist()) == (1, [3])


def test_a_linear_network_has_one_minimum_and_its_value_is_that_of_baldi_and_hornik() -> None:
    """mean ‖y − W₂W₁x‖² at the minimum is tr Σ_yy less the p largest eigenvalues of Σ_yx Σ_xx⁻¹ Σ_xy."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(30, 3))
    y = x @ generator.normal(size=(3, 3)) + 0.5 * generator.normal(size=(30, 3))
    f = ef.Objective(ef.MLP([3, 2, 3], activation="identity", bias=False), x, y)
    sigma = y.T @ x @ np.linalg.inv(x.T @ x) @ x.T @ y / 30
    expected = np.trace(y.T @ y) / 30 - np.linalg.eigvalsh(sigma)[-2:].sum()
    found = ef.find_minima(f, starts=12, seed=0)
    assert found.kinds == {"minimum": 12}
    np.testing.assert_allclose(found.value, [expected], rtol=1e-12)


def test_minima_at_kinks_are_local_minima_by_sampling_around_them() -> None:
    f = circles((1,))
    trained = ef.descend(
        f,
        f.net.init(0, 20, ("uniform", 100.0)),
        steps=60_000,
        step_size=1.0,
        stop=ef.stopping.halve_on_plateau(after=40_000, patience=50, cooldown=0, min_delta=0),
    )
    found = ef.find_minima(f, starts=trained.theta, steps=10)
    assert found.kinds[kinds.KINK] >= 10
    generator = np.random.default_rng(1)
    for run in np.flatnonzero(found.kind == kinds.KINK):
        end = found.ends[run]
        assert end.grad_norm < 1e-12
        assert np.linalg.norm(f.gradient(end.theta)) > 1e-5
        z = f.x @ end.theta[:2] + end.theta[2]
        assert (np.abs(z) < 1e-9 * np.abs(f.x @ end.theta[:2]).max()).sum() == end.kinks > 0
        for size in (1e-4, 1e-5):
            steps = size * generator.normal(size=(2000, f.num_params))
            assert (f.value(end.theta + steps) >= end.value - 1e-15).all()


def test_separated_data_have_their_minimum_at_infinity() -> None:
    x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    net = ef.MLP([1, 2, 1], output="logistic")
    f = ef.Objective(net, x, [0.0, 0.0, 1.0, 1.0], loss="log")
    found = ef.find_minima(f, starts=6, seed=0)
    assert found.kinds == {kinds.INFINITY: 6}
    assert (len(found), found.unseen.draws) == (0, 0)
    theta = found.ends[0].theta
    scaled = [f.value(np.concatenate([theta[:4], c * theta[4:]])) for c in (1, 2, 4, 8)]
    assert (np.diff(scaled) < 0).all()
    assert "0 from 6 starts; 6 on its way to infinity" in repr(found)
    softmax = ef.Objective(ef.MLP([1, 2]), x, [0, 0, 1, 1], loss="softmax")
    assert ef.find_minima(softmax, starts=2, steps=100).kinds == {kinds.INFINITY: 2}
    mixed = ef.Objective(net, x, [0.0, 1.0, 0.0, 1.0], loss="log", l2=1e-3)
    assert kinds.INFINITY not in ef.find_minima(mixed, starts=4).kinds


def test_weights_that_grow_for_ever_without_separation() -> None:
    """(y − tanh(w))² with y = 1 has its infimum at w = ∞: Sontag and Sussmann 1988, section 2."""
    f = ef.Objective(ef.MLP([1, 1], output="tanh", bias=False), [[1.0]], [1.0])
    found = ef.find_minima(f, starts=3, seed=0)
    assert found.kinds.keys().isdisjoint(kinds.MINIMA)


def test_exact_fits_are_one_minimum_however_many_parameters_are_free() -> None:
    x, y = ef.datasets.xor()
    found = ef.find_minima(ef.Objective(ef.MLP([2, 3, 1]), x, y), starts=20, seed=1)
    assert found.value[0] < 1e-20
    fitted = [run for run, end in enumerate(found.ends) if end.value < 1e-15]
    assert len(fitted) > 10
    assert (found.label[fitted] == 0).all()


def test_float32_minima_are_told_apart_by_fewer_digits() -> None:
    double = ef.find_minima(xor(np.float64), starts=20, seed=1)
    single = ef.find_minima(xor(np.float32), starts=20, seed=1, tolerance=1e-5)
    assert single.theta.dtype == np.float32
    np.testing.assert_allclose(single.value, double.value, rtol=1e-4)


def xor(dtype: npt.DTypeLike) -> ef.Objective:
    x, y = ef.datasets.xor(dtype=dtype)
    return ef.Objective(ef.MLP([2, 2, 1]), x, y, l2=1e-3)


def test_a_run_that_diverges_is_listed_as_such() -> None:
    f = one_weight()
    linear = ef.Objective(ef.MLP([1, 1], bias=False), f.x, f.y)
    found = ef.find_minima(linear, starts=np.array([[1.0], [2.0]]), step_size=[1e9, 0.1])
    assert found.kind.tolist() == ["diverged", "minimum"]
    assert found.label.tolist() == [-1, 0]
    assert found.data["share"].item() == 0.5


def test_ctrl_c_keeps_what_is_polished() -> None:
    f = one_weight()

    def interrupt(fraction: float) -> None:
        if fraction > 0.74:
            raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match="interrupted after 5 of 10 runs were polished"):
        found = ef.find_minima(f, starts=10, seed=3, progress=interrupt)
    assert not found.complete
    assert found.kinds == {"minimum": 5, "interrupted": 5}
    whole = ef.find_minima(f, starts=10, seed=3)
    np.testing.assert_array_equal([end.value for end in found.ends[:5]], [end.value for end in whole.ends[:5]])
    again = ef.find_minima(f, starts=found.trained)
    np.testing.assert_allclose(np.sort(again.theta, axis=0), np.sort(whole.theta, axis=0), atol=1e-9)


def test_the_table_and_its_text() -> None:
    found = ef.find_minima(one_weight(), starts=10, seed=3)
    assert dict(found.data.sizes) == {"minimum": len(found), "parameter": 1}
    assert found.data["count"].sum() == 10
    lines = str(found).splitlines()
    assert len(lines) == len(found) + 3
    assert lines[-1].startswith("coverage ")
    seen: list[float] = []
    ef.find_minima(one_weight(), starts=4, steps=100, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"starts": 0}, ValueError, r"starts must be >= 1 \(got 0\)"),
        ({"starts": [[1.0, 2.0]]}, ValueError, "theta must hold 1 parameters"),
        ({"seed": -1}, ValueError, r"seed must be >= 0 \(got -1\)"),
        ({"method": "newton"}, ValueError, "method must be one of 'gradient_descent', 'flow'"),
        ({"method": "flow", "steps": 3}, TypeError, "steps is not an option of the method 'flow'"),
        ({"t": 3.0}, TypeError, "t is not an option of the method 'gradient_descent'"),
        ({"level": 1.0}, ValueError, "level must be between 0 and 1"),
        ({"tolerance": 0.0}, ValueError, "tolerance must be > 0"),
        ({"stop": 3}, TypeError, "stop must be a rule"),
        ({"progress": 3}, TypeError, "progress must be True, False or a function"),
    ],
)
def test_bad_input(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ef.find_minima(one_weight(), **options)
