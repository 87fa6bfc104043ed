"""The numbers of an experiment, as one value."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

SCALES = ("small", "paper")


class Protocol:
    """The base of an experiment's protocol, a frozen dataclass that checks its numbers. Its sequences are tuples.

    Override `restore` for values that are dataclasses themselves.
    """

    def describe(self) -> dict[str, Any]:
        """Return the numbers as plain values that JSON can hold.

        Returns
        -------
        dict
            What `restore` reads.
        """
        numbers: Any = self
        return asdict(numbers)

    @classmethod
    def restore(cls, description: Mapping[str, Any]) -> Self:
        """Return the protocol that `describe` described.

        Returns
        -------
        Protocol
            An equal one.
        """
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in description.items()})
