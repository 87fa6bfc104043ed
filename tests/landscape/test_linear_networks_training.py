"""Flows from saddle to saddle against Baldi and Hornik's values, and the sweep over data sizes against `Objective` and its own theorem."""

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import beta

import etaflow as ef
from etaflow.landscape.linear_networks.perturbed import PerturbedNets
from etaflow.landscape.linear_networks.sweep import _draw, _judge, _train

linear = ef.linear_networks


def draw(seed: int = 0, inputs: int = 4) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(30, inputs))
    left, _ = np.linalg.qr(x)
    rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    return x, left[:, :3] * np.array([8.0, 4.0, 2.0]) @ rotation + 0.1 * generator.normal(size=(30, 3))


@pytest.mark.parametrize("hidden", [2, 3, (3, 3), (4, 2), (3, 3, 3)])
@pytest.mark.parametrize("seed", [0, 1])
def test_flow_visits_the_best_projections_in_order(hidden: Any, seed: int) -> None:
    x, y = draw()
    found = linear.saddle_to_saddle(x, y, hidden, seed=seed)
    assert found.arrived
    assert found.in_order
    levels = [np.sum(y**2)]
    sigma = np.linalg.eigvalsh(y.T @ x @ np.linalg.inv(x.T @ x) @ x.T @ y)[::-1]
    for value in sigma[: min(np.min(hidden), 3)]:
        levels.append(levels[-1] - value)
    assert len(found.plateaus) == len(levels)
    for plateau, level in zip(found.plateaus, levels, strict=True):
        assert plateau.level == pytest.approx(level, rel=1e-11)
        assert plateau.loss == pytest.approx(level, abs=3e-3 * levels[0])
        assert plateau.distance < 0.02
    assert found.largest_error < 3e-3
    times = [plateau.time for plateau in found.plateaus]
    assert times == sorted(times)


def test_smaller_starts_come_nearer_to_the_saddles() -> None:
    x, y = draw()
    errors = [
        linear.saddle_to_saddle(x, y, 3, scale=scale, seed=1).plateaus[1].distance for scale in (1e-4, 1e-8, 1e-12)
    ]
    assert errors[0] > 5 * errors[1] > 25 * errors[2]


def test_strengths_follow_the_closed_form() -> None:
    """With XXᵀ = nI, a diagonal YXᵀ and W_1 = W_2 = s·I each strength is a logistic curve (Saxe et al. 2014)."""
    values, scale = np.array([3.0, 2.0, 0.5]), 1e-3
    x = np.sqrt(3) * np.eye(3)
    y = x * values  # L* = diag(values), mean loss (1/3)·Σ 3(values − b)²
    found = linear.saddle_to_saddle(x, y, 3)
    f = linear.linear_objective(x, y, 3, reduction="mean")
    theta0 = np.concatenate([scale * np.eye(3).ravel()] * 2)
    path = ef.flow(f, theta0, t=12.0, rtol=1e-10, atol=1e-14)
    times = np.linspace(0, 12, 7)
    for i, s in enumerate(values):  # w' = 2w(s − w²), so b = w² fulfils b' = 4b(s − b)
        b = s / (1 + (s / scale**2 - 1) * np.exp(-4 * s * times))
        maps = path(times).reshape(-1, 2, 3, 3)
        np.testing.assert_allclose((maps[:, 1] @ maps[:, 0])[:, i, i], b, rtol=1e-6)
    assert found.in_order
    np.testing.assert_allclose(found.data["strength"].values[-1], 1, atol=2e-3)


