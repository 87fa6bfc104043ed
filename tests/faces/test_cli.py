"""The command line: its help, its errors in one line, and that it hands everything on."""

import inspect
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

import etaflow as ef
from etaflow import reproduce
from etaflow.faces.cli import main
from etaflow.faces.cli.app import app
from etaflow.faces.cli.options import OPTIONS, check_taken
from etaflow.faces.cli.progress import bar
from etaflow.reproduce import Protocol, fleischmann_5_3
from etaflow.reproduce._kit.reporting import Progress

TINY = Protocol((0.002, 0.004), (1, 3), runs=3, steps=20, start_steps=50)


def test_version_and_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{ef.__version__}\n"
    assert main(["info"]) == 0
    shown = capsys.readouterr().out
    for word in (ef.__version__, "instruction set", "lanes", "compiler", "Eigen", "threads", "numpy", "xarray"):
        assert word in shown


def test_help_names_every_option_and_has_examples() -> None:
    shown = CliRunner().invoke(app, ["reproduce", "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for option in ("--list", *(option.flag for option in OPTIONS)):
        assert option in shown.output
    for panel in {option.panel for option in OPTIONS}:
        assert panel in shown.output
    assert "Examples" in shown.output
    assert "etaflow reproduce fleischmann-5.3" in shown.output


def test_nothing_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "reproduce" in capsys.readouterr().out


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "--list"]) == 0
    assert "fleischmann-5.3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["reprod"], "'reprod'. Did you mean 'reproduce'?"),
        (["reproduce"], "NAME must be given"),
        (["reproduce", "fleischman-5.3"], "did you mean 'fleischmann-5.3'"),
        (["reproduce", "fleischmann-5.3", "--scale", "big"], "scale must be one of 'small', 'paper' (got 'big')"),
        (["reproduce", "fleischmann-5.3", "--seed", "x"], "'--seed': must be a whole number (got 'x')"),
        (["reproduce", "fleischmann-5.3", "--seed", "-1"], "seed must be >= 0 (got -1)"),
        (["reproduce", "fleischmann-5.3", "--size", "3"], "size must divide 8, the side of the images (got 3)"),
        (["reproduce", "fleischmann-5.3", "--data", "/nowhere"], "(got '/nowhere')"),
        (["reproduce", "fleischmann-5.3", "--out", "/nowhere/out"], "out must lie in a folder that exists"),
        (["reproduce", "fleischmann-5.3", "--resume"], "out must be the folder of a job to resume"),
        (["reproduce", "fleischmann-5.3", "--threads", "0"], "threads must be >= 1 (got 0)"),
        (["reproduce", "fleischmann-5.3", "--nonsense"], "--nonsense"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    phrase: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("etaflow: ")
    assert shown.err.count("\n") == 1
    assert phrase in shown.err
    assert list(tmp_path.iterdir()) == []


def test_options_are_handed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: dict[str, Any] = {}

    def tiny(**options: Any) -> reproduce.Result:
        given.update(options)
        return fleischmann_5_3(out=options["out"], protocol=TINY, progress=options["progress"])

    monkeypatch.setattr("etaflow.reproduce.fleischmann53.experiment.fleischmann_5_3", tiny)
    monkeypatch.chdir(tmp_path)
    line = "reproduce fleischmann-5.3 --scale paper --data d --size 7 --seed 3 --dtype float32 --threads 2 --step-sizes text"
    shown = CliRunner().invoke(app, line.split())
    assert shown.exit_code == 0
    assert given.pop("progress")
    assert given == {
        "out": Path("fleischmann-5.3-paper"),
        "scale": "paper",
        "data": Path("d"),
        "size": 7,
        "seed": 3,
        "dtype": "float32",
        "threads": 2,
        "step_sizes": "text",
    }
    assert "This will take about" in shown.output
    assert "Step sizes, with mini-batches of 1" not in shown.output  # a table, which summary.md has
    last = shown.output.splitlines()[-1]
    assert re.fullmatch(
        r"That took \d+ s\. Tables are in fleischmann-5\.3-paper/summary\.md, runs\.csv, 3 figures \(PNG and PDF\) beside it\.",
        last,
    )
    verdicts = [place for place, line in enumerate(shown.output.splitlines()) if "proportional to" in line]
    assert len(verdicts) == 2
    assert verdicts[0] > len(shown.output.splitlines()) - 24  # on the screen


def test_a_complete_job_is_only_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = fleischmann_5_3(out=tmp_path / "out", protocol=TINY)
    before = {file: file.stat().st_mtime_ns for file in whole.files.values()}
    shown = CliRunner().invoke(app, ["reproduce", "fleischmann-5.3", "--out", str(tmp_path / "out"), "--resume"])
    assert shown.exit_code == 0
    assert "The job was complete already, and is as it was. Tables are in " in shown.output
    assert "This will take" not in shown.output
    assert "proportional to α?" in shown.output
    assert {file: file.stat().st_mtime_ns for file in whole.files.values()} == before
    again = fleischmann_5_3(out=tmp_path / "out", resume=True)
    assert (again.restored, again.summary, again.files) == (True, whole.summary, whole.files)
    assert not whole.restored


def test_the_bar_begins_where_the_job_is() -> None:
    shown = io.StringIO()
    with bar(Console(file=shown, width=200)) as report:
        report(Progress("second", 0.37, 41.0))
        report(Progress("third", 0.8, 41.0))
    lines = shown.getvalue().splitlines()
    assert lines[0] == "37 % was done before. The rest will take about 41 s; Ctrl-C stops it and keeps what is done."
    assert [line.split() for line in lines[1:]] == [["37", "%", "second"], ["80", "%", "third"]]


def test_overwrite_does_what_its_help_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "settings.json").write_text('{"format": "etaflow finnoff-3 1", "settings": {}}', encoding="utf-8")
    line = ["reproduce", "fleischmann-5.3", "--out", str(tmp_path), "--overwrite"]
    assert main(line) == 2
    assert "holds a job of finnoff-3, not of fleischmann-5.3: choose another folder" in capsys.readouterr().err


