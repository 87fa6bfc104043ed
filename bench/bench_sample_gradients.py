"""Per-sample gradients and their covariance R(θ): 10-10-1 with n = 500, 196-10-10-10-1 with n = 1 000."""

from typing import Any

import pytest
from kit.cases import deep, small
from kit.race import Contender, enter
from kit.works import WORKS


@pytest.mark.parametrize("key", ["sample-gradients", "sample-gradients-deep"])
def test_sample_gradients(race: Any, key: str) -> None:
    threads = WORKS[key].threads
    case, repeats = (small(), 100) if key == "sample-gradients" else (deep(), 10)
    core, theta = case.objective(threads).core, case.theta0[None]

    def ours() -> Any:
        gradients = None
        for _ in range(repeats):
            del gradients  # or two results share the cache
            gradients = core.sample_gradients(theta, 0, case.n, threads=threads)
        return gradients[0]

    peers = [
        enter("Numba", lambda numba: numba.sample_gradients(case, ours, repeats)),
        enter("JAX", lambda jax: jax.sample_gradients(case, ours, repeats, by_hand=True)),
        enter("JAX", lambda jax: jax.sample_gradients(case, ours, repeats, by_hand=False)),
        enter("PyTorch", lambda torch: torch.sample_gradients(case, ours, repeats, by_hand=True)),
        enter("PyTorch", lambda torch: torch.sample_gradients(case, ours, 3, by_hand=False)),
        enter("NumPy", lambda numpy: numpy.sample_gradients(case, ours, repeats)),
    ]
    race(key, Contender("etaflow", "sample_gradients", ours, repeats), peers, case.sample_gradient_flops())


@pytest.mark.parametrize("key", ["covariance", "covariance-deep"])
def test_covariance(race: Any, key: str) -> None:
    threads = WORKS[key].threads
    case, repeats = (small(), 50) if key == "covariance" else (deep(), 1)
    core, theta = case.objective(threads).core, case.theta0[None]

    def ours() -> Any:
        for _ in range(repeats):
            covariance = core.gradient_covariance(theta, threads=threads)
        return covariance[0]

    peers = [
        enter("JAX", lambda jax: jax.covariance(case, ours, repeats)),
        enter("PyTorch", lambda torch: torch.covariance(case, ours, repeats)),
        enter("NumPy", lambda numpy: numpy.covariance(case, ours, repeats)),
    ]
    flops = case.sample_gradient_flops() + case.n * float(case.theta0.size) ** 2  # the product is symmetric
    race(key, Contender("etaflow", "gradient_covariance", ours, repeats), peers, flops)
