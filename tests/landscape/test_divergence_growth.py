"""Verdicts on paths whose law is known, with and without noise: the confusion matrix; Sontag's statistic; what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

import etaflow as ef
from etaflow.landscape.divergence.tails import at_most_logarithmic, no_finite_end

T = np.arange(1.0, 20_001.0)


def laws(generator: np.random.Generator) -> dict[str, tuple[str, Any]]:
    """By name, the right verdict and a path of that law with random constants."""
    level, b, shift = generator.uniform(8, 12), generator.uniform(0.2, 1), T + generator.uniform(0, 200)
    return {
        "exponential": ("converging", level - np.exp(-T / (T[-1] * generator.uniform(0.02, 0.2)))),
        "power approach": ("converging", level - 5 * (T + generator.uniform(0, 50)) ** -generator.uniform(0.3, 1)),
        "constant": ("converging", np.full_like(T, level)),
        "log": ("log", level + b * np.log(shift)),
        "root of log": ("log", level + np.sqrt(np.log1p(T / generator.uniform(0.1, 10)))),
        "power": ("power", level + b * shift ** generator.uniform(0.2, 0.45)),
        "slow approach": ("undecided", level - 5 * shift ** -generator.uniform(0.08, 0.2)),
        "too fast": ("undecided", level + (T / T[-1]) ** generator.uniform(0.8, 1.5)),
    }


def with_noise(path: Any, sigma: float, rho: float, generator: np.random.Generator) -> Any:
    """Stationary noise of standard deviation sigma whose neighbours have correlation rho."""
    errors = lfilter([1], [1, -rho], generator.normal(size=path.size)) * np.sqrt(1 - rho**2)
    return path + sigma * errors


def confusion(sigma: float, rho: float, repeats: int, seed: int) -> dict[str, dict[str, int]]:
    generator = np.random.default_rng(seed)
    table: dict[str, dict[str, int]] = {}
    for _ in range(repeats):
        for name, (right, path) in laws(generator).items():
            kind = ef.divergence.growth((T, with_noise(path, sigma, rho, generator)), of=0).kind
            word = "right" if kind == right else "undecided" if kind == "undecided" else "wrong"
            row = table.setdefault(name, {"right": 0, "undecided": 0, "wrong": 0})
            row[word] += 1
    return table


def test_without_noise_every_law_is_recognised() -> None:
    table = confusion(0.0, 0.0, 1, seed=0)
    assert {name: row["right"] for name, row in table.items()} == dict.fromkeys(table, 1)


LAWS = ("exponential", "power approach", "constant", "log", "power")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sigma", "rho", "recognised"),
    [(0.003, 0.0, LAWS), (0.003, 0.99, LAWS), (0.03, 0.99, ("constant", "power")), (0.3, 0.99, ())],
)
def test_confusion_matrix(sigma: float, rho: float, recognised: tuple[str, ...]) -> None:
    """With little noise laws are recognised, with much noise the verdict is "undecided", and it is almost never wrong.

    Roots of the logarithm and approaches like t^−0.1 are told apart without noise only.

    48 paths each. If a verdict were wrong with probability 1 %, more than 3 would be with probability 1e-3; seeds are fixed.
    """
    table = confusion(sigma, rho, 6, seed=5)
    assert sum(row["wrong"] for row in table.values()) <= 3, table
    for name in recognised:
        assert table[name]["right"] >= 5, table


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "output", "loss"),
    [("tanh", "tanh", "square"), ("relu", "logistic", "log"), ("tanh", "logistic", "log")],
)
@pytest.mark.parametrize("batch_size", [None, 1])
def test_networks_that_separate_diverge(activation: str, output: str, loss: str, batch_size: int | None) -> None:
    """S24: XOR is separable for these networks and the losses have no minimum: no run may count as converging or as a power."""
    x, y = ef.datasets.xor()
    f = ef.Objective(
        ef.MLP([2, 6, 1], activation=activation, output=output), x, (y + 1) / 2 if loss == "log" else y, loss=loss
    )
    steps = np.unique(np.geomspace(1, 50_000, 1500).astype(int))
    runs = ef.descend(
        f, f.net.init(seed=1, runs=6), steps=50_000, step_size=0.1, batch_size=batch_size, record={"theta": steps}
    )
    assert (f.accuracy(runs.theta) == 1).all()
    kinds = ef.divergence.growths(runs).kind.values.tolist()
    assert set(kinds) <= {"log", "undecided"}
    assert kinds.count("log") == 6


@pytest.mark.slow
def test_a_large_start_hides_the_growth_in_the_norm_but_not_in_the_drift() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(30, 5))
    y = (x[:, 0] > 0).astype(float)
    x[:, 0] += np.where(y > 0, 1, -1)
    f = ef.Objective(ef.MLP([5, 20, 1], activation="relu", output="logistic"), x, y, loss="log")
    steps = np.unique(np.geomspace(1, 50_000, 1500).astype(int))
    start = f.net.init(seed=1, runs=4, scheme=("normal", 2.0))
    runs = ef.descend(f, start, steps=50_000, step_size=0.05, record={"theta": steps})
    drift, norm = (ef.divergence.growths(runs, of=of).kind.values.tolist() for of in ("drift", "norm"))
    assert drift.count("log") >= 3
    assert norm.count("power") >= 2


def test_powers_that_the_loss_forbids_are_undecided() -> None:
    """On iris in raw units the flow looks like a power for two decades; a perceptron's log loss allows log t at most (here a limit)."""
    x, y = ef.datasets.iris_pair()
    f = ef.Objective(ef.MLP([4, 1], output="logistic"), x, (y + 1) / 2, loss="log")
    path = ef.flow(f, np.zeros(5), t=1e4)
    assert "no faster than log t" in ef.divergence.growth(path).reason
    times = np.geomspace(10, 1e4, 400)
    arrays = times, path(times)  # which do not tell their loss
    assert ef.divergence.growth(path).kind == "undecided"
    assert ef.divergence.growth(arrays).kind == "power"  # the last two decades do look like one
    assert ef.divergence.growth(arrays, objective=f).kind == "undecided"
    table = ef.divergence.growths(arrays, objective=f)
    assert table.kind.item() == "undecided"


