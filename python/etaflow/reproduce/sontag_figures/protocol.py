"""How much is computed, and what the paper leaves open."""

from __future__ import annotations

from dataclasses import dataclass

from etaflow._checks import check_choice, check_int, check_number
from etaflow.reproduce._kit.protocol import SCALES
from etaflow.reproduce._kit.protocol import Protocol as Base

LEAST = {"diagram": 5, "most": 2, "starts": 2, "hidden": 2, "steps": 1000}


@dataclass(frozen=True)
class Protocol(Base):
    """The numbers of the experiment. Each is checked.

    Attributes
    ----------
    case2 : float, default 0.5
        a of figures 1 and 3. The paper does not say which.
    case3 : float, default 4.0
        a of figures 2 and 4: “large”.
    diagram : int, default 61
        So many numbers a from 1/32 to 32 in the diagram of minima.
    most : int, default 10
        Problems with 2 to so many observations per weight are solved for the count of minima.
    starts : int, default 32
        Random starts of training on XOR.
    hidden : int, default 2
        tanh units in the hidden layer.
    steps : int, default 100000
        Steps of gradient descent.
    step_size : float, default 0.1
        η, for the sum of the four squared errors.

    Raises
    ------
    TypeError
        If a number has a wrong type.
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> Protocol(starts=100).steps
    100000
    """

    case2: float = 0.5
    case3: float = 4.0
    diagram: int = 61
    most: int = 10
    starts: int = 32
    hidden: int = 2
    steps: int = 100_000
    step_size: float = 0.1

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, least in LEAST.items():
            check_int(name, getattr(self, name), minimum=least)
        for name in ("case2", "case3", "step_size"):
            check_number(name, getattr(self, name), above=0)


def protocol(scale: str) -> Protocol:
    """Return the protocol of a scale.

    Parameters
    ----------
    scale : {"small", "paper"}
        Half a minute, or a few minutes with ten times as many steps.

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
    >>> protocol("paper").steps
    1000000
    """
    if check_choice("scale", scale, SCALES) == "small":
        return Protocol()
    return Protocol(diagram=181, most=14, starts=100, steps=1_000_000)
