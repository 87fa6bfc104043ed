"""Everything that decides the numbers of a job, as one value that its folder keeps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etaflow._checks import check_choice, check_float_dtype, check_seed
from etaflow.reproduce._kit.settings import OWN, ScaledSettings, check_scale, first_given
from etaflow.reproduce.fleischmann53.problem import check_side
from etaflow.reproduce.fleischmann53.protocol import STEP_SIZES, Protocol, protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Settings(ScaledSettings[Protocol]):
    """What decides the numbers of a job: scale, protocol, the seed of the start and of every mini-batch, and these.

    Attributes
    ----------
    step_sizes : {"code", "text", "own"}
        Whose step sizes.
    data : str or None
        The folder with MNIST's IDX files; None for scikit-learn's digits.
    size : int
        The side of the images that the network sees.
    dtype : {"float64", "float32"}
        In which numbers.
    """

    step_sizes: str
    data: str | None
    size: int
    dtype: str

    protocol_type = Protocol

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
    own, scale = wishes["protocol"], check_scale(Protocol, wishes, "scale", "step_sizes")
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
