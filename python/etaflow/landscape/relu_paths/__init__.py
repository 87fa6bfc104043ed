"""ReLU networks as sums over paths, and the assumption that paths are on and off independently (Kawaguchi 2016)."""

from etaflow.landscape.relu_paths.expected import ExpectedModel, expected_model
from etaflow.landscape.relu_paths.independence import Dependence, dependence
from etaflow.landscape.relu_paths.law import joint_probability
from etaflow.landscape.relu_paths.structure import count, iterate, rate
from etaflow.landscape.relu_paths.values import Paths, forward, paths

__all__ = [
    "Dependence",
    "ExpectedModel",
    "Paths",
    "count",
    "dependence",
    "expected_model",
    "forward",
    "iterate",
    "joint_probability",
    "paths",
    "rate",
]
