"""Linear networks, which can be solved: every critical point, its loss, its curvature, and the theorems about them.

A network without activation functions computes W_{H+1} ⋯ W_1 x. Its loss Σ‖y_i − W_{H+1} ⋯ W_1 x_i‖² is not convex, but all its critical
points are known (Baldi and Hornik 1989; Kawaguchi 2016). Data have an observation per row, and losses are sums, as in the sources.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etaflow.landscape.linear_networks.claims import Claim, Claims, kawaguchi_claims
    from etaflow.landscape.linear_networks.conditions import Assumption, LinearConditions, kawaguchi_conditions
    from etaflow.landscape.linear_networks.convexity import Witness, convexity_witnesses
    from etaflow.landscape.linear_networks.critical import critical_point
    from etaflow.landscape.linear_networks.curvature import Inertia, inertia
    from etaflow.landscape.linear_networks.enumeration import CriticalPoints, critical_points, iterate_critical_points
    from etaflow.landscape.linear_networks.least_squares import LeastSquares, ols
    from etaflow.landscape.linear_networks.line import Line, loss_along
    from etaflow.landscape.linear_networks.network import linear_objective
    from etaflow.landscape.linear_networks.point import CriticalPoint, transform
    from etaflow.landscape.linear_networks.residual import ResidualReport, residual_orthogonality
    from etaflow.landscape.linear_networks.saddle_flow import Plateau, SaddleToSaddle, saddle_to_saddle
    from etaflow.landscape.linear_networks.sweep import SoudryCarmon, soudry_carmon

__all__ = [
    "Assumption",
    "Claim",
    "Claims",
    "CriticalPoint",
    "CriticalPoints",
    "Inertia",
    "LeastSquares",
    "Line",
    "LinearConditions",
    "Plateau",
    "ResidualReport",
    "SaddleToSaddle",
    "SoudryCarmon",
    "Witness",
    "convexity_witnesses",
    "critical_point",
    "critical_points",
    "inertia",
    "iterate_critical_points",
    "kawaguchi_claims",
    "kawaguchi_conditions",
    "linear_objective",
    "loss_along",
    "ols",
    "residual_orthogonality",
    "saddle_to_saddle",
    "soudry_carmon",
    "transform",
]

# The module of this package that each public name lives in.
_HOMES = {
    "Assumption": "conditions",
    "Claim": "claims",
    "Claims": "claims",
    "CriticalPoint": "point",
    "CriticalPoints": "enumeration",
    "Inertia": "curvature",
    "LeastSquares": "least_squares",
    "Line": "line",
    "LinearConditions": "conditions",
    "Plateau": "saddle_flow",
    "ResidualReport": "residual",
    "SaddleToSaddle": "saddle_flow",
    "SoudryCarmon": "sweep",
    "Witness": "convexity",
    "convexity_witnesses": "convexity",
    "critical_point": "critical",
    "critical_points": "enumeration",
    "inertia": "curvature",
    "iterate_critical_points": "enumeration",
    "kawaguchi_claims": "claims",
    "kawaguchi_conditions": "conditions",
    "linear_objective": "network",
    "loss_along": "line",
    "ols": "least_squares",
    "residual_orthogonality": "residual",
    "saddle_to_saddle": "saddle_flow",
    "soudry_carmon": "sweep",
    "transform": "point",
}


def _lookup(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'etaflow.linear_networks' has no attribute {name!r}")
    return getattr(import_module(f"etaflow.landscape.linear_networks.{_HOMES[name]}"), name)


if not TYPE_CHECKING:  # type checkers take the imports above, and see an unknown name as what it is
    __getattr__ = _lookup


def __dir__() -> list[str]:
    return __all__
