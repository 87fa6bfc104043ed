"""What is run: all that the paper leaves open, with defaults, and how often."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from etaflow._checks import (
    check_choice,
    check_int,
    check_nonnegative_number,
    check_positive_int,
    check_positive_number,
)
from etaflow.reproduce._kit.protocol import SCALES
from etaflow.reproduce._kit.protocol import Protocol as Base

if TYPE_CHECKING:
    from collections.abc import Mapping

OUTPUTS = ("identity", "tanh")
EXPERIMENTS = ("additive", "product", "rbf", "network")
"""The paper's four models of the data, in its order."""

PAPER_STARTS = 3
"""So many starts per model are in the paper, and in the figures of curves."""


@dataclass(frozen=True)
class Conditions:
    """What the paper leaves open, and the output unit, where it cannot be followed. Each is checked.

    Attributes
    ----------
    samples : int, default 200
        T, the number of observations.
    step_size : float, default 0.01
        η, of SGD and of batch training.
    epochs : int, default 300
        How many passes over the data.
    noise : float, default 0.1
        The standard deviation of the noise in the targets, as a part of that of the noiseless targets.
    sigma : float, default 0.7
        The width of the radial basis functions.
    output : {"identity", "tanh"}, default "identity"
        The output unit. The paper has tanh, which cannot reach targets beyond ±1.
    start_width : float, optional
        The starts are uniform on [−a, a] in every parameter; by default Glorot's uniform weights with zero biases.
    data_shift : int, default 0
        Added to the seed of the data.

    Raises
    ------
    TypeError
        If a number has a wrong type.
    ValueError
        If a number is out of range.
    """

    samples: int = 200
    step_size: float = 0.01
    epochs: int = 300
    noise: float = 0.1
    sigma: float = 0.7
    output: str = "identity"
    start_width: float | None = None
    data_shift: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_int("samples", self.samples, minimum=2)
        check_positive_number("step_size", self.step_size)
        check_positive_int("epochs", self.epochs)
        check_nonnegative_number("noise", self.noise)
        check_positive_number("sigma", self.sigma)
        check_choice("output", self.output, OUTPUTS)
        if self.start_width is not None:
            check_positive_number("start_width", self.start_width)
        check_int("data_shift", self.data_shift, minimum=0)

    @property
    def steps(self) -> int:
        """The steps that SGD makes, one per observation and pass; batch training needs as many for the same time."""
        return self.epochs * self.samples

    @property
    def time(self) -> float:
        """The time t = kη that SGD covers."""
        return self.steps * self.step_size


@dataclass(frozen=True)
class Protocol(Base):
    """The numbers of the experiment. Each is checked.

    Attributes
    ----------
    starts : int, default 64
        Common starts per model of the data.
    variation_starts : int, default 6
        Of them, those that are run again under every variation of the conditions.
    conditions : Conditions
        What the paper leaves open.

    Raises
    ------
    TypeError
        If a number has a wrong type.
    ValueError
        If a number is out of range.

    Examples
    --------
    Ten times the step size:

    >>> Protocol(conditions=Conditions(step_size=0.1)).conditions.time
    6000.0
    """

    starts: int = 64
    variation_starts: int = 6
    conditions: Conditions = field(default_factory=Conditions)

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_int("starts", self.starts, minimum=2)
        check_int("variation_starts", self.variation_starts, minimum=2)
        if not isinstance(self.conditions, Conditions):
            raise TypeError(f"conditions must be Conditions (got {self.conditions!r})")

    @classmethod
    def restore(cls, description: Mapping[str, Any]) -> Self:
        """Return the protocol that `describe` described.

        Returns
        -------
        Protocol
            An equal protocol.
        """
        return cls(**{**description, "conditions": Conditions(**description["conditions"])})


def protocol(scale: str = "small") -> Protocol:
    """Return the protocol of a scale. Both have the paper's three starts among theirs.

    Parameters
    ----------
    scale : {"small", "paper"}, default "small"
        ``small``: 64 starts per model, of which 6 are varied; ``paper``: 400, of which 50 are varied.

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
    >>> protocol("paper").starts
    400
    """
    small = check_choice("scale", scale, SCALES) == "small"
    return Protocol() if small else Protocol(starts=400, variation_starts=50)
