"""The double integral of the mean exit time, against closed forms, mpmath and a boundary-value problem."""

from __future__ import annotations

from functools import partial
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_bvp

from etaflow.theory.exit_time import mean_exit_time


def double_well(x: Any) -> Any:
    """−V' of V = x⁴/4 − x²/2 + x/5."""
    return x - x**3 - 0.2


def test_brownian_motion() -> None:
    starts = np.linspace(-2, 3, 11)
    got = mean_exit_time(np.zeros_like, lambda x: np.full_like(x, 0.7), -2, 3, starts)
    np.testing.assert_allclose(got, (starts + 2) * (3 - starts) / 0.7, rtol=1e-13)


@pytest.mark.parametrize("speed", [0.3, -4.0, 500.0])
def test_brownian_motion_with_drift(speed: float) -> None:
    """T = (P(b)·(b − x) − P(a)·(x − a))/μ by Wald's identity, with the exit probabilities of the exponential martingale."""
    starts = np.array([-0.9, 0.0, 0.4])
    up = np.expm1(-2 * speed * (starts + 1)) / np.expm1(-2 * speed * 2) if speed > 0 else None
    if up is None:
        up = 1 - np.expm1(2 * speed * (1 - starts)) / np.expm1(2 * speed * 2)
    expected = (up * (1 - starts) - (1 - up) * (starts + 1)) / speed
    got = mean_exit_time(lambda x: np.full_like(x, speed), np.ones_like, -1, 1, starts)
    np.testing.assert_allclose(got, expected, rtol=1e-11)


@pytest.mark.parametrize("noise", [1.0, 0.1, 0.01, 2e-4])
def test_ornstein_uhlenbeck_up_to_an_exponent_of_5000(noise: float) -> None:
    """From the centre T = (2/D) ∫_0^1 e^{y²/D} ∫_0^y e^{−z²/D} dz dy, with 20 digits."""
    with mpmath.workdps(20):
        d = mpmath.mpf(noise)
        inner: Any = lambda y: mpmath.sqrt(mpmath.pi * d) / 2 * mpmath.erf(y / mpmath.sqrt(d))  # noqa: E731
        pieces = [0, *(1 - mpmath.mpf(2) ** -k for k in range(1, 12)), 1]
        expected = float(mpmath.log(2 / d * mpmath.quad(lambda y: mpmath.exp(y * y / d) * inner(y), pieces)))
    got = mean_exit_time(lambda x: -x, lambda x: np.full_like(x, noise), -1, 1, 0.0, log=True)
    assert float(got) == pytest.approx(expected, rel=1e-13, abs=1e-13)


def test_noise_that_depends_on_the_place_by_mpmath() -> None:
    """Drift −2x·diffusion makes the scale density e^{2x²}, whatever the diffusion: the double integral by mpmath."""
    noise: Any = lambda x: 1 + mpmath.sin(5 * x) / 2  # noqa: E731
    root = mpmath.sqrt(2)
    primitive: Any = lambda x: mpmath.sqrt(mpmath.pi) / (2 * root) * mpmath.erfi(root * x)  # noqa: E731
    scale: Any = lambda y, z: primitive(z) - primitive(y)  # noqa: E731
    a, b, x0 = mpmath.mpf(-2), mpmath.mpf("1.5"), mpmath.mpf("-0.7")
    with mpmath.workdps(25):
        speed: Any = lambda y: mpmath.exp(-2 * y * y) / noise(y)  # noqa: E731
        above = mpmath.quad(lambda y: scale(y, b) * speed(y), mpmath.linspace(x0, b, 5))
        below = mpmath.quad(lambda y: scale(a, y) * speed(y), mpmath.linspace(a, x0, 5))
        expected = float(2 * (scale(a, x0) * above + scale(x0, b) * below) / scale(a, b))
    varying: Any = lambda x: 1 + np.sin(5 * x) / 2  # noqa: E731
    got = mean_exit_time(lambda x: -2 * x * varying(x), varying, -2, 1.5, -0.7)
    assert float(got) == pytest.approx(expected, rel=1e-12)


