"""Generated data: Finnoff's models and teachers against plain loops, Playground's sets against a scalar port of the page."""

import itertools
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from etaflow.problem import datasets
from reference import ACTIVATIONS

unchecked: Any = datasets  # for calls that mypy would refuse

FINNOFF = ["additive", "product", "rbf", "network"]


# --- Finnoff 1992, section 6 ---------------------------------------------------------------------------------------


def g_by_hand(name: str, parameters: Any, x: list[float]) -> float:
    """The formulas of section 6 as loops over k and l from 1."""
    if name == "additive":
        return sum(math.sin(parameters["alpha"][k - 1] * x[k - 1]) for k in range(1, 6))
    if name == "product":
        return math.prod(x[k - 1] for k in range(1, 4))
    if name == "rbf":
        total = 0.0
        for centre in range(1, 9):
            squares = sum((parameters["alpha"][centre - 1][k] - x[k]) ** 2 for k in range(5))
            total += (-1) ** centre * math.exp(-squares / (2 * parameters["sigma"] ** 2))
        return total
    return network_by_hand(parameters["theta"], parameters["widths"], x)[0]


def network_by_hand(theta: Any, widths: tuple[int, ...], x: list[float]) -> list[float]:
    """A tanh network with linear output; θ is read layer by layer, W row by row and then b."""
    numbers = iter(theta.tolist())
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        W = [[next(numbers) for _ in range(fan_in)] for _ in range(fan_out)]
        b = [next(numbers) for _ in range(fan_out)]
        z = [sum(w * a for w, a in zip(row, x, strict=True)) + bias for row, bias in zip(W, b, strict=True)]
        x = z if layer == len(widths) - 2 else [math.tanh(value) for value in z]
    assert next(numbers, None) is None
    return x


