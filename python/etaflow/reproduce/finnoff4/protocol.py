"""How much is run."""

from __future__ import annotations

from dataclasses import dataclass

from etaflow._checks import check_choice, check_int
from etaflow.reproduce._kit.protocol import SCALES
from etaflow.reproduce._kit.protocol import Protocol as Base
from etaflow.theory.gaussian_limit.comparison import GROUPS

NAMES = ("1-2-1", "1-1", "10-10-1")
"""The problems: see `etaflow.reproduce.finnoff4.problem`."""

LEVEL = 0.95
"""Of every confidence interval by itself."""

BAND = 0.9
"""The probability to lie within a predicted band."""

FEWEST = 20 * GROUPS


@dataclass(frozen=True)
class Protocol(Base):
    """The numbers of the experiment. Each is checked.

    Attributes
    ----------
    runs : int, default 50_000
        SGD runs per step size on the small networks, a multiple of 25, the number of groups for intervals.
    large_runs : int, default 10_000
        The same on the paper's network, likewise.
    diffusion_paths : int, default 5000
        Paths of the linear diffusion per problem, likewise.
    band_runs : int, default 2000
        More SGD runs per problem and step size, which are counted in the predicted bands.
    problems : tuple of str, default ("1-2-1", "1-1", "10-10-1")
        Which of these problems.

    Raises
    ------
    TypeError
        If a number has a wrong type.
    ValueError
        If a number is out of range.
    """

    runs: int = 50_000
    large_runs: int = 10_000
    diffusion_paths: int = 5000
    band_runs: int = 2000
    problems: tuple[str, ...] = NAMES

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("runs", "large_runs", "diffusion_paths"):
            number = check_int(name, getattr(self, name), minimum=FEWEST)
            if number % GROUPS:
                raise ValueError(f"{name} must be a multiple of {GROUPS} (got {number})")
        check_int("band_runs", self.band_runs, minimum=100)
        given: object = self.problems
        if not isinstance(given, tuple) or not given or not set(given) <= set(NAMES) or len(set(given)) < len(given):
            raise ValueError(f"problems must be a tuple of different ones of {NAMES} (got {given!r})")


def protocol(scale: str = "small") -> Protocol:
    """Return the protocol of a scale.

    Parameters
    ----------
    scale : {"small", "paper"}, default "small"
        Less than a minute, or ten times as many runs (but for the bands, 5000) in some minutes and 3 GB of memory.

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
    500000
    """
    if check_choice("scale", scale, SCALES) == "small":
        return Protocol()
    return Protocol(runs=500_000, large_runs=100_000, diffusion_paths=50_000, band_runs=5000)
