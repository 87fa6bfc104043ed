"""The promises of the design, each with its test. (Promise 5, exact gradients, has its own files in tests/problem.)"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.dynamics import storage
from problems import FEW, Case, relative_error

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent
CASES = [
    Case((2, 3, 1), n=13),
    Case((3, 4, 3), n=37, activation="relu", loss="softmax"),
    Case((3, 5, 4, 1), n=300, activation="leaky_relu", output="logistic", loss="log", l2=0.01),
    Case((2, 3, 1), n=13, activation="gelu", dtype="float32"),
    Case((40, 30, 2), n=150, dtype="float32"),
]
METHODS: list[dict[str, Any]] = [
    {},
    {"batch_size": 1},
    {"batch_size": 2, "momentum": 0.9, "sampling": "reshuffle"},
    {"batch_size": 7, "optimizer": "adam", "noise": 0.1},
    {"batch_size": 40, "optimizer": "rmsprop"},
    {"stop": [ef.stopping.halve_on_plateau(after=3, patience=2, min_delta=0.1)], "batch_size": 1},
]
SAME: dict[str, Any] = {"steps": 70, "step_size": 0.01, "seed": 11, "mean": "loss"}
RECORD = {"loss": 10, "grad_norm2": 35, "theta": 23}


def descend(case: Case, method: dict[str, Any], **options: Any) -> ef.Runs:
    return ef.descend(case.objective, case.theta(), **(SAME | {"record": RECORD} | method | options))


def assert_rows_equal(some: ef.Runs, whole: ef.Runs, rows: slice) -> None:
    np.testing.assert_array_equal(some.theta, whole.theta[rows])
    for name in ("loss", "grad_norm2", "theta", "mean_loss"):
        np.testing.assert_array_equal(some.data[name], whole.data[name][rows])


@contextmanager
def another_process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that runs `code` with this very package; it is killed at the end if it still runs."""
    paths = [str(TESTS), str(Path(ef.__file__).parents[1])]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {paths}\n{textwrap.dedent(code)}", *arguments]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, env=os.environ | {"PYTHONWARNINGS": "default"}) as worker:
        try:
            yield worker
        finally:
            worker.kill()


def output_of(worker: subprocess.Popen[str]) -> tuple[str, str]:
    output, errors = worker.communicate(timeout=120)
    assert worker.returncode == 0, errors
    return output, errors


