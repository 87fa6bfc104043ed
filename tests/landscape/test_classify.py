"""Verdicts on points whose nature is known from closed forms, through tiny networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import etaflow as ef
from etaflow.landscape.verdict import evidence as evidence_module
from etaflow.landscape.verdict.result import KINDS
from reference import oracle_of


def product(layers: int = 2, target: float = 1.0, l2: float = 0.0) -> ef.Objective:
    """f(w) = (target − w_L⋯w_1)² + l2·‖w‖²."""
    net = ef.MLP([1] * (layers + 1), activation="identity", bias=False)
    return ef.Objective(net, [[1.0]], [target], l2=l2)


def network(l2: float = 1e-3, activation: Any = "tanh") -> ef.Objective:
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (60, 3))
    net = ef.MLP([3, 4, 1], activation=activation)
    return ef.Objective(net, x, np.sin(x.sum(axis=1)) + 0.3 * generator.normal(size=60), l2=l2)


def saturated() -> ef.Objective:
    return ef.Objective(ef.MLP([1, 1], output="tanh", bias=False), [[1.0], [1.0]], [0.8, 0.9])


def perceptron(a: float) -> ef.Objective:
    """Sontag and Sussmann's E(x) = (1 − tanh x)² + (1 − tanh ax)²."""
    return ef.Objective(ef.MLP([1, 1], output="tanh", bias=False), [[1.0], [a]], [1.0, 1.0], reduction="sum")


def between_slopes() -> ef.Objective:
    net = ef.MLP([1, 1, 1], activation=("leaky_relu", 0.5), bias=False)
    return ef.Objective(net, [[1.0], [-1.0], [0.5]], [0.1, 0.1, -0.05])


# (1 − vw)² + l2(v² + w²) with l2 < 1 has minima v = w = ±√(1 − l2) and a saddle at 0.
POINTS: list[tuple[ef.Objective, list[float], str, bool]] = [
    (product(target=3.0), [0.0, 0.0], "strict saddle", True),
    (product(l2=0.19), [0.9, 0.9], "minimum", True),
    (product(l2=0.19), [0.0, 0.0], "strict saddle", True),
    (product(l2=2.0), [0.0, 0.0], "minimum", True),
    (product(), [2.0, 0.5], "degenerate", True),
    (product(layers=3), [0.0, 0.0, 0.0], "degenerate", False),
    (product(), [1e-3, -2e-3], "not stationary", False),
    (saturated(), [-9.0], "gradient-flat", False),
    (perceptron(2.0), [0.3], "minimum at infinity", True),
    (perceptron(-3.0), [7.0], "minimum at infinity", False),
    (perceptron(-3.0), [-7.0], "gradient-flat", False),
    (between_slopes(), [0.0, 1.0], "kink", False),
    (ef.Objective(ef.MLP([1, 1], output="sin", bias=False), [[1.0]], [-1.5]), [np.pi / 2], "strict saddle", True),
]


@pytest.mark.parametrize(("f", "theta", "kind", "certified"), POINTS)
def test_known_points(f: ef.Objective, theta: list[float], kind: str, certified: bool) -> None:
    got = ef.classify(f, theta)
    assert (got.kind, got.certified) == (kind, certified)
    assert kind in KINDS
    np.testing.assert_allclose(got.eigenvalues, np.linalg.eigvalsh(f.hessian(theta)), atol=1e-12)
    np.testing.assert_array_equal([got.value, got.grad_norm], [f.value(theta), np.linalg.norm(f.gradient(theta))])
    assert repr(got).startswith(f"Verdict({kind}{', certified' * certified}: ")
    if got.direction is not None:
        assert np.linalg.norm(got.direction) == pytest.approx(1)
        places = got.theta + got.distances[:, None] * got.direction
        np.testing.assert_array_equal(got.profile, f.value(places))
    if kind in {"strict saddle", "not stationary", "gradient-flat"}:
        assert got.profile.min() < got.profile[0] * (1 - 1e-9)


