"""The mean of SGD near a minimum: by hand in one dimension, and against an ensemble; and where f is not quadratic enough."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.diffusion import validity
from etaflow.diffusion.minimum import Minimum
from linear_regression import Regression


def scalar() -> tuple[ef.Objective, float, Any]:
    """f(θ) = mean (tanh θ − y_i)² for y = 0.05 and 0.95, its minimum, and by hand the next two derivatives of f' = 2(u − 0.5)(1 − u²), u = tanh θ."""
    f = ef.Objective(ef.MLP([1, 1], output="tanh", bias=False), [[1.0], [1.0]], [0.05, 0.95])
    u = 0.5
    slope = 1 - u**2  # du/dθ
    return f, float(np.arctanh(u)), (2 * slope**2, -12 * u * slope**2)


def test_the_shift_of_the_mean_in_closed_form() -> None:
    f, theta, (second, third) = scalar()
    noise = (2 * 0.45 * (1 - 0.5**2)) ** 2  # L_i' = 2(u − y_i)(1 − u²), y_i = u ± 0.45
    sigma = noise / (2 * second)
    law = ef.stationary_covariance(f, [theta])
    assert law.covariance[0, 0] == pytest.approx(sigma, rel=1e-12)
    shift = -third * sigma / (2 * second)
    assert law.mean_shift[0] == pytest.approx(shift, rel=1e-5)
    assert law.rms_distance(0.04) == pytest.approx(np.sqrt(0.04 * sigma + (0.04 * shift) ** 2), rel=1e-5)


def test_a_quadratic_has_no_shift() -> None:
    problem = Regression()
    f, theta = problem.objective, problem.minimum
    law = ef.stationary_covariance(f, theta)
    assert np.abs(law.mean_shift).max() < 1e-6
    assert law.rms_distance(0.01) == pytest.approx(0.1 * np.sqrt(law.trace), rel=1e-9)
    with pytest.warns(RuntimeWarning, match="step_size must be <"):
        assert ef.stationary_covariance(f, theta, step_size=5.0).rms_distance() == np.inf


def test_the_shift_of_an_ensemble() -> None:
    """40 000 runs at two step sizes, seed 6: the means over η, extrapolated to η = 0, within 4 standard errors; and the distance."""
    f, theta, (second, _) = scalar()
    law, means, errors = ef.stationary_covariance(f, [theta]), [], []
    for place, eta in enumerate((0.04, 0.02)):
        steps = int(10 / (eta * second))
        numbers = range(place * 40_000, (place + 1) * 40_000)
        runs = ef.descend(f, [theta], steps=steps, step_size=eta, batch_size=1, runs=numbers, seed=6)
        moves = runs.theta[:, 0] - theta
        means.append(moves.mean() / eta)
        errors.append(moves.std() / eta / 200)
        exact = ef.stationary_covariance(f, [theta], step_size=eta)
        assert np.sqrt((moves**2).mean()) == pytest.approx(exact.rms_distance(), rel=0.03)
    error = np.hypot(2 * errors[1], errors[0])
    assert abs(2 * means[1] - means[0] - law.mean_shift[0]) < 4 * error
    assert law.mean_shift[0] > 5 * error  # so that the test can fail


def test_far_from_quadratic() -> None:
    f, theta, _ = scalar()
    threshold = ef.stability_threshold(f, [theta])
    ef.stationary_covariance(f, [theta], step_size=0.1 * threshold)  # no warning, which would be an error
    with pytest.warns(RuntimeWarning, match=r"is 0.6 of the stability threshold .* f is not quadratic there"):
        ef.stationary_covariance(f, [theta], step_size=0.6 * threshold)


def test_how_far_newtons_step_misses() -> None:
    f, theta, (second, _) = scalar()
    minimum = ef.stationary_covariance(f, [theta]).minimum
    for move in (0.3, -1.0):
        u = np.tanh(theta + move)
        expected = abs(2 * (u - 0.5) * (1 - u**2) / second / move - 1)
        assert validity.miss(minimum, np.array([move])) == pytest.approx(expected, rel=1e-12)
    waves = ef.Objective(ef.MLP([1, 1], output="sin", bias=False), [[1.0]], [0.5])
    minimum = Minimum.of(
        waves, [np.pi / 6], 1e-9
    )  # f'' = 3/2; at a distance of 2 f' = −0.129, and Newton's step −0.086
    with pytest.warns(
        RuntimeWarning, match=r"shifts the mean by η·‖m‖ = 2, so far that .* misses theta_star by 1 times that"
    ):
        validity.warn_near_minimum(minimum, np.array([20.0]), 0.1, 10.0, stacklevel=1)


def test_kinks_have_no_third_derivative() -> None:
    f = ef.Objective(ef.MLP([1, 1], output="relu", bias=False), [[1.0], [1.0]], [1.0, 3.0])
    law = ef.stationary_covariance(f, [2.0], step_size=0.1)
    with pytest.raises(ValueError, match=r"mean_shift needs three derivatives, but .*relu.* has a kink"):
        _ = law.mean_shift


def test_a_slope_that_falls_for_ever_is_no_minimum() -> None:
    """At θ_1 = 17 the slope e^{−17}/3 = 1.4e-8 is small beside the other curvature 16.7: without a look at Newton's step it would do."""
    x = [[1.0, 0.0], [0.0, 10.0], [0.0, 10.0]]
    f = ef.Objective(ef.MLP([2, 1], output="logistic", bias=False), x, [1.0, 0.0, 1.0], loss="log")
    theta = np.array([17.0, 0.0])
    assert np.linalg.norm(f.gradient(theta)) < 1e-9 * np.linalg.norm(f.hessian(theta), 2) * 18
    with pytest.raises(ValueError, match=r"by Newton's step the nearest one is .* although the gradient is small"):
        ef.stability_threshold(f, theta)
