"""What is run: widths, depths, how often, for how long, and by which rule the step size falls."""

from __future__ import annotations

from dataclasses import dataclass

from etaflow._checks import check_choice, check_positive_int
from etaflow.dynamics.stopping import HalveOnPlateau, Plateau
from etaflow.reproduce._kit.protocol import SCALES
from etaflow.reproduce._kit.protocol import Protocol as Base

LAYERS = (1, 2, 3)
"""Hidden layers."""

WIDTHS = (1, 2, 3, 4, 5, 10, 15, 20, 30, 40, 50, 75, 100)
"""Neurons per hidden layer."""

RANGES = {1: 100.0, 2: 1.0, 3: 1.0}
"""The starts are uniform on [−a, a] in every parameter, a by the number of hidden layers: in the program, not in the text."""

STEP_SIZES = {1: 1.0, 2: 0.5, 3: 0.1}
"""Of gradient descent, by the number of hidden layers: in the program, not in the text."""

FIXED = 40_000
"""Steps with a fixed step size."""

RULES = {
    "code": HalveOnPlateau(after=FIXED, patience=40, cooldown=10, min_delta=1e-4),
    "text": HalveOnPlateau(after=FIXED, patience=50, cooldown=0, min_delta=0.0),
}
"""How the step size is halved: by the author's program, whose `min_delta` the text does not mention, and by the text."""

STOP = Plateau(patience=10_000, min_delta=1e-7)


@dataclass(frozen=True)
class Protocol(Base):
    """The numbers of the experiment. Each is checked.

    Attributes
    ----------
    widths : tuple of int
        Neurons in the hidden layer of the networks with one.
    deep_widths : tuple of int
        Neurons per layer of those with two or three; none for an empty tuple.
    runs : int, default 50
        Starts of each network with one hidden layer.
    deep_runs : int, default 15
        Starts of each deeper network.
    steps : int, default 120 000
        The most steps of gradient descent.
    further : int, default 40 000
        So many steps more are made from each end, to see whether f falls.
    rule : {"code", "text"}, default "code"
        One of `RULES`.

    Raises
    ------
    TypeError
        If a number has a wrong type.
    ValueError
        If a number is out of range, or widths repeat.
    """

    widths: tuple[int, ...] = WIDTHS
    deep_widths: tuple[int, ...] = WIDTHS
    runs: int = 50
    deep_runs: int = 15
    steps: int = 120_000
    further: int = 40_000
    rule: str = "code"

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises
        ------
        ValueError
            If one is out of range.
        """
        for name in ("widths", "deep_widths"):
            values = tuple(check_positive_int(f"{name}[{i}]", one) for i, one in enumerate(getattr(self, name)))
            if list(values) != sorted(set(values)):
                raise ValueError(f"{name} must increase (got {values})")
        if not self.widths:
            raise ValueError(f"widths must hold at least one number (got {self.widths!r})")
        for name in ("runs", "deep_runs", "steps", "further"):
            check_positive_int(name, getattr(self, name))
        check_choice("rule", self.rule, RULES)

    @property
    def networks(self) -> tuple[tuple[int, int], ...]:
        """All networks as (hidden layers, width), in the order in which they are trained."""
        return tuple(
            (layers, width) for layers in LAYERS for width in (self.widths if layers == 1 else self.deep_widths)
        )

    def runs_of(self, layers: int) -> int:
        """Return how many starts a network has.

        Returns
        -------
        int
            By its number of hidden layers.
        """
        return self.runs if layers == 1 else self.deep_runs

    @property
    def total(self) -> int:
        """How many runs there are."""
        return sum(self.runs_of(layers) for layers, _ in self.networks)


def protocol(scale: str = "small") -> Protocol:
    """Return the protocol of a scale.

    Parameters
    ----------
    scale : {"small", "paper"}, default "small"
        ``paper``: that of the thesis, 650 + 390 runs. ``small``: fewer widths and starts, but as many steps.

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
    >>> protocol("paper").total, len(protocol("paper").networks)
    (1040, 39)
    """
    if check_choice("scale", scale, SCALES) == "paper":
        return Protocol()
    return Protocol((1, 2, 3, 5, 10, 20, 50), (1, 2, 3, 5, 10), runs=12, deep_runs=4, further=20_000)
