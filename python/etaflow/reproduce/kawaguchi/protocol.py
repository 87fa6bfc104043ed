"""How often each claim is checked."""

from __future__ import annotations

from dataclasses import dataclass

from etaflow._checks import check_choice, check_int, check_positive_int
from etaflow.reproduce._kit.protocol import SCALES
from etaflow.reproduce._kit.protocol import Protocol as Base

MOST_OUTPUTS = 6
"""Baldi and Hornik's critical points are looked at for all m up to this, and all p."""

NETWORKS = (
    "random-2",
    "random-4",
    "random-6",
    "random-2-2",
    "random-4-4",
    "random-4-2-3",
    "random-4-4-4",
    "iris-2",
    "iris-4",
    "iris-2-2",
    "iris-3-4",
)
FLOWS = ("4", "4-4", "4-4-4")
DATA = ("random", "iris")


@dataclass(frozen=True)
class Protocol(Base):
    """The numbers of the experiment. Each is checked.

    Attributes
    ----------
    starts : int, default 8
        Random starts of training for each network, and of the search for stationary points.
    inputs : int, default 4
        All truth tables of up to so many inputs are represented; at most 4.
    trials : int, default 60
        Trials for each size of the data in Soudry and Carmon's sweep.
    iterations : int, default 2000
        Of Adam in each trial.
    census : int, default 40
        Starts for the census of minima under other activations.
    networks : tuple of str
        On which Kawaguchi's theorem is checked: the data, ``random`` or ``iris``, and the widths of the hidden layers, joined by hyphens.
    flows : tuple of str
        The widths of the hidden layers of the networks whose flow is followed from saddle to saddle, on the random data.

    Raises
    ------
    TypeError
        If a number has a wrong type.
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> Protocol(trials=200).starts
    8
    """

    starts: int = 8
    inputs: int = 4
    trials: int = 60
    iterations: int = 2000
    census: int = 40
    networks: tuple[str, ...] = NETWORKS
    flows: tuple[str, ...] = FLOWS

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive_int("starts", self.starts)
        check_int("inputs", self.inputs, 1, 4)
        check_positive_int("trials", self.trials)
        check_positive_int("iterations", self.iterations)
        check_positive_int("census", self.census)
        for network in self.networks:
            split(network)
        for network in self.flows:
            widths_of(network)


def protocol(scale: str = "small") -> Protocol:
    """Return the protocol of a scale.

    Parameters
    ----------
    scale : {"small", "paper"}, default "small"
        ``small``: under a minute; ``paper``: 100 starts for each network and 500 trials for each size of the data, some ten minutes.

    Returns
    -------
    Protocol
        The numbers.

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> protocol("paper").trials
    500
    """
    if check_choice("scale", scale, SCALES) == "small":
        return Protocol()
    return Protocol(starts=100, trials=500, iterations=6000, census=400)


def split(network: str) -> tuple[str, tuple[int, ...]]:
    """Return what the name of a network stands for.

    Parameters
    ----------
    network : str
        For example ``iris-2-2``.

    Returns
    -------
    data : {"random", "iris"}
        The data.
    hidden : tuple of int
        The widths of the hidden layers.

    Examples
    --------
    >>> split("iris-2-2")
    ('iris', (2, 2))
    """
    data, _, widths = str(network).partition("-")
    return check_choice("networks", data, DATA), widths_of(widths)


def widths_of(network: str) -> tuple[int, ...]:
    """Return the widths of hidden layers that are joined by hyphens.

    Returns
    -------
    tuple of int
        At least one.

    Raises
    ------
    ValueError
        If one is not a positive number.

    Examples
    --------
    >>> widths_of("4-2-3")
    (4, 2, 3)
    """
    parts = str(network).split("-")
    if not all(one.isdecimal() and int(one) > 0 for one in parts):
        raise ValueError(f"the widths of hidden layers must be positive numbers joined by hyphens (got {network!r})")
    return tuple(int(one) for one in parts)
