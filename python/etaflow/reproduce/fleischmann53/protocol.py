"""What experiment 5.3 runs: from which start, with which step sizes and mini-batch sizes, how often and how long."""

from __future__ import annotations

from dataclasses import dataclass

from etaflow._checks import check_choice, check_float_array, check_positive_int, check_positive_number
from etaflow.problem.initialisation import parse_scheme
from etaflow.reproduce._kit.protocol import SCALES
from etaflow.reproduce._kit.protocol import Protocol as Base

STEP_SIZES = ("code", "text")

_UNITS = {"code": 1e-4, "text": 1e-3}
_PAPER = tuple(range(1, 11))
_SMALL_STEP_SIZES = (1, 2, 4, 6, 8, 10)
_SMALL_BATCHES = (1, 2, 3, 4, 6, 10)
_SMALL_STEPS = 20_000


@dataclass(frozen=True)
class Protocol(Base):
    """The numbers of experiment 5.3. Each is checked.

    Attributes
    ----------
    step_sizes : tuple of float
        The step sizes α of the first sweep, with mini-batches of one observation.
    batch_sizes : tuple of int
        The mini-batch sizes |B| of the second sweep, with the smallest of the step sizes.
    runs : int, default 20
        Independent runs per setting, all from one start.
    steps : int, default 30000
        K, the steps of each run.
    start_steps : int, default 25000
        Steps of gradient descent that find the start.
    start_step_size : float, default 0.01
        Their step size. The thesis gives none; this is the default of Keras' ``SGD``.
    start_scheme : str, default "glorot_uniform"
        How the weights are drawn before them (biases are 0). The thesis gives none; this is the default of Keras' ``Dense``.

    Raises
    ------
    TypeError
        If a number has a wrong type.
    ValueError
        If a number is out of range, or there are fewer than two settings or runs.

    Examples
    --------
    A hundred runs per setting instead of twenty:

    >>> from dataclasses import replace
    >>> replace(protocol("small"), runs=100).total_runs
    1200
    """

    step_sizes: tuple[float, ...]
    batch_sizes: tuple[int, ...]
    runs: int = 20
    steps: int = 30_000
    start_steps: int = 25_000
    start_step_size: float = 0.01
    start_scheme: str = "glorot_uniform"

    def __post_init__(self) -> None:
        """Check the numbers."""
        alphas = check_float_array("step_sizes", list(self.step_sizes), ndim=1)
        for i, alpha in enumerate(self.step_sizes):
            check_positive_number(f"step_sizes[{i}]", alpha)
        for i, batch in enumerate(self.batch_sizes):
            check_positive_int(f"batch_sizes[{i}]", batch)
        for name, values in (("step_sizes", alphas.tolist()), ("batch_sizes", self.batch_sizes)):
            if len(values) < 2 or len(set(values)) < len(values):
                raise ValueError(f"{name} must hold at least two numbers, each once (got {list(values)})")
        if check_positive_int("runs", self.runs) < 2:
            raise ValueError("runs must be at least 2, to see how much runs differ (got 1)")
        check_positive_int("steps", self.steps)
        check_positive_int("start_steps", self.start_steps)
        check_positive_number("start_step_size", self.start_step_size)
        parse_scheme(self.start_scheme)

    @property
    def fixed_step_size(self) -> float:
        """The step size of the second sweep."""
        return min(self.step_sizes)

    @property
    def total_runs(self) -> int:
        """The number of runs in both sweeps."""
        return self.runs * (len(self.step_sizes) + len(self.batch_sizes))


def protocol(scale: str = "small", step_sizes: str = "code") -> Protocol:
    """Return the protocol of the thesis, or a smaller one that ends within two minutes.

    The thesis's text and the author's code differ in the step sizes: the text has 0.001, 0.002, …, 0.01, the code and with it
    the published figures 5.8 and 5.9 have 0.0001, 0.0002, …, 0.001.

    Parameters
    ----------
    scale : {"small", "paper"}, default "small"
        ``paper``: ten step sizes, mini-batch sizes 1 to 10, K = 30 000. ``small``: six of each, K = 20 000. Both: 20 runs
        per setting, and a start from 25 000 steps of gradient descent.
    step_sizes : {"code", "text"}, default "code"
        Whose step sizes.

    Returns
    -------
    Protocol
        The numbers.

    Raises
    ------
    ValueError
        If a name is unknown.

    Examples
    --------
    >>> protocol("paper", "text").step_sizes
    (0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008, 0.009, 0.01)
    """
    unit = _UNITS[check_choice("step_sizes", step_sizes, STEP_SIZES)]
    small = check_choice("scale", scale, SCALES) == "small"
    alphas = tuple(round(unit * number, 6) for number in (_SMALL_STEP_SIZES if small else _PAPER))
    return Protocol(alphas, _SMALL_BATCHES, steps=_SMALL_STEPS) if small else Protocol(alphas, _PAPER)
