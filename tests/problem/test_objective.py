"""The objective's conventions: factors, likelihoods, batches, identity and extreme values."""

import itertools
import os
import pickle
import subprocess
import sys
import textwrap
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import stats

import etaflow as ef
from problems import Case, relative_error
from reference import oracle_of

CASE = Case((3, 4, 2), n=6)


def test_attributes() -> None:
    x, y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 1])
    f = ef.Objective(ef.MLP([2, 3, 1], output="logistic"), x, y, loss="log", reduction="sum", l2=0.5)
    assert (f.n, f.num_params, f.loss, f.reduction, f.l2, f.dtype) == (3, 13, "log", "sum", 0.5, np.dtype(float))
    assert f.y.shape == (3, 1)
    expected = "Objective(MLP([2, 3, 1], activation='tanh', output='logistic'), n=3, loss=\"log\", reduction=\"sum\", l2=0.5, dtype=float64)"
    assert repr(f) == expected
    with pytest.raises(AttributeError):
        f.loss = "square"  # type: ignore[misc]


def test_the_data_are_copied_and_read_only() -> None:
    x, y = np.ones((2, 1)), np.ones(2)
    f = ef.Objective(ef.MLP([1, 1]), x, y)
    before = f.value([1.0, 1.0])
    x[:] = 7
    y[:] = 7
    assert f.value([1.0, 1.0]) == before
    assert f.x[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        f.x[0, 0] = 2


def test_fingerprint_tells_problems_apart() -> None:
    def objective(**changes: Any) -> ef.Objective:
        options: dict[str, Any] = {"x": [[1.0, 2.0]], "y": [3.0], "bias": True, "dtype": "float64"} | changes
        dtype, net = options.pop("dtype"), ef.MLP([2, 1], bias=options.pop("bias"))
        return ef.Objective(net, np.array(options.pop("x"), dtype), np.array(options.pop("y"), dtype), **options)

    first = objective().fingerprint()
    assert len(first) == 64
    assert first == objective().fingerprint()
    changes: list[dict[str, Any]] = [
        {"x": [[1.0, 2.5]]},
        {"y": [4.0]},
        {"bias": False},
        {"l2": 0.1},
        {"reduction": "sum"},
        {"dtype": "float32"},
    ]
    assert len({first, *(objective(**change).fingerprint() for change in changes)}) == len(changes) + 1
    assert pickle.loads(pickle.dumps(objective())).fingerprint() == first


def test_pickle_after_use() -> None:
    f, theta = CASE.objective, CASE.theta()
    expected = f.gradient(theta)
    again = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(again.gradient(theta), expected)
    assert not again.x.flags.writeable


# --- factors (F2, K6, S2) ---


def test_square_loss_against_scikit_learn() -> None:
    """MLPRegressor has the factor ½ and a mean over outputs: f/(2·outputs)."""
    neural = pytest.importorskip("sklearn.neural_network")
    case = Case((3, 4, 2), n=20)
    model = neural.MLPRegressor(
        hidden_layer_sizes=(4,),
        activation="tanh",
        alpha=0.0,
        max_iter=1,
        solver="sgd",
        batch_size=20,
        learning_rate_init=1e-12,
        random_state=0,
    )
    with pytest.warns(Warning, match="(?i)converge"):
        model.fit(case.objective.x, case.objective.y)
    layers = [(w.T, b) for w, b in zip(model.coefs_, model.intercepts_, strict=True)]
    f = float(case.objective.value(case.net.flatten(layers)))
    assert model.loss_ == pytest.approx(f / 4, rel=1e-6)


def test_log_loss_against_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    case = Case((3, 4, 1), n=20, output="logistic", loss="log")
    probability = case.net.predict(case.theta(), case.objective.x)[:, 0]
    assert case.objective.value(case.theta()) == pytest.approx(
        metrics.log_loss(case.objective.y[:, 0], probability), rel=1e-12
    )


def test_softmax_loss_against_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    case = Case((3, 4, 3), n=20, loss="softmax")
    logits = case.net.predict(case.theta(), case.objective.x)
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = metrics.log_loss(case.objective.y[:, 0], probability, labels=[0, 1, 2])
    assert case.objective.value(case.theta()) == pytest.approx(expected, rel=1e-12)


def test_factors_of_the_square_loss() -> None:
    """No ½; Keras and PyTorch take the mean over outputs too; the slides' E is f/2; Sontag's E is the sum."""
    f, theta = CASE.objective, CASE.theta()
    squares = (f.y - CASE.net.predict(theta, f.x)) ** 2
    value = float(f.value(theta))
    assert value == pytest.approx(squares.sum(axis=1).mean())
    assert squares.mean() == pytest.approx(value / 2)  # keras.losses.MeanSquaredError, torch.nn.MSELoss
    assert squares.sum() / (2 * f.n) == pytest.approx(value / 2)  # the slides' E = 1/(2n) Σ |·|²
    total = ef.Objective(CASE.net, f.x, f.y, reduction="sum")
    assert float(total.value(theta)) == pytest.approx(squares.sum())
    np.testing.assert_allclose(total.gradient(theta), f.n * f.gradient(theta), rtol=1e-13)
    np.testing.assert_allclose(total.hessian(theta), f.n * f.hessian(theta), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(total.gradient_covariance(theta), f.gradient_covariance(theta))


def test_l2_is_in_the_cost_and_not_in_the_losses() -> None:
    plain, ridge, theta = CASE.objective, Case((3, 4, 2), n=6, l2=0.25), CASE.theta()
    f = ef.Objective(CASE.net, plain.x, plain.y, l2=0.25)
    assert ridge.objective.l2 == 0.25
    assert float(f.value(theta) - plain.value(theta)) == pytest.approx(0.25 * theta @ theta)
    np.testing.assert_allclose(f.gradient(theta) - plain.gradient(theta), 0.5 * theta, rtol=1e-12)
    np.testing.assert_allclose(f.hessian(theta) - plain.hessian(theta), 0.5 * np.eye(len(theta)), atol=1e-13)
    for method in ("losses", "sample_gradients", "gradient_covariance"):
        np.testing.assert_array_equal(getattr(f, method)(theta), getattr(plain, method)(theta))


@pytest.mark.parametrize("output", ["tanh", "arctan"])
@pytest.mark.parametrize("targets", [(-1, 1), (0, 1)])
def test_sontags_error(output: str, targets: tuple[int, int]) -> None:
    """S2: E = Σ_i [θ(Σ_j u^i_j x_j) − y^i]² with ±1 or {0, 1} targets, on his case n = 2, m = 1."""
    net = ef.MLP([1, 1], output=output, bias=False)
    u, y = np.array([[1.0], [-0.5]]), np.array([targets[1], targets[1]])
    error = ef.Objective(net, u, y, reduction="sum")
    sigmoids: dict[str, Any] = {"tanh": np.tanh, "arctan": lambda z: 2 / np.pi * np.arctan(z)}
    for weight in (-3.0, 0.0, 0.4, 10.0):
        expected = np.sum((sigmoids[output](u[:, 0] * weight) - y) ** 2)
        assert float(error.value([weight])) == pytest.approx(expected, rel=1e-14)


# --- likelihoods (T5, T6) ---


def test_log_loss_is_the_bernoulli_likelihood() -> None:
    """T5: n·f = −log Π ŷ^y (1 − ŷ)^(1−y)."""
    case = Case((3, 4, 1), n=9, output="logistic", loss="log")
    f, theta = case.objective, case.theta()
    law = f.predict_distribution(theta, f.x)
    assert -law.logpmf(f.y.astype(int)).sum() == pytest.approx(9 * float(f.value(theta)), rel=1e-12)


def test_square_loss_is_the_gaussian_likelihood() -> None:
    """T6: σ̂² is the residuals' mean square, and no other variance is more likely."""
    f, theta = CASE.objective, CASE.theta()
    residuals = f.y - CASE.net.predict(theta, f.x)
    variance = float(f.noise_variance(theta))
    assert variance == pytest.approx(np.mean(residuals**2), rel=1e-13)
    law = f.predict_distribution(theta, f.x)
    best = law.logpdf(f.y).sum()
    for factor in (0.9, 0.99, 1.01, 1.1):
        assert stats.norm(0, np.sqrt(variance * factor)).logpdf(residuals).sum() < best
    runs = CASE.theta(runs=3)
    assert f.noise_variance(runs).shape == (3,)
    assert f.predict_distribution(runs, f.x).mean().shape == (3, 6, 2)


def test_softmax_loss_is_the_categorical_likelihood() -> None:
    case = Case((3, 4, 3), n=8, loss="softmax")
    f, theta = case.objective, case.theta()
    counts = np.eye(3, dtype=int)[f.y[:, 0].astype(int)]
    law = f.predict_distribution(theta, f.x)
    assert -law.logpmf(counts).sum() == pytest.approx(8 * float(f.value(theta)), rel=1e-12)
    with pytest.raises(ValueError, match="square"):
        f.noise_variance(theta)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("label", [0, 1])
def test_log_loss_at_extreme_logits(label: int, dtype: str) -> None:
    """Exact for any logit: the loss at ±800 against mpmath, no clipping, no infinity."""
    f = ef.Objective(ef.MLP([1, 1], output="logistic", bias=False), np.ones((1, 1), dtype), [label], loss="log")
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    for z in (-800.0, -745.0, -100.0, -37.5, -1.0, -1e-8, 0.0, 1e-8, 1.0, 37.5, 100.0, 745.0, 800.0):
        theta = np.array([z], dtype)
        with mpmath.workdps(400):
            exact = mpmath.log(1 + mpmath.exp(mpmath.mpf(float(theta[0])) * (1 - 2 * label)))
            slope = (1 - 2 * label) / (1 + mpmath.exp(-mpmath.mpf(float(theta[0])) * (1 - 2 * label)))
        assert float(f.value(theta)) == pytest.approx(float(exact), rel=8 * eps, abs=tiny)
        assert float(f.gradient(theta)[0]) == pytest.approx(float(slope), rel=8 * eps, abs=tiny)
    large = np.array([800.0 * (1 - 2 * label)], dtype)
    assert float(f.value(large)) == 800.0


@pytest.mark.parametrize("scale", [1.0, 800.0, 1e30, 1e300])
def test_softmax_at_extreme_logits(scale: float) -> None:
    net = ef.MLP([1, 3], bias=False)
    f = ef.Objective(net, np.ones((3, 1)), [0, 1, 2], loss="softmax")
    theta = scale * np.array([-1.0, 0.5, 1.0])
    with mpmath.workdps(50):
        shifted = [mpmath.mpf(z) - mpmath.mpf(theta[2]) for z in theta]
        normaliser = mpmath.log(sum(mpmath.exp(z) for z in shifted))
        expected = [float(normaliser - z) for z in shifted]
    np.testing.assert_allclose(f.losses(theta), expected, rtol=1e-14, atol=1e-300)
    assert np.isfinite(f.gradient(theta)).all()


# --- batches (T26, T27) ---


def batch_gradients(f: ef.Objective, theta: np.ndarray, batches: list[tuple[int, ...]]) -> np.ndarray:
    gradients = f.sample_gradients(theta)
    return np.array([gradients[list(batch)].mean(axis=0) for batch in batches])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_batches_are_unbiased(size: int) -> None:
    """T26: the mean over all equally likely batches is ∇f, drawn with or without replacement."""
    f, theta = CASE.objective, CASE.theta()
    for batches in (itertools.product(range(f.n), repeat=size), itertools.permutations(range(f.n), size)):
        mean = batch_gradients(f, theta, list(batches)).mean(axis=0)
        assert relative_error(mean, f.gradient(theta)) < 1e-14


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_variance_of_batches(size: int) -> None:
    """T27: R/|B| for independent draws; (n − |B|)/(n − 1) of it without replacement."""
    f, theta = CASE.objective, CASE.theta()
    covariance = f.gradient_covariance(theta)
    independent = batch_gradients(f, theta, list(itertools.product(range(f.n), repeat=size)))
    assert relative_error(np.cov(independent, rowvar=False, bias=True), covariance / size) < 1e-13
    distinct = batch_gradients(f, theta, list(itertools.combinations(range(f.n), size)))
    factor = (f.n - size) / (f.n - 1) / size
    assert relative_error(np.cov(distinct, rowvar=False, bias=True), factor * covariance) < 1e-13


def test_weighted_gradient_draws_the_noise() -> None:
    """Centred Gaussian weights of variance 1/n have the covariance R exactly: the mean over w of G ᵀwwᵀG."""
    f, theta = CASE.objective, CASE.theta()
    centring = (np.eye(f.n) - 1 / f.n) / np.sqrt(f.n)
    draws = f.weighted_gradient(np.repeat(theta[None], f.n, 0), centring)
    assert relative_error(draws.T @ draws, f.gradient_covariance(theta)) < 1e-13


# --- threads, accuracy, trace ---


def test_threads_from_the_environment() -> None:
    script = textwrap.dedent("""
        import numpy as np, etaflow as ef
        rng = np.random.default_rng(0)
        f = ef.Objective(ef.MLP([40, 30, 1]), rng.normal(size=(700, 40)), rng.normal(size=700))
        theta = f.net.init(seed=0, runs=3)
        print(ef._core.default_threads(), f.gradient(theta).tobytes().hex()[:400], f.value(theta).tobytes().hex())
    """)

    def output(threads: str) -> list[str]:
        environment = os.environ | {"ETAFLOW_NUM_THREADS": threads}
        result = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        return str(result.stdout).split()

    one, three = output("1"), output("3")
    assert (one[0], three[0]) == ("1", "3")
    assert one[1:] == three[1:]


def test_accuracy_by_hand() -> None:
    line = ef.MLP([1, 1], bias=False)
    f = ef.Objective(line, [[-2.0], [-1.0], [1.0], [3.0]], [-1.0, 1.0, 1.0, 1.0])
    assert float(f.accuracy([1.0])) == 0.75
    assert float(f.accuracy([-1.0])) == 0.25
    labels = ef.Objective(ef.MLP([1, 1], output="logistic", bias=False), f.x, [0, 1, 1, 1], loss="log")
    assert float(labels.accuracy([1.0])) == 0.75
    assert float(labels.accuracy([0.0])) == 0.75  # ŷ = 1/2 counts as 1
    classes = ef.Objective(ef.MLP([1, 2], bias=False), f.x, [0, 1, 1, 1], loss="softmax")
    np.testing.assert_array_equal(classes.accuracy([[0.0, 1.0], [1.0, 0.0]]), [0.75, 0.25])
    several = ef.Objective(ef.MLP([1, 2], bias=False), f.x, [[1, 0], [0, 1], [0, 1], [1, 0]])
    assert float(several.accuracy([0.0, 1.0])) == 0.5


def test_backprop_trace_by_hand() -> None:
    """Algorithm 1 on a network small enough for paper: 1-1-1, σ(z) = z², here the identity, θ = (2, 1, 3, −1)."""
    f = ef.Objective(ef.MLP([1, 1, 1], activation="identity"), [[0.5], [4.0]], [[1.0], [7.0]])
    trace = f.backprop_trace([2.0, 1.0, 3.0, -1.0], 0)
    assert trace.loss == 16.0  # z = 2·0.5 + 1 = 2, ŷ = 3·2 − 1 = 5
    assert [z.tolist() for z in trace.z] == [[], [2.0], [5.0]]
    assert [x.tolist() for x in trace.x] == [[0.5], [2.0], [5.0]]
    assert [delta.tolist() for delta in trace.delta] == [[], [24.0], [8.0]]
    np.testing.assert_array_equal(trace.gradient, [12.0, 24.0, 16.0, 8.0])
    np.testing.assert_array_equal(trace.partials[0], [[12.0]])
    assert repr(trace).splitlines() == [
        "backpropagation of observation 0: loss 16",
        "layer  unit  z    x   δ",
        "    0     1     0.5    ",
        "    1     1  2    2  24",
        "    2     1  5    5   8",
    ]
    assert "<th>δ</th>" in trace._repr_html_()


def test_backprop_trace_in_the_slides_notation() -> None:
    """K5, K8: s for z, the node x_0 = 1, and ∂E/∂w_ij = δ_j x_i with the bias in row 0."""
    f, theta = CASE.objective, CASE.theta()
    trace = f.backprop_trace(theta, 2, notation="kawaguchi")
    assert trace.s is trace.z
    assert [x[0] for x in trace.x[:-1]] == [1.0, 1.0]
    assert [x.shape for x in trace.x] == [(4,), (5,), (2,)]
    assert [partial.shape for partial in trace.partials] == [(4, 4), (5, 2)]
    (w1, b1), (w2, b2) = CASE.net.layers(f.sample_gradients(theta)[2])
    assert b1 is not None
    assert b2 is not None
    np.testing.assert_allclose(trace.partials[0], np.column_stack([b1, w1]).T, rtol=1e-12)
    np.testing.assert_allclose(trace.partials[1], np.column_stack([b2, w2]).T, rtol=1e-12)
    assert repr(trace).splitlines()[1].split() == ["layer", "unit", "s", "x", "δ"]
    assert repr(trace).splitlines()[2].split() == ["0", "0", "1"]
    free = Case((3, 4, 2), n=6, bias=False).objective
    assert free.backprop_trace(np.zeros(20), 0, notation="kawaguchi").x[0].shape == (3,)


def test_a_long_table_is_cut() -> None:
    case = Case((40, 30, 1), n=2)
    lines = repr(case.objective.backprop_trace(case.theta(), 0)).splitlines()
    assert len(lines) == 2 + 13 + 13 + 1
    assert "(28 more)" in lines[14]


def test_oracle_of_an_objective_has_its_data() -> None:
    oracle = oracle_of(CASE.objective)
    assert oracle.num_params == CASE.net.num_params
    np.testing.assert_array_equal(oracle.x, CASE.objective.x)
