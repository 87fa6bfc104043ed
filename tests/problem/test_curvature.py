"""The Hessian, the Gauss-Newton matrix and the gradient covariance against the oracle."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

import etaflow as ef
from problems import CURVED, LARGE, SMALL, Case, relative_error

by_name = pytest.mark.parametrize("case", CURVED, ids=lambda case: case.name)
# Large ones too, as long as d × d numbers are few.
MIDDLE = [case for case in LARGE if case.net.num_params < 3000]
remainders_by_name = pytest.mark.parametrize("case", [*SMALL, *MIDDLE], ids=lambda case: case.name)
few_by_name = pytest.mark.parametrize("case", CURVED[::23], ids=lambda case: case.name)


def second_order_scale(case: Case) -> float:
    """The size of the sum of the terms' norms: what float32 rounding is relative to (0 in float64)."""
    if case.dtype == "float64":
        return 0.0
    oracle = case.oracle
    norms = np.linalg.norm(oracle.sample_gradients(case.theta().astype(float)), axis=1)
    return float((norms**2).mean() if case.reduction == "mean" else (norms**2).sum())


@by_name
def test_hessian(case: Case) -> None:
    theta = case.theta()
    hessian = case.objective.hessian(theta)
    assert hessian.dtype == case.dtype
    expected = case.oracle.hessian(theta.astype(float))
    assert relative_error(hessian, expected, second_order_scale(case)) < case.tolerance
    np.testing.assert_array_equal(hessian, hessian.T)


@by_name
def test_hessian_vector(case: Case) -> None:
    theta = case.theta()
    v = case.generator.normal(size=theta.shape).astype(case.dtype)
    expected = case.oracle.hessian(theta.astype(float)) @ v.astype(float)
    scale = second_order_scale(case) * float(np.linalg.norm(v))
    assert relative_error(case.objective.hessian_vector(theta, v), expected, scale) < case.tolerance


@by_name
def test_gauss_newton(case: Case) -> None:
    theta = case.theta()
    operator = case.objective.gauss_newton_operator(theta)
    matrix = operator @ np.eye(len(theta), dtype=case.dtype)
    assert matrix.dtype == case.dtype
    expected = case.oracle.gauss_newton(theta.astype(float))
    assert relative_error(matrix, expected, second_order_scale(case)) < case.tolerance
    assert np.linalg.eigvalsh(expected)[0] > -1e-12 * np.abs(expected).max()


@remainders_by_name
def test_covariance(case: Case) -> None:
    theta = case.theta()
    covariance = case.objective.gradient_covariance(theta)
    assert covariance.dtype == case.dtype
    expected = case.oracle.covariance(theta.astype(float))
    gradients = case.oracle.sample_gradients(theta.astype(float))
    # Rounding is relative to the squares before centring: with n = 1 nothing is left after it.
    scale = float(np.mean(np.linalg.norm(gradients, axis=1) ** 2))
    assert relative_error(covariance, expected, scale) < case.tolerance
    np.testing.assert_array_equal(covariance, covariance.T)


@by_name
def test_covariance_factor(case: Case) -> None:
    theta = case.theta()
    factor = case.objective.covariance_factor(theta)
    assert factor.dtype == case.dtype
    assert factor.shape == (case.net.num_params, case.n)
    expected = case.oracle.covariance(theta.astype(float))
    scale = float(np.mean(np.linalg.norm(case.oracle.sample_gradients(theta.astype(float)), axis=1) ** 2))
    tolerance = 1e-14 if case.dtype == "float64" else case.tolerance
    product = factor.astype(float) @ factor.astype(float).T
    assert relative_error(product, expected, scale) < tolerance


@few_by_name
def test_operators_are_the_matrices(case: Case) -> None:
    f, theta = case.objective, case.theta()
    v = case.generator.normal(size=theta.shape).astype(case.dtype)
    block = case.generator.normal(size=(len(theta), 3)).astype(case.dtype)
    pairs = [(f.hessian_operator, f.hessian), (f.covariance_operator, f.gradient_covariance)]
    for make_operator, make_matrix in pairs:
        operator, matrix = make_operator(theta), make_matrix(theta)
        assert isinstance(operator, LinearOperator)
        assert operator.shape == matrix.shape
        assert operator.dtype == matrix.dtype == case.dtype
        scale = (second_order_scale(case) + float(np.linalg.norm(matrix))) * float(np.linalg.norm(block))
        assert relative_error(operator @ v, matrix @ v, scale) < case.tolerance
        assert relative_error(operator @ block, matrix @ block, scale) < case.tolerance
        assert relative_error(operator.H @ v, matrix @ v, scale) < case.tolerance


