"""Experiment 5.3 as a whole, with a small protocol: its numbers, its files, interruption and resumption."""

import csv
import json
import math
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import etaflow as ef
import reference
from etaflow.reproduce import Protocol, Result, fleischmann_5_3
from etaflow.reproduce._kit.reporting import Progress
from etaflow.reproduce.fleischmann53.figures import SAMPLES, draw_samples
from etaflow.reproduce.fleischmann53.folder import PRODUCTS
from etaflow.reproduce.fleischmann53.problem import load_problem
from etaflow.theory.rates import fit_power_law

TINY = Protocol((0.002, 0.004, 0.008), (1, 3, 5), runs=4, steps=60, start_steps=200)
SEED = 11


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reproduce") / "out"


@pytest.fixture(scope="module")
def result(folder: Path) -> Result:
    return fleischmann_5_3(out=folder, protocol=TINY, seed=SEED, threads=1)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "runs.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summary(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return content


def test_every_file_is_written(result: Result, folder: Path) -> None:
    assert result.complete
    assert set(PRODUCTS) == set(result.files)
    for file in result.files.values():
        assert file.parent == folder
        assert file.stat().st_size > 500
    assert (folder / "figure-5.8.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "figure-5.9.pdf").read_bytes().startswith(b"%PDF")


def test_the_answers_come_before_the_tables(result: Result) -> None:
    assert [line.split("?")[0] for line in result.answers.splitlines() if line.startswith("- ")] == [
        "- Is the mean of ‖∇f‖² proportional to α",
        "- Is the mean of ‖∇f‖² proportional to 1/|B|",
    ]
    assert [line for line in result.summary.splitlines() if line.startswith("|") and len(line) > 80] == []


def test_averaged_images_are_drawn_with_all_the_contrast_they_have() -> None:
    problem = load_problem(None, 2, "float64")
    rows = draw_samples(problem).axes[::SAMPLES]
    seen = (float(problem.images.min()), float(problem.images.max()))
    assert [axes.get_images()[0].get_clim() for axes in rows] == [(0, 1), seen, (0, 1), seen]
    assert f"{seen[0]:.2f} … {seen[1]:.2f}" in rows[1].get_ylabel()


def test_an_interruption_of_the_start_tells_nothing_else(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    partial = fleischmann_5_3(out=tmp_path / "out", protocol=TINY, progress=stop)
    assert "0 of 24 runs have ended" in partial.summary
    assert "## " not in partial.summary


def test_means_equal_a_loop_in_numpy(result: Result, folder: Path) -> None:
    """The independent oracle: NumPy's gradients and NumPy's Philox, one step after the other."""
    objective = load_problem(None, result.settings.size, "float64").objective
    oracle = reference.oracle_of(objective)
    theta1 = objective.net.init(SEED)
    for _ in range(TINY.start_steps):
        theta1 = theta1 - TINY.start_step_size * oracle.gradient(theta1)
    assert result.start is not None
    assert result.start.grad_norm2 == pytest.approx(np.sum(oracle.gradient(theta1) ** 2), rel=1e-9)
    for row in (table(folder)[i] for i in (0, 5, 14, -1)):
        batch, key, alpha = int(row["batch_size"]), int(row["key"]), float(row["step_size"])
        indices = reference.sample_indices(objective.n, batch, "iid", SEED, key, TINY.steps)
        theta, norms = theta1, []
        for drawn in indices:
            norms.append(np.sum(oracle.gradient(theta) ** 2))
            theta = theta - alpha * oracle.batch_gradient(theta, drawn)
        norms.append(np.sum(oracle.gradient(theta) ** 2))
        assert float(row["mean_grad_norm2"]) == pytest.approx(
            np.mean(norms[:-1]), rel=1e-8
        )  # θ_1 … θ_K, as in the text
        assert float(row["mean_grad_norm2_after_each_step"]) == pytest.approx(
            np.mean(norms[1:]), rel=1e-8
        )  # as in the code


def test_the_table_has_every_run_once(result: Result, folder: Path) -> None:
    rows = table(folder)
    assert len(rows) == TINY.total_runs == 24
    assert [int(row["key"]) for row in rows] == list(range(24))
    assert {row["run"] for row in rows} == {"1", "2", "3", "4"}
    assert {row["status"] for row in rows} == {"finished"}
    assert {row["steps"] for row in rows} == {"60"}
    sweeps = [(row["sweep"], float(row["step_size"]), int(row["batch_size"])) for row in rows[::4]]
    first = [("step size", alpha, 1) for alpha in TINY.step_sizes]
    assert sweeps == first + [("batch size", 0.002, batch) for batch in TINY.batch_sizes]


def test_table_and_summary_agree(result: Result, folder: Path) -> None:
    found, rows = summary(folder), table(folder)
    assert found["complete"] is True
    assert found["runs"] == {"planned": 24, "ended": 24, "diverged": 0}
    for name, places in (("step size", TINY.step_sizes), ("batch size", [1 / size for size in TINY.batch_sizes])):
        values = np.array([float(row["mean_grad_norm2"]) for row in rows if row["sweep"] == name]).reshape(3, 4)
        sweep = found["sweeps"][name]
        assert [one["mean_grad_norm2"] for one in sweep["settings"]] == pytest.approx(values.mean(axis=1), rel=1e-14)
        errors = values.std(axis=1, ddof=1) / 2
        assert [one["standard_error"] for one in sweep["settings"]] == pytest.approx(errors, rel=1e-12)
        law = fit_power_law(places, list(values))
        assert (sweep["slope"]["slope"], sweep["slope"]["low"]) == pytest.approx((law.slope, law.low), rel=1e-12)
        assert result.slopes[name] == law
        deviations = np.abs(values.mean(axis=1) / law.at(places) - 1)
        assert sweep["largest_deviation_from_the_line"] == pytest.approx(deviations.max(), rel=1e-9)
        assert f"{law.slope:.3f} (95 %: {law.low:.3f} … {law.high:.3f})" in sweep["sentence"]
        assert sweep["sentence"] in result.summary
    assert found["sweeps"]["step size"]["published_slope"] == 0.876
    assert found["sweeps"]["batch size"]["published_slope"] == 0.822


def test_what_is_needed_to_repeat_it_is_in_the_summary(result: Result, folder: Path) -> None:
    found = summary(folder)
    assert found["settings"]["seed"] == SEED
    assert found["settings"]["protocol"]["step_sizes"] == list(TINY.step_sizes)
    assert found["settings"]["dtype"] == "float64"
    assert found["versions"]["numpy"] == np.__version__
    assert found["versions"]["etaflow"]["version"] == ef.__version__
    assert found["problem"]["n"] == 364
    assert found["sweeps"]["step size"]["slope"]["resamples"] == 9999


def test_the_same_again(result: Result, folder: Path, tmp_path: Path) -> None:
    again = fleischmann_5_3(out=tmp_path / "again", protocol=TINY, seed=SEED, threads=2)
    for name in ("runs.csv", "summary.json", "summary.md", "figure-5.8.png", "figure-5.9.pdf"):
        assert again.files[name].read_bytes() == result.files[name].read_bytes(), name


def test_progress_goes_from_0_to_1_over_the_whole_job(tmp_path: Path) -> None:
    seen: list[Progress] = []
    fleischmann_5_3(out=tmp_path / "out", protocol=replace(TINY, steps=10), progress=seen.append)
    fractions = [one.fraction for one in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == pytest.approx(1)
    assert all(one.estimate > 0 for one in seen)
    words = list(dict.fromkeys(one.phase for one in seen))
    batches = [f"mini-batches of {size}" for size in TINY.batch_sizes]
    assert words == ["start: gradient descent", "step sizes", *batches]


@pytest.mark.parametrize("stop_in", ["start: gradient descent", "mini-batches of 1"])
def test_an_interruption_between_two_calls(stop_in: str, result: Result, tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.phase == stop_in:
            raise KeyboardInterrupt

    out = tmp_path / "a b"
    partial = fleischmann_5_3(out=out, protocol=TINY, seed=SEED, progress=interrupt)
    assert not partial.complete
    assert "PARTIAL" in partial.summary
    assert f"etaflow reproduce fleischmann-5.3 --out '{out}' --resume" in partial.summary
    assert summary(out)["complete"] is False
    with pytest.raises(ValueError, match="an unfinished job, which can be resumed"):
        fleischmann_5_3(out=out, protocol=TINY, seed=SEED)
    whole = fleischmann_5_3(out=out, resume=True)
    assert whole.complete
    for name in ("runs.csv", "summary.json", "summary.md"):
        assert whole.files[name].read_bytes() == result.files[name].read_bytes(), name


LONG = Protocol((0.0001, 0.0002), (1, 2), runs=8, steps=4000, start_steps=50)
JOB = """
import sys
from pathlib import Path
from etaflow.reproduce import Protocol, fleischmann_5_3

def tell(progress):
    if progress.fraction > 0.1 and progress.phase == "step sizes":
        Path(sys.argv[1] + ".running").touch()

result = fleischmann_5_3(out=sys.argv[1], protocol={protocol!r}, seed=11, threads=1, progress=tell)
sys.exit(0 if result.complete else 130)
"""


def running_job(out: Path) -> subprocess.Popen[bytes]:
    """Start the long job in a process of its own, and return when its first sweep is under way."""
    job = subprocess.Popen([sys.executable, "-c", JOB.format(protocol=LONG), str(out)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not Path(f"{out}.running").exists():
        assert job.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return job


@pytest.fixture(scope="module")
def in_one_piece(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("reproduce") / "out"
    return fleischmann_5_3(out=out, protocol=LONG, seed=11).files["runs.csv"].read_bytes()


def test_ctrl_c_and_resume_give_the_runs_of_an_uninterrupted_job(tmp_path: Path, in_one_piece: bytes) -> None:
    out = tmp_path / "out"
    job = running_job(out)
    job.send_signal(signal.SIGINT)
    _, errors = job.communicate(timeout=60)
    assert (job.returncode, errors) == (130, b"")
    some = table(out)
    assert len(some) < LONG.total_runs
    assert summary(out)["runs"]["ended"] == len(some)
    whole = fleischmann_5_3(out=out, resume=True)
    assert whole.files["runs.csv"].read_bytes() == in_one_piece
    assert [row for row in table(out) if row in some] == some


def test_a_killed_job_can_be_resumed(tmp_path: Path, in_one_piece: bytes) -> None:
    out = tmp_path / "out"
    job = running_job(out)
    job.kill()
    job.communicate(timeout=60)
    assert (out / "checkpoints" / "start.nc").exists()
    assert fleischmann_5_3(out=out, resume=True).files["runs.csv"].read_bytes() == in_one_piece


def test_runs_that_diverge_are_counted_and_in_no_mean(tmp_path: Path) -> None:
    wild = Protocol((0.002, 0.004, 1e200), (1, 2), runs=3, steps=50, start_steps=100)
    found = fleischmann_5_3(out=tmp_path / "out", protocol=wild)
    assert found.complete
    assert found.step_sizes.diverged == 3
    assert "Runs that diverged: 3" in found.summary
    assert math.isnan(found.step_sizes.settings[2].mean)
    assert summary(tmp_path / "out")["sweeps"]["step size"]["settings"][2]["mean_grad_norm2"] is None
    diverged = [row for row in table(tmp_path / "out") if row["status"] == "diverged"]
    assert {row["mean_grad_norm2"] for row in diverged} == {"nan"}


def test_a_start_that_diverges_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="start_step_size must be small enough"):
        fleischmann_5_3(out=tmp_path / "out", protocol=replace(TINY, start_step_size=1e200))


def test_float32(tmp_path: Path, result: Result) -> None:
    single = fleischmann_5_3(out=tmp_path / "out", protocol=TINY, seed=SEED, dtype="float32")
    np.testing.assert_allclose(single.step_sizes.means, result.step_sizes.means, rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scale": "big"}, ValueError, "scale must be one of 'small', 'paper'"),
        ({"step_sizes": "test"}, ValueError, "did you mean 'text'"),
        ({"data": "/nowhere"}, ValueError, "data: .*'/nowhere'"),
        ({"size": 3}, ValueError, r"size must divide 8, the side of the images \(got 3\)"),
        ({"size": 2.0}, TypeError, "size must be an integer"),
        ({"dtype": "float16"}, TypeError, "dtype must be float64 or float32"),
        ({"seed": -1}, ValueError, r"seed must be >= 0 \(got -1\)"),
        ({"threads": 0}, ValueError, "threads must be >= 1"),
        ({"protocol": 3}, TypeError, "protocol must be a Protocol"),
        ({"progress": 3}, TypeError, "progress must be True, False or a function"),
        ({"out": 3}, TypeError, "out must be the path of a folder"),
        ({"out": "/nowhere/out"}, ValueError, "out must lie in a folder that exists"),
        ({"out": __file__}, ValueError, "out must be a folder"),
        ({"resume": True}, ValueError, "out must be the folder of a job to resume"),
    ],
)
def test_bad_input(options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        fleischmann_5_3(**({"out": tmp_path / "out"} | options))
    assert list(tmp_path.iterdir()) == []  # before any work


def test_a_job_is_not_lost_by_accident(result: Result, folder: Path) -> None:
    before = (folder / "runs.csv").read_bytes()
    with pytest.raises(ValueError, match="holds a job with other settings"):
        fleischmann_5_3(out=folder, protocol=TINY, seed=SEED + 1)
    with pytest.raises(ValueError, match=r"seed must be as the job began, or be left out, to resume it: 11 \(got 12\)"):
        fleischmann_5_3(out=folder, resume=True, seed=12)
    assert (folder / "runs.csv").read_bytes() == before


def test_a_complete_job_with_the_same_settings_may_be_done_again(tmp_path: Path) -> None:
    short = replace(TINY, steps=5)
    first = fleischmann_5_3(out=tmp_path, protocol=short)
    second = fleischmann_5_3(out=tmp_path, protocol=short)
    assert first.slopes == second.slopes
    other = fleischmann_5_3(out=tmp_path, protocol=short, seed=1, overwrite=True)
    assert other.slopes != first.slopes


def test_a_damaged_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"holds a damaged settings\.json"):
        fleischmann_5_3(out=tmp_path, resume=True)


def test_its_line(result: Result) -> None:
    law = result.slopes["step size"]
    assert law is not None
    assert repr(result).startswith(f"Result(slopes against step size: {law.slope:.3f} (")