def test_data_are_the_flow() -> None:
    x, y = draw(2)
    found = linear.saddle_to_saddle(x, y, 2, scale=0.01, t=6.0)
    f = linear.linear_objective(x, y, 2, reduction="mean")
    assert found.flow.t == 6.0
    oracle = solve_ivp(lambda _, theta: -f.gradient(theta), (0, 6.0), found.flow.theta0, rtol=1e-9, atol=1e-12)
    assert float(found.data["loss"].values[-1]) == pytest.approx(30 * float(f.value(oracle.y[:, -1])), rel=1e-6)
    np.testing.assert_allclose(found.data["speed"].values[-1], np.linalg.norm(f.gradient(found.flow.theta)), rtol=1e-9)
    start = 0.01 * np.random.default_rng(0).standard_normal(14)
    np.testing.assert_array_equal(found.flow.theta0, start)
    early = linear.saddle_to_saddle(x, y, 2, t=0.1)
    assert not early.arrived
    assert "not at the minimum yet" in repr(early)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"scale": 0.0}, ValueError, "scale must be > 0"),
        ({"t": -1.0}, ValueError, "t must be > 0"),
        ({"seed": -1}, ValueError, "seed must be >= 0"),
        ({"seed": 0.5}, TypeError, "seed must be an integer"),
    ],
)
def test_bad_flows(options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        linear.saddle_to_saddle(*draw(), 2, **options)
    with pytest.raises(ValueError, match="that XXᵀ be invertible"):
        linear.saddle_to_saddle(np.ones((4, 2)), np.eye(4)[:, :2], 2)


def nets(trials: int, n: int, *, perturbed: bool, seed: int = 0) -> tuple[PerturbedNets, Any]:
    return _draw(np.random.default_rng(seed), (trials, n, 3, 2), perturbed, 0.1, 0.5)


@pytest.mark.parametrize("trial", [0, 1])
def test_unperturbed_nets_are_the_objective(trial: int) -> None:
    many, theta = nets(2, 7, perturbed=False)
    net = ef.MLP([3, 2, 1], activation=("leaky_relu", 0.1), bias=False)
    f = ef.Objective(net, many.x[trial], many.y[trial])
    residuals, jacobian = many.residuals(theta)
    assert many.values(theta)[trial] == pytest.approx(float(f.value(theta[trial])), rel=1e-12)
    np.testing.assert_allclose(2 / 7 * residuals[trial] @ jacobian[trial], f.gradient(theta[trial]), rtol=1e-11)


def test_perturbed_nets_are_the_printed_formula() -> None:
    many, theta = nets(3, 5, perturbed=True)
    first, last = theta[:, :6].reshape(3, 2, 3), theta[:, 6:]
    for t in range(3):
        for i in range(5):
            z = first[t] @ many.x[t, i]
            a = many.gain[t, i] * np.where(z >= 0, 1.0, 0.1)
            assert many.residuals(theta)[0][t, i] == pytest.approx(last[t] @ np.diag(a) @ z - many.y[t, i], rel=1e-12)
            v = (last[t][:, None] * first[t]).ravel()
            assert many.features(theta)[t, i] @ v == pytest.approx(last[t] @ (a * z), rel=1e-12)
    step = 1e-6 * np.random.default_rng(1).normal(size=theta.shape)
    jacobian = many.residuals(theta)[1]
    change = (many.residuals(theta + step)[0] - many.residuals(theta - step)[0]) / 2
    np.testing.assert_allclose(change, (jacobian @ step[..., None])[..., 0], rtol=1e-6, atol=1e-12)


def test_training_never_rises_and_zero_is_zero() -> None:
    many, theta = nets(20, 3, perturbed=True)
    ends = _train(many, theta, 300)
    assert (many.values(ends) <= many.values(theta)).all()
    assert _judge(many, ends)["zero"] == (many.values(ends) < 1e-12).sum() > 15


def test_poor_minima_are_minima() -> None:
    """The certificate against chance: no point of 2000 nearby is lower; and their features have not rank n, as the proof says."""
    many, theta = nets(40, 5, perturbed=False, seed=3)
    ends = _train(many, theta, 2000)
    single = [many.some(np.arange(40) == t) for t in range(40)]
    poor = [t for t in range(40) if _judge(single[t], ends[[t]])["poor"]]
    assert poor
    generator = np.random.default_rng(0)
    for t in poor:
        net = ef.MLP([3, 2, 1], activation=("leaky_relu", 0.1), bias=False)
        f = ef.Objective(net, many.x[t], many.y[t])
        assert float(f.value(ends[t])) > 1e-6
        assert np.linalg.norm(f.gradient(ends[t])) < 1e-6
        nearest = np.abs(single[t].preactivations(ends[[t]])).min()
        near = ends[t] + 0.02 * nearest * generator.normal(size=(2000, 8))
        assert (f.value(near) > float(f.value(ends[t])) - 1e-12).all()
        assert np.linalg.matrix_rank(single[t].features(ends[[t]])[0]) < 5


def test_sweep_is_the_theorem() -> None:
    """No poor differentiable minimum with n <= d_0·d_1 = 6: a certainty of the theorem, so the test has no failure probability."""
    found = linear.soudry_carmon(inputs=3, hidden=2, ratios=[1 / 3, 2 / 3, 1, 2], trials=30, iterations=800, seed=5)
    table = found.data
    assert list(table["n"].values) == [2, 4, 6, 12]
    np.testing.assert_allclose(table["ratio"].values, np.array([2, 4, 6, 12]) / 6)
    assert found.contradictions == 0
    total = sum(table[kind].values for kind in ("zero", "poor", "kink", "unfinished"))
    assert (total == 30).all()
    assert int(table["zero"].values[0]) >= 25
    assert int(table["zero"].values[-1]) == 0
    for count, low, high in zip(table["zero"].values, table["low"].values, table["high"].values, strict=True):
        assert low == pytest.approx(beta.ppf(0.025, count, 31 - count) if count else 0, abs=1e-9)
        assert high == pytest.approx(beta.ppf(0.975, count + 1, 30 - count) if count < 30 else 1, abs=1e-9)


def test_a_size_gives_the_same_numbers_alone() -> None:
    options: dict[str, Any] = {"inputs": 2, "hidden": 2, "trials": 8, "iterations": 200, "seed": 1}
    both = linear.soudry_carmon(ratios=[0.5, 1.0], **options)
    alone = linear.soudry_carmon(ratios=[1.0], **options)
    for name in ("zero", "poor", "kink", "unfinished"):
        assert int(both.data[name].values[1]) == int(alone.data[name].values[0])


def test_progress_is_told() -> None:
    told: list[float] = []
    linear.soudry_carmon(inputs=2, hidden=1, ratios=[0.5, 1], trials=2, iterations=10, progress=told.append)
    assert told[-1] == 1.0


def test_ctrl_c_keeps_the_sizes_that_are_done() -> None:
    def interrupt(fraction: float) -> None:
        if fraction > 0.5:
            raise KeyboardInterrupt

    options: dict[str, Any] = {"inputs": 2, "hidden": 1, "trials": 3, "iterations": 10, "ratios": [0.5, 1, 2]}
    with pytest.warns(RuntimeWarning, match="interrupted after 2 of 3 sizes"):
        part = linear.soudry_carmon(**options, progress=interrupt)
    whole = linear.soudry_carmon(**options)
    assert part.data.equals(whole.data.isel(ratio=slice(0, 2)))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"ratios": []}, ValueError, "ratios must hold at least one number"),
        ({"ratios": [0.5, -1]}, ValueError, "all above 0"),
        ({"inputs": 0}, ValueError, "inputs must be >= 1"),
        ({"hidden": 1.5}, TypeError, "hidden must be an integer"),
        ({"trials": 0}, ValueError, "trials must be >= 1"),
        ({"noise": -1.0}, ValueError, "noise must be >= 0"),
        ({"level": 1.0}, ValueError, "level must be between 0 and 1"),
    ],
)
def test_bad_sweeps(options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        linear.soudry_carmon(**options)
