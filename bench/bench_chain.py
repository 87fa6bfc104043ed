"""One SGD chain: 10-10-1 tanh, square loss, batch 1."""

from functools import partial
from typing import Any

from kit.cases import small
from kit.race import Contender, enter

import etaflow as ef


def test_chain(race: Any) -> None:
    case = small()
    f = case.objective(threads=1)

    def end(steps: int) -> Any:
        return ef.descend(f, case.theta0, steps=steps, step_size=case.step_size, batch_size=1, threads=1).theta[0]

    def peer(tool: str, name: str, steps: int, **options: Any) -> Any:
        build = lambda module: getattr(module, name)(case, case.indices(steps), partial(end, steps), **options)  # noqa: E731
        return enter(tool, build)

    ours = Contender("etaflow", "descend", partial(end, 100_000), 100_000)
    peers = [
        peer("Numba", "chain", 50_000),
        peer("JAX", "chain", 20_000, unroll=8, by_hand=True),
        peer("JAX", "chain", 20_000, unroll=4, by_hand=True),
        peer("JAX", "chain", 20_000, unroll=4, by_hand=False),
        peer("PyTorch", "chain_eager", 200),
        peer("PyTorch", "chain_compiled", 1_600),
        peer("NumPy", "chain", 2_000),
        peer("scikit-learn", "epoch", 400),
    ]
    race("chain", ours, peers, case.gradient_flops(1))