def test_the_saddle_and_its_way_out() -> None:
    """∇²(3 − vw)² at 0 is [[0, −6], [−6, 0]]: f = (3 − t²/2)² along (1, 1)/√2."""
    got = ef.classify(product(target=3.0), [0.0, 0.0])
    assert (got.index, got.nullity) == (1, 0)
    assert got.direction is not None
    np.testing.assert_allclose(np.abs(got.direction), np.sqrt(0.5), rtol=1e-12)
    np.testing.assert_allclose(got.profile, (3 - got.distances**2 / 2) ** 2, rtol=1e-12)
    assert got.certificate is not None
    assert got.certificate.curvature == pytest.approx(6, rel=1e-6)


def test_a_local_maximum_is_named() -> None:
    top = ef.Objective(ef.MLP([1, 1], output="sin", bias=False), [[1.0]], [-1.5])
    assert "a local maximum" in ef.classify(top, [np.pi / 2]).reason


@pytest.mark.parametrize("activation", ["tanh", "arctan", "softplus", "sin", "logistic"])
def test_polished_networks_are_certified_minima(activation: str) -> None:
    f = network(activation=activation)
    for seed in range(2):
        got = ef.classify(f, ef.polish(f, f.net.init(seed=seed)).theta)
        assert (got.kind, got.certified, got.index, got.nullity) == ("minimum", True, 0, 0)
        assert got.is_minimum
        assert got.is_local_minimum
        assert got.is_stationary
        assert got.certificate is not None
        lowest = np.linalg.eigvalsh(oracle_of(f).hessian(got.theta))[0]
        assert 0.99 * lowest < got.certificate.curvature <= lowest * (1 + 1e-6)
        assert got.certificate.radius < 1e-8
    plain = ef.classify(f, got.theta, certify=False)
    assert (plain.kind, plain.certified, plain.certificate) == ("minimum", False, None)


def test_training_that_stopped_early() -> None:
    f = network()
    trained = ef.descend(f, f.net.init(seed=0), steps=100, step_size=0.05).theta[0]
    got = ef.classify(f, trained)
    assert got.kind == "not stationary"
    assert got.relative_gradient == pytest.approx(
        np.linalg.norm(f.gradient(trained)) * (1 + np.linalg.norm(trained)) / f.value(trained), rel=1e-12
    )
    assert "Newton's step" in got.reason


@pytest.mark.parametrize("place", [10.0, 20.0, 30.0, 36.0])
def test_weights_on_their_way_to_infinity(place: float) -> None:
    """log(1 + e^{−θ}): the gradient is as small as one likes, but the data are separable at every place."""
    f = ef.Objective(ef.MLP([1, 1], output="logistic", bias=False), [[1.0], [-1.0]], [1.0, 0.0], loss="log")
    got = ef.classify(f, [place])
    assert (got.kind, got.certified) == ("minimum at infinity", True)
    assert got.ray is not None
    assert got.ray.everywhere
    assert got.ray.margin == 1
    assert "f has no stationary point at all" in got.reason


def test_separable_logistic_data_and_the_svm() -> None:
    """The ray has the largest margin (Soudry et al. 2018); with its mirror image a data set has no intercept."""
    svm = pytest.importorskip("sklearn.svm")
    generator = np.random.default_rng(1)
    x = generator.normal(size=(30, 3))
    x = x[np.abs(x @ [1, 2, -1]) > 0.5]
    labels = (x @ [1, 2, -1] > 0).astype(float)
    both, targets = np.vstack([x, -x]), np.concatenate([labels, 1 - labels])
    f = ef.Objective(ef.MLP([3, 1], output="logistic", bias=False), both, targets, loss="log")
    trained = ef.descend(f, f.net.init(0), steps=20_000, step_size=1.0).theta[0]
    got = ef.classify(f, trained)
    assert (got.kind, got.certified) == ("minimum at infinity", True)
    normal = svm.SVC(kernel="linear", C=1e10, tol=1e-10).fit(both, targets).coef_[0]
    assert got.direction is not None
    np.testing.assert_allclose(got.direction, normal / np.linalg.norm(normal), atol=1e-6)
    assert trained @ got.direction / np.linalg.norm(trained) > 0.95  # training goes there
    assert got.profile[-1] < 1e-9
    assert (np.diff(got.profile) <= 0).all()


