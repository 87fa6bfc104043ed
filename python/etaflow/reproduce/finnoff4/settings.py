"""Everything that decides the numbers of a job, as one value that its folder keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from etaflow._checks import check_choice, check_seed
from etaflow.reproduce._kit.figures import files_of
from etaflow.reproduce._kit.folder import Layout
from etaflow.reproduce._kit.settings import Settings as Base
from etaflow.reproduce._kit.settings import first_given
from etaflow.reproduce.finnoff4.protocol import SCALES, Protocol, protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN = "own"
"""The scale of somebody's own protocol."""


@dataclass(frozen=True)
class Settings(Base):
    """What decides the numbers of a job.

    Attributes
    ----------
    scale : {"small", "paper", "own"}
        The size of the protocol.
    seed : int
        Of the data, the starts, the runs and the bootstrap.
    protocol : Protocol
        How much is run.
    """

    scale: str
    seed: int
    protocol: Protocol

    def describe(self) -> dict[str, Any]:
        """Return the settings as plain values that JSON can hold.

        Returns
        -------
        dict
            What `restore` reads.
        """
        return {**self.__dict__, "protocol": self.protocol.describe()}

    @classmethod
    def restore(cls, description: Mapping[str, Any]) -> Self:
        """Return the settings that `describe` described.

        Returns
        -------
        Settings
            Equal settings.
        """
        return cls(**{**description, "protocol": Protocol.restore(description["protocol"])})


FIGURES = (
    "figure-ensemble",
    "figure-covariance",
    "figure-normality",
    "figure-distribution",
    "figure-two-times",
    "figure-coverage",
)
PRODUCTS = (*files_of(*FIGURES), "table.csv", "summary.json", "summary.md")
LAYOUT = Layout("finnoff-4", 1, Settings, PRODUCTS)


def choose(wishes: Mapping[str, Any]) -> Settings:
    """Return the settings of a new job, with defaults for what is None.

    Parameters
    ----------
    wishes : dict
        ``scale``, ``seed`` and ``protocol`` as the user gave them.

    Returns
    -------
    Settings
        Checked settings.

    Raises
    ------
    TypeError
        If one has a wrong type, or a protocol is given beside a scale.
    ValueError
        If one is out of range or unknown.
    """
    own, seed = wishes["protocol"], check_seed(first_given(wishes["seed"], 0))
    if own is None:
        scale = check_choice("scale", first_given(wishes["scale"], "small"), SCALES)
        return Settings(scale, seed, protocol(scale))
    if not isinstance(own, Protocol):
        raise TypeError(f"protocol must be a Protocol (got {own!r})")
    if wishes["scale"] is not None:
        raise TypeError(f"scale must be None beside a protocol of one's own (got {wishes['scale']!r})")
    return Settings(OWN, seed, own)
