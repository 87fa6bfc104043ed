"""Values and first derivatives against the oracle: every activation, loss, depth, dtype and batch remainder."""

import numpy as np
import pytest

from problems import CASES, FEW, HUGE, LARGE, SMALL, Case, relative_error

by_name = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
few_by_name = pytest.mark.parametrize("case", FEW, ids=lambda case: case.name)
# A complex step costs d forward passes.
stepped_by_name = pytest.mark.parametrize("case", [c for c in SMALL if c.n <= 65], ids=lambda case: case.name)


def gradient_scale(case: Case) -> float:
    """The mean norm of one sample's gradient: rounding is relative to it where the mean cancels (0 in float64)."""
    if case.dtype == "float64":
        return 0.0
    norms = np.linalg.norm(case.oracle.sample_gradients(case.theta().astype(float)), axis=1)
    return float(norms.mean() if case.reduction == "mean" else norms.sum())


@by_name
def test_prediction(case: Case) -> None:
    theta, x = case.theta(), case.objective.x
    prediction = case.net.predict(theta, x)
    assert prediction.dtype == case.dtype
    assert prediction.shape == (case.n, case.widths[-1])
    assert relative_error(prediction, case.oracle.predict(theta.astype(float))) < case.tolerance


@by_name
def test_value_and_losses(case: Case) -> None:
    theta = case.theta()
    losses = case.objective.losses(theta)
    assert losses.dtype == case.dtype
    assert relative_error(losses, case.oracle.losses(theta.astype(float))) < case.tolerance
    assert relative_error(case.objective.value(theta), case.oracle.value(theta.astype(float))) < case.tolerance


@by_name
def test_accuracy(case: Case) -> None:
    assert float(case.objective.accuracy(case.theta())) == pytest.approx(
        case.oracle.accuracy(case.theta().astype(float)), rel=1e-6
    )


@stepped_by_name
def test_gradient_equals_complex_step(case: Case) -> None:
    theta = case.theta()
    expected = case.oracle.gradient_by_complex_step(theta.astype(float))
    gradient = case.objective.gradient(theta)
    assert gradient.dtype == case.dtype
    assert relative_error(gradient, expected, gradient_scale(case)) < case.tolerance


@by_name
def test_gradient_equals_backpropagation(case: Case) -> None:
    theta = case.theta()
    expected = case.oracle.gradient(theta.astype(float))
    assert relative_error(case.objective.gradient(theta), expected, gradient_scale(case)) < case.tolerance


@pytest.mark.parametrize("case", HUGE, ids=lambda case: case.name)
def test_huge_gradients(case: Case) -> None:
    """Against sums of δxᵀ layer by layer, with and without weights; any number of threads gives the same bits."""
    f, theta = case.objective, case.theta()
    w = case.generator.normal(size=case.n).astype(case.dtype)
    _, x, delta = case.oracle.deltas(theta.astype(float))
    inputs = [np.column_stack([a, np.ones(case.n)]) for a in x[:-1]]  # the last column is that of the bias

    def sum_of_gradients(weights: np.ndarray) -> np.ndarray:
        layers = [(d.T * weights) @ a for d, a in zip(delta, inputs, strict=True)]
        return np.concatenate([part.ravel() for layer in layers for part in (layer[:, :-1], layer[:, -1])])

    squares = sum(np.sum(d**2, axis=1) * np.sum(a**2, axis=1) for d, a in zip(delta, inputs, strict=True))
    scale = float(np.sqrt(squares).mean())
    expected = sum_of_gradients(np.full(case.n, 1 / case.n)) + 2 * case.l2 * theta
    gradient = f.gradient(theta)
    assert relative_error(gradient, expected, scale) < case.tolerance
    assert relative_error(f.weighted_gradient(theta, w), sum_of_gradients(w), case.n * scale) < case.tolerance
    for threads in (1, 3):
        other = case.with_threads(threads)
        np.testing.assert_array_equal(other.gradient(theta), gradient)
        np.testing.assert_array_equal(other.value_and_gradient(theta)[1], gradient)
        np.testing.assert_array_equal(other.weighted_gradient(theta, w), f.weighted_gradient(theta, w))


@by_name
def test_sample_gradients(case: Case) -> None:
    theta = case.theta()
    gradients = case.objective.sample_gradients(theta)
    assert gradients.dtype == case.dtype
    expected = case.oracle.sample_gradients(theta.astype(float))
    assert relative_error(gradients, expected) < case.tolerance
    # Row by row too: a wrong small row would hide behind large ones.
    scale = float(np.linalg.norm(expected, axis=1).mean())
    errors = np.linalg.norm(gradients - expected, axis=1)
    assert np.all(errors < case.tolerance * np.maximum(np.linalg.norm(expected, axis=1), scale))


