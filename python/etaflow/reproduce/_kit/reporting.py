"""How far a job is: for a progress bar, a function, or nobody."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes
    ----------
    phase : str
        What it does now.
    fraction : float
        The part of the whole job that is done.
    estimate : float
        How many seconds the job takes from this call on, as measured before it began.
    """

    phase: str
    fraction: float
    estimate: float


@contextmanager
def reporter(wish: object) -> Iterator[Callable[[Progress], object] | None]:
    """Return the function to report to while the job runs.

    Parameters
    ----------
    wish : bool or callable
        True for a progress bar of tqdm; a function of a `Progress`; False for nothing.

    Yields
    ------
    callable or None
        A function of a `Progress`.

    Raises
    ------
    ImportError
        If a bar is wanted and tqdm is not installed.
    TypeError
        If `wish` is none of these.
    """
    if not isinstance(wish, bool):
        if not callable(wish):
            raise TypeError(f"progress must be True, False or a function of a Progress (got {wish!r})")
        yield wish
    elif wish:
        with _bar() as report:
            yield report
    else:
        yield None


@contextmanager
def _bar() -> Iterator[Callable[[Progress], object]]:
    try:
        from tqdm.auto import tqdm  # noqa: PLC0415 - only a bar needs it
    except ImportError as error:
        raise ImportError('progress=True needs tqdm: pip install "etaflow[lab]"') from error
    parts = 1000
    with tqdm(total=parts, bar_format="{desc}{percentage:3.0f} %|{bar}| {elapsed}<{remaining}") as bar:
        begun = False

        def report(progress: Progress) -> None:
            nonlocal begun
            bar.set_description(progress.phase, refresh=False)
            done = round(parts * progress.fraction)
            if not begun:  # what was kept says nothing about the speed
                bar.initial = bar.n = done
                begun = True
            bar.update(done - bar.n)

        yield report
