"""What reproductions share: phases that are done once, files written in one moment, settings that must not change."""

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pytest

import etaflow as ef
from etaflow.reproduce._kit import text
from etaflow.reproduce._kit.conduct import Call, Products, check_call
from etaflow.reproduce._kit.figures import files_of, new_figure, save, shades
from etaflow.reproduce._kit.folder import Folder, Layout
from etaflow.reproduce._kit.reporting import Progress, reporter
from etaflow.reproduce._kit.result import Result
from etaflow.reproduce._kit.settings import Settings
from etaflow.reproduce._kit.work import Job, Phase, raising_interrupts

Arrays = Mapping[str, npt.NDArray[Any]]
Report = Callable[[float], None]


@dataclass(frozen=True)
class Own(Settings):
    seed: int
    scale: str


LAYOUT = Layout("own-1", 2, Own, ("summary.json", "summary.md"))
PHASES = (Phase("first", "the first", 3.0), Phase("second", "the second", 1.0))


@pytest.fixture
def folder(tmp_path: Path) -> Folder[Own]:
    made = Folder.at(tmp_path / "out", LAYOUT)
    made.begin(Own(3, "small"), overwrite=False)
    return made


def test_a_phase_is_done_once(folder: Folder[Own]) -> None:
    calls = []

    def compute(report: Report) -> Arrays:
        calls.append(report)
        return {"a": np.arange(3), "b": np.array([0.1, np.nan]), "words": np.array(["x", "yz"])}

    job = Job(folder, PHASES)
    assert job.part_done("first") == 0
    first, again = job.keep("first", compute), Job(folder, PHASES).keep("first", compute)
    assert job.part_done("first") == 1
    assert job.cost_left == 1
    assert len(calls) == 1
    assert first.keys() == again.keys() == {"a", "b", "words"}
    for name, array in first.items():
        assert array.dtype == again[name].dtype
        np.testing.assert_array_equal(array, again[name])


def test_fractions_are_of_the_whole_job(folder: Folder[Own]) -> None:
    seen: list[Progress] = []

    def compute(report: Report) -> Arrays:
        report(0.5)
        return {}

    job = Job(folder, PHASES, seen.append)
    job.estimate = 7.0
    job.keep("first", compute)
    job.keep("second", compute)
    assert [one.fraction for one in seen] == [0, 0.375, 0.75, 0.75, 0.875, 1]
    assert [one.phase for one in seen] == ["the first"] * 3 + ["the second"] * 3
    assert {one.estimate for one in seen} == {7.0}


def test_the_progress_of_a_resumed_job_begins_where_it_is(folder: Folder[Own]) -> None:
    seen: list[Progress] = []
    Job(folder, PHASES).keep("second", lambda _: {"a": np.zeros(1)})
    job = Job(folder, PHASES, seen.append)

    def compute(report: Report) -> Arrays:
        report(0.5)
        return {}

    job.keep("first", compute)
    job.keep("second", lambda _: {})
    assert [one.fraction for one in seen] == [0.25, 0.625, 1, 1, 1]


def test_a_descent_that_was_begun_counts_from_where_it_is(folder: Folder[Own]) -> None:
    seen: list[Progress] = []
    objective = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0]], [1.0])

    def stop(fraction: float) -> None:
        if fraction > 0:
            raise KeyboardInterrupt

    def begin(**options: Any) -> ef.Runs:
        return ef.descend(objective, [0.0], steps=1_000_000, step_size=0.25, **options)

    Job(folder, PHASES).descend("first", objective, begin, progress=stop)
    part = Job(folder, PHASES).part_done("first")
    assert 0 < part < 1
    Job(folder, PHASES, seen.append).tell("first", 0.0)
    assert seen[0].fraction == pytest.approx(0.75 * part)


