"""Polishing: to the stationary point that a closed form or an independent gradient names, downhill, to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.landscape import polish as module
from reference import oracle_of


def network(n: int = 60, l2: float = 1e-3) -> ef.Objective:
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (n, 3))
    y = np.sin(x.sum(axis=1)) + 0.3 * generator.normal(size=n)
    return ef.Objective(ef.MLP([3, 4, 1]), x, y, l2=l2)


def regression(columns: int = 4) -> tuple[ef.Objective, Any, Any]:
    generator = np.random.default_rng(1)
    x = generator.normal(size=(20, columns)) * np.geomspace(1, 1e3, columns)
    y = generator.normal(size=20)
    return ef.Objective(ef.MLP([columns, 1], bias=False), x, y), x, y


def test_least_squares_with_condition_number_1e6() -> None:
    f, x, y = regression()
    got = ef.polish(f, np.zeros(4), tolerance=1e-9)
    np.testing.assert_allclose(got.theta, np.linalg.lstsq(x, y)[0], rtol=1e-10)
    assert got.converged
    assert got.message == module.CONVERGED


def test_a_network_reaches_1e_12_by_an_independent_gradient() -> None:
    f = network()
    starts = f.net.init(seed=0, runs=8)
    got = ef.polish(f, starts)
    assert got.converged.all()
    oracle = oracle_of(f)
    for theta, start in zip(got.theta, starts, strict=True):
        assert np.linalg.norm(oracle.gradient(theta)) < 2e-12
        assert f.value(theta) < f.value(start)


def test_minima_in_a_valley_are_reached_too() -> None:
    """y = w₂w₁x has the minima w₁w₂ = 1: the Hessian is singular, and a Newton step must be the least-norm one."""
    f = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1.0], [2.0]], [1.0, 2.0])
    got = ef.polish(f, [[0.3, 2.0], [-1.0, -0.2], [5.0, 5.0]])
    np.testing.assert_allclose(got.theta.prod(axis=1), 1.0, rtol=1e-12)
    assert (got.grad_norm <= 1e-12).all()


def test_a_saddle_is_left_downhill() -> None:
    f = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1.0]], [1.0])
    got = ef.polish(f, [1e-7, 1e-7])
    assert float(got.value) < 1e-20
    assert f.value([1e-7, 1e-7]) > 0.99


def test_values_that_are_rounded_do_not_hold_up_the_last_steps() -> None:
    """Where f changes by 1e-19 its values differ by rounding, by up to 6 ε·f: the gradients still tell up from down."""
    generator = np.random.default_rng(0)
    x = np.linspace(-2, 2, 12)[:, None]
    f = ef.Objective(ef.MLP([1, 2, 1]), x, np.sin(2.5 * x[:, 0]) + 0.3 * generator.normal(size=12), l2=2e-3)
    minimum = ef.polish(f, [2.6, -0.6, 0.2, 0.0, 2.7, 4.5, 0.0]).theta
    near = minimum + 2e-9 * generator.normal(size=(3000, 7))
    lowest = near[np.argsort(f.value(near))[:20]]  # where rounding makes f lower than at the minimum
    assert f.value(lowest[0]) < f.value(minimum)
    got = ef.polish(f, lowest)
    assert got.converged.all()
    np.testing.assert_allclose(got.theta, np.tile(minimum, (20, 1)), atol=1e-12)


def test_nothing_to_do() -> None:
    f = network()
    there = ef.polish(f, f.net.init(seed=0)).theta
    again = ef.polish(f, there)
    np.testing.assert_array_equal(again.theta, there)
    assert again.iterations == 0


def test_without_forming_the_hessian(monkeypatch: pytest.MonkeyPatch) -> None:
    f = network(l2=0.01)
    start = ef.descend(f, f.net.init(seed=3), steps=2000, step_size=0.1).theta[0]
    dense = ef.polish(f, start)
    monkeypatch.setattr(module, "DENSE", 0)
    matrix_free = ef.polish(f, start)
    assert matrix_free.converged
    np.testing.assert_allclose(matrix_free.theta, dense.theta, rtol=1e-9, atol=1e-10)


def test_a_small_radius_stays_in_the_basin() -> None:
    """f = (sin θ − 0.5)² has a minimum at π/6 and one at 5π/6: small steps from 1.5 end in the nearer one."""
    f = ef.Objective(ef.MLP([1, 1], output="sin", bias=False), [[1.0]], [0.5])
    got = ef.polish(f, [[1.5], [1.65]], max_step=0.05)
    np.testing.assert_allclose(got.theta[:, 0], [np.pi / 6, 5 * np.pi / 6], rtol=1e-12)


def test_one_point_and_several_agree() -> None:
    f = network()
    starts = f.net.init(seed=0, runs=3)
    several = ef.polish(f, starts)
    one = ef.polish(f, starts[1])
    np.testing.assert_array_equal(one.theta, several.theta[1])
    assert one.theta.shape == (f.num_params,)
    assert one.value.shape == one.converged.shape == ()
    assert several.value.shape == several.message.shape == (3,)
    assert repr(several).startswith("Polished(3 points: 3 converged")


def test_float32_stops_at_its_rounding() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(30, 2)).astype(np.float32)
    f = ef.Objective(ef.MLP([2, 3, 1]), x, np.sin(x[:, 0]), l2=0.01)
    got = ef.polish(f, f.net.init(seed=0, dtype=np.float32))
    assert got.theta.dtype == np.float32
    assert not got.converged
    assert got.message == module.ROUNDING
    assert got.grad_norm < 1e-6


def test_used_up() -> None:
    f = network()
    start = f.net.init(seed=0)
    with pytest.warns(RuntimeWarning, match=r"not converged: the point has moved by .* \(max_iterations are used up\)"):
        got = ef.polish(f, start, max_iterations=3)
    assert (int(got.iterations), str(got.message)) == (3, module.USED_UP)
    assert got.moved == np.linalg.norm(got.theta - start) > 0


def test_a_slope_that_falls_for_ever_is_told() -> None:
    """L = log(1 + e^{−θ}), on data of one class, has its infimum at infinity: at 9.5 the gradient is 7.5e-5."""
    f = ef.Objective(ef.MLP([1, 1], output="logistic", bias=False), [[1.0]], [1.0], loss="log")
    with pytest.warns(
        RuntimeWarning, match=r"2 of 3 points, of which number 0 has moved by 9\.5 to a gradient norm of 7\.5e-05"
    ):
        got = ef.polish(f, [[0.0], [1.0], [30.0]], max_iterations=12)
    assert got.converged.tolist() == [False, False, True]
    np.testing.assert_allclose(got.grad_norm, 1 / (1 + np.exp(got.theta[:, 0])), rtol=1e-12)


def test_what_it_returns_is_a_point() -> None:
    f = network()
    found = ef.polish(f, f.net.init(seed=0))
    np.testing.assert_array_equal(np.asarray(found), found.theta)
    assert np.array(found, copy=True) is not found.theta
    assert np.asarray(found, np.float32).dtype == np.float32
    assert f.value(found) == found.value
    assert ef.point_test(f, found).is_minimum
    assert ef.stability_threshold(f, found) == ef.stability_threshold(f, found.theta)


def test_progress_and_interruption() -> None:
    f, starts = network(), network().net.init(seed=0, runs=4)
    heard: list[float] = []
    ef.polish(f, starts, progress=heard.append)
    assert heard == [0.25, 0.5, 0.75, 1.0]

    def interrupt(fraction: float) -> None:
        if fraction == 0.5:
            raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match="interrupted after 2 of 4 points"):
        got = ef.polish(f, starts, progress=interrupt)
    assert got.converged.tolist() == [True, True, False, False]
    np.testing.assert_array_equal(got.theta[2:], starts[2:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tolerance": 0.0}, "tolerance must be > 0"),
        ({"max_iterations": 0}, "max_iterations must be >= 1"),
        ({"max_step": -1.0}, "max_step must be > 0"),
        ({"theta": np.zeros(3)}, "theta must"),
        ({"theta": np.full(21, np.nan)}, "theta must be finite"),
    ],
)
def test_bad_input(arguments: dict[str, Any], message: str) -> None:
    f = network()
    with pytest.raises(ValueError, match=message):
        ef.polish(f, **({"theta": f.net.init(seed=0)} | arguments))
