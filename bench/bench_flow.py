"""The gradient flow of 10-10-1 tanh to t = 100, the covariance of SGD around it, and SGD that is compared with it after every step."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from kit.cases import small
from kit.race import Contender, enter
from kit.works import WORKS

import etaflow as ef

T, RTOL, ATOL = 100.0, 1e-6, 1e-6
RUNS, STEPS = 4096, 10_000


def test_flow(race: Any) -> None:
    work = WORKS["flow"]
    case = small()
    objective = case.objective(work.threads)
    tight = ef.flow(objective, case.theta0, t=T, rtol=1e-12, atol=1e-13, method="DOP853").theta

    def ours() -> Any:
        return ef.flow(objective, case.theta0, t=T, rtol=RTOL, atol=ATOL).theta

    def peer(name: str) -> Any:
        return enter("JAX", lambda module: getattr(module, name)(case, T, RTOL, ATOL))

    peers = [peer("flow_diffrax"), peer("flow_lsoda")]
    for one in [Contender("etaflow", "flow", ours, 1), *peers]:
        if isinstance(one, Contender):
            error = float(np.abs(one.work() - tight).max())
            print(f"{one.tool}, {one.how}: error {error:.1e} against a flow with rtol 1e-12")
            assert error < 100 * RTOL
    race("flow", Contender("etaflow", "flow", ours, 1), peers)


def test_covariance(race: Any) -> None:
    work = WORKS["flow-covariance"]
    case = small()
    objective = case.objective(work.threads)
    flow = partial(ef.flow, objective, case.theta0, t=T, rtol=RTOL, atol=ATOL)
    times = np.linspace(T / 20, T, 20)
    tight = ef.fluctuations(objective, flow(rtol=1e-10, atol=1e-12), times=times, rtol=1e-9).covariance

    def with_covariance() -> Any:
        path = flow()
        return np.append(path.theta, ef.fluctuations(objective, path, times=times).trace)

    def alone() -> Any:
        return flow().theta

    found = ef.fluctuations(objective, flow(), times=times).covariance
    error = float(np.max(np.linalg.norm(found - tight, axis=(1, 2)) / np.linalg.norm(tight, axis=(1, 2))))
    print(f"the covariance is within {error:.1e} of one with rtol 1e-9 on a flow with rtol 1e-10")
    assert error < 1e-4
    race(
        "flow-covariance",
        Contender("etaflow", "flow and covariance", with_covariance, 1),
        [Contender("etaflow", "flow alone", alone, 1)],
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_tracking(race: Any, dtype: str) -> None:
    key = "tracking" if dtype == "float64" else "tracking-float32"
    work = WORKS[key]
    case = small(dtype)
    f = case.objective(work.threads)
    path = ef.flow(f, case.theta0, t=STEPS * case.step_size, rtol=1e-6, atol=1e-6)
    reference = path(np.minimum(np.arange(STEPS + 1) * case.step_size, path.t))
    runs = partial(ef.descend, f, case.theta0, runs=RUNS, steps=STEPS, step_size=case.step_size, batch_size=1)

    def tracked() -> Any:
        return runs(reference=reference, record={"sup_distance": [STEPS]}).theta

    def plain() -> Any:
        return runs().theta

    race(
        key,
        Contender("etaflow", "with the distance", tracked, RUNS * STEPS),
        [Contender("etaflow", "without the distance", plain, RUNS * STEPS, expected=tracked)],
    )
