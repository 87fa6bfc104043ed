"""What is recorded, averaged and taken as moments, each against the oracle at the recorded θ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import etaflow as ef
from problems import Case
from reference import monitor

CASES = [
    Case((2, 3, 1), n=13),
    Case((3, 4, 1), n=18, activation="gelu", output="logistic", loss="log", l2=0.02),
    Case((3, 4, 3), n=15, loss="softmax", reduction="sum"),
    Case((2, 3, 2), n=13, dtype="float32"),
]
STEPS = 24
EVERYTHING = ("loss", "grad_norm2", "batch_loss", "theta", "accuracy", "update_norm", "rayleigh", "validation_loss")


def validation_of(case: Case) -> Case:
    return Case(
        case.widths, case.n + 4, case.activation, case.output, case.loss, case.bias, case.reduction, case.l2, case.dtype
    )


def descend(case: Case, **options: Any) -> ef.Runs:
    step_size = 0.05 / (case.n if case.reduction == "sum" else 1)
    settings: dict[str, Any] = {"steps": STEPS, "step_size": step_size, "runs": 3, "seed": 6}
    return ef.descend(case.objective, case.theta(), **(settings | options))


@pytest.mark.parametrize("batch_size", [None, 2, 17])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_quantity_is_the_oracles(case: Case, batch_size: int | None) -> None:
    record = dict.fromkeys(EVERYTHING, 1)
    runs = descend(case, batch_size=batch_size, record=record, validation=validation_of(case).objective)
    tolerance: dict[str, Any] = (
        {"rtol": 1e-9, "atol": 1e-13} if case.dtype == "float64" else {"rtol": 3e-4, "atol": 1e-5}
    )
    for run in range(3):
        theta = runs.data.theta[run].values.astype(float)
        for name in ("loss", "grad_norm2", "accuracy", "rayleigh", "validation_loss"):
            expected = [monitor(case.oracle, at, name, validation_of(case).oracle) for at in theta]
            np.testing.assert_allclose(runs.data[name][run], expected, **tolerance, err_msg=name)
        rows = np.tile(np.arange(case.n), (STEPS, 1))
        if batch_size is not None:
            rows = ef._core.sample_indices(case.n, batch_size, "iid", 6, run, 0, STEPS)
        batch_losses = [case.oracle.batch_value(at, row) for at, row in zip(theta[:-1], rows, strict=True)]
        np.testing.assert_allclose(runs.data.batch_loss[run], [np.nan, *batch_losses], **tolerance)
        norms = np.linalg.norm(np.diff(theta, axis=0), axis=1)
        np.testing.assert_allclose(runs.data.update_norm[run], [np.nan, *norms], **tolerance)


def test_strides_and_steps_share_one_axis() -> None:
    every = descend(CASES[0], record={"loss": 1, "accuracy": 1, "theta": 1})
    runs = descend(CASES[0], record={"loss": 10, "accuracy": [3, 20, 3], "theta": np.array([5])})
    np.testing.assert_array_equal(runs.data.step, [0, 3, 10, 20, 24])
    np.testing.assert_array_equal(runs.data.step_theta, [0, 5, 24])
    np.testing.assert_array_equal(runs.data.loss[:, [0, 2, 3, 4]], every.data.loss[:, [0, 10, 20, 24]])
    assert runs.data.loss[:, 1].isnull().all()
    np.testing.assert_array_equal(runs.data.accuracy[:, [0, 1, 3, 4]], every.data.accuracy[:, [0, 3, 20, 24]])
    np.testing.assert_array_equal(runs.data.theta, every.data.theta[:, [0, 5, 24]])
    np.testing.assert_allclose(runs.data.time, 0.05 * runs.data.step, rtol=1e-14)
    np.testing.assert_allclose(runs.data.time_theta, 0.05 * runs.data.step_theta, rtol=1e-14)


def test_theta_alone_has_the_plain_step_axis() -> None:
    runs = descend(CASES[0], record={"theta": 12})
    assert runs.data.theta.dims == ("run", "step", "parameter")
    assert dict(runs.data.sizes) == {"run": 3, "step": 3, "parameter": CASES[0].net.num_params}


def test_recording_changes_no_bit_of_the_runs() -> None:
    for batch_size in (None, 1, 20):
        plain = descend(CASES[0], batch_size=batch_size)
        watched = descend(
            CASES[0], batch_size=batch_size, record=dict.fromkeys(EVERYTHING[:-1], 1), mean="loss", moments={"theta": 5}
        )
        np.testing.assert_array_equal(plain.theta, watched.theta)
    assert set(plain.data.variables) == {"run", "status", "steps_done", "step", "time"}


@pytest.mark.parametrize("batch_size", [None, 1])
def test_means_are_over_the_iterates_before_each_step(batch_size: int | None) -> None:
    # θ_1 … θ_K of Theorem 4.8 in Fleischmann 2021 (its program evaluates after each step: θ_2 … θ_{K+1}).
    names = ["loss", "grad_norm2", "accuracy", "validation_loss"]
    options: dict[str, Any] = {"batch_size": batch_size, "validation": validation_of(CASES[0]).objective}
    runs = descend(CASES[0], record=dict.fromkeys(names, 1), mean=names, **options)
    for name in names:
        np.testing.assert_allclose(runs.data[f"mean_{name}"], runs.data[name][:, :-1].mean("step"), rtol=1e-13)
    assert np.isnan(descend(CASES[0], steps=0, mean="loss").data.mean_loss).all()


def test_means_of_runs_that_end_early() -> None:
    rule = ef.stopping.below("loss", float(CASES[0].objective.value(CASES[0].theta())) * 0.9)
    runs = descend(CASES[0], stop=rule, mean="loss", record={"loss": 1})
    assert set(runs.status) == {"stopped"}
    np.testing.assert_allclose(runs.data.mean_loss, runs.data.loss.mean("step"), rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_moments_are_numpys(dtype: str) -> None:
    case = Case((2, 3, 1), n=13, dtype=dtype)
    options: dict[str, Any] = {"runs": 50, "batch_size": 1, "step_size": ef.schedules.sqrt(0.1)}
    whole = descend(case, record={"theta": 1}, **options)
    runs = descend(case, moments={"theta": [2, 7]}, **options)
    np.testing.assert_array_equal(runs.theta, whole.theta)
    np.testing.assert_array_equal(runs.data.step_moments, [0, 2, 7, 24])
    np.testing.assert_allclose(runs.data.time_moments, whole.data.time.sel(step=[0, 2, 7, 24]), rtol=1e-14)
    for position, step in enumerate([0, 2, 7, 24]):
        theta = whole.data.theta.sel(step=step).values.astype(float)
        np.testing.assert_allclose(runs.data.theta_mean[position], theta.mean(axis=0), rtol=1e-13)
        np.testing.assert_allclose(runs.data.theta_cov[position], np.cov(theta, rowvar=False), rtol=1e-10, atol=1e-16)
    np.testing.assert_array_equal(runs.data.theta_count, [50] * 4)


def test_moments_are_of_the_runs_that_came_so_far() -> None:
    runs = descend(
        CASES[0], runs=4, step_size=[0.05, 0.05, 1e200, 0.05], batch_size=1, moments={"theta": 12}, record={"theta": 1}
    )
    np.testing.assert_array_equal(runs.data.theta_count, [4, 3, 3])
    alive = runs.data.theta[[0, 1, 3], -1].values
    np.testing.assert_allclose(runs.data.theta_mean[-1], alive.mean(axis=0), rtol=1e-13)
    alone = descend(CASES[0], runs=1, moments={"theta": 12})
    assert np.isnan(alone.data.theta_cov).all()
    np.testing.assert_array_equal(alone.data.theta_mean[-1], alone.theta[0])


def test_rayleigh_predicts_the_decrease_of_a_quadratic() -> None:
    # Fleischmann 2021, eqs. (4.27) and (4.28): f(θ − αg) − f(θ) = α‖g‖²(αR/2 − 1), exact for a quadratic.
    generator = np.random.default_rng(1)
    x = generator.normal(size=(40, 3)) * [3.0, 1.0, 0.1]
    f = ef.Objective(ef.MLP([3, 1], bias=False), x, generator.normal(size=40))
    hessian = 2 * x.T @ x / 40
    alpha = 2.2 / np.linalg.eigvalsh(hessian)[-1]
    quantities = ("loss", "grad_norm2", "rayleigh", "theta")
    runs = ef.descend(f, [0.1, 3.0, -4.0], steps=30, step_size=alpha, record=dict.fromkeys(quantities, 1))
    loss, norm2, rayleigh = (runs.data[name][0].values for name in quantities[:3])
    gradients = f.gradient(runs.data.theta[0].values)
    exact = np.einsum("ki,ij,kj->k", gradients, hessian, gradients) / (gradients**2).sum(axis=1)
    np.testing.assert_allclose(rayleigh, exact, rtol=1e-12)
    predicted = (alpha * norm2 * (alpha * rayleigh / 2 - 1))[:-1]
    np.testing.assert_allclose(np.diff(loss), predicted, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(np.diff(loss) < 0, (2 / alpha > rayleigh)[:-1])
    assert (np.diff(loss) < 0).any()
    assert (np.diff(loss) > 0).any()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"record": "loss"}, TypeError, "record must map a quantity to a stride or to an array of steps"),
        ({"record": {"los": 1}}, ValueError, "a quantity of record must be one of .*did you mean 'loss'"),
        ({"record": {"time": 1}}, ValueError, "a quantity of record must be one of"),
        ({"record": {"loss": 0}}, ValueError, r"record\['loss'\] must be >= 1"),
        ({"record": {"loss": 1.0}}, TypeError, r"record\['loss'\] must be an integer"),
        ({"record": {"loss": [0.5]}}, TypeError, r"record\['loss'\] must be a stride or a 1-d array of integer steps"),
        ({"record": {"loss": [1, 25]}}, ValueError, r"record\['loss'\] must hold steps between 0 and 24 \(got 25\)"),
        ({"record": {"loss": [-1]}}, ValueError, r"must hold steps between 0 and 24 \(got -1\)"),
        ({"record": {"validation_loss": 1}}, ValueError, "validation must be an Objective on the validation set"),
        ({"mean": "rayleigh"}, ValueError, "a quantity of mean must be one of 'loss'"),
        ({"mean": 3}, TypeError, "mean must be a quantity or a sequence"),
        ({"mean": ["loss", "loss"]}, ValueError, "mean must name each quantity once"),
        ({"mean": ["validation_loss"]}, ValueError, "validation must be an Objective"),
        ({"moments": {"loss": 1}}, ValueError, "a quantity of moments must be one of 'theta'"),
        ({"validation": 3}, TypeError, "validation must be an Objective"),
        ({"validation": CASES[3].objective}, TypeError, "validation must be float64"),
        ({"validation": CASES[1].objective}, ValueError, "validation must have the objective's network"),
    ],
)
def test_bad_input(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        descend(CASES[0], **options)
