"""The oracle against itself and against mpmath: two ways to every number."""

import mpmath
import numpy as np
import pytest

import reference
from problems import CURVED, LOSSES, SMALL, Case, relative_error
from reference import Oracle

ORACLE_CASES = [case for case in SMALL if case.dtype == "float64" and case.n <= 33]

MPMATH = {
    "identity": lambda z: z,
    "logistic": lambda z: 1 / (1 + mpmath.exp(-z)),
    "tanh": mpmath.tanh,
    "arctan": lambda z: 2 / mpmath.pi * mpmath.atan(z),
    "relu": lambda z: max(z, mpmath.mpf(0)),
    "leaky_relu": lambda z: max(z, mpmath.mpf("0.1") * z),
    "softplus": lambda z: mpmath.log(1 + mpmath.exp(z)),
    "gelu": lambda z: z * mpmath.ncdf(z),
    "sin": mpmath.sin,
}


@pytest.mark.parametrize("case", ORACLE_CASES, ids=lambda case: case.name)
def test_backpropagation_equals_complex_step(case: Case) -> None:
    theta = case.theta()
    by_complex_step = case.oracle.gradient_by_complex_step(theta)
    assert relative_error(case.oracle.gradient(theta), by_complex_step) < 1e-13


@pytest.mark.parametrize("case", CURVED[::7], ids=lambda case: case.name)
def test_hessian_is_symmetric(case: Case) -> None:
    hessian = case.oracle.hessian(case.theta().astype(float))
    assert relative_error(hessian, hessian.T) < 1e-13


@pytest.mark.parametrize("name", MPMATH)
def test_activations_and_derivatives_against_mpmath(name: str) -> None:
    parameter = {"relu": 1.0, "leaky_relu": 0.1}.get(name, 0.0)
    z = np.array([-30.0, -5.3, -1.0, -1e-3, 2e-9, 0.7, 2.0, 4.9, 25.0])
    with mpmath.workdps(40):
        values = np.array([float(MPMATH[name](mpmath.mpf(point))) for point in z])
        slopes = np.array([float(mpmath.diff(MPMATH[name], mpmath.mpf(point), h=mpmath.mpf(10) ** -15)) for point in z])
    np.testing.assert_allclose(reference.ACTIVATIONS[name](z, parameter), values, rtol=1e-13)
    np.testing.assert_allclose(reference.DERIVATIVES[name](z, parameter), slopes, rtol=2e-13, atol=1e-300)
    step = reference.ACTIVATIONS[name](z + 1j * reference.STEP, parameter).imag / reference.STEP
    np.testing.assert_allclose(step, slopes, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_against_their_definitions(loss: str) -> None:
    case = next(case for case in ORACLE_CASES if case.loss == loss and len(case.widths) == 3)
    prediction, y = case.oracle.predict(case.theta()), case.oracle.y
    if loss == "square":
        expected = ((y - prediction) ** 2).sum(axis=1)
    elif loss == "log":
        expected = -(y * np.log(prediction) + (1 - y) * np.log(1 - prediction)).sum(axis=1)
    else:
        probability = np.exp(prediction) / np.exp(prediction).sum(axis=1, keepdims=True)
        expected = -np.log(probability[np.arange(len(y)), y[:, 0].astype(int)])
    np.testing.assert_allclose(case.oracle.losses(case.theta()), expected, rtol=1e-12)


@pytest.mark.parametrize("sampling", ["iid", "without_replacement", "shuffle_once", "reshuffle"])
def test_every_index_is_drawn_about_equally_often(sampling: str) -> None:
    # Under uniform draws each count is Binomial(12000, 1/6); 6 sigma = 245, so this fails with probability < 1e-7.
    indices = reference.sample_indices(6, 3, sampling, seed=5, run=2, steps=4000)
    assert indices.shape == (4000, 3)
    counts = np.bincount(indices.ravel(), minlength=6)
    assert np.all(np.abs(counts - 2000) < 245)
    if sampling != "iid":
        assert all(len(set(row)) == 3 for row in indices)


def test_descent_on_a_quadratic_has_its_closed_form() -> None:
    """θ_{k+1} − θ* = (1 − 2αx̄²)(θ_k − θ*) for one weight, no bias, square loss."""
    x, y = np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]])
    oracle = Oracle((1, 1), (("identity", 0.0),), bias=False, loss="square", x=x, y=y)
    best = (x * y).sum() / (x * x).sum()
    run = reference.descend(oracle, np.array([5.0]), steps=20, step_size=0.05)
    expected = best + (1 - 2 * 0.05 * 2.5) ** np.arange(21) * (5.0 - best)
    np.testing.assert_allclose(run.theta[:, 0], expected, rtol=1e-14)


def test_full_batch_of_without_replacement_is_gradient_descent() -> None:
    case = Case((2, 3, 1), n=7)
    run = reference.descend(case.oracle, case.theta(), steps=5, step_size=0.1)
    shuffled = reference.descend(
        case.oracle, case.theta(), steps=5, step_size=0.1, batch=7, sampling="without_replacement"
    )
    np.testing.assert_allclose(run.theta, shuffled.theta, rtol=1e-13)
