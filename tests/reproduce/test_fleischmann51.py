"""Experiment 5.1 as a whole, with a small protocol: its numbers, its files, interruption and resumption."""

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

import etaflow as ef
from etaflow.faces.cli import main
from etaflow.reproduce import fleischmann_5_1
from etaflow.reproduce.fleischmann51.problem import load_problem, run_number
from etaflow.reproduce.fleischmann51.protocol import Protocol
from etaflow.reproduce.fleischmann51.settings import PRODUCTS
from etaflow.reproduce.fleischmann51.verdicts import KINDS

if TYPE_CHECKING:
    from etaflow.reproduce._kit.reporting import Progress
    from etaflow.reproduce.fleischmann51.experiment import Result

TINY = Protocol((1, 2, 50), (2,), runs=6, deep_runs=2, steps=42_000, further=2_000)
SEED = 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reproduce") / "out"


@pytest.fixture(scope="module")
def result(folder: Path) -> "Result":
    with pytest.MonkeyPatch.context() as patch:
        leave_out_figures(patch)
        return fleischmann_5_1(out=folder, protocol=TINY, seed=SEED, threads=1)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_figures(monkeypatch)


def leave_out_figures(patch: pytest.MonkeyPatch) -> None:
    """Draw them, but do not write them, which takes longest."""
    patch.setattr("etaflow.reproduce._kit.conduct.save", lambda *_: [])


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "runs.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summary(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return content


def test_costs_equal_a_loop_in_numpy(result: "Result", folder: Path) -> None:
    """The independent oracle: leaky ReLU, log loss, backpropagation and both plateau rules written out, for one run of width 1."""
    assert result.complete
    row = next(row for row in table(folder) if (row["layers"], row["width"], row["run"]) == ("1", "1", "3"))
    assert int(row["key"]) == run_number(1, 1, 3)
    problem = load_problem(SEED)
    x, y, n = problem.x, problem.y, 100
    key, counter = np.array([SEED, run_number(1, 1, 3)], np.uint64), np.array([0, 3, 0, 0], np.uint64)
    theta = np.random.Generator(np.random.Philox(key=key, counter=counter)).uniform(-100, 100, 5)
    rate, best, waited, halving_best, halving_waited, cooldown = 1.0, np.inf, 0, np.inf, 0, 0
    for step in range(42_000):
        z = x @ theta[:2] + theta[2]
        slope = np.where(z >= 0, 1.0, 0.1)
        logit = theta[3] * slope * z + theta[4]
        cost = float(np.mean(np.logaddexp(0, logit) - y * logit))
        best, waited = (cost, 0) if cost < best - 1e-7 else (best, waited + 1)
        if waited >= 10_000:
            break
        if step >= 40_000:
            halving_best, halving_waited = (cost, 0) if cost < halving_best - 1e-4 else (halving_best, halving_waited)
            improved = cost == halving_best
            if cooldown > 0:
                cooldown, halving_waited = cooldown - 1, 0
            elif not improved:
                halving_waited += 1
                if halving_waited >= 40:
                    rate, cooldown, halving_waited = rate / 2, 10, 0
        delta = (expit(logit) - y) / n
        hidden = delta * theta[3] * slope
        gradient = np.array([*(hidden @ x), hidden.sum(), delta @ (slope * z), delta.sum()])
        theta = theta - rate * gradient
    assert float(row["cost"]) == pytest.approx(cost, abs=2e-6)
    assert abs(int(row["steps"]) - step) < 200


def test_verdicts_of_the_table_hold(result: "Result", folder: Path) -> None:
    rows = table(folder)
    assert len(rows) == result.findings.total == TINY.total == 22
    assert {row["kind"] for row in rows} <= set(KINDS)
    generator = np.random.default_rng(0)
    seen = set()
    for one, verdict in result.findings.judged:
        f = result.findings.problem.objective(one.layers, one.width)
        np.testing.assert_allclose(one.cost, f.value(one.theta), rtol=1e-14)
        for run, kind in enumerate(verdict.kind):
            seen.add(kind)
            theta, cost = one.theta[run], one.cost[run]
            last = theta[f.num_params - one.width - 1 :]
            if kind == "infinity":  # all observations right: scaling the last layer lowers f
                assert verdict.right[run] == 100
                assert f.value(np.concatenate([theta[: -len(last)], 2 * last])) < cost
            elif kind in {"minimum", "kink"}:  # nothing near is lower than the minimum beside
                near = theta + 1e-3 * generator.normal(size=(2000, len(theta)))
                assert f.value(near).min() >= verdict.exact[run] - 1e-12
                assert (verdict.kinks[run] > 0) == (kind == "kink")
            elif kind == "falling":
                assert verdict.lowest[run] < cost - 1e-3
    assert {"infinity", "kink"} <= seen


