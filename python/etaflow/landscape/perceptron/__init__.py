"""Sontag's perceptron: all minima of the squared error of one sigmoid unit, those at infinity too, with proof.

Sontag 1988 refute the "folk fact" that a network without hidden units has one local minimum. `Problem` states the task
(A, y, θ), `minima` finds every local minimum of the distance from y to the closure of the outputs T𝒱, `case` gives the paper's three
cases and `bifurcation` what becomes of the third as its number a grows, `separability` decides with an exact certificate whether
weights must diverge, `exponentially_many` builds problems with k^m minima, and `perceptron_rule` is the classical rule, which
ends.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etaflow.landscape.perceptron.all_minima import Minima, minima
    from etaflow.landscape.perceptron.exponential import exponentially_many
    from etaflow.landscape.perceptron.family import bifurcation, fold, threshold
    from etaflow.landscape.perceptron.margin import Margin, largest_margin
    from etaflow.landscape.perceptron.minimum import Minimum
    from etaflow.landscape.perceptron.problem import Problem, case
    from etaflow.landscape.perceptron.rule import Learned, perceptron_rule
    from etaflow.landscape.perceptron.separation import Separability, separability
    from etaflow.landscape.perceptron.sigmoid import Sigmoid, Validation, validate

__all__ = [
    "Learned",
    "Margin",
    "Minima",
    "Minimum",
    "Problem",
    "Separability",
    "Sigmoid",
    "Validation",
    "bifurcation",
    "case",
    "exponentially_many",
    "fold",
    "largest_margin",
    "minima",
    "perceptron_rule",
    "separability",
    "threshold",
    "validate",
]

# The module of this package that each public name lives in.
_HOMES = {
    "Learned": "rule",
    "Margin": "margin",
    "Minima": "all_minima",
    "Minimum": "minimum",
    "Problem": "problem",
    "Separability": "separation",
    "Sigmoid": "sigmoid",
    "Validation": "sigmoid",
    "bifurcation": "family",
    "case": "problem",
    "exponentially_many": "exponential",
    "fold": "family",
    "largest_margin": "margin",
    "minima": "all_minima",
    "perceptron_rule": "rule",
    "separability": "separation",
    "threshold": "family",
    "validate": "sigmoid",
}


def _lookup(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'etaflow.landscape.perceptron' has no attribute {name!r}")
    return getattr(import_module(f"etaflow.landscape.perceptron.{_HOMES[name]}"), name)


if not TYPE_CHECKING:  # type checkers take the imports above, and see an unknown name as what it is
    __getattr__ = _lookup


def __dir__() -> list[str]:
    return __all__
