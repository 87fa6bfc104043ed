"""What Python costs: the import, and the part of a call that is not the core's work."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kit.cases import small
from kit.race import Contender

import etaflow as ef


def test_import(race: Any) -> None:
    where = str(Path(ef.__file__).parents[1])
    code = (
        f"import sys, time; sys.path.insert(0, {where!r}); t = time.perf_counter(); "
        "import etaflow as ef; ef.MLP; ef.Objective; ef.descend; print(time.perf_counter() - t)"
    )

    def seconds() -> float:
        return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)

    race("import", Contender("etaflow", "in a new interpreter", seconds, 1, own_watch=True), [])


def test_call(race: Any) -> None:
    case = small()
    f, theta0, steps = case.objective(1), case.theta0, 1_000

    def descend(steps: int) -> Any:
        return ef.descend(f, theta0, steps=steps, step_size=0.01, batch_size=1, threads=1)

    step = (_best(lambda: descend(120_000)) - _best(lambda: descend(20_000))) / 100_000

    def seconds() -> float:
        return _best(lambda: descend(steps), 20) - steps * step

    race("call", Contender("etaflow", "descend less the steps' time in long calls", seconds, 1, own_watch=True), [])


def test_gradient_call(race: Any) -> None:
    case = small()
    f, theta = case.objective(1), case.theta0
    core, row, repeats = f.core, theta[None], 100

    def seconds() -> float:
        outer = _best(lambda: [f.gradient(theta) for _ in range(repeats)], 20)
        inner = _best(lambda: [core.gradient(row, threads=1) for _ in range(repeats)], 20)
        return (outer - inner) / repeats

    race("gradient-call", Contender("etaflow", "Objective.gradient less the core's", seconds, 1, own_watch=True), [])


def _best(call: Callable[[], Any], turns: int = 7) -> float:
    times = []
    for _ in range(turns):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)
