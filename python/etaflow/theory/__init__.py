"""Theorems evaluated on your network: their hypotheses, their constants, and what they conclude, measured."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__: list[str] = []

# The module of this package that each public name lives in.
_HOMES: dict[str, str] = {}


def _lookup(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'etaflow.theory' has no attribute {name!r}")
    return getattr(import_module(f"etaflow.theory.{_HOMES[name]}"), name)


if not TYPE_CHECKING:  # type checkers take the imports above, and see an unknown name as what it is
    __getattr__ = _lookup


def __dir__() -> list[str]:
    return __all__
