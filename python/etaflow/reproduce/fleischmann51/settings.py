"""Everything that decides the numbers of a job, as one value that its folder keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etaflow.reproduce._kit.figures import files_of
from etaflow.reproduce._kit.folder import Layout
from etaflow.reproduce._kit.settings import ScaledSettings
from etaflow.reproduce.fleischmann51.protocol import Protocol, protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Settings(ScaledSettings[Protocol]):
    """What decides the numbers of a job: scale, protocol, and the seed of the data and the starts."""

    protocol_type = Protocol


FIGURES = (*(f"figure-5.{i}" for i in range(1, 6)), "figure-verdicts", "figure-going-on")
PRODUCTS = (*files_of(*FIGURES), "runs.csv", "summary.json", "summary.md")
LAYOUT = Layout("fleischmann-5.1", 1, Settings, PRODUCTS)


def choose(wishes: Mapping[str, Any]) -> Settings:
    """Return the settings of a new job: `ScaledSettings.choose`.

    Returns
    -------
    Settings
        Checked settings.
    """
    return Settings.choose(wishes, protocol)