def test_separated_data_cannot_converge() -> None:
    """At a separated point f falls along the output layer; a penalty, or targets within reach, make a finite minimum possible."""
    x, y = ef.datasets.xor()
    net = ef.MLP([2, 3, 1], output="tanh")
    f, penalised = ef.Objective(net, x, y), ef.Objective(net, x, y, l2=1e-3)
    theta = ef.descend(f, net.init(seed=0), steps=2000, step_size=0.5).theta[0]
    assert (ef.divergence.margins(f, theta) > 0).all()
    output = np.concatenate([np.zeros(9), theta[9:]])
    assert f.gradient(theta) @ output < 0
    assert no_finite_end(f, theta)
    assert not no_finite_end(penalised, theta)
    assert not no_finite_end(
        ef.Objective(net, x, 0.9 * y), theta
    )  # targets inside the range of tanh have a finite minimum
    assert not no_finite_end(f, -theta)  # nothing is known where an observation is on the wrong side
    assert not no_finite_end(ef.Objective(ef.MLP([2, 3, 1]), x, y), theta)
    settled = ef.divergence.growth(ef.flow(penalised, theta, t=1e5))
    assert settled.kind == "converging"
    # the same path, were it one of f, could not be
    assert ef.divergence.growth((settled.times, np.ones((40, 13)) * theta), objective=f).kind == "undecided"


def test_what_grows_like_a_logarithm_at_most() -> None:
    x, y = ef.datasets.xor()
    z = (y + 1) / 2
    deep = ef.Objective(ef.MLP([2, 8, 1], activation="relu", output="logistic", bias=False), x, z, loss="log")
    theta = ef.descend(deep, deep.net.init(seed=1), steps=3000, step_size=0.5).theta[0]
    assert at_most_logarithmic(deep, theta)
    assert not at_most_logarithmic(deep, -theta)
    perceptron = ef.Objective(ef.MLP([2, 1], output="logistic"), x, z, loss="log")
    assert at_most_logarithmic(perceptron, np.zeros(3))  # separable or not
    for output, answer in (("tanh", True), ("arctan", False)):
        f = ef.Objective(ef.MLP([2, 1], output=output), x[:2], y[:2])
        assert at_most_logarithmic(f, ef.descend(f, np.zeros(3), steps=500, step_size=0.5).theta[0]) is answer


def test_a_weight_may_converge_where_the_path_does_not() -> None:
    """Points −1 and 1: the weight grows like log t, the bias goes to 0 by symmetry."""
    f = ef.Objective(ef.MLP([1, 1], output="logistic"), [[1.0], [-1.0]], [1, 0], loss="log")
    path = ef.flow(f, [0.1, 0.5], t=1e5)
    assert ef.divergence.growth(path).kind == ef.divergence.growth(path, of=0).kind == "log"
    assert ef.divergence.growth(path, of=1).kind == "converging"


