"""Escape from a minimum in one dimension, against exact mean exit times, and what the result says of it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

import etaflow as ef
from etaflow.diffusion import escape as module
from etaflow.diffusion.destinations import rest
from etaflow.theory import chain_exit_time, exit_exponent, mean_exit_time
from two_wells import escape, gaussian_exit, negative, sgd_moves, shallow, wells

Z = float(norm.ppf(0.9995))
"""Half-width of a two-sided interval of 99.9 %, in standard errors."""


def mean_and_error(times: Any) -> tuple[float, float]:
    return float(times.mean()), float(times.std() / np.sqrt(times.size))


@pytest.mark.parametrize(("radius", "step_size", "batch"), [(0.4, 0.03, 1), (0.58, 0.05, 1), (0.58, 0.1, 2)])
def test_sgd_has_the_exact_mean_exit_time(radius: float, step_size: float, batch: int) -> None:
    """Mean of 10 000 runs within its interval of 99.9 % of the integral equation over all batches (seed 2)."""
    f, centre = wells(), float(shallow()[0])
    expected = chain_exit_time(sgd_moves(f, step_size, batch), centre - radius, centre + radius, centre, rtol=5e-4)
    options: dict[str, Any] = {"step_size": step_size, "leave": radius, "batch_size": batch}
    table = escape(**options, runs=10_000, seed=2, destinations=False)
    mean, error = mean_and_error(table.data.exit_step.values)
    assert bool(table.data.left.all())
    assert abs(mean - expected) < Z * error + 1e-3 * expected
    low, high = float(table.data.mean_steps_low.squeeze()), float(table.data.mean_steps_high.squeeze())
    assert float(table.data.mean_steps.squeeze()) == pytest.approx(mean, rel=1e-14)
    assert low < mean < high


def test_the_gaussian_twin_has_its_own_exact_mean_and_curve() -> None:
    """Mean within 99.9 %, and the curve within the band of Dvoretzky, Kiefer and Wolfowitz of 99.9 % (4 000 runs, seed 3)."""
    f, centre = wells(), float(shallow()[0])
    expected, exact = gaussian_exit(f, centre, 0.58, 0.05), gaussian_exit(f, centre, 0.58, 0.05, steps=1500)
    for noise in ("gaussian", "isotropic"):  # the same law in one dimension
        table = escape(gradient_noise=noise, runs=4_000, seed=3, destinations=False)
        mean, error = mean_and_error(table.data.exit_step.values)
        assert abs(mean - expected) < Z * error
        curve = table.survival(gradient_noise=noise)
        assert np.abs(curve.at(np.arange(1, 1500)) - exact[1:1500]).max() < np.sqrt(np.log(2 / 0.001) / 8_000)


def test_sgd_differs_from_its_twin_and_the_twins_agree() -> None:
    """The log-rank test finds the difference of the exact means, 17.4 and 16.2 steps, in 10 000 runs each (seed 4)."""
    f, centre, three = wells(), float(shallow()[0]), ["sampling", "gaussian", "isotropic"]
    sampling = float(chain_exit_time(sgd_moves(f, 0.08), centre - 0.3, centre + 0.3, centre))
    assert sampling > 1.05 * gaussian_exit(f, centre, 0.3, 0.08)
    table = escape(gradient_noise=three, step_size=0.08, leave=0.3, runs=10_000, seed=4, destinations=False)
    assert table.compare("sampling", "gaussian") < 1e-3
    assert table.compare("gaussian", "isotropic") > 1e-3


def drift_of(f: ef.Objective, places: Any) -> Any:
    return -f.gradient(places[:, None])[:, 0]


def noise_of(f: ef.Objective, step_size: float, places: Any) -> Any:
    return step_size * f.gradient_covariance(places[:, None])[:, 0, 0]


def test_the_diffusion_is_approached_where_the_ball_shrinks_with_the_noise() -> None:
    """SGD measured beside the double integral at radius 0.8·√η: the excess falls as √η does (10 000 runs, seed 5)."""
    f, centre = wells(), float(shallow()[0])
    excess = []
    for eta in (0.04, 0.0025):
        radius = 0.8 * np.sqrt(eta)
        noise = partial(noise_of, f, eta)
        diffusion = mean_exit_time(partial(drift_of, f), noise, centre - radius, centre + radius, centre)
        table = escape(step_size=eta, leave=radius, runs=10_000, seed=5, destinations=False)
        mean, error = mean_and_error(table.data.exit_step.values * eta)
        assert error < 0.02 * mean
        excess.append(mean / float(diffusion) - 1)
    assert 0 < excess[1] < 0.25
    assert 2.5 < excess[0] / excess[1] < 6  # √16 = 4


def test_the_exponents_of_sgd_and_of_its_twin() -> None:
    """f = 1 + θ² with the noise ±2: each 99.9 % interval holds its own large-deviation exponent, not the other (seed 7).

    Of Gaussian noise it is r²/2, what the stationary covariance says. That of a coin, which is bounded, is larger: the root of
    the cumulant generating function, integrated, by `exit_exponent`.
    """
    f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0], [1.0]], [-1.0, 1.0])
    etas, radius = [0.03, 0.036, 0.045, 0.06], 0.6
    options: dict[str, Any] = {"leave": radius, "steps": 10**6, "seed": 7, "level": 0.999, "destinations": False}
    coin = float(exit_exponent(lambda x: np.stack([2 * x - 2, 2 * x + 2]), 0.0, -radius, radius))
    table = ef.escape_times(f, [0.0], step_size=etas, runs=3000, **options)
    twin = ef.escape_times(f, [0.0], step_size=[0.04, 0.045, 0.06], runs=1000, gradient_noise="gaussian", **options)
    sgd, gaussian = table.exponent(), twin.exponent()
    assert gaussian.predicted.exponent == pytest.approx(radius**2 / 2, rel=1e-12)
    assert gaussian.fitted.low < radius**2 / 2 < gaussian.fitted.high < coin
    assert radius**2 / 2 < sgd.fitted.low < coin < sgd.fitted.high


def test_destinations_by_the_signs_of_the_slope() -> None:
    """In one dimension the basin is read off the saddles between which the run left: both runs and basins are counted again."""
    f, table = wells(), escape(step_size=0.08, runs=300)
    saddles = [ef.polish(negative(f), [place], max_step=0.01).theta[0] for place in (4.71, 5.81)]
    again = ef.descend(
        f,
        shallow(),
        steps=20_000,
        step_size=0.08,
        batch_size=1,
        runs=300,
        seed=1,
        reference=shallow(),
        stop=ef.stopping.leave(0.58),
    )
    side = np.searchsorted(saddles, again.theta[:, 0])  # 0: the deep one, 1: back, 2: the other shallow one
    minima = table.data.basin_theta.values[:, 0]
    for place, bounds in zip(sorted(minima), [(0.5, 2), (5, 5.6), (6, 6.6)], strict=True):
        assert place == pytest.approx(
            minimize_scalar(lambda x: f.value([x]), bounds=bounds, method="bounded").x, abs=1e-5
        )
    expected = np.array([np.argmin(np.abs(minima - place)) for place in (1.15, 5.29, 6.33)])[side]
    np.testing.assert_array_equal(table.data.destination.values.ravel(), expected)
    assert table.data.basin_verdict.values.tolist() == ["minimum"] * 3
    counts = table.destinations()
    assert counts["count"].values.tolist() == [*np.bincount(expected, minlength=3), 0]
    assert counts["count"].sel(basin=0) < 10 < counts["count"].sel(basin=1)
    assert ((counts.low <= counts.share) & (counts.share <= counts.high)).all()
    assert counts.basin.values.tolist() == [0, 1, 2, -1]
    assert counts.verdict.values.tolist() == ["minimum"] * 3 + ["not at rest"]


def test_a_small_ball_is_left_and_all_come_back() -> None:
    table = escape(leave=0.2, step_size=0.02)
    assert (table.data.destination.values == 0).all()
    assert table.destinations().share.values.tolist() == [1.0, 0.0]


def test_leaving_a_level() -> None:
    """The rule looks before steps 1, 6, 11, …: the first of θ_0, θ_5, θ_10, … with f ≥ 2, replayed from θ on record."""
    table = escape(leave=ef.stopping.above("loss", 2.0, every=5), runs=20, steps=2000)
    runs = ef.descend(
        wells(), shallow(), steps=2000, step_size=0.05, batch_size=1, runs=20, seed=1, record={"theta": 5}
    )
    values = np.array([wells().value(one) for one in runs.data.theta.values])
    above = values[:, :-1] >= 2.0
    expected = np.where(above.any(axis=1), 5 * above.argmax(axis=1), 2000)
    np.testing.assert_array_equal(table.data.exit_step.values.ravel(), expected)
    assert table.data.left.any()


@pytest.mark.slow
def test_the_exponent_over_the_saddle() -> None:
    """E is that of the diffusion over the saddle, ∫ 2f'/R, once the power of η is right: 0 (1 000 runs each, seed 6)."""
    table = escape(
        step_size=[0.025, 0.03, 0.04],
        leave=0.8,
        runs=1000,
        steps=400_000,
        seed=6,
        gradient_noise="gaussian",
        destinations=False,
    )
    got = table.exponent(power=0.0)
    f, centre = wells(), float(shallow()[0])
    places = np.linspace(4.7106, centre, 2001)[:, None]
    rate = -2 * f.gradient(places)[:, 0] / f.gradient_covariance(places)[:, 0, 0]
    saddle = float(np.trapezoid(np.maximum(rate, 0), places[:, 0]))
    assert got.fitted.low < got.fitted.value < got.fitted.high
    assert got.fitted.value == pytest.approx(saddle, rel=0.1)
    assert got.predicted.rise < 0.1
    assert "where f rises 0.074 of what a quadratic does" in repr(got)


def test_runs_that_are_driven_out_are_polished_for_less_long(monkeypatch: pytest.MonkeyPatch) -> None:
    f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0], [1.0]], [-1.0, 1.0])  # f'' = 2: stable for η < 1
    heard: list[int] = []

    def spy(objective: Any, theta: Any, *, polishing: int, **options: Any) -> Any:
        heard.append(polishing)
        return rest(objective, theta, polishing=polishing, **options)

    monkeypatch.setattr(module, "rest", spy)
    options: dict[str, Any] = {"runs": 5, "leave": 1.5, "steps": 50}
    ef.escape_times(f, [0.0], step_size=0.5, **options)
    with pytest.warns(RuntimeWarning, match="runs are driven out"):
        ef.escape_times(f, [0.0], step_size=[0.5, 1.2], **options)
    assert heard == [1000, 100]


def test_a_start_must_be_nearer_to_a_stationary_point_than_the_border() -> None:
    f = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0], [1.0]], [-1.0, 1.0])
    with pytest.raises(
        ValueError, match=r"theta_star must be nearer to a stationary point than leave = 1e-08 \(got one at .* 2e-08"
    ):
        ef.escape_times(f, [2e-8], step_size=0.1, runs=5, leave=1e-8, steps=5)