def test_the_time_left_is_not_reckoned_from_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[Any] = []

    class Bar:
        def __init__(self, **_: object) -> None:
            self.n = self.initial = 0
            bars.append(self)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def set_description(self, *_: object, **__: object) -> None: ...

        def update(self, more: int) -> None:
            self.n += more

    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    with reporter(True) as report:
        assert report is not None
        for fraction in (0.4, 0.7):
            report(Progress("a", fraction, 1.0))
    assert (bars[0].initial, bars[0].n) == (400, 700)


def test_a_complete_job_is_restored(folder: Folder[Own]) -> None:
    @dataclass(frozen=True)
    class Findings:
        complete: bool
        resume_command: str

    def choose(_: Mapping[str, Any]) -> Own:
        raise AssertionError

    def called(**options: bool) -> Call[Own]:
        manner: dict[str, Any] = {"out": folder.path, "threads": None, "resume": True, "overwrite": False} | options
        return check_call(LAYOUT, choose, {"seed": 3}, **manner)

    assert not called().is_restored
    folder.write_text("summary.md", "# Asked\n\n- Why? **Because.**\n\n## Table\n")
    folder.write_json("summary.json", {"complete": False})
    assert not called().is_restored
    folder.write_json("summary.json", {"complete": True})
    told: list[Progress] = []
    with called().job(PHASES, told.append) as job:
        job.tell("first", 0.0)
    assert told == []

    def make() -> Products:
        raise AssertionError

    result = Result(**called().products(Findings(complete=True, resume_command="x"), make))
    assert result.restored
    assert result.files == {name: folder.path / name for name in LAYOUT.products}
    assert result.answers == "# Asked\n\n- Why? **Because.**"


@pytest.mark.parametrize("inside_descend", [False, True])
def test_an_interrupted_phase_is_not_kept(folder: Folder[Own], inside_descend: bool) -> None:
    def compute(report: Report) -> Arrays:
        if inside_descend:  # which hears the signal itself, and says so
            warnings.warn("interrupted after 3 of 10 steps", RuntimeWarning, stacklevel=1)
            return {"a": np.zeros(1)}
        raise KeyboardInterrupt

    job = Job(folder, PHASES)
    with pytest.raises(KeyboardInterrupt):
        job.keep("first", compute)
    assert job.part_done("first") == 0
    assert [file.name for file in folder.checkpoint("x").parent.iterdir()] == []