@pytest.mark.parametrize("name", FINNOFF)
@pytest.mark.parametrize("seed", [0, 7])
def test_finnoff_g_is_the_formula(name: str, seed: int) -> None:
    problem = datasets.finnoff_problem(name, n=40, noise=0.0, seed=seed)
    assert problem.name == name
    assert problem.x.shape == (40, 10)
    assert (np.abs(problem.x) <= 1).all()
    by_hand = [g_by_hand(name, problem.parameters, row) for row in problem.x.tolist()]
    np.testing.assert_allclose(problem.y, by_hand, rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(problem.g(problem.x), problem.y)


@pytest.mark.parametrize(("name", "relevant"), [("additive", 5), ("product", 3), ("rbf", 5), ("network", 5)])
def test_irrelevant_inputs_have_no_effect(name: str, relevant: int) -> None:
    problem = datasets.finnoff_problem(name, n=20)
    moved = problem.x.copy()
    moved[:, relevant:] = np.random.default_rng(1).uniform(-1, 1, (20, 10 - relevant))
    np.testing.assert_array_equal(problem.g(moved), problem.g(problem.x))
    for k in range(relevant):
        moved = problem.x.copy()
        moved[:, k] /= 2
        assert (problem.g(moved) != problem.g(problem.x)).all()


def test_erratum_the_radial_basis_functions_have_a_minus_sign() -> None:
    """As printed, exp(+‖α − x‖²/2σ²), g would explode away from the centres; a radial basis function dies out there."""
    problem = datasets.finnoff_problem("rbf", sigma=0.2)
    alpha, sigma = problem.parameters["alpha"], problem.parameters["sigma"]
    at_centre = np.pad(alpha, ((0, 0), (0, 5)))
    np.testing.assert_allclose(problem.g(at_centre), [-1, 1] * 4, atol=1e-3)
    far = np.full((1, 10), 2.0)
    assert abs(problem.g(far)[0]) < 1e-20
    as_printed = sum((-1) ** (k + 1) * math.exp(((alpha[k] - 2) ** 2).sum() / (2 * sigma**2)) for k in range(8))
    assert abs(as_printed) > 1e50
    assert alpha.shape == (8, 5)
    assert (np.abs(alpha) <= 1).all()


def test_targets_of_the_additive_model_leave_the_range_of_tanh() -> None:
    y = datasets.finnoff("additive", noise=0.0)[1]
    assert np.mean(np.abs(y) > 1) > 0.4
    assert np.abs(y).max() <= 5


@pytest.mark.parametrize("name", FINNOFF)
def test_noise_is_gaussian_of_the_stated_size(name: str) -> None:
    """Kolmogorov–Smirnov at level 1e-6; by default a tenth of the standard deviation of g."""
    for noise in (None, 0.3):
        problem = datasets.finnoff_problem(name, n=4000, noise=noise, seed=3)
        u = problem.y - problem.g(problem.x)
        assert problem.noise == (pytest.approx(problem.g(problem.x).std() / 10) if noise is None else 0.3)
        assert stats.kstest(u / problem.noise, "norm").pvalue > 1e-6


def test_inputs_are_uniform_and_independent_of_the_noise() -> None:
    problem = datasets.finnoff_problem("product", n=4000, noise=1.0)
    assert stats.kstest((problem.x.ravel() + 1) / 2, "uniform").pvalue > 1e-6
    u = problem.y - problem.g(problem.x)
    assert max(abs(np.corrcoef(u, column)[0, 1]) for column in problem.x.T) < 5 / 4000**0.5


@pytest.mark.parametrize("name", FINNOFF)
def test_more_samples_begin_with_the_same_ones(name: str) -> None:
    few, many = (datasets.finnoff_problem(name, n=n, noise=0.1, seed=5) for n in (10, 300))
    np.testing.assert_array_equal(few.x, many.x[:10])
    np.testing.assert_allclose(few.y, many.y[:10], rtol=1e-14, atol=1e-15)
    assert (datasets.finnoff(name, n=10, seed=6)[0] != few.x).all()


def test_fresh_samples_have_the_same_g() -> None:
    problem = datasets.finnoff_problem("rbf", n=50, noise=0.0, dtype=np.float32)
    x, y = problem.sample(30, seed=1)
    assert x.dtype == y.dtype == np.float32
    assert not np.isin(x, problem.x).any()
    np.testing.assert_allclose(y, problem.g(x.astype(np.float64)), atol=1e-6)
    assert "array" not in repr(problem)


# --- teacher -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [[3, 1], [3, 4, 1], [2, 3, 4, 2]])
def test_teacher_is_its_theta(widths: list[int]) -> None:
    problem = datasets.teacher_problem(widths, n=15, seed=2)
    by_hand = [network_by_hand(problem.parameters["theta"], tuple(widths), row) for row in problem.x.tolist()]
    np.testing.assert_allclose(problem.y, np.squeeze(by_hand, axis=-1) if widths[-1] == 1 else by_hand, rtol=1e-12)
    assert problem.y.ndim == (1 if widths[-1] == 1 else 2)
    x, y = datasets.teacher(widths, n=15, seed=2)
    np.testing.assert_array_equal(x, problem.x)
    np.testing.assert_array_equal(y, problem.y)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_of_the_teacher(activation: str) -> None:
    problem = datasets.teacher_problem([3, 4, 1], n=50, activation=activation, output=activation, scale=6.0, seed=4)
    theta = problem.parameters["theta"]

    def sigma(z: Any) -> Any:
        return ACTIVATIONS[activation](z, 0.1)

    hidden = sigma(problem.x @ theta[:12].reshape(4, 3).T + theta[12:16])
    np.testing.assert_allclose(problem.y, sigma(hidden @ theta[16:20] + theta[20]), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_teacher_has_loss_0_in_the_compiled_core(activation: str) -> None:
    problem = datasets.teacher_problem([3, 5, 4, 1], n=37, activation=activation, output="logistic", seed=1)
    import etaflow as ef

    net = ef.MLP([3, 5, 4, 1], activation=activation, output="logistic")
    f = ef.Objective(net, problem.x, problem.y)
    assert f.value(problem.parameters["theta"]) < 1e-28


def test_finnoff_network_has_loss_0_in_the_compiled_core() -> None:
    import etaflow as ef

    problem = datasets.finnoff_problem("network", noise=0.0)
    f = ef.Objective(ef.MLP([10, 10, 1]), problem.x, problem.y)
    assert f.value(problem.parameters["theta"]) < 1e-28


# --- TensorFlow Playground -----------------------------------------------------------------------------------------


def page_points(name: str, n: int, noise: float, draw: random.Random) -> list[tuple[float, float, float]]:
    """The laws of the page's point sets, one scalar point after another; `noise` is between 0 and 0.5."""
    points = []
    for i in range(n):
        first = i < n / 2
        if name == "circle":
            r, angle = draw.uniform(0, 2.5) if first else draw.uniform(3.5, 5), draw.uniform(0, 2 * math.pi)
            x, y = r * math.sin(angle), r * math.cos(angle)
            a, b = x + noise * draw.uniform(-5, 5), y + noise * draw.uniform(-5, 5)
            label = 1.0 if math.sqrt(a * a + b * b) < 2.5 else -1.0
        elif name == "xor":
            x, y = draw.uniform(-5, 5), draw.uniform(-5, 5)
            x, y = x + math.copysign(0.3, x), y + math.copysign(0.3, y)
            label = 1.0 if (x + noise * draw.uniform(-5, 5)) * (y + noise * draw.uniform(-5, 5)) >= 0 else -1.0
        elif name == "gauss":
            label = 1.0 if first else -1.0
            deviation = math.sqrt(0.5 + noise / 0.5 * 3.5)
            x, y = draw.gauss(2 * label, deviation), draw.gauss(2 * label, deviation)
        elif name == "spiral":
            label = 1.0 if first else -1.0
            j = i if first else i - n // 2
            r, t = j / (n / 2) * 5, 1.75 * j / (n / 2) * 2 * math.pi + (0 if first else math.pi)
            x, y = r * math.sin(t) + draw.uniform(-1, 1) * noise, r * math.cos(t) + draw.uniform(-1, 1) * noise
        else:
            x, y = draw.uniform(-6, 6), draw.uniform(-6, 6)
            a, b = x + noise * draw.uniform(-6, 6), y + noise * draw.uniform(-6, 6)
            label = (a + b) / 10 if name == "reg-plane" else highest_cone(a, b)
        points.append((x, y, label))
    return points


def highest_cone(a: float, b: float) -> float:
    best = 0.0
    for cx, cy, sign in [(-4, 2.5, 1), (0, 2.5, -1), (4, 2.5, 1), (-4, -2.5, -1), (0, -2.5, 1), (4, -2.5, -1)]:
        height = sign * min(1.0, max(0.0, 1 - math.hypot(a - cx, b - cy) / 2))
        if abs(height) > abs(best):
            best = height
    return best


PLAYGROUND = ["circle", "xor", "gauss", "spiral", "reg-plane", "reg-gauss"]


@pytest.mark.parametrize("percent", [0, 20, 50])
@pytest.mark.parametrize("name", PLAYGROUND)
def test_points_follow_the_page(name: str, percent: int) -> None:
    """Two-sample Kolmogorov–Smirnov tests on x1, x2, the radius, the label and label·x1, each at level 1e-6."""
    n = 4000
    x, y = datasets.playground(name, n=n, noise=percent, seed=11)
    page = np.array(page_points(name, n, percent / 100, random.Random(4)))

    def views(x: Any, y: Any) -> list[Any]:
        return [x[:, 0], x[:, 1], np.hypot(x[:, 0], x[:, 1]), y, y * x[:, 0], y * x[:, 0] * x[:, 1]]

    for ours, theirs in zip(views(x, y), views(page[:, :2], page[:, 2]), strict=True):
        assert stats.ks_2samp(np.round(ours, 9), np.round(theirs, 9), method="asymp").pvalue > 1e-6


def test_spiral_without_noise_is_the_formula() -> None:
    for n in (8, 9):
        x, y = datasets.playground("spiral", n=n)
        page = page_points("spiral", n, 0.0, random.Random(0)) if n % 2 == 0 else None
        assert sorted((y == 1).tolist()).count(True) == (n + 1) // 2
        if page:
            ours = sorted(map(tuple, np.round(np.column_stack([x, y]), 9).tolist()))
            np.testing.assert_allclose(ours, sorted(map(tuple, np.round(page, 9).tolist())), atol=1e-8)


@pytest.mark.parametrize("name", ["circle", "xor"])
def test_without_noise_every_label_is_the_region(name: str) -> None:
    x, y = datasets.playground(name, n=1001, seed=3)
    inside = np.hypot(*x.T) < 2.5 if name == "circle" else x[:, 0] * x[:, 1] >= 0
    np.testing.assert_array_equal(y, np.where(inside, 1, -1))


def test_playground_sizes_order_and_labels() -> None:
    assert len(datasets.playground("xor")[0]) == 500
    assert len(datasets.playground("reg-gauss")[0]) == 1200
    y = datasets.playground("gauss")[1]
    assert 0 < (y[:250] == 1).sum() < 250  # shuffled
    zero_one = datasets.playground("gauss", signed=False)[1]
    np.testing.assert_array_equal(2 * zero_one - 1, y)
    plane = datasets.playground("reg-plane")
    np.testing.assert_array_equal(datasets.playground("reg-plane", signed=False)[1], plane[1])
    np.testing.assert_allclose(plane[1], plane[0].sum(axis=1) / 10, rtol=1e-13)


def test_playground_features() -> None:
    x = np.random.default_rng(0).uniform(-6, 6, (5, 2))
    names = ["x1", "x2", "x1^2", "x2^2", "x1x2", "sin x1", "sin x2"]
    by_hand = [[a, b, a * a, b * b, a * b, math.sin(a), math.sin(b)] for a, b in x.tolist()]
    features = datasets.playground_features(x, names)
    np.testing.assert_allclose(features, by_hand, rtol=1e-15)
    assert features.flags.c_contiguous
    of_the_page = datasets.playground_features(x, ["x", "y", "xSquared", "ySquared", "xTimesY", "sinX", "sinY"])
    np.testing.assert_array_equal(of_the_page, features)
    np.testing.assert_array_equal(datasets.playground_features(x), x)
    assert datasets.playground_features(x.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: datasets.finnoff("additiv"), ValueError, "did you mean 'additive'"),
        (lambda: datasets.finnoff("rbf", n=0), ValueError, "n must be >= 1"),
        (lambda: datasets.finnoff("rbf", noise=-1), ValueError, "noise must be >= 0"),
        (lambda: datasets.finnoff("rbf", sigma=0), ValueError, "sigma must be > 0"),
        (lambda: datasets.finnoff("rbf", seed=-1), ValueError, "seed must be >= 0"),
        (lambda: datasets.finnoff_problem("rbf").g(np.ones((2, 5))), ValueError, r"x must have shape \(any, 10\)"),
        (lambda: datasets.teacher([3]), ValueError, "at least an input and an output width"),
        (lambda: datasets.teacher([3, 0, 1]), ValueError, r"widths\[1\] must be >= 1"),
        (lambda: unchecked.teacher([3, 2.0, 1]), TypeError, r"widths\[1\] must be an integer"),
        (lambda: datasets.teacher([3, 1], activation="tanhh"), ValueError, "did you mean 'tanh'"),
        (lambda: datasets.teacher([3, 1], scale=0), ValueError, "scale must be > 0"),
        (lambda: datasets.teacher_problem([3, 1], relevant=4), ValueError, "relevant must be <= 3"),
        (lambda: datasets.playground("circles"), ValueError, "did you mean 'circle'"),
        (lambda: datasets.playground("xor", n=1), ValueError, "n must be >= 2"),
        (lambda: datasets.playground("xor", noise=51), ValueError, r"noise must be <= 50 per cent \(got 51\)"),
        (lambda: datasets.playground("xor", noise=-1), ValueError, "noise must be >= 0"),
        (lambda: datasets.playground_features([[1.0, 2.0]], ["x3"]), ValueError, r"names\[0\] must be one of"),
        (lambda: datasets.playground_features([[1.0, 2.0]], []), ValueError, "at least one feature name"),
        (lambda: datasets.playground_features([[1.0, 2.0]], "x1"), ValueError, "must be a sequence"),
        (lambda: datasets.playground_features([1.0, 2.0]), ValueError, r"x must have shape \(any, 2\)"),
    ],
)
def test_bad_input(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
