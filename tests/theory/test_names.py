"""The public names of `etaflow.theory` are what they say, however often and in whatever order they are asked for."""

from importlib import import_module
from types import ModuleType

import pytest

import etaflow as ef


@pytest.mark.parametrize("name", ef.theory.__all__)
def test_no_module_hides_a_name(name: str) -> None:
    """Importing a module sets it as an attribute of its package, which comes before a lazy look-up."""
    home = import_module(f"etaflow.theory.{ef.theory._HOMES[name]}")
    for _ in range(2):
        found = getattr(ef.theory, name)
        assert not isinstance(found, ModuleType)
        assert found is getattr(home, name)
    assert name in dir(ef.theory)
    assert found.__doc__


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match=r"module 'etaflow\.theory' has no attribute 'theorem'"):
        ef.theory.theorem  # type: ignore[attr-defined]  # noqa: B018
