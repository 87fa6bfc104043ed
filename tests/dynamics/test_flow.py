"""The gradient flow against closed forms and SciPy's solvers on the slow oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import etaflow as ef
from problems import Case

CASES = [
    Case((2, 3, 1), n=9),
    Case((2, 4, 3, 1), n=33, activation="softplus"),
    Case((3, 4, 1), n=20, activation="gelu", output="logistic", loss="log"),
    Case((2, 3, 3), n=17, activation="sin", loss="softmax", l2=0.01),
    Case((3, 4, 2), n=64, activation="arctan", reduction="sum", bias=False),
]


def regression(condition: float = 4.0, d: int = 3) -> tuple[ef.Objective, Any, Any, Any]:
    """A linear neuron whose Hessian has the given condition: f, H, θ*, θ_0."""
    q, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(d + 2, d)))
    v, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(d, d)))
    x = q @ np.diag(np.geomspace(1, condition**-0.5, d)) @ v.T
    best = np.arange(1.0, d + 1)
    f = ef.Objective(ef.MLP([d, 1], bias=False), x, x @ best)
    return f, 2 / (d + 2) * x.T @ x, best, np.zeros(d)


@pytest.mark.parametrize("method", ["auto", "explicit", "stiff", "LSODA", "BDF", "DOP853"])
def test_linear_regression_has_a_closed_form(method: str) -> None:
    f, H, best, start = regression()
    flow = ef.flow(f, start, t=20.0, rtol=1e-9, atol=1e-12, method=method)
    times = np.linspace(0, 20, 57)
    exact = np.array([best + expm(-t * H) @ (start - best) for t in times])
    np.testing.assert_allclose(flow(times), exact, atol={"BDF": 1e-5, "LSODA": 1e-6}.get(method, 2e-7))
    np.testing.assert_allclose(flow.theta, exact[-1], atol={"BDF": 1e-6, "LSODA": 1e-7}.get(method, 1e-8))
    assert flow.status == "finished"
    assert flow.t == 20


def test_a_deep_scalar_network_has_a_closed_form() -> None:
    # h = w₂ w₁ x: with w₁ = w₂ = w the flow of (w² − 1)² is w' = −2 w (w² − 1), so w² = 1/(1 + (1/w₀² − 1) e^{−4t}).
    f = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1.0]], [1.0])
    flow = ef.flow(f, [0.1, 0.1], t=4.0, rtol=1e-11, atol=1e-13)
    times = np.linspace(0, 4, 33)
    exact = (1 + (1 / 0.01 - 1) * np.exp(-4 * times)) ** -0.5
    np.testing.assert_allclose(flow(times), np.column_stack([exact, exact]), atol=1e-9)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_against_scipy_on_the_oracle(case: Case) -> None:
    def slope(_: float, theta: Any) -> Any:
        return -case.oracle.gradient(theta)

    times = np.linspace(0, 3, 7)
    tight = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-13, "t_eval": times}
    exact = solve_ivp(slope, (0, 3), case.theta(), **tight).y.T
    for method in ("auto", "stiff"):
        flow = ef.flow(case.objective, case.theta(), t=3.0, rtol=1e-9, atol=1e-11, method=method)
        np.testing.assert_allclose(flow(times), exact, atol=2e-7)
        np.testing.assert_allclose(flow.theta, exact[-1], atol=1e-8)
        assert np.isclose(flow.statistics["grad_norm"], np.linalg.norm(slope(0, flow.theta)), rtol=1e-9)


def test_the_error_follows_the_tolerance() -> None:
    case = CASES[0]
    exact = ef.flow(case.objective, case.theta(), t=20.0, rtol=1e-13, atol=1e-14, method="DOP853")
    tolerances = (1e-4, 1e-6, 1e-8, 1e-10)
    flows = [ef.flow(case.objective, case.theta(), t=20.0, rtol=rtol, atol=rtol) for rtol in tolerances]
    times = np.linspace(0, 20, 101)
    errors = [np.abs(flow(times) - exact(times)).max() for flow in flows]
    assert all(error < 30 * rtol for error, rtol in zip(errors, tolerances, strict=True))
    # A method of order 5: a hundredth of the tolerance costs 100^(1/5) = 2.5 times the steps, of six evaluations each.
    steps = np.array([flow.statistics["steps"] for flow in flows])
    assert flows[-1].statistics["evaluations"] == 2 + 6 * (steps[-1] + flows[-1].statistics["rejected"])
    assert ((steps[2:] / steps[1:-1] > 1.8) & (steps[2:] / steps[1:-1] < 3.2)).all()
    for flow in flows:
        assert flow.mesh.shape == (flow.statistics["steps"] + 1,)
        np.testing.assert_array_equal(flow.mesh[[0, -1]], [0, 20])


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-4), ("float64", 1e-7), ("float32", 1e-3)])
def test_stability_costs_stages_not_steps(dtype: str, rtol: float) -> None:
    double, H, best, start = regression(condition=1e3, d=4)
    spectrum = np.linalg.eigvalsh(H)
    end = 4 / spectrum[0]
    f = ef.Objective(double.net, double.x.astype(dtype), double.y.astype(dtype))
    flow = ef.flow(f, start.astype(dtype), t=end, rtol=rtol, atol=rtol, method="explicit")
    times = np.linspace(0, end, 301)
    exact = np.array([best + expm(-t * H) @ (start - best) for t in times])
    assert np.abs(flow(times) - exact).max() < 10 * rtol
    # An Adams or Runge-Kutta method is held at h lambda = 3 or so, six evaluations a step.
    usual = solve_ivp(lambda _, theta: -double.gradient(theta), (0, end), start, rtol=rtol, atol=rtol)
    assert usual.nfev > 6 / 4 * end * spectrum[-1]
    assert flow.statistics["evaluations"] < usual.nfev / 4
    assert flow.statistics["rejected"] <= 3


def test_the_steps_follow_a_growing_curvature() -> None:
    # Two factors that run from 1 to 1 000: the curvature at the minimum is 2 000 times that of the beginning.
    f = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1.0]], [1000.0])
    flow = ef.flow(f, [0.03, 0.03], t=3.0, rtol=1e-7, atol=1e-9, method="explicit")
    times = np.linspace(0, 3, 3001)
    # (w^2)' = -4 w^2 (w^2 - 1000)
    exact = (1000 / (1 + (1000 / 0.03**2 - 1) * np.exp(-4000 * times))) ** 0.5
    np.testing.assert_allclose(flow(times)[:, 0], exact, atol=1e-5)
    np.testing.assert_allclose(flow.theta, np.sqrt([1000.0, 1000.0]), rtol=1e-8)
    assert flow.statistics["evaluations"] < 4000 * 3  # h lambda = 1 on average, at one evaluation a step


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_bits_do_not_depend_on_threads_or_company(dtype: str) -> None:
    case = Case((10, 10, 1), n=520, dtype=dtype)
    starts, times = case.theta(runs=5), np.linspace(0, 40, 9)
    options: dict[str, Any] = {"t": 40.0, "rtol": 1e-4, "atol": 1e-4}
    together = ef.flow(case.with_threads(2), starts, **options)
    for i, start in enumerate(starts):
        alone = ef.flow(case.with_threads(1), start, **options)
        assert (alone(times) == together(times)[i]).all()
        assert (alone.theta == together.theta[i]).all()
        assert alone.statistics["steps"] == together.statistics["steps"][i]
    assert together.theta.dtype == together(times).dtype == dtype
    assert together(1.0).shape == (5, 121)


def test_float32_is_near_float64() -> None:
    single, double = (Case((3, 4, 2), n=64, dtype=dtype) for dtype in ("float32", "float64"))
    rough = ef.flow(single.objective, single.theta(), t=5.0, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(rough.theta, ef.flow(double.objective, double.theta(), t=5.0).theta, atol=1e-4)


@pytest.mark.parametrize("method", ["explicit", "stiff"])
def test_a_flow_stops_at_a_gradient(method: str) -> None:
    f, H, best, start = regression()
    flow = ef.flow(f, start, t=np.inf, rtol=1e-10, atol=1e-12, method=method, stop_when=("grad_norm", 1e-3))
    assert flow.status == "stopped"
    norm = np.linalg.norm(H @ expm(-flow.t * H) @ (start - best))
    np.testing.assert_allclose([norm, flow.statistics["grad_norm"]], 1e-3, rtol=1e-4)
    np.testing.assert_allclose(flow(flow.t), flow.theta, atol=1e-12)
    assert flow.mesh[-1] == flow.t
    already = ef.flow(f, best, t=1.0, method=method, stop_when=("grad_norm", 1e-3))
    assert (already.status, already.t) == ("stopped", 0.0)
    np.testing.assert_array_equal(already(0.0), best)


def test_an_ill_conditioned_network_is_followed_to_its_minimum() -> None:
    f, H, best, start = regression(condition=1e8, d=4)
    spectrum = np.linalg.eigvalsh(H)
    np.testing.assert_allclose(spectrum[-1] / spectrum[0], 1e8, rtol=1e-4)
    flow = ef.flow(f, start, t=np.inf, stop_when=("grad_norm", 1e-10))
    assert flow.status == "stopped"
    assert np.linalg.norm(f.gradient(flow.theta)) <= 1e-10
    assert flow.statistics["jacobians"] > 0
    assert flow.statistics["evaluations"] < 20_000
    np.testing.assert_allclose(flow.theta, best, atol=2 * 1e-10 / spectrum[0])
    # On the way, too: both pieces, the explicit and the implicit one.
    times = np.geomspace(1e-2, flow.t / 2, 40)
    exact = np.array([best + expm(-t * H) @ (start - best) for t in times])
    np.testing.assert_allclose(flow(times), exact, atol=1e-5)


def test_a_stiff_tanh_network() -> None:
    # Two inputs that are almost the same one.
    generator = np.random.default_rng(5)
    z = generator.normal(size=(40, 1))
    x = np.hstack([z, z + 1e-4 * generator.normal(size=(40, 1))])
    f = ef.Objective(ef.MLP([2, 2, 1]), x, np.tanh(x @ [1.0, 0.5]), l2=1e-9)
    start = f.net.init(seed=3)
    flow = ef.flow(f, start, t=np.inf, stop_when=("grad_norm", 1e-10), rtol=1e-6)
    spectrum = np.linalg.eigvalsh(f.hessian(flow.theta))
    assert spectrum[-1] / abs(spectrum[0]) > 1e8
    assert np.linalg.norm(f.gradient(flow.theta)) <= 1e-10


def test_a_flow_that_runs_away_has_a_status() -> None:
    # f falls along the flow, so θ̄ cannot explode in the middle; but the slope at a start may overflow.
    f = ef.Objective(ef.MLP([1, 1, 1], activation="identity", bias=False), [[1e160]], [1e160])
    flow = ef.flow(f, [1e-80, 1e160], t=1.0)
    assert flow.status == "diverged"
    assert flow.t == 0


def test_a_limit_of_steps_and_several_starts() -> None:
    case = CASES[0]
    flow = ef.flow(case.objective, case.theta(runs=3), t=50.0, max_steps=4)
    assert (flow.status == "exhausted").all()
    assert (flow.statistics["steps"] == 4).all()
    assert repr(flow).startswith("Flow(3 starts, t = ")
    with pytest.raises(ValueError, match="mesh is that of one start"):
        _ = flow.mesh
    with pytest.raises(ValueError, match="times must be between 0 and"):
        flow(49.0)


@pytest.mark.parametrize("method", ["explicit", "stiff"])
def test_ctrl_c_keeps_what_is_done(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[0]
    if method == "stiff":
        calls = iter(range(10**6))

        def hessian(self: ef.Objective, theta: Any) -> Any:
            if next(calls) == 3:
                raise KeyboardInterrupt
            return case.oracle.hessian(theta)

        monkeypatch.setattr(ef.Objective, "hessian", hessian)
        flow = ef.flow(case.objective, case.theta(), t=500.0, method=method, rtol=1e-10)
    else:

        def interrupt(_: float) -> None:
            raise KeyboardInterrupt

        flow = ef.flow(case.objective, case.theta(), t=1e7, method=method, progress=interrupt)
    assert flow.status == "interrupted"
    assert 0 < flow.t < 1e7
    np.testing.assert_allclose(flow(flow.t), flow.theta, atol=1e-9)


def test_the_flow_is_a_reference_for_runs() -> None:
    case, steps, eta = CASES[0], 80, 0.05
    flow = ef.flow(case.objective, case.theta(), t=steps * eta)
    path = flow(np.minimum(np.arange(steps + 1) * eta, flow.t))
    options: dict[str, Any] = {"steps": steps, "step_size": eta, "batch_size": 1, "record": {"sup_distance": 10}}
    by_flow = ef.descend(case.objective, case.theta(), reference=flow, **options)
    by_array = ef.descend(case.objective, case.theta(), reference=path, **options)
    np.testing.assert_allclose(by_flow.records["sup_distance"], by_array.records["sup_distance"], rtol=1e-12)
    short = ef.flow(case.objective, case.theta(), t=1.0)
    with pytest.raises(ValueError, match=r"reference must reach the time of the last step, 4 \(it ends at 1\)"):
        ef.descend(case.objective, case.theta(), reference=short, **options)
    with pytest.raises(ValueError, match="reference must be an array if step sizes differ"):
        ef.descend(
            case.objective, case.theta(), reference=flow, runs=2, **{**options, "step_size": np.array([[0.1], [0.2]])}
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"t": -1.0}, "t must be"),
        ({"t": float("nan")}, "t must be"),
        ({"t": float("inf")}, "t must be finite and >= 0, or infinite with stop_when"),
        ({"rtol": 0.0}, "rtol must be"),
        ({"atol": -1e-3}, "atol must be"),
        ({"method": "euler"}, "method must be one of"),
        ({"stop_when": ("loss", 1.0)}, r"stop_when\[0\] must be one of"),
        ({"stop_when": ("grad_norm", -1.0)}, r"stop_when\[1\] must be"),
        ({"max_steps": 0}, "max_steps must be"),
        ({"theta0": np.zeros(3)}, "theta"),
        ({"theta0": np.full(13, np.nan)}, "theta0"),
    ],
    ids=str,
)
def test_bad_input(options: dict[str, Any], message: str) -> None:
    case = CASES[0]
    with pytest.raises(ValueError, match=message):
        ef.flow(case.objective, **{"theta0": case.theta(), "t": 1.0, **options})


def test_bad_times_and_types() -> None:
    case = CASES[0]
    flow = ef.flow(case.objective, case.theta(), t=1.0)
    for times in (-0.1, 1.1, float("nan"), [0.5, 2.0]):
        with pytest.raises(ValueError, match="times must be between 0 and 1"):
            flow(times)
    with pytest.raises(ValueError, match="one-dimensional"):
        flow(np.zeros((2, 2)))
    with pytest.raises(TypeError, match="stop_when must be"):
        ef.flow(case.objective, case.theta(), t=1.0, stop_when=1e-3)  # type: ignore[arg-type]
    single = Case((2, 3, 1), n=9, dtype="float32")
    with pytest.raises(ValueError, match="method must be 'auto' or 'explicit' for a float32 objective"):
        ef.flow(single.objective, single.theta(), t=1.0, method="stiff")


def test_fluctuations_of_runs() -> None:
    case, eta = CASES[0], 0.05
    options: dict[str, Any] = {"steps": 20, "batch_size": 1, "runs": 4, "record": {"theta": 5}}
    runs = ef.descend(case.objective, case.theta(), step_size=eta, **options)
    flow = ef.flow(case.objective, case.theta(), t=1.0, rtol=1e-11)
    away = runs.fluctuations(flow)
    np.testing.assert_allclose(away.time, [0, 0.25, 0.5, 0.75, 1.0])
    expected = (runs.records["theta"] - flow(away.time.values)) / np.sqrt(eta)
    np.testing.assert_allclose(away.values, expected, atol=1e-12)
    assert (away.isel(time=0) == 0).all()
    with pytest.raises(ValueError, match="flow must reach the time of the last step"):
        runs.fluctuations(ef.flow(case.objective, case.theta(), t=0.9))
    with pytest.raises(ValueError, match="need θ on record"):
        ef.descend(case.objective, case.theta(), step_size=eta, steps=3).fluctuations(flow)
    varying = ef.descend(case.objective, case.theta(), step_size=ef.schedules.sqrt(0.1), **options)
    with pytest.raises(ValueError, match="need one constant step size"):
        varying.fluctuations(flow)
