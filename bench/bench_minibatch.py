"""One training step of a wide network: 784-256-10 ReLU, softmax, batch 128, float32."""

from functools import partial
from typing import Any

import pytest
from kit.cases import wide
from kit.race import Contender, enter
from kit.works import WORKS

import etaflow as ef

BATCH = 128


@pytest.mark.parametrize("key", ["minibatch-1", "minibatch"])
def test_minibatch(race: Any, key: str) -> None:
    work = WORKS[key]
    case = wide(work.dtype)
    f = case.objective(work.threads)
    steps = 50

    def end(steps: int) -> Any:
        step_size = case.step_size
        runs = ef.descend(f, case.theta0, steps=steps, step_size=step_size, batch_size=BATCH, threads=work.threads)
        return runs.theta[0]

    indices, expected = case.indices(steps, batch=BATCH), partial(end, steps)
    peers = [
        enter("JAX", lambda jax: jax.minibatch(case, indices, expected)),
        enter("PyTorch", lambda torch: torch.minibatch(case, indices, expected, compiled=False)),
        enter("PyTorch", lambda torch: torch.minibatch(case, indices, expected, compiled=True)),
        enter("NumPy", lambda numpy: numpy.minibatch(case, indices, expected)),
        enter("scikit-learn", lambda sklearn: sklearn.epoch(case, indices, expected)),
    ]
    race(key, Contender("etaflow", "descend", partial(end, 100), 100), peers, case.gradient_flops(BATCH))
