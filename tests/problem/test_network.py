"""The network: its parameters, its forward pass and its starts."""

import pickle
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import stats

import etaflow as ef
from etaflow.problem.activations import ACTIVATIONS, Activation
from etaflow.problem.network import MLP

SHAPES = [(3, 1), (1, 1), (4, 3, 2), (2, 5, 4, 3), (7, 1, 1, 1, 2)]


@pytest.mark.parametrize("widths", SHAPES)
@pytest.mark.parametrize("bias", [True, False])
def test_number_of_parameters(widths: tuple[int, ...], bias: bool) -> None:
    """d = Σ (d_ℓ d_{ℓ−1} + d_ℓ) (Fleischmann 2021, section 2.2)."""
    net = ef.MLP(widths, bias=bias)
    pairs = list(zip(widths[1:], widths[:-1], strict=True))
    assert net.num_params == sum(rows * columns for rows, columns in pairs) + bias * sum(widths[1:])
    assert net.core.num_params == net.num_params


def test_finnoffs_count() -> None:
    h, q, m = 10, 7, 3
    assert ef.MLP([h, q, m], output="tanh").num_params == m * (q + 1) + q * (h + 1)


@pytest.mark.parametrize("widths", SHAPES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("leading", [(), (4,)])
def test_flatten_inverts_layers(widths: tuple[int, ...], bias: bool, leading: tuple[int, ...]) -> None:
    net = ef.MLP(widths, bias=bias)
    theta = np.arange(np.prod(leading, dtype=int) * net.num_params, dtype=float).reshape(*leading, net.num_params)
    layers = net.layers(theta)
    for (weights, biases), shape in zip(layers, net.shapes, strict=True):
        assert weights.shape == (*leading, *shape)
        assert (biases.shape == (*leading, shape[0])) if biases is not None else not bias
    np.testing.assert_array_equal(net.flatten(layers), theta)
    single = [(w.astype(np.float32), None if b is None else b.astype(np.float32)) for w, b in layers]
    assert net.flatten(single).dtype == np.float32


def test_layers_are_views_in_pytorchs_order() -> None:
    net = ef.MLP([2, 3, 1])
    theta = np.arange(13.0)
    (w1, b1), (w2, b2) = net.layers(theta)
    np.testing.assert_array_equal(w1, [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(b1, [6, 7, 8])
    np.testing.assert_array_equal(w2, [[9, 10, 11]])
    np.testing.assert_array_equal(b2, [12])
    w2[0, 1] = -1
    assert theta[10] == -1
    assert b1 is not None
    runs = np.zeros((5, 13))
    net.layers(runs)[0][0][3] = 1
    np.testing.assert_array_equal(runs[3, :6], 1)


def test_forward_pass_against_mpmath() -> None:
    """F1: Finnoff's network, tanh on the hidden and on the output layer."""
    net = ef.MLP([2, 3, 2], activation="tanh", output="tanh")
    theta, x = net.init(seed=3, scheme=("uniform", 2.0)), np.array([0.3, -1.7])
    (w1, b1), (w2, b2) = net.layers(theta)
    assert b1 is not None
    assert b2 is not None
    with mpmath.workdps(40):
        hidden = [
            mpmath.tanh(sum(mpmath.mpf(w) * mpmath.mpf(t) for w, t in zip(row, x, strict=True)) + mpmath.mpf(b))
            for row, b in zip(w1, b1, strict=True)
        ]
        output = [
            mpmath.tanh(sum(mpmath.mpf(w) * t for w, t in zip(row, hidden, strict=True)) + mpmath.mpf(b))
            for row, b in zip(w2, b2, strict=True)
        ]
    np.testing.assert_allclose(net.predict(theta, x[None])[0], [float(value) for value in output], rtol=1e-14)


@pytest.mark.parametrize("name", ["arctan", "tanh"])
def test_sontags_perceptron_against_mpmath(name: str) -> None:
    """S1: one unit, no hidden layer, θ = tanh or (2/π) arctan."""
    sigmoid = {"tanh": mpmath.tanh, "arctan": lambda z: 2 / mpmath.pi * mpmath.atan(z)}[name]
    net = ef.MLP([3, 1], output=name, bias=False)
    weights, u = np.array([0.5, -2.0, 1e3]), np.array([[1.0, 1.0, 0.0], [0.1, 0.2, -0.3], [0.0, 0.0, 1e-9]])
    with mpmath.workdps(40):
        expected = [float(sigmoid(mpmath.fdot(weights.tolist(), row.tolist()))) for row in u]
    np.testing.assert_allclose(net.predict(weights, u)[:, 0], expected, rtol=1e-13)


def test_derivative_of_relu_at_zero() -> None:
    """T3: 1 as in the thesis (Table 3.2), 0 as in the frameworks."""
    x, y = [[0.0]], [[1.0]]
    for spec, expected in (
        ("relu", 1),
        (("relu", {"at_zero": 0}), 0),
        (("relu", 0.5), 0.5),
        ("leaky_relu", 1),
        (("leaky_relu", 0.3), 1),
    ):
        f = ef.Objective(ef.MLP([1, 1], output=spec), x, y)
        np.testing.assert_array_equal(f.gradient([2.0, 0.0]), [0.0, -2.0 * expected])


def test_slope_of_leaky_relu() -> None:
    """Slope 0.1 as in the thesis (Table 2.1)."""
    for spec, slope in (("leaky_relu", 0.1), (("leaky_relu", 0.01), 0.01), (("leaky_relu", {"slope": 0.3}), 0.3)):
        net = ef.MLP([1, 1], output=spec, bias=False)
        np.testing.assert_allclose(net.predict([1.0], [[-2.0], [3.0]])[:, 0], [-2 * slope, 3.0], rtol=1e-15)


def test_specifications_are_equal_however_they_are_written() -> None:
    assert ef.MLP([1, 2, 2, 1], activation="relu") == ef.MLP(
        (1, 2, 2, 1), activation=["relu", ("relu", {"at_zero": 1})]
    )
    assert ef.MLP([1, 2, 1], activation=("leaky_relu", 0.1)) == ef.MLP([1, 2, 1], activation=["leaky_relu"])
    assert ef.MLP([1, 2, 1], activation=Activation("relu", 0.0)) == ef.MLP(
        [1, 2, 1], activation=("relu", {"at_zero": 0})
    )
    assert hash(ef.MLP([1, 2, 1])) == hash(ef.MLP([1, 2, 1], activation="tanh"))
    assert ef.MLP([1, 2, 1]) != ef.MLP([1, 2, 1], bias=False)


@pytest.mark.parametrize(
    "text",
    [
        "MLP([2, 1], output='arctan')",
        "MLP([2, 3, 1], activation='tanh', output='identity')",
        "MLP([2, 3, 4, 1], activation=['relu', ('leaky_relu', {'slope': 0.3})], output='logistic', bias=False)",
        "MLP([2, 3, 4, 1], activation=('relu', {'at_zero': 0.0}), output='identity')",
    ],
)
def test_repr_makes_the_network_again(text: str) -> None:
    net = eval(text, {"MLP": MLP})
    assert repr(net) == text
    assert pickle.loads(pickle.dumps(net)) == net


def test_a_network_is_immutable() -> None:
    net = ef.MLP([2, 1])
    with pytest.raises(AttributeError):
        net.bias = False  # type: ignore[misc]


def test_pickle_after_use() -> None:
    net = ef.MLP([2, 3, 1], activation=["sin"])
    theta = net.init(seed=1)
    expected = net.predict(theta, [[1, 2]])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(net)).predict(theta, [[1, 2]]), expected)


def test_predict_takes_integers_and_single_precision() -> None:
    net = ef.MLP([2, 3, 1])
    theta = net.init(seed=1)
    x = np.array([[1, 2], [3, 4]])
    expected = net.predict(theta, x.astype(float))
    np.testing.assert_array_equal(net.predict(theta, x), expected)
    single = net.predict(theta.astype(np.float32), x)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=1e-5)
    assert net.predict(theta[None].repeat(3, 0), x).shape == (3, 2, 1)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_at_extreme_inputs(name: str) -> None:
    """No NaN where the value is finite."""
    net = ef.MLP([1, 1], output=name, bias=False)
    x = np.array([[-1e300], [-800.0], [-40.0], [-0.0], [0.0], [40.0], [800.0], [1e300]])
    values = net.predict([1.0], x)[:, 0]
    if name != "sin":  # whose argument reduction at 1e300 is its own matter
        assert np.isfinite(values).all()
        assert (np.diff(values[:3]) >= 0).all() or name == "gelu"
    z = x[:, 0]
    expected = {
        "identity": z,
        "logistic": 1 / (1 + np.exp(-np.clip(z, -700, 700))),
        "tanh": np.tanh(z),
        "arctan": 2 / np.pi * np.arctan(z),
        "relu": np.maximum(z, 0),
        "leaky_relu": np.maximum(z, 0.1 * z),
        "softplus": np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))),
        "gelu": z * stats.norm.cdf(z),
        "sin": np.sin(z),
    }[name]
    within = slice(1, 7) if name == "sin" else slice(None)
    np.testing.assert_allclose(values[within], expected[within], rtol=1e-12, atol=1e-300)


