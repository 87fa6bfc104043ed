"""Theorem 3.2 of Finnoff as a whole, with a small protocol: its numbers, its files, interruption and resumption."""

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import etaflow as ef
import reference
from etaflow.faces.cli import main
from etaflow.reproduce import finnoff_3
from etaflow.reproduce.finnoff3.problem import NAMES, load_problem
from etaflow.reproduce.finnoff3.protocol import Protocol
from etaflow.reproduce.finnoff3.settings import PRODUCTS
from summaries import check_it_fits_a_terminal

if TYPE_CHECKING:
    from etaflow.reproduce._kit.reporting import Progress
    from etaflow.reproduce.finnoff3.experiment import Result

TINY = Protocol(step_sizes=3, runs=6, limit_runs=5, others=2, other_runs=4)
SEED = 11
PROVED = np.array([4.0, 100.0, 1e3, 1e5, 1e7, 1e9])
"""Instead of the proved constants, whose search takes longest; test_finnoff3_parts.py has the true ones."""


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("etaflow.reproduce.finnoff3.measured.log10_proved", lambda *_: PROVED)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reproduce") / "out"


@pytest.fixture(scope="module")
def result(folder: Path) -> "Result":
    with pytest.MonkeyPatch.context() as patch:
        leave_out_figures(patch)
        return finnoff_3(out=folder, protocol=TINY, seed=SEED, threads=1)


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


@pytest.mark.slow
def test_every_file_is_written(result: "Result", tmp_path: Path) -> None:
    whole = finnoff_3(out=tmp_path / "out", protocol=TINY, seed=SEED)
    assert whole.complete
    assert set(PRODUCTS) == set(whole.files)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {*PRODUCTS, "settings.json", "checkpoints"}
    for file in whole.files.values():
        assert file.stat().st_size > 500
    assert (tmp_path / "out" / "figure-rate.png").read_bytes().startswith(b"\x89PNG")
    assert whole.files["runs.csv"].read_bytes() == result.files["runs.csv"].read_bytes()
    assert repr(whole).startswith("Result(powers of η: 1-2-1 ")


@pytest.mark.parametrize("name", NAMES)
def test_suprema_equal_a_loop_in_numpy(result: "Result", folder: Path, name: str) -> None:
    """The independent oracle: NumPy's gradients and NumPy's Philox, one step after the other, and SciPy's DOP853."""
    assert result.complete
    rows = [row for row in table(folder) if row["problem"] == name]
    assert len(rows) == 3 * 6
    problem = load_problem(name, SEED, 3)
    oracle = reference.oracle_of(problem.objective)
    solved = solve_ivp(
        lambda _, theta: -oracle.gradient(theta),
        (0, problem.t),
        problem.theta0,
        method="DOP853",
        rtol=1e-11,
        atol=1e-13,
        dense_output=True,
    )
    row = rows[4]  # of the largest step size
    eta, key = float(row["step_size"]), int(row["key"])
    assert (eta, key, row["seed"], row["status"]) == (problem.step_sizes[0], 4, str(SEED), "finished")
    steps = round(problem.t / eta)
    sgd, descent, to_flow, to_descent = problem.theta0, problem.theta0, [], []
    for k, drawn in enumerate(reference.sample_indices(problem.objective.n, 1, "iid", SEED, key, steps), 1):
        sgd = sgd - eta * oracle.batch_gradient(sgd, drawn)
        descent = descent - eta * oracle.gradient(descent)
        to_flow.append(np.linalg.norm(sgd - solved.sol(k * eta)))
        to_descent.append(np.linalg.norm(sgd - descent))
    assert float(row["sup_sgd_flow"]) == pytest.approx(max(to_flow), rel=1e-6)
    assert float(row["sup_sgd_descent"]) == pytest.approx(max(to_descent), rel=1e-9)
    assert float(row["end_sgd_flow"]) == pytest.approx(to_flow[-1], rel=1e-6)


