"""Points of rest told apart: hidden units in another order are the same, valleys are one place, other minima are not."""

from __future__ import annotations

import numpy as np

import etaflow as ef
from etaflow.diffusion.destinations import UNRESOLVED, rest, tell_apart
from two_wells import shallow, wells


def test_permuted_and_reflected_copies_are_one_basin() -> None:
    generator = np.random.default_rng(0)
    x = generator.uniform(-2, 2, (60, 1))
    f = ef.Objective(ef.MLP([1, 2, 1]), x, np.sin(2 * x[:, 0]) + 0.1 * generator.normal(size=60), l2=1e-3)
    first = ef.polish(f, f.net.init(seed=0)).theta
    (w, b), (v, c) = f.net.layers(first)
    assert b is not None
    assert c is not None
    copy = f.net.flatten([(-w[::-1], -b[::-1]), (-v[:, ::-1], c)])
    other = np.zeros(7)  # a saddle: only the output's bias, at its best value
    other[-1] = f.y.mean() / (1 + f.l2)
    basins, numbers = tell_apart(f, first, np.stack([copy, other, np.full(7, np.nan), first, other]))
    assert numbers.tolist() == [0, 1, UNRESOLVED, 0, 1]
    np.testing.assert_array_equal(basins.theta, [first, other])
    np.testing.assert_array_equal(basins.value, f.value(basins.theta))
    assert basins.tests[0].is_minimum


def test_a_valley_is_one_place() -> None:
    """vw = 1 everywhere on the hyperbola: other points, the same function. (−1, −1) is so too."""
    f = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1.0], [1.0]], [0.5, 1.5])
    _, numbers = tell_apart(f, np.array([1.0, 1.0]), np.array([[2.0, 0.5], [-1.0, -1.0], [0.0, 0.0]]))
    assert numbers.tolist() == [0, 0, 1]


def test_equal_values_at_different_minima_are_two_places() -> None:
    """(sin θ − ½)² is 0 at π/6 and at 5π/6, two isolated minima with the same predictions."""
    f = ef.Objective(ef.MLP([1, 1], output="sin", bias=False), [[1.0]], [0.5])
    ends = rest(f, np.array([[0.1], [1.5], [1.65], [2.9], [0.6]]), threads=None).theta
    np.testing.assert_allclose(ends[:, 0], np.pi / 6 * np.array([1, 1, 5, 5, 1]), rtol=1e-12)
    _, numbers = tell_apart(f, np.array([np.pi / 6]), ends)
    assert numbers.tolist() == [0, 0, 1, 1, 0]


def test_rest_follows_the_flow_to_its_own_basin() -> None:
    """From close to both sides of the saddle at 4.7107."""
    f = wells()
    ends = rest(f, np.array([[4.709], [4.713], [5.8], [5.82]]), threads=None).theta
    assert ends[0, 0] == ef.polish(f, [1.15]).theta[0] or abs(ends[0, 0] - 1.1558) < 1e-3
    np.testing.assert_allclose(ends[1:3, 0], shallow()[0], rtol=1e-10)
    assert 6.2 < ends[3, 0] < 6.4


def test_no_rest_at_infinity() -> None:
    """−log σ(θ) falls for ever, and its gradient is small far out."""
    f = ef.Objective(ef.MLP([1, 1], output="logistic", bias=False), [[1.0], [1.0]], [1.0, 1.0], loss="log")
    ends = rest(f, np.array([[0.0], [1.0]]), threads=None)
    _, numbers = tell_apart(f, np.array([30.0]), ends.theta)
    assert numbers.tolist() == [UNRESOLVED, UNRESOLVED]
    assert ends.complete


def test_polishing_is_bounded_on_a_slope_that_falls_for_ever() -> None:
    """log(1 + e^{−θ}) has no point of rest: θ grows by at most max_step in each of the steps of polishing, and counts as not at rest."""
    f = ef.Objective(ef.MLP([1, 1], output="logistic", bias=False), [[1.0]], [1.0], loss="log")
    assert np.isnan(rest(f, np.array([[-3.0]]), threads=None, polishing=3).theta).all()
    assert rest(f, np.array([[-3.0]]), threads=None).theta[0, 0] > 27  # where the gradient is below 1e-12


def test_rows_that_cannot_rest_do_not_disturb_the_others() -> None:
    places = np.array([[1e300], [5.0], [np.inf], [np.nan]])
    ends = rest(wells(), places, threads=None)
    np.testing.assert_allclose(ends.theta[1], shallow(), rtol=1e-10)
    assert np.isnan(ends.theta[[0, 2, 3]]).all()
    for none in (np.empty((0, 1)), places[2:]):
        assert np.isnan(rest(wells(), none, threads=None).theta).all()


def test_progress_and_ctrl_c() -> None:
    heard: list[float] = []
    starts = np.linspace(4.0, 6.0, 40)[:, None]
    rest(wells(), starts, threads=None, report=heard.append)
    assert heard[-1] == 1.0
    assert (np.diff(heard) >= 0).all()

    def interrupt(part: float) -> None:
        if part > 0.7:
            raise KeyboardInterrupt

    ends = rest(wells(), starts, threads=None, report=interrupt)
    assert not ends.complete
    assert 10 <= np.isfinite(ends.theta).sum() <= 20  # polishing is the second half