# --- starts ---


def test_starts_do_not_depend_on_the_ensemble() -> None:
    net = ef.MLP([3, 4, 1])
    starts = net.init(seed=5, runs=10)
    assert starts.shape == (10, net.num_params)
    np.testing.assert_array_equal(net.init(seed=5, runs=range(7, 10)), starts[7:])
    np.testing.assert_array_equal(net.init(seed=5), starts[0])
    assert len(np.unique(starts[:, 0])) == 10
    assert not np.array_equal(net.init(seed=6), starts[0])
    assert net.init(seed=2**64 - 1).shape == (net.num_params,)


def test_a_start_is_numpys_philox() -> None:
    net = ef.MLP([2, 1])
    philox = np.random.Philox(key=np.array([9, 4], np.uint64), counter=np.array([0, 3, 0, 0], np.uint64))
    expected = np.random.Generator(philox).uniform(-2, 2, 3)
    np.testing.assert_array_equal(net.init(seed=9, runs=range(4, 5), scheme=("uniform", 2))[0], expected)


@pytest.mark.parametrize(
    ("scheme", "deviation", "uniform"),
    [
        ("glorot_uniform", (2 / (100 + 60)) ** 0.5, True),
        ("glorot_normal", (2 / (100 + 60)) ** 0.5, False),
        ("he_uniform", (2 / 100) ** 0.5, True),
        ("he_normal", (2 / 100) ** 0.5, False),
    ],
)
def test_distribution_of_the_weights(scheme: str, deviation: float, uniform: bool) -> None:
    """Kolmogorov-Smirnov at level 1e-6 with a fixed seed."""
    net = ef.MLP([100, 60, 1])
    (weights, biases), _ = net.layers(net.init(seed=1, runs=3, scheme=scheme))
    np.testing.assert_array_equal(biases, 0)
    limit = 3**0.5 * deviation
    law = stats.uniform(-limit, 2 * limit) if uniform else stats.norm(0, deviation)
    assert stats.kstest(weights.ravel(), law.cdf).pvalue > 1e-6


