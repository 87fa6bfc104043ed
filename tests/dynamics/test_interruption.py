"""Ctrl-C inside one long step: it is dropped, and everything is as it was after the last finished one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import etaflow as ef
from problems import Case

TESTS = Path(__file__).parents[1]

#: One gradient of these takes several seconds on two cores.
LONG = """
    import sys
    sys.path[:0] = {paths}
    import numpy as np, etaflow as ef
    kind = sys.argv[1]
    rng = np.random.default_rng(0)
    n = 2_000_000 if kind == "looking" else 1_000_000
    x, y = rng.standard_normal((n, 8), dtype="f4"), rng.standard_normal((n, 1), dtype="f4")
    net = ef.MLP([8, 300, 300, 1])
    f = ef.Objective(net, x, y)
    theta = net.init(seed=0).astype("f4")
    options = {{"steps": 1000, "step_size": 1e-4}}
    print("begin", flush=True)
    if kind == "flow":
        flow = ef.flow(f, theta, t=10.0)
        print("end", flush=True)
        print(flow.status)
    elif kind == "gradient":
        try:
            f.gradient(theta)
        except KeyboardInterrupt:
            print("end", flush=True)
            print("interrupted")
    else:
        options |= {{"full": {{}}, "batch": {{"batch_size": 500_000}}, "looking": {{"batch_size": 1, "mean": "grad_norm2"}}}}[kind]
        runs = ef.descend(f, theta, **options, record={{"loss": 500}})
        print("end", flush=True)
        print(*runs.status)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "batch", "looking", "flow", "gradient"])
def test_a_step_of_seconds_is_dropped_within_one(kind: str) -> None:
    paths = [str(TESTS), str(Path(ef.__file__).parents[1])]
    code = textwrap.dedent(LONG).format(paths=paths)
    command = [sys.executable, "-W", "ignore", "-c", code, kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as worker:
        try:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "begin\n"
            time.sleep(0.7)
            begin = time.monotonic()
            worker.send_signal(signal.SIGINT)
            assert worker.stdout.readline() == "end\n"
            assert time.monotonic() - begin < 1.0
            assert worker.stdout.readline() == "interrupted\n"
        finally:
            worker.kill()


# --- the same bits ----------------------------------------------------------------------------------------------------

#: A gradient takes some ten milliseconds, so that most signals come in the middle of one.
MIDDLING = Case((10, 64, 64, 1), n=30_000)
RECORD = {"loss": 3, "grad_norm2": 1, "theta": 4, "batch_loss": 2, "update_norm": 5}
METHODS: list[dict[str, Any]] = [
    {"optimizer": "adam", "mean": ["loss", "grad_norm2"]},
    {"batch_size": 25_000, "momentum": 0.9},
    {"batch_size": 2, "mean": "loss", "runs": 3},
    {"stop": [ef.stopping.halve_on_plateau(after=2, patience=1, min_delta=10.0)], "runs": 2},
    {"gradient_noise": "gaussian", "batch_size": 100},
    {"reference": "start"},
]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_interrupted_again_and_again(method: dict[str, Any], threads: int) -> None:
    theta = MIDDLING.theta()
    record = dict(RECORD)
    if method == {"reference": "start"}:
        method, record = {"reference": theta}, record | {"distance": 3, "sup_distance": 2}
    f = MIDDLING.objective
    begin = time.monotonic()
    f.gradient(theta)
    steps = 6 + int(0.25 / (time.monotonic() - begin))
    options: dict[str, Any] = {"steps": steps, "step_size": 1e-3, "seed": 3, "record": record, "threads": threads} | method
    whole = ef.descend(f, theta, **options)

    def press_ctrl_c(_: float) -> None:
        signal.raise_signal(signal.SIGINT)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        runs = ef.descend(f, theta, **options, progress=press_ctrl_c)
        assert "interrupted" in runs.status
        for _ in range(4):
            later = runs.data.step > runs.steps_done.max()
            assert runs.data.loss.where(later).isnull().all()
            runs = runs.resume(objective=f, progress=press_ctrl_c)
    runs = runs.resume(objective=f)
    np.testing.assert_array_equal(runs.status, whole.status)
    assert runs.data.identical(whole.data)
