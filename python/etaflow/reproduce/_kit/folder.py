"""The output folder: what belongs to a job in it, and when a new job may begin there."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from etaflow.reproduce._kit.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

S = TypeVar("S", bound=Settings)

KEPT = (".nc", ".npz")


@dataclass(frozen=True)
class Layout(Generic[S]):
    """What belongs to an experiment in its output folder.

    Attributes
    ----------
    experiment : str
        The experiment's name on the command line.
    version : int
        Of the files; another version's job cannot be resumed.
    settings : type
        The class of its settings.
    products : tuple of str
        The names of the files that it writes. A new job removes them first.
    """

    experiment: str
    version: int
    settings: type[S]
    products: tuple[str, ...]

    @property
    def format(self) -> str:
        """The line that marks a folder as this experiment's."""
        return f"etaflow {self.experiment} {self.version}"


@dataclass(frozen=True)
class Folder(Generic[S]):
    """An output folder.

    Attributes
    ----------
    path : Path
        Where it is.
    layout : Layout
        Whose it is.
    """

    path: Path
    layout: Layout[S]

    @classmethod
    def at(cls, out: object, layout: Layout[S]) -> Folder[S]:
        """Return the folder at a path, which may be new if the folder around it exists.

        Returns
        -------
        Folder
            The folder.

        Raises
        ------
        TypeError
            If `out` is not a path.
        ValueError
            If it is a file, or lies in no folder.
        """
        if not isinstance(out, str | os.PathLike):
            raise TypeError(f"out must be the path of a folder (got {out!r})")
        path = Path(out)
        if path.exists() and not path.is_dir():
            raise ValueError(f"out must be a folder (got {str(out)!r}, a file)")
        if not path.absolute().parent.is_dir():
            raise ValueError(f"out must lie in a folder that exists (got {str(out)!r})")
        return cls(path, layout)

    def checkpoint(self, name: str) -> Path:
        """Return the file that keeps a phase.

        Parameters
        ----------
        name : str
            Its name with the ending: ``.nc`` for runs, ``.npz`` for arrays.

        Returns
        -------
        Path
            The file.
        """
        return self.path / "checkpoints" / name

    def stored(self) -> S | None:
        """Return the settings of the job in this folder.

        Returns
        -------
        Settings or None
            None if there is no job.

        Raises
        ------
        ValueError
            If the file is damaged, or another experiment's, or another version's.
        """
        self._check_experiment()
        file = self.path / "settings.json"
        if not file.exists():
            return None
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            own = content["format"] == self.layout.format
            settings = self.layout.settings.restore(content["settings"]) if own else None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"out {str(self.path)!r} holds a damaged settings.json ({error})") from error
        if settings is None:
            raise ValueError(
                f"out {str(self.path)!r} holds a job of another version of {self.layout.experiment}: choose another folder, or overwrite it"
            )
        return settings

    def _check_experiment(self) -> None:
        try:
            found = str(json.loads((self.path / "settings.json").read_text(encoding="utf-8"))["format"]).split()
        except (OSError, ValueError, KeyError, TypeError):
            return  # there is none, or nobody can say whose
        own = self.layout.experiment
        if len(found) == 3 and found[1] != own:
            raise ValueError(f"out {str(self.path)!r} holds a job of {found[1]}, not of {own}: choose another folder")

    def begin(self, settings: S, *, overwrite: bool) -> None:
        """Make the folder ready for a new job.

        A complete job with the same settings is replaced, as its numbers will be the same.

        Parameters
        ----------
        settings : Settings
            The new job's.
        overwrite : bool
            Whether any job of this experiment in the folder may be replaced.

        Raises
        ------
        ValueError
            If there is a job that would be lost, or another experiment's, whose files would stay beside the new ones.
        """
        self._check_experiment()
        if not overwrite and (self.path / "settings.json").exists():
            same, complete = self.stored() == settings, self.is_complete()
            if not (same and complete):
                what = "a job with other settings" if not same else "an unfinished job, which can be resumed"
                raise ValueError(
                    f"out {str(self.path)!r} holds {what}: resume it, overwrite it, or choose another folder"
                )
        checkpoints = self.path / "checkpoints"
        checkpoints.mkdir(parents=True, exist_ok=True)
        kept = (file for file in checkpoints.iterdir() if file.suffix in KEPT)
        for file in (*(self.path / name for name in self.layout.products), *kept):
            file.unlink(missing_ok=True)
        self.write_json("settings.json", {"format": self.layout.format, "settings": settings.describe()})

    def resume(self, wishes: Mapping[str, Any]) -> S:
        """Return the settings of the job in this folder, to go on with.

        Parameters
        ----------
        wishes : dict
            What the user gave again; it must be the same.

        Returns
        -------
        Settings
            The job's.

        Raises
        ------
        ValueError
            If there is no job, or it has other settings.
        """
        settings = self.stored()
        if settings is None:
            raise ValueError(f"out must be the folder of a job to resume (got {str(self.path)!r}, which holds none)")
        settings.check_same(wishes)
        (self.path / "checkpoints").mkdir(exist_ok=True)
        return settings

    def is_complete(self) -> bool:
        """Return whether the job in this folder was finished.

        Returns
        -------
        bool
            What its summary says.
        """
        try:
            return bool(json.loads((self.path / "summary.json").read_text(encoding="utf-8"))["complete"])
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def write_json(self, name: str, content: Mapping[str, Any]) -> Path:
        """Write a JSON file in one moment.

        Returns
        -------
        Path
            The file.
        """
        return self.write_text(name, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file in one moment: a reader finds the old one or the new one, never a part.

        Returns
        -------
        Path
            The file.
        """
        file, beside = self.path / name, self.path / f".{name}.part"
        beside.write_text(text, encoding="utf-8", newline="")
        beside.replace(file)
        return file
