"""Everything that decides the numbers of a job, as one value that its folder keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etaflow.reproduce._kit.figures import files_of
from etaflow.reproduce._kit.folder import Layout
from etaflow.reproduce._kit.settings import ScaledSettings
from etaflow.reproduce.sontag_figures.protocol import Protocol, protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Settings(ScaledSettings[Protocol]):
    """What decides the numbers of a job: scale, protocol, and the seed of the starts of figure 5."""

    protocol_type = Protocol


FIGURES = ("figure-1", "figure-2", "figure-3", "figure-4", "figure-5", "figure-diagram")
PRODUCTS = (*files_of(*FIGURES), "claims.csv", "diagram.csv", "weights.csv", "summary.json", "summary.md")
LAYOUT = Layout("sontag-figures", 1, Settings, PRODUCTS)


def choose(wishes: Mapping[str, Any]) -> Settings:
    """Return the settings of a new job: `ScaledSettings.choose`.

    Returns
    -------
    Settings
        Checked settings.
    """
    return Settings.choose(wishes, protocol)
