"""All that was found, and the counts that are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etaflow.reproduce._kit.text import resume_command
from etaflow.reproduce.fleischmann51.protocol import FIXED, LAYERS
from etaflow.reproduce.fleischmann51.settings import LAYOUT

if TYPE_CHECKING:
    from pathlib import Path

    from etaflow.reproduce.fleischmann51.problem import Problem
    from etaflow.reproduce.fleischmann51.settings import Settings
    from etaflow.reproduce.fleischmann51.training import Trained
    from etaflow.reproduce.fleischmann51.verdicts import Verdicts

    Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Findings:
    """All that a summary tells.

    Attributes
    ----------
    settings : Settings
        What was asked for.
    problem : Problem
        The data.
    trained : tuple of Trained
        The runs, network by network.
    verdicts : tuple of Verdicts
        What their ends are, for the same networks.
    out : Path
        The output folder.
    """

    settings: Settings
    problem: Problem
    trained: tuple[Trained, ...]
    verdicts: tuple[Verdicts, ...]
    out: Path

    @property
    def complete(self) -> bool:
        """Whether everything was done."""
        return len(self.verdicts) == len(self.settings.protocol.networks)

    @property
    def resume_command(self) -> str:
        """The command that goes on."""
        return resume_command(LAYOUT.experiment, self.out)

    @property
    def judged(self) -> tuple[tuple[Trained, Verdicts], ...]:
        """The runs with their verdicts."""
        return tuple(zip(self.trained, self.verdicts, strict=False))

    @property
    def layers(self) -> tuple[int, ...]:
        """The numbers of hidden layers that there are verdicts on."""
        return tuple(layers for layers in LAYERS if self.of(layers))

    @property
    def total(self) -> int:
        """How many runs were judged."""
        return sum(len(one.kind) for one in self.verdicts)

    def of(self, layers: int) -> tuple[tuple[Trained, Verdicts], ...]:
        """Return the networks of a depth.

        Returns
        -------
        tuple of (Trained, Verdicts)
            By width.
        """
        return tuple(pair for pair in self.judged if pair[0].layers == layers)

    def count(self, *kinds: str, layers: int | None = None, later: bool = False) -> int:
        """Return how many runs are of these kinds.

        Parameters
        ----------
        *kinds : str
            Of `verdicts.KINDS`.
        layers : int, optional
            Of one depth only.
        later : bool, default False
            After going on, not at their ends.

        Returns
        -------
        int
            The number.
        """
        return sum(one.count(*kinds, later=later) for one in self.verdicts if layers in {None, one.layers})

    def costs(self, layers: int, *, least: int = 1) -> Array:
        """Return the costs of all runs of a depth with at least so many neurons per layer.

        Returns
        -------
        ndarray
            Without runs that diverged.
        """
        found = [one.cost for one, _ in self.of(layers) if one.width >= least]
        values: Array = np.concatenate([*found, np.zeros(0)])
        return values[np.isfinite(values)]

    @property
    def stopped_early(self) -> int:
        """How many runs the plateau rule ended before the step size was ever halved."""
        return sum(int((one.steps < FIXED).sum()) for one, _ in self.judged)

    def half_right_at(self, layers: int) -> int | None:
        """Return the smallest width of which at least half of the runs have all observations right, or None.

        Returns
        -------
        int or None
            Of those that were tried.
        """
        n = len(self.problem.y)
        widths = [one.width for one, verdict in self.of(layers) if 2 * int((verdict.right == n).sum()) >= len(one.cost)]
        return min(widths, default=None)

    @property
    def falls(self) -> Array:
        """By how much f falls below the end, for runs with an observation on its wrong side, shape (runs,)."""
        n = len(self.problem.y)
        parts = [(one.cost - verdict.lowest)[verdict.right < n] for one, verdict in self.judged]
        values: Array = np.concatenate([*parts, np.zeros(0)])
        return values[np.isfinite(values)]
