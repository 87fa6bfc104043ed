"""Weak errors: exact slopes on linear regression, and simulated ones whose intervals hold the orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.theory.weak.signed_power import fit_signed_power
from problems import Case

# Found by a search for problems whose errors are near a pure power already at these η.
CALM = ef.Objective(ef.MLP([1, 1], bias=False), [[-1.0], [-0.9], [0.7]], [0.2, 0.1, 0.4])
CALM_START, CALM_TIME = [-1.7], 0.6
NOISY = ef.Objective(ef.MLP([1, 1], bias=False), [[1.3], [-0.8], [0.8]], [0.0, 1.5, -1.6])
NOISY_START, NOISY_TIME = [3.4], 0.4
PLANE = Case((1, 1), n=5)


@pytest.mark.parametrize(
    ("f", "start", "t"), [(CALM, CALM_START, 0.6), (NOISY, NOISY_START, 0.4), (PLANE.objective, PLANE.theta(), 0.8)]
)
@pytest.mark.parametrize(("batch", "sampling"), [(1, "iid"), (2, "without_replacement")])
def test_exact_orders_are_one_and_two(f: ef.Objective, start: Any, t: float, batch: int, sampling: str) -> None:
    """The local power tends to the order; Richardson's extrapolation of two of them takes off the next term."""
    sizes = t / np.array([400, 800, 1600])
    found = ef.theory.weak_error(
        f,
        start,
        t=t,
        step_sizes=sizes,
        approximations=["flow", "order 1", "order 2"],
        batch_size=batch,
        sampling=sampling,
    )
    local = found.data["local_power"].values
    assert np.isnan(local[..., 0]).all()
    extrapolated = 2 * local[..., 2] - local[..., 1]
    np.testing.assert_allclose(extrapolated[:2], 1, atol=2e-3)
    np.testing.assert_allclose(extrapolated[2], 2, atol=2e-3)
    assert found.exact
    assert found.power("order 2").low == found.power("order 2").slope


def test_svag_leads_to_the_equation_like_one_over_l() -> None:
    options: dict[str, Any] = {"t": NOISY_TIME, "step_sizes": [0.1]}
    names = ["order 1", *(f"svag {2**k}" for k in range(4, 8))]
    errors = ef.theory.weak_error(NOISY, NOISY_START, approximations=names, **options).data["error"].values[:, :, 0]
    gaps = np.abs(errors[1:] - errors[0])  # SVAG − equation
    ratios = gaps[:-1] / gaps[1:]
    assert (np.abs(ratios - 2) < 0.1).all()
    assert (gaps[-1] < 0.02 * np.abs(errors[0])).all()
    alone = ef.theory.weak_error(NOISY, NOISY_START, approximations=["svag 1"], **options).data["error"].values
    np.testing.assert_allclose(alone, 0, atol=1e-13)  # SVAG(1) is SGD


def test_gaussian_noise_has_no_error_in_two_moments_of_a_quadratic() -> None:
    found = ef.theory.weak_error(
        PLANE.objective, PLANE.theta(), t=0.8, step_sizes=[0.1, 0.2], approximations=["gaussian", "isotropic"]
    )
    np.testing.assert_allclose(found.data["error"].sel(approximation="gaussian"), 0, atol=1e-13)
    assert (np.abs(found.data["error"].sel(approximation="isotropic")) > 1e-4).all()
    assert np.isnan(found.power("gaussian").slope)
    assert "no power" in repr(found)


def test_own_quadratic_functions_are_exact() -> None:
    found = ef.theory.weak_error(
        PLANE.objective,
        PLANE.theta(),
        t=0.8,
        step_sizes=[0.1],
        test_functions={
            "mean": lambda theta: theta[:, 1],
            "product": lambda theta: 3 + theta[:, 0] * theta[:, 1] - 2 * theta[:, 0],
        },
    )
    ends = [
        ef.theory.exact_moments(PLANE.objective, PLANE.theta(), t=0.8, step_size=0.1, process=process)
        for process in ("sgd", "order 1", "order 2")
    ]
    product = [3 + end.second[0, 1] - 2 * end.mean[0] for end in ends]
    np.testing.assert_allclose(
        found.data["error"].sel(test="product")[:, 0], product[0] - np.array(product[1:]), atol=1e-12
    )
    np.testing.assert_allclose(found.data["expectation"].sel(test="mean")[:, 0], [end.mean[1] for end in ends[1:]])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("f", "start", "t", "sizes", "runs"),
    [
        (CALM, CALM_START, CALM_TIME, [0.3, 0.2, 0.1, 0.05], 20_000),
        (NOISY, NOISY_START, NOISY_TIME, [0.2, 0.4 / 3, 0.1, 0.05], 40_000),
    ],
)
def test_simulated_orders_are_one_and_two(f: ef.Objective, start: Any, t: float, sizes: list[float], runs: int) -> None:
    """Intervals of level 99 %, seed 4, hold 1 and 2, and each not the other; and all errors are the exact ones."""
    options: dict[str, Any] = {"t": t, "step_sizes": sizes, "test_functions": ["loss"]}
    found = ef.theory.weak_error(f, start, runs=runs, seed=4, level=0.99, **options)
    exact = ef.theory.weak_error(f, start, **options)
    for order in (1, 2):
        law = found.order(f"order {order}")
        assert law.contains(order)
        assert not law.contains(3 - order)
    # Beside the noise there is Euler's error, which the exact moments of its scheme know.
    parts = np.ceil(32 * max(sizes) / np.array(sizes) - 1e-9).astype(int)
    H, b = f.hessian([0.0])[0, 0], f.gradient([0.0])[0]
    for i, (eta, count) in enumerate(zip(sizes, parts, strict=True)):
        moments = [
            ef.theory.exact_moments(f, start, t=t, step_size=eta, process=f"order {order}", substeps=int(count))
            for order in (1, 2)
        ]
        costs = [H / 2 * one.second[0, 0] + b * one.mean[0] + float(f.value([0.0])) for one in moments]
        expected = float(exact.data["expectation_sgd"][0, i]) - np.array(costs)
        z = (found.data["error"][:, 0, i] - expected) / found.data["standard_error"][:, 0, i]
        assert (np.abs(z) < 4).all()  # level 6·10⁻⁵ for each of 8


