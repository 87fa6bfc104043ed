"""Section 6 of Finnoff as a whole, with a small protocol: its numbers, its files, interruption and resumption."""

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
from etaflow.reproduce import finnoff_6
from etaflow.reproduce.finnoff6.experiment import plan_phases
from etaflow.reproduce.finnoff6.figures import draw_figures
from etaflow.reproduce.finnoff6.protocol import EXPERIMENTS, Conditions, Protocol
from etaflow.reproduce.finnoff6.settings import PRODUCTS
from summaries import check_it_fits_a_terminal

if TYPE_CHECKING:
    from etaflow.reproduce._kit.reporting import Progress
    from etaflow.reproduce.finnoff6.experiment import Result

TINY = Protocol(4, 2, Conditions(samples=24, epochs=15, step_size=0.02))
SEED = 11


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reproduce") / "out"


@pytest.fixture(scope="module")
def result(folder: Path) -> "Result":
    return finnoff_6(out=folder, protocol=TINY, seed=SEED, threads=1)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn, but not written, which takes longest."""
    monkeypatch.setattr("etaflow.reproduce._kit.conduct.save", lambda *_: [])


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "runs.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summary(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return content


def test_every_file_is_written(result: "Result", folder: Path) -> None:
    assert result.complete
    assert set(PRODUCTS) == set(result.files)
    assert {file.name for file in folder.iterdir()} == {*PRODUCTS, "settings.json", "checkpoints"}
    for file in result.files.values():
        assert file.stat().st_size > 500
    assert (folder / "figure-epochs.png").read_bytes().startswith(b"\x89PNG")
    assert repr(result).startswith("Result(SGD lower from ")


@pytest.mark.parametrize(("experiment", "start"), [(0, 0), (1, 3), (2, 1), (3, 2)])
def test_errors_equal_a_loop_in_numpy(result: "Result", folder: Path, experiment: int, start: int) -> None:
    """The independent oracle: the data's formulas, NumPy's gradients and NumPy's Philox, one step after the other."""
    name, conditions = EXPERIMENTS[experiment], TINY.conditions
    row = table(folder)[4 * experiment + start]
    assert (row["experiment"], row["start"], row["seed"]) == (name, str(start + 1), str(SEED))
    data = ef.datasets.finnoff_problem(name, n=conditions.samples, seed=SEED)  # a tenth of noise is its default
    oracle = reference.oracle_of(ef.Objective(ef.MLP([10, 10, 1]), data.x, data.y))
    key, eta = int(row["key"]), conditions.step_size
    assert key == 1_000_000 * experiment + start
    theta0 = ef.MLP([10, 10, 1]).init(SEED, range(key, key + 1))[0]
    drawn = reference.sample_indices(conditions.samples, 1, "iid", SEED, key, conditions.steps)
    theta, batch, found = theta0, theta0, {}
    for one in drawn:
        theta = theta - eta * oracle.batch_gradient(theta, one)
    found["sgd"] = oracle.value(theta)
    for k in range(1, 2 * conditions.steps + 1):
        batch = batch - eta * oracle.gradient(batch)
        found |= {
            word: oracle.value(batch)
            for word, step in (
                ("passes", conditions.epochs),
                ("time", conditions.steps),
                ("twice", 2 * conditions.steps),
            )
            if k == step
        }
    for _ in drawn:
        theta = theta - eta * oracle.gradient(theta)
    found["cooled"] = oracle.value(theta)
    for word, value in found.items():
        assert float(row[word]) == pytest.approx(value, rel=1e-7), word
    best = result.findings.races[experiment].multiple
    fast = theta0
    for _ in range(conditions.epochs):
        fast = fast - best * eta * oracle.gradient(fast)
    assert float(row["best"]) == pytest.approx(oracle.value(fast), rel=1e-7)
    assert float(row["variance"]) == pytest.approx(data.y.var(), rel=1e-12)


def test_summary_counts_what_the_table_holds(result: "Result", folder: Path) -> None:
    rows, found = table(folder), summary(folder)
    assert len(rows) == 16
    pairs = {
        "passes": ("sgd", "passes"),
        "best": ("sgd", "best"),
        "time": ("sgd", "time"),
        "cooled": ("cooled", "twice"),
    }
    for clock, (first, second) in pairs.items():
        for name in (*EXPERIMENTS, "all"):
            chosen = [row for row in rows if name in {"all", row["experiment"]}]
            sgd, other = (np.array([float(row[word]) for row in chosen]) for word in (first, second))
            compared = found["comparisons"][clock][name]
            assert (compared["lower"], compared["total"]) == (int((sgd < other).sum()), len(chosen))
            assert compared["ratio"] == pytest.approx(np.median(other / sgd), rel=1e-12)
    for name in EXPERIMENTS:
        chosen = [row for row in rows if row["experiment"] == name]
        stuck = [row for row in chosen if float(row["passes"]) > 1.5 * float(row["sgd"])]
        assert found["verdicts"][name]["stuck"] == len(stuck) == sum(row["stuck"] == "1" for row in chosen)
        assert sum(row["kind"] != "" for row in chosen) == len(stuck)


