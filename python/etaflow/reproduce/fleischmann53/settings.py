"""Everything that decides the numbers of a job, as one value that its folder keeps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from etaflow._checks import check_choice, check_float_dtype, check_seed
from etaflow.reproduce._kit.settings import Settings as Base
from etaflow.reproduce._kit.settings import first_given
from etaflow.reproduce.fleischmann53.problem import check_side
from etaflow.reproduce.fleischmann53.protocol import SCALES, STEP_SIZES, Protocol, protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN = "own"
"""The scale, and the source of the step sizes, of somebody's own protocol."""


@dataclass(frozen=True)
class Settings(Base):
    """What decides the numbers of a job.

    Attributes
    ----------
    scale : {"small", "paper", "own"}
        The size of the protocol.
    step_sizes : {"code", "text", "own"}
        Whose step sizes.
    data : str or None
        The folder with MNIST's IDX files; None for scikit-learn's digits.
    size : int
        The side of the images that the network sees.
    dtype : {"float64", "float32"}
        In which numbers.
    seed : int
        Of the start and of every mini-batch.
    protocol : Protocol
        What is run.
    """

    scale: str
    step_sizes: str
    data: str | None
    size: int
    dtype: str
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

    @classmethod
    def as_kept(cls, name: str, wish: Any) -> Any:
        """Return a wish in the form in which the settings keep it.

        Returns
        -------
        object
            For ``data`` the absolute path.
        """
        return str(Path(wish).absolute()) if name == "data" else wish

    @property
    def data_folder(self) -> Path | None:
        """The folder of `data`."""
        return None if self.data is None else Path(self.data)


def choose(wishes: Mapping[str, Any]) -> Settings:
    """Return the settings of a new job, with defaults for what is None.

    Parameters
    ----------
    wishes : dict
        ``scale``, ``step_sizes``, ``data``, ``size``, ``dtype``, ``seed`` and ``protocol`` as the user gave them.

    Returns
    -------
    Settings
        Checked settings.

    Raises
    ------
    TypeError
        If one has a wrong type, or a protocol is given beside a scale or step sizes.
    ValueError
        If one is out of range or unknown.
    """
    own = wishes["protocol"]
    if own is not None:
        if not isinstance(own, Protocol):
            raise TypeError(f"protocol must be a Protocol (got {own!r})")
        for name in ("scale", "step_sizes"):
            if wishes[name] is not None:
                raise TypeError(f"{name} must be None beside a protocol of one's own (got {wishes[name]!r})")
    scale = OWN if own else check_choice("scale", first_given(wishes["scale"], "small"), SCALES)
    source = OWN if own else check_choice("step_sizes", first_given(wishes["step_sizes"], "code"), STEP_SIZES)
    data = None if wishes["data"] is None else str(Path(wishes["data"]).absolute())
    return Settings(
        scale=scale,
        step_sizes=source,
        data=data,
        size=check_side(wishes["size"], "digits" if data is None else "mnist"),
        dtype=check_float_dtype(first_given(wishes["dtype"], "float64")).name,
        seed=check_seed(first_given(wishes["seed"], 0)),
        protocol=own or protocol(scale, source),
    )
