"""The proved constant of Theorem 3.2: every inequality of its derivation on examples where all sequences are enumerated."""

from __future__ import annotations

import itertools
import math
from typing import Any

import mpmath
import numpy as np
import pytest

from etaflow.theory.constants.bound import Bound
from etaflow.theory.small_steps.gronwall import Constants, check_constants

X, Y = np.array([0.9, -0.4]), np.array([0.5, 0.8])
K = float((2 * np.abs(X) * np.maximum(np.abs(X), np.abs(Y))).max())
L = float(2 * (X**2).mean())
"""ŷ = θx with the square loss: g_i = 2x_i(x_iθ − y_i), so |g_i| ≤ 2|x_i|·max(|x_i|, |y_i|)·(1 + |θ|); h' = −2·mean x²."""

STARTS = (0.0, 2.0, -3.0)
STEPS = ((0.5, 1), (0.3, 4), (0.1, 10), (0.02, 14))


def gradients_at(theta: Any) -> Any:
    """∇L_i, with the observations on a new first axis."""
    return np.array([2 * x * (x * theta - y) for x, y in zip(X, Y, strict=True)])


def every_path(theta0: float, eta: float, steps: int) -> tuple[Any, Any]:
    """All 2^steps equally likely paths, (2^steps, steps + 1), and their sums of noise Σ_{j≤k} m_j."""
    drawn = np.array(list(itertools.product((0, 1), repeat=steps)))
    theta, sums = np.full((len(drawn), steps + 1), theta0), np.zeros((len(drawn), steps + 1))
    for k in range(steps):
        every = gradients_at(theta[:, k])
        taken = np.where(drawn[:, k] == 0, *every)
        theta[:, k + 1] = theta[:, k] - eta * taken
        sums[:, k + 1] = sums[:, k] + taken - every.mean(axis=0)
    return theta, sums


def flow_at(theta0: float, times: Any) -> Any:
    minimum = (X * Y).mean() / (X**2).mean()
    return minimum + (theta0 - minimum) * np.exp(-L * times)


@pytest.mark.parametrize("theta0", STARTS)
@pytest.mark.parametrize(("eta", "steps"), STEPS)
def test_every_inequality_of_the_derivation(theta0: float, eta: float, steps: int) -> None:
    paths, sums = every_path(theta0, eta, steps)
    t = eta * steps
    known = check_constants({"K": K, "L": L}, start=abs(theta0), t=t)
    errors = np.abs(paths - flow_at(theta0, eta * np.arange(steps + 1))).max(axis=1)
    assert np.abs(paths).max() <= known.radius
    assert np.abs(gradients_at(paths)).max() <= known.gradient
    noise = eta * np.abs(sums).max(axis=1)
    # Gronwall, for every path; Doob, for the mean.
    assert (errors <= np.exp(L * t) * (t * L * known.gradient * eta / 2 + noise)).all()
    largest_variance = float(gradients_at(paths).var(axis=0).max())
    assert largest_variance <= known.noise
    assert (noise**2).mean() <= 4 * eta * t * largest_variance


@pytest.mark.parametrize("theta0", STARTS)
@pytest.mark.parametrize(("eta", "steps"), STEPS)
def test_the_constant_bounds_the_exact_expectation_of_the_polygon(theta0: float, eta: float, steps: int) -> None:
    paths, _ = every_path(theta0, eta, steps)
    t, parts = eta * steps, 16
    fine = np.linspace(0, t, parts * steps + 1)
    polygon = np.array([np.interp(fine, eta * np.arange(steps + 1), path) for path in paths])
    exact = (np.abs(polygon - flow_at(theta0, fine)).max(axis=1) ** 2).mean()
    known = check_constants({"K": K, "L": L}, start=abs(theta0), t=t)
    assert exact <= eta * 10 ** known.log10_bound(t, eta)
    # A caller who knows the region and the noise better gets a smaller one, still a bound.
    region = {"M": np.abs(gradients_at(paths)).max(), "L": L, "sigma2": gradients_at(paths).var(axis=0).max()}
    sharper = check_constants({name: float(value) for name, value in region.items()}, start=abs(theta0), t=t)
    assert exact <= eta * 10 ** sharper.log10_bound(t, eta) < eta * 10 ** known.log10_bound(t, eta)