def test_the_summary_is_of_the_table(result: "Result", folder: Path) -> None:
    rows, found = table(folder), summary(folder)
    assert found["complete"] is True
    assert found["versions"]["numpy"] == np.__version__
    assert found["settings"]["protocol"]["others"] == 2
    for name in NAMES:
        one = found["problems"][name]
        sizes = np.array(one["step_sizes"])
        sups = np.array([float(row["sup_sgd_flow"]) for row in rows if row["problem"] == name]).reshape(3, 6)
        means = (sups**2).mean(axis=1)
        np.testing.assert_allclose(one["at_t"]["constant"], means / sizes, rtol=1e-12)
        assert one["power"]["slope"] == pytest.approx(np.polyfit(np.log(sizes), np.log(means), 1)[0], rel=1e-9)
        sampling = np.array([float(row["sup_sgd_descent"]) for row in rows if row["problem"] == name]).reshape(3, 6)
        slope = np.polyfit(np.log(sizes), np.log((sampling**2).mean(axis=1)), 1)[0]
        assert one["sampling_power"]["slope"] == pytest.approx(slope, rel=1e-9)
        low, high = one["at_t"]["constant_low"], one["at_t"]["constant_high"]
        bounds = max(high) * sizes[:, None] / np.array(one["deltas"]) ** 2
        np.testing.assert_allclose(one["tails"]["exceedance_bound"], bounds, rtol=1e-12)
        assert (np.array(low) < means / sizes).all()
        seen = (sups[:, None, :] > np.array(one["deltas"])[:, None]).mean(axis=2)
        np.testing.assert_allclose(one["tails"]["exceedance"], seen, atol=1e-15)
        assert one["log10_proved"].popitem()[1] == PROVED[-1]
        assert f"| {sizes[0]:g} | {round(one['t'] / sizes[0])} | {means[0]:.3g} | " in " ".join(result.summary.split())
    moved = found["problems"]["1-2-1"]["moved"]
    constants = found["problems"]["1-2-1"]["at_t"]["constant"]
    assert moved[0] == pytest.approx(constants[0] / constants[-1] - 1)
    assert moved[1] < moved[0] < moved[2]


def test_the_summary_tells_everything(result: "Result") -> None:
    for words in (
        "# Finnoff (1992), Theorem 3.2",
        "says that for every t there is one constant B",
        "Is E sup² of order η",
        "May B_r grow exponentially",
        "Does E sup²/η on 1-2-1 move by less than 15 %",
        "## The tail beside its bound",
        "## B against r",
        "proved log₁₀ B",
        "vacuous as a prediction",
        "the power p in quotient = 1 + c·η^p",
        "“yes” if these intervals lie between 0.9 and 1.1",
        "## Euler's error and the sampling error",
        "## Where B tends to: the limit law",
        "## SGD beside batch training",
        "6 runs per problem and step size",
    ):
        assert words in result.summary, words
    assert "nan" not in result.summary
    quotient = summary(result.files["summary.json"].parent)["limit_law"]["1-2-1"]["quotient"]
    assert quotient["low"] <= quotient["power"] <= quotient["high"]


def test_tables_are_readable_on_80_columns(result: "Result") -> None:
    check_it_fits_a_terminal(result)


def stopping_in(phase: str) -> Any:
    def interrupt(progress: "Progress") -> None:
        if progress.phase == phase:
            raise KeyboardInterrupt

    return interrupt


