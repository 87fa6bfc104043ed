"""The experiments of the sources, figure by figure, each as one function and one command ``etaflow reproduce NAME``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from etaflow._checks import check_choice

if TYPE_CHECKING:
    from collections.abc import Callable

    from etaflow.reproduce.finnoff3.experiment import finnoff_3
    from etaflow.reproduce.finnoff4.experiment import finnoff_4
    from etaflow.reproduce.finnoff6.experiment import finnoff_6
    from etaflow.reproduce.fleischmann51.experiment import fleischmann_5_1
    from etaflow.reproduce.fleischmann53.experiment import Result, fleischmann_5_3
    from etaflow.reproduce.fleischmann53.protocol import Protocol, protocol
    from etaflow.reproduce.kawaguchi.experiment import kawaguchi_2016
    from etaflow.reproduce.sontag_figures.experiment import sontag_1988

__all__ = [
    "REPRODUCTIONS",
    "Protocol",
    "Reproduction",
    "Result",
    "find",
    "finnoff_3",
    "finnoff_4",
    "finnoff_6",
    "fleischmann_5_1",
    "fleischmann_5_3",
    "kawaguchi_2016",
    "protocol",
    "sontag_1988",
]


@dataclass(frozen=True)
class Reproduction:
    """An experiment that can be repeated.

    Attributes
    ----------
    name : str
        What the command line calls it.
    source : str
        Where it was published.
    title : str
        What it asks, in one line.
    function : str
        The name of its function in this module.
    """

    name: str
    source: str
    title: str
    function: str

    def load(self) -> Callable[..., Any]:
        """Import the function.

        Returns
        -------
        callable
            The function.
        """
        function: Callable[..., Any] = _lookup(self.function)
        return function


REPRODUCTIONS = (
    Reproduction(
        "fleischmann-5.1",
        "Fleischmann 2021, section 5.1, figures 5.1 to 5.5",
        "What do the costs where gradient descent ends have to do with the number of hidden neurons, and are the ends local minima?",
        "fleischmann_5_1",
    ),
    Reproduction(
        "fleischmann-5.3",
        "Fleischmann 2021, section 5.3, figures 5.7 to 5.9",
        "Is the mean squared gradient norm along SGD proportional to the step size and to 1/(mini-batch size)?",
        "fleischmann_5_3",
    ),
    Reproduction(
        "finnoff-3",
        "Finnoff 1992, section 3, Theorem 3.2",
        "How far does SGD stray from the gradient flow, and at which rate as the step size falls?",
        "finnoff_3",
    ),
    Reproduction(
        "finnoff-4",
        "Finnoff 1992, Theorem 4.1",
        "Are SGD's fluctuations around the gradient flow a Gaussian diffusion, and how fast do they become one?",
        "finnoff_4",
    ),
    Reproduction(
        "finnoff-6",
        "Finnoff 1992, section 6 and its figure",
        "Does SGD resist local minima that batch training gets stuck in?",
        "finnoff_6",
    ),
    Reproduction(
        "kawaguchi",
        "slides on Kawaguchi 2016; Fleischmann 2021, section 3.3",
        "Are all local minima of linear networks global, and what of regularisation, other activations and saddles?",
        "kawaguchi_2016",
    ),
    Reproduction(
        "sontag-figures",
        "Sontag 1988, figures 1 to 5",
        "Can a network without hidden units have several local minima, some at infinity, and do diverging weights grow like log t?",
        "sontag_1988",
    ),
)

_HOMES = {
    "Protocol": "fleischmann53.protocol",
    "Result": "fleischmann53.experiment",
    "finnoff_3": "finnoff3.experiment",
    "finnoff_4": "finnoff4.experiment",
    "finnoff_6": "finnoff6.experiment",
    "fleischmann_5_1": "fleischmann51.experiment",
    "fleischmann_5_3": "fleischmann53.experiment",
    "kawaguchi_2016": "kawaguchi.experiment",
    "protocol": "fleischmann53.protocol",
    "sontag_1988": "sontag_figures.experiment",
}


def find(name: str) -> Reproduction:
    """Return the reproduction of that name.

    Parameters
    ----------
    name : str
        One of `REPRODUCTIONS`.

    Returns
    -------
    Reproduction
        Its entry.

    Raises
    ------
    ValueError
        If there is none of that name; the message suggests the nearest.

    Examples
    --------
    >>> find("fleischmann-5.3").source
    'Fleischmann 2021, section 5.3, figures 5.7 to 5.9'
    """
    known = {entry.name: entry for entry in REPRODUCTIONS}
    return known[check_choice("name", name, known)]


def _lookup(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'etaflow.reproduce' has no attribute {name!r}")
    return getattr(import_module(f"etaflow.reproduce.{_HOMES[name]}"), name)


if not TYPE_CHECKING:  # type checkers take the imports above, and see an unknown name as what it is
    __getattr__ = _lookup


def __dir__() -> list[str]:
    return __all__
