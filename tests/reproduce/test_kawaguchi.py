"""The slides' claims as a whole, with a small protocol: the table, the files, interruption and resumption."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.faces.cli import main
from etaflow.reproduce import find, kawaguchi_2016
from etaflow.reproduce.kawaguchi.experiment import plan_phases
from etaflow.reproduce.kawaguchi.problem import load_problem
from etaflow.reproduce.kawaguchi.protocol import Protocol, protocol
from etaflow.reproduce.kawaguchi.settings import PRODUCTS

if TYPE_CHECKING:
    from etaflow.reproduce._kit.reporting import Progress
    from etaflow.reproduce.kawaguchi.experiment import Result

TINY = Protocol(2, 2, 6, 150, 6, ("random-2", "iris-2-2"), ("4",))
SEED = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reproduce") / "out"


@pytest.fixture(scope="module")
def result(folder: Path) -> "Result":
    with pytest.MonkeyPatch.context() as patch:  # figures are drawn, but not written, which takes longest
        patch.setattr("etaflow.reproduce._kit.conduct.save", lambda *_: [])
        return kawaguchi_2016(out=folder, protocol=TINY, seed=SEED, threads=1)


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


@pytest.mark.slow
def test_every_file_is_written(result: "Result", folder: Path) -> None:
    whole = kawaguchi_2016(out=folder, resume=True)
    assert whole.complete
    assert set(PRODUCTS) == set(whole.files)
    assert {file.name for file in folder.iterdir()} == {*PRODUCTS, "settings.json", "checkpoints"}
    for file in whole.files.values():
        assert file.stat().st_size > 500
    assert (folder / "figure-index.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_of_claims(result: "Result", folder: Path) -> None:
    rows = table(folder, "claims.csv")
    assert len(rows) == len(result.claims) == 19
    assert [row["claim"] for row in rows] == [one.claim for one in result.claims]
    for start in ("(i) ", "(ii) ", "(iii) ", "(iv) ", "If n <= d_0d_1", "What is the impact of regularization?"):
        assert sum(row["claim"].startswith(start) for row in rows) == 1
    answers = [row["result"] for row in rows if row["claim"].startswith("What")]
    assert answers == ["answered", "answered"]
    theorem = [row["result"] for row in rows if row["where"].startswith("slides, Theorem")]
    assert theorem == ["holds"] * len(theorem)
    assert len(theorem) >= 7
    assert repr(result) == f"Result({sum(one.result == 'holds' for one in result.claims)} of 19 rows hold)"


def test_points_are_those_of_baldi_and_hornik(result: "Result", folder: Path) -> None:
    """The losses in the table, by NumPy's eigenvalues of Σ, and the indices, by counting."""
    rows = table(folder, "points.csv")
    assert {(row["data"], row["hidden"]) for row in rows} == {("random", "2"), ("iris", "2-2")}
    for name in ("random", "iris"):
        data = load_problem(name, SEED)
        cross = data.y.T @ data.x
        values = np.linalg.eigvalsh(cross @ np.linalg.inv(data.x.T @ data.x) @ cross.T)[::-1]
        chosen = [row for row in rows if row["data"] == name]
        assert len(chosen) == (
            11 if name == "random" else 16
        )  # 1 + 4 + 6 sets, and with two layers two kinds of the first five
        for row in chosen:
            gamma = [int(one) for one in row["gamma"].strip("{}").split(",") if one.strip()]
            assert float(row["loss"]) == pytest.approx(np.sum(data.y**2) - sum(values[i - 1] for i in gamma), rel=1e-10)
            crossings = sum(j < i for i in gamma for j in range(1, 5) if j not in gamma)
            spare = 2 - len(gamma) if row["middle_rank"] == "2" else 0
            assert int(row["index"]) == crossings + spare * (4 - len(gamma))


def test_json_and_text_tell_the_same(result: "Result", folder: Path) -> None:
    found = summary(folder)
    assert found["complete"] is True
    assert [one["numbers"] for one in found["claims"]] == [one.numbers for one in result.claims]
    for one in result.claims:
        assert one.claim in result.summary
        assert one.numbers.replace("|", "&#124;") in result.summary
    held = sum(one.result == "holds" for one in result.claims)
    assert f"**{held} of 17 claims hold" in result.summary
    assert "2 questions are answered" in result.summary
    assert found["flows"][0]["in_order"] is True
    assert [one["gamma"] for one in found["flows"][0]["plateaus"]][:3] == ["{}", "{1}", "{1, 2}"]
    assert found["settings"]["protocol"]["networks"] == ["random-2", "iris-2-2"]
    sweep = found["sweeps"]["sweep-perturbed"]
    assert [sum(sweep[kind][i] for kind in ("zero", "poor", "kink", "unfinished")) for i in range(7)] == [6] * 7


