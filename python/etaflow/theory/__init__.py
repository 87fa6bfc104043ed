"""Theorems evaluated on your network: their hypotheses, their constants, and what they conclude, measured."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etaflow.theory.chain_exit import chain_exit_time
    from etaflow.theory.exit_exponent import exit_exponent
    from etaflow.theory.exit_time import mean_exit_time

__all__ = ["chain_exit_time", "exit_exponent", "mean_exit_time"]

# The module of this package that each public name lives in.
_HOMES = {
    "chain_exit_time": "chain_exit",
    "exit_exponent": "exit_exponent",
    "mean_exit_time": "exit_time",
}


def _lookup(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'etaflow.theory' has no attribute {name!r}")
    return getattr(import_module(f"etaflow.theory.{_HOMES[name]}"), name)


if not TYPE_CHECKING:  # type checkers take the imports above, and see an unknown name as what it is
    __getattr__ = _lookup


def __dir__() -> list[str]:
    return __all__
