"""Arrays by name in a file of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt


def write_arrays(file: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays to an ``.npz`` file in one moment.

    Parameters
    ----------
    file : Path
        Where to.
    arrays : dict of str to ndarray
        None of dtype object.
    """
    named: dict[str, Any] = dict(arrays)
    beside = file.with_name(f".{file.name}.part")
    with beside.open("wb") as stream:
        np.savez(stream, **named)
    beside.replace(file)


def read_arrays(file: Path) -> dict[str, npt.NDArray[Any]]:
    """Read what `write_arrays` wrote.

    Returns
    -------
    dict of str to ndarray
        The arrays.
    """
    with np.load(file, allow_pickle=False) as content:
        return {name: content[name] for name in content.files}