def test_separable_features_before_and_after_training() -> None:
    """Before θ separates the data, infinity is only possible; afterwards f falls along its own way."""
    generator = np.random.default_rng(2)
    x = generator.normal(size=(40, 2))
    f = ef.Objective(ef.MLP([2, 8, 1], output="logistic"), x, (x[:, 0] * x[:, 1] > 0).astype(float), loss="log")
    start = f.net.init(3)
    before = ef.classify(f, start)
    assert before.kind == "not stationary"
    trained = ef.descend(f, start, steps=20_000, step_size=1.0).theta[0]
    assert f.accuracy(trained) == 1
    after = ef.classify(f, trained)
    assert after.kind == "minimum at infinity"
    assert after.ray is not None
    assert after.ray.limit == 0


def test_minima_at_kinks() -> None:
    """Minima of ReLU networks by `find_minima`: the gradient jumps at each, and none falls in any random direction."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(30, 2))
    f = ef.Objective(ef.MLP([2, 2, 1], activation="leaky_relu"), x, generator.normal(size=30))
    ends = ef.find_minima(f, starts=10, seed=1).data["theta"].values
    verdicts = [ef.classify(f, theta) for theta in ends]
    kinks = [one for one in verdicts if one.kind == "kink"]
    assert len(kinks) >= 2
    for one in kinks:
        assert one.kinks is not None
        assert one.kinks.jumps > 0
        assert one.grad_norm > 1e-3
        assert "a local minimum" in one.reason
        assert one.is_local_minimum
        assert not one.is_minimum
        steps = 1e-5 * generator.normal(size=(500, f.num_params))
        assert (f.value(one.theta + steps) > one.value - 1e-13).all()


def test_beside_a_minimum_at_kinks() -> None:
    """10⁻⁷ away no pre-activation is 0, and ∇f is as large as anywhere; 10⁻³ away the point is not near any more."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(30, 2))
    f = ef.Objective(ef.MLP([2, 2, 1], activation="leaky_relu"), x, generator.normal(size=30))
    found = ef.find_minima(f, starts=4, seed=1).data
    place = found["theta"].values[int(np.argmax(found["kinks"].values))]
    step = generator.normal(size=f.num_params)
    beside = ef.classify(f, place + 1e-7 * step)
    assert beside.kind == "kink"
    assert beside.kinks is None
    assert beside.settled is not None
    assert beside.settled.value == pytest.approx(float(f.value(place)), rel=1e-10)
    assert beside.is_local_minimum
    assert beside.grad_norm > 1e-3
    assert ef.classify(f, place + 1e-3 * step).kind == "not stationary"


def test_a_kink_that_does_not_hold() -> None:
    """At the start with zero biases an observation at 0 is on every kink; f still falls, and the verdict says how."""
    f = ef.Objective(ef.MLP([1, 3, 1], activation="relu"), [[0.0], [1.0], [-2.0]], [1.0, 0.5, -0.5])
    got = ef.classify(f, f.net.init(0))
    assert got.kind == "not stationary"
    assert got.kinks is not None
    assert len(got.kinks.places) == 3
    assert "do not hold it" in got.reason
    assert got.profile.min() < 0.9 * got.value


def test_all_weights_zero() -> None:
    """ReLU at θ = 0 (experiment 5.1 never starts there): ∇f is continuous at these kinks, but the Hessian is not."""
    f = ef.Objective(ef.MLP([1, 2, 1], activation="relu"), [[1.0], [-1.0]], [1.0, -1.0])
    got = ef.classify(f, np.zeros(7))
    assert got.kind == "kink"
    assert "the Hessian jumps" in got.reason
    assert got.kinks is not None
    assert (len(got.kinks.places), got.kinks.jumps) == (4, 0)


