"""The progress of a job on a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console


@contextmanager
def bar(console: Console) -> Iterator[Callable[[Any], None]]:
    """Show one bar over the whole job, with the time left; where there is no terminal, a line for each phase.

    Parameters
    ----------
    console : Console
        Where to.

    Yields
    ------
    callable
        A function of something with ``phase``, ``fraction`` and ``estimate``, that is called again and again.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    told = ""
    with Progress(*columns, console=console, disable=not console.is_terminal, speed_estimate_period=120) as shown:
        task = shown.add_task("", total=1.0)

        def report(progress: Any) -> None:
            nonlocal told
            if not told:
                console.print(_announced(progress))
            if told != progress.phase and not console.is_terminal:
                console.print(f"{100 * progress.fraction:3.0f} %  {progress.phase}")
            told = progress.phase
            shown.update(task, completed=progress.fraction, description=progress.phase)

        yield report


def _announced(progress: Any) -> str:
    time, stop = in_words(progress.estimate), "Ctrl-C stops it and keeps what is done."
    if progress.fraction > 0:
        return f"{100 * progress.fraction:.0f} % was done before. The rest will take about {time}; {stop}"
    return f"This will take about {time}; {stop}"


def in_words(seconds: float) -> str:
    """Return a duration in the unit that fits.

    Parameters
    ----------
    seconds : float
        The duration.

    Returns
    -------
    str
        In seconds, minutes or hours.

    Examples
    --------
    >>> in_words(41.3), in_words(600), in_words(16_200)
    ('41 s', '10 minutes', '4.5 hours')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"
