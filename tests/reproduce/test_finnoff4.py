"""Theorem 4.1 of Finnoff as a whole, with a small protocol: its numbers, its files, interruption and resumption."""

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import etaflow as ef
import reference
from etaflow.faces.cli import main
from etaflow.reproduce import finnoff_4
from etaflow.reproduce.finnoff4.experiment import phases_of
from etaflow.reproduce.finnoff4.problem import CHOSEN, load_problem
from etaflow.reproduce.finnoff4.protocol import Protocol
from etaflow.reproduce.finnoff4.settings import PRODUCTS
from summaries import check_it_fits_a_terminal

if TYPE_CHECKING:
    from etaflow.reproduce._kit.reporting import Progress
    from etaflow.reproduce.finnoff4.experiment import Result

TINY = Protocol(500, 500, 500, 100, ("1-1",))
SEED = 11
TEXTS = ("summary.json", "summary.md", "table.csv")


def fast(patch: pytest.MonkeyPatch) -> None:
    """Figures, which take longest, are drawn in a slow test and in those of the parts; quantiles of the loss are coarse."""
    patch.setattr("etaflow.reproduce.finnoff4.experiment.draw_figures", lambda _: {})
    patch.setattr("etaflow.diffusion.quadratic_form.DRAWS", 2000)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    fast(monkeypatch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reproduce") / "out"


@pytest.fixture(scope="module")
def result(folder: Path) -> "Result":
    with pytest.MonkeyPatch.context() as patch:
        fast(patch)
        return finnoff_4(out=folder, protocol=TINY, seed=SEED, threads=1)


def table(folder: Path) -> dict[tuple[str, float, str], dict[str, str]]:
    with (folder / "table.csv").open(newline="", encoding="utf-8") as file:
        return {(row["problem"], float(row["step_size"]), row["quantity"]): row for row in csv.DictReader(file)}


def summary(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.slow
def test_every_file_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    result = finnoff_4(out=tmp_path / "out", protocol=TINY, seed=SEED)
    assert result.complete
    assert set(PRODUCTS) == set(result.files)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {*PRODUCTS, "settings.json", "checkpoints"}
    for file in result.files.values():
        assert file.stat().st_size > 500
    assert (tmp_path / "out" / "figure-ensemble.png").read_bytes().startswith(b"\x89PNG")
    again = finnoff_4(out=tmp_path / "again", protocol=TINY, seed=SEED, threads=2)
    for name in PRODUCTS:
        assert again.files[name].read_bytes() == result.files[name].read_bytes(), name


def test_the_covariance_is_that_of_a_loop_in_numpy(result: "Result", folder: Path) -> None:
    """The independent oracle: the problem written out, NumPy's gradients, NumPy's Philox, `numpy.cov`."""
    x = np.linspace(-1, 1, 8)[:, None]
    y = 0.8 * np.sin(2 * x[:, 0]) + 0.1 * np.random.default_rng(SEED).normal(size=8)
    design, eta = np.column_stack([x, np.ones(8)]), 0.08
    drawn = np.stack([reference.sample_indices(8, 1, "iid", SEED, run, 50)[:, 0] for run in range(500)])
    theta = np.tile([-1.0, 1.0], (500, 1))
    for step in range(50):
        rows = design[drawn[:, step]]
        theta -= eta * 2 * ((rows * theta).sum(1) - y[drawn[:, step]])[:, None] * rows
    sigma = result.findings.measured["1-1"].limit.covariance
    error = np.linalg.norm(np.cov(theta.T) / eta - sigma) / np.linalg.norm(sigma)
    assert float(table(folder)["1-1", eta, "covariance_error"]["value"]) == pytest.approx(error, rel=1e-8)


def test_coverage_counts_the_runs(result: "Result") -> None:
    one = result.findings.measured["1-1"].coverage
    for word in ("theta", "prediction", "loss"):
        lower, _, upper = one.bands[word][:, -1]
        inside = ((one.ends[word] >= lower) & (one.ends[word] <= upper)).mean()
        assert one.shares[word][1, CHOSEN, 0, -1] == pytest.approx(inside, rel=1e-12)
        assert one.shares[word].shape == (2, 5, 3, 50)
        np.testing.assert_allclose(one.runs[word][:, -1], one.ends[word][:30], rtol=1e-12)


def test_the_summary_tells_what_the_table_holds(result: "Result", folder: Path) -> None:
    found, rows = summary(folder), table(folder)
    assert found["complete"] is True
    errors = [float(rows["1-1", eta, "covariance_error"]["value"]) for eta in found["problems"]["1-1"]["step_sizes"]]
    assert found["problems"]["1-1"]["covariance_error"] == errors
    assert f"falls from {100 * errors[0]:.1f} % at η = 0.08 to {100 * errors[-1]:.1f} % at 0.005" in result.summary
    for one in found["answers"]:
        assert f"{one['question']} **{one['word'].capitalize()}.** {one['sentence']}" in result.summary
    assert len(found["answers"]) == 6
    for words in ("# Finnoff (1992), Theorem 4.1", "| 0.005 | 800 |", "500 runs per step size", "seed 11"):
        assert words in " ".join(result.summary.split())
    assert f"{100 * errors[0]:.1f} → {100 * errors[-1]:.1f} %" in repr(result)
    assert found["versions"]["numpy"] == np.__version__


def test_tables_are_readable_on_80_columns(result: "Result") -> None:
    check_it_fits_a_terminal(result)


def test_the_same_again_with_more_threads_and_progress(result: "Result", tmp_path: Path) -> None:
    seen: list[Progress] = []
    again = finnoff_4(out=tmp_path / "again", protocol=TINY, seed=SEED, threads=2, progress=seen.append)
    for name in TEXTS:
        assert again.files[name].read_bytes() == result.files[name].read_bytes(), name
    fractions = [one.fraction for one in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == pytest.approx(1)
    assert all(one.estimate > 0 for one in seen)
    words = list(dict.fromkeys(one.phase for one in seen))
    assert words == [phase.words for phase in phases_of(load_problem("1-1", 0), again.findings.settings)]


@pytest.mark.parametrize("stop_in", [pytest.param("1-1: SGD, η = 0.02", marks=pytest.mark.slow), "1-1: bands"])
def test_an_interruption(stop_in: str, result: "Result", tmp_path: Path) -> None:
    def interrupt(progress: "Progress") -> None:
        if progress.phase == stop_in:
            raise KeyboardInterrupt

    out = tmp_path / "a b"
    partial = finnoff_4(out=out, protocol=TINY, seed=SEED, progress=interrupt)
    assert not partial.complete
    assert "PARTIAL" in partial.summary
    assert f"etaflow reproduce finnoff-4 --out '{out}' --resume" in partial.summary
    assert summary(out)["complete"] is False
    assert repr(partial) == "Result(partial, error of the covariance as η falls: none yet)"
    with pytest.raises(ValueError, match="an unfinished job, which can be resumed"):
        finnoff_4(out=out, protocol=TINY, seed=SEED)
    whole = finnoff_4(out=out, resume=True)
    assert whole.complete
    for name in TEXTS:
        assert whole.files[name].read_bytes() == result.files[name].read_bytes(), name


JOB = """
import sys
from pathlib import Path
from etaflow.reproduce import finnoff_4
from etaflow.reproduce.finnoff4.protocol import Protocol

def tell(progress):
    if progress.phase == "1-2-1: SGD, η = 0.005":
        Path(sys.argv[1] + ".running").touch()

result = finnoff_4(out=sys.argv[1], protocol=Protocol(100_000, 500, 500, 100, ("1-2-1",)), threads=1, progress=tell)
sys.exit(0 if result.complete else 130)
"""


@pytest.mark.slow
def test_ctrl_c_while_the_core_works(tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = subprocess.Popen([sys.executable, "-c", JOB, str(out)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not Path(f"{out}.running").exists():
        assert job.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    pressed = time.monotonic()
    job.send_signal(signal.SIGINT)
    _, errors = job.communicate(timeout=60)
    assert (job.returncode, errors) == (130, b"")
    assert time.monotonic() - pressed < 5
    kept = {file.name for file in (out / "checkpoints").iterdir()}
    assert {f"ensemble-1-2-1-{i}.npz" for i in range(1, 5)} < kept
    assert "ensemble-1-2-1-5.npz" not in kept
    assert summary(out)["complete"] is False


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scale": "big"}, ValueError, "scale must be one of 'small', 'paper'"),
        ({"seed": -1}, ValueError, r"seed must be >= 0 \(got -1\)"),
        ({"threads": 0}, ValueError, "threads must be >= 1"),
        ({"protocol": 3}, TypeError, "protocol must be a Protocol"),
        ({"protocol": TINY, "scale": "small"}, TypeError, "scale must be None beside a protocol"),
        ({"progress": 3}, TypeError, "progress must be True, False or a function"),
        ({"out": 3}, TypeError, "out must be the path of a folder"),
        ({"out": "/nowhere/out"}, ValueError, "out must lie in a folder that exists"),
        ({"resume": True}, ValueError, "out must be the folder of a job to resume"),
    ],
)
def test_bad_input(options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        finnoff_4(**({"out": tmp_path / "out"} | options))
    assert list(tmp_path.iterdir()) == []  # before any work


def test_a_job_is_not_lost_by_accident(result: "Result", folder: Path) -> None:
    before = (folder / "table.csv").read_bytes()
    with pytest.raises(ValueError, match="holds a job with other settings"):
        finnoff_4(out=folder, protocol=TINY, seed=SEED + 1)
    with pytest.raises(ValueError, match="seed must be as the job began"):
        finnoff_4(out=folder, resume=True, seed=12)
    with pytest.raises(ValueError, match="holds a job of finnoff-4, not of finnoff-6"):
        ef.reproduce.finnoff_6(out=folder, resume=True)
    assert (folder / "table.csv").read_bytes() == before


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etaflow.reproduce.finnoff4.settings.protocol", lambda _: replace(TINY, band_runs=150))
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "finnoff-4", "--seed", "3", "--threads", "1"]) == 0
    shown = capsys.readouterr().out
    assert "Tables are in finnoff-4-small/summary.md, table.csv beside it." in " ".join(shown.split())
    assert summary(tmp_path / "finnoff-4-small")["settings"]["seed"] == 3
