"""Saddles beside theorems: all critical points of a linear network (Baldi and Hornik 1989), all zeros on a line."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import brentq
from scipy.stats import spearmanr

import etaflow as ef
from etaflow.landscape.minima.stationary_result import FLAT
from reference import oracle_of

Array = npt.NDArray[Any]


def regression(m: int, seed: int) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(40, m))
    return x, x @ generator.normal(size=(m, m)) + 0.5 * generator.normal(size=(40, m))


def baldi_hornik(x: Array, y: Array, p: int) -> list[tuple[float, int]]:
    """Value and index of every critical set of mean ‖y − BAx‖² with A of shape (p, m), B of shape (m, p).

    It is chosen by a set Γ of at most p eigenvalues of Σ = Σ_yx Σ_xx⁻¹ Σ_xy: the value is tr Σ_yy − Σ_Γ λ. With |Γ| = p the index
    is #{i ∈ Γ, j ∉ Γ: λ_j > λ_i}; with r = |Γ| < p each of the p − r free units can also fall along each of the m − r
    unused directions.
    """
    n, m = x.shape
    eigenvalues = np.linalg.eigvalsh(y.T @ x @ np.linalg.inv(x.T @ x) @ x.T @ y / n)
    rows = []
    for size in range(p + 1):
        for chosen in combinations(range(m), size):
            others = [j for j in range(m) if j not in chosen]
            index = sum(eigenvalues[j] > eigenvalues[i] for i in chosen for j in others)
            rows.append((np.trace(y.T @ y) / n - eigenvalues[list(chosen)].sum(), index + (p - size) * (m - size)))
    return sorted(rows)


@pytest.mark.parametrize("method", ["newton", "gradient_norm"])
@pytest.mark.parametrize(("m", "p", "starts"), [(2, 1, 100), (3, 1, 150), (3, 2, 200)])
def test_all_critical_points_of_a_linear_network_are_found(method: str, m: int, p: int, starts: int) -> None:
    x, y = regression(m, seed=m)
    f = ef.Objective(ef.MLP([m, p, m], activation="identity", bias=False), x, y)
    found = ef.find_stationary_points(f, starts=starts, seed=1, scheme=("normal", 0.7), method=method)
    values, indices = zip(*baldi_hornik(x, y, p), strict=True)
    np.testing.assert_allclose(found.value, values, rtol=1e-9)
    assert tuple(found.index) == indices
    of_full_rank = [
        row for row, (w, _) in enumerate(map(f.net.layers, found.theta)) if np.linalg.matrix_rank(w[0], tol=1e-6) == p
    ]
    assert (found.nullity[of_full_rank] == p**2).all()
    assert found.data["count"].sum() == (found.status == "stationary").sum()


def test_minima_maxima_and_nothing_else_on_a_line() -> None:
    x, y = np.array([0.5, 1.0, 1.3, 2.1]), np.array([0.9, 0.2, -0.5, 0.7])
    f = ef.Objective(ef.MLP([1, 1], output="sin", bias=False), x[:, None], y)

    def slope(w: float) -> float:
        return float(np.mean(-2 * (y - np.sin(w * x)) * np.cos(w * x) * x))

    grid = np.linspace(-5, 5, 5001)
    signs = np.sign([slope(w) for w in grid])
    places = np.flatnonzero(signs[:-1] != signs[1:])
    roots = np.array([brentq(slope, grid[i], grid[i + 1], xtol=1e-14) for i in places])
    found = ef.find_stationary_points(f, starts=np.linspace(-5, 5, 101)[:, None])
    inside = np.abs(found.theta[:, 0]) < 5
    order = np.argsort(found.theta[inside, 0])
    np.testing.assert_allclose(found.theta[inside, 0][order], roots, atol=1e-10)
    np.testing.assert_array_equal(found.index[inside][order], signs[places] > 0)


def test_a_least_gradient_that_is_not_zero_is_told_apart() -> None:
    """At w = 1.167 the slope of mean (y − sin(wx))² has the size 0.17, and less nowhere near."""
    x, y = np.array([0.5, 1.0, 1.3, 2.1]), np.array([0.9, 0.2, -0.5, 0.7])
    f = ef.Objective(ef.MLP([1, 1], output="sin", bias=False), x[:, None], y)
    found = ef.find_stationary_points(f, starts=[[1.1]], method="gradient_norm")
    assert found.status.tolist() == [FLAT]
    end = found.found[0]
    assert end.theta[0] == pytest.approx(1.167, abs=2e-3)
    slopes = np.abs(f.gradient(end.theta + np.linspace(-0.3, 0.3, 601)[:, None])[:, 0])
    assert slopes.min() >= end.grad_norm - 1e-9
    assert len(found) == 0


def test_higher_saddles_have_more_negative_eigenvalues() -> None:
    """Dauphin et al. 2014, on a small tanh network from points along descents: rank correlation, beyond chance at 1e-3."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(25, 2))
    f = ef.Objective(ef.MLP([2, 4, 1]), x, np.sin(2 * x[:, 0]) + x[:, 1], l2=1e-3)
    steps = np.unique(np.geomspace(1, 5000, 8).astype(int))
    runs = ef.descend(f, f.net.init(0, 12), steps=5000, step_size=0.1, record={"theta": steps})
    along = runs.data["theta"].values.reshape(-1, f.num_params)
    found = ef.find_stationary_points(f, starts=along, method="gradient_norm", max_iterations=200)
    assert len(found) >= 10
    correlation = spearmanr(found.value, found.index)
    assert correlation.statistic > 0.5
    assert correlation.pvalue < 1e-3
    oracle = oracle_of(f)
    assert max(np.linalg.norm(oracle.gradient(theta)) for theta in found.theta) < 1e-9


