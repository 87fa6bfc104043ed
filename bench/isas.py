"""The builds for older instruction sets beside the newest one: how much slower they are, and whether they agree.

    python bench/isas.py

Every build that is installed and that this CPU runs works in a process of its own; the processes take turns, and the best
turn counts. All on one thread. Builds that fuse the same multiplications and additions give the same bits where a lane
is a run; sums over samples depend on the length of a vector, and agree to rounding.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from kit.cases import Case, circles, deep, small

import etaflow as ef
from etaflow import _core

#: Times relative to the newest build that are the goal, where there is one.
GOALS = {("ensemble", "v3"): 1.6, ("gradient", "v3"): 2.2, ("ensemble", "base"): 3.5, ("gradient", "base"): 5.0}


def _descent(case: Case, **options: Any) -> Any:
    return ef.descend(case.objective(1), case.theta0, step_size=case.step_size, threads=1, **options).theta


def _gradient(case: Case) -> Any:
    return case.objective(1).core.gradient(np.tile(case.theta0, (200, 1)), threads=1)[0]


WORKS = {
    "ensemble, 10-10-1, float64": lambda: _descent(small(), runs=64, steps=2000, batch_size=1),
    "ensemble, 10-10-1, float32": lambda: _descent(small("float32"), runs=64, steps=2000, batch_size=1),
    "chain, 10-10-1, float64": lambda: _descent(small(), steps=50_000, batch_size=1),
    "gradient, 10-10-1, n = 500, float64": lambda: _gradient(small()),
    "gradient, 10-10-1, n = 500, float32": lambda: _gradient(small("float32")),
    "gradient, 196-10-10-10-1, n = 1000, float64": lambda: _gradient(deep()),
    "gradient descent, 2-50-1, n = 100, float64": lambda: _descent(circles(), steps=2000),
}


def work() -> None:
    """Do the works whose numbers come in, and answer with seconds and the result."""
    works = list(WORKS.values())
    for line in sys.stdin:
        begin = time.perf_counter()
        result = works[int(line)]()
        seconds = time.perf_counter() - begin
        print(seconds, np.ascontiguousarray(result, dtype=np.float64).tobytes().hex(), flush=True)


class Build:
    """A process with one of the builds."""

    def __init__(self, isa: str) -> None:
        command, environment = [sys.executable, __file__, "--work"], os.environ | {"ETAFLOW_ISA": isa}
        self.isa, self.best, self.result = isa, [float("inf")] * len(WORKS), [np.empty(0)] * len(WORKS)
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def turn(self, number: int) -> None:
        """Do one work."""
        assert self._process.stdin
        assert self._process.stdout
        print(number, file=self._process.stdin, flush=True)
        seconds, result = self._process.stdout.readline().split()
        self.best[number] = min(self.best[number], float(seconds))
        self.result[number] = np.frombuffer(bytes.fromhex(result))

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def _agreement(result: Any, newest: Any) -> str:
    if np.array_equal(result, newest):
        return "same bits"
    return f"{np.linalg.norm(result - newest) / np.linalg.norm(newest):.0e}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--turns", type=int, default=15)
    options = parser.parse_args()
    if options.work:
        return work()
    names = [isa for isa in ("v4", "v3", "base") if isa <= _core.isa and find_spec(f"etaflow._core_{isa}")]
    builds = [Build(isa) for isa in names]
    for _ in range(options.turns):
        for number in range(len(WORKS)):
            for build in builds:
                build.turn(number)
    newest, *others = builds
    print(f"{'':46}" + "".join(f"{f'{build.isa} / {newest.isa}':>12}{'goal':>6}{'differs by':>12}" for build in others))
    for number, title in enumerate(WORKS):
        row = f"{title:46}"
        for build in others:
            goal = GOALS.get((title.split(",")[0], build.isa))
            ratio = build.best[number] / newest.best[number]
            row += f"{ratio:11.2f}x{goal or '':>6}{_agreement(build.result[number], newest.result[number]):>12}"
        print(row)
    for build in builds:
        build.end()
    return None


if __name__ == "__main__":
    main()
