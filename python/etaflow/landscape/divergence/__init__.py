"""Weights on their way to infinity: how fast, in which direction, and what may be done about it.

Sontag & Sussmann (1988, section 3): steps that become small do not mean that weights converge; they may grow like log t.
"""

from etaflow.landscape.divergence.rule import LogRule, log_rule
from etaflow.landscape.divergence.scalar import ScalarProblem, scalar_problem, sontag_approximation
from etaflow.landscape.divergence.verdict import Growth, growth, growths

__all__ = [
    "Growth",
    "LogRule",
    "ScalarProblem",
    "growth",
    "growths",
    "log_rule",
    "scalar_problem",
    "sontag_approximation",
]
