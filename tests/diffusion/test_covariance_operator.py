"""Σ(t) by its products alone: against SciPy on the slow oracle, a closed form in many dimensions, and what it must refuse."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import etaflow as ef
from etaflow.diffusion import memory
from etaflow.diffusion.covariance_operator import CovariancePath
from problems import Case

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CASES = [
    Case((2, 3, 1), n=9),
    Case((2, 3, 3), n=17, activation="sin", loss="softmax", l2=0.01),
    Case((3, 2, 1), n=20, activation="gelu", output="logistic", loss="log", reduction="sum"),
]
TIMES = np.array([0.25, 0.5, 1.0])


@cache
def truth(case: Case, batch: int) -> tuple[Any, Any]:
    """Σ(t) at TIMES, and Φ(t, 0): the Lyapunov equation and the linear flow with complex-step Hessians, by DOP853."""
    d = case.net.num_params
    factor = (case.n**2 if case.reduction == "sum" else 1) / batch

    def slope(_: float, state: Any) -> Any:
        theta, sigma, phi = state[:d], state[d : d + d * d].reshape(d, d), state[d + d * d :].reshape(d, d)
        hessian = case.oracle.hessian(theta)
        noise = factor * case.oracle.covariance(theta) - hessian @ sigma - sigma @ hessian
        return np.concatenate([-case.oracle.gradient(theta), noise.ravel(), -(hessian @ phi).ravel()])

    start = np.concatenate([case.theta(), np.zeros(d * d), np.eye(d).ravel()])
    found = solve_ivp(slope, (0, 1), start, method="DOP853", rtol=1e-10, atol=1e-12, t_eval=TIMES).y.T
    return found[:, d : d + d * d].reshape(3, d, d), found[:, d + d * d :].reshape(3, d, d)


@cache
def law(case: Case, rtol: float = 1e-6) -> ef.Fluctuations:
    path = ef.flow(case.objective, case.theta(), t=1.0, rtol=1e-10, atol=1e-12)
    return ef.fluctuations(case.objective, path, times=TIMES, batch_size=3, method="operator", rtol=rtol)


def matrix(found: ef.Fluctuations, t: float, s: float | None = None) -> Any:
    return found.operator(t, s) @ np.eye(found.num_params)


def distance(got: Any, exact: Any) -> float:
    return float(np.linalg.norm(got - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_products_are_those_of_the_integrated_matrix(case: Case) -> None:
    exact, _ = truth(case, 3)
    for rtol in (1e-3, 1e-6):
        found = law(case, rtol)
        assert found.statistics["error"] <= rtol
        for t, sigma in zip(TIMES, exact, strict=True):
            assert distance(matrix(found, t), sigma) < 10 * rtol  # the error is measured on two vectors, not on all


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_operator_is_exactly_symmetric_and_positive(case: Case) -> None:
    found = law(case, 0.05)  # on a coarse mesh
    for t in TIMES:
        sigma = matrix(found, t)
        scale = float(np.linalg.norm(sigma, 2))
        assert np.abs(sigma - sigma.T).max() < 1e-14 * scale
        assert np.linalg.eigvalsh((sigma + sigma.T) / 2)[0] > -1e-14 * scale
        np.testing.assert_allclose(
            found.variance(np.eye(len(sigma)), t), np.diag(sigma), rtol=1e-12, atol=1e-15 * scale
        )


def test_the_method_has_order_four() -> None:
    case, errors = CASES[0], []
    exact, _ = truth(case, 3)
    found = law(case)
    for steps in (8, 16, 32):
        mesh = np.linspace(0, 1, steps + 1)
        path = CovariancePath(case.objective, found.flow, found.noise_factor, mesh)
        errors.append(distance(path.multiply(1.0, np.eye(13)), exact[-1]))
    orders = -np.diff(np.log2(errors))
    assert ((orders > 3.7) & (orders < 4.5)).all()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_modes_and_trace_at_small_dimension(case: Case) -> None:
    exact, _ = truth(case, 3)
    found = law(case)
    np.testing.assert_allclose(found.trace, np.trace(exact, axis1=1, axis2=2), rtol=1e-5)
    for t, sigma in zip(TIMES, exact, strict=True):
        values, vectors = np.linalg.eigh(sigma)
        modes = found.modes(3, t)
        np.testing.assert_allclose(modes.variance, values[::-1][:3], atol=1e-5 * values[-1])
        assert modes.direction.shape == (3, case.net.num_params)
        assert abs(modes.direction[0] @ vectors[:, -1]) == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(modes.direction @ modes.direction.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_two_times(case: Case) -> None:
    """Cov(θ̃(t), θ̃(s)) = Φ(t, s)Σ(s), Φ(t, s) = Φ(t, 0)Φ(s, 0)⁻¹, and its transpose for the times swapped."""
    sigma, phi = truth(case, 3)
    found = law(case)
    exact = phi[2] @ np.linalg.solve(phi[0], sigma[0])
    late, early = float(TIMES[2]), float(TIMES[0])
    assert distance(matrix(found, late, early), exact) < 1e-5
    assert distance(matrix(found, early, late), exact.T) < 1e-5
    cross, generator = found.operator(late, early), np.random.default_rng(2)
    u, v = generator.normal(size=(2, case.net.num_params))
    assert v @ cross.matvec(u) == pytest.approx(u @ cross.rmatvec(v), rel=1e-10)
    assert distance(cross.H @ np.eye(len(u)), exact.T) < 1e-5


@cache
def regression() -> tuple[ef.Fluctuations, Any]:
    """Linear regression with d = 120 and decaying inputs: θ̄ is known in closed form, Σ(t) an integral of polynomials and exponentials."""
    generator, d, n = np.random.default_rng(4), 120, 200
    x = generator.normal(size=(n, d)) * np.arange(1, d + 1) ** -0.7
    y, start = generator.normal(size=n), generator.normal(size=d)
    f = ef.Objective(ef.MLP([d, 1], bias=False), x, y)
    values, vectors = np.linalg.eigh(2 / n * x.T @ x)
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    nodes, weights = np.polynomial.legendre.leggauss(60)
    sigma = np.zeros((d, d))
    for s, weight in zip(1 + nodes, weights, strict=True):  # t = 2
        theta = best + vectors @ (np.exp(-values * s) * (vectors.T @ (start - best)))
        g = (2 * (x @ theta - y)[:, None] * x) @ vectors * np.exp(-values * (2 - s))
        sigma += weight * np.cov(g.T, bias=True)
    flow = ef.flow(f, start, t=2.0, rtol=1e-10, atol=1e-12)
    return ef.fluctuations(f, flow, times=[2.0], method="operator"), vectors @ sigma @ vectors.T


def test_modes_in_many_dimensions() -> None:
    found, sigma = regression()
    values, vectors = np.linalg.eigh(sigma)
    modes = found.modes(6)
    np.testing.assert_allclose(modes.variance, values[::-1][:6], rtol=1e-4)
    cosines = np.linalg.svd(modes.direction @ vectors[:, ::-1][:, :6], compute_uv=False)
    assert cosines.min() > 1 - 1e-6  # the same subspace
    assert (
        np.linalg.norm(sigma @ modes.direction.T - modes.direction.T * modes.variance, axis=0).max() < 2e-4 * values[-1]
    )
    assert (modes.residual <= 1e-4 * values[-1]).all()


def test_the_stated_error_of_the_trace_covers_the_truth() -> None:
    found, sigma = regression()
    error = float(found.trace_error[0])
    assert 0 < error < 0.02 * np.trace(sigma)
    assert abs(found.trace[0] - np.trace(sigma)) < 3 * error
    assert float(found.data.trace_error[0]) == error
    directions = np.random.default_rng(5).normal(size=(4, len(sigma)))
    np.testing.assert_allclose(
        found.variance(directions), np.einsum("ka,ab,kb->k", directions, sigma, directions), rtol=1e-4
    )
    assert found.variance(directions[0]).shape == ()


def test_many_vectors_go_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    found = law(CASES[0])
    whole = matrix(found, 1.0)
    monkeypatch.setattr("etaflow.diffusion.covariance_operator.BLOCK_BYTES", 1)
    np.testing.assert_allclose(matrix(found, 1.0), whole, rtol=0, atol=1e-14 * float(np.linalg.norm(whole)))


def test_nothing_fluctuates_at_the_start() -> None:
    case = CASES[0]
    flow = law(case).flow
    for times in ([0.0], [0.0, 0.5]):
        found = ef.fluctuations(case.objective, flow, times=times, method="operator")
        assert found.trace[0] == 0
        assert not matrix(found, 0.0).any()
        assert not found.modes(2, 0.0).variance.any()


def test_progress_ends_at_one() -> None:
    case = CASES[0]
    parts: list[float] = []
    ef.fluctuations(case.objective, law(case).flow, times=[0.5], method="operator", progress=parts.append)
    assert parts[-1] == 1
    assert (np.diff(parts) >= 0).all()


def test_a_tolerance_that_is_not_reached_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[0]
    monkeypatch.setattr("etaflow.diffusion.covariance_operator.HALVINGS", 1)
    with pytest.warns(RuntimeWarning, match=r"relative error of about .* not 1e-11, with \d+ steps"):
        ef.fluctuations(case.objective, law(case).flow, times=[1.0], method="operator", rtol=1e-11)


def test_without_matrices_what_needs_one_says_how_large_it_would_be() -> None:
    found = law(CASES[0])
    size = 8 * 13**2 * (3 + memory.WORKSPACE) / 1e9
    message = rf"13 parameters .*method=\"dense\" would take {size:.3g} GB; use operator\(\), modes\(\)"
    asks: list[Callable[[], Any]] = [
        lambda: found.covariance,
        lambda: found.std,
        lambda: found.correlation,
        lambda: found.covariance_at(1.0),
        lambda: found.two_time(1.0, 0.5),
        lambda: found.propagator(1.0, 0.5),
        lambda: found.sample(3),
        lambda: found.predicted_std(0.1),
    ]
    for ask in asks:
        with pytest.raises(ValueError, match=message):
            ask()


def large(d: int) -> tuple[ef.Objective, ef.Flow]:
    x = np.random.default_rng(6).normal(size=(3, d)) / np.sqrt(d)
    f = ef.Objective(ef.MLP([d, 1], bias=False), x, [1.0, 0.0, -1.0])
    return f, ef.flow(f, np.zeros(d), t=0.5)


def test_matrices_that_do_not_fit_are_refused_with_their_size() -> None:
    """8 bytes × d² × (2 + 60) matrices for d = 100 000 is 5 TB."""
    f, flow = large(100_000)
    message = r'method must be "operator" for 100000 parameters at 2 times .*"dense" takes 4\.96e\+03 GB \(of .* GB\)'
    with pytest.raises(ValueError, match=message):
        ef.fluctuations(f, flow, times=[0.2, 0.5], method="dense")


def test_auto_takes_matrices_where_they_are_small_and_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[0]
    flow = law(case).flow
    assert ef.fluctuations(case.objective, flow, times=[0.5]).matrices is not None
    needed = memory.dense_bytes(13, 1)
    for total, dense in ((needed - 1, False), (needed, True), (None, True)):
        monkeypatch.setattr(memory, "total_bytes", lambda total=total: total)
        assert (ef.fluctuations(case.objective, flow, times=[0.5]).matrices is not None) == dense


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="the machine cannot be asked for its memory")
def test_a_container_has_less_memory_than_its_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "LIMITS", (limit, tmp_path / "none"))
    machine = memory.total_bytes()
    assert machine is not None
    assert machine > 2**28
    for text, expected in (("max\n", machine), ("1048576\n", 2**20), (f"{2**63 - 4096}\n", machine)):
        limit.write_text(text, encoding="ascii")
        assert memory.total_bytes() == expected


def test_beyond_the_limit_auto_takes_the_operator() -> None:
    """With three observations Σ has rank three, so three modes are all of the trace."""
    f, flow = large(memory.DENSE_LIMIT + 1)
    found = ef.fluctuations(f, flow, times=[0.5], rtol=1e-3)
    assert "2501 parameters at t = 0.5" in repr(found)
    assert found.matrices is None
    assert found.modes(3).variance.sum() == pytest.approx(found.trace[0], rel=1e-9)
    assert found.trace_error[0] < 1e-9 * found.trace[0]


@pytest.mark.parametrize("method", ["dense", "operator"])
@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0.5, 0.5], "times must increase"),
        ([0.5, 0.2], "times must increase"),
        ([-0.1, 0.5], "times must"),
        ([0.5, 1.5], "times must"),
        ([0.5, np.nan], "times must be finite"),
        ([], "times must"),
        ([[0.5]], "times must"),
    ],
)
def test_bad_times(method: str, times: Any, message: str) -> None:
    case = CASES[0]
    with pytest.raises(ValueError, match=message):
        ef.fluctuations(case.objective, law(case).flow, times=times, method=method)


def test_single_precision_and_bad_arguments() -> None:
    single = Case((2, 3, 1), n=9, dtype="float32")
    flow = law(CASES[0]).flow
    for method in ("dense", "operator"):
        with pytest.raises(ValueError, match="float64"):
            ef.fluctuations(single.objective, flow, times=[0.5], method=method)
    f = CASES[0].objective
    with pytest.raises(ValueError, match=r"method must be .*got 'lanczos'"):
        ef.fluctuations(f, flow, times=[0.5], method="lanczos")
    with pytest.raises(ValueError, match=r"rtol must be <= 0\.1"):
        ef.fluctuations(f, flow, times=[0.5], rtol=0.5)
    found = law(CASES[0])
    with pytest.raises(ValueError, match="time must be one of the times"):
        found.modes(2, 0.3)
    with pytest.raises(ValueError, match="k must be"):
        found.modes(14)
    with pytest.raises(ValueError, match="directions must have 13 numbers"):
        found.variance(np.zeros(3))
