"""The point test on points whose nature is known from closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import etaflow as ef
from etaflow.landscape import point as module
from etaflow.landscape.point import DEGENERATE, MINIMUM, NOT_STATIONARY, SADDLE
from problems import relative_error
from reference import oracle_of


def product(layers: int = 2, target: float = 1.0) -> ef.Objective:
    """f(w) = (target − w_L⋯w_1)²."""
    net = ef.MLP([1] * (layers + 1), activation="identity", bias=False)
    return ef.Objective(net, [[1.0]], [target])


def network(l2: float = 1e-3) -> ef.Objective:
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (60, 3))
    return ef.Objective(ef.MLP([3, 4, 1]), x, np.sin(x.sum(axis=1)) + 0.3 * generator.normal(size=60), l2=l2)


def test_the_saddle_of_a_product() -> None:
    """∇²(3 − vw)² at 0 is [[0, −6], [−6, 0]]: eigenvalues ±6, and f falls along (1, 1)."""
    got = ef.point_test(product(target=3.0), [0.0, 0.0])
    assert got.verdict == SADDLE
    np.testing.assert_allclose([got.eigenvalue_min, got.eigenvalue_max], [-6, 6], rtol=1e-14)
    assert got.escape_direction is not None
    np.testing.assert_allclose(np.abs(got.escape_direction), [0.5**0.5] * 2, rtol=1e-12)
    assert got.escape_direction.prod() > 0
    assert got.newton_step == got.grad_norm == 0
    assert "negative beyond rounding" in got.reason


def test_a_saddle_is_recognised_from_beside() -> None:
    assert ef.point_test(product(), [1e-8, -2e-8]).verdict == SADDLE
    assert ef.point_test(product(), [1e-3, -2e-3]).verdict == NOT_STATIONARY


def test_the_escape_direction_goes_down_where_only_one_sign_does() -> None:
    """f falls to both sides of the saddle at 0, but from a point beside it deeper to that side."""
    f = product()
    got = ef.point_test(f, [1e-7, 1e-7])
    assert got.escape_direction is not None
    assert f.value(np.full(2, 1e-7) + got.escape_direction) < f.value([1e-7, 1e-7])


def test_valley_and_third_order_saddle_are_degenerate() -> None:
    """On vw = 1 the Hessian is singular; at 0 of (1 − uvw)² it vanishes, although f falls along (1, 1, 1) in third order."""
    assert ef.point_test(product(), [2.0, 0.5]).verdict == DEGENERATE
    nothing = ef.point_test(product(layers=3), np.zeros(3))
    assert nothing.verdict == DEGENERATE
    assert nothing.eigenvalue_max == 0


def test_a_quadratic_minimum_and_its_numbers() -> None:
    """f = mean (y − wx)²: f'' = 2·mean x², and Newton's step is the distance to the minimum."""
    x, y = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 1.0, 2.0])
    f = ef.Objective(ef.MLP([1, 1], bias=False), x, y)
    best = float(x[:, 0] @ y / (x[:, 0] @ x[:, 0]))
    there = ef.point_test(f, [best])
    assert there.is_minimum
    assert there.is_stationary
    np.testing.assert_allclose([there.eigenvalue_min, there.eigenvalue_max], 2 * (x**2).mean(), rtol=1e-14)
    beside = ef.point_test(f, [best + 0.01])
    assert beside.verdict == NOT_STATIONARY
    assert beside.newton_step == pytest.approx(0.01, rel=1e-9)
    assert beside.predicted_decrease == pytest.approx(float(f.value([best + 0.01]) - f.value([best])), rel=1e-9)
    assert ef.point_test(f, [best + 0.01], tolerance=0.02).is_minimum


def test_a_polished_network_is_a_minimum() -> None:
    f = network()
    polished = ef.polish(f, f.net.init(seed=0, runs=5))
    verdicts = [ef.point_test(f, theta) for theta in polished.theta]
    assert {one.verdict for one in verdicts} == {MINIMUM}
    trained = ef.descend(f, f.net.init(seed=0), steps=100, step_size=0.05).theta[0]
    assert not ef.point_test(f, trained).is_stationary