@by_name
def test_weighted_gradient(case: Case) -> None:
    theta = case.theta()
    w = case.generator.normal(size=case.n).astype(case.dtype)
    gradients = case.oracle.sample_gradients(theta.astype(float))
    expected = w.astype(float) @ gradients
    scale = float(np.abs(w) @ np.linalg.norm(gradients, axis=1))
    assert relative_error(case.objective.weighted_gradient(theta, w), expected, scale) < case.tolerance


@few_by_name
def test_value_and_gradient_is_value_and_gradient(case: Case) -> None:
    theta = case.theta()
    value, gradient = case.objective.value_and_gradient(theta)
    assert relative_error(value, float(case.objective.value(theta))) < case.tolerance
    np.testing.assert_array_equal(gradient, case.objective.gradient(theta))


@few_by_name
def test_chosen_sample_gradients(case: Case) -> None:
    theta = case.theta()
    everything = case.objective.sample_gradients(theta)
    last = case.n - 1
    for indices in (slice(1, 4), slice(None, None, 2), slice(None, None, -1), [0], [last, 0, last], np.arange(case.n)):
        chosen = case.objective.sample_gradients(theta, indices)
        expected = everything[indices]
        assert relative_error(chosen, expected) < case.tolerance if expected.size else chosen.shape == expected.shape
    assert case.objective.sample_gradients(theta, slice(0, 0)).shape == (0, case.net.num_params)


@pytest.mark.parametrize("case", [*SMALL[::5], *FEW], ids=lambda case: case.name)
def test_runs_are_a_loop_over_runs(case: Case) -> None:
    """(runs, d) gives bitwise what each row gives alone."""
    f, thetas = case.objective, case.theta(runs=5)
    w = case.generator.normal(size=(5, case.n)).astype(case.dtype)
    for method in (f.value, f.losses, f.accuracy, f.gradient, f.sample_gradients):
        np.testing.assert_array_equal(method(thetas), np.array([method(theta) for theta in thetas]))
    np.testing.assert_array_equal(
        f.weighted_gradient(thetas, w), [f.weighted_gradient(*pair) for pair in zip(thetas, w, strict=True)]
    )
    predictions = case.net.predict(thetas, f.x)
    np.testing.assert_array_equal(predictions, [case.net.predict(theta, f.x) for theta in thetas])
    assert f.value(thetas[:1]).shape == (1,)
    assert f.gradient(thetas[:1]).shape == (1, case.net.num_params)


@pytest.mark.parametrize("case", [*LARGE, *FEW[::2]], ids=lambda case: case.name)
def test_threads_do_not_change_a_bit(case: Case) -> None:
    one, three = case.with_threads(1), case.with_threads(3)
    for runs in (None, 7):
        theta = case.theta(runs)
        np.testing.assert_array_equal(one.value(theta), three.value(theta))
        np.testing.assert_array_equal(one.losses(theta), three.losses(theta))
        np.testing.assert_array_equal(one.gradient(theta), three.gradient(theta))
        np.testing.assert_array_equal(one.sample_gradients(theta), three.sample_gradients(theta))


@pytest.mark.parametrize("case", [*SMALL[::3], *FEW], ids=lambda case: case.name)
def test_backprop_trace(case: Case) -> None:
    theta, i = case.theta(), case.n // 2
    trace = case.objective.backprop_trace(theta, i)
    z, x, delta = case.oracle.deltas(theta.astype(float))
    assert (len(trace.z), len(trace.x), len(trace.delta)) == (len(case.widths),) * 3
    assert trace.z[0].size == trace.delta[0].size == 0
    np.testing.assert_array_equal(trace.x[0], case.objective.x[i])
    for layer in range(1, len(case.widths)):
        for got, expected in (
            (trace.z[layer], z[layer - 1]),
            (trace.x[layer], x[layer]),
            (trace.delta[layer], delta[layer - 1]),
        ):
            assert got.dtype == case.dtype
            np.testing.assert_allclose(
                got, expected[i], rtol=0, atol=4 * case.tolerance * max(1, np.abs(expected[i]).max())
            )
    expected = case.oracle.sample_gradients(theta.astype(float))[i]
    assert relative_error(trace.gradient, expected) < case.tolerance
    slides = case.objective.backprop_trace(theta, i, notation="kawaguchi")
    np.testing.assert_array_equal(slides.gradient, trace.gradient)
