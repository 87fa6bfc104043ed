"""Gradient descent of 50 runs: 2-50-1 leaky ReLU, log loss, n = 100, as in the thesis's experiment 5.1."""

from functools import partial
from typing import Any

from kit.cases import circles
from kit.race import Contender, enter

import etaflow as ef

RUNS = 50


def test_gradient_descent(race: Any) -> None:
    case = circles()
    f = case.objective(threads=2)

    def ends(steps: int) -> Any:
        return ef.descend(f, case.theta0, runs=RUNS, steps=steps, step_size=case.step_size, threads=2).theta

    def peer(tool: str, steps: int, **options: Any) -> Any:
        return enter(tool, lambda module: module.descents(case, steps, RUNS, partial(ends, steps), **options))

    ours = Contender("etaflow", "descend", partial(ends, 2_000), 2_000 * RUNS)
    peers = [
        peer("Numba", 1_000),
        peer("JAX", 200, workers=1),
        peer("JAX", 200, workers=2),
        peer("PyTorch", 100, compiled=False),
        peer("PyTorch", 100, compiled=True),
        peer("NumPy", 10),
    ]
    race("gradient-descent", ours, peers, case.gradient_flops(case.n))
