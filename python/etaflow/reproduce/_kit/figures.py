"""Figures that no window and no global state knows of, in files that depend on the numbers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

KINDS = ("png", "pdf")
DPI = 200


def files_of(*names: str) -> tuple[str, ...]:
    """Return the names of the files that `save` writes.

    Returns
    -------
    tuple of str
        For a `Layout`.

    Examples
    --------
    >>> files_of("figure-1")
    ('figure-1.png', 'figure-1.pdf')
    """
    return tuple(f"{name}.{kind}" for name in names for kind in KINDS)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, which no window and no global state knows of.

    Parameters
    ----------
    width, height : float
        In inches.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - slow, and only figures need it
    except ImportError as error:
        raise ImportError('figures need matplotlib: pip install "etaflow[lab]"') from error
    return Figure(figsize=(width, height), layout="constrained")


def shades(number: int) -> Any:
    """Return a colour for each step size, from the largest to the smallest: the smaller, the darker, and the limit is black.

    Returns
    -------
    ndarray, shape (number, 4)
        Red, green, blue, opacity.
    """
    from matplotlib import colormaps  # noqa: PLC0415 - slow, and only figures need it

    return colormaps["viridis"]([0.9 - 0.8 * i / max(number - 1, 1) for i in range(number)])


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG and PDF, each in one moment.

    They hold no date, so that the same numbers give the same file.

    Returns
    -------
    list of Path
        The files.
    """
    files = []
    for kind, file in zip(KINDS, (folder / file for file in files_of(name)), strict=True):
        beside = file.with_name(f".{file.name}.part")
        metadata = {"CreationDate": None} if kind == "pdf" else {}
        figure.savefig(beside, format=kind, dpi=DPI, metadata=metadata)
        files.append(beside.replace(file))
    return files
