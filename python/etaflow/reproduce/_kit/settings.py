"""Everything that decides the numbers of a job, as one value that its folder keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from etaflow._checks import check_choice, check_seed
from etaflow.reproduce._kit.protocol import SCALES, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

P = TypeVar("P", bound=Protocol)

OWN = "own"
"""The scale of somebody's own protocol."""


class Settings:
    """The base of an experiment's settings, which are a frozen dataclass of plain values.

    Override `describe` and `restore` for values that JSON does not give back as they were, such as tuples, and `as_kept` for options that
    are kept in another form than the user gives them.
    """

    def describe(self) -> dict[str, Any]:
        """Return the settings as plain values that JSON can hold.

        Returns
        -------
        dict
            What `restore` reads.
        """
        return dict(self.__dict__)

    @classmethod
    def restore(cls, description: Mapping[str, Any]) -> Self:
        """Return the settings that `describe` described.

        Returns
        -------
        Settings
            Equal settings.
        """
        return cls(**description)

    @classmethod
    def as_kept(cls, name: str, wish: Any) -> Any:  # noqa: ARG003 - for those that override it
        """Return a wish in the form in which the settings keep it.

        Returns
        -------
        object
            Here the wish itself.
        """
        return wish

    def check_same(self, wishes: Mapping[str, Any]) -> None:
        """Raise a ValueError if a wish that is not None differs from what the job began with.

        Parameters
        ----------
        wishes : dict
            What the user gave, by the name of the argument.

        Raises
        ------
        ValueError
            If so; it names the argument.
        """
        for name, wish in wishes.items():
            kept = getattr(self, name)
            if wish is not None and self.as_kept(name, wish) != kept:
                raise ValueError(
                    f"{name} must be as the job began, or be left out, to resume it: {kept!r} (got {wish!r})"
                )


@dataclass(frozen=True)
class ScaledSettings(Settings, Generic[P]):
    """The settings of an experiment that comes in scales, and for which somebody may bring numbers of their own.

    Attributes
    ----------
    scale : {"small", "paper", "own"}
        The size of the protocol.
    seed : int
        Of everything that is drawn.
    protocol : Protocol
        How much is run.
    """

    scale: str
    seed: int
    protocol: P
    protocol_type: ClassVar[type[Protocol]]

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
        return cls(**{**description, "protocol": cls.protocol_type.restore(description["protocol"])})

    @classmethod
    def choose(cls, wishes: Mapping[str, Any], of_scale: Callable[[str], P]) -> Self:
        """Return the settings of a new job, with defaults for what is None.

        Parameters
        ----------
        wishes : dict
            ``scale``, ``seed`` and ``protocol`` as the user gave them.
        of_scale : callable
            The protocol of a scale.

        Returns
        -------
        Settings
            Checked settings.
        """
        return cls(
            scale=check_scale(cls.protocol_type, wishes, "scale"),
            seed=check_seed(first_given(wishes["seed"], 0)),
            protocol=wishes["protocol"] or of_scale(first_given(wishes["scale"], "small")),
        )


def check_scale(protocol_type: type[Protocol], wishes: Mapping[str, Any], *instead: str) -> str:
    """Return the scale that is wished for, or `OWN` for a protocol of one's own, which leaves nothing to the arguments `instead`.

    Returns
    -------
    str
        One of `SCALES`, or `OWN`.

    Raises
    ------
    TypeError
        If the protocol has a wrong type, or is given beside an argument that it stands for.
    ValueError
        If the scale is unknown.
    """
    own = wishes["protocol"]
    if own is None:
        return check_choice("scale", first_given(wishes["scale"], "small"), SCALES)
    if not isinstance(own, protocol_type):
        raise TypeError(f"protocol must be a Protocol (got {own!r})")
    for name in instead:
        if wishes[name] is not None:
            raise TypeError(f"{name} must be None beside a protocol of one's own (got {wishes[name]!r})")
    return OWN


def first_given(value: Any, default: Any) -> Any:
    """Return `value`, or `default` if it is None.

    Returns
    -------
    object
        The first that is not None.
    """
    return default if value is None else value