def test_slow_approaches_are_not_called_anything() -> None:
    """t^−p converges for every p > 0, and (log t)^q diverges for every q > 0: only what can be told apart is named."""
    kinds = [ef.divergence.growth((T, 10 - 5 * (T + 3) ** -p), of=0).kind for p in (0.1, 0.2, 0.3)]
    assert kinds == ["undecided", "undecided", "converging"]


def test_the_constants_are_found() -> None:
    generator = np.random.default_rng(3)
    found = ef.divergence.growth((T, with_noise(2 + 0.25 * np.log(T + 30), 1e-3, 0.9, generator)), of=0)
    assert found.kind == "log"
    assert found.slope_low < 0.25 < found.slope_high
    assert found.slope_high - found.slope_low < 0.01
    power = ef.divergence.growth((T, 3 - 2 * (T + 5) ** -0.5), of=0)
    assert power.kind == "converging"
    np.testing.assert_allclose([power.best.a, power.best.parameters["p"]], [3, 0.5], rtol=1e-2)
    root = ef.divergence.growth((T, 1.5 * T**0.3), of=0)
    assert root.kind == "power"
    np.testing.assert_allclose([root.best.b, root.best.parameters["p"]], [1.5, 0.3], rtol=2e-2)


@pytest.mark.slow
def test_the_interval_of_the_slope_covers_it() -> None:
    """With correlated noise the 95 % interval of b covers it in at least 86 % of 150 paths (a 95 % interval: P < 1e-5)."""
    generator = np.random.default_rng(11)
    hits = 0
    for _ in range(150):
        path = with_noise(1 + 0.5 * np.log(T), 0.02, 0.97, generator)
        found = ef.divergence.log_rule((T, path), of=0)
        hits += found.slope_low < 0.5 < found.slope_high
    assert hits >= 129


def test_small_steps_do_not_mean_convergence() -> None:
    """Sontag: the steps of the log loss's run are below any tolerance at the end, and it still diverges."""
    problem = ef.divergence.scalar_problem("log")
    runs = ef.descend(problem.objective, [0.0], steps=30_000, step_size=1.0, record={"theta": 1})
    assert abs(np.diff(runs.records["theta"][0, -2:, 0])[0]) < 1e-4
    found = ef.divergence.growth(runs)
    assert found.kind == "log"
    np.testing.assert_allclose(found.slope, 1, rtol=0.01)


def test_a_network_at_a_finite_minimum_converges() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(20, 2))
    f = ef.Objective(ef.MLP([2, 1]), x, x @ [1.0, -2.0] + 0.3)
    assert ef.divergence.growth(ef.flow(f, [0.1, 0.2, 0.0], t=30.0)).kind == "converging"


def test_a_linear_network_of_two_layers_grows_like_the_root_of_the_log() -> None:
    """f = log(1 + e^(−w₂w₁)): for w₁ = w₂ = w the product obeys ṗ = 2p/(1 + e^p), so ‖θ‖ = √(2p) ~ √(2 log t)."""
    f = ef.Objective(
        ef.MLP([1, 1, 1], activation="identity", output="logistic", bias=False), [[1.0]], [1.0], loss="log"
    )
    found = ef.divergence.growth(ef.flow(f, [0.5, 0.5], t=1e8))
    assert (found.kind, found.best.model.name) == ("log", "square root of the logarithm")


def test_the_log_rule_has_a_plateau_or_not() -> None:
    for name, plateau in (("tanh", True), ("log", True), ("arctan", False)):
        problem = ef.divergence.scalar_problem(name)
        rule = ef.divergence.log_rule(ef.flow(problem.objective, [0.0], t=1e6), of=0)
        assert rule.plateau is plateau
        if plateau:
            np.testing.assert_allclose([rule.slope, rule.values[-1]], problem.constant, rtol=3e-3)
        else:
            np.testing.assert_allclose(rule.trend, 0.25, atol=0.01)


def test_the_statistic_is_sontags() -> None:
    """At steps of one it is t·[w(t+1) − w(t)] but for the factor t·log(1 + 1/t) → 1, here against exact differences."""
    w = 0.3 * np.log(T)
    rule = ef.divergence.log_rule((T, w), of=0)
    np.testing.assert_allclose(rule.values, 0.3, rtol=1e-9)
    np.testing.assert_allclose(rule.values[-1], (T[:-1] * np.diff(w))[-1], rtol=1e-4)