def test_logistic_regression_by_scipy(result: "Result") -> None:
    x, y = result.findings.problem.x, result.findings.problem.y

    def cost(w: Any) -> float:
        logit = x @ w[:2] + w[2]
        return float(np.mean(np.logaddexp(0, logit) - y * logit))

    best = minimize(cost, np.zeros(3), tol=1e-12).fun
    assert result.findings.problem.linear == pytest.approx(best, rel=1e-9)
    assert summary(result.files["summary.json"].parent)["logistic_regression"] == result.findings.problem.linear


def test_the_summary_is_of_the_table(result: "Result", folder: Path) -> None:
    rows, found = table(folder), summary(folder)
    assert found["complete"] is True
    for network in found["networks"]:
        mine = [row for row in rows if (row["layers"], row["width"]) == (str(network["layers"]), str(network["width"]))]
        costs = [float(row["cost"]) for row in mine]
        assert network["cost"]["median"] == pytest.approx(np.median(costs), rel=1e-12)
        assert network["ends"] == {kind: sum(row["kind"] == kind for row in mine) for kind in KINDS}
    assert sum(level["runs"] for level in found["levels_of_width_1"]) == 6
    for words in (
        "# Fleischmann (2021), experiment 5.1",
        "Are the ends of the runs local minima?",
        "## Costs where the runs ended",
        "## What the ends are",
        "## The levels of width 1",
        "the thesis states no seed",
        "0.595 × 19, 0.647 × 9, 0.649 × 4, 0.683 × 18",
    ):
        assert words in result.summary, words
    assert "nan" not in result.summary
    assert repr(result).startswith("Result(22 ends: ")


def test_wide_networks_separate_the_classes(result: "Result") -> None:
    """With n ≤ d₀d₁ all runs come near zero, as the thesis found; they are no minima."""
    one, verdict = result.findings.of(1)[-1]
    assert one.width == 50
    assert (one.cost < 1e-3).all()
    assert verdict.count("infinity") == 6
    assert result.findings.half_right_at(1) == 50


def stopping_in(phase: str) -> Any:
    def interrupt(progress: "Progress") -> None:
        if progress.phase == phase:
            raise KeyboardInterrupt

    return interrupt


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_interruptions(result: "Result", tmp_path: Path) -> None:
    out = tmp_path / "a b"
    stop = stopping_in("2 neurons in 1 hidden layer: verdicts")
    partial = fleischmann_5_1(out=out, protocol=TINY, seed=SEED, progress=stop)
    assert not partial.complete
    assert "1 of 5 networks are finished" in partial.summary
    assert f"etaflow reproduce fleischmann-5.1 --out '{out}' --resume" in partial.summary
    assert {row["width"] for row in table(out)} == {"1"}
    whole = fleischmann_5_1(out=out, resume=True, threads=2)
    assert whole.complete
    for name in ("runs.csv", "summary.json", "summary.md"):
        assert whole.files[name].read_bytes() == result.files[name].read_bytes(), name


@pytest.mark.slow
def test_every_file_is_written(result: "Result", tmp_path: Path) -> None:
    small = Protocol((1, 2), (), runs=2, steps=200, further=100)
    whole = fleischmann_5_1(out=tmp_path / "out", protocol=small, seed=SEED)
    assert whole.complete
    assert set(whole.files) == set(PRODUCTS) - {"figure-5.5.png", "figure-5.5.pdf"}
    for file in whole.files.values():
        assert file.stat().st_size > 500
    assert result.complete


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scale": "big"}, ValueError, "scale must be one of 'small', 'paper'"),
        ({"seed": -1}, ValueError, r"seed must be >= 0 \(got -1\)"),
        ({"threads": 0}, ValueError, "threads must be >= 1"),
        ({"protocol": 3}, TypeError, "protocol must be a Protocol"),
        ({"protocol": TINY, "scale": "small"}, TypeError, "scale must be None beside a protocol"),
        ({"out": "/nowhere/out"}, ValueError, "out must lie in a folder that exists"),
        ({"resume": True}, ValueError, "out must be the folder of a job to resume"),
    ],
)
def test_bad_input(options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        fleischmann_5_1(**({"out": tmp_path / "out"} | options))
    assert list(tmp_path.iterdir()) == []  # before any work


@pytest.mark.usefixtures("no_figures")
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    quick = Protocol((1,), (), runs=2, steps=100, further=100)
    monkeypatch.setattr("etaflow.reproduce.fleischmann51.settings.protocol", lambda _: quick)
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "fleischmann-5.1", "--seed", "3", "--threads", "1"]) == 0
    assert "fleischmann-5.1-small" in capsys.readouterr().out
    assert summary(tmp_path / "fleischmann-5.1-small")["settings"]["seed"] == 3
    assert ef.reproduce.find("fleischmann-5.1").load() is fleischmann_5_1
