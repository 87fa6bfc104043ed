"""Exit times of chains, against gambler's ruin, simulation and the large-deviation exponent in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

import etaflow as ef
from etaflow.theory.chain_exit import chain_exit_time
from etaflow.theory.exit_time import mean_exit_time
from etaflow.theory.large_deviations import exit_exponent


def regression() -> tuple[ef.Objective, float]:
    """f = mean (y − wx)² and its minimum."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=8)
    y = 0.5 * x + generator.normal(size=8)
    return ef.Objective(ef.MLP([1, 1], bias=False), x[:, None], y), float(x @ y / (x @ x))


def gradients_of(f: ef.Objective) -> Any:
    return lambda places: f.sample_gradients(np.ascontiguousarray(places[:, None]))[..., 0].T


def sgd_moves(f: ef.Objective, step_size: float) -> Any:
    return lambda places: places - step_size * gradients_of(f)(places)


def diffusion_time(f: ef.Objective, step_size: float, centre: float, radius: float, log: bool = False) -> float:
    """In steps, by the double integral."""
    drift: Any = lambda p: -f.gradient(p[:, None])[:, 0]  # noqa: E731
    noise: Any = lambda p: step_size * f.gradient_covariance(p[:, None])[:, 0, 0]  # noqa: E731
    time = float(mean_exit_time(drift, noise, centre - radius, centre + radius, centre, log=log))
    return time - np.log(step_size) if log else time / step_size


@pytest.mark.parametrize("p", [0.5, 0.6, 0.85])
def test_gamblers_ruin(p: float) -> None:
    """From 0 to ±5: T = (10·P(up) − 5)/(2p − 1), P(up) = 1/(1 + (q/p)⁵); for p = ½ T = 25 (Feller 1968, section XIV.3)."""
    expected = 25.0 if p == 0.5 else (10 / (1 + ((1 - p) / p) ** 5) - 5) / (2 * p - 1)
    got = chain_exit_time(lambda x: np.stack([x - 1, x + 1]), -4.5, 4.5, 0.0, probabilities=[1 - p, p], rtol=1e-6)
    assert float(got) == pytest.approx(expected, rel=1e-9)


def test_a_simulated_chain() -> None:
    """40 000 runs of a nonlinear chain in NumPy: the mean within its interval of 99.9 % (seed 1)."""
    steps = np.array([-0.31, 0.11, 0.24])[:, None]
    moves: Any = lambda x: x - 0.2 * np.sin(2 * x) + steps * (1 + 0.3 * x)  # noqa: E731
    generator, place = np.random.default_rng(1), np.full(40_000, 0.2)
    times, inside = np.zeros(place.size), np.arange(place.size)
    while inside.size:
        times[inside] += 1
        place = moves(place)[generator.integers(3, size=place.size), np.arange(place.size)]
        stays = np.abs(place) <= 0.7
        place, inside = place[stays], inside[stays]
    expected = float(chain_exit_time(moves, -0.7, 0.7, 0.2))
    error = times.std() / np.sqrt(times.size)
    assert abs(times.mean() - expected) < norm.ppf(0.9995) * error + 1e-3 * expected


def test_sgd_approaches_its_diffusion_where_the_ball_shrinks_with_the_noise() -> None:
    """With radius 1.5·√η the ratio of mean exit times is 1 + O(√η): the overshoot of the last step."""
    f, centre = regression()
    excess = []
    step_sizes = 0.1 / 4.0 ** np.arange(1, 4)
    for eta in step_sizes:
        radius = 1.5 * np.sqrt(eta)
        got = chain_exit_time(sgd_moves(f, eta), centre - radius, centre + radius, centre)
        excess.append(float(got) / diffusion_time(f, eta, centre, radius) - 1)
    assert 0 < excess[-1] < 0.12
    rate = np.polyfit(np.log(step_sizes), np.log(excess), 1)[0]
    assert 0.4 < rate < 0.7


