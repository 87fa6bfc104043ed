"""Helping threads: the same bits from wherever they are asked for, asleep without work, no obstacle to a fork or an exit."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import etaflow as ef
from problems import Case

CASE = Case((40, 30, 1), n=3000)
PACKAGE = str(Path(ef.__file__).parents[1])


def gradient(threads: int) -> Any:
    return CASE.objective.core.gradient(CASE.theta()[None], threads=threads)[0]


def python(code: str) -> subprocess.CompletedProcess[str]:
    prefix = (
        f"import sys; sys.path[:0] = {[PACKAGE, str(Path(__file__).parents[1])]}\nimport numpy as np, etaflow as ef\n"
    )
    problem = "from problems import Case\ncase = Case((40, 30, 1), n=3000)\nf, theta = case.objective.core, case.theta()[None]\n"
    command = [sys.executable, "-c", prefix + problem + code]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_many_python_threads_at_once() -> None:
    expected = gradient(1)
    wrong: list[int] = []

    def work() -> None:
        wrong.extend(i for i in range(200) if not np.array_equal(gradient(2 + i % 3), expected))

    callers = [threading.Thread(target=work) for _ in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_helpers_without_work_sleep() -> None:
    for _ in range(20):
        gradient(4)
    time.sleep(0.05)
    begin = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - begin < 0.1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_child_of_a_fork_works_on_one_thread() -> None:
    code = """
import os
before = f.gradient(theta, threads=4)
child = os.fork()
if child == 0:
    same = np.array_equal(f.gradient(theta, threads=4), before)
    os._exit(0 if same and len(os.listdir("/proc/self/task")) == 1 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert np.array_equal(f.gradient(theta, threads=4), before)
"""
    result = python(code)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("ending", ["", "import os; os.kill(os.getpid(), 15)", "raise SystemExit(0)"])
def test_the_process_ends_while_helpers_look_for_work(ending: str) -> None:
    result = python(f"for _ in range(50): f.gradient(theta, threads=4)\n{ending}")
    assert result.returncode == (-15 if "kill" in ending else 0), result.stderr
