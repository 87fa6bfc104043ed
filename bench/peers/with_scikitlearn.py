"""scikit-learn's multilayer perceptrons: one epoch of `fit` in a given order from given weights."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from kit.race import Contender
from sklearn.neural_network import MLPClassifier, MLPRegressor

from peers.with_numpy import flat

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.cases import Case

Array = Any


def epoch(case: Case, indices: Array, expected: Callable[[], Array]) -> Contender:
    """SGD over the rows of `indices`, as one epoch without shuffling; the factor is that of the square loss without ½."""
    steps, _, batch = indices.shape
    rows = indices.reshape(-1)
    x, y = case.x[rows], case.y[rows, 0]
    kind: Any = MLPRegressor if case.loss == "square" else MLPClassifier
    options = {
        "hidden_layer_sizes": case.widths[1:-1],
        "activation": case.activation,
        "solver": "sgd",
        "alpha": 0.0,
        "momentum": 0.0,
        "shuffle": False,
        "max_iter": 1,
        "warm_start": True,
        "batch_size": batch,
        "learning_rate_init": case.step_size * (2 if case.loss == "square" else 1),
    }
    model = kind(**options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.set_params(learning_rate_init=1e-30).fit(x, y)
    model.set_params(learning_rate_init=options["learning_rate_init"])

    def work() -> Any:
        layers = case.layers()
        model.coefs_, model.intercepts_ = [w.T.copy() for w, _ in layers], [b for _, b in layers]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x, y)
        return [(w.T, b) for w, b in zip(model.coefs_, model.intercepts_, strict=True)]

    return Contender("scikit-learn", "fit, one epoch", work, steps, expected, flat)