@few_by_name
def test_runs_are_a_loop_over_runs(case: Case) -> None:
    f, thetas = case.objective, case.theta(runs=3)
    v = case.generator.normal(size=thetas.shape).astype(case.dtype)
    for method in (f.hessian, f.gradient_covariance, f.covariance_factor):
        np.testing.assert_array_equal(method(thetas), np.array([method(theta) for theta in thetas]))
    products = np.array([f.hessian_vector(theta, row) for theta, row in zip(thetas, v, strict=True)])
    np.testing.assert_array_equal(f.hessian_vector(thetas, v), products)


@pytest.mark.parametrize("case", [*CURVED[::23], *MIDDLE], ids=lambda case: case.name)
def test_threads_do_not_change_a_bit(case: Case) -> None:
    one, three, theta = case.with_threads(1), case.with_threads(3), case.theta()
    np.testing.assert_array_equal(one.hessian_vector(theta, theta), three.hessian_vector(theta, theta))
    products = [f.covariance_operator(theta) @ theta for f in (one, three)]
    np.testing.assert_array_equal(*products)
    np.testing.assert_array_equal(one.gradient_covariance(theta), three.gradient_covariance(theta))
    if case.net.num_params < 500:
        np.testing.assert_array_equal(one.hessian(theta), three.hessian(theta))


@pytest.mark.parametrize("case", LARGE, ids=lambda case: case.name)
def test_large_hessian_vectors(case: Case) -> None:
    """Too many parameters for a matrix: one complex step of the gradient along v."""
    theta, v = case.theta(), case.generator.normal(size=case.net.num_params).astype(case.dtype)
    expected = case.oracle.gradient(theta + 1e-30j * v.astype(float)).imag / 1e-30
    scale = second_order_scale(case) * float(np.linalg.norm(v))
    assert relative_error(case.objective.hessian_vector(theta, v), expected, scale) < case.tolerance


@pytest.mark.parametrize("case", LARGE, ids=lambda case: case.name)
def test_large_covariance_vectors(case: Case) -> None:
    theta, v = case.theta(), case.generator.normal(size=case.net.num_params).astype(case.dtype)
    gradients = case.oracle.sample_gradients(theta.astype(float))
    centred = gradients - gradients.mean(axis=0)
    expected = centred.T @ (centred @ v) / case.n
    scale = float(np.mean(np.linalg.norm(gradients, axis=1) ** 2)) * float(np.linalg.norm(v))
    product = case.objective.covariance_operator(theta) @ v
    assert relative_error(product, expected, scale) < case.tolerance


def test_finnoffs_printed_sign_is_not_the_covariance() -> None:
    """Section 4 prints (∂U − h) with h = −∇f: that is R + 4hhᵀ; with the plus sign it is R."""
    case = Case((2, 3, 1), n=12, output="tanh")
    theta = case.theta()
    gradients = case.objective.sample_gradients(theta)
    h = -case.objective.gradient(theta)
    as_printed = (gradients - h).T @ (gradients - h) / case.n
    corrected = (gradients + h).T @ (gradients + h) / case.n
    covariance = case.objective.gradient_covariance(theta)
    assert relative_error(covariance, corrected) < 1e-13
    assert relative_error(as_printed, covariance + 4 * np.outer(h, h)) < 1e-13
    assert relative_error(as_printed, covariance) > 0.01


def test_covariance_without_cancellation() -> None:
    """Gradients with a mean 1e6 times their deviation: centring must come before squaring."""
    rng = np.random.default_rng(0)
    net = ef.MLP([1, 1], bias=False)
    x, y = np.ones((300, 1)), 1e6 + rng.normal(size=300)
    f = ef.Objective(net, x, y)
    expected = np.var(2 * (0.5 - y))
    np.testing.assert_allclose(f.gradient_covariance([0.5]), [[expected]], rtol=1e-9)
    np.testing.assert_allclose(f.covariance_operator([0.5]) @ [1.0], [expected], rtol=1e-9)
