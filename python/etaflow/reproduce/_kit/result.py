"""What an experiment returns, and what it needs before it begins."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from etaflow import _core

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """What every experiment returns; each adds its findings.

    Attributes
    ----------
    complete : bool
        Whether everything was done; False after Ctrl-C.
    files : dict of str to Path
        What was written, by name.
    summary : str
        The text of ``summary.md``.
    resume_command : str
        How to go on after an interruption.
    restored : bool
        Whether a job was to be resumed that was complete already: nothing was done, and the files are as they were.
    """

    complete: bool
    files: dict[str, Path]
    summary: str
    resume_command: str
    restored: bool = False

    @property
    def answers(self) -> str:
        """What was asked and what the answers are: the summary up to its first heading of the second level, where the tables begin."""
        return self.summary.partition("\n## ")[0].strip()


def versions() -> dict[str, Any]:
    """Return what computed the numbers: on another build the last bits can differ.

    Returns
    -------
    dict
        Versions, and the core's build.
    """
    libraries = {name: version(name) for name in ("numpy", "scipy")}
    return {"etaflow": _core.build_info(), "python": platform.python_version(), **libraries}


def check_libraries() -> None:
    """Raise an ImportError unless all that a reproduction needs beyond the package's requirements is there.

    Raises
    ------
    ImportError
        If one is missing; it says what to install.
    """
    for name in ("matplotlib", "h5netcdf", "h5py"):
        if find_spec(name) is None:
            raise ImportError(f'the experiment needs {name}: pip install "etaflow[lab]"')
