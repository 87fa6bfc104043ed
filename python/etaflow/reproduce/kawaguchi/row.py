"""A line of the table of claims."""

from __future__ import annotations

from dataclasses import dataclass

HOLDS, FAILS, ANSWERED = "holds", "fails", "answered"

THEOREM = "slides, Theorem (Kawaguchi 2016)"
BALDI = "slides, Theorem (Baldi-Hornik 1989)"


@dataclass(frozen=True)
class Row:
    """One claim.

    Attributes
    ----------
    claim : str
        What is claimed, or asked.
    where : str
        Where it stands.
    how : str
        How it was checked.
    result : {"holds", "fails", "answered"}
        What became of it; ``answered`` for a question.
    numbers : str
        What the result rests on.
    """

    claim: str
    where: str
    how: str
    result: str
    numbers: str


def word(holds: bool) -> str:
    """Return what became of a claim.

    Returns
    -------
    {"holds", "fails"}
        For a `Row`.
    """
    return HOLDS if holds else FAILS
