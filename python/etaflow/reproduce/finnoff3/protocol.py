"""How much is run."""

from __future__ import annotations

from dataclasses import dataclass

from etaflow._checks import check_choice, check_int
from etaflow.reproduce._kit.protocol import SCALES
from etaflow.reproduce._kit.protocol import Protocol as Base

LEAST = {"step_sizes": 3, "runs": 2, "limit_runs": 2, "others": 1, "other_runs": 2}

LEVEL = 0.95
"""Of every interval by itself."""


@dataclass(frozen=True)
class Protocol(Base):
    """The numbers of the experiment. Each is checked.

    Attributes
    ----------
    step_sizes : int, default 5
        Step sizes per problem, each half of the one before; at least 3.
    runs : int, default 1000
        SGD runs per problem and step size.
    limit_runs : int, default 1000
        Paths of the limit law, the linear diffusion of Theorem 4.1.
    others : int, default 20
        Other data and starts of the network 1-2-1, to see that nothing hangs on one of them.
    other_runs : int, default 500
        SGD runs for each of these and step size.

    Raises
    ------
    TypeError
        If a number has a wrong type.
    ValueError
        If a number is out of range.
    """

    step_sizes: int = 5
    runs: int = 1000
    limit_runs: int = 1000
    others: int = 20
    other_runs: int = 500

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, least in LEAST.items():
            check_int(name, getattr(self, name), minimum=least)


def protocol(scale: str) -> Protocol:
    """Return the protocol of a scale.

    Parameters
    ----------
    scale : {"small", "paper"}
        Less than a minute, or ten times as many runs in a few.

    Returns
    -------
    Protocol
        The numbers.

    Raises
    ------
    ValueError
        If the scale is unknown.

    Examples
    --------
    >>> protocol("paper").runs
    10000
    """
    if check_choice("scale", scale, SCALES) == "small":
        return Protocol()
    return Protocol(runs=10_000, limit_runs=4000, others=100, other_runs=2000)