@pytest.mark.parametrize("method", ["newton", "gradient_norm"])
def test_float32(method: str) -> None:
    x, y = regression(2, seed=2)
    net = ef.MLP([2, 1, 2], activation="identity", bias=False)
    f = ef.Objective(net, x.astype(np.float32), y.astype(np.float32))
    found = ef.find_stationary_points(f, starts=30, scheme=("normal", 0.7), method=method, tolerance=1e-4)
    values = [value for value, _ in baldi_hornik(x, y, 1)]
    assert found.theta.dtype == np.float32
    assert {min(range(3), key=lambda i: abs(values[i] - value)) for value in found.value} == {0, 1, 2}
    assert max(min(abs(value - other) for other in values) for value in found.value) < 1e-4 * values[-1]


def test_ctrl_c_keeps_what_was_found() -> None:
    x, y = regression(2, seed=2)
    f = ef.Objective(ef.MLP([2, 1, 2], activation="identity", bias=False), x, y)

    def interrupt(fraction: float) -> None:
        if fraction >= 0.4:
            raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match="interrupted after 4 of 10 starts"):
        found = ef.find_stationary_points(f, starts=10, progress=interrupt)
    assert not found.complete
    assert found.status.tolist()[4:] == ["interrupted"] * 6
    assert "6 interrupted" in repr(found)
    whole = ef.find_stationary_points(f, starts=10)
    np.testing.assert_array_equal(found.found[3].theta, whole.found[3].theta)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"starts": 0}, ValueError, r"starts must be >= 1 \(got 0\)"),
        ({"method": "flow"}, ValueError, "method must be one of 'newton', 'gradient_norm'"),
        ({"tolerance": -1.0}, ValueError, "tolerance must be > 0"),
        ({"seed": 0.5}, TypeError, "seed must be"),
    ],
)
def test_bad_input(options: dict[str, Any], error: type[Exception], message: str) -> None:
    x, y = regression(2, seed=2)
    f = ef.Objective(ef.MLP([2, 1, 2]), x, y)
    with pytest.raises(error, match=message):
        ef.find_stationary_points(f, **options)


def test_too_many_parameters_for_a_spectrum() -> None:
    x, y = regression(2, seed=2)
    f = ef.Objective(ef.MLP([2, 600, 2]), x, y)
    with pytest.raises(ValueError, match=r"objective must have at most 2500 parameters, .* \(got 3002\)"):
        ef.find_stationary_points(f)
