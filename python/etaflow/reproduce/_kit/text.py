"""Words and tables for summaries in Markdown."""

from __future__ import annotations

import csv
import io
import math
import shlex
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def table(head: Sequence[str], rows: Iterable[Sequence[object]], align: str | None = None) -> str:
    """Return a Markdown table, whose columns are also straight where it is read as it is.

    Parameters
    ----------
    head : sequence of str
        The columns' titles.
    rows : iterable of sequences
        The cells, which are shown by `str`.
    align : str, optional
        One letter per column, ``l`` or ``r``; by default the first to the left and the others to the right.

    Returns
    -------
    str
        The lines, without a last line end.

    Examples
    --------
    >>> print(table(["η", "error"], [[0.1, "2 ± 1"]]))
    | η   | error |
    | :-- | ----: |
    | 0.1 | 2 ± 1 |
    """
    letters = "l" + "r" * (len(head) - 1) if align is None else align
    lines = [[str(cell).replace("|", "&#124;") for cell in line] for line in (head, *rows)]
    widths = [max(3, *map(_width, column)) for column in zip(*lines, strict=True)]
    sides = [
        f":{'-' * (n - 1)}" if letter == "l" else f"{'-' * (n - 1)}:" for letter, n in zip(letters, widths, strict=True)
    ]
    cells = [[_filled(*one) for one in zip(line, letters, widths, strict=True)] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in (cells[0], sides, *cells[1:]))


# The bar of θ̄ is a character of its own that takes no room.
def _width(cell: str) -> int:
    return sum(not unicodedata.combining(character) for character in cell)


def _filled(cell: str, letter: str, width: int) -> str:
    blank = " " * (width - _width(cell))
    return cell + blank if letter == "l" else blank + cell


def count(number: int) -> str:
    r"""Return a whole number with thin spaces between thousands.

    Returns
    -------
    str
        For people.

    Examples
    --------
    >>> count(30_000) == "30\u202f000"
    True
    """
    return f"{number:,}".replace(",", "\u202f")


def interval(low: float, high: float, form: str = ".3g") -> str:
    """Return an interval in words.

    Parameters
    ----------
    low, high : float
        The ends.
    form : str, default ".3g"
        How a number is written.

    Returns
    -------
    str
        For example ``0.8 … 0.9``.

    Examples
    --------
    >>> interval(0.81234, 0.9)
    '0.812 … 0.9'
    """
    return f"{low:{form}} … {high:{form}}"


def percent(part: float, digits: int = 0) -> str:
    """Return a part of 1 in percent.

    Returns
    -------
    str
        For example ``81 %``.

    Examples
    --------
    >>> percent(0.8123), percent(0.8123, 1)
    ('81 %', '81.2 %')
    """
    return f"{100 * part:.{digits}f} %"


def known(number: float) -> float | None:
    """Return a number for JSON, which has no NaN and no infinity.

    Returns
    -------
    float or None
        None if it is not finite.
    """
    return float(number) if math.isfinite(number) else None


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    r"""Return a table for machines; floats are written so that reading them gives the same bits.

    Parameters
    ----------
    columns : sequence of str
        Their names.
    rows : iterable of sequences
        Numbers and strings.

    Returns
    -------
    str
        Lines that end in a line feed.

    Examples
    --------
    >>> to_csv(["run", "loss"], [[1, 0.1]])
    'run,loss\n1,0.1\n'
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([repr(float(cell)) if isinstance(cell, float) else cell for cell in row] for row in rows)
    return buffer.getvalue()


def resume_command(experiment: str, out: Path) -> str:
    """Return the command that goes on with a job.

    Returns
    -------
    str
        For a shell.

    Examples
    --------
    >>> from pathlib import Path
    >>> resume_command("finnoff-6", Path("my results"))
    "etaflow reproduce finnoff-6 --out 'my results' --resume"
    """
    return f"etaflow reproduce {experiment} --out {shlex.quote(str(out))} --resume"


def partial(state: str, command: str) -> str:
    """Return the head of a summary whose job is not finished.

    Parameters
    ----------
    state : str
        How far it is.
    command : str
        How to go on.

    Returns
    -------
    str
        Two paragraphs.
    """
    return f"**PARTIAL RESULT**: {state}. Go on with\n\n    {command}"
