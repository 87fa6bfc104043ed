"""Theorems evaluated on your network: their hypotheses, their constants, and what they conclude, measured."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etaflow.theory.chain_exit import chain_exit_time
    from etaflow.theory.conditions.check import check_conditions
    from etaflow.theory.conditions.table import Condition, Conditions
    from etaflow.theory.constants.bound import Bound
    from etaflow.theory.constants.growth import growth
    from etaflow.theory.constants.lipschitz import lipschitz
    from etaflow.theory.exit_time import mean_exit_time
    from etaflow.theory.gaussian_limit.central_limit import CentralLimit, central_limit
    from etaflow.theory.large_deviations import exit_exponent
    from etaflow.theory.rates import PowerLaw, fit_power_law
    from etaflow.theory.small_steps.comparison import compare
    from etaflow.theory.small_steps.comparison_result import Comparison
    from etaflow.theory.small_steps.deviation import deviation
    from etaflow.theory.small_steps.deviation_result import Deviation
    from etaflow.theory.weak.quadratic_moments import Moments, exact_moments
    from etaflow.theory.weak.weak_error import weak_error
    from etaflow.theory.weak.weak_result import WeakError

__all__ = [
    "Bound",
    "CentralLimit",
    "Comparison",
    "Condition",
    "Conditions",
    "Deviation",
    "Moments",
    "PowerLaw",
    "WeakError",
    "central_limit",
    "chain_exit_time",
    "check_conditions",
    "compare",
    "deviation",
    "exact_moments",
    "exit_exponent",
    "fit_power_law",
    "growth",
    "lipschitz",
    "mean_exit_time",
    "weak_error",
]

# The module of this package that each public name lives in.
_HOMES = {
    "Bound": "constants.bound",
    "CentralLimit": "gaussian_limit.central_limit",
    "Comparison": "small_steps.comparison_result",
    "Condition": "conditions.table",
    "Conditions": "conditions.table",
    "Deviation": "small_steps.deviation_result",
    "Moments": "weak.quadratic_moments",
    "PowerLaw": "rates",
    "WeakError": "weak.weak_result",
    "central_limit": "gaussian_limit.central_limit",
    "chain_exit_time": "chain_exit",
    "check_conditions": "conditions.check",
    "compare": "small_steps.comparison",
    "deviation": "small_steps.deviation",
    "exact_moments": "weak.quadratic_moments",
    "exit_exponent": "large_deviations",
    "fit_power_law": "rates",
    "growth": "constants.growth",
    "lipschitz": "constants.lipschitz",
    "mean_exit_time": "exit_time",
    "weak_error": "weak.weak_error",
}


def _lookup(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'etaflow.theory' has no attribute {name!r}")
    return getattr(import_module(f"etaflow.theory.{_HOMES[name]}"), name)


if not TYPE_CHECKING:  # type checkers take the imports above, and see an unknown name as what it is
    __getattr__ = _lookup


def __dir__() -> list[str]:
    return __all__
