"""ReLU networks as sums over paths, and the assumption that paths are on and off independently (Kawaguchi 2016)."""

from etaflow.landscape.relu_paths.structure import count, iterate, rate
from etaflow.landscape.relu_paths.values import Paths, forward, paths

__all__ = ["Paths", "count", "forward", "iterate", "paths", "rate"]