def test_the_exponent_of_sgd_is_not_that_of_its_diffusion() -> None:
    """At a fixed radius log T·η tends to Cramér's exponent for SGD, and to ∫ 2f'/R for the diffusion."""
    f, centre = regression()
    radius, gradients = 1.2, gradients_of(f)
    sgd = exit_exponent(gradients, centre, centre - radius, centre + radius)
    rate: Any = lambda x: float(2 * f.gradient([x])[0] / f.gradient_covariance([x])[0, 0])  # noqa: E731
    gaussian = min(quad(rate, centre, end)[0] for end in (centre - radius, centre + radius))
    measured: dict[str, list[float]] = {"sgd": [], "gaussian": []}
    step_sizes = np.array([0.04, 0.03])
    for eta in step_sizes:
        time = chain_exit_time(sgd_moves(f, eta), centre - radius, centre + radius, centre, rtol=5e-3)
        measured["sgd"].append(float(np.log(time) + np.log(eta) / 2))  # T ∝ η^{-1/2}·e^{V/η} steps
        measured["gaussian"].append(diffusion_time(f, eta, centre, radius, log=True) + np.log(eta) / 2)
    slopes = {name: -np.diff(logs)[0] / np.diff(step_sizes)[0] * step_sizes.prod() for name, logs in measured.items()}
    assert slopes["sgd"] == pytest.approx(sgd, rel=0.03)
    assert slopes["gaussian"] == pytest.approx(gaussian, rel=0.03)
    assert abs(sgd / gaussian - 1) > 0.15


def test_the_exponent_of_two_moves_in_closed_form() -> None:
    """Gradients x ± 1: e^{−px}·cosh p = 1."""
    two: Any = lambda x: np.stack([x - 1, x + 1])  # noqa: E731
    from scipy.optimize import brentq

    root: Any = lambda x: brentq(lambda p: np.log(np.cosh(p)) - p * x, 1e-6, 100) if x > 0 else 0.0  # noqa: E731
    expected = quad(root, 0, 0.6)[0]
    assert exit_exponent(two, 0.0, -0.9, 0.6) == pytest.approx(expected, rel=1e-6)
    assert exit_exponent(two, 0.0, -0.6, 0.9) == pytest.approx(expected, rel=1e-6)
    assert exit_exponent(two, 0.0, -1.5, 1.5) == np.inf  # beyond 1 both moves lead back


def test_never_out() -> None:
    assert chain_exit_time(lambda x: np.stack([x / 2, -x / 2]), -1, 1, 0.5) == np.inf


def test_several_starts_and_shapes() -> None:
    walk: Any = lambda x: np.stack([x - 1, x + 1])  # noqa: E731
    np.testing.assert_allclose(chain_exit_time(walk, -4.5, 4.5, [0.0, 4.0, -3.0]), [25, 9, 16], rtol=1e-9)
    assert chain_exit_time(walk, -4.5, 4.5, 0.0).shape == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b": -2.0}, "b must be > a"),
        ({"x0": 2.0}, r"x0 must be in \[a, b\]"),
        ({"probabilities": [0.5, 0.6]}, r"probabilities must be >= 0 and sum to 1 \(got \[0.5, 0.6\], sum 1.1\)"),
        ({"probabilities": [1.0]}, "probabilities must have one entry for each of 2 moves"),
        ({"rtol": 0.0}, "rtol must be > 0"),
    ],
)
def test_bad_input(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"moves": lambda x: np.stack([x - 1, x + 1]), "a": -1.0, "b": 1.0, "x0": 0.0}
    with pytest.raises(ValueError, match=message):
        chain_exit_time(**(arguments | change))


def test_moves_and_gradients_of_a_wrong_shape() -> None:
    with pytest.raises(TypeError, match="moves must return an array of shape"):
        chain_exit_time(lambda x: x, -1, 1, 0.0)
    with pytest.raises(TypeError, match="gradients must return an array of shape"):
        exit_exponent(lambda x: x, 0.0, -1, 1)
    with pytest.raises(ValueError, match="must point back to x_star = 0"):
        exit_exponent(lambda x: np.stack([-x, -x]), 0.0, -1, 1)
    with pytest.raises(ValueError, match="x_star must be between a and b"):
        exit_exponent(lambda x: np.stack([x, x]), 2.0, -1, 1)