def test_counterexamples_stand_by_themselves(result: "Result") -> None:
    """Where (ii) fails: the numbers in the table, by the objective alone."""
    part, data = result.findings.parts["open"], load_problem("random", SEED)
    f = ef.linear_networks.linear_objective(data.x, data.y, (4, 4), l2=0.5)
    np.testing.assert_array_equal(f.hessian(np.zeros(f.num_params)), np.eye(f.num_params))
    assert float(part["zero_value"]) == pytest.approx(np.sum(data.y**2))
    assert float(part["zero_lower"]) < 0.5 * float(part["zero_value"])
    assert str(part["zero_kind"]) == "minimum"
    assert float(part["dead_change"]) == 0
    assert float(part["dead_least"]) >= 0
    assert float(part["dead_value"]) == pytest.approx(((data.y - data.y.mean(axis=0)) ** 2).sum(axis=1).mean())


@pytest.mark.usefixtures("no_figures")
def test_the_same_again(result: "Result", tmp_path: Path) -> None:
    again = kawaguchi_2016(out=tmp_path / "again", protocol=TINY, seed=SEED, threads=2)
    for name in ("claims.csv", "points.csv", "summary.json", "summary.md"):
        assert again.files[name].read_bytes() == result.files[name].read_bytes(), name


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("stop_in", ["truth tables", "the same without perturbation"])
def test_an_interruption(stop_in: str, result: "Result", tmp_path: Path) -> None:
    def interrupt(progress: "Progress") -> None:
        if progress.phase == stop_in:
            raise KeyboardInterrupt

    out = tmp_path / "a b"
    partial = kawaguchi_2016(out=out, protocol=TINY, seed=SEED, progress=interrupt)
    assert not partial.complete
    assert "PARTIAL" in partial.summary
    assert f"etaflow reproduce kawaguchi --out '{out}' --resume" in partial.summary
    assert summary(out)["complete"] is False
    assert "partial" in repr(partial)
    with pytest.raises(ValueError, match="an unfinished job, which can be resumed"):
        kawaguchi_2016(out=out, protocol=TINY, seed=SEED)
    whole = kawaguchi_2016(out=out, resume=True)
    assert whole.complete
    for name in ("claims.csv", "points.csv", "summary.json", "summary.md"):
        assert whole.files[name].read_bytes() == result.files[name].read_bytes(), name


@pytest.mark.usefixtures("no_figures")
def test_progress_goes_from_0_to_1_over_the_whole_job(tmp_path: Path) -> None:
    seen: list[Progress] = []
    few = replace(TINY, networks=("random-1",), trials=2, iterations=10)
    done = kawaguchi_2016(out=tmp_path / "out", protocol=few, progress=seen.append)
    fractions = [one.fraction for one in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == pytest.approx(1)
    assert all(one.estimate > 0 for one in seen)
    words = list(dict.fromkeys(one.phase for one in seen))
    assert words == [phase.words for phase in plan_phases(done.findings.settings)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scale": "big"}, ValueError, "scale must be one of 'small', 'paper'"),
        ({"seed": -1}, ValueError, r"seed must be >= 0 \(got -1\)"),
        ({"threads": 0}, ValueError, "threads must be >= 1"),
        ({"protocol": 3}, TypeError, "protocol must be a Protocol"),
        ({"protocol": TINY, "scale": "small"}, TypeError, "scale must be None beside a protocol"),
        ({"progress": 3}, TypeError, "progress must be True, False or a function"),
        ({"out": "/nowhere/out"}, ValueError, "out must lie in a folder that exists"),
        ({"resume": True}, ValueError, "out must be the folder of a job to resume"),
    ],
)
def test_bad_input(options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        kawaguchi_2016(**({"out": tmp_path / "out"} | options))
    assert list(tmp_path.iterdir()) == []  # before any work


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"starts": 0}, ValueError, "starts must be >= 1"),
        ({"inputs": 5}, ValueError, "inputs must be <= 4"),
        ({"trials": 1.5}, TypeError, "trials must be an integer"),
        ({"networks": ("lilies-2",)}, ValueError, "networks must be one of 'random', 'iris'"),
        ({"networks": ("iris-0",)}, ValueError, "widths of hidden layers must be positive"),
        ({"flows": ("4-x",)}, ValueError, r"joined by hyphens \(got '4-x'\)"),
    ],
)
def test_bad_protocols(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Protocol(**options)


def test_a_job_is_not_lost_by_accident(result: "Result", folder: Path) -> None:
    before = (folder / "claims.csv").read_bytes()
    with pytest.raises(ValueError, match="holds a job with other settings"):
        kawaguchi_2016(out=folder, protocol=TINY, seed=SEED + 1)
    with pytest.raises(ValueError, match="seed must be as the job began"):
        kawaguchi_2016(out=folder, resume=True, seed=12)
    assert (folder / "claims.csv").read_bytes() == before


@pytest.mark.usefixtures("no_figures")
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etaflow.reproduce.kawaguchi.settings.protocol", lambda _: replace(TINY, networks=("iris-1",)))
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "kawaguchi", "--seed", "3"]) == 0
    assert "kawaguchi-small" in capsys.readouterr().out
    assert summary(tmp_path / "kawaguchi-small")["settings"]["seed"] == 3


def test_it_is_registered_as_a_function() -> None:
    """Also on the second look-up: its folder has the command's name, and must not hide it."""
    assert find("kawaguchi").load() is kawaguchi_2016
    assert ef.reproduce.kawaguchi_2016 is kawaguchi_2016
    assert protocol("small") == Protocol()
    assert protocol("paper").starts == 100
