"""All that was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etaflow.reproduce._kit.text import resume_command
from etaflow.reproduce.sontag_figures.parts import SIGMOIDS, SOLVED
from etaflow.reproduce.sontag_figures.settings import LAYOUT

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from etaflow.reproduce.sontag_figures.cases import Case
    from etaflow.reproduce.sontag_figures.settings import Settings

    Arrays = dict[str, npt.NDArray[Any]]

PLANNED = (*(f"diagram-{theta}" for theta in SIGMOIDS), "counts", "weights")


@dataclass(frozen=True, eq=False)
class Findings:
    """All that a summary tells. What is not done yet is absent.

    Attributes
    ----------
    settings : Settings
        What was asked for.
    case2, case3 : Case
        Figures 1 to 4.
    parts : dict of str to dict of arrays
        By the names of `PLANNED`.
    out : Path
        The output folder.
    """

    settings: Settings
    case2: Case
    case3: Case
    parts: dict[str, Arrays]
    out: Path

    @property
    def complete(self) -> bool:
        """Whether everything was done."""
        return all(name in self.parts for name in PLANNED)

    @property
    def resume_command(self) -> str:
        """The command that goes on."""
        return resume_command(LAYOUT.experiment, self.out)

    @property
    def solved(self) -> npt.NDArray[np.bool_]:
        """Which runs have learnt XOR; only with the part ``weights``."""
        return np.asarray(self.parts["weights"]["loss"] < SOLVED)