def test_a_simulation_agrees_with_the_exact_expectations() -> None:
    """Every expectation within 4.5 standard errors (level 10⁻⁵ each), seed 0; Euler's error with 64 substeps is far less."""
    names = ["flow", "gaussian", "isotropic", "svag 3", "order 1"]
    options: dict[str, Any] = {"t": 0.8, "step_sizes": [0.2, 0.1], "approximations": names}
    found = ef.theory.weak_error(PLANE.objective, PLANE.theta(), runs=4000, substeps=64, **options).data
    exact = ef.theory.weak_error(PLANE.objective, PLANE.theta(), **options).data
    gaps = np.abs(found["error"] - exact["error"])
    assert (gaps < 4.5 * found["standard_error"] + 1e-9).all()
    assert (found["standard_error"] > 0).all()
    assert found.attrs["runs"] == 4000


def test_a_network_needs_runs_and_no_two_runs_are_shared() -> None:
    case = Case((1, 2, 1), n=4)
    with pytest.raises(ValueError, match="runs must be given where the expectations are not known exactly"):
        ef.theory.weak_error(case.objective, case.theta(), t=1.0, step_sizes=[0.1])
    told: list[float] = []
    found = ef.theory.weak_error(
        case.objective,
        case.theta(),
        t=1.0,
        step_sizes=[0.1, 0.2],
        runs=50,
        substeps=2,
        approximations=["gaussian", "flow", "svag 2", "order 2"],
        progress=told.append,
    )
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    again = ef.theory.weak_error(
        case.objective, case.theta(), t=1.0, step_sizes=[0.1, 0.2], runs=50, approximations=["gaussian"]
    )
    np.testing.assert_array_equal(found.data["expectation_sgd"][:, 0], again.data["expectation_sgd"][:, 0])
    first = ef.descend(case.objective, case.theta(), steps=10, step_size=0.1, batch_size=1, runs=50, seed=0)
    expected = np.sum(first.theta**2, axis=1).mean()
    assert float(found.data["expectation_sgd"].sel(test="norm2", step_size=0.1)) == pytest.approx(expected, rel=1e-12)
    assert repr(found).startswith("WeakError(50 runs, 2 step sizes 0.1 … 0.2, E loss: gaussian: η^")


@pytest.mark.parametrize(
    ("bend", "next_term"),
    [(0.0, False), *(pytest.param(bend, True, marks=pytest.mark.slow) for bend in (0.45, -0.3))],
)
def test_signed_power_covers_its_slope(bend: float, next_term: bool) -> None:
    """Of 400 simulated fits at level 90 %, between 344 and 376 (a binomial's 99 % range) hold the true slope; seed 0."""
    generator, x = np.random.default_rng(0), np.array([1.0, 0.5, 0.25, 0.125])
    errors = np.array([0.02, 0.02, 0.01, 0.01])
    truth = -(x**1.5) * (1 + bend * x)
    fits = [
        fit_signed_power(x, truth + errors * generator.normal(size=4), errors, 0.9, next_term=next_term)
        for _ in range(400)
    ]
    assert 344 <= sum(law.contains(1.5) for law in fits) <= 376


def test_signed_power_without_information() -> None:
    x, errors = np.array([1.0, 0.5, 0.25]), np.full(3, 0.1)
    blind = fit_signed_power(x, np.array([0.05, -0.1, 0.1]), errors, 0.9)
    assert blind.high - blind.low > 3
    assert np.isnan(fit_signed_power(x[:2], x[:2], errors[:2], 0.9, next_term=True).slope)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"step_sizes": [0.3]}, ValueError, r"step_sizes\[0\] = 0.3 must divide t = 1"),
        ({"runs": 1}, ValueError, "runs must be >= 2"),
        ({"approximations": ["order 3"]}, ValueError, r"approximations\[0\] must be one of"),
        ({"approximations": ["sgd"]}, ValueError, "not 'sgd'"),
        ({"approximations": "order 1"}, TypeError, "approximations must be a sequence of names"),
        ({"test_functions": ["los"]}, ValueError, "did you mean 'loss'"),
        ({"test_functions": {"g": lambda theta: theta}}, ValueError, r"must take \(runs, d\) to \(runs,\)"),
        ({"test_functions": {"g": lambda theta: np.sin(theta[:, 0])}}, ValueError, "which is not quadratic"),
        ({"level": 1.5}, ValueError, "level"),
        ({"sampling": "reshuffle"}, ValueError, "sampling must be one of"),
    ],
    ids=str,
)
def test_bad_input(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ef.theory.weak_error(PLANE.objective, PLANE.theta(), **{"t": 1.0, "step_sizes": [0.1, 0.05], **options})
