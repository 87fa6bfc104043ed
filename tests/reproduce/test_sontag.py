"""Sontag's figures as a whole, with a small protocol: numbers, files, interruption and resumption."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.optimize import brentq

import etaflow as ef
import reference
from etaflow.faces.cli import main
from etaflow.reproduce import sontag_1988
from etaflow.reproduce.sontag_figures.cases import GRID, Case, least_a_above_4, printed_derivative
from etaflow.reproduce.sontag_figures.parts import SCHEME, record_times, xor_objective
from etaflow.reproduce.sontag_figures.protocol import Protocol, protocol
from etaflow.reproduce.sontag_figures.settings import PRODUCTS

if TYPE_CHECKING:
    from pathlib import Path

    from etaflow.reproduce._kit.reporting import Progress
    from etaflow.reproduce.sontag_figures.experiment import Result

TINY = Protocol(diagram=5, most=2, starts=4, steps=2000)
SEED = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reproduce") / "out"


@pytest.fixture(scope="module")
def result(folder: Path) -> Result:
    return sontag_1988(out=folder, protocol=TINY, seed=SEED, threads=1)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn, but not written, which takes longest."""
    monkeypatch.setattr("etaflow.reproduce._kit.conduct.save", lambda *_: [])


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summary(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return content


def test_every_file_is_written(result: Result, folder: Path) -> None:
    assert result.complete
    assert set(PRODUCTS) == set(result.files)
    assert {file.name for file in folder.iterdir()} == {*PRODUCTS, "settings.json", "checkpoints"}
    for file in result.files.values():
        assert file.stat().st_size > 300
    assert (folder / "figure-5.png").read_bytes().startswith(b"\x89PNG")


def test_the_claims(result: Result, folder: Path) -> None:
    """What must come out whatever the protocol: the errata of the paper fail, the rest holds."""
    words = [(one.claim.split(":")[0].split(",")[0], one.result) for one in result.claims]
    assert ("Case 1", "holds") in words
    failing = [one.claim for one in result.claims if one.result == "fails"]
    assert any("as printed" in one for one in failing)
    assert any("for every sigmoid" in one for one in failing)
    assert sum(one.result == "holds" for one in result.claims) >= 5
    assert len(table(folder, "claims.csv")) == len(result.claims) == len(summary(folder)["claims"])
    for one in result.claims:
        assert one.numbers.replace("|", "&#124;") in result.summary
    assert "claims hold; these do not" in result.summary


def test_the_curves_of_figures_1_to_4_are_the_formula(result: Result) -> None:
    for one, factor in ((result.findings.case2, 0.5), (result.findings.case3, -4.0)):
        errors = (np.tanh(GRID) - 1) ** 2 + (np.tanh(factor * GRID) - 1) ** 2
        np.testing.assert_allclose(one.errors, errors, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(one.image, np.column_stack([np.tanh(GRID), np.tanh(factor * GRID)]), atol=1e-15)
    case3 = result.findings.case3
    best = case3.finite[0]
    assert best.value <= case3.errors.min() < best.value + 1e-4
    assert (np.linalg.norm(case3.image - 1, axis=1) >= case3.found.distance).all()
    near = (GRID > 0.2) & (GRID < 2)
    assert case3.maxima == pytest.approx([GRID[near][np.argmax(case3.errors[near])]], abs=0.01)


def test_the_misprint_and_the_least_a() -> None:
    """E' by a difference is negative; the printed expression is not. E(1) = 4 at the least a."""
    one, h = Case.of(2, 1.0), 1e-6
    x = np.linspace(-3, 3, 61)[:, None]
    slope = (one.problem.error(x + h) - one.problem.error(x - h)) / (2 * h)
    assert (slope < 0).all()
    assert (printed_derivative(1.0, x) > 0).any()
    root = brentq(lambda a: (np.tanh(1) - 1) ** 2 + (np.tanh(a) + 1) ** 2 - 4, 1, 4, xtol=1e-14)
    assert least_a_above_4() == pytest.approx(root, rel=1e-10)


def test_the_weights_of_figure_5_equal_a_loop_in_numpy(result: Result, folder: Path) -> None:
    objective = xor_objective(TINY)
    theta = objective.net.init(SEED, range(4), SCHEME)[2]
    oracle, times = reference.oracle_of(objective), set(record_times(TINY).tolist())
    wanted = []
    for t in range(TINY.steps):
        step = -TINY.step_size * oracle.gradient(theta)
        if t in times:
            wanted.append(t * step)
        theta = theta + step
    got = result.findings.parts["weights"]
    np.testing.assert_allclose(got["statistic"][2], wanted, rtol=1e-6, atol=1e-9)
    rows = table(folder, "weights.csv")
    assert float(rows[2]["loss"]) == pytest.approx(float(oracle.value(theta)), rel=1e-9)
    assert [row["learnt"] for row in rows] == [str(int(float(row["loss"]) < 0.5)) for row in rows]
    assert summary(folder)["learnt"] == sum(int(row["learnt"]) for row in rows)


def test_the_diagram_is_that_of_one_problem_after_the_other(result: Result, folder: Path) -> None:
    rows = table(folder, "diagram.csv")
    assert result.complete
    for theta in ("tanh", "arctan"):
        for a in {row["a"] for row in rows}:
            found = ef.perceptron.minima(ef.perceptron.case(3, float(a), theta))
            values = sorted(
                float(row["value"]) for row in rows if (row["theta"], row["a"], row["kind"]) == (theta, a, "minimum")
            )
            assert values == pytest.approx(sorted(one.value for one in found), rel=1e-12)
    ends = summary(folder)["thresholds"]
    assert ends["tanh"]["threshold_right"] == pytest.approx([2, 2], abs=1e-9)
    assert ends["arctan"]["threshold_right"] == []
    assert ends["arctan"]["fold"] == pytest.approx([7.28198] * 2, abs=1e-4)


def stopping_in(phase: str) -> Any:
    def interrupt(progress: Progress) -> None:
        if progress.phase == phase:
            raise KeyboardInterrupt

    return interrupt


@pytest.mark.usefixtures("no_figures")
def test_interruptions(result: Result, tmp_path: Path) -> None:
    out = tmp_path / "a b"
    partial = sontag_1988(out=out, protocol=TINY, seed=SEED, progress=stopping_in("exponentially many minima"))
    assert not partial.complete
    assert "PARTIAL RESULT" in partial.summary
    assert f"etaflow reproduce sontag-figures --out '{out}' --resume" in partial.summary
    assert summary(out)["complete"] is False
    assert table(out, "weights.csv") == []
    with pytest.raises(ValueError, match="an unfinished job, which can be resumed"):
        sontag_1988(out=out, protocol=TINY, seed=SEED)
    whole = sontag_1988(out=out, resume=True, threads=2)
    assert whole.complete
    for name in ("claims.csv", "diagram.csv", "weights.csv", "summary.json", "summary.md"):
        assert whole.files[name].read_bytes() == result.files[name].read_bytes(), name
    again = sontag_1988(out=out, resume=True)
    assert again.complete
    assert again.summary == whole.summary


@pytest.mark.usefixtures("no_figures")
def test_an_interruption_of_the_first_phase(tmp_path: Path) -> None:
    partial = sontag_1988(out=tmp_path / "out", protocol=TINY, progress=stopping_in("minima over a: tanh"))
    assert "0 of 4 parts are finished" in partial.summary
    assert partial.findings.case3.found.complete


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
        sontag_1988(**({"out": tmp_path / "out"} | options))
    assert list(tmp_path.iterdir()) == []  # before any work


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"starts": 1}, "starts must be >= 2"),
        ({"case3": 0.0}, "case3 must be > 0"),
        ({"steps": 10}, "steps must be >= 1000"),
    ],
)
def test_bad_protocols(numbers: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Protocol(**numbers)


def test_a_job_is_not_lost_by_accident(result: Result, folder: Path) -> None:
    before = result.files["claims.csv"].read_bytes()
    with pytest.raises(ValueError, match="holds a job with other settings"):
        sontag_1988(out=folder, protocol=TINY, seed=SEED + 1)
    assert (folder / "claims.csv").read_bytes() == before


@pytest.mark.usefixtures("no_figures")
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etaflow.reproduce.sontag_figures.settings.protocol", lambda _: TINY)
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "sontag-figures", "--seed", "5", "--threads", "1"]) == 0
    assert "summary.md" in capsys.readouterr().out
    assert summary(tmp_path / "sontag-figures-small")["settings"]["seed"] == 5


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_the_log_rule_of_the_small_scale(tmp_path: Path) -> None:
    """Margins of networks that learn XOR grow like ¼·log t: the height within 0.01 for every start (fixed seed)."""
    own = Protocol(diagram=5, most=2, starts=12, steps=protocol("small").steps)
    got = sontag_1988(out=tmp_path / "out", protocol=own).findings
    part, solved = got.parts["weights"], got.solved
    assert solved.sum() >= 3
    assert (part["plateau"][solved] == 1).all()
    np.testing.assert_allclose(part["slope"][solved], 0.25, atol=0.01)
    np.testing.assert_allclose(part["margins"][solved][:, -1].min(axis=1), 0.25, atol=0.01)
