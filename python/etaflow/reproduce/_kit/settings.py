"""Everything that decides the numbers of a job, as one value that its folder keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


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


def first_given(value: Any, default: Any) -> Any:
    """Return `value`, or `default` if it is None.

    Returns
    -------
    object
        The first that is not None.
    """
    return default if value is None else value
