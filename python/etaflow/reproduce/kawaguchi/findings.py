"""What the phases gave, with names for what the table and the figures need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etaflow.reproduce._kit.text import resume_command
from etaflow.reproduce.kawaguchi.protocol import split, widths_of
from etaflow.reproduce.kawaguchi.settings import LAYOUT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etaflow.reproduce.kawaguchi.settings import Settings

    Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Findings:
    """All that a summary tells.

    Attributes
    ----------
    settings : Settings
        What was asked for.
    parts : dict of str to dict
        The arrays of each phase that is finished, by its name.
    out : Path
        The output folder.
    """

    settings: Settings
    parts: dict[str, Arrays]
    out: Path

    @property
    def complete(self) -> bool:
        """Whether everything was done."""
        return len(self.parts) == self.planned

    @property
    def planned(self) -> int:
        """The number of phases: six, and one for each network and each flow."""
        own = self.settings.protocol
        return 6 + len(own.networks) + len(own.flows)

    @property
    def resume_command(self) -> str:
        """The command that goes on."""
        return resume_command(LAYOUT.experiment, self.out)

    def networks(self) -> Iterator[tuple[str, tuple[int, ...], Arrays]]:
        """Yield the networks that Kawaguchi's theorem was checked on.

        Yields
        ------
        tuple
            The data's name, the widths of the hidden layers, and the arrays.
        """
        for network in self.settings.protocol.networks:
            if f"claims-{network}" in self.parts:
                yield *split(network), self.parts[f"claims-{network}"]

    def flows(self) -> Iterator[tuple[tuple[int, ...], Arrays]]:
        """Yield the flows from saddle to saddle.

        Yields
        ------
        tuple
            The widths of the hidden layers, and the arrays.
        """
        for network in self.settings.protocol.flows:
            if f"flow-{network}" in self.parts:
                yield widths_of(network), self.parts[f"flow-{network}"]

    def verdicts(self, claim: str) -> tuple[int, int]:
        """Return on how many networks a claim of Kawaguchi's theorem holds.

        Parameters
        ----------
        claim : str
            Its name, for example ``(ii)``.

        Returns
        -------
        held, total : int
            Networks.
        """
        held = [bool(part["holds"][part["claim"] == claim][0]) for _, _, part in self.networks()]
        return sum(held), len(held)

    def points(self, *, deep: bool | None = None) -> dict[str, npt.NDArray[Any]]:
        """Return the constructed critical points of all networks, or of the deep ones or the others.

        Returns
        -------
        dict of str to ndarray
            Loss, index, kind and so on, and the number ``layers`` of hidden layers.
        """
        chosen = [(hidden, part) for _, hidden, part in self.networks() if deep is None or deep == (len(hidden) > 1)]
        names = ("loss", "index", "nullity", "lowest", "highest", "order", "middle_rank", "gamma", "kind")
        columns = {name: np.concatenate([part[name] for _, part in chosen]) for name in names}
        layers = np.concatenate([np.full(len(part["loss"]), len(hidden)) for hidden, part in chosen])
        return columns | {"layers": layers}
