"""The gradient over the whole set: 10-10-1 tanh with n = 500, 196-10-10-10-1 ReLU with n = 1 000."""

from typing import Any

import numpy as np
import pytest
from kit.cases import deep, small
from kit.race import Contender, enter
from kit.works import WORKS


@pytest.mark.parametrize("key", ["gradient", "gradient-deep-1", "gradient-deep"])
def test_full_gradient(race: Any, key: str) -> None:
    work = WORKS[key]
    case = small() if key == "gradient" else deep()
    core, repeats = case.objective(work.threads).core, 400 if key == "gradient" else 100  # turns of milliseconds
    theta = case.theta0[None]
    many = np.tile(theta, (repeats, 1))

    def expected() -> Any:
        return core.gradient(theta, threads=1)[0]

    def ours() -> Any:
        if work.threads == 1:  # one call for many: the core's time alone, as JAX's loop is compiled
            return core.gradient(many, threads=1)
        for _ in range(repeats):  # many would be shared over the threads, one by one
            core.gradient(theta, threads=work.threads)
        return None

    peers = [
        enter("Numba", lambda numba: numba.gradient(case, expected)) if key == "gradient" else None,
        enter("JAX", lambda jax: jax.gradient(case, expected)),
        enter("PyTorch", lambda torch: torch.gradient(case, expected, by_hand=True)),
        enter("PyTorch", lambda torch: torch.gradient(case, expected, by_hand=False)),
        enter("NumPy", lambda numpy: numpy.gradient(case, expected)),
    ]
    ours_contender = Contender("etaflow", "gradient", ours, repeats)
    race(key, ours_contender, [one for one in peers if one], case.gradient_flops(case.n))