def test_the_summary_answers_in_words(result: "Result", folder: Path) -> None:
    found = summary(folder)
    assert found["complete"] is True
    assert [one["word"] for one in found["answers"][:3]] == ["yes", "no", "no"]
    for one in found["answers"]:
        assert f"{one['question']} **{one['word'].capitalize()}.** {one['sentence']}" in result.summary
    low = found["comparisons"]["passes"]["all"]["low"]
    assert f"({'probability'} {low:.3f} … " in result.summary
    for words in ("# Finnoff (1992)", "is not what these runs show", "tanh output", "T = 24 observations", "η = 0.02"):
        assert words in result.summary
    assert found["settings"]["protocol"]["conditions"]["samples"] == 24
    assert found["versions"]["numpy"] == np.__version__


def test_variations_change_one_condition_each(result: "Result") -> None:
    base = TINY.conditions
    assert len(result.findings.rows) == 13
    for row in result.findings.rows:
        changed = [name for name, value in base.__dict__.items() if getattr(row.conditions, name) != value]
        assert len(changed) == 1, row.words
    sizes = {row.conditions.step_size for row in result.findings.rows}
    assert max(sizes) / min(sizes) == pytest.approx(10)
    assert {row.conditions.output for row in result.findings.rows} == {"identity", "tanh"}
    assert [row.passes.total for row in result.findings.rows] == [8] * 11 + [2] * 2


@pytest.mark.usefixtures("no_figures")
def test_a_variation_is_the_experiment_under_its_conditions(result: "Result", tmp_path: Path) -> None:
    row = next(row for row in result.findings.rows if row.words == "tanh output")
    whole = finnoff_6(out=tmp_path / "out", protocol=Protocol(2, 2, row.conditions), seed=SEED)
    for clock, varied in (("passes", row.passes), ("time", row.time)):
        compared = whole.findings.comparison(clock)
        assert (compared.lower, compared.total) == (varied.lower, varied.total)
        assert compared.ratio == pytest.approx(varied.ratio, rel=1e-12)


def test_tables_are_readable_on_80_columns(result: "Result") -> None:
    check_it_fits_a_terminal(result)


def test_every_figure_has_a_title(result: "Result") -> None:
    for name, figure in draw_figures(result.findings).items():
        assert figure.get_suptitle() or figure.axes[0].get_title(), name


def test_the_same_again(result: "Result", tmp_path: Path) -> None:
    again = finnoff_6(out=tmp_path / "again", protocol=TINY, seed=SEED, threads=2)
    for name in PRODUCTS:
        assert again.files[name].read_bytes() == result.files[name].read_bytes(), name


@pytest.mark.usefixtures("no_figures")
def test_fewer_starts_are_the_first_of_more(result: "Result", tmp_path: Path) -> None:
    fewer = finnoff_6(out=tmp_path / "out", protocol=replace(TINY, starts=2), seed=SEED)
    for few, many in zip(fewer.findings.races, result.findings.races, strict=True):
        np.testing.assert_array_equal(few.sgd, many.sgd[:2])
        np.testing.assert_array_equal(few.time, many.time[:2])


