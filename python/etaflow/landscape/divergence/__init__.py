"""Weights on their way to infinity: how fast, in which direction, and what may be done about it.

Sontag & Sussmann (1988, section 3): steps that become small do not mean that weights converge; they may grow like log t.
"""

from etaflow.landscape.divergence.correct import stop_at_correct
from etaflow.landscape.divergence.ensemble import growths
from etaflow.landscape.divergence.extrapolation import Extrapolation, extrapolate
from etaflow.landscape.divergence.result import Growth
from etaflow.landscape.divergence.rule import LogRule, log_rule
from etaflow.landscape.divergence.scalar import ScalarProblem, scalar_problem, sontag_approximation
from etaflow.landscape.divergence.separation import MaxMargin, margins, max_margin
from etaflow.landscape.divergence.speeds import layer_speeds
from etaflow.landscape.divergence.towards import direction
from etaflow.landscape.divergence.verdict import growth

__all__ = [
    "Extrapolation",
    "Growth",
    "LogRule",
    "MaxMargin",
    "ScalarProblem",
    "direction",
    "extrapolate",
    "growth",
    "growths",
    "layer_speeds",
    "log_rule",
    "margins",
    "max_margin",
    "scalar_problem",
    "sontag_approximation",
    "stop_at_correct",
]
