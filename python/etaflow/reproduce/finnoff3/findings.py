"""All that was found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from etaflow.reproduce._kit.text import resume_command
from etaflow.reproduce.finnoff3.approach import fit_approach
from etaflow.reproduce.finnoff3.limit import NAMES as LIMITED
from etaflow.reproduce.finnoff3.problem import NAMES
from etaflow.reproduce.finnoff3.settings import LAYOUT

if TYPE_CHECKING:
    from pathlib import Path

    from etaflow.reproduce.finnoff3.approach import Approach
    from etaflow.reproduce.finnoff3.batch import Batch
    from etaflow.reproduce.finnoff3.limit import Limit
    from etaflow.reproduce.finnoff3.measured import Measured
    from etaflow.reproduce.finnoff3.others import Others
    from etaflow.reproduce.finnoff3.settings import Settings


@dataclass(frozen=True, eq=False)
class Findings:
    """All that a summary tells. What is not done yet is absent or None.

    Attributes
    ----------
    settings : Settings
        What was asked for.
    measured : dict of str to Measured
        Theorem 3.2, problem by problem.
    limits : dict of str to Limit
        The limit law.
    others : Others or None
        Other seeds of the network 1-2-1.
    batch : Batch or None
        SGD beside batch training.
    out : Path
        The output folder.
    """

    settings: Settings
    measured: dict[str, Measured]
    limits: dict[str, Limit]
    others: Others | None
    batch: Batch | None
    out: Path

    @cached_property
    def approaches(self) -> dict[str, Approach | None]:
        """How fast SGD comes to each limit law."""
        return {name: fit_approach(self.measured[name], limit) for name, limit in self.limits.items()}

    @property
    def done(self) -> int:
        """How many phases are done."""
        return len(self.measured) + len(self.limits) + (self.others is not None) + (self.batch is not None)

    @property
    def planned(self) -> int:
        """How many phases there are."""
        return len(NAMES) + len(LIMITED) + 2

    @property
    def complete(self) -> bool:
        """Whether everything was done."""
        return self.done == self.planned

    @property
    def resume_command(self) -> str:
        """The command that goes on."""
        return resume_command(LAYOUT.experiment, self.out)
