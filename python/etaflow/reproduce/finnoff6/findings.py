"""All that was found, and the comparisons that are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.reproduce._kit.text import resume_command
from etaflow.reproduce.finnoff6.comparison import compare
from etaflow.reproduce.finnoff6.protocol import EXPERIMENTS
from etaflow.reproduce.finnoff6.settings import LAYOUT
from etaflow.reproduce.finnoff6.variations import Row, variations

if TYPE_CHECKING:
    from pathlib import Path

    from etaflow.reproduce.finnoff6.comparison import Comparison
    from etaflow.reproduce.finnoff6.races import Race
    from etaflow.reproduce.finnoff6.settings import Settings
    from etaflow.reproduce.finnoff6.verdicts import Verdicts

    Array = npt.NDArray[np.float64]

CLOCKS = {
    "passes": ("sgd", "passes"),
    "best": ("sgd", "best"),
    "time": ("sgd", "time"),
    "cooled": ("cooled", "twice"),
}
"""What is compared with what: the arrays of a `Race`, SGD's first."""


@dataclass(frozen=True, eq=False)
class Findings:
    """All that a summary tells.

    Attributes
    ----------
    settings : Settings
        What was asked for.
    races : tuple of Race
        Both methods, model by model.
    verdicts : tuple of Verdicts
        Where batch training ended, for the same models.
    rows : tuple of Row
        The variations.
    out : Path
        The output folder.
    """

    settings: Settings
    races: tuple[Race, ...]
    verdicts: tuple[Verdicts, ...]
    rows: tuple[Row, ...]
    out: Path

    @property
    def complete(self) -> bool:
        """Whether everything was done."""
        planned = len(variations(self.settings.protocol.conditions))
        return len(self.verdicts) == len(EXPERIMENTS) and len(self.rows) == planned

    @property
    def resume_command(self) -> str:
        """The command that goes on."""
        return resume_command(LAYOUT.experiment, self.out)

    def errors(self, clock: str, name: str | None = None) -> tuple[Array, Array]:
        """Return the end errors of SGD and of what it is compared with, as parts of the variance of the targets.

        Parameters
        ----------
        clock : {"passes", "best", "time", "cooled"}
            What is compared.
        name : str, optional
            The model of the data; by default all that there are.

        Returns
        -------
        sgd, other : ndarray, shape (starts,)
            The errors.
        """
        races = [race for race in self.races if name in {None, race.name}]
        sgd, other = (
            np.concatenate([getattr(race, which) / race.problem.variance for race in races]) for which in CLOCKS[clock]
        )
        return sgd, other

    @cached_property
    def comparisons(self) -> dict[tuple[str, str | None], Comparison]:
        """Who ended lower, by clock and model; the model None stands for all."""
        names = [race.name for race in self.races]
        return {
            (clock, name): compare(*self.errors(clock, name)) for clock in CLOCKS for name in (*names, None) if names
        }

    def comparison(self, clock: str, name: str | None = None) -> Comparison:
        """Return who ended lower.

        Parameters
        ----------
        clock : {"passes", "best", "time", "cooled"}
            What is compared.
        name : str, optional
            The model of the data; by default all that there are.

        Returns
        -------
        Comparison
            SGD against the other.
        """
        return self.comparisons[clock, name]

    @property
    def base(self) -> Row:
        """The unvaried conditions as a row of the table of variations."""
        passes, time = self.comparison("passes"), self.comparison("time")
        diverged = sum(int(np.isinf(race.sgd).sum() + np.isinf(race.time).sum()) for race in self.races)
        return Row("unchanged", self.settings.protocol.conditions, passes, time, diverged)

    @property
    def stuck(self) -> int:
        """The number of stuck batch runs."""
        return sum(int(one.stuck.sum()) for one in self.verdicts)

    def count(self, *kinds: str) -> int:
        """Return how many stuck runs are of these kinds.

        Returns
        -------
        int
            The number over all models.
        """
        return sum(one.count(kind) for one in self.verdicts for kind in kinds)

    @property
    def concave(self) -> int:
        """The number of stuck runs at a point whose Hessian has a negative eigenvalue."""
        return sum(int((one.concave & one.stuck).sum()) for one in self.verdicts)