@pytest.mark.parametrize("entry", reproduce.REPRODUCTIONS, ids=lambda entry: entry.name)
def test_the_table_of_options_is_that_of_the_functions(entry: reproduce.Reproduction) -> None:
    taken = {option.name for option in OPTIONS if not option.of or entry.name in option.of}
    parameters = set(inspect.signature(entry.load()).parameters)
    assert taken <= parameters
    assert not (parameters - taken) & {option.name for option in OPTIONS}


def test_an_option_of_another_experiment_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def other(*, out: object, scale: object, seed: object, resume: object, progress: object) -> None: ...

    check_taken("other-1", other, ["scale", "seed", "out"])
    with pytest.raises(
        ValueError, match=r"^--step-sizes is not an option of other-1, which takes --scale, --out, --seed, --resume$"
    ):
        check_taken("other-1", other, ["scale", "step_sizes"])


def test_an_interrupted_job_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(**options: Any) -> reproduce.Result:
        def stop(progress: Progress) -> None:
            if progress.phase == "step sizes":
                raise KeyboardInterrupt

        return fleischmann_5_3(out=options["out"], protocol=TINY, progress=stop)

    monkeypatch.setattr("etaflow.reproduce.fleischmann53.experiment.fleischmann_5_3", interrupted)
    out = tmp_path / "out"
    assert main(["reproduce", "fleischmann-5.3", "--out", str(out), "--threads", "1"]) == 130
    shown = capsys.readouterr()
    assert f"Go on with: etaflow reproduce fleischmann-5.3 --out {out} --resume --threads 1" in shown.err
    assert "PARTIAL RESULT" in shown.out


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_typer_or_rich_it_says_what_to_install(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from etaflow.faces.cli import main; sys.exit(main(['info']))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr == f'etaflow: the command line needs {missing}: pip install "etaflow[lab]"\n'


def test_the_module_is_the_command() -> None:
    run = subprocess.run([sys.executable, "-m", "etaflow", "--version"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, f"{ef.__version__}\n", "")
