"""256 SGD runs side by side: 10-10-1 tanh and 196-10-10-10-1 ReLU, batch 1."""

from functools import partial
from typing import Any

import pytest
from kit.cases import Case, deep, small
from kit.race import Contender, enter
from kit.works import WORKS

import etaflow as ef

RUNS = 256


def _ends(case: Case, threads: int, steps: int) -> Any:
    f, step_size = case.objective(threads), case.step_size
    return ef.descend(f, case.theta0, runs=RUNS, steps=steps, step_size=step_size, batch_size=1, threads=threads).theta


@pytest.mark.parametrize("key", ["ensemble", "ensemble-float32", "ensemble-1", "ensemble-1-float32"])
def test_ensemble(race: Any, key: str) -> None:
    work = WORKS[key]
    case = small(work.dtype)

    def peer(tool: str, name: str, steps: int, **options: Any) -> Any:
        expected = partial(_ends, case, work.threads, steps)
        return enter(tool, lambda module: getattr(module, name)(case, case.indices(steps, RUNS), expected, **options))

    ours = Contender("etaflow", "descend", partial(_ends, case, work.threads, 5_000), 5_000 * RUNS)
    peers = [
        peer("Numba", "ensemble", 5_000),
        peer("JAX", "ensemble", 2_000, workers=1),
        peer("JAX", "ensemble", 2_000, workers=2) if work.threads == 2 else None,
        peer("JAX", "ensemble", 1_000, workers=1, by_hand=False) if key == "ensemble" else None,
        peer("PyTorch", "ensemble_bmm", 200),
        peer("PyTorch", "ensemble_compiled", 400),
        peer("PyTorch", "ensemble_func", 50) if key == "ensemble" else None,
    ]
    race(key, ours, [one for one in peers if one], case.gradient_flops(1))


@pytest.mark.parametrize("key", ["ensemble-deep", "ensemble-deep-float32"])
def test_deep_ensemble(race: Any, key: str) -> None:
    work = WORKS[key]
    case = deep(work.dtype)

    def jax_peer(workers: int, steps: int = 100) -> Any:
        expected = partial(_ends, case, work.threads, steps)
        return enter("JAX", lambda jax: jax.ensemble(case, case.indices(steps, RUNS), expected, workers=workers))

    ours = Contender("etaflow", "descend", partial(_ends, case, work.threads, 500), 500 * RUNS)
    race(key, ours, [jax_peer(1), jax_peer(2)], case.gradient_flops(1))
