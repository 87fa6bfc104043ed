"""The Hessian, and its product with a vector: 10-10-1 with n = 500, 196-10-10-10-1 with n = 1 000."""

from typing import Any

import numpy as np
import pytest
from kit.cases import deep, small
from kit.race import Contender, enter
from kit.works import WORKS


@pytest.mark.parametrize("key", ["hessian", "hessian-2", "hessian-deep"])
def test_hessian(race: Any, key: str) -> None:
    threads = WORKS[key].threads
    case, repeats, chunk = (deep(), 1, 128) if key == "hessian-deep" else (small(), 50, 121)
    core, theta = case.objective(threads).core, case.theta0[None]

    def ours() -> Any:
        for _ in range(repeats):
            hessian = core.hessian(theta, threads=threads)
        return hessian[0]

    few = min(repeats, 5)
    peers = [
        enter("JAX", lambda jax: jax.hessian(case, ours, few, chunk=None)),
        enter("JAX", lambda jax: jax.hessian(case, ours, few, chunk=chunk)),
        enter("PyTorch", lambda torch: torch.hessian(case, ours, few, chunk=None)) if few > 1 else None,
        enter("PyTorch", lambda torch: torch.hessian(case, ours, few, chunk=chunk)),
    ]
    race(key, Contender("etaflow", "hessian", ours, repeats), [one for one in peers if one])


@pytest.mark.parametrize("key", ["hessian-vector", "hessian-vector-deep"])
def test_hessian_vector(race: Any, key: str) -> None:
    case, repeats = (small(), 200) if key == "hessian-vector" else (deep(), 20)
    core, theta = case.objective(1).core, np.tile(case.theta0, (repeats, 1))
    v = np.random.default_rng(0).standard_normal(theta.shape)

    def ours() -> Any:
        return core.hessian_vector(theta, v, threads=1)

    peers = [
        enter("JAX", lambda jax: jax.hessian_vector(case, v, ours)),
        enter("PyTorch", lambda torch: torch.hessian_vector(case, v, ours)),
    ]
    race(key, Contender("etaflow", "hessian_vector", ours, repeats), peers)
