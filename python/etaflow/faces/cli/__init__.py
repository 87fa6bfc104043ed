"""The command ``etaflow``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIBRARIES = {"typer", "rich", "click"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``etaflow``; by default what the process was started with.

    Returns
    -------
    int
        0 if all is well, 1 for a failure, 2 for bad input, 130 after Ctrl-C.

    Examples
    --------
    >>> main(["reproduce", "--list"])
    fleischmann-5.1  What do the costs where gradient descent ends have to do with ...
    0
    """
    try:
        from etaflow.faces.cli.app import run  # noqa: PLC0415 - Typer and Rich are optional
    except ModuleNotFoundError as error:
        library = str(error.name).partition(".")[0]
        if library not in _LIBRARIES:
            raise
        sys.stderr.write(f'etaflow: the command line needs {library}: pip install "etaflow[lab]"\n')
        return 1
    return run(arguments)