def test_a_phase_has_one_thread_for_linear_algebra(folder: Folder[Own]) -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def compute(report: Report) -> Arrays:
        pools = [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
        return {"threads": np.array(pools)}

    assert set(Job(folder, PHASES).keep("first", compute)["threads"]) == {1}


def test_linear_algebra_without_threadpoolctl(folder: Folder[Own], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etaflow.reproduce._kit.work.find_spec", lambda _: None)
    assert Job(folder, PHASES).keep("first", lambda _: {"a": np.ones(2)})["a"].tolist() == [1, 1]


def test_other_warnings_are_passed_on() -> None:
    with pytest.warns(RuntimeWarning, match="something else"), raising_interrupts():
        warnings.warn("something else", RuntimeWarning, stacklevel=1)


def test_a_descent_is_kept_and_not_done_again(folder: Folder[Own]) -> None:
    objective = ef.Objective(ef.MLP([1, 1], bias=False), [[1.0]], [1.0])

    def begin(**options: Any) -> ef.Runs:
        return ef.descend(objective, [0.0], steps=5, step_size=0.25, **options)

    def never(**options: Any) -> ef.Runs:
        raise AssertionError

    job = Job(folder, PHASES)
    runs, interrupted = job.descend("first", objective, begin)
    again, _ = job.descend("first", objective, never)
    assert not interrupted
    assert job.part_done("first") == 1
    np.testing.assert_array_equal(runs.theta, again.theta)


def test_a_new_job_removes_what_the_old_one_left(folder: Folder[Own]) -> None:
    folder.write_json("summary.json", {"complete": True})
    Job(folder, PHASES).keep("first", lambda _: {"a": np.zeros(1)})
    stranger = folder.path / "notes.txt"
    stranger.write_text("mine", encoding="utf-8")
    folder.begin(Own(3, "small"), overwrite=False)  # complete, with the same settings
    assert not folder.is_complete()
    assert Job(folder, PHASES).part_done("first") == 0
    assert stranger.exists()


def test_a_folder_of_another_experiment_is_refused(folder: Folder[Own]) -> None:
    other = Folder.at(folder.path, Layout("own-2", 2, Own, ()))
    with pytest.raises(ValueError, match="holds a job of own-1, not of own-2: choose another folder"):
        other.resume({})
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="holds a job of own-1, not of own-2"):
            other.begin(Own(3, "small"), overwrite=overwrite)
    assert folder.stored() == Own(3, "small")


def test_a_folder_of_another_version_may_be_overwritten(folder: Folder[Own]) -> None:
    newer = Folder.at(folder.path, Layout("own-1", 3, Own, ()))
    with pytest.raises(ValueError, match="holds a job of another version of own-1"):
        newer.resume({})
    newer.begin(Own(4, "small"), overwrite=True)
    assert newer.stored() == Own(4, "small")


def test_a_damaged_folder_is_not_another_experiments(folder: Folder[Own]) -> None:
    folder.write_text("settings.json", "{")
    with pytest.raises(ValueError, match=r"holds a damaged settings\.json"):
        folder.stored()
    folder.begin(Own(3, "small"), overwrite=True)
    assert folder.stored() == Own(3, "small")


def test_a_wish_that_differs_is_refused(folder: Folder[Own]) -> None:
    assert folder.resume({"seed": None, "scale": "small"}) == Own(3, "small")
    with pytest.raises(ValueError, match=r"seed must be as the job began, or be left out, to resume it: 3 \(got 4\)"):
        folder.resume({"seed": 4})


def test_files_appear_in_one_moment(folder: Folder[Own], monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write_text("summary.md", "old")

    def fail(self: Path, target: Path) -> Path:
        raise OSError

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError):  # noqa: PT011 - any
        folder.write_text("summary.md", "new")
    assert (folder.path / "summary.md").read_text(encoding="utf-8") == "old"


def test_the_same_figure_gives_the_same_files(tmp_path: Path) -> None:
    def draw(name: str) -> list[bytes]:
        figure = new_figure(2, 1)
        figure.subplots().plot([0, 1], [1, 0])
        return [file.read_bytes() for file in save(figure, tmp_path, name)]

    assert draw("one") == draw("two")
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(files_of("one", "two"))


def test_csv_gives_the_same_bits(tmp_path: Path) -> None:
    values = [0.1, 1 / 3, 1e-300, float("nan"), float(np.float64(2) ** 0.5)]
    lines = text.to_csv(["value", "word"], [[value, "a,b"] for value in values]).splitlines()[1:]
    read = [float(line.split(",")[0]) for line in lines]
    np.testing.assert_array_equal(read, values)
    assert lines[0].endswith('"a,b"')


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert text.table(["|B|"], [["x"]]).splitlines()[0] == "| &#124;B&#124; |"


def test_columns_are_straight_also_with_a_bar_over_a_letter() -> None:
    lines = text.table(["θ̄", "error"], [["long name", 1], ["η", 22]]).splitlines()
    assert lines == [
        "| θ̄         | error |",
        "| :-------- | ----: |",
        "| long name |     1 |",
        "| η         |    22 |",
    ]


def test_smaller_step_sizes_are_darker() -> None:
    colours = shades(5)
    light = colours[:, :3] @ [0.2126, 0.7152, 0.0722]  # after Rec. 709
    assert (np.diff(light) < 0).all()
    assert shades(1).shape == (1, 4)


def test_unknown_numbers_are_null() -> None:
    assert json.dumps([text.known(float("inf")), text.known(1.5)]) == "[null, 1.5]"