@pytest.mark.parametrize(
    ("scheme", "law"), [(("uniform", 2), stats.uniform(-2, 4)), (("normal", 0.5), stats.norm(0, 0.5))]
)
def test_flat_schemes_draw_the_biases_too(scheme: tuple[str, float], law: stats.rv_continuous) -> None:
    """As in the thesis's experiment 5.1: all parameters; level 1e-6."""
    net = ef.MLP([1, 300, 1])
    start = net.init(seed=1, runs=5, scheme=scheme)
    assert stats.kstest(start.ravel(), law.cdf).pvalue > 1e-6
    assert np.all(net.layers(start)[0][1] != 0)


def test_constant_and_single_precision_starts() -> None:
    net = ef.MLP([2, 3, 1])
    np.testing.assert_array_equal(net.init(seed=0, scheme=("constant", -0.25)), np.full(13, -0.25))
    single = net.init(seed=4, runs=2, dtype="float32")
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, net.init(seed=4, runs=2).astype(np.float32))


# --- Finnoff's order ---


def test_finnoffs_order_in_his_formula() -> None:
    """F1: f^u(θ, x) = φ(Σ_j γ^u_j φ(β_j x̄ᵀ) + γ^u_{q+1}) with θ = (γ; β), x̄ = (x, 1)."""
    h, q, m = 3, 4, 2
    net = ef.MLP([h, q, m], output="tanh")
    theta, x = net.init(seed=1, scheme=("normal", 1.0)), np.array([0.2, -0.4, 0.9])
    ordered = theta[net.finnoff_order()]
    gamma, beta = ordered[: m * (q + 1)].reshape(m, q + 1), ordered[m * (q + 1) :].reshape(q, h + 1)
    expected = np.tanh(gamma[:, :q] @ np.tanh(beta @ np.append(x, 1)) + gamma[:, q])
    np.testing.assert_allclose(net.predict(theta, x[None])[0], expected, rtol=1e-14)
    np.testing.assert_array_equal(ordered[net.from_finnoff_order()], theta)
    runs = net.init(seed=1, runs=3)
    np.testing.assert_array_equal(runs[..., net.finnoff_order()][..., net.from_finnoff_order()], runs)


@pytest.mark.parametrize("net", [ef.MLP([2, 1]), ef.MLP([2, 2, 2, 1]), ef.MLP([2, 2, 1], bias=False)])
def test_finnoffs_order_needs_his_network(net: MLP) -> None:
    with pytest.raises(ValueError, match="one hidden layer and biases"):
        net.finnoff_order()


def test_widths_one_by_one_are_refused_with_a_hint() -> None:
    arguments: Any = (2, 4, 1)
    with pytest.raises(
        TypeError, match=r"widths must be one sequence, such as MLP\(\[2, 4, 1\]\), .* \(got \(2, 4, 1\)\)"
    ):
        ef.MLP(*arguments)