def test_a_perfect_fit_of_too_many_parameters() -> None:
    generator = np.random.default_rng(5)
    f = ef.Objective(ef.MLP([2, 6, 1]), generator.normal(size=(7, 2)), generator.normal(size=7))
    got = ef.classify(f, ef.polish(f, f.net.init(0)).theta)
    assert got.kind == "degenerate"
    assert got.nullity == f.num_params - 7
    assert "a global minimum, but not a strict one" in got.reason
    assert got.is_local_minimum
    assert not ef.classify(product(layers=3), np.zeros(3)).is_local_minimum


def test_both_ends_of_the_spectrum_by_lanczos(monkeypatch: pytest.MonkeyPatch) -> None:
    f = network()
    theta = ef.polish(f, f.net.init(seed=0)).theta
    whole = ef.classify(f, theta)
    monkeypatch.setattr(evidence_module.gather, "__kwdefaults__", {"dense": 0, "ends": 1})
    ends = ef.classify(f, theta)
    assert (ends.kind, ends.complete, ends.certified) == ("minimum", False, False)
    np.testing.assert_allclose(
        ends.eigenvalues, np.concatenate([whole.eigenvalues[:5], whole.eigenvalues[-5:]]), rtol=1e-6
    )
    assert (ends.index, ends.nullity) == (0, None)
    assert "the ends, by Lanczos" in str(ends)
    saddle = network(l2=0.0)
    at_zero = ef.classify(saddle, np.concatenate([np.zeros(20), [saddle.y.mean()]]))
    assert at_zero.kind == "strict saddle"


@pytest.mark.slow
def test_a_network_too_large_for_its_whole_spectrum() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(200, 60))
    f = ef.Objective(ef.MLP([60, 45, 1]), x, x[:, 0] ** 2, l2=0.05)
    theta = ef.polish(f, f.net.init(0), tolerance=1e-9).theta
    got = ef.classify(f, theta)
    assert not got.complete
    assert len(got.eigenvalues) == 10
    assert got.is_stationary
    residual = f.hessian_vector(theta, np.eye(f.num_params)[0])
    assert np.isfinite(residual).all()


def test_single_precision_and_the_sum() -> None:
    f = network()
    theta = ef.polish(f, f.net.init(seed=0)).theta
    total = ef.Objective(f.net, f.x, f.y, reduction="sum", l2=f.l2 * f.n)
    assert ef.classify(total, theta).certified
    single = ef.Objective(f.net, f.x.astype(np.float32), f.y.astype(np.float32), l2=f.l2)
    got = ef.classify(single, ef.polish(single, theta.astype(np.float32)).theta)
    assert got.kind == "minimum"
    if got.certified:
        assert got.certificate is not None
        exact = ef.Objective(f.net, single.x.astype(float), single.y.astype(float), l2=f.l2)
        root = ef.polish(exact, got.theta.astype(float)).theta
        assert np.linalg.norm(root - got.theta) <= got.certificate.radius * (1 + 1e-9)


def test_the_table_in_words() -> None:
    text = str(ef.classify(product(target=3.0), [0.0, 0.0]))
    assert text.splitlines()[0] == "verdict        strict saddle (certified)"
    assert "eigenvalues    -6 to 6: 1 negative, 0 zero" in text
    assert "f falls by" in text
    far = str(ef.classify(perceptron(2.0), [0.3]))
    assert "ray            proved to fall for ever, towards 0, with margin" in far
    kink = str(ef.classify(between_slopes(), [0.0, 1.0]))
    assert "kinks          unit 0 of layer 1 for observation 0" in kink
    assert ef.classify(product(), [2.0, 0.5])._repr_html_().startswith("<pre>verdict")


def test_bad_input() -> None:
    f = network()
    theta = f.net.init(seed=0)
    with pytest.raises(ValueError, match="theta must have 1 dimension"):
        ef.classify(f, theta[None])
    with pytest.raises(ValueError, match="theta must hold 21 parameters on its last axis, as MLP"):
        ef.classify(f, ef.MLP([3, 5, 1]).init(seed=0))
    with pytest.raises(ValueError, match="tolerance must be > 0"):
        ef.classify(f, theta, tolerance=0.0)
    with pytest.raises(TypeError, match="certify must be True or False"):
        ef.classify(f, theta, certify="yes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="float32"):
        ef.classify(f, theta.astype(np.float32))
