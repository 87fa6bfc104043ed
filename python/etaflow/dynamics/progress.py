"""The progress bar of a descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class Progress:
    """Passes the part of the work that is done on to a bar, to a function, or to nobody.

    Parameters
    ----------
    wish : bool or callable
        True for a bar of tqdm with the time left; a function of one number between 0 and 1; False for nothing.
    steps : int
        How long the bar is.

    Raises
    ------
    TypeError
        If `wish` is none of these.
    ImportError
        If a bar is wanted and tqdm is not installed.
    """

    def __init__(self, wish: object, steps: int) -> None:
        if not isinstance(wish, bool) and not callable(wish):
            raise TypeError(f"progress must be True, False or a function of one number (got {wish!r})")
        self.steps = steps
        self.make_bar = _tqdm() if wish is True else None
        self.report: Callable[[float], Any] | None = wish if callable(wish) else None

    def __enter__(self) -> Self:
        """Open the bar.

        Returns
        -------
        Progress
            Itself.
        """
        if self.make_bar is not None:
            self.bar = self.make_bar(total=self.steps, unit="step", unit_scale=True, dynamic_ncols=True)
            self.report = self._move_bar
        return self

    def __exit__(self, *_: object) -> None:
        """Close the bar."""
        if self.make_bar is not None:
            self.bar.close()
            self.report = None

    def up_to(self, last: int) -> Callable[[float], None] | None:
        """Return the function that a call of the core up to the step `last` should report to.

        Parameters
        ----------
        last : int
            The last step of the call.

        Returns
        -------
        callable or None
            A function of the mean, over runs, of steps done / `last`; a run that ended is done.
        """
        report = self.report
        if report is None:
            return None
        part = last / self.steps if self.steps else 1.0
        return lambda fraction: report(part * fraction)

    def _move_bar(self, fraction: float) -> None:
        self.bar.update(max(round(fraction * self.steps) - self.bar.n, 0))


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm  # noqa: PLC0415 - only a bar needs it
    except ImportError as error:
        raise ImportError('progress=True needs tqdm: pip install "etaflow[lab]"') from error
    return tqdm