def test_the_formula_in_many_digits() -> None:
    one = Constants(radius=1.0, gradient=3.0, lipschitz=200.0, noise=0.7)
    with mpmath.workdps(50):
        eta, t, m, lip, noise = (mpmath.mpf(number) for number in (0.01, 4.0, 3.0, 200.0, 0.7))
        at_steps = 2 * mpmath.sqrt(noise * t) + t * lip * m * mpmath.sqrt(eta) / 2
        root = mpmath.exp(lip * t) * at_steps + eta ** mpmath.mpf("1.5") * lip * m / 8
        expected = float(2 * mpmath.log10(root))
    assert one.log10_bound(4.0, 0.01) == pytest.approx(expected, rel=1e-14)


def test_the_largest_step_size_and_the_last_time_serve_all_others() -> None:
    one = Constants(radius=1.0, gradient=3.0, lipschitz=2.0, noise=0.7)
    table = one.log10_bound(np.array([0.5, 1.0, 4.0])[:, None], [0.001, 0.01, 0.1])
    assert table.shape == (3, 3)
    assert (np.diff(table, axis=0) > 0).all()
    assert (np.diff(table, axis=1) > 0).all()


def test_beyond_all_numbers() -> None:
    assert 1e5 < Constants(1.0, 1.0, 1e5, 1.0).log10_bound(4.0, 0.1) < 1e6
    huge = check_constants({"K": 1000.0, "L": lambda G: G**2}, start=1.0, t=4.0)
    assert [huge.radius, huge.lipschitz, float(huge.log10_bound(4.0, 0.1))] == [math.inf] * 3
    still = check_constants({"M": 0.0, "L": 0.0}, start=1.0, t=4.0)
    assert still.log10_bound(4.0, 0.1) == -math.inf


def test_bounds_of_the_lemma_are_taken_at_their_proved_end() -> None:
    here = np.zeros(1)
    field = Bound("L", 1.0, 2.0, "proved", "h", here)
    pair = {
        "K": Bound("K", 1.0, 3.0, "proved", "K", here),
        "L": Bound("L", 1.0, 5.0, "proved", "L", here, mean_field=field),
    }
    assert check_constants(pair, start=0.0, t=0.0) == Constants(0.0, 3.0, 2.0, 9.0)
    none = Bound("K", 1.0, math.inf, "fails", "it grows like a square", here)
    with pytest.raises(ValueError, match="must be a proved constant, but there is none: it grows like a square"):
        check_constants(pair | {"K": none}, start=0.0, t=1.0)


@pytest.mark.parametrize(
    ("constants", "error", "message"),
    [
        (3.0, TypeError, "constants must map names to numbers"),
        ({"K": 1.0}, ValueError, r"constants must hold L and one of K and M \(got K\)"),
        ({"L": 1.0}, ValueError, "constants must hold L and one of K and M"),
        ({"K": 1.0, "M": 1.0, "L": 1.0}, ValueError, "one of K and M"),
        ({"K": 1.0, "L": 1.0, "B": 1.0}, ValueError, "a name of constants must be one of 'K', 'L', 'M', 'sigma2'"),
        ({"K": -1.0, "L": 1.0}, ValueError, r"constants\['K'\] must be >= 0"),
        ({"K": 1.0, "L": "1"}, TypeError, r"constants\['L'\] must be a real number"),
        ({"M": 1.0, "L": lambda G: G}, ValueError, "must be a number where M is given"),
        ({"M": 1.0, "L": 1.0, "sigma2": math.nan}, ValueError, r"constants\['sigma2'\] must be finite"),
    ],
)
def test_bad_input(constants: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_constants(constants, start=1.0, t=1.0)