def test_the_boundary_value_problem() -> None:
    """½·D·T'' + μ·T' = −1 solved by collocation, with state-dependent noise and a barrier inside."""
    noise: Any = lambda x: 0.9 * (1.2 + np.cos(2 * x))  # noqa: E731
    mesh = np.linspace(-1.6, 1.2, 2001)
    solution = solve_bvp(
        lambda x, y: np.vstack([y[1], -2 * (1 + double_well(x) * y[1]) / noise(x)]),
        lambda left, right: np.array([left[0], right[0]]),
        mesh,
        np.ones((2, mesh.size)),
        tol=1e-9,
        max_nodes=100_000,
    )
    assert solution.success
    starts = np.linspace(-1.6, 1.2, 9)
    np.testing.assert_allclose(
        mean_exit_time(double_well, noise, -1.6, 1.2, starts), solution.sol(starts)[0], rtol=1e-7, atol=1e-9
    )


def test_reflection_of_the_axis_and_units() -> None:
    """x → −x changes nothing; time measured in other units divides both coefficients."""
    noise: Any = lambda x: 0.1 * (1 + x**2)  # noqa: E731
    one = mean_exit_time(double_well, noise, -1.5, 0.5, [-1.0, 0.2])
    other = mean_exit_time(lambda x: -double_well(-x), noise, -0.5, 1.5, [1.0, -0.2])
    np.testing.assert_allclose(one, other, rtol=1e-11)
    slower = mean_exit_time(lambda x: 1e-3 * double_well(x), lambda x: 1e-3 * noise(x), -1.5, 0.5, [-1.0, 0.2])
    np.testing.assert_allclose(slower, 1e3 * one, rtol=1e-11)


def test_kramers_formula() -> None:
    """Over a barrier far above the noise T → 2π/√(V''(x*)·|V''(x_s)|)·e^{2ΔV/D} (Kramers 1940), with an error of order D."""
    potential: Any = lambda x: x**4 / 4 - x**2 / 2  # noqa: E731
    errors = []
    for noise in (0.02, 0.01, 0.005):
        log_time = mean_exit_time(lambda x: x - x**3, partial(np.full_like, fill_value=noise), -2.5, 1, -1.0, log=True)
        log_kramers = np.log(2 * np.pi / np.sqrt(2)) + 2 * (potential(0) - potential(-1)) / noise
        errors.append(float(log_time - log_kramers))
    assert abs(errors[-1]) < 0.01
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2, rtol=0.1)


def test_shapes_and_ends() -> None:
    arguments = (lambda x: -x, np.ones_like, -1.0, 1.0)
    assert mean_exit_time(*arguments, 0.3).shape == ()
    assert mean_exit_time(*arguments, np.array([0.3])).shape == (1,)
    assert mean_exit_time(*arguments, [-1.0, 1.0]).tolist() == [0.0, 0.0]
    unordered = mean_exit_time(*arguments, [0.5, -0.2, 0.5])
    np.testing.assert_allclose(unordered, [mean_exit_time(*arguments, x) for x in (0.5, -0.2, 0.5)], rtol=1e-14)
    assert mean_exit_time(lambda x: -x, lambda x: np.full_like(x, 1e-4), -1, 1, 0.0) == np.inf


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b": -2.0}, r"b must be > a \(got a = -1, b = -2\)"),
        ({"x0": 1.5}, r"x0 must be in \[a, b\] = \[-1, 1\] \(got 1.5\)"),
        ({"diffusion": lambda x: x}, "diffusion must be > 0 between a and b"),
        ({"drift": lambda x: np.full_like(x, np.nan)}, "drift must be finite between a and b"),
        ({"drift": lambda x: 1e7 * np.sin(1e7 * x)}, "varies too wildly near"),
    ],
)
def test_bad_input(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"drift": np.zeros_like, "diffusion": np.ones_like, "a": -1.0, "b": 1.0, "x0": 0.0}
    with pytest.raises(ValueError, match=message):
        mean_exit_time(**(arguments | change))


def test_a_coefficient_that_is_not_vectorised() -> None:
    with pytest.raises(TypeError, match="drift must return one real number for each of"):
        mean_exit_time(lambda _: 1.0, np.ones_like, -1, 1, 0.0)