def test_a_duplicated_unit_gives_a_saddle() -> None:
    """A minimum with one unit split into two of half the output weight is stationary (Fukumizu and Amari 2000)."""
    generator = np.random.default_rng(2)
    x = generator.uniform(-2, 2, (40, 1))
    y = np.sin(2 * x[:, 0])
    small = ef.Objective(ef.MLP([1, 1, 1]), x, y)
    (w, b), (v, c) = small.net.layers(ef.polish(small, [1.0, 0.1, 1.0, 0.0]).theta)
    assert b is not None
    assert c is not None
    large = ef.Objective(ef.MLP([1, 2, 1]), x, y)
    theta = large.net.flatten([(np.vstack([w, w]), np.repeat(b, 2)), (np.hstack([v / 3, 2 * v / 3]), c)])
    got = ef.point_test(large, theta)
    assert got.verdict == SADDLE
    expected = np.linalg.eigvalsh(oracle_of(large).hessian(theta))
    np.testing.assert_allclose([got.eigenvalue_min, got.eigenvalue_max], expected[[0, -1]], rtol=1e-9)


def test_saturated_plateaus_are_not_stationary() -> None:
    """On e^{-z} the gradient is as small as one likes, but Newton's step stays 1."""
    f = ef.Objective(ef.MLP([1, 1], output="logistic", bias=False), [[1.0], [-1.0]], [1.0, 0.0], loss="log")
    for place in (10.0, 20.0, 30.0):
        got = ef.point_test(f, [place])
        assert got.verdict == NOT_STATIONARY
        assert got.newton_step == pytest.approx(1.0, rel=0.01)
    far = ef.polish(f, [1.0])
    assert far.converged
    assert not ef.point_test(f, far.theta).is_stationary


def test_a_slope_without_curvature_is_not_stationary() -> None:
    """−log(1 − σ(θ)) is θ itself for large θ: the gradient is 1, the curvature 0."""
    f = ef.Objective(ef.MLP([1, 1], output="logistic", bias=False), [[1.0]], [0.0], loss="log")
    got = ef.point_test(f, [800.0])
    assert got.verdict == NOT_STATIONARY
    assert got.newton_step == np.inf
    assert "no stationary point is in sight" in got.reason


def test_the_ends_of_the_spectrum_by_lanczos(monkeypatch: pytest.MonkeyPatch) -> None:
    f = network()
    theta = ef.polish(f, f.net.init(seed=0)).theta
    for place in (theta, theta + 1e-3):
        dense = ef.point_test(f, place)
        with monkeypatch.context() as patch:
            patch.setattr(module, "DENSE", 0)
            lanczos = ef.point_test(f, place)
        assert lanczos.verdict == dense.verdict
        assert relative_error(lanczos.eigenvalue_min, dense.eigenvalue_min) < 1e-7
        assert relative_error(lanczos.eigenvalue_max, dense.eigenvalue_max) < 1e-10
    assert lanczos.newton_step == pytest.approx(dense.newton_step, rel=1e-5)


def test_sum_and_float32() -> None:
    f = network()
    total = ef.Objective(f.net, f.x, f.y, reduction="sum", l2=f.l2 * f.n)
    theta = ef.polish(f, f.net.init(seed=0)).theta
    got = ef.point_test(total, theta)
    assert got.is_minimum
    assert got.grad_rounding == pytest.approx(f.n * ef.point_test(f, theta).grad_rounding, rel=1e-9)
    single = ef.Objective(f.net, f.x.astype(np.float32), f.y.astype(np.float32), l2=f.l2)
    assert ef.point_test(single, ef.polish(single, theta.astype(np.float32)).theta).is_minimum


def test_repr_and_bad_input() -> None:
    f = network()
    theta = f.net.init(seed=0)
    assert repr(ef.point_test(f, theta)).startswith("PointTest(not stationary: the gradient norm")
    with pytest.raises(ValueError, match="theta must have 1 dimension"):
        ef.point_test(f, theta[None])
    with pytest.raises(ValueError, match="tolerance must be > 0"):
        ef.point_test(f, theta, tolerance=0.0)