def line_of(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    return worker.stdout.readline()


# --- 1: the same seed, the same bits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_promise_1_alone_or_in_company_with_any_number_of_threads(case: Case, method: dict[str, Any]) -> None:
    whole = descend(case, method, runs=21, threads=1)
    for threads in (2, 3):
        assert_rows_equal(descend(case, method, runs=21, threads=threads), whole, slice(None))
    assert_rows_equal(descend(case, method, runs=range(3, 8), threads=2), whole, slice(3, 8))
    crowd = descend(case, method, runs=61, threads=1)  # so many that blocks of runs make their steps in pairs
    assert_rows_equal(whole, crowd, slice(21))
    assert_rows_equal(descend(case, method, runs=range(40, 61)), crowd, slice(40, 61))
    for run in (0, 7, 20):
        assert_rows_equal(descend(case, method, runs=range(run, run + 1)), whole, slice(run, run + 1))


def test_promise_1_runs_200_to_300_of_a_thousand() -> None:
    whole = descend(CASES[0], {"batch_size": 1}, runs=1000)
    part = descend(CASES[0], {"batch_size": 1}, runs=range(200, 300))
    assert_rows_equal(part, whole, slice(200, 300))
    assert len({theta.tobytes() for theta in whole.theta}) == 1000


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("case", CASES[:3], ids=lambda case: case.name)
def test_promise_1_in_one_piece_or_many(case: Case, method: dict[str, Any], tmp_path: Path) -> None:
    whole = descend(case, method, runs=5)
    pieces = descend(case, method, runs=5, steps=10)
    for last in (30, 46, 70):
        pieces.save(tmp_path / f"{last}.nc")
        pieces = ef.load(tmp_path / f"{last}.nc").resume(steps=last, objective=case.objective)
    np.testing.assert_array_equal(pieces.theta, whole.theta)
    np.testing.assert_array_equal(pieces.data.loss.sel(step=whole.data.step), whole.data.loss)
    np.testing.assert_array_equal(pieces.data.mean_loss, whole.data.mean_loss)


def test_promise_1_in_a_worker_process() -> None:
    program = """
        import etaflow as ef
        from problems import Case
        case = Case((2, 3, 1), n=13)
        runs = ef.descend(case.objective, case.theta(), steps=70, step_size=0.01, seed=11, batch_size=1, runs=range(4, 9))
        print(runs.theta.tobytes().hex())
    """
    with another_process(program) as worker:
        output, _ = output_of(worker)
    here = descend(CASES[0], {"batch_size": 1}, runs=range(4, 9))
    assert output.strip() == here.theta.tobytes().hex()


# --- 2: a run that diverges is a status -------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 1, 20])
def test_promise_2_the_other_runs_go_on(batch_size: int | None) -> None:
    sizes = np.full(11, 0.01)
    sizes[[2, 9]] = 1e200
    runs = descend(CASES[0], {"batch_size": batch_size}, runs=11, step_size=sizes)
    calm = descend(CASES[0], {"batch_size": batch_size}, runs=11)
    diverged = np.isin(np.arange(11), [2, 9])
    np.testing.assert_array_equal(runs.status, np.where(diverged, "diverged", "finished"))
    assert (runs.diverged_at[diverged] >= 1).all()
    np.testing.assert_array_equal(runs.theta[~diverged], calm.theta[~diverged])
    np.testing.assert_array_equal(runs.data.loss[~diverged], calm.data.loss[~diverged])
    assert np.isfinite(runs.theta).all()
    assert runs.data.loss[diverged, 0].notnull().all()  # what was recorded before stays
    assert runs.data.loss[diverged, -1].isnull().all()


# --- 3: Ctrl-C and kill -9 --------------------------------------------------------------------------------------------

ENDLESS = """
    import sys, time, warnings
    import numpy as np, etaflow as ef
    from problems import Case
    kind, path = sys.argv[1:]
    case = Case((10, 10, 1), n=500) if kind == "full" else Case((2, 3, 1), n=13)
    options = {"batch_size": None if kind == "full" else 1, "progress": (lambda f: None) if kind == "watched" else False}
    steps = 10**7 if kind == "full" else 10**9
    print("begin", flush=True)
    runs = ef.descend(case.objective, case.theta(), steps=steps, step_size=1e-5, runs=20, seed=3, record={"loss": 10**6}, **options)
    print("end", flush=True)
    print(*set(runs.status), bool(np.isfinite(runs.data.loss[runs.steps_done > 0, 0]).all()), flush=True)
    runs.save(path)
"""


@pytest.mark.parametrize("kind", ["sgd", "watched", "full"])
def test_promise_3_ctrl_c_returns_within_a_second(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "partial.nc"
    with another_process(ENDLESS, kind, str(path)) as worker:
        assert line_of(worker) == "begin\n"
        time.sleep(1.0)
        begin = time.monotonic()
        worker.send_signal(signal.SIGINT)
        assert line_of(worker) == "end\n"
        assert time.monotonic() - begin < 1.0
        output, errors = output_of(worker)
    assert output == "interrupted True\n"
    assert "RuntimeWarning: interrupted after" in errors
    assert "runs.resume() goes on" in errors
    partial = ef.load(path)
    assert (partial.status == "interrupted").all()
    assert 0 < partial.steps_done.max() < partial.plan.steps


def test_promise_3_an_interrupted_descent_goes_on_with_the_same_bits() -> None:
    case, calls = CASES[0], 0

    def press_ctrl_c(_: float) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            signal.raise_signal(signal.SIGINT)

    options: dict[str, Any] = {
        "steps": 2_000_000,
        "step_size": 1e-4,
        "batch_size": 1,
        "runs": 16,
        "record": {"loss": 400_000},
    }
    with pytest.warns(RuntimeWarning, match="interrupted after .* of 2000000 steps; runs.resume"):
        partial = ef.descend(case.objective, case.theta(), **options, progress=press_ctrl_c)
    assert "interrupted" in partial.status
    whole = ef.descend(case.objective, case.theta(), **options)
    resumed = partial.resume()
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    np.testing.assert_array_equal(resumed.data.loss, whole.data.loss)
    np.testing.assert_array_equal(resumed.status, ["finished"] * 16)


CHECKPOINTED = """
    import sys
    import etaflow as ef
    from problems import Case
    case = Case((2, 3, 1), n=13)
    print("begin", flush=True)
    ef.descend(case.objective, case.theta(), steps=int(sys.argv[2]), step_size=1e-4, batch_size=1, runs=16, seed=3,
               record={"loss": 10**6}, checkpoint=sys.argv[1], every=0.05)
"""


def test_promise_3_kill_9_loses_at_most_one_interval(tmp_path: Path) -> None:
    path, case, steps = tmp_path / "check.nc", CASES[0], 4_000_000
    with another_process(CHECKPOINTED, str(path), str(steps)) as worker:
        assert line_of(worker) == "begin\n"
        deadline = time.monotonic() + 30
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        now = time.time()
        worker.kill()
    partial = ef.load(path)
    assert now - path.stat().st_mtime < 1.0  # not older than the interval and the time to write it
    assert "interrupted" in partial.status
    assert partial.steps_done.max() > 0
    resumed = partial.resume(objective=case.objective, checkpoint=path)
    options: dict[str, Any] = {"step_size": 1e-4, "batch_size": 1, "runs": 16, "seed": 3, "record": {"loss": 10**6}}
    whole = ef.descend(case.objective, case.theta(), steps=steps, **options)
    np.testing.assert_array_equal(resumed.theta, whole.theta)
    assert ef.load(path).data.identical(whole.data)


def test_promise_3_ctrl_c_while_a_checkpoint_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, calls = storage.write, 0

    def interrupted_once(runs: ef.Runs, target: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            signal.raise_signal(signal.SIGINT)
        write(runs, target)

    monkeypatch.setattr(storage, "write", interrupted_once)
    path, case = tmp_path / "check.nc", CASES[0]
    options: dict[str, Any] = {"steps": 2_000_000, "step_size": 1e-4, "batch_size": 1, "runs": 16, "every": 0.01}
    with pytest.warns(RuntimeWarning, match=r"interrupted .*; runs.resume\(\) or etaflow.load\('.*check.nc'\) goes on"):
        partial = ef.descend(case.objective, case.theta(), **options, checkpoint=path)
    assert calls == 2
    assert ef.load(path).data.identical(partial.data)
    assert [entry.name for entry in tmp_path.iterdir()] == ["check.nc"]


# --- 4: bad input is an error before any work (every case is in tests/dynamics/test_bad_input.py) ----------------------


def test_promise_4_nothing_is_copied_to_another_dtype() -> None:
    single = CASES[3]
    with pytest.raises(TypeError, match="theta0 must be float32"):
        ef.descend(single.objective, single.theta().astype(float), steps=1, step_size=0.1)
    runs = ef.descend(single.objective, single.theta(), steps=3, step_size=0.1, record={"theta": 1})
    assert runs.theta.dtype == runs.data.theta.dtype == np.float32


# --- 5 and 6: exact gradients, IEEE arithmetic ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", [case for case in FEW if case.dtype == "float64" and case.net.num_params < 1000], ids=lambda case: case.name
)
def test_promise_5_gradients_agree_with_complex_steps(case: Case) -> None:
    theta = case.theta()
    assert relative_error(case.objective.gradient(theta), case.oracle.gradient_by_complex_step(theta)) < 1e-12


def test_promise_6_overflow_is_infinite_and_nan_is_never_hidden() -> None:
    f = ef.Objective(ef.MLP([1, 1], bias=False), [[1e200]], [0.0])
    assert f.value([1.0]) == np.inf
    runs = ef.descend(f, [1.0], steps=3, step_size=1.0)
    assert list(runs.status) == ["diverged"]
    assert runs.theta[0, 0] == 1.0


# --- memory -----------------------------------------------------------------------------------------------------------

PEAK = """
    import resource, sys
    import etaflow as ef
    from problems import Case
    case = Case((2, 3, 1), n=13)
    size = ef.schedules.sqrt(1e-3) if sys.argv[1] == "schedule" else 1e-3
    def peak(steps):
        ef.descend(case.objective, case.theta(), steps=steps, step_size=size, batch_size=1, runs=8, seed=3)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    first = peak(300_000)
    print(peak(3_000_000) - first)
"""


@pytest.mark.parametrize("kind", ["constant", "schedule"])
def test_memory_does_not_grow_with_the_steps(kind: str) -> None:
    with another_process(PEAK, kind) as worker:
        output, _ = output_of(worker)
    assert int(output) < 4096  # KiB; a table of the steps alone would take 24 MB


def test_no_warning_is_raised_by_ordinary_work() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        descend(CASES[0], {"batch_size": 1}, runs=3).data.load()
