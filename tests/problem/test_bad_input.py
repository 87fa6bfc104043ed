"""Bad input is an error before any work that names the argument, its value and what was expected."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import etaflow as ef

# What a type checker would not let through is tested too.
MLP: Any = ef.MLP
Objective: Any = ef.Objective

NET = MLP([2, 3, 1])
LOGISTIC = MLP([2, 3, 1], output="logistic")
CLASSES = MLP([2, 3, 4])
X, Y = np.ones((5, 2)), np.ones(5)
F = Objective(NET, X, Y)
with np.errstate(over="ignore"):
    OVERFLOWED = np.array([[1e300, 1.0]]).astype(np.float32)
THETA = np.ones(NET.num_params)


def with_value(array: np.ndarray, index: Any, value: float) -> np.ndarray:
    changed = array.copy()
    changed[index] = value
    return changed


NETWORKS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: MLP([2, 0, 1]), ValueError, r"widths\[1\] must be >= 1 \(got 0\)"),
    (lambda: MLP([-2, 1]), ValueError, r"widths\[0\] must be >= 1 \(got -2\)"),
    (lambda: MLP([2, 3.0, 1]), TypeError, r"widths\[1\] must be an integer \(got 3.0, a float\)"),
    (lambda: MLP([2, True]), TypeError, r"widths\[1\] must be an integer \(got True"),
    (lambda: MLP([2, "3"]), TypeError, r"widths\[1\] must be an integer"),
    (lambda: MLP([2]), ValueError, r"widths must name the inputs and the outputs .*\(got \[2\]\)"),
    (lambda: MLP([]), ValueError, "widths must name"),
    (lambda: MLP(3), TypeError, r"widths must be a sequence of integers \(got 3\)"),
    (lambda: MLP("23"), TypeError, "widths must be a sequence of integers"),
    (
        lambda: MLP([2, 3, 1], activation="tahn"),
        ValueError,
        "activation must be one of .*got 'tahn'; did you mean 'tanh'",
    ),
    (lambda: MLP([2, 3, 1], activation="ReLU"), ValueError, "did you mean 'relu'"),
    (lambda: MLP([2, 3, 1], output="sigmoid"), ValueError, "output must be one of .*'logistic'.*got 'sigmoid'"),
    (lambda: MLP([2, 3, 1], activation=np.tanh), TypeError, "activation must be one of"),
    (lambda: MLP([2, 3, 1], activation=["tanh", "relu"]), ValueError, r"one per hidden layer: 1 \(got 2: "),
    (lambda: MLP([2, 3, 3, 1], activation=["tanh", "rely"]), ValueError, r"activation\[1\] must be one of"),
    (lambda: MLP([2, 3, 1], activation=("tanh", 0.1)), TypeError, "'tanh' takes no parameter"),
    (lambda: MLP([2, 3, 1], activation=("relu", {"slope": 0})), ValueError, "one parameter 'at_zero'"),
    (lambda: MLP([2, 3, 1], activation=("relu", 2)), ValueError, r"at_zero .* between 0 and 1 \(got 2\)"),
    (lambda: MLP([2, 3, 1], activation=("leaky_relu", float("nan"))), ValueError, "slope .* must be finite"),
    (lambda: MLP([2, 3, 1], activation=("leaky_relu", None)), TypeError, "slope .* must be a real number"),
    (lambda: MLP([2, 1], bias=1), TypeError, r"bias must be True or False \(got 1\)"),
    (lambda: NET.init(seed=-1), ValueError, r"seed must be >= 0 \(got -1\)"),
    (lambda: NET.init(seed=2**64), ValueError, "seed must be <="),
    (lambda: NET.init(seed=1.5), TypeError, "seed must be an integer"),
    (lambda: NET.init(seed=0, runs=0), ValueError, r"runs must be >= 1 \(got 0\)"),
    (lambda: NET.init(seed=0, runs=range(3, 3)), ValueError, "runs must hold at least one"),
    (lambda: NET.init(seed=0, runs=range(-1, 3)), ValueError, "run numbers >= 0"),
    (lambda: NET.init(seed=0, scheme="glorot"), ValueError, "scheme must be one of .*did you mean 'glorot_"),
    (lambda: NET.init(seed=0, scheme="uniform"), TypeError, "'uniform' needs a number"),
    (lambda: NET.init(seed=0, scheme=("uniform", 0)), ValueError, "must be > 0"),
    (lambda: NET.init(seed=0, scheme=("normal", -1.0)), ValueError, r"must be > 0 \(got -1\)"),
    (lambda: NET.init(seed=0, scheme=("he_normal", 1.0)), TypeError, "takes no number"),
    (lambda: NET.init(seed=0, scheme=("constant", float("inf"))), ValueError, "must be finite"),
    (lambda: NET.init(seed=0, dtype="float16"), TypeError, "dtype must be float64 or float32"),
    (lambda: NET.layers(np.ones(12)), ValueError, r"theta must hold 13 parameters .*got shape \(12,\)"),
    (lambda: NET.flatten([]), ValueError, "layers must hold 2 pairs"),
    (
        lambda: NET.flatten([(np.ones((3, 2)), None), (np.ones((1, 3)), None)]),
        ValueError,
        r"layers\[0\]\[1\] must be a bias",
    ),
    (
        lambda: NET.flatten([(np.ones((2, 3)), np.ones(3)), (np.ones((1, 3)), np.ones(1))]),
        ValueError,
        r"layers\[0\]\[0\] must have shape \(3, 2\)",
    ),
    (
        lambda: NET.flatten([(np.ones((3, 2)), np.ones(3)), (np.ones((1, 3), np.float32), np.ones(1))]),
        TypeError,
        r"layers\[1\]\[0\] must be float64",
    ),
    (lambda: NET.predict(THETA, np.ones((5, 3))), ValueError, r"x must have 2 columns.*got shape \(5, 3\)"),
    (lambda: NET.predict(THETA, np.ones(2)), ValueError, r"x must have 2 dimensions \(got shape \(2,\)\)"),
    (lambda: NET.predict(THETA[:-1], X), ValueError, "theta must hold 13 parameters"),
]

DATA: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: Objective("net", X, Y), TypeError, "net must be an MLP"),
    (lambda: Objective(NET, X, Y, loss="squared"), ValueError, "loss must be one of .*did you mean 'square'"),
    (lambda: Objective(NET, X, Y, loss="mse"), ValueError, "loss must be one of 'square', 'log', 'softmax'"),
    (lambda: Objective(NET, X, Y, loss=None), TypeError, "loss must be one of"),
    (lambda: Objective(NET, X, Y, reduction="average"), ValueError, "reduction must be one of"),
    (lambda: Objective(NET, X, Y, l2=-1), ValueError, r"l2 must be >= 0 \(got -1\)"),
    (lambda: Objective(NET, X, Y, l2=float("nan")), ValueError, "l2 must be finite"),
    (lambda: Objective(NET, X, Y, threads=0), ValueError, "threads must be >= 1"),
    (lambda: Objective(NET, X, np.ones(4)), ValueError, r"x and y must have the same length \(got 5 and 4\)"),
    (
        lambda: Objective(NET, np.ones((0, 2)), []),
        ValueError,
        r"x must hold at least one observation \(got shape \(0, 2\)\)",
    ),
    (lambda: Objective(NET, [], []), ValueError, "x must have 2 dimensions"),
    (lambda: Objective(NET, np.ones((5, 3)), Y), ValueError, "x must have 2 columns"),
    (lambda: Objective(NET, np.ones(5), Y), ValueError, "x must have 2 dimensions"),
    (lambda: Objective(NET, X, np.ones((5, 2))), ValueError, r"y must have shape \(5,\) or \(5, 1\).*got \(5, 2\)"),
    (lambda: Objective(CLASSES, X, Y), ValueError, r"y must have shape \(5, 4\).*got \(5,\)"),
    (lambda: Objective(NET, X, np.ones((5, 1, 1))), ValueError, "y must have 1 or 2 dimensions"),
    (lambda: Objective(NET, with_value(X, (3, 1), np.nan), Y), ValueError, r"x must be finite \(x\[3, 1\] is nan\)"),
    (
        lambda: Objective(NET, with_value(X, (0, 0), -np.inf), Y),
        ValueError,
        r"x must be finite \(x\[0, 0\] is -inf\)",
    ),
    (lambda: Objective(NET, X, with_value(Y, 4, np.inf)), ValueError, r"y must be finite \(y\[4\] is inf\)"),
    (lambda: Objective(NET, OVERFLOWED, [1.0]), ValueError, r"x\[0, 0\] is inf"),
    (
        lambda: Objective(LOGISTIC, X, [0, 1, 2, 0, 1], loss="log"),
        ValueError,
        r'labels y must be 0 or 1 for loss="log" \(y\[2\] is 2\)',
    ),
    (lambda: Objective(LOGISTIC, X, [0, 1, -1, 0, 1], loss="log"), ValueError, r"y\[2\] is -1"),
    (lambda: Objective(LOGISTIC, X, [[0], [1], [1], [0.5], [1]], loss="log"), ValueError, r"y\[3, 0\] is 0.5"),
    (
        lambda: Objective(CLASSES, X, [0, 1, 2, 3, 4], loss="softmax"),
        ValueError,
        r"integers from 0 to 3.*y\[4\] is 4",
    ),
    (lambda: Objective(CLASSES, X, [0, 1, 2.5, 3, 0], loss="softmax"), ValueError, r"y\[2\] is 2.5"),
    (
        lambda: Objective(CLASSES, X, np.eye(5, 4), loss="softmax"),
        ValueError,
        r"y must have shape \(5,\) or \(5, 1\)",
    ),
    (
        lambda: Objective(NET, X, Y, loss="log"),
        ValueError,
        r'loss="log" needs a network with output="logistic" \(got output="identity"\)',
    ),
    (
        lambda: Objective(LOGISTIC, X, Y, loss="softmax"),
        ValueError,
        r'loss="softmax" needs a network with output="identity"',
    ),
    (lambda: Objective(NET, X, Y, loss="softmax"), ValueError, "one output per class"),
    (lambda: Objective(NET, sparse.eye_array(5, 2), Y), TypeError, r"x must be a dense array .*x.toarray\(\)"),
    (lambda: Objective(NET, np.ma.masked_equal(with_value(X, 0, 2), 2), Y), TypeError, "x must have no masked"),
    (lambda: Objective(NET, [[1, 2], [3]], [1, 2]), TypeError, "x must be an array of numbers"),
    (lambda: Objective(NET, [["a", "b"]], [1]), TypeError, "x must be an array of real numbers"),
    (lambda: Objective(NET, [[None, 1.0]], [1]), TypeError, "x must be an array of real numbers"),
    (lambda: Objective(NET, None, [1]), TypeError, "x must be an array of real numbers"),
]

POINTS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: F.value(np.ones(12)),
        ValueError,
        r"theta must hold 13 parameters on its last axis, as MLP\(\[2, 3, 1\].*got shape \(12,\)",
    ),
    (lambda: F.gradient(np.ones((13, 2))), ValueError, "theta must hold 13 parameters"),
    (
        lambda: F.gradient(np.ones((2, 2, 13))),
        ValueError,
        r"theta must have 1 or 2 dimensions \(got shape \(2, 2, 13\)\)",
    ),
    (lambda: F.gradient(np.ones((0, 13))), ValueError, "theta must hold at least one run"),
    (lambda: F.gradient(1.0), ValueError, "theta must have 1 or 2 dimensions"),
    (lambda: F.gradient(with_value(THETA, 7, np.nan)), ValueError, r"theta must be finite \(theta\[7\] is nan\)"),
    (lambda: F.hessian(with_value(np.ones((2, 13)), (1, 2), np.inf)), ValueError, r"theta\[1, 2\] is inf"),
    (lambda: F.weighted_gradient(THETA, np.ones(4)), ValueError, r"w must have shape \(5,\) \(got \(4,\)\)"),
    (lambda: F.weighted_gradient(THETA[None], np.ones(5)), ValueError, r"w must have shape \(1, 5\)"),
    (lambda: F.weighted_gradient(THETA, with_value(Y, 1, np.nan)), ValueError, r"w\[1\] is nan"),
    (lambda: F.hessian_vector(THETA, np.ones((1, 13))), ValueError, r"v must have shape \(13,\)"),
    (lambda: F.hessian_vector(np.ones((2, 13)), THETA), ValueError, r"v must have shape \(2, 13\)"),
    (lambda: F.hessian_operator(np.ones((2, 13))), ValueError, "theta must have 1 dimension"),
    (lambda: F.backprop_trace(np.ones((2, 13)), 0), ValueError, "theta must have 1 dimension"),
    (lambda: F.backprop_trace(THETA, 5), ValueError, r"i must be <= 4 \(got 5\)"),
    (lambda: F.backprop_trace(THETA, -1), ValueError, r"i must be >= 0 \(got -1\)"),
    (lambda: F.backprop_trace(THETA, 1.0), TypeError, "i must be an integer"),
    (lambda: F.backprop_trace(THETA, 0, notation="kawaguti"), ValueError, "did you mean 'kawaguchi'"),
    (lambda: F.sample_gradients(THETA, [0, 5]), ValueError, r"indices\[1\] must be <= 4 \(got 5\)"),
    (lambda: F.sample_gradients(THETA, [-1]), ValueError, r"indices\[0\] must be >= 0"),
    (lambda: F.sample_gradients(THETA, [0.5]), TypeError, "indices must be a slice or integers"),
    (lambda: F.sample_gradients(THETA, [True, False]), TypeError, "indices must be a slice or integers"),
    (lambda: F.sample_gradients(THETA, [[0, 1]]), TypeError, r"of shape \(1, 2\)"),
]


@pytest.mark.parametrize(
    ("call", "kind", "message"), [*NETWORKS, *DATA, *POINTS], ids=lambda value: value if isinstance(value, str) else ""
)
def test_bad_input(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_nothing_is_lost_by_an_error() -> None:
    before = F.gradient(THETA)
    theta = with_value(THETA, 3, np.nan)
    with pytest.raises(ValueError, match="finite"):
        F.gradient(theta)
    assert np.isnan(theta[3])
    np.testing.assert_array_equal(F.gradient(THETA), before)


def test_overflow_inside_is_not_an_input_error() -> None:
    """Finite data whose forward pass overflows give what IEEE gives: no exception, no clipping."""
    f = Objective(MLP([1, 1], bias=False), [[1e200]], [0.0])
    assert f.value([1e200]) == np.inf