def test_noise_can_leave_the_log_rule_undecided() -> None:
    path = with_noise(0.01 * np.log(T), 1.0, 0.9, np.random.default_rng(1))
    rule = ef.divergence.log_rule((T, path), of=0)
    assert rule.plateau is None
    assert rule.trend_high - rule.trend_low > 0.2


def test_ensembles() -> None:
    problem = ef.divergence.scalar_problem("tanh")
    starts = np.array([[-0.5], [0.0], [0.5]])
    table = ef.divergence.growths(ef.flow(problem.objective, starts, t=1e6), of=0)
    assert table.kind.values.tolist() == ["log"] * 3
    assert float(table.mean_slope_low) <= float(table.mean_slope) <= float(table.mean_slope_high)
    np.testing.assert_allclose(table.mean_slope, 0.25, rtol=2e-3)
    assert int(table.log_runs) == 3


def test_what_is_followed() -> None:
    theta = np.stack([np.log(T), 3 - T**-0.5], axis=1)
    assert ef.divergence.growth((T, theta), of=0).kind == "log"
    assert ef.divergence.growth((T, theta), of=1).kind == "converging"
    found = ef.divergence.growth((T, theta), of=[1.0, 0.0])
    np.testing.assert_array_equal(found.values, ef.divergence.growth((T, theta), of=0).values)
    distance = ef.divergence.growth((T, theta), of="distance")
    last = np.linalg.norm(theta[-1] - theta[0])
    np.testing.assert_allclose(distance.values[-1], last, rtol=0.01)


def test_evidence_is_a_table_and_words() -> None:
    found = ef.divergence.growth((T, np.log(T)), of=0)
    assert found.data.law.values[0] == "logarithm"
    assert float(found.data.bic_above_best[0]) == 0
    assert repr(found).startswith("Growth(log: in the last part, a + b·log(t + s) with a = ")
    assert "power approach" in str(found)


def test_a_run_that_diverged_is_judged_up_to_there() -> None:
    for beyond in (np.nan, np.inf, 1e200):
        w = np.log(T)[:, None].copy()
        w[-50:] = beyond
        assert ef.divergence.growth((T, w), of=0).times[-1] < T[-50]


def test_no_movement_at_all() -> None:
    assert ef.divergence.growth((T, np.zeros((len(T), 2)))).kind == "converging"
    rule = ef.divergence.log_rule((T, np.zeros(len(T))))
    assert rule.plateau is None


def test_bad_input() -> None:
    net = ef.MLP([2, 1])
    f = ef.Objective(net, [[0.0, 1.0]], [1.0])
    growth = ef.divergence.growth
    with pytest.raises(ValueError, match=r"trajectory must have θ on record"):
        growth(ef.descend(f, net.init(seed=0), steps=5, step_size=0.1))
    with pytest.raises(
        TypeError, match=r"trajectory must be Runs, a Flow or a pair \(t, theta\) of arrays \(got a ndarray"
    ):
        growth(np.zeros(5))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"at least 12 finite points at times > 0 \(got 3 in run 0\)"):
        growth(([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match=r"t must increase .* \(got 3 times, 2 before 1\)"):
        growth(([0.0, 2.0, 1.0], [0.0, 1.0, 2.0]))
    with pytest.raises(ValueError, match=r"theta must have one row per time, 20000 \(got shape \(5,\)\)"):
        growth((T, np.zeros(5)))
    with pytest.raises(ValueError, match=r"of must be one of 'drift', 'norm', 'distance' \(got 'nrm'"):
        growth((T, np.log(T)), of="nrm")
    with pytest.raises(ValueError, match=r"of must be <= 0 \(got 1\)"):
        growth((T, np.log(T)), of=1)
    with pytest.raises(ValueError, match=r"window must be > 1 \(got 1\)"):
        growth((T, np.log(T)), window=1)
    with pytest.raises(ValueError, match=r"run must say which of the 2 runs is meant"):
        growth((T, np.stack([np.log(T), np.log(T)])[:, :, None]))
    with pytest.raises(ValueError, match=r"at least 12 of the 40 blocks of log t"):
        growth((np.arange(9990.0, 10010.0), np.ones(20)), blocks=40, window=1.0001)