@pytest.mark.usefixtures("no_figures")
def test_interruptions(result: "Result", tmp_path: Path) -> None:
    out = tmp_path / "a b"
    first = stopping_in("saddle: SGD beside the flow")
    partial = finnoff_3(out=out, protocol=TINY, seed=SEED, progress=first)
    assert not partial.complete
    assert "PARTIAL" in partial.summary
    assert f"etaflow reproduce finnoff-3 --out '{out}' --resume" in partial.summary
    assert summary(out)["complete"] is False
    assert {row["problem"] for row in table(out)} == {"1-2-1", "10-10-1"}
    assert "partial" in repr(partial)
    with pytest.raises(ValueError, match="an unfinished job, which can be resumed"):
        finnoff_3(out=out, protocol=TINY, seed=SEED)
    partial = finnoff_3(out=out, resume=True, progress=stopping_in("1-2-1: SGD beside batch training"))
    assert partial.findings.batch is None
    assert partial.findings.others is not None
    whole = finnoff_3(out=out, resume=True, threads=2)
    assert whole.complete
    for name in ("runs.csv", "summary.json", "summary.md"):
        assert whole.files[name].read_bytes() == result.files[name].read_bytes(), name


@pytest.mark.usefixtures("no_figures")
def test_an_interruption_of_the_first_phase(tmp_path: Path) -> None:
    stop = stopping_in("1-2-1: SGD beside the flow")
    partial = finnoff_3(out=tmp_path / "out", protocol=TINY, seed=SEED, progress=stop)
    assert "0 of 7 phases are finished" in partial.summary
    assert "## " not in partial.summary  # no conditions of nothing
    assert table(tmp_path / "out") == []


LONG = replace(TINY, runs=1500)
JOB = """
import sys
from pathlib import Path
from etaflow.reproduce import finnoff_3
from etaflow.reproduce._kit import conduct
from etaflow.reproduce.finnoff3 import measured
from etaflow.reproduce.finnoff3.protocol import Protocol

def tell(progress):
    if progress.phase == "10-10-1: SGD beside the flow":
        Path(sys.argv[1] + ".running").touch()

measured.log10_proved = lambda *_: measured.np.zeros(6)
conduct.save = lambda *_: []
result = finnoff_3(out=sys.argv[1], protocol={protocol!r}, threads=1, progress=tell)
sys.exit(0 if result.complete else 130)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_ctrl_c_while_the_core_works(tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = subprocess.Popen([sys.executable, "-c", JOB.format(protocol=LONG), str(out)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not Path(f"{out}.running").exists():
        assert job.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(0.05)
    job.send_signal(signal.SIGINT)
    _, errors = job.communicate(timeout=60)
    assert (job.returncode, errors) == (130, b"")
    assert {row["problem"] for row in table(out)} == {"1-2-1"}
    whole = finnoff_3(out=out, resume=True)
    assert whole.complete
    straight = finnoff_3(out=tmp_path / "straight", protocol=LONG)
    assert whole.files["runs.csv"].read_bytes() == straight.files["runs.csv"].read_bytes()


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
        finnoff_3(**({"out": tmp_path / "out"} | options))
    assert list(tmp_path.iterdir()) == []  # before any work


def test_a_job_is_not_lost_by_accident(result: "Result", folder: Path) -> None:
    before = result.files["runs.csv"].read_bytes()
    with pytest.raises(ValueError, match="holds a job with other settings"):
        finnoff_3(out=folder, protocol=TINY, seed=SEED + 1)
    with pytest.raises(ValueError, match="seed must be as the job began"):
        finnoff_3(out=folder, resume=True, seed=12)
    with pytest.raises(ValueError, match="holds a job of finnoff-3, not of finnoff-6"):
        ef.reproduce.finnoff_6(out=folder, resume=True)
    assert (folder / "runs.csv").read_bytes() == before


@pytest.mark.usefixtures("no_figures")
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etaflow.reproduce.finnoff3.settings.protocol", lambda _: TINY)
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "finnoff-3", "--seed", "3", "--threads", "1"]) == 0
    shown = capsys.readouterr().out
    assert "Tables are in finnoff-3-small/summary.md, runs.csv beside it." in " ".join(shown.split())
    assert summary(tmp_path / "finnoff-3-small")["settings"]["seed"] == 3
