"""SGD with batch 1 and, at every step, the squared norm of the gradient over the whole set: the thesis's experiment 5.3.

The network is 196-10-10-10-1 ReLU with log loss. The full protocol, n = 12 049 and 12 million steps, is extrapolated from
a slice of 20 runs: 20 settings of step size or batch size, 20 runs each, 30 000 steps.
"""

from functools import partial
from typing import Any

import numpy as np
import pytest
from kit.cases import Case, deep
from kit.race import Contender, enter
from kit.works import WORKS

import etaflow as ef

PAPER_STEPS, PAPER_N = 20 * 20 * 30_000, 12_049


def _ends(case: Case, runs: int, steps: int) -> Any:
    """Return θ of every run and, last, the mean of ‖∇f‖² over the iterates before each step: (runs, d + 1)."""
    f = case.objective(threads=2)
    result = ef.descend(
        f, case.theta0, runs=runs, steps=steps, step_size=case.step_size, batch_size=1, mean="grad_norm2", threads=2
    )
    return np.column_stack([result.theta, result.state["sums"] / steps])


@pytest.mark.parametrize("key", ["monitored", "monitored-float32"])
def test_one_run(race: Any, key: str) -> None:
    case = deep(WORKS[key].dtype)
    steps = 50
    indices, expected = case.indices(steps), partial(_ends, case, 1, steps)
    peers = [
        enter("Numba", lambda numba: numba.monitored(case, indices, expected, workers=1)),
        enter("JAX", lambda jax: jax.monitored(case, indices, expected, workers=1)),
        enter("PyTorch", lambda torch: torch.monitored(case, indices, expected)),
        enter("NumPy", lambda numpy: numpy.monitored(case, indices, lambda: expected()[0])),
    ]
    race(key, Contender("etaflow", "descend", partial(_ends, case, 1, 500), 500), peers, _flops(case))


@pytest.mark.parametrize("key", ["monitored-20", "monitored-20-float32"])
def test_twenty_runs(race: Any, key: str) -> None:
    case, runs, steps = deep(WORKS[key].dtype), 20, 10
    indices, expected = case.indices(steps, runs), partial(_ends, case, runs, steps)
    peers = [
        enter("Numba", lambda numba: numba.monitored(case, indices, expected, workers=2)),
        enter("JAX", lambda jax: jax.monitored(case, indices, expected, workers=2)),
        enter("PyTorch", lambda torch: torch.monitored(case, indices, expected)),
    ]
    race(key, Contender("etaflow", "descend", partial(_ends, case, runs, 50), 50 * runs), peers, _flops(case))


@pytest.mark.parametrize("key", ["paper", "paper-float32"])
def test_paper(race: Any, key: str) -> None:
    case, runs, steps = deep(WORKS[key].dtype, n=PAPER_N), 20, 12
    share = runs * steps / PAPER_STEPS
    ours = Contender("etaflow", "descend", partial(_ends, case, runs, steps), share)
    race(key, ours, [], _flops(case) * PAPER_STEPS)


def _flops(case: Case) -> float:
    return case.gradient_flops(case.n) + case.gradient_flops(1)
