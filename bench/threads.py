"""Where two threads begin to pay: one thread beside two, by turns in one session, on an idle and on a busy machine.

    python bench/threads.py            with every CPU idle
    python bench/threads.py --busy     while another program keeps one of two CPUs busy for ever

A stream is one call that passes over the batch again and again (gradient descent); alone, a call comes after a pause in
which helping threads fall asleep. `parallel_flops` and `waking_flops` of cpp/core/parallel.hpp are read off these tables.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

from kit.cases import Case, deep, small, wide

import etaflow as ef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def competitor(wanted: bool) -> Iterator[None]:
    """Keep the last CPU busy with another program."""
    if not wanted:
        yield
        return
    code = f"import os\nos.sched_setaffinity(0, [{max(os.sched_getaffinity(0))}])\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code]) as program:
        time.sleep(0.5)
        try:
            yield
        finally:
            program.kill()


def race(title: str, per_call: int, work: Callable[[int], Callable[[], object]], *, turns: int, pause: float) -> None:
    """Time `work(threads)` by turns and print the best and the mean per unit in microseconds."""
    calls = {threads: work(threads) for threads in (1, 2)}
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(turns):
        for threads, call in calls.items():
            if not pause:
                call()
            resume = time.perf_counter() + pause
            while time.perf_counter() < resume:
                pass
            begin = time.perf_counter()
            call()
            times[threads].append((time.perf_counter() - begin) / per_call * 1e6)
    best, mean = ({threads: of(values) for threads, values in times.items()} for of in (min, fmean))
    print(
        f"{title:44} {best[1]:10.2f} {best[2]:10.2f} {best[1] / best[2]:6.2f}x"
        f" {mean[1]:12.2f} {mean[2]:10.2f} {mean[1] / mean[2]:6.2f}x"
    )


def descend(case: Case, **options: Any) -> Callable[[int], Callable[[], object]]:
    """Return the work of a descent."""
    f = case.objective(1)
    theta = case.theta0
    return lambda threads: lambda: ef.descend(f, theta, step_size=1e-4, threads=threads, **options)


def gradient(case: Case) -> Callable[[int], Callable[[], object]]:
    """Return the work of one gradient."""
    core, theta = case.objective(1).core, case.theta0[None]
    return lambda threads: lambda: core.gradient(theta, threads=threads)


def hessian(case: Case) -> Callable[[int], Callable[[], object]]:
    """Return the work of one Hessian."""
    core, theta = case.objective(1).core, case.theta0[None]
    return lambda threads: lambda: core.hessian(theta, threads=threads)


def cut(case: Case, n: int) -> Case:
    """Return the case with `n` of its observations."""
    rows = range(n)
    return Case(
        case.widths,
        case.activation,
        case.loss,
        case.x.take(rows, 0, mode="wrap"),
        case.y.take(rows, 0, mode="wrap"),
        case.theta0,
        case.step_size,
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", action="store_true", help="with a competitor on the last CPU")
    parser.add_argument("--turns", type=int, default=40)
    options = parser.parse_args()
    few = max(3, options.turns // 8)
    print(f"{'µs per unit, float64':44} {'best: 1':>10} {'2':>10} {'ratio':>7} {'mean: 1':>12} {'2':>10} {'ratio':>7}")
    with competitor(options.busy):
        for n in (260, 400, 600, 1000, 2000, 4000):
            flops = small().gradient_flops(n)
            steps = int(3e7 / flops) + 10
            work = descend(cut(small(), n), steps=steps)
            race(f"stream, 10-10-1, n = {n}, {flops / 1e6:.2f} Mflop", steps, work, turns=options.turns, pause=0)
        for n in (260, 400, 600, 1000, 2000, 4000, 8000):
            race(f"alone, 10-10-1, n = {n}", 1, gradient(cut(small(), n)), turns=options.turns, pause=1e-3)
        for n in (260, 400, 600, 1000, 2000):
            race(f"alone, 196-10-10-10-1, n = {n}", 1, gradient(cut(deep(), n)), turns=options.turns, pause=1e-3)
        race("gradients in a row, 196-10-10-10-1, n = 1000", 1, gradient(deep()), turns=10 * options.turns, pause=0)
        race("Hessian, d = 121, n = 500", 1, hessian(small()), turns=10 * options.turns, pause=0)
        race("Hessian, d = 2201, n = 1000", 1, hessian(deep()), turns=few, pause=0)
        race("step of 128, 784-256-10, float32", 20, descend(wide(), batch_size=128, steps=20), turns=few, pause=0)
        for runs in (16, 64, 256, 1024):
            steps = 4_000_000 // runs
            work = descend(small(), batch_size=1, runs=runs, steps=steps)
            race(f"ensemble, 10-10-1, {runs} runs, per run-step", runs * steps, work, turns=few, pause=0)


if __name__ == "__main__":
    main()