@pytest.mark.usefixtures("no_figures")
def test_progress_goes_from_0_to_1_over_the_whole_job(tmp_path: Path) -> None:
    seen: list[Progress] = []
    done = finnoff_6(out=tmp_path / "out", protocol=replace(TINY, starts=2), progress=seen.append)
    fractions = [one.fraction for one in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == pytest.approx(1)
    assert all(one.estimate > 0 for one in seen)
    words = list(dict.fromkeys(one.phase for one in seen))
    assert words == [phase.words for phase in plan_phases(done.findings.settings)]


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(
    "stop_in",
    [
        "additive: SGD",
        "rbf: verdicts on the ends of batch training",
        "variation: T = 12",
    ],
)
def test_an_interruption(stop_in: str, result: "Result", tmp_path: Path) -> None:
    def interrupt(progress: "Progress") -> None:
        if progress.phase == stop_in:
            raise KeyboardInterrupt

    out = tmp_path / "a b"
    partial = finnoff_6(out=out, protocol=TINY, seed=SEED, progress=interrupt)
    assert not partial.complete
    assert "PARTIAL" in partial.summary
    assert f"etaflow reproduce finnoff-6 --out '{out}' --resume" in partial.summary
    assert summary(out)["complete"] is False
    assert "partial" in repr(partial)
    with pytest.raises(ValueError, match="an unfinished job, which can be resumed"):
        finnoff_6(out=out, protocol=TINY, seed=SEED)
    whole = finnoff_6(out=out, resume=True)
    assert whole.complete
    for name in ("runs.csv", "summary.json", "summary.md"):
        assert whole.files[name].read_bytes() == result.files[name].read_bytes(), name


LONG = Protocol(4, 2, Conditions(samples=100, epochs=300))
JOB = """
import sys
from pathlib import Path
from etaflow.reproduce import finnoff_6
from etaflow.reproduce.finnoff6.protocol import Conditions, Protocol

def tell(progress):
    if progress.phase == "product: batch training":
        Path(sys.argv[1] + ".running").touch()

result = finnoff_6(out=sys.argv[1], protocol={protocol!r}, threads=1, progress=tell)
sys.exit(0 if result.complete else 130)
"""


@pytest.mark.usefixtures("no_figures")
def test_ctrl_c_while_the_core_works(tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = subprocess.Popen([sys.executable, "-c", JOB.format(protocol=LONG), str(out)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not Path(f"{out}.running").exists():
        assert job.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    job.send_signal(signal.SIGINT)
    _, errors = job.communicate(timeout=60)
    assert (job.returncode, errors) == (130, b"")
    assert len(table(out)) == LONG.starts  # of the first model
    assert (out / "checkpoints" / "product-batch.nc").exists()
    whole = finnoff_6(out=out, resume=True)
    assert whole.complete
    straight = finnoff_6(out=tmp_path / "straight", protocol=LONG)
    assert whole.files["runs.csv"].read_bytes() == straight.files["runs.csv"].read_bytes()


@pytest.mark.usefixtures("no_figures")
def test_runs_that_diverge_lose(tmp_path: Path) -> None:
    wild = replace(TINY, conditions=replace(TINY.conditions, step_size=50.0, epochs=40))
    found = finnoff_6(out=tmp_path / "out", protocol=wild)
    assert found.complete
    assert any(np.isinf(race.sgd).any() for race in found.findings.races)
    assert found.findings.comparison("time").lower < 16
    lost = sum(int(np.isinf(race.sgd).sum() + np.isinf(race.time).sum()) for race in found.findings.races)
    assert f"Runs that diverged: {lost};" in found.summary
    json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)


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
        finnoff_6(**({"out": tmp_path / "out"} | options))
    assert list(tmp_path.iterdir()) == []  # before any work


def test_a_job_is_not_lost_by_accident(result: "Result", folder: Path) -> None:
    before = (folder / "runs.csv").read_bytes()
    with pytest.raises(ValueError, match="holds a job with other settings"):
        finnoff_6(out=folder, protocol=TINY, seed=SEED + 1)
    with pytest.raises(ValueError, match="seed must be as the job began"):
        finnoff_6(out=folder, resume=True, seed=12)
    with pytest.raises(ValueError, match=r"holds a job of finnoff-6, not of fleischmann-5\.3"):
        ef.reproduce.fleischmann_5_3(out=folder, resume=True)
    assert (folder / "runs.csv").read_bytes() == before


@pytest.mark.usefixtures("no_figures")
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etaflow.reproduce.finnoff6.settings.protocol", lambda _: replace(TINY, starts=2))
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "finnoff-6", "--seed", "3", "--threads", "1"]) == 0
    shown = capsys.readouterr().out
    assert "Tables are in finnoff-6-small/summary.md, runs.csv beside it." in " ".join(shown.split())
    assert summary(tmp_path / "finnoff-6-small")["settings"]["seed"] == 3


def test_the_command_refuses_options_of_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "finnoff-6", "--size", "2", "--out", str(tmp_path / "out")]) == 2
    refused = (
        "--size is not an option of finnoff-6, which takes --scale, --out, --seed, --threads, --resume, --overwrite"
    )
    assert capsys.readouterr().err == f"etaflow: {refused}\n"
    assert list(tmp_path.iterdir()) == []
